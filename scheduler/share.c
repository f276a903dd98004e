#include "scheduler/share.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Nobody waits: as it is, but no more than there is; what nobody has goes to the first. */
static void keep(struct share *shares, size_t count, int64_t units)
{
    int64_t left = units;

    for (size_t i = 0; i < count; i++) {
        shares[i].target = least(shares[i].has, left);
        left -= shares[i].target;
    }
    if (count > 0)
        shares[0].target += left;
}

/* One unit each for as many lanes that wait as there are units, beginning with another lane each turn. */
static void give_rest(struct share *shares, size_t count, int64_t rest, size_t waiting, uint64_t turn)
{
    size_t first = waiting ? (size_t)(turn % waiting) : 0, nth = 0;

    for (size_t round = 0; round < 2 && rest > 0; round++) {
        nth = 0;
        for (size_t i = 0; i < count && rest > 0; i++) {
            if (shares[i].waiting == 0)
                continue;
            if (round == 0 ? nth >= first : nth < first) {
                shares[i].target++;
                rest--;
            }
            nth++;
        }
    }
}

void share_divide(struct share *shares, size_t count, int64_t units, uint64_t turn)
{
    int64_t orgs = 0, left = units, given = 0;
    size_t waiting = 0;

    for (size_t i = 0; i < count; i++) {
        orgs += shares[i].waiting;
        waiting += shares[i].waiting > 0;
    }
    if (waiting == 0) {
        keep(shares, count, units);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (shares[i].waiting > 0)
            continue;
        shares[i].target = least(least(shares[i].has, shares[i].used), left);
        left -= shares[i].target;
    }
    for (size_t i = 0; i < count; i++) {
        if (shares[i].waiting == 0)
            continue;
        shares[i].target = left * shares[i].waiting / orgs;
        given += shares[i].target;
    }
    give_rest(shares, count, left - given, waiting, turn);
}
