#include "worker/room.h"

static unsigned room_of(const struct handler *handler)
{
    const struct handler_use *use = handler->use;
    unsigned taken = use->running + use->promised, most = (unsigned)handler->concurrency;

    return taken < most ? most - taken : 0;
}

struct room room_promise(struct handler *handler, unsigned wanted)
{
    unsigned room = room_of(handler);
    struct room promise = {.handler = handler_hold(handler),
                           .wanted = wanted,
                           .granted = room < wanted ? room : wanted,
                           .begun_before = handler->use->begun};

    handler->use->promised += promise.granted;
    return promise;
}

void room_settle(struct room *room)
{
    struct handler_use *use;

    if (!room->handler)
        return;
    use = room->handler->use;
    use->promised -= room->granted;
    if (room->granted < room->wanted && use->begun - room->begun_before >= room->granted)
        use->missed = true; /* it has used all of it: there may be more */
    handler_release(room->handler);
    *room = (struct room){0};
}

void room_begin(struct handler *handler)
{
    handler->use->running++;
    handler->use->begun++;
}

void room_end(struct handler *handler)
{
    handler->use->running--;
}

bool room_found(struct handler *handler)
{
    bool found = handler->use->missed && (handler->concurrency == 0 || room_of(handler) > 0);

    if (found)
        handler->use->missed = false;
    return found;
}
