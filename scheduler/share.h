/* share.h - how many units of a limit (slots of its concurrency, tokens of its burst) each lane should have. Pure.
 *
 * Lanes in which organizations wait share what there is, by their number. The others keep what is in use there. With fewer units
 * than lanes that wait, the lanes have them in turns. Where nobody waits anywhere all stays as it is, as far as there is so
 * much. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A lane's share: what it has, what of it is in use (also beyond what it has), and how many organizations wait there. */
struct share {
    int64_t has, used, waiting;
    int64_t target; /* the answer */
};

/* Divides `units` among `count` lanes; the sum of the targets is `units` at most. `turn` counts up by one each time the lanes
 * that go short should change. */
void share_divide(struct share *shares, size_t count, int64_t units, uint64_t turn);
