/* redis_url - where a Redis is and who we are there. */
#include "common/redis_url.h"

#include "tests/unit/unit.h"

/* What a URL is read as; NULL where the URL gives nothing. */
struct reading {
    const char *text, *host, *port, *path, *user, *password;
    int database;
    bool tls, local;
    const char *address;
};

static void assert_same(const char *got, const char *expected)
{
    if (expected && got)
        assert_string_equal(got, expected);
    else
        assert_ptr_equal(got, expected);
}

static void urls_are_read_part_by_part(void **state)
{
    static const struct reading readings[] = {
        {.text = "redis://", .host = "127.0.0.1", .port = "6379", .local = true, .address = "redis://127.0.0.1:6379/0"},
        {.text = "redis://db", .host = "db", .port = "6379", .address = "redis://db:6379/0"},
        {.text = "REDIS://db:7000/3", .host = "db", .port = "7000", .database = 3, .address = "redis://db:7000/3"},
        {.text = "redis://db/", .host = "db", .port = "6379", .address = "redis://db:6379/0"},
        {.text = "redis://u@db", .host = "db", .port = "6379", .user = "u", .address = "redis://db:6379/0"},
        {.text = "redis://u:p@db", .host = "db", .port = "6379", .user = "u", .password = "p", .address = "redis://db:6379/0"},
        {.text = "redis://:p@db", .host = "db", .port = "6379", .password = "p", .address = "redis://db:6379/0"},
        {.text = "redis://u:p%40%2f%3A%25@db",
         .host = "db",
         .port = "6379",
         .user = "u",
         .password = "p@/:%",
         .address = "redis://db:6379/0"},
        {.text = "redis://u:a:b@c@db",
         .host = "db",
         .port = "6379",
         .user = "u",
         .password = "a:b@c",
         .address = "redis://db:6379/0"},
        {.text = "redis://[::1]:7000/1",
         .host = "::1",
         .port = "7000",
         .database = 1,
         .local = true,
         .address = "redis://[::1]:7000/1"},
        {.text = "redis://[fe80::1%eth0]", .host = "fe80::1%eth0", .port = "6379", .address = "redis://[fe80::1%eth0]:6379/0"},
        {.text = "rediss://localhost",
         .host = "localhost",
         .port = "6379",
         .tls = true,
         .local = true,
         .address = "rediss://localhost:6379/0"},
        {.text = "redis://127.1.2.3", .host = "127.1.2.3", .port = "6379", .local = true, .address = "redis://127.1.2.3:6379/0"},
        {.text = "redis://127.evil.example",
         .host = "127.evil.example",
         .port = "6379",
         .address = "redis://127.evil.example:6379/0"},
        {.text = "unix:///run/redis.sock", .path = "/run/redis.sock", .local = true, .address = "unix:///run/redis.sock"},
        {.text = "unix:///a%20b?db=7", .path = "/a b", .database = 7, .local = true, .address = "unix:///a b?db=7"},
        {.text = "unix://u:p@/s", .path = "/s", .user = "u", .password = "p", .local = true, .address = "unix:///s"},
        {.text = "redis://db/16383", .host = "db", .port = "6379", .database = 16383, .address = "redis://db:6379/16383"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(readings); i++) {
        const struct reading *expected = &readings[i];
        struct redis_url url;
        struct error err;

        if (redis_url_parse(&url, expected->text, &err) < 0)
            fail_msg("%s: %s", expected->text, err.message);
        assert_same(url.host, expected->host);
        assert_same(url.port, expected->port);
        assert_same(url.path, expected->path);
        assert_same(url.user, expected->user);
        assert_same(url.password, expected->password);
        assert_int_equal(url.database, expected->database);
        assert_int_equal(url.tls, expected->tls);
        assert_int_equal(redis_url_is_local(&url), expected->local);
        assert_string_equal(url.address, expected->address);
        redis_url_clear(&url);
        assert_null(url.address);
    }
}

static void what_is_no_url_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "must begin with redis://"},
        {"localhost:6379", "must begin with redis://"},
        {"http://db", "must begin with redis://"},
        {"redis://db:0", "port \":0\" must be a number in 1..65535"},
        {"redis://db:65536", "port"},
        {"redis://db:", "port"},
        {"redis://db:6379x", "port"},
        {"redis://[::1", "'[' without ']'"},
        {"redis://[::1]6379", "port"},
        {"redis://a b", "byte 0x20"},
        {"redis://a\nb", "byte 0x0a"},
        {"redis://db/x", "database \"x\""},
        {"redis://db/-1", "database"},
        {"redis://db/16384", "0..16383"},
        {"redis://db/1/2", "database"},
        {"redis://db?db=1", "no options"},
        {"redis://db/1?x=y", "no options"},
        {"redis://u:p%4@db", "'%' in the password"},
        {"redis://u:p%zz@db", "'%' in the password"},
        {"redis://u%00:p@db", "'%' in the user"},
        {"unix://", "path of a unix socket is missing"},
        {"unix://relative/path", "must be absolute"},
        {"unix:///s?x=1", "only ?db=N"},
        {"unix:///s?db=x", "database"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redis_url url;
        struct error err;

        assert_int_equal(redis_url_parse(&url, cases[i].text, &err), ERR_INVALID);
        if (!strstr(err.message, cases[i].reason))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, err.message, cases[i].reason);
    }
}

static void a_path_that_no_socket_can_have_is_refused(void **state)
{
    char text[300] = "unix:///";
    struct redis_url url;
    struct error err;

    (void)state;
    memset(text + 8, 'x', REDIS_PATH_BYTES_MAX - 1);
    assert_int_equal(redis_url_parse(&url, text, &err), 0);
    redis_url_clear(&url);
    memset(text + 8, 'x', REDIS_PATH_BYTES_MAX);
    assert_int_equal(redis_url_parse(&url, text, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "108 bytes, the limit is 107"));
}

static void messages_never_show_a_password(void **state)
{
    static const char *const urls[] = {"redis://u:secret@db:0", "redis://u:se/cret@db",  "redis://u:se?cret@db",
                                       "redis://u:secret%@db",  "unix://u:secret@run/x", "http://u:secret@db",
                                       "redis://u:secret@[db",  "redis://u:secret@db/x"};

    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct redis_url url;
        struct error err;

        assert_int_equal(redis_url_parse(&url, urls[i], &err), ERR_INVALID);
        if (strstr(err.message, "secret") || strstr(err.message, "cret@"))
            fail_msg("%s: %s", urls[i], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read_part_by_part),
        cmocka_unit_test(what_is_no_url_is_refused_with_the_reason),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_refused),
        cmocka_unit_test(messages_never_show_a_password),
    };

    return UNIT_RUN(tests);
}
