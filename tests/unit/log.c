/* log - lines that are read by people, machines and terminals, and trusted by none of them. */
#include "common/log.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* What was written since capture_begin(). */
static char captured[4 * LOG_LINE_BYTES_MAX];
static size_t captured_bytes;
static int captured_fd, real_stderr;

static void capture_begin(void)
{
    captured_fd = memfd_create("stderr", MFD_CLOEXEC);
    real_stderr = dup(STDERR_FILENO);
    dup2(captured_fd, STDERR_FILENO);
}

static const char *capture_end(void)
{
    ssize_t bytes = pread(captured_fd, captured, sizeof captured - 1, 0);

    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(captured_fd);
    assert_true(bytes >= 0);
    captured_bytes = (size_t)bytes;
    captured[captured_bytes] = '\0';
    return captured;
}

/* The line of one call, as a string. */
#define LINE(...) (capture_begin(), log_line(LOG_LEVEL_INFO, __VA_ARGS__), capture_end())

/* The same without "time=... level=info " in front. */
#define AFTER_HEAD(...) (LINE(__VA_ARGS__) + strlen("time=2026-11-20T08:15:58.123Z level=info "))

/* The line of one call, as the JSON object it must be. The caller drops it. */
static json_t *parse_captured(void)
{
    json_error_t error;
    json_t *object = json_loads(captured, JSON_REJECT_DUPLICATES, &error);

    if (!object)
        fail_msg("%s: %s", error.text, captured);
    return object;
}

/* One line: bounded, one newline, at its end; no control bytes; valid UTF-8. */
static void assert_line_is_harmless(void)
{
    json_t *check;

    assert_in_range(captured_bytes, 1, LOG_LINE_BYTES_MAX);
    assert_int_equal(captured[captured_bytes - 1], '\n');
    for (size_t i = 0; i < captured_bytes - 1; i++) {
        unsigned char byte = (unsigned char)captured[i];
        assert_true(byte >= 0x20 && byte != 0x7f);
        assert_false(byte == 0xc2 && (unsigned char)captured[i + 1] < 0xa0); /* C1 in UTF-8 */
    }
    check = json_stringn(captured, captured_bytes); /* refuses invalid UTF-8 */
    assert_non_null(check);
    json_decref(check);
}

static int use_logfmt(void **state)
{
    (void)state;
    log_setup(NULL, LOG_LEVEL_INFO, "logfmt");
    return 0;
}

static int use_json(void **state)
{
    (void)state;
    log_setup(NULL, LOG_LEVEL_INFO, "json");
    return 0;
}

static void a_line_names_time_level_program_and_message(void **state)
{
    const char *line;

    (void)state;
    log_setup("rota-worker", LOG_LEVEL_INFO, "logfmt");
    line = LINE("worker started", "slots=%d", 4);

    assert_int_equal(strncmp(line, "time=20", 7), 0);
    assert_int_equal(line[strlen("time=2026-11-20T08:15:58.123")], 'Z');
    assert_string_equal(line + strlen("time=2026-11-20T08:15:58.123Z"),
                        " level=info program=rota-worker msg=\"worker started\" slots=4\n");
}

static void a_line_may_have_no_fields(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("stopped", NULL), "msg=stopped\n");
}

static void every_conversion_is_understood(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("m", "a=%s b=%d c=%u d=%ld e=%lu f=%lld g=%llu h=%zu i=%.3f", "x", -1, UINT32_MAX, LONG_MIN,
                                   ULONG_MAX, LLONG_MIN, ULLONG_MAX, SIZE_MAX, 0.0625),
                        "msg=m a=x b=-1 c=4294967295 d=-9223372036854775808 e=18446744073709551615 f=-9223372036854775808 "
                        "g=18446744073709551615 h=18446744073709551615 i=0.062\n");
}

static void a_value_may_be_made_of_several_parts(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("m", "job=%s/%s took=%dms why=stop", "acme", "a b", 7),
                        "msg=m job=\"acme/a b\" took=7ms why=stop\n");
}

static void what_is_not_a_plain_word_is_quoted(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("m", "v=%s", ""), "msg=m v=\"\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "a=b"), "msg=m v=\"a=b\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "a\"b\\"), "msg=m v=\"a\\\"b\\\\\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "1\n2\t3\r"), "msg=m v=\"1\\n2\\t3\\u000d\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "Zürich"), "msg=m v=\"Zürich\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "redis://h:6379/0"), "msg=m v=redis://h:6379/0\n");
}

static void a_value_cannot_forge_a_field_or_a_line(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("m", "v=%s next=%d", "x level=error", 1), "msg=m v=\"x level=error\" next=1\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s next=%d", "x\" level=\"error", 1), "msg=m v=\"x\\\" level=\\\"error\" next=1\n");
    assert_string_equal(AFTER_HEAD("m\nlevel=error", NULL), "msg=\"m\\nlevel=error\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "%s%n%d"), "msg=m v=%s%n%d\n");
}

