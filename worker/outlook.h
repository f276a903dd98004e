/* outlook.h - what a capsule believes of the lanes: in which of them a claim may find something, and which of those is next.
 *
 * A lane may have work when its session opens, when a token came from it, when the last claim left some, when a rate-limited
 * organization comes back, and when it is its turn in a sweep. After a refused claim nothing is believed of it for a while. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct lane;
struct lane_answer;
struct outlook;

/* `on_change` is called when a lane that had no work may have some, but not by the functions below. */
struct outlook *outlook_new(struct ev_loop *loop, uint32_t lanes, void (*on_change)(void *ctx), void *ctx);
void outlook_free(struct outlook *outlook);

/* Each lane once, in the order of their numbers; borrowed. */
void outlook_add(struct outlook *outlook, struct lane *lane);

/* The ready lane that may have work (for organizations with nothing running, if `quiet`) and whose V is furthest behind; NULL if
 * there is none. `ret_floor`: the lowest V among lanes with work, 0 if there is one lane only. */
struct lane *outlook_choose(const struct outlook *outlook, bool quiet, int64_t *ret_floor);

/* There may be work: the session is open · a token came, perhaps while a claim is under way · of a few lanes, by turns. */
void outlook_expect(struct outlook *outlook, const struct lane *lane);
void outlook_wake(struct outlook *outlook, uint32_t lane);
void outlook_sweep(struct outlook *outlook);

/* A claim was sent · was answered (`more`: the answer need not tell of all that is left) · was refused. */
void outlook_sent(struct outlook *outlook, const struct lane *lane);
void outlook_answered(struct outlook *outlook, const struct lane *lane, const struct lane_answer *answer, bool more);
void outlook_refused(struct outlook *outlook, const struct lane *lane);
