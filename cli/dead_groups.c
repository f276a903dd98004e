/* `rota dead groups`: of what the dead died. Jobs of one type whose errors differ only in numbers, names and the like are one
 * group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cli/connection.h"
#include "cli/dead_choice.h"
#include "cli/error_group.h"
#include "cli/listing.h"
#include "common/memory.h"

#define ORGS_NAMED 10   /* of a group */
#define GROUPS_MAX 5000 /* that are told apart */

struct group {
    UT_hash_handle hh;
    char id[ERROR_GROUP_BYTES];
    char type[TYPE_BYTES_MAX + 1];
    char *error; /* in its general form */
    int64_t jobs, orgs, first_ms, last_ms;
    char sample[JOB_NAME_BYTES_MAX + 1]; /* the newest job */
    char names[ORGS_NAMED][NAME_BYTES_MAX + 1];
    char last_org[NAME_BYTES_MAX + 1]; /* organizations come one after the other */
};

/* A walk through the dead of organizations. */
struct walk {
    struct cli *cli;
    struct group *groups;
    struct fetch_filter filter;
    int64_t looked, look_max, jobs;
    struct job_cursor cursor; /* behind the last job that was looked at */
    bool more;
};

static struct group *group_of(struct walk *walk, const struct job *job)
{
    char id[ERROR_GROUP_BYTES];
    struct buffer normal = {0};
    struct group *group;

    dead_group_of(job, &normal, id);
    HASH_FIND_STR(walk->groups, id, group);
    if (!group && HASH_COUNT(walk->groups) < GROUPS_MAX) {
        group = memory_new(sizeof *group);
        memcpy(group->id, id, sizeof id);
        snprintf(group->type, sizeof group->type, "%s", job->record.type);
        group->error = buffer_give(&normal);
        group->first_ms = job->score;
        HASH_ADD_STR(walk->groups, id, group);
    }
    buffer_clear(&normal);
    return group;
}

static bool count_job(const struct job *job, void *ctx)
{
    struct walk *walk = ctx;
    struct group *group = group_of(walk, job);

    walk->jobs++;
    if (!group)
        return true;
    group->jobs++;
    if (strcmp(group->last_org, job->org) != 0) {
        snprintf(group->last_org, sizeof group->last_org, "%s", job->org);
        if (group->orgs < ORGS_NAMED)
            snprintf(group->names[group->orgs], sizeof group->names[0], "%s", job->org);
        group->orgs++;
    }
    if (job->score < group->first_ms)
        group->first_ms = job->score;
    if (job->score >= group->last_ms) {
        group->last_ms = job->score;
        snprintf(group->sample, sizeof group->sample, "%s/%s", job->org, job->id);
    }
    return true;
}

static int walk_org(struct walk *walk, const char *org, int64_t from, struct error *err)
{
    struct fetch_walk dead = {.org = org,
                              .set = "dead",
                              .from = from,
                              .filter = &walk->filter,
                              .look_max = walk->look_max - walk->looked,
                              .visit = count_job,
                              .ctx = walk};
    int rc = fetch_walk(walk->cli, &dead, err);

    walk->looked += dead.looked;
    walk->more = rc == 0 && !dead.empty;
    if (walk->more) {
        walk->cursor = (struct job_cursor){.score = dead.last_score, .set = "dead"};
        snprintf(walk->cursor.org, sizeof walk->cursor.org, "%s", org);
        snprintf(walk->cursor.id, sizeof walk->cursor.id, "%s", dead.last_id);
    }
    return rc;
}

static int walk_orgs(struct walk *walk, const struct names *orgs, bool resumes, struct error *err)
{
    char key[KEY_BYTES_MAX];
    int rc = 0;

    for (size_t i = 0; i < orgs->count && rc == 0 && !walk->more; i++) {
        const char *org = orgs->items[i];
        int order = resumes ? strcmp(org, walk->cursor.org) : 1;
        int64_t from = 0;
        if (order < 0)
            continue;
        if (order == 0)
            rc = fetch_rank_behind(walk->cli, fetch_key(walk->cli, org, "dead", key), walk->cursor.score, walk->cursor.id, false,
                                   &from, err);
        if (rc == 0)
            rc = walk_org(walk, org, from, err);
    }
    return rc;
}

/* ---- telling ---- */

