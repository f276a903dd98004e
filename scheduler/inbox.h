/* inbox.h - moves the entries of the stream rota:inbox to their organizations: exactly one job for each.
 *
 * An entry is deleted from the stream only after the function has taken it (or it was written to rota:rejected, with the reason).
 * Dying in between changes nothing: moving an entry again is answered 'moved'. Entries of an organization whose call is refused
 * stay, those behind them are moved, and from time to time they are tried again. */
#pragma once

#include "scheduler/duty.h"

struct inbox;

#define INBOX_REJECTED_MAX 10000 /* kept in rota:rejected, about */

/* `listener` is a connection for blocking; borrowed, used for nothing else while the duty lives. */
struct inbox *inbox_new(const struct duty *duty, struct redis *listener);
void inbox_free(struct inbox *inbox);
