/* An error reply means an unchanged database: arguments that are refused, keys of a wrong type, a full memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define TOKEN "0123456789abcdef"

/* ---- Arguments ---- */

static const struct {
    const char *function, *arguments;
} refused[] = {
    {"claim", ""},
    {"claim", "w1"},
    {"claim", "w1 short 1 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN "0 1 0 1 default 0 1 * 1000"},
    {"claim", "W1 " TOKEN " 1 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN},
    {"claim", "w1 " TOKEN " -1 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 33 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1.5 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " x 0 1 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1 0"},
    {"claim", "w1 " TOKEN " 1 0 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1 0 17 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1 0 1 Default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1 0 1 default"},
    {"claim", "w1 " TOKEN " 1 0 2 default 0 1 * 1000"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 0"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 65 * 1000"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 1"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 1 *"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 1 * 0"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 1 * 68719476737"},
    {"claim", "w1 " TOKEN " 1 0 1 default 0 2 * 1000"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done -1 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done x r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 1.5 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 70368744177665 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r acme/running " TOKEN " undone 0 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done_ 0 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " release007 0 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " retry10 0 r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 2 note 40 ="},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 0 note 40 ="},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 note"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 note 40"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 note 101 ="},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 note x ="},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 note 40 data"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 log 0"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 log -1 text"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 log x text"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 jobs 1 child"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 jobs 0"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 jobs 65 child r"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " done 0 r + 1 jobs 1 child norecord"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " dead 0 r + 1 jobs 1 child norecord"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " retry 0 5 0 r + 1 other 1"},
    {"finish", "w1 " TOKEN " 1 0 1 default 0 1 * 1000 acme/running " TOKEN " release 5 1011 0 r"},
    {"note", ""},
    {"note", "w1"},
    {"note", "W1 acme/running " TOKEN " 1 = 1"},
    {"note", "w1 acme/running " TOKEN " 1 ="},
    {"note", "w1 acme/running " TOKEN " 101 = 1"},
    {"note", "w1 acme/running " TOKEN " 1 x 1"},
    {"note", "w1 acme/running " TOKEN " 1 = 0"},
    {"note", "w1 acme/running " TOKEN " 1 = 68719476737"},
    {"note", "w1 running " TOKEN " 1 = 1"},
    {"note", "w1 acme/running " TOKEN " 1 = 1 acme/running " TOKEN " 1 = 1"},
    {"beat", ""},
    {"beat", "W1"},
    {"order", ""},
    {"order", "tester w1"},
    {"order", "tester w1 dance"},
    {"order", "tester W1 quiet"},
    {"order", "\t w1 quiet"},
    {"close", "w1"},
    {"close", "w1 0"},
    {"close", "w1 65"},
    {"close", "W1 1"},
    {"watch", ""},
    {"watch", "-1 0 1"},
    {"watch", "0 -1 1"},
    {"watch", "0 0 0"},
    {"watch", "0 0 501"},
    {"recover", "w1 1"},
    {"recover", "w1 1 0"},
    {"recover", "w1 1 65"},
    {"recover", "W1 1 1"},
    {"cancel", ""},
    {"cancel", "\t acme job1"},
    {"cancel", "tester acme"},
    {"cancel", "tester acme bad/id"},
    {"cancel", "tester Acme job1"},
    {"reschedule", "tester acme ready"},
    {"reschedule", "tester acme ready -1"},
    {"reschedule", "tester acme ready 1.5"},
    {"reschedule", "tester acme ready 70368744177665"},
    {"reschedule", "tester acme bad/id 0"},
    {"reschedule", "tester Acme ready 0"},
    {"redrive", "tester acme"},
    {"redrive", "tester Acme dead"},
    {"delete", "tester acme"},
    {"delete", "tester Acme dead"},
    {"org", ""},
    {"org", "Acme"},
    {"job", "acme"},
    {"job", "acme bad/id"},
    {"job", "Acme job1"},
    {"trim", ""},
    {"org_delete", "tester acme"},
    {"org_delete", "tester acme end"},
    {"org_delete", "tester acme step"},
    {"org_delete", "tester acme step 0"},
    {"org_delete", "tester acme take 501"},
    {"org_delete", "tester Acme begin"},
    {"lead", ""},
    {"explain", "acme"},
    {"explain", "Acme job1"},
    {"explain", "acme job/1"},
    {"audit", ""},
    {"audit", "tester x 10 1"},
    {"audit_jobs", "tester acme"},
    {"audit_jobs", "tester acme -1 10 1"},
    {"org_set", "tester acme weight 1e3"},
    {"org_set", "tester acme weight 0x10"},
    {"org_set", "tester acme weight +5"},
    {"org_set", "tester acme rate 1e3"},
};

/* One job in each place, another organization, an open session w1 that holds "running". */
static struct lane_lease make_work(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    static const char *const ends[] = {"done", "dead"};
    for (size_t i = 0; i < 2; i++) {
        lane_enqueue(f, "acme", ends[i], &(struct lane_record){.key = ends[i]});
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, ends[i]);
    }
    lane_enqueue(f, "acme", "cancelled", NULL);
    lane_call(f, "cancel", "tester acme cancelled");
    lane_enqueue(f, "acme", "running", &(struct lane_record){.key = "running"});
    struct lane_lease running = lane_claim_one(f, "w1");
    lane_enqueue(f, "acme", "ready", NULL);
    lane_enqueue(f, "acme", "later", &(struct lane_record){.delay_ms = 1000});
    lane_enqueue(f, "acme", "other", NULL);
    lane_enqueue(f, lane_org(f, 1), "job", NULL);
    return running;
}

static void refused_arguments_change_nothing(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        redisReply *reply = lane_call(f, refused[i].function, refused[i].arguments);
        if (reply->type != REDIS_REPLY_ERROR)
            fail_msg("%s %s was accepted", refused[i].function, refused[i].arguments);
        assert_error(reply, "INVALID");
        if (strcmp(lane_digest(f), before) != 0)
            fail_msg("%s %s changed something", refused[i].function, refused[i].arguments);
    }
}

