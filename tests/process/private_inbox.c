/* private_inbox - producers that may append to the inbox of their organization and to nothing else, and what schedulers do with
 * what they send, good or bad. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "tests/support/rota.h"

#define QUICK_LEAD "--session-timeout", "1s", "--session-beat", "300ms"
#define INBOX      "rota:{0}:org:acme:inbox"
#define GLOBEX     "rota:{0}:org:globex:inbox"

static const char *append(struct pool *pool, const char *key, const char *fields)
{
    return pool_text(pool, "%s", pool_string(pool, pool_text(pool, "XADD %s NOMKSTREAM * %s", key, fields)));
}

static const char *job_of(struct pool *pool, const char *entry)
{
    return pool_text(pool, "p:%s", entry);
}

static void give_inbox(struct pool *pool, const char *org)
{
    ROTA_MUST(pool, 0, "org", "set", org, "--private-inbox", "on");
}

/* A deployment with private inboxes of acme and globex. */
static struct process *start(struct pool *pool)
{
    struct process *scheduler = pool_scheduler(pool, QUICK_LEAD, NULL);

    give_inbox(pool, "acme");
    give_inbox(pool, "globex");
    return scheduler;
}

static void stop(struct process *scheduler)
{
    process_signal(scheduler, SIGTERM);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
}

/* ---- rights ---- */

/* A connection of the user that `rota acl print` has made. Gives. */
static redisContext *connect_producer(struct pool *pool)
{
    struct ran ran = ROTA_MUST(pool, 0, "acl", "print", "--org", "acme", "--user", "ann");
    const char *script =
        pool_text(pool, "sed 's/PASSWORD/secret/' <<'END' | redis-cli -e -s %s\n%sEND\n", server_socket(pool->server), ran.out);
    struct process *cli = process_start(&(struct process_options){
        .program = "/bin/sh", .arguments = (const char *[]){"-c", script, NULL}, .log = pool_path(pool, "acl.log")});
    redisContext *producer = server_connect(pool->server);
    redisReply *reply;

    assert_int_equal(process_wait(cli, PROCESS_MS_MAX), 0);
    assert_string_equal(process_log(cli), "OK\n");
    process_free(cli);
    reply = redisCommand(producer, "AUTH ann secret");
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    return producer;
}

static void a_producer_may_append_and_nothing_else(void **state)
{
    static const char *const forbidden[] = {
        "XRANGE " INBOX " - +",
        "XREAD STREAMS " INBOX " 0",
        "XLEN " INBOX,
        "XDEL " INBOX " 1-1",
        "XTRIM " INBOX " MAXLEN 0",
        "XINFO STREAM " INBOX,
        "XGROUP CREATE " INBOX " g 0",
        "DEL " INBOX,
        "UNLINK " INBOX,
        "RENAME " INBOX " x",
        "COPY " INBOX " x",
        "DUMP " INBOX,
        "TYPE " INBOX,
        "EXISTS " INBOX,
        "EXPIRE " INBOX " 1",
        "MEMORY USAGE " INBOX,
        "XADD " GLOBEX " * type t",
        "XADD rota:inbox * org acme type t",
        "XADD rota:{0}:org:acme:rejected * entry 1-1",
        "XADD rota:{0}:org:acme:inbox2 * type t",
        "XADD rota:{0}:events * kind x",
        "XADD rota:{0}:audit * who ann",
        "FCALL rota_1_enqueue 2 rota:{0} rota:{0}:clock acme j x",
        "FCALL rota_1_org 2 rota:{0} rota:{0}:clock acme",
        "FCALL_RO rota_1_jobs 2 rota:{0} rota:{0}:clock acme ready:default 0 1 0",
        "EVAL return{} 0",
        "EVAL_RO return{} 0",
        "FUNCTION LIST",
        "SCRIPT LOAD return{}",
        "HGETALL rota:{0}:org:acme",
        "HSET rota:{0}:org:acme weight 10000",
        "GET rota:README",
        "HGETALL rota:meta",
        "SET x y",
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        "SELECT 1",
        "FLUSHALL",
        "FLUSHDB",
        "INFO",
        "CONFIG GET *",
        "CONFIG SET maxmemory 1",
        "ACL LIST",
        "ACL SETUSER ann allkeys",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "MONITOR",
        "DEBUG SLEEP 0",
        "SHUTDOWN",
        "SUBSCRIBE x",
        "PUBLISH x y",
        "MULTI",
        "WAIT 0 0",
        "TIME",
    };
    struct pool *pool = *state;
    struct process *scheduler = start(pool);
    redisContext *producer = connect_producer(pool);
    stop(scheduler); /* nobody else changes anything */
    const char *before = pool_text(pool, "%s", pool_string(pool, "DEBUG DIGEST"));

    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        redisReply *reply = redisCommand(producer, forbidden[i]);
        if (!reply || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "NOPERM", 6) != 0)
            fail_msg("%s: %s", forbidden[i], reply && reply->str ? reply->str : "allowed");
        freeReplyObject(reply);
    }
    assert_string_equal(pool_string(pool, "DEBUG DIGEST"), before);

    redisReply *reply = redisCommand(producer, "XADD " INBOX " NOMKSTREAM * type t payload hello");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    const char *id = job_of(pool, reply->str);
    freeReplyObject(reply);
    pool_scheduler(pool, NULL);
    pool_wait_place(pool, "acme", id, "ready");
    redisFree(producer);
}

