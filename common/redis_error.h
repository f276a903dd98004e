/* redis_error.h - what an error reply of Redis means for the caller. Pure. */
#pragma once

#include <stdbool.h>

#include "common/error.h"

/* Fills `err` from the text of an error reply and returns its code: ERR_UNAVAILABLE and ERR_FULL are refusals of the server
 * before anything ran; ERR_DENIED, ERR_LIBRARY, ERR_SETUP and ERR_INVALID as in error.h; ERR_PROTOCOL for all else. What Redis
 * puts around an error raised in a function (" script: rota_1_enqueue, on @user_function:12.") and the words of our own refusals
 * are taken off. */
int redis_error_set(struct error *err, const char *text);

/* True if the text says that this server is a replica: another connection may find the primary. */
bool redis_error_is_readonly(const char *text);
