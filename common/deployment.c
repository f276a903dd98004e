#include "common/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/access_check.h"
#include "common/call.h"
#include "common/clock.h"
#include "common/deployment_judge.h"
#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"
#include "common/readme.h"
#include "common/redis_tls.h"
#include "common/server_check.h"
#include "common/server_facts.h"

#define CALL_TIMEOUT_MS 5000
#define UP_TIMEOUT_MS   10000

/* One check: fetch, judge, and then, if asked to, load, fix_lanes, set_up_lanes, write_meta. Each step sends its calls; when all
 * of them are answered `next` runs, or the check ends with the first error. */
struct check {
    struct redis *redis;
    struct deployment_options options;
    deployment_cb *cb;
    void *ctx;
    struct call call;
    unsigned waiting;
    void (*next)(struct check *check);
    struct error err;
    bool failed;
    struct server_facts facts;
    struct error load_err; /* why FUNCTION LOAD did not work */
    bool made_anew;        /* something was set up that was not there */
    struct deployment found;
};

/* ---- steps ---- */

static void fail(struct check *check, const struct error *err, const char *context)
{
    if (check->failed)
        return;
    check->failed = true;
    check->err = *err;
    if (context)
        error_wrap(&check->err, "%s", context);
}

static void finish(struct check *check)
{
    check->cb(check->failed ? NULL : &check->found, check->failed ? &check->err : NULL, check->ctx);
    server_facts_clear(&check->facts);
    call_clear(&check->call);
    free(check);
}

/* Sends check->call; `on_answer` ends with answered(). */
static void ask(struct check *check, redis_cb *on_answer)
{
    check->waiting++;
    redis_send(check->redis, &check->call, CALL_TIMEOUT_MS, on_answer, check);
}

static void answered(struct check *check)
{
    if (--check->waiting > 0)
        return;
    if (check->failed)
        finish(check);
    else
        check->next(check);
}

static void on_facts(struct server_facts *facts, const struct error *err, void *ctx)
{
    struct check *check = ctx;

    server_facts_clear(&check->facts);
    if (facts)
        check->facts = *facts; /* takes */
    if (err)
        fail(check, err, NULL);
    answered(check);
}

static void fetch(struct check *check, void (*next)(struct check *check))
{
    check->next = next;
    check->waiting++;
    server_facts_fetch(check->redis,
                       &(struct server_questions){.read_config = check->options.may_read_config,
                                                  .brief = check->options.brief && !check->options.set_up,
                                                  .role = check->options.role,
                                                  .try_dangers = check->options.require_acl},
                       on_facts, check);
}

/* ---- judging ---- */

static int check_access(struct check *check, const struct server_answers *answers, struct error *err)
{
    const struct access access = {.address = redis_address(check->redis),
                                  .user = redis_user(check->redis),
                                  .is_local = redis_is_local(check->redis),
                                  .is_encrypted = redis_is_encrypted(check->redis),
                                  .has_tls = redis_tls_is_built(),
                                  .acl = &check->facts.acl};

    return access_check(&access, answers, &check->options, &check->found, err);
}

/* ---- what the check found, for the others ---- */

static void add_field(struct call *call, const char *name, const char *value)
{
    call_add_string(call, name);
    call_add_string(call, value);
}

static int64_t server_now_ms(const struct check *check)
{
    return clock_wall_ms() + check->found.clock_offset_ms;
}

/* To check->call, an HSET of rota:meta. */
static void add_level(struct check *check)
{
    struct call *call = &check->call;

    add_field(call, "level", durability_name(check->found.level));
    add_field(call, "run_id", deployment_level_is_verified(&check->facts, &check->found) ? check->found.run_id : "");
    call_add_string(call, "checked_ms");
    call_add_int(call, server_now_ms(check));
}

static void on_written(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;

    (void)reply;
    if (err)
        fail(check, err, KEY_META);
    answered(check);
}

/* The server is weaker than declared. The others cannot see that: they go by what is written here. */
static void tell_level(struct check *check)
{
    call_command(&check->call, "HSET");
    call_add_string(&check->call, KEY_META);
    add_level(check);
    ask(check, on_written);
}

