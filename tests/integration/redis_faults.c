/* redis_faults - a connection to a server that misbehaves: every call ends once and honestly, whatever happens to it. */
#include "common/redis.h"

#include <string.h>

#include "tests/support/client.h"
#include "tests/support/fake.h"
#include "tests/support/server.h"

#define LARGE_BYTES (1024 * 1024)
#define CALLS       3
#define CALL_BYTES  (sizeof "*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n" - 1)

/* ---- the greeting ---- */

static void a_server_that_is_loading_is_not_up(void **state)
{
    struct faked *f = *state;
    struct outcome early;
    f->fake->ping = "-LOADING Redis is loading the dataset in memory\r\n";
    client_connect(f->client, f->fake->url, NULL);

    CLIENT_UNTIL(f->client, f->client->downs == 2); /* and it is tried again */
    client_send(f->client, &early, 1000, "INCR", "k", NULL);
    CLIENT_UNTIL(f->client, early.runs == 1);

    assert_int_equal(f->client->down.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->client->down.message, "LOADING"));
    assert_int_equal(early.code, ERR_UNAVAILABLE);
    assert_int_equal(f->client->ups, 0);
    f->fake->ping = "+PONG\r\n";
    CLIENT_UNTIL(f->client, f->client->ups == 1);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    struct faked *f = *state;
    f->fake->ping = NULL;

    int64_t began_ms = clock_mono_ms();
    client_connect(f->client, f->fake->url, &(struct redis_options){.connect_timeout_ms = 150});
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_true(clock_mono_ms() - began_ms >= 149);
    assert_int_equal(f->client->down.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->client->down.message, "no answer for 150 ms"));
    assert_int_equal(f->fake->commands, 1);
}

static void a_server_that_is_no_redis_is_told_at_once(void **state)
{
    struct faked *f = *state;
    struct error err;
    f->fake->ping = "HTTP/1.1 400 Bad Request\r\n\r\n";
    client_connect(f->client, f->fake->url, NULL);

    int64_t began_ms = clock_mono_ms();
    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_PROTOCOL);

    assert_true(clock_mono_ms() - began_ms < CLIENT_MS_MAX / 2);
    assert_non_null(strstr(err.message, f->fake->url));
}

static void a_server_with_too_many_clients_is_tried_again(void **state)
{
    struct faked *f = *state;
    f->fake->ping = "-ERR max number of clients reached\r\n";
    client_connect(f->client, f->fake->url, NULL);

    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_int_equal(f->client->down.code, ERR_UNAVAILABLE);
    f->fake->ping = "+PONG\r\n";
    CLIENT_UNTIL(f->client, f->client->ups == 1);
}

/* ---- where the connection is cut ---- */

/* Sends CALLS calls and waits until each has ended. */
static void send_calls(struct faked *f, struct outcome outcomes[CALLS])
{
    for (size_t i = 0; i < CALLS; i++)
        client_send(f->client, &outcomes[i], 1000, "INCR", "k", NULL);
    CLIENT_UNTIL(f->client, outcomes[0].runs + outcomes[1].runs + outcomes[2].runs >= CALLS);
    CLIENT_UNTIL(f->client, f->client->downs == 1);
}

static void a_request_cut_at_any_byte_is_answered_or_unknown(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= CALLS * CALL_BYTES; cut++) {
        struct outcome outcomes[CALLS];
        struct client *client = client_new();
        struct fake *fake = fake_new(client->loop);
        struct faked one = {.client = client, .fake = fake};
        fake->read_bytes_max = cut;
        client_connect_up(client, fake->url);

        send_calls(&one, outcomes);

        for (size_t i = 0; i < CALLS; i++) {
            assert_int_equal(outcomes[i].runs, 1);
            if (cut < (i + 1) * CALL_BYTES) /* the server never had all of it */
                assert_int_equal(outcomes[i].code, ERR_UNKNOWN);
            else
                assert_true(outcomes[i].code == 0 || outcomes[i].code == ERR_UNKNOWN);
        }
        fake_free(fake);
        client_free(client);
    }
}

static void an_answer_cut_at_any_byte_is_whole_or_unknown(void **state)
{
    const size_t answer_bytes = strlen(":12345\r\n");

    (void)state;
    for (size_t cut = 1; cut <= CALLS * answer_bytes; cut++) {
        struct outcome outcomes[CALLS];
        struct client *client = client_new();
        struct fake *fake = fake_new(client->loop);
        struct faked one = {.client = client, .fake = fake};
        fake->answer = ":12345\r\n";
        fake->written_bytes_max = cut;
        client_connect_up(client, fake->url);

        send_calls(&one, outcomes);

        for (size_t i = 0; i < CALLS; i++) {
            assert_int_equal(outcomes[i].runs, 1);
            assert_int_equal(outcomes[i].code, cut >= (i + 1) * answer_bytes ? 0 : ERR_UNKNOWN);
            assert_int_equal(outcomes[i].number, cut >= (i + 1) * answer_bytes ? 12345 : 0);
        }
        fake_free(fake);
        client_free(client);
    }
}

