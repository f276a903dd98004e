/* config - the settings of a program: where a value comes from, and what is refused. */
#include "common/config.h"

#include "common/tree.h"
#include "tests/unit/unit.h"

#include "tests/support/text_file.h"

#define ARGUMENTS_MAX 16

static const struct config_setting settings[] = {
    {.key = "redis.url",
     .kind = CONFIG_STRING,
     .fallback = "redis://127.0.0.1",
     .high = 64,
     .flag = "redis",
     .variable = "REDIS_URL",
     .argument = "URL",
     .help = "where Redis is"},
    {.key = "slots",
     .kind = CONFIG_INTEGER,
     .fallback = "8",
     .low = 1,
     .high = 1000,
     .letter = 's',
     .argument = "N",
     .help = "jobs at a time"},
    {.key = "session.timeout",
     .kind = CONFIG_DURATION,
     .fallback = "6s",
     .low = 1000,
     .high = 3600000,
     .argument = "DURATION",
     .help = "x"},
    {.key = "body-max", .kind = CONFIG_BYTES, .fallback = "1MiB", .low = 1, .high = 1 << 30, .argument = "BYTES", .help = "x"},
    {.key = "queues", .kind = CONFIG_LIST, .fallback = "default", .high = 63, .letter = 'q', .argument = "QUEUE", .help = "x"},
    {.key = "types", .kind = CONFIG_LIST, .high = 64, .argument = "TYPE", .help = "x"},
    {.key = "console", .kind = CONFIG_BOOL, .fallback = "true", .letter = 'c', .help = "x"},
    {.key = "verbose", .kind = CONFIG_BOOL, .letter = 'v', .help = "x"},
    {.key = "note", .kind = CONFIG_STRING, .help = "x"},
    {0},
};
static const char *const elsewhere[] = {"handlers", "scheduler.tick", NULL};

static struct config *config; /* of the running test */
static struct error err;

/* An empty folder to work in, and no variables of ours. */
static int set_up(void **state)
{
    char folder[] = "/tmp/rota-config-XXXXXX";

    (void)state;
    clearenv();
    return mkdtemp(folder) ? chdir(folder) : -1;
}

static int tear_down(void **state)
{
    char *folder = get_current_dir_name();

    (void)state;
    config_free(config);
    config = NULL;
    unlink("rota.yaml");
    unlink("other.yaml");
    unlink("secret");
    rmdir(folder);
    free(folder);
    return 0;
}

/* Reads the settings with the given arguments, which end with NULL. */
static bool load(const char *argument, ...)
{
    char *argv[ARGUMENTS_MAX + 2] = {(char[]){"rota"}};
    int argc = 1;
    va_list rest;

    va_start(rest, argument);
    for (; argument && argc <= ARGUMENTS_MAX; argument = va_arg(rest, const char *))
        argv[argc++] = (char *)(uintptr_t)argument;
    va_end(rest);
    config_free(config);
    config = config_new(settings, elsewhere, argc, argv, &err);
    return config != NULL;
}

#define assert_loads(...)                \
    do {                                 \
        if (!load(__VA_ARGS__))          \
            fail_msg("%s", err.message); \
    } while (0)

#define assert_refuses(expected, ...)               \
    do {                                            \
        assert_false(load(__VA_ARGS__));            \
        assert_string_equal(err.message, expected); \
    } while (0)

static void assert_refuses_file(const char *text, const char *message)
{
    write_text_file("rota.yaml", text);
    assert_refuses(message, NULL);
}

/* The entries of a list, joined. */
static const char *list(const char *key)
{
    static char joined[200];
    size_t length = 0;

    joined[0] = '\0';
    for (size_t i = 0; i < config_list_count(config, key); i++)
        length += (size_t)snprintf(joined + length, sizeof joined - length, "[%s]", config_list_at(config, key, i));
    return joined;
}

static void without_anything_the_defaults_hold(void **state)
{
    (void)state;
    assert_loads(NULL);

    assert_string_equal(config_string(config, "redis.url"), "redis://127.0.0.1");
    assert_int_equal(config_integer(config, "slots"), 8);
    assert_int_equal(config_integer(config, "session.timeout"), 6000);
    assert_int_equal(config_integer(config, "body-max"), 1 << 20);
    assert_string_equal(list("queues"), "[default]");
    assert_string_equal(list("types"), "");
    assert_true(config_bool(config, "console"));
    assert_false(config_bool(config, "verbose"));
    assert_string_equal(config_string(config, "note"), "");
    assert_string_equal(config_string(config, "session.timeout"), "6s"); /* as it was written */
    assert_string_equal(config_origin(config, "slots"), "default");
    assert_int_equal(config_argument_count(config), 0);
    assert_null(config_section(config, "handlers"));
}