static void a_finish_of_65_leases_is_refused(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    const char *before = lane_digest(f);

    for (int leases = 64; leases <= 65; leases++) {
        struct args args = {0};
        static const char *const claim[] = {"nobody", TOKEN, "0", "0", "1", "default", "0", "1", "*", "1000"};
        for (size_t i = 0; i < sizeof claim / sizeof claim[0]; i++)
            args_text(&args, "%s", claim[i]);
        for (int i = 0; i < leases; i++) {
            static const char *const end[] = {"acme/running", TOKEN, "done", "0", ""};
            for (size_t k = 0; k < 5; k++)
                args_text(&args, "%s", end[k]);
        }
        const redisReply *reply = lane_call_args(f, "finish", &args);
        if (leases == 64)
            assert_reply(reply_element(reply, 0), "lost");
        else
            assert_error(reply, "INVALID finish takes");
    }
    assert_string_equal(lane_digest(f), before);
}

/* ---- Keys of a wrong type ---- */

/* A call of each writing function that has something to do after make_work(). "$" is a lease of an acme job, "#" two new records.
 */
static const struct {
    const char *function, *arguments;
    int64_t later_ms; /* the call comes so much later */
} calls[] = {
    {"enqueue", "#", 0},
    {"inbox", "#", 0},
    {"claim", "w1 " TOKEN " 5 0 1 default 0 1 * 1000", 0},
    {"claim", "w1 " TOKEN " 5 1 1 default 0 1 strange 1000", 0},
    {"finish", "$ done", 0},
    {"finish", "$ dead", 0},
    {"finish", "$ release", 0},
    {"finish", "$ retry 5 5", 0},
    {"open", "w2 worker 6000 2000", 0},
    {"beat", "w1", 0},
    {"beat", "w1", 5000},
    {"beat", "w1", 500000},
    {"order", "tester w1 quiet", 0},
    {"order", "tester w1 dump", 0},
    {"close", "w1 64", 0},
    {"recover", "w1 7 64", 100000},
    {"cancel", "tester acme ready", 0},
    {"cancel", "tester acme later", 0},
    {"cancel", "tester acme running", 0},
    {"reschedule", "tester acme ready 1900000000000", 0},
    {"reschedule", "tester acme later 0", 0},
    {"redrive", "tester acme dead cancelled", 0},
    {"delete", "tester acme ready later dead", 0},
    {"trim", "10", 400000000},
    {"org_delete", "tester acme begin", 0},
    {"pause", "me default pause", 0},
    {"pause", "me default resume", 0},
    {"intake", "tester stop because", 0},
    {"intake", "tester resume because", 0},
    {"org_set", "tester acme weight 5 rate 3", 0},
    {"promote", "10", 5000},
    {"audit", "tester 0 10 1", 0},
    {"audit_jobs", "tester acme 0 100 1", 0},
    {"lead", "s1", 0},
};
#define CALLS (sizeof calls / sizeof calls[0])

/* Everything the call will touch, as it is before: returns the lease that "$" stands for. */
static struct lane_lease prepare(struct fixture *f, size_t call)
{
    struct lane_lease lease = {0};

    fixture_reset(f);
    f->check_each = false;
    make_work(f);
    assert_reply(lane_call(f, "open", "s1 scheduler 6000 2000"), "ok");
    if (calls[call].arguments[0] == '$') {
        struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
        lease = got.job[strcmp(got.job[0].org, "acme") != 0];
    }
    clock_advance_ms(f, calls[call].later_ms);
    return lease;
}

