/* migrate_status.h - how two schedules that take turns compare: `rota schedule migrate` without a step. */
#pragma once

#include "cli/cli.h"
#include "common/schedule.h"

/* Shows the newest due times of both: `global`, of organization `org`, is the one for all, `each` the one of every organization.
 */
int migrate_status(struct cli *cli, const char *org, const struct schedule *global, const struct schedule *each,
                   struct error *err) MUST_CHECK;