static void rights_are_printed_for_an_inbox_that_is_there(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "100");

    assert_has(ROTA_MUST(pool, 66, "acl", "print", "--org", "acme").err, "rota org set acme --private-inbox on");
    assert_has(ROTA_MUST(pool, 64, "acl", "print").err, "--org ORG");
    assert_has(ROTA_MUST(pool, 64, "acl", "print", "--org", "acme", "--user", "x ~*").err, "user \"x ~*\" must match");
    struct ran ran = ROTA_MUST(pool, 0, "org", "set", "acme", "--private-inbox", "on");
    assert_has(ran.err, "private-inbox is on (was off, the default)");
    assert_has(ROTA_MUST(pool, 64, "org", "set", "acme", "--private-inbox", "yes").err,
               "private-inbox \"yes\" must be on or off");
    assert_string_equal(ROTA_MUST(pool, 0, "acl", "print", "--org", "acme").out,
                        pool_text(pool,
                                  "ACL SETUSER acme-producer reset on '>PASSWORD' '%%W~rota:{%u}:org:acme:inbox' "
                                  "resetchannels -@all +xadd +ping +hello\n",
                                  lane_of("acme", pool->lanes)));
}

/* ---- entries ---- */

static void an_entry_becomes_a_job_of_the_owner_whatever_it_says(void **state)
{
    struct pool *pool = *state;
    start(pool);
    pool_worker(pool, "--on", "t=cat", NULL);

    const char *plain = job_of(pool, append(pool, INBOX, "type t payload one"));
    const char *forged = job_of(pool, append(pool, INBOX, "org globex type t payload two"));
    const char *odd = job_of(pool, append(pool, INBOX, "org a* type t payload three"));

    pool_wait_place(pool, "acme", plain, "done");
    pool_wait_place(pool, "acme", forged, "done");
    pool_wait_place(pool, "acme", odd, "done");
    assert_string_equal(pool_result(pool, "acme", forged), "two");
    assert_int_equal(pool_number(pool, "EXISTS rota:{0}:org:globex:jobs"), 0);
    WAIT_UNTIL(pool_number(pool, "XLEN " INBOX) == 0);
    assert_int_equal(pool_number(pool, "XLEN rota:{0}:org:acme:rejected"), 0);
}

static void entries_of_one_id_in_both_inboxes_are_two_jobs(void **state)
{
    struct pool *pool = *state;
    stop(start(pool));
    pool_redis(pool, "XADD " INBOX " 4102444800000-7 type t payload private");
    pool_redis(pool, "XADD " GLOBEX " 4102444800000-7 type t payload other");
    pool_redis(pool, "XADD rota:inbox 4102444800000-7 org acme type t payload shared");

    pool_scheduler(pool, QUICK_LEAD, NULL);

    pool_wait_place(pool, "acme", "4102444800000-7", "ready");
    pool_wait_place(pool, "acme", "p:4102444800000-7", "ready");
    pool_wait_place(pool, "globex", "p:4102444800000-7", "ready");
}

