/* inbox_list.h - which private inboxes there are: `inboxes` of each lane, looked at again and again. */
#pragma once

#include "scheduler/duty.h"
#include "scheduler/inbox_stream.h"

struct inbox_list;

/* Looks at once, and each INBOX_LIST_MS. New ones are added to *streams when they are found; `on_change` is told if there were.
 */
struct inbox_list *inbox_list_new(const struct duty *duty, struct inbox_stream **streams, void (*on_change)(void *ctx),
                                  void *ctx);
void inbox_list_free(struct inbox_list *list);

/* Frees the streams that are not listed any more. Not while one of them is being read. */
void inbox_list_sweep(struct inbox_list *list);
