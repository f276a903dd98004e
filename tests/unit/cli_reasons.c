/* cli/reasons - each reason for which a job does not run, from facts alone. */
#include "cli/reasons.h"

#include "tests/unit/unit.h"

#define NOW 1795164663000

/* A ready job of acme with all in order: it is next, a worker has a free slot. */
static struct reason_facts sound(const char *place)
{
    struct reason_facts facts = {
        .now_ms = NOW,
        .has_leader = true,
        .queue = "default",
        .workers = {.alive = 2, .serving = 2, .knowing = 2, .slots = 8, .busy = 3},
        .ready = 1,
        .running = 3,
        .active = 1,
    };

    snprintf(facts.job.org, sizeof facts.job.org, "acme");
    snprintf(facts.job.id, sizeof facts.job.id, "j1");
    snprintf(facts.job.place, sizeof facts.job.place, "%s", place);
    snprintf(facts.job.record.type, sizeof facts.job.record.type, "mail");
    return facts;
}

static struct attempt attempt(const char *outcome, char *error)
{
    struct attempt attempt = {.number = 1, .report = {.exit = 1, .signal = -1, .error = error}};

    snprintf(attempt.outcome, sizeof attempt.outcome, "%s", outcome);
    return attempt;
}

/* The facts give these codes, with spaces between, in this order. */
static void assert_codes(const struct reason_facts *facts, const char *codes)
{
    struct reasons reasons;
    char found[512] = "";

    reasons_find(&reasons, facts);
    for (int i = 0; i < reasons.count; i++) {
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "", reasons.items[i].code);
        assert_true(reasons.items[i].text[0] && reasons.items[i].hint[0]);
    }
    assert_string_equal(found, codes);
}

