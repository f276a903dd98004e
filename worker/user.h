/* user.h - as whom a handler runs. */
#pragma once

#include "worker/order.h"

/* Looks up a user, by name or number, with all his groups; a number without an entry has itself as its group. NULL: nobody else
 * than the worker. May ask a directory service; what was found last is remembered for a minute. ERR_NOT_FOUND, ERR_LIMIT. */
int user_find(struct order_user *ret_user, const char *text, struct error *err) MUST_CHECK;
