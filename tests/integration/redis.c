/* redis - a connection to a real server: calls and their answers, logging in, errors, losses. */
#include "common/redis.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/client.h"
#include "tests/support/server.h"
#include "tests/support/text_file.h"

#include <hiredis/hiredis.h>

#define CALLS 10000

struct fixture {
    struct server *server;
    redisContext *admin; /* another connection, for what the test does to the server */
    struct client *client;
    char url[256];
};

static void admin(struct fixture *f, const char *command)
{
    redisReply *reply = redisCommand(f->admin, command);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    freeReplyObject(reply);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = server_start(NULL);
    f->admin = server_connect(f->server);
    f->client = client_new();
    snprintf(f->url, sizeof f->url, "unix://%s", server_socket(f->server));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    client_free(f->client);
    redisFree(f->admin);
    server_stop(f->server);
    free(f);
    return 0;
}

/* ---- calls ---- */

static void a_call_is_answered(void **state)
{
    struct fixture *f = *state;
    client_connect_up(f->client, f->url);

    struct outcome set = client_call(f->client, "SET", "key", "value", NULL);
    struct outcome get = client_call(f->client, "GET", "key", NULL);

    assert_string_equal(set.text, "OK");
    assert_string_equal(get.text, "value");
    assert_int_equal(f->client->downs, 0);
}

static void ten_thousand_calls_are_answered_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct outcome *outcomes = calloc(CALLS, sizeof *outcomes);
    client_connect_up(f->client, f->url);

    for (size_t i = 0; i < CALLS; i++)
        client_send(f->client, &outcomes[i], CLIENT_MS_MAX, "INCR", "counter", NULL);
    assert_int_equal(redis_pending(f->client->redis), CALLS);
    CLIENT_UNTIL(f->client, redis_pending(f->client->redis) == 0);

    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(outcomes[i].runs, 1);
        assert_int_equal(outcomes[i].number, i + 1);
    }
    free(outcomes);
}

static void an_argument_of_many_megabytes_arrives(void **state)
{
    struct fixture *f = *state;
    struct outcome echo;
    client_connect_up(f->client, f->url);

    client_send_large(f->client, &echo, CLIENT_MS_MAX, 20000000);
    CLIENT_UNTIL(f->client, echo.runs == 1);

    assert_int_equal(echo.code, 0);
    assert_int_equal(strspn(echo.text, "x"), sizeof echo.text - 1);
}

struct chain {
    struct client *client;
    struct outcome last;
    int left;
};

static void on_chain(const struct reply *reply, const struct error *err, void *ctx)
{
    struct chain *chain = ctx;
    struct call call = {0};

    assert_null(err);
    assert_non_null(reply);
    chain->left--;
    call_command(&call, "PING");
    redis_send(chain->client->redis, &call, 1000, chain->left > 0 ? on_chain : client_on_reply,
               chain->left > 0 ? (void *)chain : &chain->last);
    call_clear(&call);
}

static void a_call_from_inside_a_callback_is_answered(void **state)
{
    struct fixture *f = *state;
    struct chain chain = {.client = f->client, .left = 10};
    struct call call = {0};
    client_connect_up(f->client, f->url);

    call_command(&call, "PING");
    redis_send(f->client->redis, &call, 1000, on_chain, &chain);
    call_clear(&call);
    CLIENT_UNTIL(f->client, chain.last.runs == 1);

    assert_string_equal(chain.last.text, "PONG");
}

static void waiting_for_an_answer_includes_waiting_for_the_connection(void **state)
{
    struct fixture *f = *state;
    struct outcome ping = {0};
    struct call call = {0};
    client_connect(f->client, f->url, NULL);

    call_command(&call, "PING");
    redis_send_wait(f->client->redis, &call, 1000, client_on_reply, &ping);
    call_clear(&call);

    assert_int_equal(ping.runs, 1);
    assert_string_equal(ping.text, "PONG");
}

static void before_it_is_up_calls_are_refused_later(void **state)
{
    struct fixture *f = *state;
    struct outcome early;
    client_connect(f->client, f->url, NULL);

    client_send(f->client, &early, 1000, "SET", "key", "value", NULL);
    assert_int_equal(early.runs, 0);
    CLIENT_UNTIL(f->client, early.runs == 1 && f->client->ups == 1);

    assert_int_equal(early.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(early.message, "not connected yet"));
    assert_int_equal(client_call(f->client, "EXISTS", "key", NULL).number, 0);
}