/* The first of their reasons has this code, and a text and a hint with these parts. */
static void assert_first(const struct reason_facts *facts, const char *code, const char *text, const char *hint)
{
    struct reasons reasons;

    reasons_find(&reasons, facts);
    assert_true(reasons.count > 0);
    assert_string_equal(reasons.items[0].code, code);
    if (!strstr(reasons.items[0].text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, reasons.items[0].text);
    if (!strstr(reasons.items[0].hint, hint))
        fail_msg("\"%s\" is not in \"%s\"", hint, reasons.items[0].hint);
}

static void what_waits_for_another_job_names_it(void **state)
{
    struct reason_facts facts = sound("scheduled");

    (void)state;
    facts.has_leader = false; /* that is not who lets it go */
    facts.job.score = 1LL << 47;
    snprintf(facts.job.state.notes.after, sizeof facts.job.state.notes.after, "j0");
    assert_codes(&facts, "follows");
    assert_first(&facts, "follows", "it waits until job acme/j0 is over", "rota job explain acme/j0");
}

/* ---- ready ---- */

static void what_nothing_keeps_is_next(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    assert_codes(&facts, "next");
    facts.before = -1; /* it was taken out of line this very moment */
    assert_codes(&facts, "next");
}

static void a_pause_names_who_and_since_when(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    facts.of_org = (struct reason_pause){true, NOW - 60000, "ann@host (rota 0.1.0)"};
    assert_first(&facts, "org_paused",
                 "organization acme is paused by ann@host (rota 0.1.0) since 2026-11-20T08:50:03.000Z (1m ago)",
                 "rota org resume acme");
    facts.org_deleting = true;
    assert_first(&facts, "org_deleting", "organization acme is being deleted by ann@host (rota 0.1.0) since",
                 "rota org delete acme");
    facts.org_deleting = false;
    facts.of_queue = (struct reason_pause){true, NOW - 1000, "bob"};
    assert_first(&facts, "queue_paused", "queue default is paused by bob", "rota queue resume default");
    facts.all = (struct reason_pause){.paused = true, .since_ms = NOW};
    assert_first(&facts, "all_paused", "everything is paused by somebody", "rota resume");
    assert_codes(&facts, "all_paused queue_paused org_paused");
}

static void workers_may_be_missing(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    facts.workers = (struct reason_workers){.alive = 0};
    assert_first(&facts, "no_worker", "no worker is there", "rota-worker");
    facts.workers.alive = 3;
    assert_first(&facts, "no_worker_for_queue", "no worker serves queue default: 3 workers serve other queues",
                 "--queue default");
    facts.workers.serving = 2;
    assert_first(&facts, "no_worker_for_type", "no worker knows type mail: none of the 2 of queue default",
                 "--on 'mail=COMMAND'");
    facts.workers =
        (struct reason_workers){.alive = 3, .serving = 2, .knowing = 2, .quiet = 2, .a_quiet_one = "w1", .its_phase = "quiet"};
    assert_first(&facts, "workers_quiet", "all 2 workers that know type mail in queue default take no jobs: w1 is quiet",
                 "rota worker resume w1");
    facts.workers = (struct reason_workers){
        .alive = 3, .serving = 2, .knowing = 2, .quiet = 1, .broken = 1, .a_broken_one = "w2", .its_broken_ms = NOW + 5000};
    assert_first(&facts, "workers_broken", "the handler of type mail is broken: worker w2 takes none of its jobs until",
                 "rota job logs");
    facts.workers = (struct reason_workers){.alive = 3, .serving = 2, .knowing = 2, .quiet = 1, .slots = 4, .busy = 4};
    assert_first(&facts, "workers_busy", "all 4 slots of the 1 worker that may take it are busy", "--slots");
}

static void an_organization_has_its_limits(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    facts.max_running = 3;
    assert_first(&facts, "at_cap", "organization acme runs 3 jobs, and may run 3 at once", "rota org set acme --max-running N");
    facts.max_running = 4;
    snprintf(facts.rate, sizeof facts.rate, "0.5");
    facts.token_ms = NOW + 1500;
    assert_first(&facts, "rate", "may start 0.5 jobs a second: the next one 2026-11-20T08:51:04.500Z (in 1.5s)", "--rate N");
    snprintf(facts.limit, sizeof facts.limit, "mail-service");
    assert_first(&facts, "limit", "it waits for limit mail-service", "rota limit show mail-service");
}

static void others_come_before_it(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    facts.rank = 12;
    assert_first(&facts, "behind", "12 jobs of organization acme are before it in queue default; 3 of its jobs run",
                 "rota job list acme --state ready");
    facts.rank = 0;
    facts.before = 2;
    facts.active = 5;
    assert_first(&facts, "turn", "2 organizations of 5 with work in queue default come before acme", "--weight N");
}

static void all_reasons_are_told_the_decisive_ones_first(void **state)
{
    struct reason_facts facts = sound("ready");

    (void)state;
    snprintf(facts.refuses_writes, sizeof facts.refuses_writes, "MISCONF Errors writing to the AOF file");
    facts.of_org = (struct reason_pause){true, NOW, "ann"};
    facts.workers.busy = facts.workers.slots;
    facts.max_running = 1;
    facts.token_ms = NOW + 1;
    facts.rank = facts.before = 1;
    assert_codes(&facts, "redis_refuses_writes org_paused workers_busy at_cap rate behind turn");
    assert_first(&facts, "redis_refuses_writes", "Redis refuses writes: MISCONF Errors writing", "rota doctor");
}

/* ---- scheduled ---- */

static void a_scheduled_job_says_why_it_is(void **state)
{
    struct reason_facts facts = sound("scheduled");
    struct attempt failed = attempt("failed", (char *)"exit 1: no\nroute"), released = attempt("released", NULL);

    (void)state;
    facts.job.score = facts.job.state.order = NOW + 5000;
    assert_first(&facts, "delayed", "it is scheduled until 2026-11-20T08:51:08.000Z (in 5s): its producer",
                 "rota job run-now acme/j1");

    facts.job.state.attempts = &failed;
    facts.job.state.attempt_count = 1;
    facts.job.state.attempt = 1;
    assert_first(&facts, "backoff", "before attempt 2: attempt 1 failed: exit 1: no\\nroute", "run-now acme/j1");
    facts.job.record.priority = 2; /* which its order counts in */
    facts.job.state.order -= 120000;
    assert_codes(&facts, "backoff");

    facts.job.state.order = NOW - 100000; /* kept */
    assert_first(&facts, "resting", "it rests until", "a worker that knows it");
    facts.job.state.attempts = &released;
    assert_codes(&facts, "released");
    facts.rests = 3; /* since then */
    facts.workers.knowing = 0;
    assert_codes(&facts, "resting no_worker_for_type");
    assert_first(&facts, "resting", "that does not know type mail, 3 times by now", "run-now");
}

static void without_a_leader_nothing_becomes_ready(void **state)
{
    struct reason_facts facts = sound("scheduled");

    (void)state;
    facts.job.score = facts.job.state.order = NOW - 5000;
    assert_first(&facts, "overdue", "it is due since 2026-11-20T08:50:58.000Z (5s ago)", "milliseconds");
    facts.has_leader = false;
    assert_codes(&facts, "overdue no_leader");
}

/* ---- running, ended, not there ---- */

static void a_running_job_says_where_and_until_when(void **state)
{
    struct reason_facts facts = sound("running");

    (void)state;
    snprintf(facts.job.state.session, sizeof facts.job.state.session, "w1");
    facts.job.state.started_ms = NOW - 2000;
    facts.deadline_ms = NOW + 60000;
    facts.session_ms = NOW + 4000;
    assert_first(&facts, "running", "it is running: attempt 1, on worker w1, started 2026-11-20T08:51:01.000Z (2s ago)",
                 "rota worker show w1");
    facts.job.cancelling = true;
    assert_codes(&facts, "cancelling running");
    facts.session_ms = NOW - 1000;
    facts.job.cancelling = facts.has_leader = false;
    assert_codes(&facts, "worker_lost no_leader running");
    facts.session_ms = 0;
    assert_first(&facts, "worker_lost", "which is not there any more", "rota worker list");
}

static void an_ended_job_says_how(void **state)
{
    struct reason_facts facts = sound("dead");
    struct attempt failed = attempt("failed", (char *)"exit 65: \xff\033[2J");

    (void)state;
    facts.job.score = NOW - 1000;
    facts.job.state.attempts = &failed;
    facts.job.state.attempt_count = 1;
    facts.job.state.attempt = 25;
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "attempts");
    assert_first(&facts, "dead", "all its 25 attempts failed; the last error: exit 65: \\xff\\u001b[2J",
                 "rota job retry acme/j1");
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "crashes");
    facts.job.state.crashes = 3;
    assert_first(&facts, "dead", "its handler or its worker crashed 3 times", "rota job show");
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "handler");
    assert_first(&facts, "dead", "trying again is no use", "");
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "a new one");
    assert_first(&facts, "dead", ": a new one; ", "");

    snprintf(facts.job.place, sizeof facts.job.place, "cancelled");
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "operator");
    assert_first(&facts, "cancelled", "somebody cancelled it", "rota audit log --org acme");
    snprintf(facts.job.state.reason, sizeof facts.job.state.reason, "expired");
    facts.job.record.expires_ms = NOW - 1000;
    assert_first(&facts, "expired", "before it expired, 2026-11-20T08:51:02.000Z", "--expires");
    snprintf(facts.job.place, sizeof facts.job.place, "done");
    assert_first(&facts, "done", "at attempt 25", "rota job result acme/j1");
    snprintf(facts.job.place, sizeof facts.job.place, "lost");
    assert_first(&facts, "lost", "in no set", "rota audit --mend");
}

