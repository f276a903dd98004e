/* feed.h - a stream that each lane keeps ("events", "audit"), read as one: from the newest entry on, in the order of ids. */
#pragma once

#include "cli/cli.h"

#define ENTRY_ID_BYTES 48

/* Where an entry stands. Two lanes may use the same id. */
struct entry_id {
    int64_t ms, number;
    uint32_t lane;
};

/* "1795164663276-0@3": as a cursor. */
const char *entry_id_format(const struct entry_id *id, char ret_text[ENTRY_ID_BYTES]);
int entry_id_parse(struct cli *cli, struct entry_id *ret, const char *text, struct error *err) MUST_CHECK;

/* An entry as a JSON object: id, lane, at_ms, and its fields; empty ones are null. Gives. */
json_t *entry_to_json(const struct entry_id *id, const struct reply *fields);

/* "1795164663276-0" in `text`. False if it is not one. */
bool entry_id_read(struct entry_id *ret, const char *text);

struct feed_options {
    const char *stream;           /* part of the key: "events" */
    const char *org;              /* only of this organization; "": of all */
    int64_t since_ms;             /* only from then on; 0: all */
    const struct entry_id *after; /* only what is older than this one; NULL: all */
};

struct feed;

/* Borrows `options`. */
struct feed *feed_new(struct cli *cli, const struct feed_options *options);
void feed_free(struct feed *feed);

/* The next older entry. 1: `ret_id` and `ret_entry` (gives) are filled; 0: there is none; or a negative code. */
int feed_next(struct feed *feed, struct entry_id *ret_id, json_t **ret_entry, struct error *err) MUST_CHECK;
