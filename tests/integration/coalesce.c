/* coalescing keys - however many changes there are, one job that has not begun stands for them, and one that has ends first. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

#define CLAIM "w1 %b 0 0 1 default 0 1 * 60000"

/* A change: a push under key k, with what it says as its payload. */
static struct lane_record change_record(unsigned number, const char *says)
{
    return (struct lane_record){.coalesce = "k", .nonce = number, .payload = says, .payload_bytes = strlen(says)};
}

static const char *change(struct fixture *f, unsigned number, const char *says)
{
    struct lane_record record = change_record(number, says);

    return lane_enqueue(f, "acme", fixture_text(f, "c%u", number), &record);
}

/* The same, due at `due_ms` (0: at once). */
static const char *change_at(struct fixture *f, unsigned number, int64_t due_ms, bool earliest)
{
    struct lane_record record = change_record(number, "timed");

    record.due_ms = due_ms;
    record.earliest = earliest;
    return lane_enqueue(f, "acme", fixture_text(f, "c%u", number), &record);
}

/* What stands for key k: "" for nothing. Without the changes that are remembered. */
static const char *standing(struct fixture *f)
{
    const char *entry = lane_field(f, "org:acme:coalesce", "k"), *second = entry ? strchr(entry, ' ') : NULL;

    if (!entry)
        return "";
    return fixture_text(f, "%.*s%s%.*s", (int)strcspn(entry, ", "), entry, second ? " " : "",
                        second ? (int)strcspn(second + 1, ",") : 0, second ? second + 1 : "");
}

static void assert_says(struct bytes record, const char *payload)
{
    size_t bytes = strlen(payload);

    assert_true(record.length > bytes + 1);
    assert_memory_equal(record.data + record.length - bytes, payload, bytes);
    assert_int_equal((unsigned char)record.data[record.length - bytes - 1], 0xa0 + bytes);
}

static size_t claimable(struct fixture *f)
{
    return lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs;
}

/* c1 runs, c2 waits for it. */
static struct lane_lease running_and_waiting(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    assert_string_equal(change(f, 1, "first"), "new");
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(change(f, 2, "second"), "follows c1");
    assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
    return lease;
}

/* ---- one job for many changes ---- */

static void GA_1_a_hundred_changes_make_one_job(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);

    assert_string_equal(change(f, 0, "0"), "new");
    for (unsigned i = 1; i < 100; i++) {
        clock_advance_ms(f, 10);
        assert_string_equal(change(f, i, fixture_text(f, "%u", i)), "merged c0");
    }

    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, "c0");
    assert_says(lease.record, "99");
    assert_int_equal(claimable(f), 0);
    lane_end(f, &lease, "done");
    assert_int_equal(claimable(f), 0);
    assert_string_equal(standing(f), "");
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:acme:coalesce"))->integer, 0);
}

static void GA_2_a_change_while_it_runs_makes_exactly_one_follow_up(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);
    for (unsigned i = 3; i < 50; i++)
        assert_string_equal(change(f, i, fixture_text(f, "%u", i)), "merged c2");

    assert_int_equal(claimable(f), 0);
    clock_advance_ms(f, 10000);
    lane_call(f, "beat", "w1");
    assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 0);
    assert_int_equal(claimable(f), 0);

    assert_string_equal(lane_end(f, &lease, "done"), "ok");
    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
    assert_string_equal(standing(f), "c2");
    lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, "c2");
    assert_says(lease.record, "49");
    assert_string_equal(lane_end(f, &lease, "done"), "ok");
    assert_int_equal(claimable(f), 0);
    assert_string_equal(change(f, 50, "next"), "new");
}

static void it_waits_until_the_last_retry(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    lane_end(f, &lease, "retry 1000 5");
    assert_string_equal(standing(f), "c1 c2");
    assert_string_equal(change(f, 3, "third"), "merged c2");
    assert_int_equal(claimable(f), 0);
    clock_advance_ms(f, 1000);
    assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 1);
    lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, "c1");
    assert_says(lease.record, "first");
    lane_end(f, &lease, "release");
    lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "dead");

    lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, "c2");
    assert_says(lease.record, "third");
}

/* Further claims of the same finish get it at once. */
/* It has begun, though it does not run just now: what it has done so far was before the change. */
static void a_change_between_two_tries_makes_a_follow_up(void **state)
{
    static const char *const verdicts[] = {"retry 1000 5", "release", "release 1000"};
    struct fixture *f = *state;
    lane_open(f, "w1", 600000);

    for (unsigned i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        unsigned number = 10 * i + 1;
        assert_string_equal(change(f, number, "first"), "new");
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_string_equal(lane_end(f, &lease, verdicts[i]), "ok");

        assert_string_equal(change(f, number + 1, "second"), fixture_text(f, "follows c%u", number));
        assert_string_equal(change(f, number + 2, "third"), fixture_text(f, "merged c%u", number + 1));

        clock_advance_ms(f, 1000);
        lane_call(f, "promote", "100");
        lease = lane_claim_one(f, "w1");
        assert_says(lease.record, "first");
        assert_string_equal(lane_end(f, &lease, "done"), "ok");
        lease = lane_claim_one(f, "w1");
        assert_says(lease.record, "third");
        assert_string_equal(lane_end(f, &lease, "done"), "ok");
    }
}

