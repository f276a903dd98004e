/* acl - the table of rights is what the programs and the functions of the library need, no more and no less. */
#include "common/acl.h"

#include <ctype.h>

#include "common/library.h"
#include "tests/unit/unit.h"

/* ---- reading the library: which commands can a function reach? ---- */

#define FUNCTIONS_MAX 400
#define COMMANDS_MAX  64

/* A function of the text. Those of an operation are seen within its `do ... end` only. */
struct function {
    char name[64];
    const char *body;
    size_t length;
    int block; /* 0: seen by all */
    bool seen;
};

struct commands {
    char names[COMMANDS_MAX][32];
    size_t count;
};

static struct function functions[FUNCTIONS_MAX];
static size_t function_count;
static char *text; /* of the library, without comments */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static char *without_comments(const char *from)
{
    char *copy = calloc(1, strlen(from) + 1), *to = copy;

    while (*from) {
        if (strncmp(from, "--[[", 4) == 0)
            from = strstr(from, "]]") + 2;
        else if (strncmp(from, "--", 2) == 0)
            from += strcspn(from, "\n");
        else
            *to++ = *from++;
    }
    return copy;
}

static void read_functions(void)
{
    struct function *open = NULL;
    int block = 0, blocks = 0;

    text = without_comments(library_text());
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "do\n", 3) == 0) {
            block = ++blocks;
        } else if (strncmp(line, "local function ", 15) == 0) {
            assert_true(function_count < FUNCTIONS_MAX);
            open = &functions[function_count++];
            open->block = block;
            open->body = line + 15 + strcspn(line + 15, "(");
            snprintf(open->name, sizeof open->name, "%.*s", (int)(open->body - line - 15), line + 15);
        } else if (strncmp(line, "end\n", 4) == 0 && open) {
            open->length = (size_t)(line - open->body);
            open = NULL;
        } else if (strncmp(line, "end\n", 4) == 0) {
            block = 0;
        }
    }
    assert_true(function_count > 100);
}

static struct function *find_function(const char *name, size_t length, const struct function *from)
{
    for (size_t i = (size_t)(from - functions) + 1; i-- > 0;)
        if (strlen(functions[i].name) == length && strncmp(functions[i].name, name, length) == 0 &&
            (functions[i].block == 0 || functions[i].block == from->block))
            return &functions[i];
    return NULL;
}

static void add_command(struct commands *commands, const char *name, size_t length)
{
    for (size_t i = 0; i < commands->count; i++)
        if (strlen(commands->names[i]) == length && strncmp(commands->names[i], name, length) == 0)
            return;
    assert_true(commands->count < COMMANDS_MAX);
    snprintf(commands->names[commands->count++], sizeof commands->names[0], "%.*s", (int)length, name);
}

/* The first argument of a call: 'ZRANGE', or: condition and 'ZREVRANGE' or 'ZRANGE'. */
static void add_first_argument(struct commands *commands, const char *at)
{
    size_t length = strcspn(at, ",)");

    for (const char *quote = strchr(at, '\''); quote && quote < at + length;) {
        size_t name = strcspn(quote + 1, "'");
        if (isupper((unsigned char)quote[1]))
            add_command(commands, quote + 1, name);
        quote = strchr(quote + name + 2, '\'');
    }
}

static void reach(struct commands *commands, struct function *function)
{
    const char *end = function->body + function->length;

    if (function->seen)
        return;
    function->seen = true;
    for (const char *at = function->body; at < end; at++) {
        size_t length = 0;
        if (!is_word(*at) || is_word(at[-1]) || at[-1] == '.' || at[-1] == ':')
            continue;
        while (is_word(at[length]))
            length++;
        if (at[length] != '(')
            continue;
        struct function *called = find_function(at, length, function);
        if (length == 4 && strncmp(at, "call", 4) == 0)
            add_first_argument(commands, at + 5);
        else if (called)
            reach(commands, called);
    }
}

/* All commands that the functions named in `roots` (of FCALL) can reach. */
static struct commands reached(const char *const *roots)
{
    struct commands commands = {.count = 0};

    for (size_t i = 0; i < function_count; i++)
        functions[i].seen = false;
    for (; *roots; roots++) {
        struct function *root = NULL;
        for (size_t i = 0; i < function_count; i++)
            if (strcmp(functions[i].name, *roots) == 0)
                root = &functions[i];
        if (root)
            reach(&commands, root);
        else
            fail_msg("there is no function %s", *roots);
    }
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
    static const char *const roots[] = {"open", "beat", "close", "claim", "finish", NULL};
    const struct commands table = table_of(ACL_WORKER), library = reached(roots);

    (void)state;
    assert_true(library.count > 10);
    assert_same(&table, &library);
}

static void a_scheduler_needs_what_its_functions_call(void **state)
{
    static const char *const roots[] = {"open", "beat",  "close",      "lead",   "watch", "recover", "promote",
                                        "trim", "audit", "audit_jobs", "intake", "inbox", "setup",   NULL};
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

    read_functions();
    int failures = UNIT_RUN(tests);
    free(text);
    return failures;
}
