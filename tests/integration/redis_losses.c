/* redis_losses - a connection to a real server: errors that it tells, and how it is lost and found again. */
#include "common/redis.h"

#include <signal.h>
#include <string.h>

#include "tests/support/served.h"

/* ---- errors ---- */

static void a_full_server_is_told(void **state)
{
    struct served *f = *state;
    client_connect_up(f->client, f->url);
    served_admin(f, "CONFIG SET maxmemory 1");

    struct outcome set = client_call(f->client, "SET", "key", "value", NULL);

    assert_int_equal(set.code, ERR_FULL);
    assert_non_null(strstr(set.message, "OOM command not allowed"));
}

static void a_missing_function_is_told(void **state)
{
    struct served *f = *state;
    client_connect_up(f->client, f->url);

    assert_int_equal(client_call(f->client, "FCALL", "rota_999_claim", "0", NULL).code, ERR_LIBRARY);
}

static void errors_of_a_function_do_not_tell_where_it_is(void **state)
{
    struct served *f = *state;
    client_connect_up(f->client, f->url);
    struct outcome load =
        client_call(f->client, "FUNCTION", "LOAD",
                    "#!lua name=t\n"
                    "redis.register_function('t_refuse', function() error(redis.error_reply('INVALID want is 7')) end)\n"
                    "redis.register_function('t_write', function() return redis.call('SET', 'key', 'x') end)\n"
                    "redis.register_function{function_name='t_free', flags={'allow-oom'}, callback=function() "
                    "return redis.call('SET', 'key', 'x') end}\n",
                    NULL);
    assert_string_equal(load.text, "t");

    struct outcome refused = client_call(f->client, "FCALL", "t_refuse", "0", NULL);
    assert_int_equal(refused.code, ERR_INVALID);
    assert_string_equal(refused.message, "want is 7");

    served_admin(f, "ACL SETUSER bob on >secret ~* -@all +fcall +ping +auth");
    assert_string_equal(client_call(f->client, "AUTH", "bob", "secret", NULL).text, "OK");
    struct outcome denied = client_call(f->client, "FCALL", "t_free", "0", NULL);
    assert_int_equal(denied.code, ERR_DENIED);
    assert_null(strstr(denied.message, "user_function"));

    served_admin(f, "CONFIG SET maxmemory 1");
    struct outcome full = client_call(f->client, "FCALL", "t_write", "0", NULL);
    assert_int_equal(full.code, ERR_FULL);
}

static void a_busy_server_is_told(void **state)
{
    struct served *f = *state;
    redisContext *busy = server_connect(f->server);
    int written = 0;
    client_connect_up(f->client, f->url);
    served_admin(f, "CONFIG SET busy-reply-threshold 1");
    redisAppendCommand(busy, "EVAL %s 0", "while true do end");
    while (!written)
        assert_int_equal(redisBufferWrite(busy, &written), REDIS_OK);

    struct outcome ping = client_call(f->client, "GET", "key", NULL);
    while (ping.code == 0) /* it had not begun yet */
        ping = client_call(f->client, "GET", "key", NULL);

    assert_int_equal(ping.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(ping.message, "BUSY"));
    assert_string_equal(client_call(f->client, "SCRIPT", "KILL", NULL).text, "OK");
    redisFree(busy);
}

static void a_replica_is_left_once_its_calls_are_answered(void **state)
{
    struct served *f = *state;
    struct outcome first, second, third, after;
    client_connect_up(f->client, f->url);
    served_admin(f, "CONFIG SET replica-serve-stale-data yes");
    served_admin(f, "REPLICAOF 127.0.0.1 1");

    client_send(f->client, &first, 1000, "SET", "key", "1", NULL);
    client_send(f->client, &second, 1000, "GET", "key", NULL);
    client_send(f->client, &third, 1000, "SET", "key", "3", NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);
    client_send(f->client, &after, 1000, "GET", "key", NULL);
    CLIENT_UNTIL(f->client, after.runs == 1);

    assert_int_equal(first.code, ERR_UNAVAILABLE);
    assert_int_equal(second.code, 0);
    assert_int_equal(third.code, ERR_UNAVAILABLE);
    assert_int_equal(after.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->client->down.message, "read-only replica"));
    served_admin(f, "REPLICAOF NO ONE");
    CLIENT_UNTIL(f->client, f->client->ups == 2);
    assert_string_equal(client_call(f->client, "SET", "key", "4", NULL).text, "OK");
}

/* ---- losses ---- */

