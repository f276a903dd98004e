/* What comes from outside by the command line: names, numbers and lines of all kinds that somebody may think of. Each is taken
 * by its grammar or refused with a reason. */
#include <inttypes.h>
#include <jansson.h>
#include <regex.h>

#include "cli/cli.h"
#include "cli/org_settings.h"
#include "cli/sender.h"
#include "common/request.h"
#include "tests/unit/unit.h"

#define NAMES_MAX 4000
#define NAME_SIZE 160

/* ---- the names ---- */

static char names[NAMES_MAX][NAME_SIZE];
static size_t names_count;

static void add(const char *name)
{
    assert_true(names_count < NAMES_MAX && strlen(name) < NAME_SIZE);
    snprintf(names[names_count++], NAME_SIZE, "%s", name);
}

/* Every byte there is, at the beginning, in the middle, at the end, alone; every length around the limits; what shells, globs,
 * keys, paths, formats and functions might make something of. */
static int make_names(void **state)
{
    static const char *const special[] = {"",           "a*",
                                          "..",         "../../etc",
                                          "{x}",        "a{b}c",
                                          "%s%n",       "$(id)",
                                          "`id`",       "a b",
                                          "a\nb",       "\ta",
                                          "-a",         "--help",
                                          "_a",         "a:b",
                                          "a/b",        "/",
                                          "//",         "a//b",
                                          "a/",         "/a",
                                          "a/b/c",      "@",
                                          "a@b",        "~",
                                          "[a]",        "?",
                                          "*",          "\\",
                                          "a\\",        "'",
                                          "\"",         "null",
                                          "0",          "A",
                                          "ACME",       "acme ",
                                          " acme",      "acme\r\n",
                                          "ac\xc3\xbc", "\xe2\x80\xae",
                                          "\xff\xfe",   "\xf0\x9f\x98\x80",
                                          "a\x1b[31m",  "a;b",
                                          "a|b",        "a&b",
                                          "a,b",        "a=b",
                                          "a+b",        "a#b",
                                          "a!b"};
    char text[NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(special); i++)
        add(special[i]);
    for (int byte = 1; byte < 256; byte++) {
        const char c = (char)byte;
        snprintf(text, sizeof text, "%cacme", c);
        add(text);
        snprintf(text, sizeof text, "ac%cme", c);
        add(text);
        snprintf(text, sizeof text, "acme%c", c);
        add(text);
        snprintf(text, sizeof text, "%c", c);
        add(text);
        snprintf(text, sizeof text, "acme/%cx", c);
        add(text);
    }
    for (int length = 60; length <= 130; length++) {
        memset(text, 'a', (size_t)length);
        text[length] = '\0';
        add(text);
    }
    assert_true(names_count > 1000);
    return 0;
}

/* A grammar of the documents, as somebody else reads it. */
struct grammar {
    const char *pattern;
    regex_t regex;
    bool compiled;
};

static bool matches(struct grammar *grammar, const char *text)
{
    if (!grammar->compiled)
        assert_int_equal(regcomp(&grammar->regex, grammar->pattern, REG_EXTENDED | REG_NOSUB), 0);
    grammar->compiled = true;
    return regexec(&grammar->regex, text, 0, NULL, 0) == 0 && !strchr(text, '\n');
}

#define ORG  "[a-z0-9][a-z0-9_-]{0,62}"
#define TYPE "[A-Za-z0-9._-]{1,64}"
#define ID   "[A-Za-z0-9._:-]{1,64}"

static struct grammar org_grammar = {.pattern = "^" ORG "$"}, type_grammar = {.pattern = "^" TYPE "$"};
static struct grammar id_grammar = {.pattern = "^" ID "$"}, job_grammar = {.pattern = "^" ORG "/[A-Za-z0-9._:@-]{1,64}$"};
static struct grammar queue_or_none = {.pattern = "^(" ORG ")?$"}, id_or_none = {.pattern = "^(" ID ")?$"};

/* The reason names the value, or as much of it as fits, and is not empty. */
static void assert_refused(int rc, const struct error *err)
{
    assert_true(rc < 0);
    assert_true(strlen(err->message) > 10);
}

