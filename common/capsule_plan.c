#include "common/capsule_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/memory.h"
#include "common/tree.h"
#include "common/units.h"

#define QUOTE_(number) #number
#define QUOTE(number)  QUOTE_(number)

const struct capsule_key capsule_keys[] = {
    {"slots", "N", "1.." QUOTE(CAPSULE_SLOTS_MAX), "1", "4", "how many of its jobs may run at once"},
    {"queues", "MAP or LIST", "1.." QUOTE(CAPSULE_QUEUE_WEIGHT_MAX), "default", "{mail: 3, default: 1}",
     "the queues that it takes jobs from, in turns by weight; those of a list have weight 1"},
    {0},
};

static int add_queue(struct capsule_plan *plan, const char *name, const char *weight, const char *what, struct error *err)
{
    struct capsule_queue queue = {.weight = 1};
    int64_t number = 1;

    if (plan->queue_count == CAPSULE_QUEUES_MAX)
        return error_set(err, ERR_LIMIT, "%s: more than %d queues", what, CAPSULE_QUEUES_MAX);
    if (name_check(name, "queue", err) < 0 ||
        (weight && units_integer(&number, weight, "weight of a queue", 1, CAPSULE_QUEUE_WEIGHT_MAX, err) < 0))
        return error_wrap(err, "%s", what);
    for (size_t i = 0; i < plan->queue_count; i++)
        if (strcmp(plan->queues[i].name, name) == 0)
            return error_set(err, ERR_INVALID, "%s: queue %s is there twice", what, name);
    snprintf(queue.name, sizeof queue.name, "%s", name);
    queue.weight = (unsigned)number;
    plan->queues[plan->queue_count++] = queue;
    return 0;
}

/* "NAME" or "NAME=WEIGHT", as in the flag. */
static int add_queue_text(struct capsule_plan *plan, const char *text, const char *what, struct error *err)
{
    const char *equals = strchr(text, '=');
    char *name = memory_copy(text, equals ? (size_t)(equals - text) : strlen(text));
    int rc = add_queue(plan, name, equals ? equals + 1 : NULL, what, err);

    free(name);
    return rc;
}

/* ---- without the section ---- */

static int read_default(struct capsule_plans *plans, const struct config *config, struct error *err)
{
    struct capsule_plan *plan = &plans->items[0];

    plans->count = 1;
    snprintf(plan->name, sizeof plan->name, "default");
    plan->slots = plans->slots = (unsigned)config_integer(config, "worker.slots");
    for (size_t i = 0; i < config_list_count(config, "worker.queues"); i++)
        if (add_queue_text(plan, config_list_at(config, "worker.queues", i), config_origin(config, "worker.queues"), err) < 0)
            return err->code;
    return 0;
}

/* ---- the section ---- */

