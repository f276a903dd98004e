/* tree.h - a YAML document as a tree of maps, lists and texts: what a configuration file says, before anybody knows what it
 * means.
 *
 * A text is what stands in the file, whatever YAML would make of it ("no" stays "no", 010 stays 010). A value left empty, ~ and
 * null are TREE_NOTHING. Refused: a key twice in one map, anchors, aliases, tags, a second document, and what is beyond the
 * limits. Accessors never fail: what is not there reads as nothing. */
#pragma once

#include <stddef.h>

#include "common/error.h"

#define TREE_DEPTH_MAX 8
#define TREE_NODES_MAX 10000

enum tree_kind { TREE_NOTHING, TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree;

/* Reads `bytes` bytes of YAML. `name` stands for them in messages ("rota.yaml"; copied). Gives. NULL on failure (ERR_INVALID,
 * ERR_LIMIT); the message begins with the place: "rota.yaml:3: ...". */
struct tree *tree_parse(const char *yaml, size_t bytes, const char *name, struct error *err);

/* Frees the whole tree; only for what tree_parse gave. NULL is fine. */
void tree_free(struct tree *root);

/* NULL is taken as nothing, here and below. */
enum tree_kind tree_kind(const struct tree *tree);

/* The text of a TREE_TEXT; otherwise "". Has no NUL inside. */
const char *tree_text(const struct tree *tree);

/* Number of entries of a map or list; otherwise 0. */
size_t tree_count(const struct tree *tree);

/* Entry `index` of a map or list in the order of the file, or entry `key` of a map; NULL if there is none. Borrowed. */
const struct tree *tree_at(const struct tree *tree, size_t index);
const struct tree *tree_find(const struct tree *tree, const char *key);

/* The key under which an entry of a map stands; "" for all others. */
const char *tree_key(const struct tree *tree);

/* "rota.yaml:3", where it stands. Borrowed from the tree. */
const char *tree_place(const struct tree *tree);

/* Refuses an entry of map `tree` that is not among `keys` (NULL-terminated), and anything that is not a map or nothing. `what`
 * names the map: "handler mail.send". */
int tree_check_keys(const struct tree *tree, const char *const *keys, const char *what, struct error *err) MUST_CHECK;