/* ---- who we are and where ---- */

static void the_connection_has_its_name_and_database(void **state)
{
    struct fixture *f = *state;
    char url[300];
    snprintf(url, sizeof url, "%s?db=9", f->url);
    client_connect(f->client, url, &(struct redis_options){.client_name = "rota-worker@host"});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    struct outcome name = client_call(f->client, "CLIENT", "GETNAME", NULL);
    client_call(f->client, "SET", "key", "value", NULL);

    assert_string_equal(name.text, "rota-worker@host");
    admin(f, "SELECT 9");
    redisReply *reply = redisCommand(f->admin, "GET key");
    assert_string_equal(reply->str, "value");
    freeReplyObject(reply);
    assert_non_null(strstr(redis_address(f->client->redis), "?db=9"));
}

static void a_database_that_does_not_exist_is_told(void **state)
{
    struct fixture *f = *state;
    char url[300];
    snprintf(url, sizeof url, "%s?db=999", f->url);

    client_connect(f->client, url, NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_non_null(strstr(f->client->down.message, "select the database: ERR DB index is out of range"));
}

static void a_wrong_password_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    char url[300];
    struct error err;
    admin(f, "CONFIG SET requirepass right");
    snprintf(url, sizeof url, "unix://:wrong@%s", server_socket(f->server));
    client_connect(f->client, url, NULL);

    int64_t began_ms = clock_mono_ms();
    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_DENIED);

    assert_true(clock_mono_ms() - began_ms < CLIENT_MS_MAX / 2);
    assert_non_null(strstr(err.message, "WRONGPASS"));
    assert_null(strstr(err.message, "wrong@"));
}

static void a_missing_password_is_told(void **state)
{
    struct fixture *f = *state;
    struct error err;
    admin(f, "CONFIG SET requirepass right");
    client_connect(f->client, f->url, NULL);

    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_DENIED);
    assert_non_null(strstr(err.message, "NOAUTH"));
}

static void the_password_file_is_read_at_each_attempt(void **state)
{
    struct fixture *f = *state;
    char path[300];
    admin(f, "ACL SETUSER alice on >secret ~* +@all");
    snprintf(f->url, sizeof f->url, "unix://alice:wrong@%s", server_socket(f->server));
    snprintf(path, sizeof path, "%s/password", server_directory(f->server));

    client_connect(f->client, f->url, &(struct redis_options){.password_file = path});
    CLIENT_UNTIL(f->client, f->client->downs > 0);
    assert_int_equal(f->client->down.code, ERR_NOT_FOUND);
    write_text_file(path, "old\n");
    CLIENT_UNTIL(f->client, f->client->down.code == ERR_DENIED);
    write_text_file(path, "secret\n");
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    assert_string_equal(client_call(f->client, "ACL", "WHOAMI", NULL).text, "alice");
    assert_string_equal(redis_user(f->client->redis), "alice");
}

static void a_user_who_may_neither_ping_nor_be_named_is_served(void **state)
{
    struct fixture *f = *state;
    admin(f, "ACL SETUSER bob on >secret ~own:* -@all +get");
    snprintf(f->url, sizeof f->url, "unix://bob:secret@%s", server_socket(f->server));
    client_connect(f->client, f->url, &(struct redis_options){.client_name = "bob"});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    assert_int_equal(client_call(f->client, "GET", "own:key", NULL).code, 0);
    assert_int_equal(client_call(f->client, "GET", "other", NULL).code, ERR_DENIED);
    assert_int_equal(client_call(f->client, "SET", "own:key", "x", NULL).code, ERR_DENIED);
}

static void a_host_name_is_resolved(void **state)
{
    struct fixture *f = *state;
    char port[16], command[64], url[64];
    snprintf(port, sizeof port, "%d", server_free_port());
    snprintf(command, sizeof command, "CONFIG SET port %s", port);
    admin(f, command);
    snprintf(url, sizeof url, "redis://localhost:%s", port);

    client_connect_up(f->client, url);

    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
    assert_int_equal(f->client->downs, 0); /* it listens on 127.0.0.1 only, and ::1 may have been tried first */
}

