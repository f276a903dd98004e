#include "worker/card.h"

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/card.h"
#include "common/clock.h"
#include "common/memory.h"

#define CARD_EVERY_S 5.0

struct worker_card {
    struct worker_card_options options;
    int64_t started_ms;
    struct lane *const *lanes;
    uint32_t lane_count;
    char phase[16], asked[16], asked_by[CARD_WHO_BYTES_MAX + 1];
    int64_t asked_ms, order;
    ev_timer timer;
};

/* True if the space-separated `words` have `word`. */
static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == length && strncmp(at, word, length) == 0)
            return true;
    return false;
}

/* "critical:4:mail=3,default=1", and its queues, each of which is named once. */
static void add_capsule(const struct capsule_plan *plan, struct buffer *capsules, struct buffer *queues)
{
    buffer_add_format(capsules, "%s%s:%u:", capsules->length ? " " : "", plan->name, plan->slots);
    for (size_t i = 0; i < plan->queue_count; i++) {
        buffer_add_format(capsules, "%s%s=%u", i ? "," : "", plan->queues[i].name, plan->queues[i].weight);
        if (!has_word(queues->data, plan->queues[i].name))
            buffer_add_format(queues, "%s%s", queues->length ? " " : "", plan->queues[i].name);
    }
}

void worker_card_write(struct worker_card *card, const struct lane *lane)
{
    const struct worker_card_options *options = &card->options;
    struct buffer queues = {0}, types = {0}, capsules = {0}, broken = {0};

    for (size_t i = 0; i < options->capsules->count; i++)
        add_capsule(&options->capsules->items[i], &capsules, &queues);
    for (size_t i = 0; i < options->handlers->count; i++)
        buffer_add_format(&types, "%s%s", i ? " " : "", options->handlers->items[i]->type);
    slots_broken(options->slots, &broken);
    card_write(options->redis, &(struct card){.session = lane_session(lane),
                                              .kind = "worker",
                                              .queues = queues.data,
                                              .types = types.data,
                                              .broken = broken.data,
                                              .capsules = capsules.data,
                                              .slots = (int)options->capsules->slots,
                                              .started_ms = card->started_ms,
                                              .phase = card->phase,
                                              .asked = card->asked[0] ? card->asked : NULL,
                                              .asked_by = card->asked_by,
                                              .asked_ms = card->asked_ms,
                                              .order = card->order});
    buffer_clear(&queues);
    buffer_clear(&types);
    buffer_clear(&broken);
    buffer_clear(&capsules);
}

/* True if the lane's session is not also that of a lane before it. */
static bool has_own_card(const struct worker_card *card, uint32_t lane)
{
    for (uint32_t i = 0; i < lane; i++)
        if (strcmp(lane_session(card->lanes[i]), lane_session(card->lanes[lane])) == 0)
            return false;
    return true;
}

void worker_card_refresh(struct worker_card *card)
{
    for (uint32_t i = 0; i < card->lane_count && redis_is_up(card->options.redis); i++)
        if (has_own_card(card, i))
            worker_card_write(card, card->lanes[i]);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    worker_card_refresh(timer->data);
}

void worker_card_tell(struct worker_card *card, const char *phase, const char *asked, const char *asked_by)
{
    snprintf(card->phase, sizeof card->phase, "%s", phase);
    snprintf(card->asked, sizeof card->asked, "%s", asked);
    snprintf(card->asked_by, sizeof card->asked_by, "%s", asked_by);
    card->asked_ms = clock_wall_ms();
    worker_card_refresh(card);
}

void worker_card_obey(struct worker_card *card, int64_t order)
{
    card->order = order;
    worker_card_refresh(card);
}

void worker_card_dump(struct worker_card *card, int64_t number, const char *text)
{
    for (uint32_t i = 0; i < card->lane_count && redis_is_up(card->options.redis); i++)
        if (has_own_card(card, i))
            card_write_dump(card->options.redis, lane_session(card->lanes[i]), number, text);
}

struct worker_card *worker_card_new(const struct worker_card_options *options)
{
    struct worker_card *card = memory_new(sizeof *card);

    card->options = *options;
    card->started_ms = clock_wall_ms();
    snprintf(card->phase, sizeof card->phase, "running");
    ev_timer_init(&card->timer, on_time, CARD_EVERY_S, CARD_EVERY_S);
    card->timer.data = card;
    ev_timer_start(options->loop, &card->timer);
    return card;
}

void worker_card_free(struct worker_card *card)
{
    if (!card)
        return;
    ev_timer_stop(card->options.loop, &card->timer);
    free(card);
}

void worker_card_follow(struct worker_card *card, struct lane *const *lanes, uint32_t count)
{
    card->lanes = lanes;
    card->lane_count = count;
}

void worker_card_end(struct worker_card *card)
{
    for (uint32_t i = 0; i < card->lane_count; i++)
        if (has_own_card(card, i))
            card_end(card->options.redis, lane_session(card->lanes[i]), "stopped");
}