static int read_queues(struct capsule_plan *plan, const struct tree *node, const char *what, struct error *err)
{
    if (tree_kind(node) == TREE_TEXT)
        return add_queue_text(plan, tree_text(node), what, err);
    for (size_t i = 0; i < tree_count(node); i++) {
        const struct tree *item = tree_at(node, i);
        int rc = tree_kind(item) == TREE_LIST || tree_kind(item) == TREE_MAP
                     ? error_set(err, ERR_INVALID, "%s: entry %zu must be a single value", what, i + 1)
                 : tree_kind(node) == TREE_MAP
                     ? add_queue(plan, tree_key(item), tree_kind(item) == TREE_TEXT ? tree_text(item) : NULL, what, err)
                     : add_queue_text(plan, tree_text(item), what, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_capsule(struct capsule_plan *plan, const struct tree *node, struct error *err)
{
    static const char *const keys[] = {"slots", "queues", NULL};
    const struct tree *slots = tree_find(node, "slots"), *queues = tree_find(node, "queues");
    char *what = memory_format("capsule %s", tree_key(node));
    char *of_slots = memory_format("%s: %s: slots", tree_place(slots ? slots : node), what);
    char *of_queues = memory_format("%s: %s: queues", tree_place(queues ? queues : node), what);
    int64_t number = 1;
    int rc = tree_check_keys(node, keys, what, err);

    if (rc == 0 && !name_is_valid(tree_key(node), strlen(tree_key(node))))
        rc = error_set(err, ERR_INVALID, "%s: capsule \"%.80s\" must match [a-z0-9][a-z0-9_-]{0,62}", tree_place(node),
                       tree_key(node));
    if (rc == 0 && tree_kind(slots) != TREE_NOTHING)
        rc = units_integer(&number, tree_text(slots), of_slots, 1, CAPSULE_SLOTS_MAX, err);
    if (rc == 0) {
        snprintf(plan->name, sizeof plan->name, "%s", tree_key(node));
        plan->slots = (unsigned)number;
        rc = tree_kind(queues) == TREE_NOTHING ? add_queue(plan, "default", NULL, of_queues, err)
                                               : read_queues(plan, queues, of_queues, err);
    }
    if (rc == 0 && plan->queue_count == 0)
        rc = error_set(err, ERR_INVALID, "%s: there are none", of_queues);
    free(of_queues);
    free(of_slots);
    free(what);
    return rc;
}

static int read_section(struct capsule_plans *plans, const struct tree *section, struct error *err)
{
    if (tree_kind(section) != TREE_MAP || tree_count(section) == 0)
        return error_set(err, ERR_INVALID, "%s: capsules must be a map of at least one", tree_place(section));
    if (tree_count(section) > CAPSULES_MAX)
        return error_set(err, ERR_LIMIT, "%s: %zu capsules, the limit is %d", tree_place(section), tree_count(section),
                         CAPSULES_MAX);
    for (size_t i = 0; i < tree_count(section); i++) {
        struct capsule_plan *plan = &plans->items[plans->count++];
        if (read_capsule(plan, tree_at(section, i), err) < 0)
            return err->code;
        plans->slots += plan->slots;
    }
    if (plans->slots > CAPSULE_SLOTS_MAX)
        return error_set(err, ERR_LIMIT, "%s: the capsules have %u slots together, the limit is %d", tree_place(section),
                         plans->slots, CAPSULE_SLOTS_MAX);
    return 0;
}

static int refuse_both(const struct config *config, const struct tree *section, const char *key, struct error *err)
{
    if (strcmp(config_origin(config, key), "default") == 0)
        return 0;
    return error_set(err, ERR_INVALID, "%s (%s) says the same as capsules (%s): give one of them", key,
                     config_origin(config, key), tree_place(section));
}

int capsule_plans_read(struct capsule_plans *ret, const struct config *config, struct error *err)
{
    const struct tree *section = config_section(config, "capsules");
    struct capsule_plans *plans = memory_new(sizeof *plans);
    int rc;

    if (tree_kind(section) == TREE_NOTHING)
        rc = read_default(plans, config, err);
    else if ((rc = refuse_both(config, section, "worker.slots", err)) == 0 &&
             (rc = refuse_both(config, section, "worker.queues", err)) == 0)
        rc = read_section(plans, section, err);
    if (rc == 0)
        *ret = *plans;
    free(plans);
    return rc;
}

static bool same_plan(const struct capsule_plan *a, const struct capsule_plan *b)
{
    if (strcmp(a->name, b->name) != 0 || a->slots != b->slots || a->queue_count != b->queue_count)
        return false;
    for (size_t i = 0; i < a->queue_count; i++)
        if (strcmp(a->queues[i].name, b->queues[i].name) != 0 || a->queues[i].weight != b->queues[i].weight)
            return false;
    return true;
}

bool capsule_plans_same(const struct capsule_plans *a, const struct capsule_plans *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_plan(&a->items[i], &b->items[i]))
            return false;
    return true;
}
