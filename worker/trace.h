/* trace.h - is a trace context what W3C's recommendation says (https://www.w3.org/TR/trace-context/)? Pure.
 *
 * Only then is it passed on to a handler: other programs act on it. */
#pragma once

#include <stdbool.h>

bool trace_parent_is_valid(const char *text);
bool trace_state_is_valid(const char *text);
