/* call.h - one Redis command on its way out: a list of binary-safe arguments. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All zeroes is an empty call. Reusable: the begin functions empty it and keep its memory. */
struct call {
    char *bytes;  /* the arguments, one after the other */
    size_t *ends; /* where each one ends */
    size_t length, capacity;
    int count, slots;
};

/* Begins a plain command, as in call_command(&call, "PING"). */
void call_command(struct call *call, const char *name);

/* Begins FCALL of function `name` ("enqueue") of our library in `lane`: function name, 2 and the two keys of the lane are added.
 */
void call_function(struct call *call, const char *name, uint32_t lane);

void call_add(struct call *call, const void *bytes, size_t length);
void call_add_string(struct call *call, const char *string);
void call_add_int(struct call *call, int64_t number);
void call_add_positive(struct call *call, int64_t number); /* empty, if it is not */
void call_add_format(struct call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Argument `index` and its length; for tests and logs. */
const char *call_argument(const struct call *call, int index, size_t *ret_length);

void call_clear(struct call *call);
