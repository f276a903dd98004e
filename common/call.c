#include "common/call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"

static void begin(struct call *call)
{
    call->length = 0;
    call->count = 0;
}

/* Opens an argument of `bytes` bytes and returns where they go; a spare byte follows for the NUL of printf. */
static char *open_argument(struct call *call, size_t bytes)
{
    size_t needed = call->length + bytes + 1, capacity = call->capacity ? call->capacity : 256;
    char *at;

    if (needed > call->capacity) {
        while (capacity < needed)
            capacity *= 2;
        call->bytes = memory_resize(call->bytes, capacity);
        call->capacity = capacity;
    }
    if (call->count == call->slots) {
        call->slots = call->slots ? call->slots * 2 : 16;
        call->ends = memory_resize(call->ends, (size_t)call->slots * sizeof *call->ends);
    }
    at = call->bytes + call->length;
    call->length += bytes;
    call->ends[call->count++] = call->length;
    return at;
}

void call_command(struct call *call, const char *name)
{
    begin(call);
    call_add_string(call, name);
}

void call_function(struct call *call, const char *name, uint32_t lane)
{
    char key[KEY_BYTES_MAX];

    begin(call);
    call_add_string(call, "FCALL");
    call_add_format(call, "%s_%s", library_name(), name);
    call_add_string(call, "2");
    call_add_string(call, key_lane(key, lane));
    call_add_string(call, key_in_lane(key, lane, "clock"));
}

void call_add(struct call *call, const void *bytes, size_t length)
{
    char *at = open_argument(call, length);

    if (length)
        memcpy(at, bytes, length);
}

void call_add_string(struct call *call, const char *string)
{
    call_add(call, string, strlen(string));
}

void call_add_int(struct call *call, int64_t number)
{
    call_add_format(call, "%" PRId64, number);
}

void call_add_positive(struct call *call, int64_t number)
{
    if (number > 0)
        call_add_int(call, number);
    else
        call_add_string(call, "");
}

void call_add_format(struct call *call, const char *fmt, ...)
{
    va_list args, again;
    int length;

    va_start(args, fmt);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(length >= 0);
    vsnprintf(open_argument(call, (size_t)length), (size_t)length + 1, fmt, again);
    va_end(again);
}

const char *call_argument(const struct call *call, int index, size_t *ret_length)
{
    size_t start;

    assert(index >= 0 && index < call->count);
    start = index > 0 ? call->ends[index - 1] : 0;
    *ret_length = call->ends[index] - start;
    return call->bytes + start;
}

void call_clear(struct call *call)
{
    free(call->bytes);
    free(call->ends);
    *call = (struct call){0};
}