static void the_call_that_ends_the_first_may_claim_the_second(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    struct lane_claimed got =
        lane_finish(f, &(struct lane_claim){.session = "w1", .want = 1}, &(struct lane_end){.lease = &lease}, 1);

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "c2");
}

static void another_key_or_organization_is_another_matter(void **state)
{
    struct fixture *f = *state;
    struct lane_record record = {.coalesce = "k"};
    assert_string_equal(change(f, 1, "first"), "new");

    assert_string_equal(lane_enqueue(f, lane_org(f, 1), "c1", &record), "new");
    record.coalesce = "k2";
    assert_string_equal(lane_enqueue(f, "acme", "other", &record), "new");
    assert_string_equal(lane_enqueue(f, "acme", "keyed", &(struct lane_record){.key = "k"}), "new");
}

/* ---- all ends ---- */

static void end_by_worker(struct fixture *f, const struct lane_lease *lease, const char *verdict)
{
    assert_string_equal(lane_end(f, lease, verdict), "ok");
}

static void end_by_cancel(struct fixture *f, const struct lane_lease *lease, const char *verdict)
{
    assert_reply(lane_call(f, "cancel", "tester acme c1"), "cancelling");
    assert_string_equal(lane_end(f, lease, verdict), "ok");
}

/* It waits for its next attempt. */
static void end_waiting(struct fixture *f, const struct lane_lease *lease, const char *function)
{
    assert_string_equal(lane_end(f, lease, "retry 1000 5"), "ok");
    lane_call(f, function, "tester acme c1");
}

static void end_by_loss(struct fixture *f, const struct lane_lease *lease, const char *ignored)
{
    (void)lease;
    (void)ignored;
    lane_call(f, "org_set", "tester acme max_crashes 1");
    clock_advance_ms(f, 60001);
    lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat"));
    lane_open(f, "w2", 60000);
}

static void end_unheld(struct fixture *f, const struct lane_lease *lease, const char *ignored)
{
    (void)ignored;
    lane_call(f, "org_set", "tester acme max_crashes 1");
    lane_redis(f, "HDEL %s %s", lane_key(f, "held:w1"), lease->name);
    lane_call(f, "audit_jobs", "tester acme 0 100 1");
}

static void however_the_first_ends_the_second_goes_on(void **state)
{
    struct fixture *f = *state;
    static const struct {
        void (*end)(struct fixture *f, const struct lane_lease *lease, const char *how);
        const char *how, *place;
    } rows[] = {
        {end_by_worker, "done", "done"},
        {end_by_worker, "discard", "done"},
        {end_by_worker, "dead", "dead"},
        {end_by_worker, "retry 0 1", "dead"},
        {end_by_cancel, "done", "done"},
        {end_by_cancel, "retry 0 9", "cancelled"},
        {end_waiting, "cancel", "cancelled"},
        {end_waiting, "delete", ""},
        {end_by_loss, "", "dead"},
        {end_unheld, "", "dead"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_reset(f);
        struct lane_lease lease = running_and_waiting(f);
        rows[i].end(f, &lease, rows[i].how);
        assert_string_equal(lane_place(f, "acme", "c1"), rows[i].place);
        assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
        assert_string_equal(standing(f), "c2");
    }
}

/* Without retention nothing is kept of the job but its end. */
static void a_first_one_that_is_forgotten_at_once_lets_the_second_go(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme keep_done_ms 0");
    struct lane_lease lease = running_and_waiting(f);

    lane_end(f, &lease, "done");

    assert_string_equal(lane_place(f, "acme", "c1"), "");
    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
}

static void one_that_has_expired_frees_its_key(void **state)
{
    struct fixture *f = *state;

    for (size_t others = 0; others < 2; others++) {
        struct lane_record record = change_record(1, "first");
        fixture_reset(f);
        lane_open(f, "w1", 60000);
        record.expires_ms = CLOCK_START_MS + 1000;
        lane_enqueue(f, "acme", "c1", &record);
        struct lane_lease lease = lane_claim_one(f, "w1");
        change(f, 2, "second");
        if (others)
            lane_enqueue(f, "acme", "other", NULL);
        lane_end(f, &lease, "release");
        clock_advance_ms(f, 1000);
        assert_string_equal(lane_place(f, "acme", "c1"), "ready:default");

        struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});

        assert_int_equal(got.jobs, 1 + others); /* c2 comes with the next visit of the same call */
        assert_string_equal(lane_place(f, "acme", "c1"), "cancelled");
        assert_string_equal(lane_place(f, "acme", "c2"), "running");
        assert_string_equal(standing(f), "c2");
    }
}

