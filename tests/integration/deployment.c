/* deployment - a Redis is set up before anything is trusted to it, whoever else does the same. */
#include "common/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/library.h"
#include "common/readme.h"
#include "tests/support/check.h"

/* ---- setting up ---- */

static void an_empty_redis_is_set_up(void **state)
{
    struct check_fixture *f = *state;

    check_accepted(f, check_scheduler);

    assert_int_equal(f->found.lanes, 1);
    assert_int_equal(f->found.level, DURABILITY_MEMORY);
    assert_in_range(f->found.clock_offset_ms + 1000, 0, 2000);
    assert_int_equal(atoi(check_admin(f, "HGET rota:meta schema")), DEPLOYMENT_SCHEMA);
    assert_int_equal(atoi(check_admin(f, "HGET rota:{0}:clock schema")), DEPLOYMENT_SCHEMA);
    assert_string_equal(check_admin(f, "HGET rota:meta lanes"), "1");
    assert_string_equal(check_admin(f, "HGET rota:meta abi"), library_abi());
    assert_string_equal(check_admin(f, "HGET rota:meta durability"), "memory");
    assert_string_equal(check_admin(f, "HGET rota:meta level"), "memory");
    assert_string_equal(check_admin(f, "HGET rota:meta run_id"), f->found.run_id);
    assert_string_equal(check_admin(f, "HGET rota:meta library:%s", library_name()), library_sha256());
    assert_string_equal(check_admin(f, "HGET rota:{0}:clock lanes"), "1");
    assert_true(strstr(check_admin(f, "GET rota:README"), "This Redis holds the jobs of Rota") != NULL);
    assert_string_equal(check_admin(f, "XLEN rota:inbox"), "0");
    assert_string_equal(check_admin(f, "DBSIZE"), "4"); /* meta, README, the inbox, the clock of lane 0 */
}

static void what_is_set_up_is_accepted_by_all(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);

    check_accepted(f, check_worker);

    assert_int_equal(f->found.lanes, 1);
    assert_int_equal(strlen(f->found.run_id), 40);
    assert_string_not_equal(f->found.redis_version, "");
}

static void setting_up_again_keeps_what_is_there(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "SET rota:README mine");
    check_admin(f, "HSET rota:meta created_ms 42");
    check_admin(f, "HSET rota:{0}:clock v:default 17");
    check_admin(f, "XADD rota:inbox * org acme type t");

    check_accepted(f, check_scheduler);

    assert_string_equal(check_admin(f, "GET rota:README"), "mine");
    assert_string_equal(check_admin(f, "XLEN rota:inbox"), "1");
    assert_string_equal(check_admin(f, "HGET rota:meta created_ms"), "42");
    assert_string_equal(check_admin(f, "HGET rota:{0}:clock v:default"), "17");
}

static void many_lanes_are_set_up_in_one_go(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options options = check_scheduler;
    options.lanes = DEPLOYMENT_LANES_MAX;

    check_accepted(f, options);

    assert_int_equal(f->found.lanes, DEPLOYMENT_LANES_MAX);
    assert_string_equal(check_admin(f, "HGET rota:{1023}:clock lane"), "1023");
    check_accepted(f, check_worker);
    assert_int_equal(f->found.lanes, DEPLOYMENT_LANES_MAX);
}

static void the_number_of_lanes_stays_what_it_is(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options eight = check_scheduler, nine = check_scheduler;
    eight.lanes = 8;
    nine.lanes = 9;
    check_accepted(f, eight);

    check_accepted(f, check_scheduler);
    assert_int_equal(f->found.lanes, 8);
    check_refused(f, nine, ERR_SETUP, "this deployment has 8 lanes, not 9");
    assert_string_equal(check_admin(f, "EXISTS rota:{8}:clock"), "0");
}

static void a_lost_description_is_written_again(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options eight = check_scheduler;
    eight.lanes = 8;
    check_accepted(f, eight);
    check_admin(f, "DEL rota:meta rota:README");

    check_refused(f, check_worker, ERR_SETUP, "not set up yet");
    check_accepted(f, check_scheduler);

    assert_int_equal(f->found.lanes, 8);
    assert_string_equal(check_admin(f, "EXISTS rota:README"), "1");
}

