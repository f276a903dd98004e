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

/* True if --every-org says that the argument is the NAME of a schedule of every organization. */
bool schedule_is_of_all(const struct cli *cli);
#define FLAG_EVERY_ORG FLAG_BOOL("cli.schedule.", "every-org", 0, "of every organization, present and future: NAME alone")

/* The fields that an organization may say itself of such a one (docs/PROTOCOL.md), as people name them: "window" for window_ms.
 * `ret` has room for it. */
const char *schedule_field_name(const char *field, char ret[SCHEDULE_NAME_BYTES_MAX + 1]);

/* Its times and policies as flags of `rota schedule set` that a shell reads; `all`: also bounds that it does not have. */
void schedule_format_flags(struct buffer *out, const struct schedule *schedule, bool all);

/* What is said of it, under the name `full`: "acme/report", or "report" for every organization. Gives. */
json_t *schedule_definition_to_json(const char *full, const struct schedule *schedule, const char *state);

/* All that is known of it. Gives. */
json_t *schedule_to_json(const char *org, const struct schedule *schedule, int64_t now_ms);