static redisReply *send_call(struct fixture *f, size_t call, const struct lane_lease *lease)
{
    struct bytes keyed = lane_record(f, &(struct lane_record){.key = "new", .queue = "bulk"});
    struct bytes delayed = lane_record(f, &(struct lane_record){.delay_ms = 5});

    if (calls[call].arguments[0] == '#')
        return lane_call(f, calls[call].function, "acme 1-0 %b 1-1 %b", keyed.data, keyed.length, delayed.data, delayed.length);
    if (calls[call].arguments[0] == '$')
        return lane_call(f, calls[call].function, "w1 " TOKEN " 0 0 1 default 0 1 * 1000 %s %b %s 1 %s", lease->name,
                         lease->token, (size_t)LANE_TOKEN_BYTES, calls[call].arguments + 2, "");
    return lane_call(f, calls[call].function, calls[call].arguments);
}

/* Puts a value of a wrong type at `key`; gives what was there, as DUMP has it ({NULL} if nothing). */
static struct bytes spoil(struct fixture *f, const char *key)
{
    const redisReply *dump = lane_redis(f, "DUMP %s", key);

    lane_redis(f, "DEL %s", key);
    lane_redis(f, strstr(key, ":beat:") ? "LPUSH %s wrong" : "SET %s wrong", key);
    return (struct bytes){dump->str, dump->len};
}

static void restore(struct fixture *f, const char *key, struct bytes dump)
{
    lane_redis(f, "DEL %s", key);
    if (dump.data)
        lane_redis(f, "RESTORE %s 0 %b", key, dump.data, dump.length);
}

/* What a function reads before it writes anything. */
static const struct {
    const char *function; /* all its calls above */
    const char *keys;     /* key parts with spaces between them */
} read_first[] = {
    {"enqueue", "clock org:acme org:acme:jobs org:acme:unique org:acme:ready:default org:acme:scheduled orgs"},
    {"inbox", "clock org:acme org:acme:jobs org:acme:unique org:acme:ready:default org:acme:scheduled inbox_seen orgs"},
    {"claim", "clock session:w1 parked:default"},
    {"finish", "clock session:w1 held:w1 org:acme org:acme:state"},
    {"open", "clock sessions session:w2"},
    {"beat", "clock session:w1 held:w1"},
    {"order", "clock session:w1"},
    {"close", "clock"},
    {"recover", "clock session:w1 sessions"},
    {"cancel", "clock org:acme org:acme:jobs org:acme:state org:acme:ready:default"},
    {"reschedule", "clock org:acme org:acme:jobs org:acme:state org:acme:ready:default"},
    {"redrive", "clock org:acme org:acme:jobs org:acme:state org:acme:dead"},
    {"delete", "clock org:acme org:acme:jobs org:acme:state org:acme:ready:default"},
    {"trim", "clock inbox_seen expiring"},
    {"org_delete", "clock org:acme org:acme:running org:acme:jobs"},
    {"pause", "clock"},
    {"intake", "clock"},
    {"org_set", "clock org:acme orgs"},
    {"promote", "clock due org:acme org:acme:scheduled org:acme:state"},
    {"audit", "clock orgs org:acme"},
    {"audit_jobs", "clock org:acme org:acme:jobs"},
    {"lead", "clock session:s1"},
};

static void a_key_of_a_wrong_type_that_is_read_first_stops_the_call_before_any_change(void **state)
{
    struct fixture *f = *state;

    for (size_t call = 0; call < CALLS; call++) {
        size_t row = 0;
        while (strcmp(read_first[row].function, calls[call].function) != 0)
            row++;
        char *keys = strdup(read_first[row].keys), *rest = keys, *part;
        while ((part = strsep(&rest, " "))) {
            struct lane_lease lease = prepare(f, call);
            spoil(f, lane_key(f, "%s", part));
            const char *before = lane_digest(f);

            redisReply *reply = send_call(f, call, &lease);

            if (reply->type != REDIS_REPLY_ERROR)
                fail_msg("%s %s took a string for %s", calls[call].function, calls[call].arguments, part);
            if (strcmp(lane_digest(f), before) != 0)
                fail_msg("%s %s: %s of a wrong type left changes", calls[call].function, calls[call].arguments, part);
        }
        free(keys);
    }
    fixture_reset(f);
}

/* ---- Rights ---- */

