/* dead_choice.h - which dead jobs a command means: jobs, organizations, groups, types, errors. */
#pragma once

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/orgs.h"

/* Of the jobs of organizations, only those. */
#define SETTINGS_DEAD_CHOICE                                                                                          \
    FLAG_TEXT("cli.job.", "type", "TYPE", TYPE_BYTES_MAX, "of organizations: jobs of one type"),                      \
        FLAG_TEXT("cli.find.", "error", "TEXT", FETCH_FILTER_BYTES_MAX,                                               \
                  "of organizations: jobs with TEXT in the error or result of an attempt"),                           \
        FLAG_TEXT("cli.dead.", "group", "GROUP", 12, "of organizations: jobs of one group, as dead groups names it"), \
        FLAG_BOOL("cli.dead.", "all-orgs", 0, "of all organizations")

struct dead_choice {
    struct cli *cli;
    struct names jobs; /* org/id, those of one organization together */
    bool bulk;         /* whole organizations are among them */
    /* Private. */
    struct fetch_filter filter;
    const char *group;
    int64_t until_ms; /* those that die again meanwhile are left alone */
};

/* Connects, and finds the dead jobs that the command's arguments and flags mean. A job that was named and is not dead is
 * complained of. dead_choice_clear, also after a failure. */
int dead_choose(struct cli *cli, struct dead_choice *ret, struct error *err) MUST_CHECK;
void dead_choice_clear(struct dead_choice *choice);

/* The general form of the error that a dead job died of, and the group that makes with its type. `ret_normal` is added to. */
const char *dead_group_of(const struct job *job, struct buffer *ret_normal, char *ret_group);
