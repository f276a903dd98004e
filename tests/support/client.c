#include "tests/support/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define TICK_S 0.01

static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
}

struct client *client_new(void)
{
    struct client *client = memory_new(sizeof *client);

    client->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    assert_non_null(client->loop);
    ev_timer_init(&client->tick, on_tick, TICK_S, TICK_S);
    ev_timer_start(client->loop, &client->tick);
    return client;
}

static void on_up(void *ctx)
{
    struct client *client = ctx;

    client->ups++;
    assert_true(redis_is_up(client->redis));
    if (client->after_up)
        client->after_up(client);
}

static void on_down(const struct error *err, void *ctx)
{
    struct client *client = ctx;

    client->downs++;
    client->down = *err;
    assert_false(redis_is_up(client->redis));
    if (client->after_down)
        client->after_down(client);
}

void client_connect(struct client *client, const char *url, const struct redis_options *options)
{
    struct redis_options all = options ? *options : (struct redis_options){0};
    struct error err;

    all.url = all.url ? all.url : url;
    all.on_up = on_up;
    all.on_down = on_down;
    all.ctx = client;
    client->redis = redis_new(client->loop, &all, &err);
    if (!client->redis)
        fail_msg("%s", err.message);
    assert_int_equal(client->ups + client->downs, 0);
}

void client_connect_up(struct client *client, const char *url)
{
    client_connect(client, url, NULL);
    CLIENT_UNTIL(client, client->ups == 1);
}

void client_free(struct client *client)
{
    if (!client)
        return;
    redis_free(client->redis);
    ev_timer_stop(client->loop, &client->tick);
    ev_loop_destroy(client->loop);
    free(client);
}

void client_turn(struct client *client)
{
    ev_run(client->loop, EVRUN_ONCE);
}

void client_turn_for_ms(struct client *client, int64_t ms)
{
    for (int64_t end_mono_ms = clock_mono_ms() + ms; clock_mono_ms() < end_mono_ms;)
        client_turn(client);
}

void client_on_reply(const struct reply *reply, const struct error *err, void *ctx)
{
    struct outcome *outcome = ctx;

    assert_false(outcome->inside);
    assert_true((reply == NULL) != (err == NULL));
    outcome->runs++;
    outcome->code = err ? err->code : 0;
    snprintf(outcome->message, sizeof outcome->message, "%s", err ? err->message : "");
    snprintf(outcome->text, sizeof outcome->text, "%s", reply_string(reply));
    outcome->number = reply_int(reply);
}

static void send_call(struct client *client, struct outcome *outcome, int64_t timeout_ms, const struct call *call)
{
    *outcome = (struct outcome){.inside = true};
    redis_send(client->redis, call, timeout_ms, client_on_reply, outcome);
    outcome->inside = false;
}

static void send_words(struct client *client, struct outcome *outcome, int64_t timeout_ms, va_list words)
{
    struct call call = {0};
    const char *word = va_arg(words, const char *);

    call_command(&call, word);
    while ((word = va_arg(words, const char *)))
        call_add_string(&call, word);
    send_call(client, outcome, timeout_ms, &call);
    call_clear(&call);
}

void client_send(struct client *client, struct outcome *outcome, int64_t timeout_ms, ...)
{
    va_list words;

    va_start(words, timeout_ms);
    send_words(client, outcome, timeout_ms, words);
    va_end(words);
}

void client_send_large(struct client *client, struct outcome *outcome, int64_t timeout_ms, size_t bytes)
{
    char *argument = memory_new(bytes);
    struct call call = {0};

    memset(argument, 'x', bytes);
    call_command(&call, "ECHO");
    call_add(&call, argument, bytes);
    send_call(client, outcome, timeout_ms, &call);
    call_clear(&call);
    free(argument);
}

struct outcome client_call(struct client *client, ...)
{
    struct outcome outcome;
    va_list words;

    va_start(words, client);
    send_words(client, &outcome, CLIENT_MS_MAX, words);
    va_end(words);
    CLIENT_UNTIL(client, outcome.runs > 0);
    assert_int_equal(outcome.runs, 1);
    return outcome;
}
