/* cli/error_group - errors that differ only in what differs from job to job are one group. */
#include "cli/error_group.h"

#include "tests/unit/unit.h"

static void assert_normal(const char *error, const char *normal)
{
    struct buffer out = {0};

    error_normalise(&out, error);
    assert_string_equal(out.data ? out.data : "", normal);
    buffer_clear(&out);
}

static void what_differs_from_job_to_job_is_replaced(void **state)
{
    (void)state;
    assert_normal("no route to 10.1.2.3:8080 after 30s", "no route to <n>.<n>.<n>.<n>:<n> after <n>s");
    assert_normal("order 42 of customer 7", "order <n> of customer <n>");
    assert_normal("order42", "order<n>");
    assert_normal("at 0xdeadBEEF in f", "at <hex> in f");
    assert_normal("commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad failed", "commit <hex> failed");
    assert_normal("job 550e8400-e29b-41d4-a716-446655440000: gone", "job <uuid>: gone");
    assert_normal("cannot open /var/lib/x-1/f.txt: No such file", "cannot open <path>: No such file");
    assert_normal("cannot read ./a/b.", "cannot read <path>.");
    assert_normal("GET https://api.example.com/v1/users?id=7: timeout", "GET <url>: timeout");
    assert_normal("unknown key \"colour\" in 'a b' and `c`", "unknown key <text> in <text> and <text>");
    assert_normal("two\n lines\t here", "two lines here");
}

static void what_does_not_is_kept(void **state)
{
    (void)state;
    assert_normal("", "");
    assert_normal("broken", "broken");
    assert_normal("can't connect, isn't it", "can't connect, isn't it");
    assert_normal("deadbeefdead added a facade", "deadbeefdead added a facade"); /* letters alone may be words */
    assert_normal("and/or 3 / 4", "and/or <n> / <n>");
    assert_normal("an \"open quote", "an \"open quote");
    assert_normal("caf\xc3\xa9 \xff", "caf\xc3\xa9 \xff");
}

static void the_number_of_an_exit_is_kept(void **state)
{
    (void)state;
    assert_normal("exit 65: customer 7 is unknown", "exit 65: customer <n> is unknown");
    assert_normal("signal 11", "signal 11");
    assert_normal("exit", "exit");
    assert_normal("the exit 65", "the exit <n>");
}

static void a_long_one_is_cut(void **state)
{
    struct buffer out = {0};
    char error[5000];

    (void)state;
    memset(error, 'x', sizeof error);
    error[sizeof error - 1] = '\0';
    error_normalise(&out, error);
    assert_int_equal(out.length, ERROR_NORMAL_BYTES_MAX);
    buffer_reset(&out);
    for (size_t i = 0; i + 1 < sizeof error; i += 2)
        memcpy(error + i, "1 ", 2);
    error_normalise(&out, error);
    assert_int_equal(out.length, ERROR_NORMAL_BYTES_MAX);
    buffer_reset(&out);
    for (size_t i = 0; i + 1 < sizeof error; i += 2)
        memcpy(error + i, "\xc3\xa9", 2);
    error[0] = 'x';
    error[1] = 'x';
    error[2] = 'x';
    memmove(error + 3, error + 4, sizeof error - 4);
    error_normalise(&out, error);
    assert_int_equal(out.length, ERROR_NORMAL_BYTES_MAX - 1); /* not half a character */
    buffer_clear(&out);
}

static void a_group_is_a_type_and_an_error(void **state)
{
    char one[ERROR_GROUP_BYTES], other[ERROR_GROUP_BYTES];

    (void)state;
    assert_int_equal(strlen(error_group_id(one, "mail", "no route")), 12);
    assert_string_equal(error_group_id(other, "mail", "no route"), one);
    assert_string_not_equal(error_group_id(other, "web", "no route"), one);
    assert_string_not_equal(error_group_id(other, "mail", "no routes"), one);
    assert_string_not_equal(error_group_id(other, "mailn", "o route"), one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_from_job_to_job_is_replaced),
        cmocka_unit_test(what_does_not_is_kept),
        cmocka_unit_test(the_number_of_an_exit_is_kept),
        cmocka_unit_test(a_long_one_is_cut),
        cmocka_unit_test(a_group_is_a_type_and_an_error),
    };

    return UNIT_RUN(tests);
}
