/* nearest.h - "did you mean ...?": the known name that a mistyped one is closest to.
 *
 *   struct nearest nearest = {.word = "sesion.timeout"};
 *   nearest_offer(&nearest, "session.timeout"); ... every known name
 *   error_set(err, ERR_INVALID, "unknown setting \"%s\"%s", nearest.word, nearest_hint(&nearest, hint)); */
#pragma once

#define NEAREST_BYTES_MAX  80 /* longer words get no hint, longer names are not offered */
#define NEAREST_HINT_BYTES (NEAREST_BYTES_MAX + 32)

/* Begin with only `word` set; borrowed. */
struct nearest {
    const char *word;
    char name[NEAREST_BYTES_MAX + 1]; /* the closest name so far; empty: none is close enough */
    unsigned distance;
};

/* Takes `name` (copied) into account: letters added, left out, changed or swapped with their neighbour each count 1; a name is
 * close enough if at most a third of its letters differ. The first of equally close names wins. */
void nearest_offer(struct nearest *nearest, const char *name);

/* ", did you mean "session.timeout"?", or nothing. Written to and returned in `ret_hint`. */
const char *nearest_hint(const struct nearest *nearest, char ret_hint[NEAREST_HINT_BYTES]);
