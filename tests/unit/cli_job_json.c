/* cli/job_json - a job as `rota` shows it. */
#include "cli/job_json.h"

#include "common/memory.h"
#include "tests/unit/unit.h"

static void add_attempt(struct job *job, const struct attempt *attempt)
{
    struct job_state *state = &job->state;

    state->attempts = memory_resize(state->attempts, sizeof *state->attempts * (state->attempt_count + 1));
    state->attempts[state->attempt_count++] = *attempt;
}

static struct job a_job(const char *place)
{
    struct job job = {.org = "acme",
                      .id = "job1",
                      .score = 1000,
                      .record = {.type = "wc", .priority = 2, .payload = "four", .payload_bytes = 4, .has_payload = true}};

    snprintf(job.place, sizeof job.place, "%s", place);
    return job;
}

static void assert_text(json_t *object, const char *name, const char *expected)
{
    if (expected)
        assert_string_equal(json_string_value(json_object_get(object, name)), expected);
    else
        assert_true(json_is_null(json_object_get(object, name)));
}

static void assert_number(json_t *object, const char *name, json_int_t expected)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    assert_int_equal(json_integer_value(json_object_get(object, name)), expected);
}

/* The names that people build on. */
static void every_member_is_there(void **state)
{
    static const char *const names[] = {"job",        "id",           "org",        "queue",      "type",        "state",
                                        "priority",   "attempt",      "deliveries", "crashes",    "enqueued_ms", "due_ms",
                                        "started_ms", "finished_ms",  "worker",     "result",     "error",       "reason",
                                        "key",        "max_attempts", "timeout_ms", "expires_ms", "headers",     "attempts",
                                        "progress",   "checkpoint",   "limit",      "coalesce"};
    struct job job = a_job("ready");
    json_t *object = job_to_json(&job, false);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        if (!json_object_get(object, names[i]))
            fail_msg("%s is missing", names[i]);
    assert_int_equal(json_object_size(object), COUNT(names));
    json_decref(object);
}

static void a_job_that_waits_has_no_course_yet(void **state)
{
    struct job job = a_job("ready");
    json_t *object = job_to_json(&job, true);

    (void)state;
    assert_text(object, "job", "acme/job1");
    assert_text(object, "queue", "default");
    assert_text(object, "state", "ready");
    assert_number(object, "priority", 2);
    assert_number(object, "attempt", 0);
    assert_number(object, "enqueued_ms", 1000 + 2 * JOB_PRIORITY_MS);
    assert_text(object, "started_ms", NULL);
    assert_text(object, "worker", NULL);
    assert_text(object, "payload", "four");
    assert_int_equal(json_array_size(json_object_get(object, "attempts")), 0);
    json_decref(object);
}

static void a_running_job_tells_its_try_and_its_worker(void **state)
{
    struct job job = a_job("running");
    json_t *object;

    (void)state;
    job.state = (struct job_state){.attempt = 1, .deliveries = 2, .started_ms = 5000, .session = "w2"};
    add_attempt(&job, &(struct attempt){.number = 1,
                                        .worker = "w1",
                                        .started_ms = 3000,
                                        .ended_ms = 4000,
                                        .outcome = "failed",
                                        .report = {.exit = 1, .signal = -1, .error = memory_string("exit 1")}});
    job.cancelling = true;
    object = job_to_json(&job, false);

    assert_number(object, "attempt", 2);
    assert_number(object, "started_ms", 5000);
    assert_text(object, "worker", "w2");
    assert_text(object, "error", "exit 1");
    assert_true(json_is_true(json_object_get(object, "cancelling")));
    json_decref(object);
    job_clear(&job);
}

static void a_done_job_has_its_result_and_no_error(void **state)
{
    struct job job = a_job("done");
    json_t *object, *attempt;

    (void)state;
    job.state.attempt = 1;
    add_attempt(&job, &(struct attempt){.number = 1,
                                        .worker = "w1",
                                        .started_ms = 500,
                                        .ended_ms = 1000,
                                        .outcome = "done",
                                        .report = {.exit = 0, .signal = -1, .result = memory_copy("4\n", 2), .result_bytes = 2}});
    job.record.has_payload = false;
    object = job_to_json(&job, true);
    attempt = json_array_get(json_object_get(object, "attempts"), 0);

    assert_text(object, "result", "4\n");
    assert_text(object, "error", NULL);
    assert_text(object, "payload", NULL);
    assert_number(object, "finished_ms", 1000);
    assert_number(object, "attempt", 1);
    assert_number(attempt, "n", 1);
    assert_text(attempt, "outcome", "done");
    assert_number(attempt, "exit", 0);
    assert_text(attempt, "signal", NULL);
    json_decref(object);
    job_clear(&job);
}

static void bytes_that_are_no_text_are_coded(void **state)
{
    struct job job = a_job("done");
    json_t *object;

    (void)state;
    job.record.payload = "\xff\x00";
    job.record.payload_bytes = 2;
    add_attempt(&job,
                &(struct attempt){.number = 1,
                                  .outcome = "done",
                                  .report = {.exit = 0, .signal = -1, .result = memory_copy("\xfe", 1), .result_bytes = 1}});
    object = job_to_json(&job, true);

    assert_text(object, "result", NULL);
    assert_text(object, "result_b64", "/g==");
    assert_text(object, "payload", NULL);
    assert_text(object, "payload_b64", "/wA=");
    json_decref(object);
    job_clear(&job);
}

static void a_dead_job_says_why(void **state)
{
    struct job job = a_job("dead");
    json_t *object;

    (void)state;
    snprintf(job.state.reason, sizeof job.state.reason, "crashes");
    add_attempt(&job, &(struct attempt){.number = 3,
                                        .worker = "w1",
                                        .outcome = "crashed",
                                        .report = {.exit = -1, .signal = 9, .error = memory_string("killed by signal 9")}});
    object = job_to_json(&job, false);

    assert_text(object, "reason", "crashes");
    assert_text(object, "error", "killed by signal 9");
    assert_text(object, "worker", "w1");
    assert_text(object, "result", NULL);
    assert_number(json_array_get(json_object_get(object, "attempts"), 0), "signal", 9);
    assert_true(job_has_ended(&job));
    json_decref(object);
    job_clear(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_there),
        cmocka_unit_test(a_job_that_waits_has_no_course_yet),
        cmocka_unit_test(a_running_job_tells_its_try_and_its_worker),
        cmocka_unit_test(a_done_job_has_its_result_and_no_error),
        cmocka_unit_test(bytes_that_are_no_text_are_coded),
        cmocka_unit_test(a_dead_job_says_why),
    };
    return UNIT_RUN(tests);
}
