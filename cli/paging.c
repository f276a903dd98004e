#include "cli/paging.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

#define SCORE_MAX (1LL << 52)

int64_t paging_limit(const struct cli *cli)
{
    int64_t limit = config_integer(cli->config, "cli.limit");

    return limit ? limit : INT64_MAX;
}

const char *paging_cursor(const struct cli *cli)
{
    return config_string(cli->config, "cli.cursor");
}

void paging_more(const struct cli *cli, int64_t shown, int64_t total, const char *cursor)
{
    json_t *more;

    if (cli->output.format == OUTPUT_TABLE && total < 0) {
        cli_note(cli, "%" PRId64 " (--cursor %s for more)", shown, cursor);
    } else if (cli->output.format == OUTPUT_TABLE) {
        cli_note(cli, "%" PRId64 " of %" PRId64 " (--cursor %s for more)", shown, total, cursor);
    } else if (!config_bool(cli->config, "cli.quiet")) {
        more = json_pack("{s:{s:I, s:o, s:s}}", "more", "shown", (json_int_t)shown, "of",
                         total < 0 ? json_null() : json_integer(total), "cursor", cursor);
        fflush(stdout);
        json_dumpf(more, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(more);
    }
}

const char *job_cursor_format(const struct job_cursor *cursor, char ret_text[CURSOR_BYTES])
{
    snprintf(ret_text, CURSOR_BYTES, "%s/%s@%" PRId64 "@%s", cursor->org, cursor->set, cursor->score, cursor->id);
    return ret_text;
}

static bool is_set(const char *set)
{
    static const char *const sets[] = {"running", "scheduled", "dead", "cancelled", "done"};

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(set, sets[i]) == 0)
            return true;
    return strncmp(set, "ready:", 6) == 0 && name_is_valid(set + 6, strlen(set + 6));
}

/* The part up to `end`, which stands behind it; false if there is none or it is too long. */
static bool cut(const char **at, char end, char *ret, size_t size)
{
    const char *found = strchr(*at, end);

    if (!found || (size_t)(found - *at) >= size)
        return false;
    snprintf(ret, size, "%.*s", (int)(found - *at), *at);
    *at = found + 1;
    return true;
}

int job_cursor_parse(struct cli *cli, struct job_cursor *ret, const char *text, struct error *err)
{
    struct job_cursor cursor = {.score = 0};
    const char *at = text;
    char score[24];

    if (!cut(&at, '/', cursor.org, sizeof cursor.org) || !cut(&at, '@', cursor.set, sizeof cursor.set) ||
        !cut(&at, '@', score, sizeof score) || !name_is_valid(cursor.org, strlen(cursor.org)) || !is_set(cursor.set) ||
        units_integer(&cursor.score, score, "score", -SCORE_MAX, SCORE_MAX, err) < 0 || !at[0] || strlen(at) > JOB_ID_BYTES_MAX)
        return cli_usage(cli, err, "cursor \"%.80s\" must be one that a list has told, as in acme/dead@1795164663276@id", text);
    snprintf(cursor.id, sizeof cursor.id, "%s", at);
    *ret = cursor;
    return 0;
}