static void names_are_taken_by_their_grammar_or_refused(void **state)
{
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < names_count; i++) {
        struct error err = {0};
        bool is_org = matches(&org_grammar, names[i]);
        bool is_type = matches(&type_grammar, names[i]);
        bool is_id = matches(&id_grammar, names[i]);

        assert_int_equal(name_check(names[i], "organization", &err) == 0, is_org);
        assert_int_equal(type_check(names[i], &err) == 0, is_type);
        assert_int_equal(job_id_is_choosable(names[i], strlen(names[i])), is_id);
        refused += !is_org;
        if (!is_org)
            assert_refused(name_check(names[i], "queue", &err), &err);
        if (!is_type)
            assert_refused(type_check(names[i], &err), &err);
    }
    assert_true(refused > 1000);
}

static void jobs_are_named_by_their_grammar_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < names_count; i++) {
        char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
        struct error err = {0};
        int rc = job_name_split(names[i], org, id, &err);

        assert_int_equal(rc == 0, matches(&job_grammar, names[i]));
        if (rc < 0)
            assert_refused(rc, &err);
    }
}

/* ---- lines ---- */

static int parse(json_t *object, struct error *err)
{
    static const struct request defaults = {.record = {.payload = "", .has_payload = true}};
    char *line = json_dumps(object, JSON_COMPACT);
    struct request request;
    int rc = request_parse(&request, line, strlen(line), &defaults, err);

    if (rc == 0) {
        rc = sender_check(&request, err);
        request_clear(&request);
    }
    free(line);
    json_decref(object);
    return rc;
}

/* A line with one member that is as it is given; takes. */
static int parse_with(const char *member, json_t *value, struct error *err)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "org", "acme", "type", "t", "payload", "x");

    json_object_set_new(object, member, value);
    return parse(object, err);
}

static void names_in_lines_are_taken_or_refused(void **state)
{
    static const struct {
        const char *member;
        struct grammar *grammar;
    } members[] = {{"org", &org_grammar}, {"type", &type_grammar}, {"queue", &queue_or_none}, {"id", &id_or_none}};

    (void)state;
    for (size_t i = 0; i < names_count; i++) {
        json_t *text = json_string(names[i]);
        for (size_t j = 0; text && j < COUNT(members); j++) { /* what is no UTF-8 is in no line */
            struct error err = {0};
            int rc = parse_with(members[j].member, json_incref(text), &err);
            assert_int_equal(rc == 0, matches(members[j].grammar, names[i]));
            if (rc < 0)
                assert_refused(rc, &err);
        }
        json_decref(text);
    }
}

static void a_nul_is_in_no_name(void **state)
{
    static const char *const members[] = {"org", "type", "queue", "id", "key"};

    (void)state;
    for (size_t i = 0; i < COUNT(members); i++) {
        struct error err = {0};
        assert_refused(parse_with(members[i], json_stringn("ac\0me", 5), &err), &err);
        assert_refused(parse_with(members[i], json_stringn("acme\0", 5), &err), &err);
        assert_refused(parse_with(members[i], json_stringn("\0", 1), &err), &err);
    }
}

static void keys_and_headers_have_limits(void **state)
{
    char long_key[JOB_KEY_BYTES_MAX + 2];
    struct error err = {0};
    json_t *headers = json_object();
    char name[16];

    (void)state;
    memset(long_key, 'k', sizeof long_key);
    long_key[sizeof long_key - 1] = '\0';
    assert_refused(parse_with("key", json_string(long_key), &err), &err);
    long_key[JOB_KEY_BYTES_MAX] = '\0';
    assert_int_equal(parse_with("key", json_string(long_key), &err), 0);
    for (int i = 0; i <= JOB_HEADERS_MAX; i++) {
        snprintf(name, sizeof name, "h%d", i);
        json_object_set_new(headers, name, json_string("x"));
    }
    assert_refused(parse_with("headers", headers, &err), &err);
    assert_refused(parse_with("headers", json_pack("{s:s}", "", "x"), &err), &err);
    assert_refused(parse_with("headers", json_pack("{s:i}", "a", 1), &err), &err);
    assert_refused(parse_with("headers", json_pack("[s]", "a"), &err), &err);
}

