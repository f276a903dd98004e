/* access_check - the way to a server, and who we are there. */
#include "common/access_check.h"

#include "tests/unit/unit.h"

static struct deployment found;
static struct error err;

static int judge(const struct access *access, const struct server_answers *answers, const struct deployment_options *options)
{
    found = (struct deployment){0};
    err = (struct error){0};
    return access_check(access, answers, options, &found, &err);
}

static const struct acl_findings no_findings;
static const struct server_answers nothing = {.info = "tcp_port:6379\r\n"};
static const struct deployment_options strict = {.require_tls = true, .require_acl = true}, lax;

static void a_local_way_and_a_user_of_our_own_are_fine(void **state)
{
    const struct access access = {.acl = &no_findings, .address = "unix:///s", .user = "worker", .is_local = true};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &strict), 0);
    assert_int_equal(found.warning_count, 0);
}

static void plain_tcp_to_another_host_is_refused_or_warned_about(void **state)
{
    struct access access = {.acl = &no_findings, .address = "redis://db:6379/0", .user = "worker", .has_tls = true};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &strict), ERR_INVALID);
    assert_string_equal(err.message, "redis://db:6379/0 is plain TCP to another host, and TLS is required: use rediss://");
    assert_int_equal(judge(&access, &nothing, &lax), 0);
    assert_int_equal(found.warning_count, 1);
    assert_non_null(strstr(found.warnings[0].text, "read and change jobs; use rediss://"));
    access.is_encrypted = true;
    assert_int_equal(judge(&access, &nothing, &strict), 0);
    assert_int_equal(found.warning_count, 0);
}

static void a_build_without_tls_does_not_advise_it(void **state)
{
    const struct access access = {.acl = &no_findings, .address = "redis://db:6379/0", .user = "worker"};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &strict), ERR_INVALID);
    assert_non_null(strstr(err.message, "this build has no TLS, so use a tunnel that ends on this host"));
    assert_null(strstr(err.message, "rediss"));
    assert_int_equal(judge(&access, &nothing, &lax), 0);
    assert_null(strstr(found.warnings[0].text, "rediss"));
}

static void the_default_user_is_refused_whatever_the_way(void **state)
{
    struct access access = {.acl = &no_findings, .address = "unix:///s", .user = "default", .is_local = true};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &strict), ERR_INVALID);
    assert_non_null(strstr(err.message, "we are the user \"default\""));
    assert_int_equal(judge(&access, &nothing, &lax), 0);
    assert_int_equal(found.warning_count, 0);
    access.is_local = false;
    access.is_encrypted = true;
    assert_int_equal(judge(&access, &nothing, &strict), ERR_INVALID);
    assert_int_equal(judge(&access, &nothing, &lax), 0);
    assert_int_equal(found.warning_count, 1);
    assert_non_null(strstr(found.warnings[0].text, "the user \"default\", who may do everything"));
}

static void protected_mode_matters_to_the_default_user_and_a_port(void **state)
{
    static const char *const no[] = {"protected-mode", "no", NULL}, *const yes[] = {"protected-mode", "yes", NULL};
    struct access access = {.acl = &no_findings, .address = "redis://127.0.0.1:6379/0", .user = "default", .is_local = true};
    struct server_answers answers = nothing;

    (void)state;
    answers.config_pairs = no;
    assert_int_equal(judge(&access, &answers, &lax), 0);
    assert_int_equal(found.warning_count, 1);
    assert_string_equal(found.warnings[0].name, "protected-mode");
    answers.info = "tcp_port:0\r\n";
    assert_int_equal(judge(&access, &answers, &lax), 0);
    assert_int_equal(found.warning_count, 0);
    answers.info = nothing.info;
    access.user = "worker";
    assert_int_equal(judge(&access, &answers, &lax), 0);
    assert_int_equal(found.warning_count, 0);
    access.user = "default";
    answers.config_pairs = yes;
    assert_int_equal(judge(&access, &answers, &lax), 0);
    assert_int_equal(found.warning_count, 0);
    answers.config_pairs = NULL;
    assert_int_equal(judge(&access, &answers, &lax), 0);
    assert_int_equal(found.warning_count, 0);
}

static void a_user_without_a_right_that_is_needed_is_refused(void **state)
{
    const struct acl_findings findings = {.missing = "HGET, ZADD", .reason = "no permissions to run the 'hget' command"};
    const struct access access = {.address = "unix:///s", .user = "worker", .is_local = true, .acl = &findings};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &lax), ERR_DENIED);
    assert_non_null(
        strstr(err.message, "user \"worker\" lacks rights that this program needs: HGET, ZADD (no permissions to run"));
}

static void rights_that_are_hidden_or_dangerous_are_warned_about(void **state)
{
    const struct acl_findings findings = {.is_hidden = true, .dangers = "FLUSHALL, KEYS"};
    const struct access access = {.address = "unix:///s", .user = "worker", .is_local = true, .acl = &findings};

    (void)state;
    assert_int_equal(judge(&access, &nothing, &strict), 0);
    assert_int_equal(found.warning_count, 2);
    assert_non_null(strstr(found.warnings[0].text, "ACL DRYRUN is forbidden to user \"worker\""));
    assert_non_null(strstr(found.warnings[1].text, "user \"worker\" may send FLUSHALL, KEYS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_way_and_a_user_of_our_own_are_fine),
        cmocka_unit_test(plain_tcp_to_another_host_is_refused_or_warned_about),
        cmocka_unit_test(a_build_without_tls_does_not_advise_it),
        cmocka_unit_test(the_default_user_is_refused_whatever_the_way),
        cmocka_unit_test(protected_mode_matters_to_the_default_user_and_a_port),
        cmocka_unit_test(a_user_without_a_right_that_is_needed_is_refused),
        cmocka_unit_test(rights_that_are_hidden_or_dangerous_are_warned_about),
    };

    return UNIT_RUN(tests);
}
