/* schedule.h - a schedule of an organization, or of every one, as it stands in Redis (lua/lib/schedule.lua, lua/lib/template.lua,
 * docs/PROTOCOL.md): what it is, and when it is due.
 *
 * A due time comes from the recurrence; the schedule's window of time bounds it (from, until), and its spread puts every
 * schedule off by an offset of its own, always the same one, so that those of many organizations do not come at once. The
 * job's id names the due time, not the moment it was enqueued. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "common/turns.h"

struct recurrence;
struct reply;
struct call;

#define SCHEDULE_NAME_BYTES_MAX 48
#define SCHEDULE_WINDOW_MS_MIN  1000LL
#define SCHEDULE_WINDOW_MS_MAX  (366LL * 24 * 3600 * 1000)
#define SCHEDULE_SPREAD_MS_MAX  (31LL * 24 * 3600 * 1000)

/* What becomes of due times that nobody could serve in time. */
enum schedule_missed {
    MISSED_SKIP, /* nothing */
    MISSED_ONCE, /* the newest of them runs, if it is not older than the window */
    MISSED_ALL,  /* each one runs that is not older than the window */
};
extern const char *const schedule_missed_words[]; /* by number; NULL behind the last */

/* What happens if the job of the due time before is not over. */
enum schedule_overlap {
    OVERLAP_ALLOW,          /* they run beside each other */
    OVERLAP_SKIP,           /* the due time passes without a job */
    OVERLAP_QUEUE_ONE,      /* it runs when that is over; only the newest of several */
    OVERLAP_CANCEL_RUNNING, /* that is cancelled, and then it runs */
};
extern const char *const schedule_overlap_words[];

struct schedule {
    char name[SCHEDULE_NAME_BYTES_MAX + 1];
    /* The definition. Strings are owned. */
    char *recurrence;         /* as recurrence_format() gives it */
    unsigned missed, overlap; /* enum schedule_missed, schedule_overlap */
    int64_t window_ms;        /* how late a due time may run; of MISSED_SKIP: how late is still in time */
    int64_t spread_ms, offset_ms;
    int64_t from_ms, until_ms; /* 0: unbounded */
    char *record;              /* of its jobs, without a due time: job.h */
    size_t record_bytes;
    /* Its state. */
    int64_t rev, created_ms, changed_ms;
    int64_t next_ms;  /* the next due time; 0: there is none */
    int64_t since_ms; /* due times up to then are not its own: it was defined, changed or resumed */
    int64_t retry_ms;
    int64_t pending_ms; /* a due time whose job waits until the one before is over; 0: there is none */
    bool pending_go;    /* it is over */
    bool paused;
    char *paused_by; /* NULL unless it is paused */
    int64_t paused_ms;
    /* Of one that every organization has, as one of them has it. */
    bool of_all;     /* it is one */
    char *own;       /* fields of its definition, and parts of its record, that are the organization's own; with spaces between */
    char *own_parts; /* those of its record; NULL */
    bool off;        /* its due times pass */
    bool paused_all; /* it is paused for every organization */
    char *own_paused_by; /* who has paused it for this one; NULL: nobody */
    int64_t own_paused_ms;
    /* Of two that take turns: one for all organizations, and one for each. */
    char moves_to[SCHEDULE_NAME_BYTES_MAX + 1]; /* the one of every organization that this one moves to; "": it does not */
    char turns[TURNS_BYTES_MAX];                /* whose due times are whose; "": they are its own */
    /* Of the definition that every organization has. */
    bool removed;   /* its instances go, then it does */
    int64_t walked; /* organizations that were looked at since its times were changed; walking: not yet all */
    bool walking;
    /* Its history: of due times, and of the jobs that are over. */
    int64_t last_ms, late_ms, runs, missed_count, skipped_count, refused_count;
    char last_job[JOB_ID_BYTES_MAX + 1];
    char *refused; /* why the last one that had no job for that had none; NULL */
    int64_t done, failed, failed_since_done, last_ended_ms, last_done_ms;
    char last_outcome[16];
    int64_t unhealthy_ms; /* since when the leader says so; 0: it does not */
    char mended[16];      /* what was wrong with it the last time; "" */
    int64_t mended_ms;
};

/* True for [A-Za-z0-9._-]{1,48}. Otherwise sets `err` (ERR_INVALID). */
bool schedule_name_is_valid(const char *name, struct error *err);

/* Reads the fields and values of a hash (a flat list). Fields of later versions are passed over. One without a record has that
 * of its name in `records` (names and records; NULL: there are none). Fails (ERR_PROTOCOL) if it is not a schedule, or an empty
 * list. */
int schedule_decode(struct schedule *ret, const char *name, const struct reply *fields, const struct reply *records,
                    struct error *err) MUST_CHECK;
void schedule_clear(struct schedule *schedule);

/* How late a due time may run if nobody says: a day; of MISSED_SKIP a minute. */
int64_t schedule_default_window_ms(unsigned missed);

/* Adds the fields of the definition and their values, as schedule_set takes them; of one that is paused also by whom and when; of
 * one with turns, which template_set takes, that it is to begin as a shadow. */
void schedule_add_definition(const struct schedule *schedule, struct call *call);

/* Adds one of them, and its value. */
void schedule_add_field(const struct schedule *schedule, const char *name, struct call *call);

/* Its steady place within the spread: 0..spread_ms - 1, the same for the same names for ever (CRC-32 of "org/name"). */
int64_t schedule_offset_ms(const char *org, const char *name, int64_t spread_ms);

/* Its first due time after `after_ms`, from..until; 0 if there is none. */
int64_t schedule_due_after(const struct schedule *schedule, const struct recurrence *recurrence, int64_t after_ms);

/* True if two whole periods and more have passed since one of its jobs was done (or since it was defined, changed or resumed),
 * and it is not paused. */
bool schedule_is_unhealthy(const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms);

/* Adds what template_sync wants to know to its call: the number of the last change, and names and revs, from an answer of
 * `templates` in lane 0. */
void template_add_revs(const struct reply *templates, struct call *call);
