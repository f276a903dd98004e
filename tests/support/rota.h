/* rota.h - the command line as a test types it.
 *
 *     struct ran ran = ROTA(pool, "push", "acme", "wc", "four");
 *
 *     assert_int_equal(ran.status, 0);
 *     assert_string_equal(ran.out, "acme/...\n"); */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "tests/support/pool.h"

/* How it went; texts belong to the pool. */
struct ran {
    int status; /* or 128 + the signal's number */
    const char *out, *err;
    size_t out_bytes;
};

/* For cmocka: a pool on which `rota setup` has made one lane, or four; and a test that has one. Torn down by pool_teardown. */
int rota_setup(void **state);
int rota_setup_lanes(void **state);
#define ROTA_LANES            4
#define ROTA_TEST(name)       cmocka_unit_test_setup_teardown(name, rota_setup, pool_teardown)
#define ROTA_TEST_LANES(name) cmocka_unit_test_setup_teardown(name, rota_setup_lanes, pool_teardown)

/* Runs `rota` on the pool's Redis with `arguments` (NULL-terminated) and `input` (NULL: none) on stdin; waits for its end. */
struct ran rota_run(struct pool *pool, const char *input, const char *const *arguments);
#define ROTA(pool, ...)            rota_run(pool, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define ROTA_FED(pool, input, ...) rota_run(pool, input, (const char *const[]){__VA_ARGS__, NULL})

/* The same, and must exit with `status`; what it printed is shown where it does not. */
struct ran rota_must(struct pool *pool, int status, const char *const *arguments);
#define ROTA_MUST(pool, status, ...) rota_must(pool, status, (const char *const[]){__VA_ARGS__, NULL})

/* A file in the pool's directory with this text; its path. */
const char *write_text(struct pool *pool, const char *name, const char *text);

/* What it printed, as JSON, which it must be. Gives: json_decref. */
json_t *ran_json(const struct ran *ran);

/* Member `name` of an object as a text, which it must be; as a number. */
const char *json_text(const json_t *object, const char *name);
json_int_t json_number(const json_t *object, const char *name);

/* The object of a list whose member `name` is `text`; NULL if there is none. Borrowed from `list`. */
json_t *json_find(json_t *list, const char *name, const char *text);

/* What was printed has `part`. */
void assert_has(const char *text, const char *part);
