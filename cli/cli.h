/* cli.h - what every command of `rota` works with: its settings, its output, and how it tells what happened.
 *
 * Data goes to stdout, everything else to stderr. A command returns an exit status (sysexits), or a negative error code with
 * `err` filled: then main tells the error and exits with error_exit_code of it, or with what cli_fail chose. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>

#include "cli/command.h"
#include "cli/output.h"
#include "common/config.h"
#include "common/deployment.h"
#include "common/error.h"
#include "common/id.h"

#define EXIT_FAILED 1 /* the job did not end well; something is wrong */

struct ev_loop;
struct redis;

struct cli {
    const struct command *command;
    struct config *config;
    struct ev_loop *loop;
    struct output output;
    struct redis *redis; /* these three after cli_connect (connection.h) */
    struct deployment deployment;
    unsigned sent;         /* calls under way */
    bool sent_failed;      /* one of them; */
    struct error sent_err; /* and why */
    int failure_status;    /* what cli_fail chose; 0: nothing */
    char hint[320];        /* what cli_hint said; "" */
    int status;            /* the worst that cli_complain told; 0 */
};

/* Fills `err`; the program will end with `status`. Returns a negative code. */
int cli_fail(struct cli *cli, struct error *err, int status, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The same with EX_USAGE, for an `err` that is filled already, or a message of its own. */
int cli_misused(struct cli *cli, struct error *err);
int cli_usage(struct cli *cli, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What to try, as the next error tells it ("rota job list acme"). Otherwise the error that ends the program tells what follows
 * from its status, and a complaint tells nothing. */
void cli_hint(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Tells an error and goes on: cli->status will be `status`, unless it is set already. */
void cli_complain(struct cli *cli, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* One line on stderr for people: what was done, how to undo it. Nothing with --quiet and in JSON. */
void cli_note(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Tells an error as it was asked for: one line with what to try, or {"error": {"code", "message", "hint"}}. `hint` may be NULL:
 * then what follows from the status, and "" for none. `command` is NULL if none is known. */
void cli_print_error(enum output_format format, const struct command *command, int status, const char *message, const char *hint);

/* True if the user agrees: asks on a terminal; elsewhere --yes (`cli.yes`) must have been given. False fills `err`. */
bool cli_confirm(struct cli *cli, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

int cli_argument_count(const struct cli *cli);
const char *cli_argument(const struct cli *cli, int index);

/* An argument that must be an organization, or a job; wrong ones are misuse. */
int cli_org(struct cli *cli, const char *text, struct error *err) MUST_CHECK;
int cli_job(struct cli *cli, const char *text, char ret_org[NAME_BYTES_MAX + 1], char ret_id[JOB_ID_BYTES_MAX + 1],
            struct error *err) MUST_CHECK;

/* A moment that is given as a time (RFC 3339 or epoch ms). With `from_ms` > 0 also as a duration from then on. */
int cli_moment(struct cli *cli, const char *text, const char *what, int64_t from_ms, int64_t *ret_ms,
               struct error *err) MUST_CHECK;