static void no_descriptor_is_inherited_by_children(void **state)
{
    struct fixture *f = *state;
    client_connect_up(f->client, f->url);

    DIR *directory = opendir("/proc/self/fd");
    if (!directory) {
        fail_msg("no /proc/self/fd");
        return;
    }
    unsigned sockets = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        int fd = atoi(entry->d_name);
        struct stat status;
        if (fd > 2 && fd != f->admin->fd && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) {
            sockets++;
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        }
    }
    closedir(directory);
    assert_int_equal(sockets, 1);
}

/* ---- errors ---- */

static void a_full_server_is_told(void **state)
{
    struct fixture *f = *state;
    client_connect_up(f->client, f->url);
    admin(f, "CONFIG SET maxmemory 1");

    struct outcome set = client_call(f->client, "SET", "key", "value", NULL);

    assert_int_equal(set.code, ERR_FULL);
    assert_non_null(strstr(set.message, "OOM command not allowed"));
}

static void a_missing_function_is_told(void **state)
{
    struct fixture *f = *state;
    client_connect_up(f->client, f->url);

    assert_int_equal(client_call(f->client, "FCALL", "rota_999_claim", "0", NULL).code, ERR_LIBRARY);
}

static void errors_of_a_function_do_not_tell_where_it_is(void **state)
{
    struct fixture *f = *state;
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

    admin(f, "ACL SETUSER bob on >secret ~* -@all +fcall +ping +auth");
    assert_string_equal(client_call(f->client, "AUTH", "bob", "secret", NULL).text, "OK");
    struct outcome denied = client_call(f->client, "FCALL", "t_free", "0", NULL);
    assert_int_equal(denied.code, ERR_DENIED);
    assert_null(strstr(denied.message, "user_function"));

    admin(f, "CONFIG SET maxmemory 1");
    struct outcome full = client_call(f->client, "FCALL", "t_write", "0", NULL);
    assert_int_equal(full.code, ERR_FULL);
}

static void a_busy_server_is_told(void **state)
{
    struct fixture *f = *state;
    redisContext *busy = server_connect(f->server);
    int written = 0;
    client_connect_up(f->client, f->url);
    admin(f, "CONFIG SET busy-reply-threshold 1");
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
    struct fixture *f = *state;
    struct outcome first, second, third, after;
    client_connect_up(f->client, f->url);
    admin(f, "CONFIG SET replica-serve-stale-data yes");
    admin(f, "REPLICAOF 127.0.0.1 1");

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
    admin(f, "REPLICAOF NO ONE");
    CLIENT_UNTIL(f->client, f->client->ups == 2);
    assert_string_equal(client_call(f->client, "SET", "key", "4", NULL).text, "OK");
}

/* ---- losses ---- */

static void a_killed_server_is_found_again(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct outcome blocked;
    client_connect_up(f->client, f->url);
    client_send(f->client, &blocked, CLIENT_MS_MAX, "BLPOP", "nothing", "0", NULL);
    client_turn(f->client);

    admin(f, "CLIENT KILL TYPE normal SKIPME yes");
    CLIENT_UNTIL(f->client, f->client->ups == 2);

    assert_int_equal(f->client->downs, 1);
    assert_int_equal(blocked.runs, 1);
    assert_int_equal(blocked.code, ERR_UNKNOWN);
    assert_non_null(strstr(blocked.message, "connection lost"));
    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
}

static void a_frozen_server_is_given_up_after_the_time_out(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
        cmocka_unit_test_setup_teardown(a_call_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_calls_are_answered_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_argument_of_many_megabytes_arrives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_from_inside_a_callback_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_for_an_answer_includes_waiting_for_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_it_is_up_calls_are_refused_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_connection_has_its_name_and_database, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_does_not_exist_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_password_is_told_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_password_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_password_file_is_read_at_each_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_user_who_may_neither_ping_nor_be_named_is_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_host_name_is_resolved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_descriptor_is_inherited_by_children, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_server_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_function_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_of_a_function_do_not_tell_where_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_server_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replica_is_left_once_its_calls_are_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_server_is_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_that_is_killed_is_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_frozen_server_is_given_up_after_the_time_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_that_was_held_up_does_not_blame_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reconnect_on_request_is_a_loss_like_any_other, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
