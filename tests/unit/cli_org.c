/* cli/org_settings, cli/org_view - an organization: what people type, what Redis tells, what is shown. */
#include "cli/org_settings.h"
#include "cli/org_view.h"
#include "tests/unit/unit.h"

static const struct org_setting *setting(const char *flag)
{
    const struct org_setting *found = org_settings;

    while (strcmp(found->flag, flag) != 0)
        found++;
    return found;
}

static void assert_parsed(const char *flag, const char *text, const char *expected)
{
    char value[ORG_VALUE_BYTES];
    struct error err;

    assert_int_equal(org_setting_parse(setting(flag), text, value, &err), 0);
    assert_string_equal(value, expected);
}

static void assert_refused(const char *flag, const char *text, const char *why)
{
    char value[ORG_VALUE_BYTES];
    struct error err;

    assert_true(org_setting_parse(setting(flag), text, value, &err) < 0);
    assert_non_null(strstr(err.message, why));
}

static void settings_are_typed_with_units(void **state)
{
    (void)state;
    assert_parsed("weight", "200", "200");
    assert_parsed("keep-done", "2h", "7200000");
    assert_parsed("max-payload", "64KiB", "65536");
    assert_parsed("rate", "10", "10");
    assert_parsed("rate", "10/s", "10");
    assert_parsed("rate", "90/m", "1.5");
    assert_parsed("rate", "36/h", "0.01");
    for (const struct org_setting *each = org_settings; each->field; each++)
        assert_parsed(each->flag, "default", "");
}

static void settings_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("weight", "0", "weight");
    assert_refused("weight", "heavy", "weight");
    assert_refused("keep-done", "2", "keep-done");
    assert_refused("rate", "0", "rate");
    assert_refused("rate", "10/d", "rate");
    assert_refused("rate", "x", "rate");
    assert_refused("rate", "", "rate");
    assert_refused("rate", "nan", "rate");
}

static void what_is_shown_can_be_typed_again(void **state)
{
    static const char *const typed[][2] = {{"weight", "200"},       {"keep-done", "90m"}, {"keep-done", "0"},
                                           {"keep-dead", "1500ms"}, {"rate", "2.5/s"},    {"max-payload", "1000"}};
    char value[ORG_VALUE_BYTES], text[ORG_VALUE_BYTES];
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(typed); i++) {
        assert_int_equal(org_setting_parse(setting(typed[i][0]), typed[i][1], value, &err), 0);
        assert_string_equal(org_setting_format(setting(typed[i][0]), value, text), typed[i][1]);
    }
    assert_string_equal(org_setting_format(setting("keep-dead"), NULL, text), "30d");
    assert_string_equal(org_setting_format(setting("rate"), NULL, text), "none");
}

/* The view of an organization from a reply in three parts. */
static void view(struct org_view *org, const char *fields, const char *sets, const char *queues)
{
    char text[2048];
    int length = snprintf(text, sizeof text, "*3\r\n%s%s%s", fields, sets, queues);
    struct reply *reply = reply_parse(text, (size_t)length);

    assert_non_null(reply);
    org_view_read(org, "acme", reply);
    reply_free(reply);
}

#define NO_FIELDS "*2\r\n$6\r\nqueues\r\n$7\r\ndefault\r\n"
#define SETS(ready, running)                                                                                              \
    "*18\r\n$13\r\nready:default\r\n:" #ready "\r\n:500\r\n$9\r\nscheduled\r\n:2\r\n:9000\r\n$7\r\nrunning\r\n:" #running \
    "\r\n:0\r\n$4\r\ndone\r\n:5\r\n:1\r\n$4\r\ndead\r\n:4\r\n:1\r\n$9\r\ncancelled\r\n:3\r\n:1\r\n"
#define ACTIVE  "*3\r\n$7\r\ndefault\r\n$2\r\n77\r\n:0\r\n"
#define PARKED  "*3\r\n$7\r\ndefault\r\n$0\r\n\r\n:8000\r\n"
#define NOWHERE "*3\r\n$7\r\ndefault\r\n$0\r\n\r\n:0\r\n"

static void assert_state(const char *fields, const char *sets, const char *queues, const char *expected)
{
    struct org_view org;

    view(&org, fields, sets, queues);
    assert_true(org.exists);
    assert_string_equal(org_view_state(&org), expected);
    org_view_clear(&org);
}

static void the_state_says_why_nothing_runs(void **state)
{
    (void)state;
    assert_state(NO_FIELDS, SETS(1, 0), ACTIVE, "active");
    assert_state(NO_FIELDS, SETS(0, 2), NOWHERE, "active");
    assert_state(NO_FIELDS, SETS(0, 0), NOWHERE, "idle");
    assert_state(NO_FIELDS, SETS(1, 0), PARKED, "parked");
    assert_state("*2\r\n$11\r\nmax_running\r\n$1\r\n2\r\n", SETS(1, 2), NOWHERE, "capped");
    assert_state("*2\r\n$11\r\nmax_running\r\n$1\r\n2\r\n", SETS(0, 2), NOWHERE, "active");
    assert_state("*2\r\n$6\r\npaused\r\n$1\r\n1\r\n", SETS(1, 2), NOWHERE, "paused");
}

static void counts_and_settings_are_shown(void **state)
{
    struct org_view org;
    json_t *object, *settings;

    (void)state;
    view(&org, "*4\r\n$6\r\nweight\r\n$3\r\n200\r\n$4\r\nrate\r\n$3\r\n2.5\r\n", SETS(6, 1), ACTIVE);
    org.wait_since_ms = 1000;
    object = org_view_to_json(&org, 3500);
    settings = json_object_get(object, "settings");

    assert_int_equal(json_integer_value(json_object_get(object, "ready")), 6);
    assert_int_equal(json_integer_value(json_object_get(object, "running")), 1);
    assert_int_equal(json_integer_value(json_object_get(object, "scheduled")), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "next_due_ms")), 9000);
    assert_int_equal(json_integer_value(json_object_get(object, "dead")), 4);
    assert_int_equal(json_integer_value(json_object_get(object, "oldest_wait_ms")), 2500);
    assert_int_equal(json_integer_value(json_object_get(object, "weight")), 200);
    assert_true(json_real_value(json_object_get(settings, "rate")) == 2.5);
    assert_true(json_is_null(json_object_get(settings, "burst")));
    json_decref(object);
    org_view_clear(&org);
}

static void what_does_not_exist_is_told_apart(void **state)
{
    struct org_view org;

    (void)state;
    view(&org, "*0\r\n", "*0\r\n", "*0\r\n");
    assert_false(org.exists);
    org_view_clear(&org);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_typed_with_units),    cmocka_unit_test(settings_out_of_range_are_refused_by_name),
        cmocka_unit_test(what_is_shown_can_be_typed_again), cmocka_unit_test(the_state_says_why_nothing_runs),
        cmocka_unit_test(counts_and_settings_are_shown),    cmocka_unit_test(what_does_not_exist_is_told_apart),
    };
    return UNIT_RUN(tests);
}
