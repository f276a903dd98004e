/* ground.h - the place where a figure is taken: a private redis-server with our library, one lane, and some organizations.
 *
 * Whatever goes wrong here or in the other helpers of bench/ ends the program with a message: cases check nothing. */
#pragma once

#include <stdint.h>

struct redisContext;
struct redisReply;
struct server;

struct ground {
    struct server *server;
    struct redisContext *redis; /* for set-up and for looking; nothing is measured on it */
};

/* Starts the server and loads the library. */
void ground_open(struct ground *ground);
void ground_close(struct ground *ground);

/* Forgets all data; the lane is set up anew. */
void ground_reset(struct ground *ground);

/* Turns the retention of done jobs off for the first `orgs` organizations. */
void ground_keep_nothing(struct ground *ground, unsigned orgs);

/* The name of organization `n`. */
#define ORG_NAME_BYTES 16
const char *org_name(char ret_name[ORG_NAME_BYTES], unsigned n);

/* A command that must succeed. Gives the reply, or its number. */
struct redisReply *ground_ask(struct ground *ground, const char *fmt, ...);
int64_t ground_number(struct ground *ground, const char *fmt, ...);

/* Field `name` of section `section` of INFO. */
double ground_info(struct ground *ground, const char *section, const char *name);

/* Processor seconds that the server has used. */
double ground_cpu_s(struct ground *ground);

/* Ends the program. */
void give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
