/* output.h - data on stdout: as a table for people, as JSON, or as JSON lines.
 *
 * Commands build one JSON object for each thing they list; what a table shows of it is said by its columns. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NDJSON };

/* "table", "json" or "ndjson". */
int output_format_parse(enum output_format *ret, const char *name, struct error *err) MUST_CHECK;

/* How tables tell moments: as ages, in RFC 3339, or in epoch ms. */
enum output_time { TIME_RELATIVE, TIME_ISO, TIME_MS };

/* "relative", "iso" or "ms". */
int output_time_parse(enum output_time *ret, const char *name, struct error *err) MUST_CHECK;

struct output {
    enum output_format format;
    enum output_time time;
    bool no_headers;
    int64_t now_ms; /* on the clock of Redis: ages are counted from here */
};

/* How a member of an object is shown in a table. */
enum column_kind {
    COLUMN_TEXT,   /* as it is */
    COLUMN_BYTES,  /* the same of a member of output_set_bytes; what is no UTF-8 as \xff */
    COLUMN_NUMBER, /* on the right */
    COLUMN_SINCE,  /* epoch ms, as the time since then ("3m20s"), or until then ("in 5m") */
    COLUMN_TIME,   /* epoch ms, as the time of day, and how long ago */
    COLUMN_FOR,    /* ms, as a duration */
    COLUMN_CUT,    /* as COLUMN_BYTES, cut to 60 columns */
};

/* A table ends with a zero entry. */
struct column {
    const char *heading, *member;
    enum column_kind kind;
};

/* A list: a table, or a JSON array with one object to a line, or JSON lines. Both arguments are borrowed until list_end;
 * `columns` may be NULL where it is no table. */
struct list;
struct list *list_new(const struct output *output, const struct column *columns);

/* Adds an object; takes. */
void list_add(struct list *list, json_t *object);
void list_end(struct list *list);

/* One object, a member to a line in a table; members that are null are left out there. Takes. */
void output_object(const struct output *output, json_t *object, const struct column *columns);

/* What a table shows of a member, as plain text (text.h); "" for nothing. Gives. */
char *output_cell(const struct output *output, const json_t *object, const struct column *column);

/* A text as JSON; null for NULL and "". Gives. */
json_t *output_text_or_null(const char *text);

/* Bytes as a member: `name` as text if they are UTF-8, else null, and `name`_b64. No bytes (NULL): null. */
void output_set_bytes(json_t *object, const char *name, const char *bytes, size_t length);
