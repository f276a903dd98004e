/* cli/command - what was typed, and which command that is. */
#include "cli/command.h"

#include "tests/unit/unit.h"

#define READ(invocation, err, ...) \
    invocation_read(invocation, COUNT(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__, NULL}, err)

static void the_words_of_a_command_are_taken_out(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "job", "list", "acme", "--limit", "5"), 0);
    assert_string_equal(invocation.command->name, "job list");
    assert_int_equal(invocation.argc, 4);
    assert_string_equal(invocation.argv[0], "rota");
    assert_string_equal(invocation.argv[1], "acme");
    assert_string_equal(invocation.argv[3], "5");
    assert_null(invocation.argv[4]);
    free(invocation.argv);
}

static void flags_may_stand_before_and_between(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "--redis", "unix:///job", "-o", "json", "job", "--json", "ls", "x"), 0);
    assert_string_equal(invocation.command->name, "job list");
    assert_int_equal(invocation.argc, 7);
    assert_string_equal(invocation.argv[2], "unix:///job");
    assert_string_equal(invocation.argv[5], "--json");
    assert_string_equal(invocation.argv[6], "x");
    free(invocation.argv);
}

static void a_command_of_one_word_leaves_its_arguments_alone(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "push", "push", "list"), 0);
    assert_string_equal(invocation.command->name, "push");
    assert_int_equal(invocation.argc, 3);
    assert_string_equal(invocation.argv[1], "push");
    free(invocation.argv);
}

static void a_noun_may_be_a_command_as_well(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "audit", "--json", "log", "--org", "acme"), 0);
    assert_string_equal(invocation.command->name, "audit log");
    assert_int_equal(invocation.argc, 4);
    free(invocation.argv);
    assert_int_equal(READ(&invocation, &err, "rota", "audit", "lag"), 0);
    assert_string_equal(invocation.command->name, "audit");
    assert_int_equal(invocation.argc, 2);
    free(invocation.argv);
}

static void the_nearest_command_is_named(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_true(READ(&invocation, &err, "rota", "psuh") < 0);
    assert_string_equal(err.message, "unknown command \"psuh\", did you mean \"push\"?");
    assert_true(READ(&invocation, &err, "rota", "jobs") < 0);
    assert_string_equal(err.message, "unknown command \"jobs\", did you mean \"job\"?");
    assert_true(READ(&invocation, &err, "rota", "dead", "redirve") < 0);
    assert_string_equal(err.message, "unknown command \"dead redirve\", did you mean \"dead redrive\"?");
    assert_true(READ(&invocation, &err, "rota", "frobnicate") < 0);
    assert_string_equal(err.message, "unknown command \"frobnicate\"");
}

static void help_is_seen_wherever_it_stands(void **state)
{
    struct invocation invocation;
    struct error err;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "help", "org", "set"), 0);
    assert_true(invocation.help);
    assert_string_equal(invocation.command->name, "org set");
    free(invocation.argv);
    assert_int_equal(READ(&invocation, &err, "rota", "org", "--help"), 0);
    assert_true(invocation.help);
    assert_null(invocation.command);
    assert_string_equal(invocation.noun, "org");
    free(invocation.argv);
    assert_int_equal(READ(&invocation, &err, "rota", "push", "acme", "t", "--", "--help"), 0);
    assert_false(invocation.help);
    free(invocation.argv);
}

static void settings_of_other_commands_are_known_elsewhere(void **state)
{
    struct invocation invocation;
    struct error err;
    const char **keys;
    bool queue = false, own = false, handlers = false;

    (void)state;
    assert_int_equal(READ(&invocation, &err, "rota", "job", "list"), 0);
    keys = command_known_elsewhere(invocation.command);
    for (const char **key = keys; *key; key++) {
        queue = queue || strcmp(*key, "cli.push.queue") == 0;
        own = own || strcmp(*key, "cli.limit") == 0 || strcmp(*key, "redis.url") == 0;
        handlers = handlers || strcmp(*key, "handlers") == 0;
    }
    assert_true(queue && handlers && !own);
    free(keys);
    free(invocation.argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_a_command_are_taken_out),
        cmocka_unit_test(flags_may_stand_before_and_between),
        cmocka_unit_test(a_command_of_one_word_leaves_its_arguments_alone),
        cmocka_unit_test(a_noun_may_be_a_command_as_well),
        cmocka_unit_test(the_nearest_command_is_named),
        cmocka_unit_test(help_is_seen_wherever_it_stands),
        cmocka_unit_test(settings_of_other_commands_are_known_elsewhere),
    };
    return UNIT_RUN(tests);
}