static void load(struct check *check);
static void fix_lanes(struct check *check);

static void judge(struct check *check)
{
    const struct server_answers answers = {.info = check->facts.info,
                                           .config_pairs = (const char *const *)check->facts.config_pairs,
                                           .clock_offset_ms = check->facts.clock_offset_ms,
                                           .round_trip_ms = check->facts.round_trip_ms};
    struct error err;

    check->found.lanes = (uint32_t)check->facts.lanes;
    check->found.clock_offset_ms = check->facts.clock_offset_ms;
    check->found.level = check->options.durability; /* until it is known */
    if (server_check(&answers, &check->options, &check->found, &err) < 0 || check_access(check, &answers, &err) < 0 ||
        deployment_judge_setup(&check->facts, &check->options, &err) < 0 ||
        deployment_judge_library(&check->facts, &check->options, redis_user(check->redis), &err) < 0 ||
        deployment_judge_level(&check->facts, &check->options, &check->found, &err) < 0) {
        fail(check, &err, NULL);
        if (check->options.set_up && check->facts.config_pairs && check->facts.schema > 0 &&
            check->found.level < check->options.durability)
            tell_level(check);
        else
            finish(check);
        return;
    }
    if (!check->options.set_up)
        finish(check);
    else if (check->facts.library == LIBRARY_ABSENT)
        load(check);
    else
        fix_lanes(check);
}

/* ---- setting up ---- */

static void on_loaded(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;

    (void)reply;
    check->made_anew = true;
    if (err && err->code != ERR_PROTOCOL)
        fail(check, err, "FUNCTION LOAD");
    else if (err)
        check->load_err = *err; /* perhaps somebody else was faster: looking again decides */
    answered(check);
}

static void after_load(struct check *check)
{
    struct error err;

    if (check->facts.library == LIBRARY_SAME) {
        fix_lanes(check);
        return;
    }
    if (deployment_judge_library(&check->facts, &check->options, redis_user(check->redis), &err) == 0)
        error_set(&err, ERR_LIBRARY, "the function library %s cannot be loaded: %s", library_name(), check->load_err.message);
    fail(check, &err, NULL);
    finish(check);
}

/* Loads the library, which never replaces one, and looks what is there afterwards. */
static void load(struct check *check)
{
    call_command(&check->call, "FUNCTION");
    call_add_string(&check->call, "LOAD");
    call_add_string(&check->call, library_text());
    ask(check, on_loaded);
    fetch(check, after_load);
}

static void on_lanes(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;
    struct error setup_err;

    if (err) {
        fail(check, err, KEY_META);
    } else {
        check->facts.lanes = reply_int(reply);
        check->found.lanes = (uint32_t)check->facts.lanes;
        if (deployment_judge_setup(&check->facts, &check->options, &setup_err) < 0 ||
            deployment_judge_lanes(&check->facts, &setup_err) < 0)
            fail(check, &setup_err, NULL);
    }
    answered(check);
}

static void set_up_lanes(struct check *check);

/* The first one to write the number of lanes decides it. */
static void fix_lanes(struct check *check)
{
    struct call *call = &check->call;
    int64_t lanes = check->facts.lanes > 0 ? check->facts.lanes : check->options.lanes > 0 ? check->options.lanes : 1;

    check->next = set_up_lanes;
    call_command(call, "HSETNX");
    call_add_string(call, KEY_META);
    call_add_string(call, "lanes");
    call_add_int(call, lanes);
    ask(check, on_written);
    call_command(call, "HGET");
    call_add_string(call, KEY_META);
    call_add_string(call, "lanes");
    ask(check, on_lanes);
}

static void on_lane(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;
    struct error setup_err;

    if (err && err->code == ERR_INVALID)
        error_set(&setup_err, ERR_SETUP, "%s", err->message);
    if (err)
        fail(check, err->code == ERR_INVALID ? &setup_err : err, "set up a lane");
    else if (reply_is(reply, "new"))
        check->made_anew = true;
    answered(check);
}

static void make_inbox(struct check *check);
static void write_meta(struct check *check);