static void a_killed_server_is_found_again(void **state)
{
    struct served *f = *state;
    struct outcome blocked, sent;
    client_connect_up(f->client, f->url);
    client_send(f->client, &blocked, CLIENT_MS_MAX, "BLPOP", "nothing", "0", NULL);
    client_send(f->client, &sent, CLIENT_MS_MAX, "INCR", "counter", NULL);
    client_turn(f->client);

    server_kill(f->server);
    CLIENT_UNTIL(f->client, f->client->downs == 1);
    assert_int_equal(blocked.runs + sent.runs, 2); /* on_down comes after the calls that were lost */
    assert_int_equal(blocked.code, ERR_UNKNOWN);
    assert_int_equal(sent.code, ERR_UNKNOWN);
    assert_int_equal(client_call(f->client, "PING", NULL).code, ERR_UNAVAILABLE);
    server_restart(f->server);
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
}

static void a_connection_that_is_killed_is_made_again(void **state)
{
    struct served *f = *state;
    struct outcome blocked;
    client_connect_up(f->client, f->url);
    client_send(f->client, &blocked, CLIENT_MS_MAX, "BLPOP", "nothing", "0", NULL);
    client_turn(f->client);

    served_admin(f, "CLIENT KILL TYPE normal SKIPME yes");
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_int_equal(f->client->downs, 1);
    assert_int_equal(blocked.runs, 1);
    assert_int_equal(blocked.code, ERR_UNKNOWN);
    assert_non_null(strstr(blocked.message, "connection lost"));
    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
}

static void a_frozen_server_is_given_up_after_the_time_out(void **state)
{
    struct served *f = *state;
    struct outcome patient, hasty;
    client_connect_up(f->client, f->url);
    kill(server_pid(f->server), SIGSTOP);

    int64_t began_ms = clock_mono_ms();
    client_send(f->client, &patient, CLIENT_MS_MAX, "INCR", "counter", NULL);
    client_send(f->client, &hasty, 200, "INCR", "counter", NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);
    int64_t took_ms = clock_mono_ms() - began_ms;
    kill(server_pid(f->server), SIGCONT);

    assert_int_equal(hasty.code, ERR_UNKNOWN);
    assert_non_null(strstr(hasty.message, "no reply for 200 ms"));
    assert_int_equal(patient.code, ERR_UNKNOWN); /* answers come in order: the connection is of no use any more */
    assert_true(took_ms >= 199 && took_ms < 2000);
    CLIENT_UNTIL(f->client, f->client->ups == 2);
}

static void a_program_that_was_held_up_does_not_blame_the_server(void **state)
{
    struct served *f = *state;
    struct outcome get;
    client_connect_up(f->client, f->url);
    client_call(f->client, "SETRANGE", "key", "1000000", "x", NULL);

    client_send(f->client, &get, 400, "GET", "key", NULL);
    client_turn(f->client); /* it is sent */
    for (int64_t end_ms = clock_mono_ms() + 600; clock_mono_ms() < end_ms;)
        ; /* this is the test: the loop does not turn, while the answer lies in the socket */
    CLIENT_UNTIL(f->client, get.runs == 1);

    assert_int_equal(get.code, 0);
    assert_int_equal(f->client->downs, 0);
}

static void a_reconnect_on_request_is_a_loss_like_any_other(void **state)
{
    struct served *f = *state;
    struct outcome sent, unsent;
    client_connect_up(f->client, f->url);
    client_send(f->client, &sent, 1000, "BLPOP", "nothing", "0", NULL);
    client_turn(f->client);
    client_send(f->client, &unsent, 1000, "SET", "key", "value", NULL);

    redis_reconnect(f->client->redis);
    assert_int_equal(sent.runs + unsent.runs, 0);
    assert_false(redis_is_up(f->client->redis));
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_int_equal(sent.code, ERR_UNKNOWN);
    assert_int_equal(unsent.code, ERR_UNAVAILABLE); /* no byte of it was written */
    assert_int_equal(f->client->downs, 1);
    assert_int_equal(client_call(f->client, "EXISTS", "key", NULL).number, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_TEST(a_full_server_is_told),
        SERVED_TEST(a_missing_function_is_told),
        SERVED_TEST(errors_of_a_function_do_not_tell_where_it_is),
        SERVED_TEST(a_busy_server_is_told),
        SERVED_TEST(a_replica_is_left_once_its_calls_are_answered),
        SERVED_TEST(a_killed_server_is_found_again),
        SERVED_TEST(a_connection_that_is_killed_is_made_again),
        SERVED_TEST(a_frozen_server_is_given_up_after_the_time_out),
        SERVED_TEST(a_program_that_was_held_up_does_not_blame_the_server),
        SERVED_TEST(a_reconnect_on_request_is_a_loss_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