/* The last reason that was written down for acme. */
static const char *last_reason(struct pool *pool)
{
    const redisReply *last = pool_redis(pool, "XREVRANGE rota:{0}:org:acme:rejected + - COUNT 1")->element[0]->element[1];

    assert_string_equal(last->element[3]->str, "acme");
    return last->element[5]->str;
}

static void limits_are_those_of_the_organization(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = start(pool);
    char *large = memory_new(2000000);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--max-queued", "2", "--max-payload", "100");
    memset(large, 'x', 2000000);

    append(pool, INBOX, "type t payload 1");
    append(pool, INBOX, "type t colour blue");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:acme:rejected") == 1);
    assert_has(last_reason(pool), "unknown field \"colour\"");
    pool_redis(pool, "XADD " INBOX " * type t payload %b", large, (size_t)101);
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:acme:rejected") == 2);
    assert_string_equal(last_reason(pool), "too_large");
    pool_redis(pool, "XADD " INBOX " * type t payload %b", large, (size_t)2000000);
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:acme:rejected") == 3);
    assert_has(last_reason(pool), "payload has 2000000 bytes, the limit is");
    append(pool, INBOX, "type t payload 2");
    append(pool, INBOX, "type t payload 3");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:acme:rejected") == 4);
    assert_string_equal(last_reason(pool), "queue_full");

    WAIT_UNTIL(pool_number(pool, "XLEN " INBOX) == 0);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 2);
    pool_wait_place(pool, "globex", job_of(pool, append(pool, GLOBEX, "type t payload 4")), "ready");
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
    assert_int_equal(count_text(process_log(scheduler), "private inbox rejected"), 1); /* one line in the log, not four */
    free(large);
}

/* An organization has 16 queues. The entry that would be in another one must not take its neighbours with it. */
static void a_queue_too_many_is_refused_alone(void **state)
{
    struct pool *pool = *state;
    stop(start(pool));
    const char *last = NULL;

    for (int i = 0; i < 20; i++)
        last = job_of(pool, append(pool, INBOX, pool_text(pool, "type t queue q%d", i % 18)));
    pool_scheduler(pool, QUICK_LEAD, NULL);

    pool_wait_place(pool, "acme", last, "ready");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:acme:rejected") == 2);
    assert_has(last_reason(pool), "queue q17 would be number 17 of the organization, the limit is 16");
    assert_int_equal(pool_number(pool, "HLEN rota:{0}:org:acme:jobs"), 18);
}

#define FLOOD 20000

static void flood(struct pool *pool, const char *key, unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        unsigned part = 0;
        for (; part < 1000 && sent < count; part++, sent++)
            redisAppendCommand(pool->redis, "XADD %s * type t payload %u", key, sent);
        while (part-- > 0) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(pool->redis, (void **)&reply), REDIS_OK);
            freeReplyObject(reply);
        }
    }
}

static void a_flood_in_one_inbox_delays_no_other(void **state)
{
    struct pool *pool = *state;
    stop(start(pool));
    flood(pool, INBOX, FLOOD);
    const char *other = job_of(pool, append(pool, GLOBEX, "type t"));
    const char *shared = pool_text(pool, "%s", pool_string(pool, "XADD rota:inbox * org initech type t"));

    pool_scheduler(pool, QUICK_LEAD, NULL);
    pool_wait_place(pool, "globex", other, "ready");
    pool_wait_place(pool, "initech", shared, "ready");
    long long left = pool_number(pool, "XLEN " INBOX);
    int64_t worst_ms = 0;
    while (pool_number(pool, "XLEN " INBOX) > FLOOD / 4) { /* and as long as it lasts */
        const char *id = job_of(pool, append(pool, GLOBEX, "type t"));
        int64_t added_mono_ms = clock_mono_ms();
        pool_wait_place(pool, "globex", id, "ready");
        int64_t took_ms = awake_ms_since(added_mono_ms);
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        pause_ms(20);
    }

    print_message("  %lld of %d entries left when the others' were moved; later ones within %lld ms\n", left, FLOOD,
                  (long long)worst_ms);
    assert_true(left > FLOOD / 2);
    assert_true(worst_ms < 500);
    WAIT_UNTIL_MS(60000, pool_number(pool, "XLEN " INBOX) == 0);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), FLOOD);
}