static void set_up_lanes(struct check *check)
{
    check->next = write_meta;
    make_inbox(check);
    for (uint32_t lane = 0; lane < check->found.lanes; lane++) {
        call_function(&check->call, "setup", lane);
        call_add_int(&check->call, check->found.lanes);
        call_add_int(&check->call, lane);
        ask(check, on_lane);
    }
}

static void on_inbox_made(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;

    (void)reply;
    if (err && err->code != ERR_PROTOCOL) /* its id is taken: somebody else was faster */
        fail(check, err, KEY_INBOX);
    answered(check);
}

static void on_inbox(const struct reply *reply, const struct error *err, void *ctx)
{
    struct check *check = ctx;

    if (err) {
        fail(check, err, KEY_INBOX);
    } else if (reply_int(reply) == 0) {
        call_command(&check->call, "XADD");
        call_add_string(&check->call, KEY_INBOX);
        add_field(&check->call, "MAXLEN", "0"); /* of one that has entries it removes none: the id is refused before */
        add_field(&check->call, "0-1", "empty");
        call_add_string(&check->call, "1");
        ask(check, on_inbox_made);
    }
    answered(check);
}

/* Producers append with NOMKSTREAM, so that one in the wrong database is told: the stream is there from the start, and empty. */
static void make_inbox(struct check *check)
{
    call_command(&check->call, "EXISTS");
    call_add_string(&check->call, KEY_INBOX);
    ask(check, on_inbox);
}

static void write_meta(struct check *check)
{
    struct call *call = &check->call;
    char library_field[64];

    snprintf(library_field, sizeof library_field, "library:%s", library_name());
    check->next = finish;
    if (check->made_anew || check->facts.schema < 1) {
        call_command(call, "SET");
        call_add_string(call, KEY_README);
        call_add_string(call, readme_text());
        ask(check, on_written);
    }
    call_command(call, "HSETNX");
    call_add_string(call, KEY_META);
    call_add_string(call, "created_ms");
    call_add_int(call, server_now_ms(check));
    ask(check, on_written);
    call_command(call, "HSET");
    call_add_string(call, KEY_META);
    add_field(call, "abi", library_abi());
    add_field(call, library_field, library_sha256());
    add_field(call, "durability", durability_name(check->options.durability));
    add_level(check);
    call_add_string(call, "schema");
    call_add_int(call, DEPLOYMENT_SCHEMA);
    ask(check, on_written);
}

/* ---- for everybody ---- */

static const char *const durability_names[] = {
    [DURABILITY_MEMORY] = "memory", [DURABILITY_EVERYSEC] = "everysec", [DURABILITY_DISK] = "disk"};

const char *durability_name(enum durability durability)
{
    return durability_names[durability];
}

int durability_parse(enum durability *ret, const char *name, struct error *err)
{
    for (unsigned i = 0; i < sizeof durability_names / sizeof *durability_names; i++)
        if (strcmp(durability_names[i], name) == 0) {
            *ret = (enum durability)i;
            return 0;
        }
    return error_set(err, ERR_INVALID, "durability \"%.40s\" must be disk, everysec or memory", name);
}

void deployment_check(struct redis *redis, const struct deployment_options *options, deployment_cb *cb, void *ctx)
{
    struct check *check = memory_new(sizeof *check);

    check->redis = redis;
    check->options = *options;
    check->cb = cb;
    check->ctx = ctx;
    fetch(check, judge);
}

/* An outcome that somebody waits for. */
struct wait {
    struct deployment found;
    struct error err;
    bool done, failed;
};

static void on_outcome(const struct deployment *found, const struct error *err, void *ctx)
{
    struct wait *wait = ctx;

    wait->done = true;
    wait->failed = err != NULL;
    if (err)
        wait->err = *err;
    else
        wait->found = *found;
}

int deployment_check_wait(struct redis *redis, const struct deployment_options *options, struct deployment *ret,
                          struct error *err)
{
    struct wait wait = {.done = false};

    if (redis_wait_up(redis, UP_TIMEOUT_MS, err) < 0)
        return err->code;
    deployment_check(redis, options, on_outcome, &wait);
    redis_run_until(redis, &wait.done);
    if (wait.failed) {
        *err = wait.err;
        return err->code;
    }
    *ret = wait.found;
    return 0;
}