static void what_was_never_written_in_full_is_unavailable(void **state)
{
    struct faked *f = *state;
    struct outcome small, large[32], last;
    client_connect_up(f->client, f->fake->url);
    f->fake->deaf = true;
    f->fake->answer = NULL;

    client_send(f->client, &small, CLIENT_MS_MAX, "INCR", "k", NULL);
    client_turn(f->client);
    for (size_t i = 0; i < 32; i++)
        client_send_large(f->client, &large[i], CLIENT_MS_MAX, LARGE_BYTES); /* more than the kernel takes */
    client_send(f->client, &last, CLIENT_MS_MAX, "INCR", "k", NULL);
    for (int i = 0; i < 20; i++)
        client_turn(f->client);
    fake_hang_up(f->fake);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_int_equal(small.code, ERR_UNKNOWN);
    assert_int_equal(large[31].code, ERR_UNAVAILABLE);
    assert_int_equal(last.code, ERR_UNAVAILABLE);
    for (size_t i = 1; i < 32; i++)
        assert_true(large[i].code >= large[i - 1].code ||
                    large[i - 1].code == ERR_UNKNOWN); /* never unknown behind unavailable */
}

static void garbage_instead_of_an_answer_ends_the_connection(void **state)
{
    struct faked *f = *state;
    struct outcome outcomes[CALLS];
    f->fake->answer = "what?\r\n";
    client_connect_up(f->client, f->fake->url);

    send_calls(f, outcomes);

    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(outcomes[i].code, ERR_UNKNOWN);
    assert_int_equal(f->client->down.code, ERR_PROTOCOL);
    f->fake->answer = "+OK\r\n";
    CLIENT_UNTIL(f->client, f->client->ups == 2);
    assert_string_equal(client_call(f->client, "GET", "k", NULL).text, "OK");
}

static void an_error_nobody_asked_for_ends_the_connection(void **state)
{
    struct faked *f = *state;
    client_connect_up(f->client, f->fake->url);

    fake_say(f->fake, "-ERR the server is tired\r\n");
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_int_equal(f->client->downs, 1);
    assert_non_null(strstr(f->client->down.message, "the server is tired"));
}

/* ---- limits ---- */

static void output_is_bounded(void **state)
{
    struct faked *f = *state;
    static struct outcome outcomes[200];
    unsigned refused = 0;
    client_connect_up(f->client, f->fake->url);
    f->fake->deaf = true;

    for (size_t i = 0; i < 200; i++)
        client_send_large(f->client, &outcomes[i], CLIENT_MS_MAX, LARGE_BYTES);
    client_turn(f->client);
    client_turn(f->client);
    for (size_t i = 0; i < 200; i++)
        refused += outcomes[i].runs;

    assert_true(refused >= 200 - REDIS_OUTPUT_BYTES_MAX / LARGE_BYTES);
    assert_int_equal(outcomes[199].code, ERR_UNAVAILABLE);
    assert_non_null(strstr(outcomes[199].message, "more waits to be sent"));
    assert_int_equal(outcomes[0].runs, 0);
    assert_true(redis_is_up(f->client->redis));
}

static void a_time_out_does_not_wait_for_other_calls(void **state)
{
    struct faked *f = *state;
    struct outcome patient, hasty, late;
    f->fake->answer = NULL;
    client_connect_up(f->client, f->fake->url);

    int64_t began_ms = clock_mono_ms();
    client_send(f->client, &patient, CLIENT_MS_MAX, "INCR", "k", NULL);
    client_send(f->client, &hasty, 100, "INCR", "k", NULL);
    client_send(f->client, &late, 5000, "INCR", "k", NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_true(clock_mono_ms() - began_ms < 1000);
    assert_int_equal(patient.runs + hasty.runs + late.runs, 3);
    assert_int_equal(hasty.code, ERR_UNKNOWN);
}

static void time_outs_that_are_over_leave_nothing_behind(void **state)
{
    struct faked *f = *state;
    struct outcome outcome;
    client_connect(f->client, f->fake->url, &(struct redis_options){.connect_timeout_ms = 50});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    client_send(f->client, &outcome, 50, "INCR", "k", NULL);
    CLIENT_UNTIL(f->client, outcome.runs == 1);
    f->fake->answer = NULL;
    client_send(f->client, &outcome, 400, "INCR", "k", NULL);
    client_turn_for_ms(f->client, 200);

    assert_int_equal(f->client->downs, 0);
    assert_int_equal(outcome.runs, 0);
    CLIENT_UNTIL(f->client, f->client->downs == 1); /* but its own one is not forgotten */
    assert_non_null(strstr(outcome.message, "no reply for 400 ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKED_TEST(a_server_that_is_loading_is_not_up),
        FAKED_TEST(a_server_that_says_nothing_is_given_up),
        FAKED_TEST(a_server_that_is_no_redis_is_told_at_once),
        FAKED_TEST(a_server_with_too_many_clients_is_tried_again),
        cmocka_unit_test(a_request_cut_at_any_byte_is_answered_or_unknown),
        cmocka_unit_test(an_answer_cut_at_any_byte_is_whole_or_unknown),
        FAKED_TEST(what_was_never_written_in_full_is_unavailable),
        FAKED_TEST(garbage_instead_of_an_answer_ends_the_connection),
        FAKED_TEST(an_error_nobody_asked_for_ends_the_connection),
        FAKED_TEST(output_is_bounded),
        FAKED_TEST(a_time_out_does_not_wait_for_other_calls),
        FAKED_TEST(time_outs_that_are_over_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