/* The one that waits wants another queue than the claim is about. */
static void one_that_has_expired_lets_one_of_another_queue_go(void **state)
{
    struct fixture *f = *state;
    struct lane_record record = change_record(1, "first");
    lane_open(f, "w1", 60000);
    record.expires_ms = CLOCK_START_MS + 1000;
    lane_enqueue(f, "acme", "c1", &record);
    struct lane_lease lease = lane_claim_one(f, "w1");
    struct lane_record second = change_record(2, "second");
    second.queue = "mail";
    lane_enqueue(f, "acme", "c2", &second);
    lane_end(f, &lease, "release");
    clock_advance_ms(f, 1000);

    assert_int_equal(claimable(f), 0);

    assert_string_equal(lane_place(f, "acme", "c2"), "ready:mail");
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}).jobs, 1);
}

/* It waits for a limit when its time is over: `trim` ends it. */
static void one_that_has_expired_in_a_line_lets_the_next_go(void **state)
{
    struct fixture *f = *state;
    struct lane_record record = change_record(1, "first");
    lane_open(f, "w1", 60000);
    lane_call(f, "limit_set", "me smtp 1 %s %s", "", "");
    record.expires_ms = CLOCK_START_MS + 1000;
    record.limit = "smtp:1";
    lane_enqueue(f, "acme", "c1", &record);
    struct lane_lease lease = lane_claim_one(f, "w1");
    change(f, 2, "second");
    lane_end(f, &lease, "release");
    lane_enqueue(f, "acme", "blocker", &(struct lane_record){.limit = "smtp:1", .priority = 100});
    assert_string_equal(lane_claim_one(f, "w1").id, "blocker");
    assert_int_equal(claimable(f), 0);
    assert_true(lane_has(f, "org:acme:waiting", "c1"));
    clock_advance_ms(f, 1000);

    lane_call(f, "trim", "10");

    assert_string_equal(lane_place(f, "acme", "c1"), "cancelled");
    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
}

/* ---- when ---- */

static void GA_5_a_moved_one_fires_at_the_new_time_only(void **state)
{
    struct fixture *f = *state;
    static const int64_t moves_ms[][2] = {{5000, 9000}, {9000, 5000}};

    lane_open(f, "w1", 60000);
    for (int i = 0; i < 2; i++) {
        int64_t start_ms = clock_ms(f);
        unsigned number = 10 * (unsigned)i;
        assert_string_equal(change_at(f, number, start_ms + moves_ms[i][0], false), "new");
        assert_string_equal(change_at(f, number + 1, start_ms + moves_ms[i][1], false), fixture_text(f, "merged c%u", number));

        clock_set_us(f, (start_ms + moves_ms[i][1] - 1) * 1000);
        assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 0);
        clock_advance_ms(f, 1);
        assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 1);
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, "done");
        clock_advance_ms(f, 30000);
        lane_call(f, "beat", "w1");
        assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 0);
    }
}

static void earliest_moves_it_forward_and_never_back(void **state)
{
    struct fixture *f = *state;
    change_at(f, 1, CLOCK_START_MS + 5000, true);

    change_at(f, 2, CLOCK_START_MS + 9000, true);
    assert_int_equal(lane_score(f, "org:acme:scheduled", "c1"), CLOCK_START_MS + 5000);
    change_at(f, 3, CLOCK_START_MS + 3000, true);
    assert_int_equal(lane_score(f, "org:acme:scheduled", "c1"), CLOCK_START_MS + 3000);
    assert_int_equal(lane_score(f, "due", "acme"), CLOCK_START_MS + 3000);
    change_at(f, 4, 0, true);
    assert_string_equal(lane_place(f, "acme", "c1"), "ready:default");
    change_at(f, 5, CLOCK_START_MS + 9000, true);
    assert_string_equal(lane_place(f, "acme", "c1"), "ready:default");
    change_at(f, 6, CLOCK_START_MS + 9000, false);
    assert_string_equal(lane_place(f, "acme", "c1"), "scheduled");
    assert_false(lane_has(f, "active:default", "acme"));
}

static void one_that_waits_for_another_wants_the_time_that_was_said_last(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    change_at(f, 3, CLOCK_START_MS + 8000, false);
    change_at(f, 4, CLOCK_START_MS + 5000, true);
    change_at(f, 5, CLOCK_START_MS + 9000, true);
    lane_end(f, &lease, "done");

    assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "c2"), CLOCK_START_MS + 5000);
    assert_int_equal(lane_score(f, "due", "acme"), CLOCK_START_MS + 5000);
    assert_string_equal(change(f, 6, "at once"), "merged c2");
    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
}

/* Due while the first one ran: it is late then, and goes where its time says. */
static void a_time_that_has_passed_meanwhile_is_its_place_in_the_queue(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);
    change_at(f, 3, CLOCK_START_MS + 100, false);
    clock_advance_ms(f, 5000);
    lane_enqueue(f, "acme", "later", NULL);

    lane_end(f, &lease, "done");

    assert_int_equal(lane_score(f, "org:acme:ready:default", "c2"), CLOCK_START_MS + 100);
    assert_string_equal(lane_claim_one(f, "w1").id, "c2");
}

