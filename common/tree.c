#include "common/tree.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/memory.h"
#include "common/nearest.h"

struct tree {
    enum tree_kind kind;
    char *key, *text, *place;
    struct tree **entries;
    size_t count, capacity;
};

/* A document being read. */
struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *name;
    size_t nodes;
};

static struct tree *tree_new(const char *key, const char *name, size_t line)
{
    struct tree *tree = memory_new(sizeof *tree);

    tree->key = memory_string(key);
    tree->place = memory_format("%s:%zu", name, line);
    return tree;
}

void tree_free(struct tree *root)
{
    if (!root)
        return;
    for (size_t i = 0; i < root->count; i++)
        tree_free(root->entries[i]);
    free(root->entries);
    free(root->key);
    free(root->text);
    free(root->place);
    free(root);
}

/* Takes `entry`. */
static void tree_add(struct tree *tree, struct tree *entry)
{
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity ? tree->capacity * 2 : 8;
        tree->entries = memory_resize(tree->entries, tree->capacity * sizeof *tree->entries);
    }
    tree->entries[tree->count++] = entry;
}

static size_t current_line(const struct reader *reader)
{
    return reader->event.start_mark.line + 1;
}

static int refuse(const struct reader *reader, enum error_code code, const char *why, struct error *err)
{
    return error_set(err, code, "%s:%zu: %s", reader->name, current_line(reader), why);
}

/* libyaml tells the place of a problem in one of two ways: a mark, or for bytes that are no text only their offset. */
static int refuse_yaml(const struct reader *reader, struct error *err)
{
    const yaml_parser_t *parser = &reader->parser;

    if (parser->error == YAML_READER_ERROR)
        return error_set(err, ERR_INVALID, "%s: byte %zu: %s", reader->name, parser->problem_offset, parser->problem);
    return error_set(err, ERR_INVALID, "%s:%zu: %s", reader->name, parser->problem_mark.line + 1,
                     parser->problem ? parser->problem : "not readable as YAML");
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT: return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default: return event->type == YAML_ALIAS_EVENT;
    }
}

static int next_event(struct reader *reader, struct error *err)
{
    yaml_event_delete(&reader->event);
    if (!yaml_parser_parse(&reader->parser, &reader->event))
        return refuse_yaml(reader, err);
    if (has_anchor_or_tag(&reader->event))
        return refuse(reader, ERR_INVALID, "anchors, aliases and tags are not supported", err);
    return 0;
}

static bool is_plain_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/* The text of the current event, which is a scalar. Gives; NULL on failure. */
static char *take_text(const struct reader *reader, struct error *err)
{
    const char *text = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;

    if (memchr(text, '\0', length)) {
        refuse(reader, ERR_INVALID, "a text holds a NUL", err);
        return NULL;
    }
    return memory_copy(text, length);
}

static struct tree *read_node(struct reader *reader, const char *key, int depth, struct error *err);

/* The entry of a map whose key is the current event. */
static struct tree *read_entry(struct reader *reader, const struct tree *map, int depth, struct error *err)
{
    const struct tree *earlier;
    struct tree *entry = NULL;
    char *key = NULL;

    if (reader->event.type != YAML_SCALAR_EVENT) {
        refuse(reader, ERR_INVALID, "a key must be a text", err);
        return NULL;
    }
    key = take_text(reader, err);
    if (!key)
        return NULL;
    earlier = tree_find(map, key);
    if (earlier)
        error_set(err, ERR_INVALID, "%s:%zu: \"%.80s\" is already set at %s", reader->name, current_line(reader), key,
                  earlier->place);
    else if (next_event(reader, err) == 0)
        entry = read_node(reader, key, depth, err);
    free(key);
    return entry;
}

/* The entries of a map or list up to its end event. */
static int read_entries(struct reader *reader, struct tree *tree, int depth, struct error *err)
{
    yaml_event_type_t end = tree->kind == TREE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;

    for (;;) {
        struct tree *entry;
        if (next_event(reader, err) < 0)
            return -1;
        if (reader->event.type == end)
            return 0;
        entry = tree->kind == TREE_MAP ? read_entry(reader, tree, depth, err) : read_node(reader, NULL, depth, err);
        if (!entry)
            return -1;
        tree_add(tree, entry);
    }
}

