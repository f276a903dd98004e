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

/* What the cards of this process say, whatever the session: for one that is lost. Like the level of the log it is of the whole
 * process; all zeroes until a card was written. */
static struct {
    char *kind, *queues, *types;
    int slots;
    int64_t started_ms;
} process;

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

static void begin_expire(struct call *call, const char *session)
{
    char key[KEY_BYTES_MAX];

    call_command(call, "EXPIRE");
    call_add_string(call, key_worker(key, session));
    call_add_int(call, CARD_KEEP_S);
}

static void keep(struct redis *redis, const char *session)
{
    struct call call = {0};

    begin_expire(&call, session);
    send(redis, &call);
}

static void replace(char **text, const char *with)
{
    char *copy = memory_string(with ? with : "");

    free(*text);
    *text = copy;
}

static void write_fields(struct redis *redis, const char *session)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX], host[256] = "?";

    gethostname(host, sizeof host - 1);
    call_command(&call, "HSET");
    call_add_string(&call, key_worker(key, session));
    add_field(&call, "kind", process.kind);
    add_field(&call, "host", host);
    call_add_string(&call, "pid");
    call_add_int(&call, getpid());
    add_field(&call, "version", ROTA_VERSION);
    add_field(&call, "queues", process.queues);
    add_field(&call, "types", process.types);
    call_add_string(&call, "slots");
    call_add_int(&call, process.slots);
    call_add_string(&call, "started_ms");
    call_add_int(&call, process.started_ms);
    send(redis, &call);
    keep(redis, session);
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
    replace(&process.kind, card->kind);
    replace(&process.queues, card->queues);
    replace(&process.types, card->types);
    process.slots = card->slots;
    process.started_ms = card->started_ms;
    write_fields(redis, card->session);
    note_seen(redis, card->session);
}

/* A card that is asked to live on. */
struct touch {
    struct redis *redis;
    char session[TYPE_BYTES_MAX + 1];
};

static void on_kept(const struct reply *reply, const struct error *err, void *ctx)
{
    struct touch *touch = ctx;

    if (err)
        on_written(NULL, err, NULL);
    else if (reply_int(reply) == 0 && process.kind)
        write_fields(touch->redis, touch->session);
    free(touch);
}

void card_touch(struct redis *redis, const char *session)
{
    struct touch *touch = memory_new(sizeof *touch);
    struct call call = {0};

    touch->redis = redis;
    snprintf(touch->session, sizeof touch->session, "%s", session);
    begin_expire(&call, session);
    redis_send(redis, &call, CARD_TIMEOUT_MS, on_kept, touch);
    call_clear(&call);
    note_seen(redis, session);
}

void card_end(struct redis *redis, const char *session, const char *why)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    call_command(&call, "HSET");
    call_add_string(&call, key_worker(key, session));
    call_add_string(&call, "stopped_ms");
    call_add_int(&call, clock_wall_ms());
    add_field(&call, "why", why);
    send(redis, &call);
    keep(redis, session);
}