static const struct column group_columns[] = {
    {"GROUP", "group", COLUMN_TEXT},   {"JOBS", "jobs", COLUMN_NUMBER},     {"ORGS", "organizations", COLUMN_NUMBER},
    {"TYPE", "type", COLUMN_TEXT},     {"FIRST", "first_ms", COLUMN_SINCE}, {"LAST", "last_ms", COLUMN_SINCE},
    {"SAMPLE", "sample", COLUMN_TEXT}, {"ERROR", "error", COLUMN_CUT},      {0},
};

static json_t *group_to_json(const struct group *group)
{
    json_t *object = json_object(), *names = json_array();

    for (int64_t i = 0; i < group->orgs && i < ORGS_NAMED; i++)
        json_array_append_new(names, json_string(group->names[i]));
    json_object_set_new(object, "group", json_string(group->id));
    json_object_set_new(object, "type", output_text_or_null(group->type));
    output_set_bytes(object, "error", group->error, strlen(group->error));
    json_object_set_new(object, "jobs", json_integer(group->jobs));
    json_object_set_new(object, "organizations", json_integer(group->orgs));
    json_object_set_new(object, "first_organizations", names);
    json_object_set_new(object, "first_ms", json_integer(group->first_ms));
    json_object_set_new(object, "last_ms", json_integer(group->last_ms));
    json_object_set_new(object, "sample", json_string(group->sample));
    return object;
}

static int by_jobs(const struct group *a, const struct group *b)
{
    if (a->jobs != b->jobs)
        return a->jobs < b->jobs ? 1 : -1;
    return strcmp(a->id, b->id);
}

static void tell(struct walk *walk)
{
    struct list *list = list_new(&walk->cli->output, group_columns);
    int64_t left = paging_limit(walk->cli), groups = HASH_COUNT(walk->groups), told = 0;
    char text[CURSOR_BYTES];

    HASH_SORT(walk->groups, by_jobs);
    for (const struct group *group = walk->groups; group && told < left; group = group->hh.next) {
        list_add(list, group_to_json(group));
        told++;
    }
    list_end(list);
    if (told < groups)
        cli_note(walk->cli, "%lld more groups: --limit 0 shows all", (long long)(groups - told));
    if (groups == GROUPS_MAX)
        cli_note(walk->cli, "no more than %d groups are told apart: the others are left out", GROUPS_MAX);
    if (walk->more) {
        cli_note(walk->cli, "%lld dead jobs were looked at, there are more: --look N looks at more, --cursor goes on",
                 (long long)walk->looked);
        paging_more(walk->cli, told, -1, job_cursor_format(&walk->cursor, text));
    }
}

static void clear(struct walk *walk)
{
    struct group *group = walk->groups, *next;

    HASH_CLEAR(hh, walk->groups); /* forgets, and frees nothing of ours */
    for (; group; group = next) {
        next = group->hh.next;
        free(group->error);
        free(group);
    }
}

static int dead_groups(struct cli *cli, struct error *err)
{
    struct walk walk = {.cli = cli};
    struct listing_options options = {0};
    const char *cursor = paging_cursor(cli);
    struct names orgs = {0};
    int rc = cursor[0] ? job_cursor_parse(cli, &walk.cursor, cursor, err) : 0;

    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = orgs_named(cli, 0, &orgs, err);
    if (rc == 0) {
        listing_read_find(cli, &options);
        walk.filter = options.filter;
        walk.filter.type = config_string(cli->config, "cli.job.type");
        walk.look_max = options.look_max;
        names_sort(&orgs);
        rc = walk_orgs(&walk, &orgs, cursor[0] != '\0', err);
    }
    if (rc == 0)
        tell(&walk);
    clear(&walk);
    names_clear(&orgs);
    return rc;
}

static const struct config_setting group_settings[] = {
    SETTINGS_CLI, SETTING_TYPE, SETTINGS_FIND, SETTINGS_PAGING("50"), {0},
};

const struct command dead_group_commands[] = {
    {"dead groups", "[ORG]...", "Group dead jobs by type and error, the largest group first", group_settings, 0, -1, dead_groups,
     "Errors that differ only in numbers, hexadecimal words, UUIDs, quoted texts, paths and URLs are one. The name of a group is "
     "the\n"
     "same for the same type and error, so that it can be redriven.\n"
     "\n"
     "    rota dead groups --since 1d\n"
     "    rota dead redrive --all-orgs --group 3b18e512dba7 --rate 10/s"},
    {0},
};
