/* rights - the users of docs/PROTOCOL.md may do what their programs need, and each right that is taken away is named. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "tests/support/check.h"
#include "tests/support/page.h"

/* ACL SETUSER `name`, with rules that are separated by spaces. */
static void set_user(struct check_fixture *f, const char *name, const char *rules)
{
    char *command = memory_format("ACL SETUSER %s on >secret %s", name, rules);

    check_admin(f, command);
    free(command);
}

static void rights_that_are_missing_are_named(struct check_fixture *f, const char *name, struct deployment_options options)
{
    static const char *const optional[] = {"acl|dryrun",     "client|id",  "client|setname",
                                           "client|unblock", "config|get", "function|list",
                                           "function|load",  "ping",       NULL};
    char *rights = page_rights(name), *rest = rights, minus[64], upper[64];
    unsigned tried = 0;
    check_accepted(f, check_scheduler);
    set_user(f, name, rights);
    check_connect_as(f, name);
    check_accepted(f, options);
    assert_false(check_warns(f, "user"));

    for (const char *word; (word = strsep(&rest, " "));) {
        bool may_lack = word[0] != '+';
        for (const char *const *o = optional; *o; o++)
            may_lack = may_lack || strcmp(word + 1, *o) == 0;
        if (may_lack)
            continue;
        for (size_t i = 0; i <= strlen(word); i++)
            upper[i] = (char)toupper((unsigned char)word[i]);
        snprintf(minus, sizeof minus, "-%s", word + 1);
        set_user(f, name, minus);
        if (check_run(f, options) == 0)
            fail_msg("%s is accepted with %s", name, minus);
        assert_int_equal(f->err.code, ERR_DENIED);
        if (!strstr(f->err.message, upper + 1) && !strstr(f->err.message, word + 1))
            fail_msg("%s: %s", minus, f->err.message);
        set_user(f, name, word);
        tried++;
    }
    assert_true(tried > 20);
    check_accepted(f, options);
    free(rights);
}

static void each_right_of_a_worker_is_needed(void **state)
{
    struct deployment_options options = check_worker;
    options.role = ACL_WORKER;

    rights_that_are_missing_are_named(*state, "rota-worker", options);
}

static void each_right_of_a_scheduler_is_needed(void **state)
{
    struct deployment_options options = check_scheduler;
    options.role = ACL_SCHEDULER;

    rights_that_are_missing_are_named(*state, "rota-scheduler", options);
}

static void rights_that_cannot_be_tried_are_warned_about(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options options = check_worker;
    options.role = ACL_WORKER;
    check_accepted(f, check_scheduler);
    set_user(f, "hidden", "~rota:* +@all -acl");
    check_connect_as(f, "hidden");

    check_accepted(f, options);
    assert_true(check_warns(f, "ACL DRYRUN is forbidden to user \"hidden\""));
}

static void keys_are_tried_too(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options options = check_worker;
    options.role = ACL_WORKER;
    check_accepted(f, check_scheduler);
    set_user(f, "narrow", "~rota:meta ~rota:{0}* +@all");
    check_connect_as(f, "narrow");

    check_refused(f, options, ERR_DENIED, "EXPIRE, HSET, SET, ZADD (This user has no permissions to access the 'rota:worker:w'");
}

static void dangerous_rights_are_warned_about_where_users_are_required(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options options = check_worker;
    options.role = ACL_WORKER;
    check_accepted(f, check_scheduler);
    set_user(f, "mighty", "~* +@all -keys");
    check_connect_as(f, "mighty");

    check_accepted(f, options);
    assert_false(check_warns(f, "mighty"));
    options.require_acl = true;
    check_accepted(f, options);
    assert_true(check_warns(f, "may send FLUSHALL, CONFIG SET, DEBUG, EVAL, SCRIPT FLUSH, FUNCTION FLUSH: no program"));
}

#define RIGHTS_TEST(name) cmocka_unit_test_setup_teardown(name, check_setup, check_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIGHTS_TEST(each_right_of_a_worker_is_needed),
        RIGHTS_TEST(each_right_of_a_scheduler_is_needed),
        RIGHTS_TEST(rights_that_cannot_be_tried_are_warned_about),
        RIGHTS_TEST(keys_are_tried_too),
        RIGHTS_TEST(dangerous_rights_are_warned_about_where_users_are_required),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
