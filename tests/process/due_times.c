/* due_times - for comparisons with others: reads lines "<recurrence>|<after ms>" (the recurrence as in common/recurrence.h), and
 * prints for each the next due time in ms, "never", or "refused: <why>". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/recurrence.h"

static void answer(char *line)
{
    char *after = strrchr(line, '|');
    struct recurrence *recurrence;
    struct error err = {0};
    int64_t due_ms;

    line[strcspn(line, "\n")] = '\0';
    if (!after) {
        puts("refused: no \"|\"");
        return;
    }
    *after++ = '\0';
    recurrence = recurrence_parse(line, &err);
    if (!recurrence)
        printf("refused: %s\n", err.message);
    else if (recurrence_next(recurrence, strtoll(after, NULL, 10), &due_ms))
        printf("%" PRId64 "\n", due_ms);
    else
        puts("never");
    recurrence_free(recurrence);
}

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof line, stdin))
        answer(line);
    return 0;
}
