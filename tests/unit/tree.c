/* tree - a YAML document as a tree. */
#include "common/tree.h"

#include "common/buffer.h"
#include "tests/unit/unit.h"

static struct tree *parse(const char *yaml)
{
    struct error err;
    struct tree *tree = tree_parse(yaml, strlen(yaml), "rota.yaml", &err);

    if (!tree)
        fail_msg("%s", err.message);
    return tree;
}

static void assert_refuses(const char *yaml, size_t bytes, enum error_code code, const char *message)
{
    struct error err;

    assert_null(tree_parse(yaml, bytes, "rota.yaml", &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.message, message);
}

#define assert_refused(yaml, code, message) assert_refuses(yaml, sizeof(yaml) - 1, code, message)

static void maps_lists_and_texts_are_found(void **state)
{
    struct tree *tree = parse("handlers:\n"
                              "  mail.send:\n"
                              "    command: [./send, --to, 'a b']\n"
                              "    timeout: 5s\n"
                              "  wc: {command: wc -w}\n");
    const struct tree *handlers = tree_find(tree, "handlers"), *mail = tree_at(handlers, 0),
                      *command = tree_find(mail, "command");

    (void)state;
    assert_int_equal(tree_kind(handlers), TREE_MAP);
    assert_int_equal(tree_count(handlers), 2);
    assert_string_equal(tree_key(mail), "mail.send");
    assert_int_equal(tree_kind(command), TREE_LIST);
    assert_int_equal(tree_count(command), 3);
    assert_string_equal(tree_text(tree_at(command, 2)), "a b");
    assert_string_equal(tree_text(tree_find(mail, "timeout")), "5s");
    assert_int_equal(tree_kind(tree_find(tree_at(handlers, 1), "command")), TREE_TEXT);
    assert_string_equal(tree_place(tree_at(handlers, 1)), "rota.yaml:5");
    assert_string_equal(tree_place(tree_find(mail, "timeout")), "rota.yaml:4");
    tree_free(tree);
}

static void what_is_not_there_reads_as_nothing(void **state)
{
    struct tree *tree = parse("slots: 4");

    (void)state;
    assert_null(tree_find(tree, "queues"));
    assert_null(tree_at(tree, 1));
    assert_null(tree_find(tree_find(tree, "slots"), "x"));
    assert_int_equal(tree_kind(NULL), TREE_NOTHING);
    assert_int_equal(tree_count(NULL), 0);
    assert_string_equal(tree_text(NULL), "");
    assert_string_equal(tree_key(NULL), "");
    assert_string_equal(tree_place(NULL), "");
    assert_null(tree_find(NULL, "x"));
    tree_free(tree);
    tree_free(NULL);
}

static void texts_stay_as_they_are_written(void **state)
{
    struct tree *tree = parse("a: no\nb: 010\nc: 1e3\nd: ''\ne: \"~\"\nf: 12:30:45\ng: |\n  two\n  lines\n");

    (void)state;
    assert_string_equal(tree_text(tree_find(tree, "a")), "no");
    assert_string_equal(tree_text(tree_find(tree, "b")), "010");
    assert_string_equal(tree_text(tree_find(tree, "c")), "1e3");
    assert_int_equal(tree_kind(tree_find(tree, "d")), TREE_TEXT);
    assert_string_equal(tree_text(tree_find(tree, "e")), "~");
    assert_string_equal(tree_text(tree_find(tree, "f")), "12:30:45");
    assert_string_equal(tree_text(tree_find(tree, "g")), "two\nlines\n");
    tree_free(tree);
}

static void an_empty_value_is_nothing(void **state)
{
    static const char *const empty[] = {"", "\n", "# only a comment\n", "---\n", "~", "null", "\xef\xbb\xbf"};
    struct tree *tree = parse("a:\nb: ~\nc: null\nd: Null\n");

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(tree_kind(tree_at(tree, i)), TREE_NOTHING);
    assert_int_equal(tree_kind(tree_at(tree, 3)), TREE_TEXT);
    tree_free(tree);

    for (size_t i = 0; i < COUNT(empty); i++) {
        tree = parse(empty[i]);
        assert_int_equal(tree_kind(tree), TREE_NOTHING);
        tree_free(tree);
    }
}

static void what_we_do_not_need_of_yaml_is_refused(void **state)
{
    (void)state;
    assert_refused("a: &x 1\n", ERR_INVALID, "rota.yaml:1: anchors, aliases and tags are not supported");
    assert_refused("a: {b: &x [1]}\n", ERR_INVALID, "rota.yaml:1: anchors, aliases and tags are not supported");
    assert_refused("a: 1\nb: *x\n", ERR_INVALID, "rota.yaml:2: anchors, aliases and tags are not supported");
    assert_refused("a: !!int 1\n", ERR_INVALID, "rota.yaml:1: anchors, aliases and tags are not supported");
    assert_refused("a: 1\n---\nb: 2\n", ERR_INVALID, "rota.yaml:2: a second document");
    assert_refused("? [a, b]\n: 1\n", ERR_INVALID, "rota.yaml:1: a key must be a text");
    assert_refused("a: \"x\\0y\"\n", ERR_INVALID, "rota.yaml:1: a text holds a NUL");
    assert_refused("\"x\\0y\": 1\n", ERR_INVALID, "rota.yaml:1: a text holds a NUL");
    assert_refused("a: 1\nb: 2\na: 3\n", ERR_INVALID, "rota.yaml:3: \"a\" is already set at rota.yaml:1");
}

/* The words are libyaml's; the place is ours. */
static void what_is_no_yaml_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *yaml, *place;
    } cases[] = {
        {"a: [1, 2\n", "rota.yaml:2: "},      {"a: 1\n\tb: 2\n", "rota.yaml:2: "},     {"a: 1\n b: 2\n", "rota.yaml:2: "},
        {"a: {b", "rota.yaml:2: "},           {"a: 'b\n\nc\n", "rota.yaml:4: "},       {"a: \xff\n", "rota.yaml: byte 3: "},
        {"a: b\x01c", "rota.yaml: byte 4: "}, {"\xff\xfe\x01", "rota.yaml: byte 2: "},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_null(tree_parse(cases[i].yaml, strlen(cases[i].yaml), "rota.yaml", &err));
        assert_int_equal(err.code, ERR_INVALID);
        if (strncmp(err.message, cases[i].place, strlen(cases[i].place)) != 0 || !err.message[strlen(cases[i].place)])
            fail_msg("\"%s\" instead of %s", err.message, cases[i].place);
    }
    assert_null(tree_parse("a: b\0c\n", 7, "rota.yaml", &err));
}

