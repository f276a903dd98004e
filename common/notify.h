/* notify.h - telling a service manager how it goes, by the protocol of sd_notify(3): datagrams to the socket in NOTIFY_SOCKET,
 * which is a path or, with '@' in front, an abstract name.
 *
 * Where nobody listens all of this does nothing. Messages that cannot be sent are lost. If WATCHDOG_USEC asks for it, a sign of
 * life goes out twice in that time, from the loop: it stops when the loop hangs, and at nothing else. */
#pragma once

#include "common/error.h"

struct ev_loop;
struct notify;

/* Reads the environment, and forgets the variables: they are not meant for children. */
struct notify *notify_new(struct ev_loop *loop);
void notify_free(struct notify *notify);

/* It works; once. */
void notify_ready(struct notify *notify);

/* One line for people, like "running, 3 of 4 slots". The same again is not sent, and of several within a second only the first
 * and, after it, the last. */
void notify_status(struct notify *notify, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Settings are being read again, and were. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);

void notify_stopping(struct notify *notify);
