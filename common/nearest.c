#include "common/nearest.h"

#include <stdio.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance with swapped neighbours. Both are at most NEAREST_BYTES_MAX long. */
static unsigned distance_between(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned rows[3][NEAREST_BYTES_MAX + 1]; /* of the table: the row being filled, and the two before it */

    for (unsigned j = 0; j <= b_bytes; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_bytes; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3], *above_two = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_bytes; j++) {
            row[j] = least(above[j], row[j - 1]) + 1;
            row[j] = least(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above_two[j - 2] + 1);
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t word_bytes = strlen(nearest->word), name_bytes = strlen(name);
    unsigned distance;

    if (word_bytes > NEAREST_BYTES_MAX || name_bytes > NEAREST_BYTES_MAX)
        return;
    distance = distance_between(nearest->word, word_bytes, name, name_bytes);
    if (distance > name_bytes / 3 || (nearest->name[0] && distance >= nearest->distance))
        return;
    memcpy(nearest->name, name, name_bytes + 1);
    nearest->distance = distance;
}

const char *nearest_hint(const struct nearest *nearest, char ret_hint[NEAREST_HINT_BYTES])
{
    ret_hint[0] = '\0';
    if (nearest->name[0])
        snprintf(ret_hint, NEAREST_HINT_BYTES, ", did you mean \"%s\"?", nearest->name);
    return ret_hint;
}
