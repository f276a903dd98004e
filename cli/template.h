/* template.h - schedules of every organization, as commands read and change them. Lane 0 has the say; the other lanes are told
 * here, and if somebody stops in between, by the leader. */
#pragma once

#include "cli/cli.h"
#include "common/schedule.h"

/* An argument that must be the NAME of one; wrong ones are misuse. */
int template_argument(struct cli *cli, const char *text, char ret_name[SCHEDULE_NAME_BYTES_MAX + 1],
                      struct error *err) MUST_CHECK;

/* Fetches one, with its whole record. ERR_NOT_FOUND if there is none. Gives: schedule_clear. */
int template_fetch(struct cli *cli, const char *name, struct schedule *ret, struct error *err) MUST_CHECK;

/* Tells the other lanes what lane 0 says. */
int template_spread(struct cli *cli, struct error *err) MUST_CHECK;

/* What the commands do with --every-org: `rota schedule list`, show, and pause, resume, remove (`change`) of the argument. */
int template_list(struct cli *cli, struct error *err);
int template_show(struct cli *cli, struct error *err);
int template_change(struct cli *cli, const char *change, struct error *err);
