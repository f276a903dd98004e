/* table.h - rows of text in columns, for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table;

/* One column. Text that is no number stands left. */
struct table_column {
    const char *heading;
    bool right;
};

/* A table of `count` (1..TABLE_COLUMNS_MAX) columns on `file`; both are borrowed. The first few hundred rows decide how wide the
 * columns are, so that a list of any length takes little memory; a longer cell then pushes the rest of its row aside. Without
 * `headings` there are only rows. */
struct table *table_new(FILE *file, const struct table_column *columns, size_t count, bool headings);

/* Adds a row of plain cells (text.h), one for each column; copies. NULL and "" print as "-". */
void table_add(struct table *table, const char *const *cells);

/* Prints what is left, the headings also if there is no row, and frees. */
void table_end(struct table *table);