/* ---- numbers ---- */

static const struct {
    const char *member;
    double low, high;
} numbers[] = {
    {"priority", -100, 100},
    {"max_attempts", 1, 1000},
    {"timeout_ms", 1, (double)(1LL << 36)},
    {"delay_ms", 0, (double)(1LL << 42)},
    {"due_ms", 0, (double)(1LL << 46)},
    {"expires_ms", 1, (double)(1LL << 46)},
};

static void numbers_are_taken_at_their_edges_and_refused_beyond(void **state)
{
    static const double others[] = {
        1e308, -1e308, 0.5, 1e-300, 9007199254740993.0, -9223372036854775808.0, 18446744073709551616.0};

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const char *member = numbers[i].member;
        struct error err = {0};
        assert_int_equal(parse_with(member, json_real(numbers[i].low), &err), 0);
        assert_int_equal(parse_with(member, json_real(numbers[i].high), &err), 0);
        assert_refused(parse_with(member, json_real(numbers[i].low - 1), &err), &err);
        assert_refused(parse_with(member, json_real(numbers[i].high + 1), &err), &err);
        for (size_t j = 0; j < COUNT(others); j++)
            assert_refused(parse_with(member, json_real(others[j]), &err), &err);
        assert_refused(parse_with(member, json_string("5"), &err), &err);
        assert_refused(parse_with(member, json_true(), &err), &err);
        assert_refused(parse_with(member, json_null(), &err), &err);
        assert_refused(parse_with(member, json_array(), &err), &err);
    }
}

static void settings_of_organizations_are_taken_at_their_edges_and_refused_beyond(void **state)
{
    static const char *const wrong[] = {"",
                                        " ",
                                        "-1",
                                        "+1",
                                        "1 ",
                                        " 1",
                                        "0x10",
                                        "1e3",
                                        "1.5.5",
                                        "NaN",
                                        "inf",
                                        "-",
                                        "5/x",
                                        "/s",
                                        "1/s/s",
                                        "9223372036854775808",
                                        "99999999999999999999999999",
                                        "1\n"};
    char value[ORG_VALUE_BYTES], text[48];

    (void)state;
    for (const struct org_setting *setting = org_settings; setting->field; setting++) {
        const char *unit = setting->kind == ORG_MS ? "ms" : "";
        struct error err = {0};
        for (size_t i = 0; i < COUNT(wrong); i++)
            if (org_setting_parse(setting, wrong[i], value, &err) == 0)
                fail_msg("%s takes \"%s\"", setting->flag, wrong[i]);
        if (setting->kind != ORG_INTEGER && setting->kind != ORG_MS && setting->kind != ORG_BYTES)
            continue;
        snprintf(text, sizeof text, "%" PRId64 "%s", setting->low, unit);
        if (org_setting_parse(setting, text, value, &err) < 0)
            fail_msg("%s does not take \"%s\": %s", setting->flag, text, err.message);
        snprintf(text, sizeof text, "%" PRId64 "%s", setting->high, unit);
        if (org_setting_parse(setting, text, value, &err) < 0)
            fail_msg("%s does not take \"%s\": %s", setting->flag, text, err.message);
        snprintf(text, sizeof text, "%" PRId64 "%s", setting->high + 1, unit);
        assert_refused(org_setting_parse(setting, text, value, &err), &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_by_their_grammar_or_refused),
        cmocka_unit_test(jobs_are_named_by_their_grammar_or_refused),
        cmocka_unit_test(names_in_lines_are_taken_or_refused),
        cmocka_unit_test(a_nul_is_in_no_name),
        cmocka_unit_test(keys_and_headers_have_limits),
        cmocka_unit_test(numbers_are_taken_at_their_edges_and_refused_beyond),
        cmocka_unit_test(settings_of_organizations_are_taken_at_their_edges_and_refused_beyond),
    };
    return cmocka_run_group_tests(tests, make_names, NULL);
}
