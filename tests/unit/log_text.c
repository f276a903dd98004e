/* log_text - what is kept of a handler's log, whatever it writes. */
#include "worker/log_text.h"

#include "common/buffer.h"
#include "tests/unit/unit.h"

/* What is kept of `bytes`, written in pieces of `piece` bytes. */
static char *kept(const char *bytes, size_t length, size_t piece, size_t *ret_bytes, int64_t *ret_omitted)
{
    struct log_text log = {0};
    char *text;

    for (size_t at = 0; at < length; at += piece)
        log_text_add(&log, bytes + at, length - at < piece ? length - at : piece);
    log_text_end(&log);
    assert_int_equal(log.bytes, length);
    text = log_text_give(&log, ret_bytes, ret_omitted);
    log_text_clear(&log);
    return text;
}

/* In one piece, byte by byte, and by threes: the same. */
static void assert_kept(const char *bytes, size_t length, const char *expected)
{
    static const size_t pieces[] = {1000, 1, 2, 3};

    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t text_bytes;
        int64_t omitted;
        char *text = kept(bytes, length, pieces[i], &text_bytes, &omitted);
        assert_string_equal(text, expected);
        assert_int_equal(text_bytes, strlen(expected));
        assert_int_equal(omitted, 0);
        free(text);
    }
}

static void take_line(const char *line, size_t bytes, void *ctx)
{
    buffer_add(ctx, line, bytes);
    buffer_add(ctx, "|", 1);
}

/* In the middle of a line, of a character, behind a full head, behind a line that is cut. */
static void it_is_renewed_without_losing_the_line_under_way(void **state)
{
    static char many[LOG_TEXT_HEAD_BYTES + LOG_TEXT_TAIL_BYTES], wide[LOG_TEXT_LINE_BYTES_MAX + 100];
    struct buffer lines = {0};
    struct log_text log = {.on_line = take_line, .ctx = &lines};

    (void)state;
    log_text_add(&log, "one\ntw", 6);
    log_text_renew(&log);
    log_text_add(&log, "o\ngr\xc3", 5);
    log_text_renew(&log);
    log_text_add(&log, "\xbcn\n", 3);
    assert_string_equal(lines.data, "one|two|grün|");
    buffer_reset(&lines);
    memset(many, '\n', sizeof many);
    log_text_add(&log, many, sizeof many);
    log_text_add(&log, "beg", 3);
    buffer_reset(&lines);
    log_text_renew(&log);
    log_text_add(&log, "in\n", 3);
    assert_int_equal(lines.length, 6);
    assert_memory_equal(lines.data, "begin|", 6);
    buffer_reset(&lines);
    memset(wide, 'x', sizeof wide);
    log_text_add(&log, wide, sizeof wide);
    log_text_renew(&log);
    log_text_renew(&log);
    log_text_add(&log, "yy\nz\n", 5);
    assert_int_equal(lines.length, LOG_TEXT_LINE_BYTES_MAX + 3);
    assert_memory_equal(lines.data + LOG_TEXT_LINE_BYTES_MAX - 1, "x|z|", 4);
    log_text_clear(&log);
    buffer_clear(&lines);
}

static void text_stays_as_it_is(void **state)
{
    (void)state;
    assert_kept("", 0, "");
    assert_kept("one\n\ttwo\n\n", 10, "one\n\ttwo\n\n");
    assert_kept("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n", 15, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n");
    assert_kept("no end", 6, "no end\n");
}

static void control_bytes_become_pictures(void **state)
{
    (void)state;
    assert_kept("a\0b", 3,
                "a\xe2\x90\x80"
                "b\n");
    assert_kept("\x1b[31mred", 8, "\xe2\x90\x9b[31mred\n");
    assert_kept("\r\x7f", 2, "\xe2\x90\x8d\xe2\x90\xa1\n");
    assert_kept("\xc2\x9b"
                "2J",
                4,
                "\xef\xbf\xbd"
                "2J\n"); /* CSI in one character */
    assert_kept("a\xe2\x80\xae"
                "b",
                5,
                "a\xef\xbf\xbd"
                "b\n"); /* right-to-left override */
    assert_kept("a\xe2\x81\xa6"
                "b",
                5,
                "a\xef\xbf\xbd"
                "b\n"); /* an isolate */
    assert_kept("a\xe2\x80\x93"
                "b\n",
                6,
                "a\xe2\x80\x93"
                "b\n"); /* a dash is no mark */
}

static void what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    assert_kept("\xff", 1, "\xef\xbf\xbd\n");
    assert_kept("\xc3", 1, "\xef\xbf\xbd\n");
    assert_kept("\xc3\n", 2, "\xef\xbf\xbd\n");
    assert_kept("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd\n");                 /* overlong */
    assert_kept("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n"); /* a surrogate */
    assert_kept("\xe2\x82x", 3, "\xef\xbf\xbdx\n");
    assert_kept("\xe2\x82\xe2\x82\xac", 5, "\xef\xbf\xbd\xe2\x82\xac\n");
}

