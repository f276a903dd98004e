/* capsule_plan.h - how the slots of a worker are shared out: the section `capsules` of the configuration file.
 *
 * A capsule is a group of slots with queues of its own. What fills one leaves the others free. Without the section there is one,
 * `default`, with the slots of `worker.slots` and the queues of `worker.queues`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/id.h"

struct config;

#define CAPSULES_MAX             16
#define CAPSULE_QUEUES_MAX       16
#define CAPSULE_SLOTS_MAX        1024 /* of all capsules of a worker together */
#define CAPSULE_QUEUE_WEIGHT_MAX 10

struct capsule_queue {
    char name[NAME_BYTES_MAX + 1];
    unsigned weight; /* of its turns, 1..CAPSULE_QUEUE_WEIGHT_MAX */
};

struct capsule_plan {
    char name[NAME_BYTES_MAX + 1];
    unsigned slots; /* 1.. */
    struct capsule_queue queues[CAPSULE_QUEUES_MAX];
    size_t queue_count; /* 1.. */
};

/* All zeroes is none. */
struct capsule_plans {
    struct capsule_plan items[CAPSULES_MAX];
    size_t count;
    unsigned slots; /* of all together */
};

/* The keys of a capsule, for the example and the page about them; ends with a zero entry. */
struct capsule_key {
    const char *name, *argument, *range, *fallback, *example, *help;
};
extern const struct capsule_key capsule_keys[];

/* Reads the section, or makes one capsule of the settings worker.slots and worker.queues, which `config` must have; refuses both
 * at once. */
int capsule_plans_read(struct capsule_plans *ret, const struct config *config, struct error *err) MUST_CHECK;

/* True if both say the same. */
bool capsule_plans_same(const struct capsule_plans *a, const struct capsule_plans *b);