static void its_place_is_that_of_the_first_change(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    clock_advance_ms(f, 10);
    lane_enqueue(f, "acme", "other", NULL);
    clock_advance_ms(f, 10);

    change(f, 2, "second");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "c1"), CLOCK_START_MS);
    change_at(f, 3, CLOCK_START_MS + 1000, false);
    change(f, 4, "fourth");

    assert_int_equal(lane_score(f, "org:acme:ready:default", "c1"), CLOCK_START_MS);
    assert_string_equal(lane_claim_one(f, "w1").id, "c1");
}

/* ---- what is merged ---- */

static void the_newest_options_count(void **state)
{
    struct fixture *f = *state;
    struct lane_record second = change_record(2, "second");
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "c1", &(struct lane_record){.type = "a", .coalesce = "k", .nonce = 1, .priority = 3});
    second.type = "b";
    second.queue = "mail";
    second.priority = -2;
    second.timeout_ms = 777;

    assert_string_equal(lane_enqueue(f, "acme", "c2", &second), "merged c1");

    assert_string_equal(lane_place(f, "acme", "c1"), "ready:mail");
    assert_int_equal(lane_score(f, "org:acme:ready:mail", "c1"), CLOCK_START_MS + 2 * 60000);
    assert_false(lane_has(f, "active:default", "acme"));
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail", .types = "b:1000"}).jobs, 1);
    assert_int_equal(lane_score(f, "org:acme:running", "c1"), CLOCK_START_MS + 777 + 15000);
}

static void a_change_does_not_disturb_one_that_waits_for_a_limit(void **state)
{
    struct fixture *f = *state;
    struct lane_record record = change_record(1, "first");
    lane_open(f, "w1", 60000);
    lane_call(f, "limit_set", "me smtp 1 %s %s", "", "");
    record.limit = "smtp:1";
    lane_enqueue(f, "acme", "blocker", &(struct lane_record){.limit = "smtp:1"});
    struct lane_lease blocker = lane_claim_one(f, "w1");
    lane_enqueue(f, "acme", "c1", &record);
    assert_int_equal(claimable(f), 0);
    assert_true(lane_has(f, "org:acme:waiting:smtp:1", "c1"));

    record = change_record(2, "second");
    record.limit = "smtp:1";
    assert_string_equal(lane_enqueue(f, "acme", "c2", &record), "merged c1");
    assert_true(lane_has(f, "org:acme:waiting:smtp:1", "c1"));
    assert_string_equal(change(f, 3, "without a limit"), "merged c1");
    assert_string_equal(lane_place(f, "acme", "c1"), "ready:default");
    assert_int_equal(lane_count(f, "line:smtp:1@acme"), 0);

    lane_end(f, &blocker, "done");
    assert_says(lane_claim_one(f, "w1").record, "without a limit");
}

static void a_change_does_not_wake_one_that_rests(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    lane_claim(f, &(struct lane_claim){.session = "w1", .types = "other:1000"});
    assert_int_equal(lane_score(f, "org:acme:scheduled", "c1"), CLOCK_START_MS + 5000);

    assert_string_equal(change(f, 2, "second"), "merged c1");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "c1"), CLOCK_START_MS + 5000);

    assert_says(lane_claim_one(f, "w1").record, "second"); /* whoever knows the type wakes it */
}

static void a_change_of_queue_forgets_that_it_rested_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct lane_record elsewhere = change_record(2, "elsewhere");
    struct lane_claim strange = {.session = "w1", .types = "other:1000"};
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    lane_claim(f, &strange);
    elsewhere.queue = "mail";
    assert_string_equal(lane_enqueue(f, "acme", "c2", &elsewhere), "merged c1");
    assert_string_equal(lane_place(f, "acme", "c1"), "ready:mail");
    strange.queues = "mail";
    lane_claim(f, &strange);
    assert_string_equal(lane_place(f, "acme", "c1"), "scheduled");

    assert_int_equal(claimable(f), 0); /* of the other queue, by a worker that knows its type */

    assert_string_equal(lane_place(f, "acme", "c1"), "scheduled");
}

static void changes_of_one_batch_are_merged_too(void **state)
{
    struct fixture *f = *state;
    struct args args = {0};
    lane_open(f, "w1", 60000);
    args_text(&args, "acme");
    for (unsigned i = 0; i < 6; i++) {
        struct lane_record record = change_record(i, fixture_text(f, "%u", i));
        if (i % 3 == 2)
            record.coalesce = NULL;
        if (i == 4)
            record.queue = "mail";
        struct bytes packed = lane_record(f, &record);
        args_text(&args, "c%u", i == 5 ? 3 : i); /* the last one has the id of one that was merged, which is free */
        args_add(&args, packed.data, packed.length);
    }

    const redisReply *reply = lane_call_args(f, "enqueue", &args);

    static const char *const answers[] = {"new", "merged c0", "new", "merged c0", "merged c0", "new"};
    for (size_t i = 0; i < 6; i++)
        assert_reply(reply_element(reply, i), answers[i]);
    assert_string_equal(lane_place(f, "acme", "c0"), "ready:mail");
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 2);
    assert_says(lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}).job[0].record, "4");
}

