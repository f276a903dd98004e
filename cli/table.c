#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>

#include "cli/text.h"
#include "common/memory.h"

#define ROWS_HELD 500
#define GAP       2

struct table {
    FILE *file;
    const struct table_column *columns;
    size_t count;
    size_t widths[TABLE_COLUMNS_MAX];
    char **cells; /* of the rows held, one after the other */
    size_t rows;
    bool headings;
    bool begun; /* the headings are printed and the widths fixed */
};

struct table *table_new(FILE *file, const struct table_column *columns, size_t count, bool headings)
{
    struct table *table = memory_new(sizeof *table);

    assert(count >= 1 && count <= TABLE_COLUMNS_MAX);
    table->file = file;
    table->columns = columns;
    table->count = count;
    table->headings = headings;
    table->cells = memory_new(sizeof *table->cells * count * ROWS_HELD);
    for (size_t i = 0; i < count; i++)
        table->widths[i] = headings ? text_width(columns[i].heading) : 0;
    return table;
}

static void print_spaces(const struct table *table, size_t count)
{
    fprintf(table->file, "%*s", (int)count, "");
}

static void print_row(const struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->count; i++) {
        size_t width = text_width(cells[i]), space = width < table->widths[i] ? table->widths[i] - width : 0;
        bool last = i + 1 == table->count, right = table->columns[i].right;
        if (right)
            print_spaces(table, space);
        fputs(cells[i], table->file);
        if (!last)
            print_spaces(table, (right ? 0 : space) + GAP);
    }
    fputc('\n', table->file);
}

static void print_headings(struct table *table)
{
    const char *headings[TABLE_COLUMNS_MAX];

    if (table->begun)
        return;
    table->begun = true;
    for (size_t i = 0; i < table->count; i++)
        headings[i] = table->columns[i].heading;
    if (table->headings)
        print_row(table, headings);
}

static void print_held(struct table *table)
{
    print_headings(table);
    for (size_t row = 0; row < table->rows; row++)
        print_row(table, (const char *const *)table->cells + row * table->count);
    for (size_t i = 0; i < table->rows * table->count; i++)
        free(table->cells[i]);
    table->rows = 0;
}

void table_add(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *cell = cells[i] && cells[i][0] ? cells[i] : "-";
        size_t width = text_width(cell);
        table->cells[table->rows * table->count + i] = memory_string(cell);
        if (!table->begun && width > table->widths[i])
            table->widths[i] = width;
    }
    if (++table->rows == ROWS_HELD)
        print_held(table);
}

void table_end(struct table *table)
{
    print_held(table);
    free(table->cells);
    free(table);
}
