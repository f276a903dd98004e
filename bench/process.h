/* process.h - the real programs, started beside the server of a case. They die with bench. */
#pragma once

#include <sys/types.h>

struct ground;

#define PROCESS_ARGUMENTS_MAX 16

/* Starts `program` ("rota-worker"), which lies beside bench, on the server of `ground`, with `arguments` (NULL-terminated; NULL
 * for none). Its log goes to a file beside the server's data. */
pid_t process_start(const struct ground *ground, const char *program, const char *const *arguments);

/* The same, and waits for its end, which must be a success. */
void process_run(const struct ground *ground, const char *program, const char *const *arguments);

/* Asks it to stop (SIGTERM) and waits for its end. */
void process_stop(pid_t pid);

/* Waits until `count` sessions are open, the scheduler's being one. */
void process_wait_sessions(struct ground *ground, int count);

/* The path of a program that lies beside bench. Gives. */
char *process_path(const char *program);