static void what_steers_a_terminal_is_escaped(void **state)
{
    (void)state;
    assert_string_equal(AFTER_HEAD("m", "v=%s", "\x1b[31m"), "msg=m v=\"\\u001b[31m\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s",
                                   "\xc2\x9b"
                                   "31m"),
                        "msg=m v=\"\\u009b31m\"\n"); /* U+009B: CSI in one character */
    assert_string_equal(AFTER_HEAD("m", "v=%s", "a\u202eb\u2028"),
                        "msg=m v=\"a\\u202eb\\u2028\"\n"); /* right to left, new line */
    assert_string_equal(AFTER_HEAD("m", "v=%s", "a\u061cb"), "msg=m v=\"a\\u061cb\"\n");
    assert_string_equal(AFTER_HEAD("m", "v=%s", "\x7f"), "msg=m v=\"\\u007f\"\n");
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"\xff", "\ufffd"},
        {"a\x80z", "a\ufffdz"},
        {"\xc3", "\ufffd"},                                         /* ends too early */
        {"\xc0\xaf", "\ufffd\ufffd"},                               /* '/', overlong */
        {"\xe0\x80\xaf", "\ufffd\ufffd\ufffd"},                     /* the same in three bytes */
        {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},                     /* a surrogate */
        {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},           /* above U+10FFFF */
        {"\xf8\x88\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd"}, /* five bytes */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},                   /* valid */
    };
    char expected[80];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(expected, sizeof expected, "msg=m v=\"%s\"\n", cases[i].written);
        assert_string_equal(AFTER_HEAD("m", "v=%s", cases[i].text), expected);
    }
}

static void json_has_numbers_and_strings(void **state)
{
    json_t *object;

    (void)state;
    log_setup("rota", LOG_LEVEL_INFO, "json");
    LINE("job \"done\"", "job=%s/%s ms=%lld ratio=%.3f size=%dKiB nan=%.3f id=%s", "acme", "x\x1b", -5LL, 0.5, 3, (double)NAN,
         "42");
    object = parse_captured();

    assert_string_equal(json_string_value(json_object_get(object, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(object, "program")), "rota");
    assert_string_equal(json_string_value(json_object_get(object, "msg")), "job \"done\"");
    assert_string_equal(json_string_value(json_object_get(object, "job")), "acme/x\x1b");
    assert_int_equal(json_integer_value(json_object_get(object, "ms")), -5);
    assert_true(json_real_value(json_object_get(object, "ratio")) == 0.5);
    assert_string_equal(json_string_value(json_object_get(object, "size")), "3KiB");
    assert_string_equal(json_string_value(json_object_get(object, "nan")), "nan");
    assert_string_equal(json_string_value(json_object_get(object, "id")), "42");
    json_decref(object);
}

static void any_bytes_make_a_harmless_line_that_reads_back(void **state)
{
    char text[64];

    (void)state;
    srandom(6);
    for (int round = 0; round < 20000; round++) {
        size_t bytes = (size_t)random() % sizeof text;
        bool ascii = random() % 2;
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)(random() % (ascii ? 128 : 256));
        text[bytes] = '\0';
        log_setup(NULL, LOG_LEVEL_INFO, round % 2 ? "json" : "logfmt");
        LINE(text, "v=%s n=%d", text, 1);
        assert_line_is_harmless();
        if (round % 2) {
            json_t *object = parse_captured();
            if (ascii)
                assert_string_equal(json_string_value(json_object_get(object, "v")), text);
            assert_int_equal(json_integer_value(json_object_get(object, "n")), 1);
            json_decref(object);
        }
    }
}

/* Fills a line up to and beyond its limit with characters that take 1, 2, 3 and 6 bytes. */
static void a_line_that_is_too_long_is_cut_and_stays_whole(void **state)
{
    static const char *const units[] = {"x", " ", "\"", "\u20ac", "\x01", "\xff"};
    static char text[3 * LOG_LINE_BYTES_MAX + 8];

    (void)state;
    for (size_t unit = 0; unit < COUNT(units); unit++) {
        for (int length = 600; length < 4200; length += length < 650 || length > 3900 ? 1 : 50) {
            text[0] = '\0';
            for (char *at = text; at < text + length;)
                at = stpcpy(at, units[unit]);
            log_setup("rota", LOG_LEVEL_INFO, length % 2 ? "json" : "logfmt");
            LINE("message", "v=%s n=%d", text, 1);
            assert_line_is_harmless();
            if (length % 2) {
                json_t *object = parse_captured();
                bool cut = json_is_true(json_object_get(object, "cut"));
                assert_int_equal(json_is_integer(json_object_get(object, "n")), !cut);
                json_decref(object);
            } else
                assert_int_equal(strstr(captured, " cut=true\n") == NULL, strstr(captured, " n=1\n") != NULL);
        }
    }
}