static void a_long_line_is_cut(void **state)
{
    char line[LOG_TEXT_LINE_BYTES_MAX + 100];
    struct buffer all = {0};
    size_t bytes;
    int64_t omitted;

    (void)state;
    memset(line, 'x', sizeof line);
    buffer_add(&all, line, sizeof line);
    buffer_add_string(&all, "\nnext\n");
    char *text = kept(all.data, all.length, 1000, &bytes, &omitted);
    assert_int_equal(bytes, LOG_TEXT_LINE_BYTES_MAX + 6);
    assert_string_equal(text + LOG_TEXT_LINE_BYTES_MAX, "\nnext\n");
    assert_int_equal(omitted, 100);
    free(text);
    buffer_clear(&all);
}

/* 60 MB: head, how much is missing, tail. All lines are whole. */
static void a_flood_leaves_its_head_and_its_tail(void **state)
{
    struct log_text log = {0};
    const int lines = 6000000;
    char line[16];
    size_t bytes;
    int64_t omitted, said;

    (void)state;
    for (int i = 0; i < lines; i++) {
        snprintf(line, sizeof line, "%09d\n", i);
        log_text_add(&log, line, 10);
    }
    log_text_end(&log);
    char *text = log_text_give(&log, &bytes, &omitted);
    const char *mark = strstr(text, "\xe2\x80\xa6 ");
    assert_non_null(mark);
    assert_memory_equal(text, "000000000\n", 10);
    assert_in_range(mark - text, LOG_TEXT_HEAD_BYTES - 10, LOG_TEXT_HEAD_BYTES + 1);
    assert_int_equal(sscanf(mark + 4, "%ld bytes omitted", &said), 1);
    assert_int_equal(said, omitted);
    assert_in_range(bytes, LOG_TEXT_HEAD_BYTES + LOG_TEXT_TAIL_BYTES - 20, LOG_TEXT_HEAD_BYTES + LOG_TEXT_TAIL_BYTES + 60);
    assert_string_equal(text + bytes - 10, "005999999\n");
    const char *tail = strchr(mark, '\n') + 1;
    assert_int_equal(strspn(tail, "0123456789"), 9); /* a whole line */
    /* Nothing is counted twice, and nothing not at all; the head has an end of line more than was written. */
    assert_int_equal(mark - text - 1 + omitted + (long)strlen(tail), (long)lines * 10);
    free(text);
    log_text_clear(&log);
}

static int told;

static void on_line(const char *line, size_t bytes, void *ctx)
{
    assert_ptr_equal(ctx, &told);
    assert_int_equal(bytes, 9);
    assert_int_equal(atoi(line), told);
    told++;
}

static void only_lines_of_the_head_are_told(void **state)
{
    struct log_text log = {.on_line = on_line, .ctx = &told};
    char line[16];

    (void)state;
    told = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(line, sizeof line, "%09d\n", i);
        log_text_add(&log, line, 4);
        log_text_add(&log, line + 4, 6);
    }
    log_text_end(&log);
    assert_int_equal(told, LOG_TEXT_HEAD_BYTES / 10);
    log_text_clear(&log);
}

static void the_error_is_its_last_bytes(void **state)
{
    struct log_text log = {0};

    (void)state;
    log_text_add(&log, "first\nlast \n\n", 13);
    log_text_end(&log);
    char *error = log_text_error(&log);
    assert_string_equal(error, "first\nlast");
    free(error);
    for (int i = 0; i < 5000; i++)
        log_text_add(&log, "\xe2\x82\xac", 3);
    error = log_text_error(&log);
    assert_in_range(strlen(error), LOG_TEXT_ERROR_BYTES - 3, LOG_TEXT_ERROR_BYTES);
    assert_memory_equal(error, "\xe2\x82\xac", 3);
    free(error);
    log_text_clear(&log);
    error = log_text_error(&log);
    assert_string_equal(error, "");
    free(error);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_renewed_without_losing_the_line_under_way),
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(control_bytes_become_pictures),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(a_flood_leaves_its_head_and_its_tail),
        cmocka_unit_test(only_lines_of_the_head_are_told),
        cmocka_unit_test(the_error_is_its_last_bytes),
    };
    return UNIT_RUN(tests);
}