/* As if they had come one by one: the second one does not undo that the first has moved the job. */
static void changes_of_one_batch_count_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct lane_record later = change_record(2, "later"), now = change_record(3, "now");
    change(f, 1, "first");
    clock_advance_ms(f, 1000);
    lane_call(f, "reschedule", "tester acme c1 0"); /* its place is not that of its beginning any more */
    later.delay_ms = 5000;
    struct bytes a = lane_record(f, &later), b = lane_record(f, &now);

    lane_call(f, "enqueue", "acme c2 %b c3 %b", a.data, a.length, b.data, b.length);

    assert_int_equal(lane_score(f, "org:acme:ready:default", "c1"), CLOCK_START_MS);
}

/* ---- repeated pushes ---- */

static void a_push_that_is_repeated_has_no_second_effect(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    change(f, 2, "second");
    change(f, 3, "third");

    assert_string_equal(change(f, 2, "second"), "merged c1");
    assert_string_equal(change(f, 1, "first"), "exists");
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_says(lease.record, "third");
    assert_string_equal(change(f, 2, "second"), "merged c1"); /* it is in what runs */
    assert_string_equal(standing(f), "c1");
    assert_string_equal(change(f, 4, "fourth"), "follows c1");
    assert_string_equal(change(f, 5, "fifth"), "merged c4");
    assert_string_equal(change(f, 4, "fourth"), "exists");
    assert_string_equal(change(f, 3, "third"), "merged c1");
    assert_string_equal(change(f, 5, "fifth"), "merged c4");
    lane_end(f, &lease, "done");
    assert_string_equal(change(f, 1, "first"), "exists");
    assert_string_equal(change(f, 5, "fifth"), "merged c4");
    assert_says(lane_claim_one(f, "w1").record, "fifth");
}

static void the_sixteen_newest_changes_are_remembered(void **state)
{
    struct fixture *f = *state;
    change(f, 0, "0");
    for (unsigned i = 1; i <= 17; i++)
        change(f, i, "x");
    const char *before = lane_field(f, "org:acme:coalesce", "k");

    assert_string_equal(change(f, 2, "x"), "merged c0");
    assert_string_equal(lane_field(f, "org:acme:coalesce", "k"), before);
    assert_string_equal(change(f, 1, "x"), "merged c0");
    assert_string_not_equal(lane_field(f, "org:acme:coalesce", "k"), before);
}

static void the_id_of_another_job_is_taken(void **state)
{
    struct fixture *f = *state;
    change(f, 1, "first");
    lane_enqueue(f, "acme", "other", NULL);
    struct lane_record record = change_record(9, "ninth");

    assert_string_equal(lane_enqueue(f, "acme", "c1", &record), "taken");
    assert_string_equal(lane_enqueue(f, "acme", "other", &record), "taken");
}

/* ---- refusals ---- */

static void a_full_queue_takes_changes_that_can_be_merged(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    lane_call(f, "org_set", "tester acme max_queued 1");

    assert_string_equal(change(f, 2, "second"), "merged c1");
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_enqueue(f, "acme", "other", NULL);
    assert_string_equal(change(f, 3, "third"), "queue_full");
    lane_call(f, "org_set", "tester acme max_queued 2");
    assert_string_equal(change(f, 3, "third"), "follows c1");
    assert_string_equal(lane_enqueue(f, "acme", "another", NULL), "queue_full");
    assert_string_equal(change(f, 4, "fourth"), "merged c3");
    lane_end(f, &lease, "done");
}

static void a_change_that_is_refused_changes_nothing(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme max_payload_bytes 10");
    change(f, 1, "first");
    struct lane_record expired = change_record(3, "third");
    expired.expires_ms = 1;
    const char *before = lane_digest(f);

    assert_string_equal(change(f, 2, "more than ten bytes"), "too_large");
    assert_string_equal(lane_enqueue(f, "acme", "c3", &expired), "expired");
    assert_string_equal(lane_digest(f), before);
    lane_call(f, "intake", "tester stop because");
    assert_string_equal(change(f, 4, "fourth"), "intake_paused");
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct fixture *f = *state;
    static char long_key[258];
    memset(long_key, 'k', sizeof long_key - 1);
    static const struct lane_record wrong[] = {
        {.coalesce = "k", .key = "k"},
        {.earliest = true},
        {.coalesce = ""},
        {.coalesce = long_key},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes record = lane_record(f, &wrong[i]);
        assert_error(lane_call(f, "enqueue", "acme c1 %b", record.data, record.length), "INVALID");
    }
    static const char zero[] = "\x94\xa1t\xce\0\0\0\1\x81\xa3key\xa3\0ab\xa1p"; /* would be taken for a coalescing key */
    assert_error(lane_call(f, "enqueue", "acme c1 %b", zero, sizeof zero - 1), "INVALID option key must not begin with a byte 0");
}

