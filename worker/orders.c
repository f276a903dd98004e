#include "worker/orders.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/log.h"
#include "common/memory.h"

/* What a lane has brought last. */
struct seen {
    char session[TYPE_BYTES_MAX + 1];
    int64_t order, dump; /* numbers */
};

struct orders {
    struct orders_options options;
    struct seen *lanes;
};

struct orders *orders_new(const struct orders_options *options)
{
    struct orders *orders = memory_new(sizeof *orders);

    orders->options = *options;
    orders->lanes = memory_new(sizeof *orders->lanes * options->lanes);
    return orders;
}

void orders_free(struct orders *orders)
{
    if (!orders)
        return;
    free(orders->lanes);
    free(orders);
}

/* The number at the beginning of an order if it was not seen yet, else 0; *ret_rest is what follows it. */
static int64_t new_number(const char *text, int64_t *seen, const char **ret_rest)
{
    char *end;
    int64_t number = strtoll(text, &end, 10);

    if (end == text || *end != ' ' || number <= *seen)
        return 0;
    *seen = number;
    *ret_rest = end + 1;
    return number;
}

static void take_order(struct orders *orders, int64_t number, const char *text)
{
    static const char *const verbs[] = {"quiet", "resume", "stop"};

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t length = strlen(verbs[i]);
        if (strncmp(text, verbs[i], length) == 0 && text[length] == ' ') {
            orders->options.on_order(verbs[i], number, text + length + 1, orders->options.ctx);
            return;
        }
    }
    log_warn("an order that this version does not know", "order=%s", text);
}

void orders_take(struct orders *orders, uint32_t lane, const char *session, const char *order, const char *dump)
{
    struct seen *seen = &orders->lanes[lane];
    const char *rest = "";
    int64_t number;

    assert(lane < orders->options.lanes);
    if (strcmp(seen->session, session) != 0) {
        *seen = (struct seen){0};
        snprintf(seen->session, sizeof seen->session, "%s", session);
    }
    number = new_number(dump, &seen->dump, &rest);
    if (number > 0)
        orders->options.on_order("dump", number, rest, orders->options.ctx);
    number = new_number(order, &seen->order, &rest);
    if (number > 0)
        take_order(orders, number, rest);
}
