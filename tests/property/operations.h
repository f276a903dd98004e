/* operations.h - the operations of the life cycle test, each of which makes one step: draws its arguments, calls the function,
 * and complains if the model knows better. */
#pragma once

#include "tests/property/world.h"

/* producers and operators of jobs (op_produce.c) */
void op_enqueue(struct world *w);
void op_enqueue_batch(struct world *w);
void op_inbox(struct world *w);
void op_cancel(struct world *w);
void op_reschedule(struct world *w);
void op_redrive(struct world *w);
void op_delete(struct world *w);

/* sessions and leases (op_claim.c, op_note.c, op_finish.c, op_session.c) */
void op_claim(struct world *w);
void op_finish(struct world *w);
void op_note(struct world *w);
void op_repeat(struct world *w);
void op_open(struct world *w);
void op_beat(struct world *w);
void op_order(struct world *w);
void op_close(struct world *w);
void op_recover(struct world *w);

/* the scheduler's and the operator's (op_upkeep.c, op_admin.c) */
void op_promote(struct world *w);
void op_trim(struct world *w);
void op_org_delete(struct world *w);
void op_clock(struct world *w);
void op_org_set(struct world *w);
void op_estimate(struct world *w);
void op_pause(struct world *w);
void op_intake(struct world *w);
void op_refused(struct world *w);

/* limits beyond the organization (op_limit.c) */
void op_limit(struct world *w);
void see_let_go(struct world *w); /* after whatever may have made room */
void see_waiting(struct world *w, const struct model_claim *claim);

/* the audit, with and without something to mend (op_audit.c) */
void op_audit(struct world *w);
void op_drift_of_indexes(struct world *w);
void op_drift_of_jobs(struct world *w);

/* One claim of the default queue by `session`, which is open, for all types. */
void claim_from_default(struct world *w, struct model_session *session, bool quiet);

/* A job that its organization may want: a new one, or one that is known. False: there is no room for new ones, of which
 * `ahead` are coming already. */
bool draw_further_job(struct world *w, const struct model_org *org, char ret_id[MODEL_ID_BYTES_MAX + 1], struct wish *ret_wish,
                      int ahead);

/* The record that a wish stands for, as bytes. */
struct bytes wish_record(struct world *w, const struct wish *wish);

/* A session beat, as every claim, finish and beat does. */
void session_beats(struct world *w, struct model_session *session);

/* Recovers ended sessions whose last lease was taken from them by something else than recovery. */
void forget_empty_sessions(struct world *w);
