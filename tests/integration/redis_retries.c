/* redis_retries - a connection that does not come about: tried again, given up, and freed at any time. */
#include "common/redis.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/support/fake.h"
#include "tests/support/server.h"

#define TWO_ADDRESSES "two-addresses.invalid"

/* In the place of libc's: TWO_ADDRESSES has one address where nobody listens, and one where the fake server does. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    typedef int function(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    union {
        void *symbol;
        function *call;
    } real = {.symbol = dlsym(RTLD_NEXT, "getaddrinfo")};

    if (strcmp(host, TWO_ADDRESSES) != 0)
        return real.call(host, port, hints, ret);
    if (real.call("127.0.0.2", port, hints, ret) != 0)
        return EAI_FAIL;
    return real.call("127.0.0.1", port, hints, &(*ret)->ai_next);
}

/* ---- trying again, and giving up ---- */

static void nobody_there_is_told_for_each_attempt_with_growing_pauses(void **state)
{
    struct faked *f = *state;
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server_free_port());

    client_connect(f->client, url, NULL);
    client_turn_for_ms(f->client, 1500);

    assert_true(f->client->downs >= 2 && f->client->downs < 30); /* without pauses it would be thousands */
    assert_non_null(strstr(f->client->down.message, "Connection refused"));
}

static void a_server_that_always_hangs_up_is_not_hammered(void **state)
{
    struct faked *f = *state;
    f->fake->read_bytes_max = 0;
    client_connect(f->client, f->fake->url, NULL);

    client_turn_for_ms(f->client, 1500);

    assert_true(f->fake->connections >= 2 && f->fake->connections < 30);
}

static void for_the_command_line_one_attempt_is_enough(void **state)
{
    struct faked *f = *state;
    char url[64];
    struct error err;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server_free_port());
    client_connect(f->client, url, &(struct redis_options){.once = true});

    int64_t began_ms = clock_mono_ms();
    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_UNAVAILABLE);
    struct outcome outcome = client_call(f->client, "PING", NULL);
    client_turn_for_ms(f->client, 300);

    assert_true(clock_mono_ms() - began_ms < CLIENT_MS_MAX / 2);
    assert_int_equal(f->client->downs, 1);
    assert_int_equal(outcome.code, ERR_UNAVAILABLE);
    assert_string_equal(outcome.message, err.message);
}

static void for_the_command_line_a_refusal_keeps_its_reason(void **state)
{
    struct faked *f = *state;
    f->fake->ping = "-NOAUTH Authentication required.\r\n";
    client_connect(f->client, f->fake->url, &(struct redis_options){.once = true});

    CLIENT_UNTIL(f->client, f->client->downs == 1);
    struct outcome outcome = client_call(f->client, "GET", "k", NULL);

    assert_int_equal(outcome.code, ERR_DENIED);
}

static void a_host_nobody_knows_is_told(void **state)
{
    struct faked *f = *state;

    client_connect(f->client, "redis://no-such-host.invalid", NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_int_equal(f->client->down.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->client->down.message, "host \"no-such-host.invalid\""));
}

static void each_address_of_a_host_is_tried(void **state)
{
    struct faked *f = *state;
    char url[64];
    snprintf(url, sizeof url, "redis://" TWO_ADDRESSES "%s", strrchr(f->fake->url, ':'));

    client_connect(f->client, url, &(struct redis_options){.once = true});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    assert_int_equal(f->client->downs, 0);
    assert_string_equal(client_call(f->client, "GET", "k", NULL).text, "OK");
}

/* ---- freeing, at any time ---- */

static void freeing_ends_the_calls_on_their_way(void **state)
{
    struct faked *f = *state;
    struct outcome sent, unsent;
    f->fake->answer = NULL;
    client_connect_up(f->client, f->fake->url);
    client_send(f->client, &sent, 1000, "INCR", "k", NULL);
    client_turn(f->client);
    client_send(f->client, &unsent, 1000, "INCR", "k", NULL);

    redis_free(f->client->redis);
    f->client->redis = NULL;

    assert_int_equal(sent.runs, 1);
    assert_int_equal(sent.code, ERR_UNKNOWN);
    assert_int_equal(unsent.runs, 1);
    assert_int_equal(unsent.code, ERR_UNAVAILABLE);
    assert_int_equal(f->client->downs, 0);
    CLIENT_UNTIL(f->client, f->fake->commands >= 2); /* the loop goes on without it */
}

