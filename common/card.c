#include "common/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"

#define CARD_TIMEOUT_MS 5000

static void on_written(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)ctx;
    if (err)
        log_debug("worker card not written", "err=%s", err->message);
}

static void send(struct redis *redis, struct call *call)
{
    redis_send(redis, call, CARD_TIMEOUT_MS, on_written, NULL);
    call_clear(call);
}

static void add_field(struct call *call, const char *name, const char *value)
{
    call_add_string(call, name);
    call_add_string(call, value);
}

static void add_number(struct call *call, const char *name, int64_t value)
{
    call_add_string(call, name);
    call_add_int(call, value);
}

static void keep(struct redis *redis, const char *session)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    call_command(&call, "EXPIRE");
    call_add_string(&call, key_worker(key, session));
    call_add_int(&call, CARD_KEEP_S);
    send(redis, &call);
}

static void note_seen(struct redis *redis, const char *session)
{
    struct call call = {0};

    call_command(&call, "ZADD");
    call_add_string(&call, KEY_WORKERS);
    call_add_int(&call, clock_wall_ms());
    call_add_string(&call, session);
    send(redis, &call);
}

void card_write(struct redis *redis, const struct card *card)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX], host[256] = "?";

    gethostname(host, sizeof host - 1);
    call_command(&call, "HSET");
    call_add_string(&call, key_worker(key, card->session));
    add_field(&call, "kind", card->kind);
    add_field(&call, "host", host);
    add_number(&call, "pid", getpid());
    add_field(&call, "version", ROTA_VERSION);
    add_field(&call, "queues", card->queues);
    add_field(&call, "types", card->types);
    if (card->capsules)
        add_field(&call, "capsules", card->capsules);
    add_number(&call, "slots", card->slots);
    add_number(&call, "started_ms", card->started_ms);
    add_field(&call, "broken", card->broken ? card->broken : "");
    add_field(&call, "phase", card->phase);
    if (card->asked) {
        add_field(&call, "asked", card->asked);
        add_field(&call, "asked_by", card->asked_by);
        add_number(&call, "asked_ms", card->asked_ms);
    }
    if (card->order > 0) {
        add_number(&call, "order", card->order);
    }
    send(redis, &call);
    keep(redis, card->session);
    note_seen(redis, card->session);
}

void card_write_dump(struct redis *redis, const char *session, int64_t number, const char *text)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    call_command(&call, "SET");
    call_add_string(&call, key_dump(key, session));
    call_add_format(&call, "%lld %s", (long long)number, text);
    call_add_string(&call, "EX");
    call_add_int(&call, CARD_DUMP_KEEP_S);
    send(redis, &call);
}

void card_end(struct redis *redis, const char *session, const char *why)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    call_command(&call, "HSET");
    call_add_string(&call, key_worker(key, session));
    add_number(&call, "stopped_ms", clock_wall_ms());
    add_field(&call, "why", why);
    send(redis, &call);
    keep(redis, session);
}