/* The node that begins with the current event; `depth` maps and lists are around it. */
static struct tree *read_node(struct reader *reader, const char *key, int depth, struct error *err)
{
    struct tree *tree = NULL;

    if (++reader->nodes > TREE_NODES_MAX || depth > TREE_DEPTH_MAX) {
        refuse(reader, ERR_LIMIT, depth > TREE_DEPTH_MAX ? "nested too deep" : "too many entries", err);
        return NULL;
    }
    tree = tree_new(key, reader->name, current_line(reader));
    if (reader->event.type == YAML_SCALAR_EVENT) {
        if (is_plain_null(&reader->event))
            return tree;
        tree->kind = TREE_TEXT;
        tree->text = take_text(reader, err);
        if (tree->text)
            return tree;
    } else {
        tree->kind = reader->event.type == YAML_MAPPING_START_EVENT ? TREE_MAP : TREE_LIST;
        if (read_entries(reader, tree, depth + 1, err) == 0)
            return tree;
    }
    tree_free(tree);
    return NULL;
}

/* The only document of a stream whose start event is the current one; an empty stream is a document of nothing. */
static struct tree *read_document(struct reader *reader, struct error *err)
{
    struct tree *root = NULL;

    if (next_event(reader, err) < 0)
        return NULL;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return tree_new(NULL, reader->name, 1);
    if (next_event(reader, err) < 0)
        return NULL;
    root = read_node(reader, NULL, 0, err);
    if (!root || next_event(reader, err) < 0 || next_event(reader, err) < 0) /* the end of the document, then of the stream */
        goto fail;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return root;
    refuse(reader, ERR_INVALID, "a second document", err);
fail:
    tree_free(root);
    return NULL;
}

struct tree *tree_parse(const char *yaml, size_t bytes, const char *name, struct error *err)
{
    struct reader reader = {.name = name};
    struct tree *root = NULL;

    if (!yaml_parser_initialize(&reader.parser))
        abort(); /* out of memory, its only failure */
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)yaml, bytes);
    if (next_event(&reader, err) == 0)
        root = read_document(&reader, err);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return root;
}

enum tree_kind tree_kind(const struct tree *tree)
{
    return tree ? tree->kind : TREE_NOTHING;
}

const char *tree_text(const struct tree *tree)
{
    return tree && tree->text ? tree->text : "";
}

size_t tree_count(const struct tree *tree)
{
    return tree ? tree->count : 0;
}

const struct tree *tree_at(const struct tree *tree, size_t index)
{
    return index < tree_count(tree) ? tree->entries[index] : NULL;
}

const struct tree *tree_find(const struct tree *tree, const char *key)
{
    for (size_t i = 0; i < tree_count(tree); i++)
        if (tree->entries[i]->key && strcmp(tree->entries[i]->key, key) == 0)
            return tree->entries[i];
    return NULL;
}

const char *tree_key(const struct tree *tree)
{
    return tree && tree->key ? tree->key : "";
}

const char *tree_place(const struct tree *tree)
{
    return tree ? tree->place : "";
}

int tree_check_keys(const struct tree *tree, const char *const *keys, const char *what, struct error *err)
{
    if (tree_kind(tree) == TREE_TEXT || tree_kind(tree) == TREE_LIST)
        return error_set(err, ERR_INVALID, "%s: %s: must be a map", tree->place, what);
    for (size_t i = 0; i < tree_count(tree); i++) {
        struct nearest nearest = {.word = tree_key(tree->entries[i])};
        char hint[NEAREST_HINT_BYTES];
        bool known = false;
        for (const char *const *key = keys; *key; key++) {
            known = known || strcmp(*key, nearest.word) == 0;
            nearest_offer(&nearest, *key);
        }
        if (!known)
            return error_set(err, ERR_INVALID, "%s: %s: unknown key \"%.80s\"%s", tree->entries[i]->place, what, nearest.word,
                             nearest_hint(&nearest, hint));
    }
    return 0;
}
