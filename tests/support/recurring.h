/* recurring.h - schedules of a deployment under test (pool.h), and which of their due times have a job. */
#pragma once

#include "tests/support/rota.h"

/* `rota schedule add ORG/NAME t FLAG...`: its jobs are of type t. When it is due next. */
#define RECURRING(pool, name, ...) recurring_add(pool, name, (const char *const[]){__VA_ARGS__, NULL})
int64_t recurring_add(struct pool *pool, const char *name, const char *const *flags);

/* The same by a call of the function, where there are very many: due once, at `due_ms`. */
void recurring_add_once(struct pool *pool, const char *org, const char *name, int64_t due_ms);

/* A field of its hash as a number. `name` is org/name. */
int64_t recurring_field(struct pool *pool, const char *name, const char *field);

/* The job of a due time: its id; where it is, "" if there is none. */
const char *recurring_job(struct pool *pool, const char *name, int64_t due_ms);
const char *recurring_place(struct pool *pool, const char *name, int64_t due_ms);

/* Due times from..to, a second apart, that have a job. */
unsigned recurring_served(struct pool *pool, const char *name, int64_t from_ms, int64_t to_ms);

/* Pauses it, and fails unless each of its due times from `first_ms` on, a second apart, has had one job, and nothing else was
 * counted. Returns how many there were. */
unsigned recurring_check_each_once(struct pool *pool, const char *name, int64_t first_ms);
