/* claiming.h - what the operations claim, note and finish share (op_claim.c, op_note.c, op_finish.c). */
#pragma once

#include "tests/property/operations.h"

/* A claim of random jobs by `session`; NULL: by somebody unknown. */
struct model_claim draw_claim(struct world *w, struct model_session *session);
void add_claim(struct world *w, struct args *args, const struct model_claim *claim);

/* Keeps the call, so that it can be repeated. */
void save_call(struct world *w, const struct model_session *session, const char *function, const struct args *args);

/* True if the session is over and the call was answered so. */
bool is_lost(struct world *w, const struct model_session *session, const redisReply *reply);

/* What the call answers of each lease, and what it will answer when it is repeated. */
void check_answers(struct world *w, const redisReply *answers, const char *const *words, int count);
void remember_answers(struct model_session *session, const unsigned char token[TOKEN_BYTES], const char *const *words, int count);

/* Judges the jobs that were handed out, and makes them running. */
void check_claimed(struct world *w, struct model_claim *claim, const redisReply *jobs);

/* What a job tells of itself: a checkpoint (NULL: nothing, "": forget it); progress is percent + 1 (0: nothing). */
const char *draw_checkpoint(struct world *w);
void add_note(struct world *w, struct args *args, int progress, const char *checkpoint);

/* The job of that name ("acme/job1"); NULL if the model has none. */
struct model_job *find_named(struct world *w, const char *name);

/* Complains if a job is handed out with another record than it came in with. */
void check_record(struct world *w, const struct model_job *job, const redisReply *record);
