/* acl - the table of rights is what the programs and the functions of the library need, no more and no less. */
#include "common/acl.h"

#include "common/library.h"
#include "tests/unit/unit.h"

/* ---- reading the library: which commands does a function declare? Those it does not declare fail every test on Redis. ---- */

#define COMMANDS_MAX 64

struct commands {
    char names[COMMANDS_MAX][32];
    size_t count;
};

static void add_command(struct commands *commands, const char *name, size_t length)
{
    for (size_t i = 0; i < commands->count; i++)
        if (strlen(commands->names[i]) == length && strncmp(commands->names[i], name, length) == 0)
            return;
    assert_true(commands->count < COMMANDS_MAX);
    snprintf(commands->names[commands->count++], sizeof commands->names[0], "%.*s", (int)length, name);
}

/* register('name', name, { flags }, { 'HGET', ... }) */
static void add_declared(struct commands *commands, const char *function)
{
    char start[64];
    snprintf(start, sizeof start, "\nregister('%s', ", function);
    const char *at = strstr(library_text(), start);

    for (int list = 0; at && list < 2; list++)
        at = strchr(at + 1, '{');
    if (!at) {
        fail_msg("there is no function %s", function);
        return;
    }
    const char *end = strchr(at, '}');
    for (const char *quote = strchr(at, '\''); quote && quote < end;) {
        size_t length = strcspn(quote + 1, "'");
        add_command(commands, quote + 1, length);
        quote = strchr(quote + length + 2, '\'');
    }
}

/* All commands of the functions named in `roots` (of FCALL). */
static struct commands reached(const char *const *roots)
{
    struct commands commands = {.count = 0};

    for (; *roots; roots++)
        add_declared(&commands, *roots);
    return commands;
}

static bool has_command(const struct commands *commands, const char *name)
{
    for (size_t i = 0; i < commands->count; i++)
        if (strcmp(commands->names[i], name) == 0)
            return true;
    return false;
}

static struct commands table_of(enum acl_role role)
{
    struct commands commands = {.count = 0};

    for (size_t i = 0; i < acl_command_count; i++)
        if (role == ACL_WORKER ? acl_commands[i].worker_calls : acl_commands[i].scheduler_calls)
            add_command(&commands, acl_commands[i].words[0], strlen(acl_commands[i].words[0]));
    return commands;
}

static void assert_same(const struct commands *table, const struct commands *library)
{
    for (size_t i = 0; i < library->count; i++)
        if (!has_command(table, library->names[i]))
            fail_msg("%s is called by the functions, and not in the table", library->names[i]);
    for (size_t i = 0; i < table->count; i++)
        if (!has_command(library, table->names[i]))
            fail_msg("%s is in the table, and not called by the functions", table->names[i]);
}

/* ---- tests ---- */

static void a_worker_needs_what_its_functions_call(void **state)
{
    static const char *const roots[] = {"open", "beat", "close", "claim", "finish", "note", "limit_pause", NULL};
    const struct commands table = table_of(ACL_WORKER), library = reached(roots);

    (void)state;
    assert_true(library.count > 10);
    assert_same(&table, &library);
}

static void a_scheduler_needs_what_its_functions_call(void **state)
{
    static const char *const roots[] = {"open",    "beat",      "close",       "lead",       "watch",      "recover",
                                        "promote", "trim",      "audit",       "audit_jobs", "intake",     "inbox",
                                        "setup",   "limit_set", "limit_clear", "limit_look", "limit_part", NULL};
    const struct commands table = table_of(ACL_SCHEDULER), library = reached(roots);

    (void)state;
    assert_true(library.count > 10);
    assert_same(&table, &library);
}

static void nobody_needs_what_is_dangerous(void **state)
{
    (void)state;
    for (size_t i = 0; i < acl_danger_count; i++)
        for (size_t j = 0; j < acl_command_count; j++)
            assert_string_not_equal(acl_dangers[i].words[0], acl_commands[j].words[0]);
}

static void answers_are_noted_by_name(void **state)
{
    struct acl_findings findings = {.is_hidden = false};

    (void)state;
    for (size_t i = 0; i < acl_command_count; i++)
        acl_note_needed(&findings, &acl_commands[i], "OK");
    assert_string_equal(findings.missing, "");
    acl_note_needed(&findings, &acl_commands[0], "no permissions to run the 'fcall' command");
    acl_note_needed(&findings, &acl_commands[1], "another reason");
    assert_string_equal(findings.missing, "FCALL, BZPOPMIN");
    assert_string_equal(findings.reason, "no permissions to run the 'fcall' command");
    acl_note_danger(&findings, &acl_dangers[0], "OK");
    acl_note_danger(&findings, &acl_dangers[1], "OK");
    acl_note_danger(&findings, &acl_dangers[2], "no");
    assert_string_equal(findings.dangers, "FLUSHALL, CONFIG SET");
    for (int i = 0; i < 100; i++)
        acl_note_needed(&findings, &acl_commands[0], "no");
    assert_in_range(strlen(findings.missing), sizeof findings.missing - 10, sizeof findings.missing - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_needs_what_its_functions_call),
        cmocka_unit_test(a_scheduler_needs_what_its_functions_call),
        cmocka_unit_test(nobody_needs_what_is_dangerous),
        cmocka_unit_test(answers_are_noted_by_name),
    };

    return UNIT_RUN(tests);
}
