/* schedule_definition.h - what a schedule is to be, from the flags of `rota schedule add` and `rota schedule set`. */
#pragma once

#include "cli/cli.h"
#include "common/job.h"
#include "common/schedule.h"

struct recurrence;

/* A definition in the making. */
struct definition {
    char org[NAME_BYTES_MAX + 1]; /* "": of every organization */
    struct schedule old;          /* what it takes the place of; rev 0: nothing */
    struct schedule schedule;
    struct recurrence *recurrence;
    struct job_record record; /* its payload is `payload`, or stands in `old` */
    char *payload;
};

/* Takes `old` over, to be changed. Fails if it cannot be read. */
int definition_read_old(struct definition *definition, struct error *err) MUST_CHECK;

/* Takes over what the flags and arguments say; `org` and `schedule.name` are set. */
int definition_read_flags(struct cli *cli, struct definition *definition, struct error *err) MUST_CHECK;

/* Its next due time: one that is due at the same times as before keeps the next of them, which may have come already. 0: none. */
int64_t definition_next_ms(const struct definition *definition, int64_t now_ms);

void definition_clear(struct definition *definition);
