/* cli/suggest - what could stand where somebody is typing. */
#include "cli/suggest.h"

#include "cli/command.h"
#include "tests/unit/unit.h"

#define SUGGEST(ret, ...) suggest(ret, COUNT(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__})

/* The first words of the offers, with spaces between. */
static const char *offered(const struct suggestion *suggestion)
{
    static char words[2048];
    size_t length = 0;
    bool about = false;

    for (const char *at = suggestion->offers.data; at && *at && length < sizeof words - 1; at++) {
        about = *at == '\t' || (about && *at != '\n');
        if (!about)
            words[length++] = *at == '\n' ? ' ' : *at;
    }
    words[length ? length - 1 : 0] = '\0';
    return words;
}

#define assert_offers(expected, kind_expected, ...)          \
    do {                                                     \
        struct suggestion suggestion;                        \
        SUGGEST(&suggestion, __VA_ARGS__);                   \
        assert_string_equal(offered(&suggestion), expected); \
        assert_int_equal(suggestion.kind, kind_expected);    \
        suggestion_clear(&suggestion);                       \
    } while (0)

static void commands_are_offered(void **state)
{
    (void)state;
    assert_offers("push", SUGGEST_NOTHING, "pu");
    assert_offers("wait", SUGGEST_NOTHING, "job", "w");
    assert_offers("wait", SUGGEST_NOTHING, "--redis", "unix:///x", "-o", "json", "job", "w");
    assert_offers("", SUGGEST_NOTHING, "frobnicate", "");
}

static void commands_for_programs_are_not_offered(void **state)
{
    (void)state;
    assert_offers("", SUGGEST_NOTHING, "__");
}

static void flags_and_their_words_are_offered(void **state)
{
    (void)state;
    assert_offers("--newest", SUGGEST_NOTHING, "job", "list", "acme", "--ne");
    assert_offers("running ready", SUGGEST_NOTHING, "job", "list", "--state", "r");
    assert_offers("--state=dead --state=done", SUGGEST_NOTHING, "job", "list", "--state=d");
    assert_offers("json", SUGGEST_NOTHING, "-o", "j");
    assert_offers("json", SUGGEST_NOTHING, "job", "list", "-o", "j");
    assert_offers("", SUGGEST_NOTHING, "job", "list", "--limit", "");
    assert_offers("", SUGGEST_NOTHING, "job", "list", "-=x"); /* no flag at all */
}

static void what_only_redis_knows_is_named(void **state)
{
    (void)state;
    assert_offers("", SUGGEST_ORGS, "push", "");
    assert_offers("", SUGGEST_TYPES, "push", "acme", "");
    assert_offers("", SUGGEST_NOTHING, "push", "acme", "mail", "");
    assert_offers("", SUGGEST_ORGS, "job", "list", "acme", "");
    assert_offers("", SUGGEST_JOBS, "job", "cancel", "acme/x", "a");
    assert_offers("", SUGGEST_ORGS_OR_JOBS, "dead", "redrive", "acme", "a");
    assert_offers("", SUGGEST_TYPES, "dead", "list", "--type", "");
    assert_offers("", SUGGEST_QUEUES, "queue", "pause", "");
    assert_offers("", SUGGEST_QUEUES, "push", "--queue=");
    assert_offers("", SUGGEST_WORKERS, "worker", "show", "");
    assert_offers("", SUGGEST_FILES, "push", "--batch", "");
}

static void behind_two_dashes_there_are_no_flags(void **state)
{
    (void)state;
    assert_offers("", SUGGEST_ORGS, "job", "list", "--", "--n");
}

static void every_command_is_in_the_table_once_and_in_good_order(void **state)
{
    (void)state;
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++) {
            assert_ptr_equal(command_find(command->name), command);
            assert_true(command->help[0] >= 'A' && command->help[0] <= 'Z');
            assert_true(command->help[strlen(command->help) - 1] != '.');
            assert_string_equal(command->settings->key, "cli.output");
            assert_true(command->arguments_max < 0 || command->arguments_min <= command->arguments_max);
        }
}

static bool has_setting(const struct command *command, const char *key)
{
    for (const struct config_setting *setting = command->settings; setting->key; setting++)
        if (strcmp(setting->key, key) == 0)
            return true;
    return false;
}

static void every_list_comes_in_pages(void **state)
{
    unsigned lists = 0;

    (void)state;
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++) {
            const char *verb = strchr(command->name, ' ');
            if (!verb || strcmp(verb, " list") != 0)
                continue;
            lists++;
            if (!has_setting(command, "cli.limit") || !has_setting(command, "cli.cursor"))
                fail_msg("rota %s has no --limit, or no --cursor: paging.h", command->name);
        }
    assert_true(lists >= 5);
}

/* "cli.limit" is a value, so "cli.limit.rate" cannot be one: all stand in one file. */
static void no_key_of_a_setting_is_under_another(void **state)
{
    (void)state;
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++) {
            const char **others = command_known_elsewhere(command);
            for (const struct config_setting *setting = command->settings; setting->key; setting++)
                for (const char **other = others; *other; other++) {
                    size_t length = strlen(setting->key), other_length = strlen(*other);
                    if (!strchr(*other, '.')) /* a section of another program */
                        continue;
                    if ((strncmp(*other, setting->key, length) == 0 && (*other)[length] == '.') ||
                        (strncmp(setting->key, *other, other_length) == 0 && setting->key[other_length] == '.'))
                        fail_msg("rota %s: the key %s and the key %s", command->name, setting->key, *other);
                }
            free(others);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_offered),
        cmocka_unit_test(commands_for_programs_are_not_offered),
        cmocka_unit_test(flags_and_their_words_are_offered),
        cmocka_unit_test(what_only_redis_knows_is_named),
        cmocka_unit_test(behind_two_dashes_there_are_no_flags),
        cmocka_unit_test(no_key_of_a_setting_is_under_another),
        cmocka_unit_test(every_list_comes_in_pages),
        cmocka_unit_test(every_command_is_in_the_table_once_and_in_good_order),
    };
    return UNIT_RUN(tests);
}
