/* cli/text, cli/base64, cli/table - bytes of users made fit for terminals and for JSON. */
#include "cli/table.h"
#include "cli/text.h"
#include "common/base64.h"
#include "common/utf8.h"
#include "tests/unit/unit.h"

static char *plain(const char *bytes, size_t length)
{
    struct buffer out = {0};

    text_add_plain(&out, bytes, length);
    return buffer_give(&out);
}

static void assert_plain(const char *bytes, size_t length, const char *expected)
{
    char *text = plain(bytes, length);

    assert_string_equal(text, expected);
    free(text);
}

static void utf8_is_known_from_what_is_not(void **state)
{
    static const char *const good[] = {
        "", "mail", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",         "\xc3",     "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",
                                      "\xed\xa0\x80", "\xe2\x82", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff",
                                      "a\xc3("};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(utf8_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
    assert_true(utf8_is_valid("a\0b", 3));
}

static void nothing_breaks_out_of_its_line(void **state)
{
    (void)state;
    assert_plain("plain \xc3\xa9 \\ \"q\"", 14, "plain \xc3\xa9 \\ \"q\"");
    assert_plain("a\nb\r\tc", 6, "a\\nb\\r\\tc");
    assert_plain("\x1b[31m", 5, "\\u001b[31m");
    assert_plain("\0", 1, "\\u0000");
    assert_plain("\x7f\xc2\x9b", 3, "\\u007f\\u009b");
    assert_plain("\xe2\x80\xae", 3, "\\u202e");
    assert_plain("\xff\xc3", 2, "\\xff\\xc3");
    assert_plain("", 0, "");
}

static void width_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(text_width("mail"), 4);
    assert_int_equal(text_width("\xc3\xa9t\xc3\xa9"), 3);
    assert_int_equal(text_width("e\xcc\x81"), 1);
}

static void base64_goes_there_and_back(void **state)
{
    static const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                           {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"}};
    struct error err;
    size_t length;

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]));
        char *bytes = base64_decode(pairs[i][1], strlen(pairs[i][1]), &length, &err);
        assert_string_equal(text, pairs[i][1]);
        assert_non_null(bytes);
        assert_int_equal(length, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], length);
        free(bytes);
        free(text);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    static const char *const bad[] = {"Z", "Zg=", "Zm9v!", "Zm9 ", "====", "Z===", "Zg==Zg=="};
    struct error err;
    size_t length;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_null(base64_decode(bad[i], strlen(bad[i]), &length, &err));
}

static const struct table_column columns[] = {{"NAME", false}, {"N", true}, {"LAST", false}};

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    struct table *table = table_new(file, columns, 3, true);

    (void)state;
    table_add(table, (const char *const[]){"a", "1000", "x"});
    table_add(table, (const char *const[]){"globex", "7", NULL});
    table_end(table);
    fclose(file);

    assert_string_equal(text, "NAME       N  LAST\n"
                              "a       1000  x\n"
                              "globex     7  -\n");
    free(text);
}

static void a_table_of_any_length_loses_no_row(void **state)
{
    char *text = NULL, cell[16];
    size_t length = 0, lines = 0;
    FILE *file = open_memstream(&text, &length);
    struct table *table = table_new(file, columns, 3, true);

    (void)state;
    for (int i = 0; i < 1203; i++) {
        snprintf(cell, sizeof cell, "%d", i);
        table_add(table, (const char *const[]){"acme", cell, ""});
    }
    table_end(table);
    fclose(file);

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1204);
    assert_non_null(strstr(text, "acme  1202  -\n"));
    free(text);
}

static void an_empty_table_has_its_headings(void **state)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);

    (void)state;
    table_end(table_new(file, columns, 3, true));
    fclose(file);

    assert_string_equal(text, "NAME  N  LAST\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_known_from_what_is_not),
        cmocka_unit_test(nothing_breaks_out_of_its_line),
        cmocka_unit_test(width_counts_characters),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_table_of_any_length_loses_no_row),
        cmocka_unit_test(an_empty_table_has_its_headings),
    };
    return UNIT_RUN(tests);
}
