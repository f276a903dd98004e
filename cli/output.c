#include "cli/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"
#include "cli/text.h"
#include "common/base64.h"
#include "common/buffer.h"
#include "common/memory.h"
#include "common/units.h"
#include "common/utf8.h"

#define CUT_COLUMNS 60
#define NAME_WIDTH  18 /* of the names in output_object */

int output_format_parse(enum output_format *ret, const char *name, struct error *err)
{
    static const char *const names[] = {[OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_NDJSON] = "ndjson"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum output_format)i;
            return 0;
        }
    return error_set(err, ERR_INVALID, "output \"%.40s\" must be table, json or ndjson", name);
}

int output_time_parse(enum output_time *ret, const char *name, struct error *err)
{
    static const char *const names[] = {[TIME_RELATIVE] = "relative", [TIME_ISO] = "iso", [TIME_MS] = "ms"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum output_time)i;
            return 0;
        }
    return error_set(err, ERR_INVALID, "time \"%.40s\" must be relative, iso or ms", name);
}

/* ---- cells ---- */

static void add_text(struct buffer *out, const json_t *value)
{
    if (json_is_string(value))
        text_add_plain(out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        buffer_add_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        buffer_add_format(out, "%g", json_real_value(value));
    else if (json_is_boolean(value))
        buffer_add_string(out, json_is_true(value) ? "yes" : "no");
    else if (json_is_array(value) || json_is_object(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        text_add_plain(out, text, strlen(text));
        free(text);
    }
}

/* What output_set_bytes has set: text, or bytes that are none. */
static void add_bytes(struct buffer *out, const json_t *object, const char *name)
{
    char *coded_name = memory_format("%s_b64", name), *bytes;
    const json_t *coded = json_object_get(object, coded_name);
    struct error ignored;
    size_t length;

    free(coded_name);
    if (!coded) {
        add_text(out, json_object_get(object, name));
        return;
    }
    bytes = base64_decode(json_string_value(coded), json_string_length(coded), &length, &ignored);
    text_add_plain(out, bytes ? bytes : "", bytes ? length : 0);
    free(bytes);
}

static void cut(struct buffer *out)
{
    if (!out->data || text_width(out->data) <= CUT_COLUMNS)
        return;
    while (text_width(out->data) > CUT_COLUMNS - 3 || (out->data[out->length - 1] & 0xc0) == 0x80)
        out->data[--out->length] = '\0';
    buffer_add_string(out, "...");
}

static void add_distance(struct buffer *out, int64_t ms, int64_t now_ms)
{
    char text[32];

    if (ms > now_ms)
        buffer_add_format(out, "in %s", units_format_duration(text, ms - now_ms));
    else
        buffer_add_string(out, units_format_duration(text, now_ms - ms));
}

static void add_moment(struct buffer *out, const struct output *output, enum column_kind kind, int64_t ms)
{
    char text[32];

    if (output->time == TIME_MS) {
        buffer_add_format(out, "%" PRId64, ms);
        return;
    }
    if (kind == COLUMN_TIME || output->time == TIME_ISO)
        buffer_add_string(out, units_format_time(text, ms));
    if (output->time == TIME_ISO)
        return;
    buffer_add_string(out, kind == COLUMN_TIME ? " (" : "");
    add_distance(out, ms, output->now_ms);
    if (kind == COLUMN_TIME)
        buffer_add_string(out, ms > output->now_ms ? ")" : " ago)");
}

char *output_cell(const struct output *output, const json_t *object, const struct column *column)
{
    const json_t *value = json_object_get(object, column->member);
    struct buffer out = {0};
    char text[32];

    if (column->kind == COLUMN_BYTES || column->kind == COLUMN_CUT)
        add_bytes(&out, object, column->member);
    if (column->kind == COLUMN_CUT)
        cut(&out);
    if (!value || json_is_null(value))
        return buffer_give(&out);
    switch (column->kind) {
    case COLUMN_TEXT:
    case COLUMN_NUMBER: add_text(&out, value); break;
    case COLUMN_BYTES:
    case COLUMN_CUT: break;
    case COLUMN_SINCE:
    case COLUMN_TIME: add_moment(&out, output, column->kind, json_integer_value(value)); break;
    case COLUMN_FOR: buffer_add_string(&out, units_format_duration(text, json_integer_value(value))); break;
    }
    return buffer_give(&out);
}

/* ---- lists ---- */

struct list {
    const struct output *output;
    const struct column *columns;
    struct table_column headings[TABLE_COLUMNS_MAX];
    struct table *table; /* NULL for JSON */
    size_t columns_count, count;
};

struct list *list_new(const struct output *output, const struct column *columns)
{
    struct list *list = memory_new(sizeof *list);

    list->output = output;
    list->columns = columns;
    for (const struct column *column = columns; column && column->heading; column++) {
        bool right = column->kind == COLUMN_NUMBER || column->kind == COLUMN_SINCE || column->kind == COLUMN_FOR;
        assert(list->columns_count < TABLE_COLUMNS_MAX);
        list->headings[list->columns_count++] = (struct table_column){.heading = column->heading, .right = right};
    }
    if (output->format == OUTPUT_TABLE)
        list->table = table_new(stdout, list->headings, list->columns_count, !output->no_headers);
    else if (output->format == OUTPUT_JSON)
        fputs("[", stdout);
    return list;
}

static void add_to_table(struct list *list, const json_t *object)
{
    char *cells[TABLE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < list->columns_count; i++)
        cells[i] = output_cell(list->output, object, &list->columns[i]);
    table_add(list->table, (const char *const *)cells);
    for (size_t i = 0; i < list->columns_count; i++)
        free(cells[i]);
}

void list_add(struct list *list, json_t *object)
{
    if (list->table) {
        add_to_table(list, object);
    } else {
        if (list->output->format == OUTPUT_JSON)
            fputs(list->count ? ",\n " : "\n ", stdout);
        json_dumpf(object, stdout, JSON_COMPACT);
        if (list->output->format == OUTPUT_NDJSON)
            fputc('\n', stdout);
    }
    list->count++;
    json_decref(object);
}

void list_end(struct list *list)
{
    if (list->table)
        table_end(list->table);
    else if (list->output->format == OUTPUT_JSON)
        fputs(list->count ? "\n]\n" : "]\n", stdout);
    free(list);
}

/* ---- one object ---- */

void output_object(const struct output *output, json_t *object, const struct column *columns)
{
    if (output->format != OUTPUT_TABLE) {
        json_dumpf(object, stdout, output->format == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(object);
        return;
    }
    for (const struct column *column = columns; column->heading; column++) {
        char *text = output_cell(output, object, column);
        if (text[0])
            printf("%-*s %s\n", NAME_WIDTH, column->heading, text);
        free(text);
    }
    json_decref(object);
}

json_t *output_text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

void output_set_bytes(json_t *object, const char *name, const char *bytes, size_t length)
{
    char *coded, *coded_name;

    if (!bytes || utf8_is_valid(bytes, length)) {
        json_object_set_new(object, name, bytes ? json_stringn(bytes, length) : json_null());
        return;
    }
    coded = base64_encode(bytes, length);
    coded_name = memory_format("%s_b64", name);
    json_object_set_new(object, name, json_null());
    json_object_set_new(object, coded_name, json_string(coded));
    free(coded_name);
    free(coded);
}