static void a_cut_line_keeps_the_beginning_of_a_long_value(void **state)
{
    static char text[100000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    LINE("m", "v=%s n=%d", text, 1);

    assert_in_range(captured_bytes, LOG_LINE_BYTES_MAX - 16, LOG_LINE_BYTES_MAX);
    assert_string_equal(captured + captured_bytes - strlen("xxx\" cut=true\n"), "xxx\" cut=true\n");
    LINE(text, NULL);
    assert_line_is_harmless();
    assert_in_range(captured_bytes, LOG_LINE_BYTES_MAX - 16, LOG_LINE_BYTES_MAX);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_setup(NULL, LOG_LEVEL_WARN, "logfmt");
    assert_false(log_enabled(LOG_LEVEL_INFO));
    assert_true(log_enabled(LOG_LEVEL_WARN));

    capture_begin();
    log_debug("one", NULL);
    log_info("two", NULL);
    log_warn("three", NULL);
    log_error("four", NULL);
    capture_end();

    assert_null(strstr(captured, "one"));
    assert_null(strstr(captured, "two"));
    assert_non_null(strstr(captured, "level=warn msg=three\n"));
    assert_non_null(strstr(captured, "level=error msg=four\n"));
}

static void a_line_that_is_not_written_does_not_compute_its_values(void **state)
{
    int computed = 0;

    (void)state;
    log_debug("m", "n=%d", ++computed);
    assert_int_equal(computed, 0);
}

static void levels_have_names(void **state)
{
    enum log_level level = LOG_LEVEL_INFO;

    (void)state;
    assert_true(log_level_parse(&level, "error"));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_true(log_level_parse(&level, "debug"));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse(&level, "Error"));
    assert_false(log_level_parse(&level, ""));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void without_a_terminal_the_format_is_json(void **state)
{
    (void)state;
    capture_begin();
    log_setup(NULL, LOG_LEVEL_INFO, NULL);
    log_info("m", NULL);
    capture_end();

    assert_int_equal(captured[0], '{');
}

static void logging_leaves_errno_alone(void **state)
{
    int after;

    (void)state;
    capture_begin();
    close(STDERR_FILENO); /* so that write(2) fails */
    errno = ENOENT;
    log_error("m", NULL);
    after = errno;
    capture_end();

    assert_int_equal(after, ENOENT);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* True if a line with template `fields` aborts, in a process of its own. */
static bool aborts(const char *fields)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        close(STDERR_FILENO);
        log_line(LOG_LEVEL_INFO, "m", fields, 1, 2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#pragma GCC diagnostic pop

static void a_template_that_is_a_mistake_aborts(void **state)
{
    static const char *const mistakes[] = {"n=%x", "n=%5d", "n=%%", "n=%c",       "n=%hd", "n=%",
                                           "n",    "=%d",   "N=%d", "n=%d  m=%d", " n=%d"};

    (void)state;
    assert_false(aborts("n=%d"));
    for (size_t i = 0; i < COUNT(mistakes); i++)
        if (!aborts(mistakes[i]))
            fail_msg("\"%s\" was taken", mistakes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_time_level_program_and_message),
        cmocka_unit_test_setup(a_line_may_have_no_fields, use_logfmt),
        cmocka_unit_test_setup(every_conversion_is_understood, use_logfmt),
        cmocka_unit_test_setup(a_value_may_be_made_of_several_parts, use_logfmt),
        cmocka_unit_test_setup(what_is_not_a_plain_word_is_quoted, use_logfmt),
        cmocka_unit_test_setup(a_value_cannot_forge_a_field_or_a_line, use_logfmt),
        cmocka_unit_test_setup(what_steers_a_terminal_is_escaped, use_logfmt),
        cmocka_unit_test_setup(bytes_that_are_not_utf8_are_replaced, use_logfmt),
        cmocka_unit_test(json_has_numbers_and_strings),
        cmocka_unit_test(any_bytes_make_a_harmless_line_that_reads_back),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_stays_whole),
        cmocka_unit_test_setup(a_cut_line_keeps_the_beginning_of_a_long_value, use_logfmt),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test_setup(a_line_that_is_not_written_does_not_compute_its_values, use_json),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(without_a_terminal_the_format_is_json),
        cmocka_unit_test_setup(logging_leaves_errno_alone, use_logfmt),
        cmocka_unit_test_setup(a_template_that_is_a_mistake_aborts, use_logfmt),
    };
    return UNIT_RUN(tests);
}