/* Without any one command, a function answers NOPERM before it changes anything, or does not need it. */
static void a_missing_right_is_told_before_any_change(void **state)
{
    struct fixture *f = *state;
    static const char *const commands[] = {
        "del",     "exists",     "hdel",          "hget", "hgetall",         "hlen",  "hmget", "hscan",
        "hset",    "hrandfield", "set",           "time", "unlink",          "xadd",  "zadd",  "zcard",
        "zmscore", "zrange",     "zrangebyscore", "zrem", "zremrangebyrank", "zscan", "zscore"};
    unsigned denied = 0;

    for (size_t call = 0; call < CALLS; call++) {
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            struct lane_lease lease = prepare(f, call);
            const char *before = lane_digest(f);
            lane_redis(f, "ACL SETUSER default -%s", commands[i]);
            redisReply *reply = send_call(f, call, &lease);
            lane_redis(f, "ACL SETUSER default +@all");
            if (reply->type != REDIS_REPLY_ERROR)
                continue;
            denied++;
            assert_error(reply, "NOPERM this user may not call ");
            if (strcmp(lane_digest(f), before) != 0)
                fail_msg("%s %s: without %s it has changed something", calls[call].function, calls[call].arguments, commands[i]);
        }
    }
    assert_true(denied > CALLS * 5);
    fixture_reset(f);
}

static void a_missing_right_to_keys_is_told_before_any_change(void **state)
{
    struct fixture *f = *state;

    for (size_t call = 0; call < CALLS; call++) {
        struct lane_lease lease = prepare(f, call);
        const char *before = lane_digest(f);
        lane_redis(f, "ACL SETUSER default resetkeys ~%s ~%s ~test:now_us", fixture_text(f, "rota:{%u}", f->lane),
                   lane_key(f, "clock"));
        redisReply *reply = send_call(f, call, &lease);
        lane_redis(f, "ACL SETUSER default allkeys");
        assert_error(reply, "NOPERM this user may not call ");
        assert_string_equal(lane_digest(f), before);
    }
    fixture_reset(f);
}

/* ---- Errors halfway ---- */

/* The type of a key that is only written cannot be known without a call for it, which the hot path does not pay for: there an
 * error can come halfway. Because the new place is written before the old one is left, and the audit knows which of two places
 * counts, no job is lost by it. */
static void an_error_halfway_loses_no_job(void **state)
{
    struct fixture *f = *state;
    unsigned halfway = 0;

    for (size_t call = 0; call < CALLS; call++) {
        for (size_t k = 0;; k++) {
            struct lane_lease lease = prepare(f, call);
            const redisReply *keys = lane_redis(f, "KEYS %s", lane_key(f, "*"));
            if (k == keys->elements)
                break;
            const char *key = keys->element[k]->str, *before;
            long long jobs = lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer;
            struct bytes dump = spoil(f, key);
            before = lane_digest(f);
            redisReply *reply = send_call(f, call, &lease);
            if (reply->type != REDIS_REPLY_ERROR || !strcmp(lane_digest(f), before))
                continue;
            halfway++;
            restore(f, key, dump);

            lane_call(f, "audit_jobs", "tester acme 0 100 1");
            lane_call(f, "audit_jobs", "tester %s 0 100 1", lane_org(f, 1));
            lane_call(f, "audit", "tester 0 100 1");

            bool forgets = strstr("delete trim org_delete", calls[call].function) != NULL;
            if (!forgets && lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer < jobs)
                fail_msg("%s %s: with %s of a wrong type a job was lost", calls[call].function, calls[call].arguments, key);
            const redisReply *rest = reply_element(lane_call(f, "audit_jobs", "tester acme 0 100 0"), 2);
            if (rest->elements > 0)
                fail_msg("%s %s: with %s of a wrong type: %s", calls[call].function, calls[call].arguments, key,
                         rest->element[0]->str);
        }
    }
    assert_true(halfway > 10); /* or this test says nothing */
    fixture_reset(f);
}

/* ---- Memory ---- */

static void when_memory_is_full_everything_passes_but_new_jobs(void **state)
{
    struct fixture *f = *state;

    for (size_t call = 0; call < CALLS; call++) {
        struct lane_lease lease = prepare(f, call);
        const char *before = lane_digest(f);
        lane_redis(f, "CONFIG SET maxmemory 1");

        redisReply *reply = send_call(f, call, &lease);

        if (calls[call].arguments[0] == '#') {
            assert_error(reply, "OOM");
            assert_string_equal(lane_digest(f), before);
        } else if (reply->type == REDIS_REPLY_ERROR) {
            fail_msg("%s %s: %s", calls[call].function, calls[call].arguments, reply->str);
        }
        lane_check(f);
    }
    fixture_reset(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_arguments_change_nothing),
        cmocka_unit_test(a_finish_of_65_leases_is_refused),
        cmocka_unit_test(a_key_of_a_wrong_type_that_is_read_first_stops_the_call_before_any_change),
        cmocka_unit_test(a_missing_right_is_told_before_any_change),
        cmocka_unit_test(a_missing_right_to_keys_is_told_before_any_change),
        cmocka_unit_test(an_error_halfway_loses_no_job),
        cmocka_unit_test(when_memory_is_full_everything_passes_but_new_jobs),
    };

    return RUN_IN_LANES("atomic", tests);
}
