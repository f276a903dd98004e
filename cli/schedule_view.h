/* schedule_view.h - schedules as the commands read and show them. */
#pragma once

#include "cli/cli.h"
#include "common/buffer.h"
#include "common/schedule.h"

/* An argument that must be ORG/NAME; wrong ones are misuse. */
int schedule_argument(struct cli *cli, const char *text, char ret_org[NAME_BYTES_MAX + 1],
                      char ret_name[SCHEDULE_NAME_BYTES_MAX + 1], struct error *err) MUST_CHECK;

/* Fetches one, with its whole record. ERR_NOT_FOUND if there is none. Gives: schedule_clear. */
int schedule_fetch(struct cli *cli, const char *org, const char *name, struct schedule *ret, struct error *err) MUST_CHECK;

/* Its times and policies as flags of `rota schedule set` that a shell reads; `all`: also bounds that it does not have. */
void schedule_format_flags(struct buffer *out, const struct schedule *schedule, bool all);

/* All that is known of it. Gives. */
json_t *schedule_to_json(const char *org, const struct schedule *schedule, int64_t now_ms);