/* ---- people ---- */

static void one_that_waits_for_another_can_be_cancelled_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    assert_reply(lane_call(f, "cancel", "tester acme c2"), "cancelled");
    assert_string_equal(standing(f), "c1");
    assert_string_equal(change(f, 3, "third"), "follows c1");
    assert_reply(reply_element(lane_call(f, "delete", "tester acme c3"), 0), "deleted");
    assert_string_equal(standing(f), "c1");
    assert_string_equal(change(f, 4, "fourth"), "follows c1");
    lane_end(f, &lease, "done");
    assert_string_equal(lane_place(f, "acme", "c4"), "ready:default");
}

static void one_that_has_not_begun_frees_its_key_when_it_is_cancelled(void **state)
{
    struct fixture *f = *state;
    change(f, 1, "first");

    lane_call(f, "cancel", "tester acme c1");

    assert_string_equal(change(f, 2, "second"), "new");
    lane_call(f, "delete", "tester acme c2");
    assert_string_equal(change(f, 3, "third"), "new");
}

static void one_that_waits_for_another_is_rescheduled_for_afterwards(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    assert_reply(lane_call(f, "reschedule", "tester acme c2 %lld", CLOCK_START_MS + 7000), "follows");
    assert_int_equal(claimable(f), 0);
    assert_reply(lane_call(f, "reschedule", "tester acme c2 0"), "follows");
    assert_int_equal(claimable(f), 0);
    assert_reply(lane_call(f, "reschedule", "tester acme c2 %lld", CLOCK_START_MS + 6000), "follows");
    lane_end(f, &lease, "done");

    assert_int_equal(lane_score(f, "org:acme:scheduled", "c2"), CLOCK_START_MS + 6000);
}

static void a_dead_one_that_is_redriven_has_its_key_if_it_is_free(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "dead");
    lane_call(f, "redrive", "tester acme c1");
    assert_string_equal(change(f, 2, "second"), "follows c1");
    lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "dead");
    assert_string_equal(standing(f), "c2");

    lane_call(f, "redrive", "tester acme c1"); /* beside c2, which has the key now */
    assert_string_equal(standing(f), "c2");
    assert_int_equal(claimable(f), 2);
    lane_call(f, "cancel", "tester acme c1");
    assert_string_equal(standing(f), "c2");
}

static void why_it_waits_is_told(void **state)
{
    struct fixture *f = *state;
    running_and_waiting(f);
    const redisReply *reply = lane_call(f, "explain", "acme c2");
    const char *after = NULL;

    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (strcmp(reply->element[i]->str, "after") == 0)
            after = reply->element[i + 1]->str;

    assert_non_null(after);
    assert_string_equal(after, "c1");
}

/* ---- a job's own next run ---- */

/* Ends the lease with one further job, under `token`; the answer. */
static const char *end_with(struct fixture *f, const struct lane_lease *lease, const char *token, const char *id,
                            const struct lane_record *next)
{
    struct bytes record = lane_record(f, next);
    redisReply *reply = lane_call(f, "finish", CLAIM " %s %b done 0 %s + 1 jobs 1 %s %b", token, (size_t)LANE_TOKEN_BYTES,
                                  lease->name, lease->token, (size_t)LANE_TOKEN_BYTES, "", id, record.data, record.length);

    return reply_text(reply_element(reply_element(reply, 5), 0));
}

static void GA_3_every_run_arms_exactly_one_next_job(void **state)
{
    struct fixture *f = *state;
    struct lane_record next = change_record(2, "next");
    lane_open(f, "w1", 60000);
    change(f, 1, "first");
    struct lane_lease lease = lane_claim_one(f, "w1");
    next.due_ms = CLOCK_START_MS + 60000;

    assert_string_equal(end_with(f, &lease, "0123456789abcdef", "n1", &next), "ok");
    assert_string_equal(lane_place(f, "acme", "n1"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "n1"), CLOCK_START_MS + 60000);
    assert_string_equal(standing(f), "n1");

    /* The same work is run once more, by another job, and arms the same again. */
    lane_enqueue(f, "acme", "twice", NULL);
    lease = lane_claim_one(f, "w1");
    next.nonce = 3;
    assert_string_equal(end_with(f, &lease, "1123456789abcdef", "n2", &next), "ok");
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 1);
    assert_string_equal(standing(f), "n1");

    for (unsigned run = 0; run < 5; run++) {
        clock_set_us(f, next.due_ms * 1000);
        assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "100"), 0)), 1);
        lane_call(f, "beat", "w1");
        lease = lane_claim_one(f, "w1");
        next.nonce = 10 + run;
        next.due_ms += 60000;
        assert_string_equal(end_with(f, &lease, fixture_text(f, "%016u", run), fixture_text(f, "r%u", run), &next), "ok");
        assert_int_equal(lane_count(f, "org:acme:scheduled"), 1);
        assert_int_equal(lane_score(f, "org:acme:scheduled", fixture_text(f, "r%u", run)), next.due_ms);
    }
}