static void what_is_not_set_up_is_refused_by_workers(void **state)
{
    struct check_fixture *f = *state;

    check_refused(f, check_worker, ERR_SETUP, "not set up yet: start rota-scheduler, or run `rota setup`");

    assert_string_equal(check_admin(f, "DBSIZE"), "0");
}

static void nonsense_in_the_description_is_refused(void **state)
{
    struct check_fixture *f = *state;

    check_admin(f, "HSET rota:meta lanes 0");
    check_refused(f, check_scheduler, ERR_SETUP, "lanes 0, it must be 1..1024");
    check_admin(f, "DEL rota:meta");
    check_accepted(f, check_scheduler);
    check_admin(f, "HSET rota:meta lanes -1");
    check_refused(f, check_worker, ERR_SETUP, "lanes -1, it must be 1..1024");
    check_admin(f, "HSET rota:meta lanes 1025");
    check_refused(f, check_worker, ERR_SETUP, "lanes 1025");
    check_refused(f, check_scheduler, ERR_SETUP, "lanes 1025");
    check_admin(f, "HSET rota:meta lanes 2");
    check_refused(f, check_scheduler, ERR_SETUP, "this is lane 0 of 1, not 0 of 2");
    check_admin(f, "HSET rota:meta lanes 1 schema 2");
    check_refused(f, check_worker, ERR_SETUP, "schema 2, this build knows 1");
    check_refused(f, check_scheduler, ERR_SETUP, "schema 2, this build knows 1");
}

/* ---- the function library ---- */

static void a_missing_library_is_loaded_by_schedulers_only(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "FUNCTION FLUSH");

    check_refused(f, check_worker, ERR_LIBRARY, "is not loaded: start rota-scheduler of this version");
    check_accepted(f, check_scheduler);
    check_accepted(f, check_worker);
}

static void another_text_under_our_name_is_never_replaced(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "FUNCTION FLUSH");
    char text[200];
    snprintf(text, sizeof text, "#!lua name=%s\nredis.register_function('other', function() return 1 end)", library_name());
    check_admin(f, "FUNCTION LOAD %s", text);

    check_refused(f, check_worker, ERR_LIBRARY, "has another text than this build");
    check_refused(f, check_scheduler, ERR_LIBRARY, "has another text than this build");

    assert_string_equal(check_admin(f, "FCALL other 0"), "1");
}

static void a_function_of_ours_in_another_library_is_told(void **state)
{
    struct check_fixture *f = *state;
    char text[200];
    snprintf(text, sizeof text, "#!lua name=stranger\nredis.register_function('%s_claim', function() return 1 end)",
             library_name());
    check_admin(f, "FUNCTION LOAD %s", text);

    check_refused(f, check_scheduler, ERR_LIBRARY, "cannot be loaded: ERR Function");
}

static void who_may_not_list_functions_goes_by_the_description(void **state)
{
    struct check_fixture *f = *state;
    char url[300];
    check_accepted(f, check_scheduler);
    check_admin(f, "ACL SETUSER worker on >secret ~rota:* -@all +fcall +ping +time +info +hget +hmget");
    snprintf(url, sizeof url, "unix://worker:secret@%s", server_socket(f->server));
    check_connect(f, url);

    check_accepted(f, check_worker);
    check_refused(f, check_scheduler, ERR_DENIED, "FUNCTION LIST is forbidden to user \"worker\"");
    check_admin(f, "HSET rota:meta library:%s 0000", library_name());
    check_refused(f, check_worker, ERR_LIBRARY, "has another text");
    check_admin(f, "HDEL rota:meta library:%s", library_name());
    check_refused(f, check_worker, ERR_LIBRARY, "is not loaded");
}

/* ---- at the same time, and cut short ---- */

struct ending {
    unsigned runs;
    enum error_code code;
    uint32_t lanes;
};

static void on_end(const struct deployment *found, const struct error *err, void *ctx)
{
    struct ending *ending = ctx;

    assert_true((found == NULL) != (err == NULL));
    ending->runs++;
    ending->code = err ? err->code : 0;
    ending->lanes = found ? found->lanes : 0;
}

