/* paging.h - lists that are shown a part at a time: --limit, --cursor, and what is told on stderr where there is more.
 *
 * A cursor names the last thing that was shown. What is there afterwards is shown next, also where that thing is gone
 * meanwhile. */
#pragma once

#include "cli/cli.h"

#define CURSOR_BYTES 256

#define SETTINGS_PAGING(otherwise)                                                     \
    FLAG_NUMBER("cli.", "limit", otherwise, 0, INT64_MAX, "how many at most; 0: all"), \
        FLAG_TEXT("cli.", "cursor", "CURSOR", CURSOR_BYTES - 1, "go on where the last list ended, as it has told")

/* How many may be shown; INT64_MAX for all. */
int64_t paging_limit(const struct cli *cli);

/* "" for the beginning. */
const char *paging_cursor(const struct cli *cli);

/* "12 of 340 (--cursor X for more)", or in JSON {"more": {"shown", "of", "cursor"}}. `total` -1: it is not known. */
void paging_more(const struct cli *cli, int64_t shown, int64_t total, const char *cursor);

/* A place in the list of an organization's jobs: a job of a set ("ready:default", "dead") with its score there. */
struct job_cursor {
    char org[NAME_BYTES_MAX + 1];
    char set[NAME_BYTES_MAX + 8];
    int64_t score;
    char id[JOB_ID_BYTES_MAX + 1];
};

/* "acme/dead@1795164663276@0ay5k3m8q4txw". A wrong one is misuse. */
const char *job_cursor_format(const struct job_cursor *cursor, char ret_text[CURSOR_BYTES]);
int job_cursor_parse(struct cli *cli, struct job_cursor *ret, const char *text, struct error *err) MUST_CHECK;