static void a_flag_beats_the_environment_which_beats_the_file(void **state)
{
    (void)state;
    write_text_file("rota.yaml", "# ours\n\nslots: 2\n");
    assert_loads(NULL);
    assert_int_equal(config_integer(config, "slots"), 2);
    assert_string_equal(config_origin(config, "slots"), "rota.yaml:3");

    setenv("ROTA_SLOTS", "3", 1);
    assert_loads(NULL);
    assert_int_equal(config_integer(config, "slots"), 3);
    assert_string_equal(config_origin(config, "slots"), "variable ROTA_SLOTS");

    assert_loads("--slots", "4", NULL);
    assert_int_equal(config_integer(config, "slots"), 4);
    assert_string_equal(config_origin(config, "slots"), "flag --slots");
}

static void flags_are_written_in_the_ways_of_gnu(void **state)
{
    (void)state;
    assert_loads("one", "--slots=4", "-", "-qmail", "-q", "sms", "--redis", "redis://h", "-vc", "--", "--slots", "-x", NULL);

    assert_int_equal(config_integer(config, "slots"), 4);
    assert_string_equal(list("queues"), "[mail][sms]");
    assert_string_equal(config_string(config, "redis.url"), "redis://h");
    assert_true(config_bool(config, "verbose"));
    assert_int_equal(config_argument_count(config), 4);
    assert_string_equal(config_argument(config, 0), "one");
    assert_string_equal(config_argument(config, 1), "-");
    assert_string_equal(config_argument(config, 2), "--slots");
    assert_string_equal(config_argument(config, 3), "-x");
}

static void the_last_flag_counts_and_those_of_a_list_add_up(void **state)
{
    (void)state;
    setenv("ROTA_QUEUES", "sms", 1);
    assert_loads("-s1", "--slots", "2", "-s", "3", "--queues", "a,b", "--queues=", "--queues", "--slots", NULL);

    assert_int_equal(config_integer(config, "slots"), 3);
    assert_string_equal(config_origin(config, "slots"), "flag -s");
    assert_string_equal(list("queues"), "[a,b][][--slots]");
}

static void a_boolean_can_be_switched_both_ways(void **state)
{
    (void)state;
    assert_loads("--no-console", "--verbose", NULL);
    assert_false(config_bool(config, "console"));
    assert_true(config_bool(config, "verbose"));
    assert_string_equal(config_origin(config, "console"), "flag --no-console");

    assert_loads("--console=off", "--verbose", "--no-verbose", "yes", NULL);
    assert_false(config_bool(config, "console"));
    assert_false(config_bool(config, "verbose"));
    assert_string_equal(config_argument(config, 0), "yes"); /* a boolean takes no separate value */

    assert_refuses("flag --console: \"maybe\" is neither true nor false", "--console=maybe", NULL);
    assert_refuses("unknown flag \"--no-slots\"", "--no-slots", NULL);
}