static void nesting_ends_at_its_limit(void **state)
{
    struct buffer yaml = {0};

    (void)state;
    for (int depth = 0; depth < TREE_DEPTH_MAX; depth++)
        buffer_add_string(&yaml, "[");
    buffer_add_string(&yaml, "x");
    for (int depth = 0; depth < TREE_DEPTH_MAX; depth++)
        buffer_add_string(&yaml, "]");
    tree_free(parse(yaml.data));
    assert_refused("[[[[[[[[[x]]]]]]]]]", ERR_LIMIT, "rota.yaml:1: nested too deep");
    assert_refused("{a: {a: {a: {a: {a: {a: {a: {a: {a: x}}}}}}}}}", ERR_LIMIT, "rota.yaml:1: nested too deep");

    buffer_reset(&yaml);
    for (int depth = 0; depth < 100000; depth++)
        buffer_add_string(&yaml, "[");
    assert_refuses(yaml.data, yaml.length, ERR_LIMIT, "rota.yaml:1: nested too deep");
    buffer_clear(&yaml);
}

static void entries_end_at_their_limit(void **state)
{
    struct buffer yaml = {0};
    struct tree *tree;
    char message[80];

    (void)state;
    for (int i = 1; i < TREE_NODES_MAX; i++) /* the map itself is the first */
        buffer_add_format(&yaml, "key%d: x\n", i);
    tree = parse(yaml.data);
    assert_int_equal(tree_count(tree), TREE_NODES_MAX - 1);
    tree_free(tree);

    buffer_add_string(&yaml, "one: more\n");
    snprintf(message, sizeof message, "rota.yaml:%d: too many entries", TREE_NODES_MAX);
    assert_refuses(yaml.data, yaml.length, ERR_LIMIT, message);
    buffer_clear(&yaml);
}

static void unknown_keys_of_a_section_are_refused(void **state)
{
    static const char *const keys[] = {"command", "timeout", "attempts", NULL};
    struct tree *tree = parse("good: {command: x, timeout: 5s}\nbad:\n  comand: x\ntext: x\nempty:\n");
    struct error err;

    (void)state;
    assert_int_equal(tree_check_keys(tree_find(tree, "good"), keys, "handler good", &err), 0);
    assert_int_equal(tree_check_keys(tree_find(tree, "empty"), keys, "handler empty", &err), 0);
    assert_int_equal(tree_check_keys(NULL, keys, "handler none", &err), 0);
    assert_int_equal(tree_check_keys(tree_find(tree, "bad"), keys, "handler bad", &err), ERR_INVALID);
    assert_string_equal(err.message, "rota.yaml:3: handler bad: unknown key \"comand\", did you mean \"command\"?");
    assert_int_equal(tree_check_keys(tree_find(tree, "text"), keys, "handler text", &err), ERR_INVALID);
    assert_string_equal(err.message, "rota.yaml:4: handler text: must be a map");
    tree_free(tree);
}

/* Every prefix of a document, and every document with one byte changed, is read or refused, and nothing leaks or overflows. */
static void damaged_documents_are_read_or_refused(void **state)
{
    static const char whole[] = "a: {b: [1, 'x', \"y\\n\"], c: ~}\nd: |\n  text\n? e\n: - 1\n  - {f: g}\n";
    char damaged[sizeof whole];
    struct error err;

    (void)state;
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        tree_free(tree_parse(whole, at, "x", &err));
        for (int byte = 0; byte < 256; byte++) {
            memcpy(damaged, whole, sizeof whole);
            damaged[at] = (char)byte;
            tree_free(tree_parse(damaged, sizeof damaged - 1, "x", &err));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_lists_and_texts_are_found),
        cmocka_unit_test(what_is_not_there_reads_as_nothing),
        cmocka_unit_test(texts_stay_as_they_are_written),
        cmocka_unit_test(an_empty_value_is_nothing),
        cmocka_unit_test(what_we_do_not_need_of_yaml_is_refused),
        cmocka_unit_test(what_is_no_yaml_is_refused_with_its_place),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(entries_end_at_their_limit),
        cmocka_unit_test(unknown_keys_of_a_section_are_refused),
        cmocka_unit_test(damaged_documents_are_read_or_refused),
    };
    return UNIT_RUN(tests);
}