static void of_two_who_set_up_at_once_the_first_decides(void **state)
{
    struct check_fixture *f = *state;
    struct client *other = client_new();
    struct deployment_options three = check_scheduler, five = check_scheduler;
    struct ending endings[2] = {0};
    three.lanes = 3;
    five.lanes = 5;
    client_connect_up(other, f->url);
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    deployment_check(f->client->redis, &three, on_end, &endings[0]);
    deployment_check(other->redis, &five, on_end, &endings[1]);
    while (endings[0].runs + endings[1].runs < 2) {
        client_turn(f->client);
        client_turn(other);
    }

    const struct ending *winner = &endings[endings[0].code == 0 ? 0 : 1], *loser = &endings[endings[0].code == 0 ? 1 : 0];
    assert_int_equal(winner->code, 0);
    assert_int_equal(loser->code, ERR_SETUP);
    assert_string_equal(check_admin(f, "EXISTS rota:{4}:clock"), winner->lanes == 5 ? "1" : "0");
    check_accepted(f, check_worker);
    assert_int_equal(f->found.lanes, winner->lanes);
    client_free(other);
}

static void a_setup_cut_short_is_ended_by_the_next_one(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options options = check_scheduler;
    bool ended = false;
    options.lanes = 3;

    for (int turns = 0; !ended; turns++) {
        struct ending ending = {0};
        check_admin(f, "FLUSHALL");
        check_admin(f, "FUNCTION FLUSH");
        check_connect(f, f->url);
        CLIENT_UNTIL(f->client, f->client->ups == 1);

        deployment_check(f->client->redis, &options, on_end, &ending);
        for (int i = 0; i < turns && ending.runs == 0; i++)
            client_turn(f->client);
        ended = ending.runs > 0;
        redis_free(f->client->redis);
        f->client->redis = NULL;

        assert_int_equal(ending.runs, 1);
        check_connect(f, f->url);
        check_accepted(f, options);
        assert_string_equal(check_admin(f, "EXISTS rota:README rota:meta rota:{0}:clock rota:{1}:clock rota:{2}:clock"), "5");
        check_accepted(f, check_worker);
    }
}

static void a_redis_that_is_away_is_unavailable(void **state)
{
    struct check_fixture *f = *state;
    struct ending ending = {0};
    CLIENT_UNTIL(f->client, f->client->ups == 1);
    server_kill(f->server);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    deployment_check(f->client->redis, &check_worker, on_end, &ending);
    assert_int_equal(ending.runs, 0);
    CLIENT_UNTIL(f->client, ending.runs == 1);

    assert_int_equal(ending.code, ERR_UNAVAILABLE);
}

/* ---- rota:README ---- */

static void the_commands_of_the_readme_work(void **state)
{
    struct check_fixture *f = *state;
    char *text = strdup(readme_text());
    unsigned commands = 0;
    check_accepted(f, check_scheduler);

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        static const char prefix[] = "  redis-cli ";
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            check_admin(f, line + strlen(prefix));
            commands++;
        }
    }
    free(text);

    assert_true(commands >= 5);
}

#define DEPLOYMENT_TEST(name) cmocka_unit_test_setup_teardown(name, check_setup, check_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEPLOYMENT_TEST(an_empty_redis_is_set_up),
        DEPLOYMENT_TEST(what_is_set_up_is_accepted_by_all),
        DEPLOYMENT_TEST(setting_up_again_keeps_what_is_there),
        DEPLOYMENT_TEST(many_lanes_are_set_up_in_one_go),
        DEPLOYMENT_TEST(the_number_of_lanes_stays_what_it_is),
        DEPLOYMENT_TEST(a_lost_description_is_written_again),
        DEPLOYMENT_TEST(what_is_not_set_up_is_refused_by_workers),
        DEPLOYMENT_TEST(nonsense_in_the_description_is_refused),
        DEPLOYMENT_TEST(a_missing_library_is_loaded_by_schedulers_only),
        DEPLOYMENT_TEST(another_text_under_our_name_is_never_replaced),
        DEPLOYMENT_TEST(a_function_of_ours_in_another_library_is_told),
        DEPLOYMENT_TEST(who_may_not_list_functions_goes_by_the_description),
        DEPLOYMENT_TEST(of_two_who_set_up_at_once_the_first_decides),
        DEPLOYMENT_TEST(a_setup_cut_short_is_ended_by_the_next_one),
        DEPLOYMENT_TEST(a_redis_that_is_away_is_unavailable),
        DEPLOYMENT_TEST(the_commands_of_the_readme_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