static void bad_flags_are_refused(void **state)
{
    (void)state;
    assert_refuses("flag --slots: \"0\" is below 1", "--slots", "0", NULL);
    assert_refuses("flag --slots: \"1001\" is above 1000", "-v", "--slots=1001", NULL);
    assert_refuses("flag -s: \"x\" is not a whole number", "-vsx", NULL);
    assert_refuses("flag --session-timeout: \"5\" needs a unit: ms, s, m, h or d", "--session-timeout", "5", NULL);
    assert_refuses("unknown flag \"--sesion-timeout\", did you mean \"--session-timeout\"?", "--sesion-timeout=5s", NULL);
    assert_refuses("unknown flag \"--frobnicate\"", "--frobnicate", NULL);
    assert_refuses("unknown flag \"-x\"", "-vx", NULL);
    assert_refuses("unknown flag \"-5\"", "-5", NULL);
    assert_refuses("flag --slots: needs a value (N)", "--slots", NULL);
    assert_refuses("flag -s: needs a value (N)", "-vs", NULL);
    assert_refuses("flag --queues: has 64 bytes, the limit is 63", "--queues",
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
}

static void help_and_version_are_answered_whatever_else_is_wrong(void **state)
{
    (void)state;
    write_text_file("rota.yaml", "nonsense: [");
    assert_loads("--frobnicate", "--slots", "0", "--help", NULL);
    assert_true(config_wants_help(config));
    assert_false(config_wants_version(config));
    assert_int_equal(config_integer(config, "slots"), 8);

    assert_loads("-vh", NULL);
    assert_true(config_wants_help(config));
    assert_loads("--version", NULL);
    assert_true(config_wants_version(config));

    write_text_file("rota.yaml", "");
    assert_loads("--note", "--help", "--", "-h", NULL); /* a value and an argument ask for nothing */
    assert_false(config_wants_help(config));
    assert_string_equal(config_string(config, "note"), "--help");
}

static void variables_are_read(void **state)
{
    (void)state;
    setenv("ROTA_SESSION_TIMEOUT", "2m", 1);
    setenv("ROTA_BODY_MAX", "64K", 1);
    setenv("ROTA_QUEUES", "mail, sms ,  x y", 1);
    setenv("ROTA_CONSOLE", "0", 1);
    setenv("ROTA_SLOTS", "", 1); /* counts as not set */
    setenv("REDIS_URL", "redis://second", 1);
    assert_loads(NULL);
    assert_int_equal(config_integer(config, "session.timeout"), 120000);
    assert_int_equal(config_integer(config, "body-max"), 65536);
    assert_string_equal(list("queues"), "[mail][sms][x y]");
    assert_false(config_bool(config, "console"));
    assert_int_equal(config_integer(config, "slots"), 8);
    assert_string_equal(config_string(config, "redis.url"), "redis://second");
    assert_string_equal(config_origin(config, "redis.url"), "variable REDIS_URL");

    setenv("ROTA_REDIS_URL", "redis://first", 1);
    assert_loads(NULL);
    assert_string_equal(config_string(config, "redis.url"), "redis://first");
}

static void bad_variables_are_refused_even_if_a_flag_overrules_them(void **state)
{
    (void)state;
    setenv("ROTA_SLOTS", "many", 1);
    assert_refuses("variable ROTA_SLOTS: \"many\" is not a whole number", "--slots", "1", NULL);
    unsetenv("ROTA_SLOTS");
    setenv("ROTA_QUEUES", "mail,,sms", 1);
    assert_refuses("variable ROTA_QUEUES: \"mail,,sms\" has an empty entry", NULL);
    setenv("ROTA_QUEUES", "mail, ", 1);
    assert_refuses("variable ROTA_QUEUES: \"mail, \" has an empty entry", NULL);
}

static void a_variable_may_be_a_file(void **state)
{
    (void)state;
    write_text_file("secret", "redis://:password@h\n");
    setenv("ROTA_REDIS_URL_FILE", "secret", 1);
    assert_loads(NULL);
    assert_string_equal(config_string(config, "redis.url"), "redis://:password@h");
    assert_string_equal(config_origin(config, "redis.url"), "variable ROTA_REDIS_URL_FILE");

    setenv("ROTA_REDIS_URL", "redis://h", 1);
    assert_refuses("variables ROTA_REDIS_URL and ROTA_REDIS_URL_FILE are both set", NULL);
    unsetenv("ROTA_REDIS_URL");
    setenv("ROTA_REDIS_URL_FILE", "absent", 1);
    assert_refuses("variable ROTA_REDIS_URL_FILE: absent: No such file or directory", NULL);
}

static void a_secret_that_is_too_long_is_refused_without_telling_it(void **state)
{
    (void)state;
    write_text_file("secret", "redis://:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@h\n");
    setenv("ROTA_REDIS_URL_FILE", "secret", 1);
    assert_refuses("variable ROTA_REDIS_URL_FILE: has 83 bytes, the limit is 64", NULL);
}

static void the_file_is_read(void **state)
{
    (void)state;
    write_text_file("rota.yaml", "redis: {url: 'redis://h'}\n"
                                 "session:\n"
                                 "  timeout: 1.5m\n"
                                 "queues: [mail, 'a, b']\n"
                                 "types: wc\n"
                                 "console: no\n"
                                 "slots:\n"     /* left empty: not given */
                                 "scheduler:\n" /* a section left empty */
                                 "note: \"\"\n");
    assert_loads(NULL);

    assert_string_equal(config_string(config, "redis.url"), "redis://h");
    assert_int_equal(config_integer(config, "session.timeout"), 90000);
    assert_string_equal(list("queues"), "[mail][a, b]");
    assert_string_equal(list("types"), "[wc]");
    assert_false(config_bool(config, "console"));
    assert_int_equal(config_integer(config, "slots"), 8);
    assert_string_equal(config_origin(config, "slots"), "default");
    assert_string_equal(config_origin(config, "session.timeout"), "rota.yaml:3");
}

static void a_dotted_key_stands_for_maps_within_maps(void **state)
{
    (void)state;
    write_text_file("rota.yaml", "session.timeout: 2s\n");
    assert_loads(NULL);
    assert_int_equal(config_integer(config, "session.timeout"), 2000);

    assert_refuses_file("session.timeout: 2s\nsession:\n  timeout: 3s\n",
                        "rota.yaml:3: session.timeout: is already set at rota.yaml:1");
    assert_refuses_file("slots: 1\nslots: 1\n", "rota.yaml:2: \"slots\" is already set at rota.yaml:1");
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    assert_refuses_file("slots: 4\n\nsesion: {timeout: 6s}\n",
                        "rota.yaml:3: unknown setting \"sesion.timeout\", did you mean \"session.timeout\"?");
    assert_refuses_file("sesion.timeout: 6s\n",
                        "rota.yaml:1: unknown setting \"sesion.timeout\", did you mean \"session.timeout\"?");
    assert_refuses_file("handler: {}\nhandler2: 1\n", "rota.yaml:2: unknown setting \"handler2\", did you mean \"handlers\"?");
    assert_refuses_file("nonsense:\n", "rota.yaml:1: unknown setting \"nonsense\"");
    assert_refuses_file("slots: 0\n", "rota.yaml:1: slots: \"0\" is below 1");
    assert_refuses_file("session:\n  timeout: 2h\n", "rota.yaml:2: session.timeout: \"2h\" is above 1h");
    assert_refuses_file("slots: [1]\n", "rota.yaml:1: slots: must be a single value");
    assert_refuses_file("queues: {a: b}\n", "rota.yaml:1: queues: must be a list");
    assert_refuses_file("queues: [a, [b]]\n", "rota.yaml:1: queues: entry 2 must be a text");
    assert_refuses_file("queues: [a, ~]\n", "rota.yaml:1: queues: entry 2 must be a text");
    assert_refuses_file("[slots, 4]\n", "rota.yaml:1: must be a map of settings");
    assert_refuses_file("slots: [\n", "rota.yaml:2: did not find expected node content");
}

static void keys_of_others_are_passed_over(void **state)
{
    const struct tree *handlers;

    (void)state;
    write_text_file("rota.yaml", "scheduler: {tick: [whatever, {x: y}]}\nhandlers:\n  wc: {command: [wc, -w]}\n");
    assert_loads(NULL);
    handlers = config_section(config, "handlers");
    assert_int_equal(tree_count(handlers), 1);
    assert_string_equal(tree_text(tree_at(tree_find(tree_at(handlers, 0), "command"), 1)), "-w");

    assert_refuses_file("scheduler: {tock: 1}\n",
                        "rota.yaml:1: unknown setting \"scheduler.tock\", did you mean \"scheduler.tick\"?");
}

static void the_file_can_be_named(void **state)
{
    (void)state;
    write_text_file("rota.yaml", "slots: 1\n");
    write_text_file("other.yaml", "slots: 2\n");
    assert_loads("--config", "other.yaml", NULL);
    assert_string_equal(config_origin(config, "slots"), "other.yaml:1");

    setenv("ROTA_CONFIG", "other.yaml", 1);
    assert_loads(NULL);
    assert_string_equal(config_origin(config, "slots"), "other.yaml:1");
    assert_loads("--config=/dev/null", NULL);
    assert_string_equal(config_origin(config, "slots"), "default");

    assert_refuses("configuration file: absent.yaml: No such file or directory", "--config=absent.yaml", NULL);
    setenv("ROTA_CONFIG", "absent.yaml", 1);
    assert_refuses("configuration file: absent.yaml: No such file or directory", NULL);
    assert_refuses("configuration file: .: Is a directory", "--config=.", NULL);
    assert_refuses("configuration file: /dev/zero: has more than 1048576 bytes", "--config=/dev/zero", NULL);
}

static void help_names_every_flag(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);

    (void)state;
    config_print_help(settings, file);
    fclose(file);

    assert_non_null(strstr(text, "\n  -s, --slots N               jobs at a time (default 8)\n"));
    assert_non_null(strstr(text, "      --redis URL             where Redis is (default redis://127.0.0.1)\n"));
    assert_non_null(strstr(text, "\n      --session-timeout DURATION\n                              x (default 6s)\n"));
    assert_non_null(strstr(text, "\n  -v, --verbose               x\n"));
    assert_non_null(strstr(text, "\n  -h, --help                  print this help\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_anything_the_defaults_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flag_beats_the_environment_which_beats_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_are_written_in_the_ways_of_gnu, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_flag_counts_and_those_of_a_list_add_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_boolean_can_be_switched_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_flags_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(help_and_version_are_answered_whatever_else_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(variables_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_variables_are_refused_even_if_a_flag_overrules_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_variable_may_be_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_that_is_too_long_is_refused_without_telling_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dotted_key_stands_for_maps_within_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_others_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_can_be_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(help_names_every_flag, set_up, tear_down),
    };
    return UNIT_RUN(tests);
}
