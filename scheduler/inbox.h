/* inbox.h - moves the entries of inbox streams to their organizations: exactly one job for each.
 *
 * There are two of these duties: one for the stream rota:inbox, which is for jobs of any organization, and one for the private
 * inboxes of organizations that have one. Each waits on a connection of its own, so that neither holds up the other.
 *
 * All private inboxes are read together, each with the same number of entries at most: a flood in one leaves the others their
 * part. Those that have more are read again at once, all of them at least each INBOX_LOOK_MS.
 *
 * An entry is deleted from its stream only after the function has taken it (or it was written to rota:rejected, with the reason).
 * Dying in between changes nothing: moving an entry again is answered 'moved'. Entries of an organization whose call is refused
 * stay, those behind them are moved, and from time to time they are tried again. */
#pragma once

#include "scheduler/duty.h"

struct inbox;

#define INBOX_REJECTED_MAX         10000 /* kept in rota:rejected, about */
#define INBOX_PRIVATE_REJECTED_MAX 1000  /* kept of each private inbox, about */
#define INBOX_STREAMS_PER_READ     1000  /* more private ones take turns */
#define INBOX_LOOK_MS              20
#define INBOX_LIST_MS              1000 /* between two looks at which private inboxes there are */

/* `listener` is a connection for blocking; borrowed, used for nothing else while the duty lives. */
struct inbox *inbox_new(const struct duty *duty, struct redis *listener);
struct inbox *inbox_new_private(const struct duty *duty, struct redis *listener);
void inbox_free(struct inbox *inbox);
