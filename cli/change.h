/* change.h - calls of functions that change one job or organization and answer with a word. */
#pragma once

#include "cli/cli.h"
#include "common/call.h"

#define ANSWER_BYTES 160

/* Begins a call of a function that changes something: its first argument says who does. */
void change_begin(struct call *call, const char *function, uint32_t lane);

/* Calls `call` and copies the word it answers (or the number, as text). */
int change_call(struct cli *cli, const struct call *call, char ret_answer[ANSWER_BYTES], struct error *err) MUST_CHECK;

/* Calls `function` (cancel, redrive, delete, ...) for one job. `due_ms` is its last argument; -1: it has none. */
int change_job(struct cli *cli, const char *function, const char *org, const char *id, int64_t due_ms,
               char ret_answer[ANSWER_BYTES], struct error *err) MUST_CHECK;

/* Adds what was answered about a job to the JSON on stdout; nothing in a table, where notes on stderr say it. */
struct changes;
struct changes *changes_new(struct cli *cli);
void changes_add(struct changes *changes, const char *name, const char *answer);
void changes_end(struct changes *changes);
