/* world.h - a run of the life cycle test: the real lanes, their models, the random numbers that drive both, and the story of the
 * last steps, which is told when something is wrong.
 *
 * A step is one operation (operations.h): it draws its arguments, calls the real function, asks the model what should have
 * happened, and compares. After each step the world compares what lasts (compare.h).
 *
 * ROTA_SEED=n replays the run of that seed, ROTA_STEPS=n ends it after n steps, and ROTA_EACH=1 compares everything after each
 * step instead of after every 50th, to find the step that is to blame; ROTA_TELL=1 prints each step. */
#pragma once

#include "tests/property/model.h"
#include "tests/support/lane.h"

#define STORY_LINES 24
#define STORY_BYTES 1024
#define CALLS_SAVED 8

/* A lane with its model. */
struct place_to_be {
    unsigned lane;
    struct model model;
    int64_t promoted_ms;                        /* clock of the last promote */
    double tags[MODEL_ORGS_MAX * MODEL_QUEUES]; /* start tags in `active` after the last step; NAN: not there */
};

/* The last claim or finish of a session, to be repeated as if its reply was lost. */
struct saved_call {
    struct place_to_be *at;
    char session[SESSION_BYTES + 1];
    const char *function;
    struct args args;
};

void saved_call_clear(struct saved_call *saved);

struct world {
    struct fixture *f;
    uint64_t seed, random;
    int64_t step, steps;
    bool compare_each, tell_each, over;
    bool retagged;             /* this step may have taken organizations out of `active` and put them back */
    bool drifted;              /* indexes were damaged: a claim may hand out less than it could */
    int64_t now_us, latest_us; /* of the logical clock; it is set back at times */
    struct place_to_be places[MODEL_ORGS_MAX];
    int place_count;
    /* of the step that is being made */
    struct place_to_be *at;
    struct model *model;
    char story[STORY_LINES][STORY_BYTES];
    struct saved_call saved[CALLS_SAVED];
    int next_saved;
    uint32_t drawn; /* nonces, session ids and tokens so far */
};

/* Begins a run of `steps` steps on a fixture that was reset; reads the environment. Gives nothing to free but what world_end
 * frees. */
void world_begin(struct world *w, struct fixture *f, uint64_t seed, int64_t steps);
void world_end(struct world *w);

/* Prints seed, step and story, if the run was not brought to its end. */
void world_tell(const struct world *w);

/* Adds to the line of this step in the story. */
void note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Something is wrong: fails the test. */
void complain(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* ---- chance ---- */

uint64_t draw(struct world *w, uint64_t limit); /* 0..limit - 1 */
int64_t draw_between(struct world *w, int64_t low, int64_t high);
bool draw_percent(struct world *w, unsigned percent);
struct model_org *draw_org(struct world *w);
struct model_session *draw_session(struct world *w, bool open_only); /* NULL if there is none */
struct model_job *draw_job(struct world *w, unsigned places);        /* of those places (1 << PLACE_...); NULL if there is none */
void draw_token(struct world *w, unsigned char ret_token[TOKEN_BYTES]);

/* ---- calls ---- */

int64_t now_ms(const struct world *w);
void set_clock(struct world *w, int64_t now_us);

/* The function's reply in the lane of this step; errors fail the test. Empties `args`. */
const redisReply *ask(struct world *w, const char *function, struct args *args);

/* Members that are in a sorted set (or fields of a hash) of this lane: ret[i] says it of the i-th. */
bool is_in_set(struct world *w, const char *member, const char *set_fmt, ...) __attribute__((format(printf, 3, 4)));
bool is_in_hash(struct world *w, const char *field, const char *hash_fmt, ...) __attribute__((format(printf, 3, 4)));

/* Compares an answer, telling of what. */
void expect_text(struct world *w, const redisReply *reply, const char *text, const char *what);
void expect_number(struct world *w, int64_t is, int64_t should, const char *what);