static void a_next_run_with_earliest_does_not_put_a_change_off(void **state)
{
    struct fixture *f = *state;
    struct lane_record next = change_record(9, "next");
    struct lane_lease lease = running_and_waiting(f);
    next.delay_ms = 60000;
    next.earliest = true;

    assert_string_equal(end_with(f, &lease, "0123456789abcdef", "n1", &next), "ok");

    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "n1"), "");
}

static void two_ends_of_one_call_arm_one_job(void **state)
{
    struct fixture *f = *state;
    struct lane_record next = change_record(2, "next"), again = change_record(3, "again");
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    if (got.jobs < 2)
        got.job[1] = lane_claim_one(f, "w1");
    struct bytes a = lane_record(f, &next), b = lane_record(f, &again);

    lane_call(f, "finish", CLAIM " %s %b done 0 %s %s %b done 0 %s + 1 jobs 1 n1 %b 2 jobs 1 n2 %b", "0123456789abcdef",
              (size_t)LANE_TOKEN_BYTES, got.job[0].name, got.job[0].token, (size_t)LANE_TOKEN_BYTES, "", got.job[1].name,
              got.job[1].token, (size_t)LANE_TOKEN_BYTES, "", a.data, a.length, b.data, b.length);

    assert_string_equal(standing(f), "n1");
    assert_says(lane_claim_one(f, "w1").record, "again");
    assert_int_equal(claimable(f), 0);
}

/* ---- the inbox ---- */

static void an_entry_of_the_inbox_is_merged_once(void **state)
{
    struct fixture *f = *state;
    struct lane_record record = change_record(1, "entry");
    struct bytes packed = lane_record(f, &record);
    change(f, 0, "first");

    assert_reply(reply_element(lane_call(f, "inbox", "acme 1-0 %b", packed.data, packed.length), 0), "merged c0");
    change(f, 2, "second");
    assert_reply(reply_element(lane_call(f, "inbox", "acme 1-0 %b", packed.data, packed.length), 0), "moved");

    lane_open(f, "w1", 60000);
    assert_says(lane_claim_one(f, "w1").record, "second");
    record = change_record(3, "later");
    packed = lane_record(f, &record);
    assert_reply(reply_element(lane_call(f, "inbox", "acme 2-0 %b", packed.data, packed.length), 0), "follows c0");
    lane_call(f, "delete", "tester acme 2-0");
    assert_reply(reply_element(lane_call(f, "inbox", "acme 2-0 %b", packed.data, packed.length), 0), "moved");
}

/* ---- damage ---- */

static const char *audit_jobs(struct fixture *f)
{
    const redisReply *words = reply_element(lane_call(f, "audit_jobs", "tester acme 0 100 1"), 2);

    return words->elements ? fixture_text(f, "%s %s", reply_text(words->element[0]), reply_text(words->element[1])) : "";
}

static void one_that_waits_for_what_is_gone_goes_on(void **state)
{
    struct fixture *f = *state;
    static const char *const damage[] = {"DEL %s", "HSET %s k gone", "HSET %s k c1"};

    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        fixture_reset(f);
        struct lane_lease lease = running_and_waiting(f);
        f->check_each = false;
        lane_redis(f, damage[i], lane_key(f, "org:acme:coalesce"));
        lane_end(f, &lease, "done");
        assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
        assert_string_equal(audit_jobs(f), "coalesce c2");
        assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
        assert_string_equal(standing(f), "c2");
        lane_check(f);
        assert_string_equal(audit_jobs(f), "");
    }
}

static void the_next_change_finds_its_way_through_damage(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);
    f->check_each = false;
    lane_end(f, &lease, "done");
    lane_redis(f, "HSET %s k c1", lane_key(f, "org:acme:coalesce")); /* c1 is over */

    assert_string_equal(audit_jobs(f), "coalesce c1");
    lane_redis(f, "HSET %s k gone", lane_key(f, "org:acme:coalesce"));
    assert_string_equal(change(f, 9, "ninth"), "new");
    assert_string_equal(standing(f), "c9");
}

static void a_follower_that_lost_its_set_gets_it_back(void **state)
{
    struct fixture *f = *state;
    running_and_waiting(f);
    f->check_each = false;
    lane_redis(f, "ZREM %s c2", lane_key(f, "org:acme:scheduled"));

    assert_string_equal(audit_jobs(f), "nowhere c2");

    assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
    lane_check(f);
}