static void freeing_before_anything_happened_is_fine(void **state)
{
    struct faked *f = *state;
    struct outcome early;

    client_connect(f->client, f->fake->url, NULL);
    client_send(f->client, &early, 1000, "INCR", "k", NULL);
    redis_free(f->client->redis);
    f->client->redis = NULL;
    assert_int_equal(early.runs, 1);
    for (int i = 0; i < 5; i++)
        client_turn(f->client);
    assert_int_equal(f->fake->connections, 0);
    redis_free(NULL);
}

static void freeing_in_each_turn_of_connecting_is_fine(void **state)
{
    struct faked *f = *state;
    char by_name[64];
    snprintf(by_name, sizeof by_name, "redis://localhost%s", strrchr(f->fake->url, ':'));

    for (int turns = 0; turns < 12; turns++) {
        client_connect(f->client, turns % 2 ? by_name : f->fake->url, NULL);
        for (int i = 0; i < turns; i++)
            client_turn(f->client);
        redis_free(f->client->redis);
        f->client->redis = NULL;
        f->client->ups = f->client->downs = 0;
    }
}

static void free_client(struct client *client)
{
    redis_free(client->redis);
    client->redis = NULL;
}

static void freeing_inside_on_up_is_fine(void **state)
{
    struct faked *f = *state;
    f->client->after_up = free_client;

    client_connect(f->client, f->fake->url, NULL);
    CLIENT_UNTIL(f->client, f->client->ups == 1);
    for (int i = 0; i < 5; i++)
        client_turn(f->client);

    assert_null(f->client->redis);
}

static void freeing_inside_on_down_is_fine(void **state)
{
    struct faked *f = *state;
    struct outcome sent;
    f->client->after_down = free_client;
    f->fake->answer = NULL;
    client_connect_up(f->client, f->fake->url);
    client_send(f->client, &sent, 1000, "INCR", "k", NULL);
    client_turn(f->client);

    fake_hang_up(f->fake);
    CLIENT_UNTIL(f->client, f->client->downs == 1);
    for (int i = 0; i < 5; i++)
        client_turn(f->client);

    assert_null(f->client->redis);
    assert_int_equal(sent.runs, 1);
}

static void on_reply_reconnect(const struct reply *reply, const struct error *err, void *ctx)
{
    struct client *client = ctx;

    assert_non_null(reply);
    assert_null(err);
    redis_reconnect(client->redis);
}

static void reconnecting_inside_a_callback_is_fine(void **state)
{
    struct faked *f = *state;
    struct outcome behind;
    struct call call = {0};
    client_connect_up(f->client, f->fake->url);

    call_command(&call, "PING");
    redis_send(f->client->redis, &call, 1000, on_reply_reconnect, f->client);
    call_clear(&call);
    client_send(f->client, &behind, 1000, "INCR", "k", NULL);
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_int_equal(behind.runs, 1);
    assert_int_equal(behind.code, ERR_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKED_TEST(nobody_there_is_told_for_each_attempt_with_growing_pauses),
        FAKED_TEST(a_server_that_always_hangs_up_is_not_hammered),
        FAKED_TEST(for_the_command_line_one_attempt_is_enough),
        FAKED_TEST(for_the_command_line_a_refusal_keeps_its_reason),
        FAKED_TEST(a_host_nobody_knows_is_told),
        FAKED_TEST(each_address_of_a_host_is_tried),
        FAKED_TEST(freeing_ends_the_calls_on_their_way),
        FAKED_TEST(freeing_before_anything_happened_is_fine),
        FAKED_TEST(freeing_in_each_turn_of_connecting_is_fine),
        FAKED_TEST(freeing_inside_on_up_is_fine),
        FAKED_TEST(freeing_inside_on_down_is_fine),
        FAKED_TEST(reconnecting_inside_a_callback_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
