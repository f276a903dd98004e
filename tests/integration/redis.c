/* redis - a connection to a real server: calls and their answers, logging in. */
#include "common/redis.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/served.h"
#include "tests/support/text_file.h"

#define CALLS 10000

/* ---- calls ---- */

static void a_call_is_answered(void **state)
{
    struct served *f = *state;
    client_connect_up(f->client, f->url);

    struct outcome set = client_call(f->client, "SET", "key", "value", NULL);
    struct outcome get = client_call(f->client, "GET", "key", NULL);

    assert_string_equal(set.text, "OK");
    assert_string_equal(get.text, "value");
    assert_int_equal(f->client->downs, 0);
}

static void ten_thousand_calls_are_answered_in_their_order(void **state)
{
    struct served *f = *state;
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
    struct served *f = *state;
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
    struct served *f = *state;
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
    struct served *f = *state;
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
    struct served *f = *state;
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
    struct served *f = *state;
    char url[300];
    snprintf(url, sizeof url, "%s?db=9", f->url);
    client_connect(f->client, url, &(struct redis_options){.client_name = "rota-worker@host"});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    struct outcome name = client_call(f->client, "CLIENT", "GETNAME", NULL);
    client_call(f->client, "SET", "key", "value", NULL);

    assert_string_equal(name.text, "rota-worker@host");
    served_admin(f, "SELECT 9");
    redisReply *reply = redisCommand(f->admin, "GET key");
    assert_string_equal(reply->str, "value");
    freeReplyObject(reply);
    assert_non_null(strstr(redis_address(f->client->redis), "?db=9"));
}

static void a_database_that_does_not_exist_is_told(void **state)
{
    struct served *f = *state;
    char url[300];
    snprintf(url, sizeof url, "%s?db=999", f->url);

    client_connect(f->client, url, NULL);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    assert_non_null(strstr(f->client->down.message, "select the database: ERR DB index is out of range"));
}

static void a_wrong_password_is_told_at_once(void **state)
{
    struct served *f = *state;
    char url[300];
    struct error err;
    served_admin(f, "CONFIG SET requirepass right");
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
    struct served *f = *state;
    struct error err;
    served_admin(f, "CONFIG SET requirepass right");
    client_connect(f->client, f->url, NULL);

    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_DENIED);
    assert_non_null(strstr(err.message, "NOAUTH"));
}

static void the_password_file_is_read_at_each_attempt(void **state)
{
    struct served *f = *state;
    char path[300];
    served_admin(f, "ACL SETUSER alice on >secret ~* +@all");
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
    struct served *f = *state;
    served_admin(f, "ACL SETUSER bob on >secret ~own:* -@all +get");
    snprintf(f->url, sizeof f->url, "unix://bob:secret@%s", server_socket(f->server));
    client_connect(f->client, f->url, &(struct redis_options){.client_name = "bob"});
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    assert_int_equal(client_call(f->client, "GET", "own:key", NULL).code, 0);
    assert_int_equal(client_call(f->client, "GET", "other", NULL).code, ERR_DENIED);
    assert_int_equal(client_call(f->client, "SET", "own:key", "x", NULL).code, ERR_DENIED);
}

static void a_host_name_is_resolved(void **state)
{
    struct served *f = *state;
    char port[16], command[64], url[64];
    snprintf(port, sizeof port, "%d", server_free_port());
    snprintf(command, sizeof command, "CONFIG SET port %s", port);
    served_admin(f, command);
    snprintf(url, sizeof url, "redis://localhost:%s", port);

    client_connect_up(f->client, url);

    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
    assert_int_equal(f->client->downs, 0); /* it listens on 127.0.0.1 only, and ::1 may have been tried first */
}

static void no_descriptor_is_inherited_by_children(void **state)
{
    struct served *f = *state;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_TEST(a_call_is_answered),
        SERVED_TEST(ten_thousand_calls_are_answered_in_their_order),
        SERVED_TEST(an_argument_of_many_megabytes_arrives),
        SERVED_TEST(a_call_from_inside_a_callback_is_answered),
        SERVED_TEST(waiting_for_an_answer_includes_waiting_for_the_connection),
        SERVED_TEST(before_it_is_up_calls_are_refused_later),
        SERVED_TEST(the_connection_has_its_name_and_database),
        SERVED_TEST(a_database_that_does_not_exist_is_told),
        SERVED_TEST(a_wrong_password_is_told_at_once),
        SERVED_TEST(a_missing_password_is_told),
        SERVED_TEST(the_password_file_is_read_at_each_attempt),
        SERVED_TEST(a_user_who_may_neither_ping_nor_be_named_is_served),
        SERVED_TEST(a_host_name_is_resolved),
        SERVED_TEST(no_descriptor_is_inherited_by_children),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
