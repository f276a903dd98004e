/* recurrence - a recurrence is read in bounded time, or refused with a reason; written and read again it is the same; its due
 * times go forward and stay within the years it has. */
#include "common/recurrence.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DUE_TIMES 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_due_times(const struct recurrence *recurrence, int64_t after_ms)
{
    int64_t due_ms, again_ms, local_s;

    for (int i = 0; i < DUE_TIMES && recurrence_next(recurrence, after_ms, &due_ms); i++) {
        require(due_ms > after_ms && due_ms >= 0 && due_ms <= RECURRENCE_MS_MAX);
        require(recurrence_next(recurrence, due_ms - 1, &again_ms) && again_ms == due_ms);
        recurrence_explain(recurrence, due_ms, &local_s);
        after_ms = due_ms;
    }
}

static void check_text(const struct recurrence *recurrence)
{
    struct buffer first = {0}, second = {0};
    struct error err = {0};
    struct recurrence *again;

    recurrence_format(&first, recurrence);
    require(first.length <= RECURRENCE_BYTES_MAX);
    again = recurrence_parse(first.data, &err);
    require(again != NULL);
    recurrence_format(&second, again);
    require(strcmp(first.data, second.data) == 0);
    recurrence_free(again);
    buffer_clear(&first);
    buffer_clear(&second);
}

/* The first bytes choose the moment, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text;
    struct recurrence *recurrence;
    struct error err = {0};
    uint32_t days = 0;

    if (bytes < sizeof days)
        return 0;
    memcpy(&days, data, sizeof days);
    text = malloc(bytes - sizeof days + 1);
    memcpy(text, data + sizeof days, bytes - sizeof days);
    text[bytes - sizeof days] = '\0';
    recurrence = recurrence_parse(text, &err);
    if (recurrence) {
        check_text(recurrence);
        check_due_times(recurrence, (int64_t)(days % 40000) * 86400000 - 1);
    } else {
        require(err.code < 0 && err.message[0] && strlen(err.message) < sizeof err.message);
    }
    recurrence_free(recurrence);
    free(text);
    return 0;
}
