/* comparison - results of one job for all organizations beside those of one for each. */
#include "cli/comparison.h"

#include "tests/unit/unit.h"

static char told[512];

static void on_difference(const char *org, int64_t due_ms, const json_t *together, const json_t *own, void *ctx)
{
    char *of_all = together ? json_dumps(together, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *of_org = own ? json_dumps(own, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    size_t length = strlen(told);
    (void)ctx;

    snprintf(told + length, sizeof told - length, "%s@%d %s %s; ", org, (int)due_ms, of_all ? of_all : "-",
             of_org ? of_org : "-");
    free(of_all);
    free(of_org);
}

static void add_together(struct comparison *comparison, int64_t due_ms, const char *outcome, const char *result)
{
    comparison_add_together(comparison, due_ms, outcome, result, result ? strlen(result) : 0);
}

static void add_own(struct comparison *comparison, const char *org, int64_t due_ms, const char *outcome, const char *result)
{
    comparison_add_own(comparison, org, due_ms, outcome, result, result ? strlen(result) : 0);
}

static struct comparison *begin(void)
{
    told[0] = '\0';
    return comparison_new(on_difference, NULL);
}

static void equal_values_are_the_same_however_they_are_written(void **state)
{
    struct comparison *comparison = begin();
    const struct comparison_due *dues;
    size_t count;
    (void)state;

    add_together(comparison, 100, "done", "{\"acme\": {\"apps\": 3, \"users\": 4}, \"globex\":7}");
    add_own(comparison, "acme", 100, "done", " {\"users\":4,\"apps\":3}\n");
    add_own(comparison, "globex", 100, "done", "7");
    dues = comparison_end(comparison, &count);
    assert_int_equal(count, 1);
    assert_int_equal(dues[0].orgs, 2);
    assert_int_equal(dues[0].same, 2);
    assert_int_equal(dues[0].different + dues[0].extra + dues[0].missing, 0);
    assert_string_equal(told, "");
    comparison_free(comparison);
}

static void what_differs_is_counted_and_told(void **state)
{
    struct comparison *comparison = begin();
    const struct comparison_due *dues;
    size_t count;
    (void)state;

    add_together(comparison, 200, "done", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}");
    add_own(comparison, "a", 200, "done", "1");
    add_own(comparison, "b", 200, "done", "20");
    add_own(comparison, "c", 200, "done", "no JSON");
    add_own(comparison, "d", 200, "dead", NULL);
    add_own(comparison, "x", 200, "done", "9");
    dues = comparison_end(comparison, &count);
    assert_int_equal(dues[0].orgs, 5);
    assert_int_equal(dues[0].done, 4);
    assert_int_equal(dues[0].same, 1);
    assert_int_equal(dues[0].different, 2);
    assert_int_equal(dues[0].extra, 1);
    assert_int_equal(dues[0].missing, 2);
    assert_string_equal(told, "b@200 2 20; c@200 3 -; x@200 - 9; d@200 4 -; e@200 5 -; ");
    comparison_free(comparison);
}

static void due_times_of_one_side_only_are_shown_too(void **state)
{
    struct comparison *comparison = begin();
    const struct comparison_due *dues;
    size_t count;
    (void)state;

    add_together(comparison, 300, "dead", NULL);
    add_together(comparison, 200, "done", "[1,2]");
    add_together(comparison, 250, "done", "{\"a\":1}");
    add_own(comparison, "a", 400, "done", "1");
    add_own(comparison, "a", 200, "done", "1");
    dues = comparison_end(comparison, &count);
    assert_int_equal(count, 4);
    assert_int_equal(dues[0].due_ms, 200);
    assert_false(dues[0].is_object);
    assert_int_equal(dues[1].missing, 0);
    assert_string_equal(dues[2].outcome, "dead");
    assert_int_equal(dues[2].orgs, 0);
    assert_string_equal(dues[3].outcome, "");
    assert_int_equal(dues[3].done, 1);
    assert_string_equal(told, "");
    comparison_free(comparison);
}

static void beyond_the_bound_due_times_are_left_out(void **state)
{
    struct comparison *comparison = begin();
    size_t count;
    (void)state;

    for (int64_t due_ms = 1; due_ms <= COMPARISON_DUE_TIMES_MAX + 3; due_ms++)
        add_own(comparison, "a", due_ms, "done", "1");
    comparison_end(comparison, &count);
    assert_int_equal(count, COMPARISON_DUE_TIMES_MAX);
    comparison_free(comparison);
    comparison_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_the_same_however_they_are_written),
        cmocka_unit_test(what_differs_is_counted_and_told),
        cmocka_unit_test(due_times_of_one_side_only_are_shown_too),
        cmocka_unit_test(beyond_the_bound_due_times_are_left_out),
    };

    return UNIT_RUN(tests);
}