/* Whoever waits for it must not take that for its end. */
static void a_first_one_that_lost_its_set_still_counts(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);
    f->check_each = false;
    lane_redis(f, "ZREM %s c1", lane_key(f, "org:acme:running"));

    assert_string_equal(change(f, 3, "third"), "merged c2");
    assert_string_equal(audit_jobs(f), "nowhere c1");
    lane_check(f);
    assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
    lane_end(f, &lease, "done");
    assert_string_equal(lane_place(f, "acme", "c2"), "ready:default");
    lane_redis(f, "ZREM %s c2", lane_key(f, "org:acme:ready:default"));
    assert_string_equal(change(f, 4, "fourth"), "follows c2"); /* it has not begun, but nobody knows its place */
    assert_string_equal(audit_jobs(f), "nowhere c2");
    lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, "c2");
    lane_end(f, &lease, "done");
    assert_string_equal(lane_claim_one(f, "w1").id, "c4");
}

static void an_organization_that_is_deleted_has_no_keys(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_and_waiting(f);

    assert_reply(reply_element(lane_call(f, "org_delete", "tester acme begin"), 0), "deleting");
    assert_string_equal(standing(f), "");
    assert_string_equal(change(f, 3, "third"), "deleting");
    assert_string_equal(audit_jobs(f), "");
    assert_string_equal(lane_end(f, &lease, "done"), "ok");
    assert_string_equal(lane_place(f, "acme", "c2"), "scheduled");
    assert_reply(reply_element(lane_call(f, "org_delete", "tester acme step 100"), 0), "deleted");

    assert_string_equal(change(f, 4, "fourth"), "new");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(GA_1_a_hundred_changes_make_one_job),
        cmocka_unit_test(GA_2_a_change_while_it_runs_makes_exactly_one_follow_up),
        cmocka_unit_test(it_waits_until_the_last_retry),
        cmocka_unit_test(a_change_between_two_tries_makes_a_follow_up),
        cmocka_unit_test(the_call_that_ends_the_first_may_claim_the_second),
        cmocka_unit_test(another_key_or_organization_is_another_matter),
        cmocka_unit_test(however_the_first_ends_the_second_goes_on),
        cmocka_unit_test(a_first_one_that_is_forgotten_at_once_lets_the_second_go),
        cmocka_unit_test(one_that_has_expired_frees_its_key),
        cmocka_unit_test(one_that_has_expired_lets_one_of_another_queue_go),
        cmocka_unit_test(one_that_has_expired_in_a_line_lets_the_next_go),
        cmocka_unit_test(GA_5_a_moved_one_fires_at_the_new_time_only),
        cmocka_unit_test(earliest_moves_it_forward_and_never_back),
        cmocka_unit_test(one_that_waits_for_another_wants_the_time_that_was_said_last),
        cmocka_unit_test(a_time_that_has_passed_meanwhile_is_its_place_in_the_queue),
        cmocka_unit_test(its_place_is_that_of_the_first_change),
        cmocka_unit_test(the_newest_options_count),
        cmocka_unit_test(a_change_does_not_disturb_one_that_waits_for_a_limit),
        cmocka_unit_test(a_change_does_not_wake_one_that_rests),
        cmocka_unit_test(a_change_of_queue_forgets_that_it_rested_elsewhere),
        cmocka_unit_test(changes_of_one_batch_are_merged_too),
        cmocka_unit_test(changes_of_one_batch_count_in_their_order),
        cmocka_unit_test(a_push_that_is_repeated_has_no_second_effect),
        cmocka_unit_test(the_sixteen_newest_changes_are_remembered),
        cmocka_unit_test(the_id_of_another_job_is_taken),
        cmocka_unit_test(a_full_queue_takes_changes_that_can_be_merged),
        cmocka_unit_test(a_change_that_is_refused_changes_nothing),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(one_that_waits_for_another_can_be_cancelled_and_deleted),
        cmocka_unit_test(one_that_has_not_begun_frees_its_key_when_it_is_cancelled),
        cmocka_unit_test(one_that_waits_for_another_is_rescheduled_for_afterwards),
        cmocka_unit_test(a_dead_one_that_is_redriven_has_its_key_if_it_is_free),
        cmocka_unit_test(why_it_waits_is_told),
        cmocka_unit_test(GA_3_every_run_arms_exactly_one_next_job),
        cmocka_unit_test(a_next_run_with_earliest_does_not_put_a_change_off),
        cmocka_unit_test(two_ends_of_one_call_arm_one_job),
        cmocka_unit_test(an_entry_of_the_inbox_is_merged_once),
        cmocka_unit_test(one_that_waits_for_what_is_gone_goes_on),
        cmocka_unit_test(the_next_change_finds_its_way_through_damage),
        cmocka_unit_test(a_follower_that_lost_its_set_gets_it_back),
        cmocka_unit_test(a_first_one_that_lost_its_set_still_counts),
        cmocka_unit_test(an_organization_that_is_deleted_has_no_keys),
    };

    return RUN_IN_LANES("coalesce", tests);
}
