/* schedule_json.h - a schedule as a line of JSON: what a backup has, and the file of the schedules that are to be. Pure.
 *
 *   {"schedule": "acme/weekdays", "type": "report", "payload": "...", "cron": "30 8 * * mon-fri", "tz": "Europe/Zurich"}
 *   {"every_org": "digest", "type": "report", "every": "1h"}
 *   {"schedule": "acme/digest", "own_of_every_org": true, "every": "2h", "queue": null, "off": true}
 *
 * The second one is one of every organization; its org is "". With "shadow": true it begins as a shadow of another schedule.
 * The third one is all that an organization says itself of such a one (schedule_own.h): what it does not name is as for every
 * organization; null is none, of spread, from, until and the options of the job; "off": true, its due times pass.
 * The words are those of the flags of `rota schedule add` and, of its jobs, those of the lines of `rota push --batch`. One of
 * cron, every, rrule, at; tz, start; missed, window, overlap, spread, from, until; type, payload (any JSON: its text as it
 * stands) or payload_b64, queue, limit, priority, max_attempts, timeout_ms, headers; paused (by whom, or true), paused_ms. Times
 * are RFC 3339 or epoch ms, as text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"
#include "common/id.h"
#include "common/schedule.h"

struct call;
struct json_t;
struct recurrence;

#define SCHEDULE_LINE_BYTES_MAX (8 * 1024 * 1024) /* a payload of 1 MiB may be all escapes */

#define SCHEDULE_SPOKEN_BYTES (NAME_BYTES_MAX + SCHEDULE_NAME_BYTES_MAX + 32)

/* One that a line names: its definition, its offset, whether and by whom it is paused (paused_by may be NULL then), and whether
 * it is a shadow (turns). What an organization says itself (schedule.of_all): only what `own` names, a record that has
 * `own_parts`, off, and own_paused_by ("": not said by whom). */
struct schedule_entry {
    char org[NAME_BYTES_MAX + 1];
    struct schedule schedule;
    struct recurrence *recurrence; /* NULL if it is not its own */
};

/* The order in which those of a file are set: an organization that has one of the same name as one of all must have it first, to
 * keep it; and what it says of one of all comes behind that. */
enum schedule_rank { RANK_OF_ORGS, RANK_OF_ALL, RANK_OWN, RANKS };
enum schedule_rank schedule_entry_rank(const struct schedule_entry *entry);

/* The function that sets it. */
const char *schedule_entry_function(const struct schedule_entry *entry);

/* As it is spoken of: "acme/weekdays", "digest of every organization" (`org` is ""). */
const char *schedule_spoken(char ret[SCHEDULE_SPOKEN_BYTES], const char *org, const char *name);

/* Reads one line. ERR_INVALID or ERR_LIMIT name the member, its value and what it may be. Gives: schedule_entry_clear. */
int schedule_entry_parse(struct schedule_entry *ret, const char *line, size_t bytes, struct error *err) MUST_CHECK;
void schedule_entry_clear(struct schedule_entry *entry);

/* Adds the arguments of that function behind its first one: whatever there is, it is to be this. */
void schedule_entry_add(const struct schedule_entry *entry, int64_t now_ms, struct call *call);

/* The object of which schedule_entry_parse makes the same definition again; `state`: also whether it is paused, and whether a
 * shadow. Of an instance it is the whole definition that it has. NULL if a text of it is no UTF-8, which JSON cannot say, or its
 * record cannot be read. Gives. */
struct json_t *schedule_entry_to_json(const char *org, const struct schedule *schedule, bool state, struct error *err);

/* The same as text, appended: one line without its newline. Equal definitions have equal texts. Of an instance it is only what
 * the organization says itself. */
int schedule_entry_format(struct buffer *out, const char *org, const struct schedule *schedule, bool state,
                          struct error *err) MUST_CHECK;