#define ENTRIES 2000

/* Schedulers die in the middle of moving: each entry is one job all the same. */
static void entries_are_moved_once_whoever_dies(void **state)
{
    struct pool *pool = *state;
    struct process *schedulers[2] = {start(pool), pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL)};
    unsigned cut_short = 0;

    for (unsigned kills = 0; kills < 3; kills++) {
        WAIT_UNTIL(process_said(schedulers[0], " msg=leading") || process_said(schedulers[1], " msg=leading"));
        unsigned leader = process_said(schedulers[0], " msg=leading") ? 0 : 1;
        flood(pool, kills % 2 ? INBOX : GLOBEX, ENTRIES);
        process_kill(schedulers[leader]);
        cut_short += pool_number(pool, "XLEN " INBOX) + pool_number(pool, "XLEN " GLOBEX) > 0;
        schedulers[leader] = pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL);
    }

    WAIT_UNTIL(pool_number(pool, "XLEN " INBOX) + pool_number(pool, "XLEN " GLOBEX) == 0);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), ENTRIES);
    assert_int_equal(pool_count(pool, "globex", "ready:default"), 2 * ENTRIES);
    print_message("  %u of 3 kills cut a round short\n", cut_short);
    assert_true(cut_short > 0);
}

static void a_damaged_organization_holds_up_no_other(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = start(pool);
    pool_redis(pool, "SET rota:{0}:org:acme:jobs damaged");

    const char *stays = job_of(pool, append(pool, INBOX, "type t"));
    process_wait_for(scheduler, "organization acme");
    for (int i = 0; i < 3; i++)
        pool_wait_place(pool, "globex", job_of(pool, append(pool, GLOBEX, "type t")), "ready");
    assert_int_equal(pool_number(pool, "XLEN " INBOX), 1);
    pool_redis(pool, "DEL rota:{0}:org:acme:jobs");

    pool_wait_place(pool, "acme", stays, "ready");
    WAIT_UNTIL(pool_number(pool, "XLEN " INBOX) == 0);
}

static void an_inbox_that_is_switched_off_takes_nothing(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = start(pool);
    process_signal(scheduler, SIGSTOP);
    append(pool, INBOX, "type t");

    assert_has(rota_must(pool, 65, (const char *[]){"org", "set", "acme", "--private-inbox", "off", NULL}).err,
               "has 1 entries that would be lost");
    assert_has(ROTA_MUST(pool, 0, "org", "show", "acme").out, "private-inbox      on");
    process_signal(scheduler, SIGCONT);
    WAIT_UNTIL(pool_number(pool, "XLEN " INBOX) == 0);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--private-inbox", "off");

    assert_string_equal(append(pool, INBOX, "type t"), ""); /* nil */
    assert_int_equal(pool_number(pool, "EXISTS " INBOX), 0);
    pool_wait_place(pool, "globex", job_of(pool, append(pool, GLOBEX, "type t")), "ready");
    give_inbox(pool, "acme");
    pool_wait_place(pool, "acme", job_of(pool, append(pool, INBOX, "type t")), "ready");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_producer_may_append_and_nothing_else),
        cmocka_unit_test_setup_teardown(rights_are_printed_for_an_inbox_that_is_there, pool_setup_lanes, pool_teardown),
        TEST(an_entry_becomes_a_job_of_the_owner_whatever_it_says),
        TEST(entries_of_one_id_in_both_inboxes_are_two_jobs),
        TEST(limits_are_those_of_the_organization),
        TEST(a_queue_too_many_is_refused_alone),
        TEST(a_flood_in_one_inbox_delays_no_other),
        TEST(entries_are_moved_once_whoever_dies),
        TEST(a_damaged_organization_holds_up_no_other),
        TEST(an_inbox_that_is_switched_off_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