static void an_entry_of_the_inbox_is_not_a_job_yet(void **state)
{
    struct reason_facts facts = sound("");

    (void)state;
    assert_codes(&facts, "");
    facts.in_inbox = true;
    assert_codes(&facts, "inbox");
    snprintf(facts.intake, sizeof facts.intake, "appendfsync is no");
    facts.has_leader = false;
    assert_codes(&facts, "intake_stopped no_leader inbox");
    facts.in_inbox = false;
    snprintf(facts.rejected, sizeof facts.rejected, "field type is missing");
    assert_first(&facts, "rejected", "the inbox has refused it: field type is missing", "send it again");
    facts.rejected[0] = '\0';
    facts.moved_ms = NOW - 1000;
    assert_first(&facts, "forgotten", "it came through the inbox", "rota audit log --org acme");
}

/* ---- texts ---- */

static void a_long_error_is_cut_between_characters(void **state)
{
    struct reason_facts facts = sound("dead");
    char error[1000];
    struct attempt failed = attempt("failed", error);
    struct reasons reasons;

    (void)state;
    memset(error, 1, sizeof error); /* each becomes \u0001 */
    error[999] = '\0';
    facts.job.state.attempts = &failed;
    facts.job.state.attempt_count = 1;
    reasons_find(&reasons, &facts);
    assert_true(strlen(reasons.items[0].text) < REASON_TEXT_BYTES);
    for (size_t i = 0; i + 1 < sizeof error; i += 2)
        memcpy(error + i, "\xc3\xa9", 2);
    reasons_find(&reasons, &facts);
    assert_true(strlen(reasons.items[0].text) < REASON_TEXT_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_for_another_job_names_it),
        cmocka_unit_test(what_nothing_keeps_is_next),
        cmocka_unit_test(a_pause_names_who_and_since_when),
        cmocka_unit_test(workers_may_be_missing),
        cmocka_unit_test(an_organization_has_its_limits),
        cmocka_unit_test(others_come_before_it),
        cmocka_unit_test(all_reasons_are_told_the_decisive_ones_first),
        cmocka_unit_test(a_scheduled_job_says_why_it_is),
        cmocka_unit_test(without_a_leader_nothing_becomes_ready),
        cmocka_unit_test(a_running_job_says_where_and_until_when),
        cmocka_unit_test(an_ended_job_says_how),
        cmocka_unit_test(an_entry_of_the_inbox_is_not_a_job_yet),
        cmocka_unit_test(a_long_error_is_cut_between_characters),
    };

    return UNIT_RUN(tests);
}
