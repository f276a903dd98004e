/* job - reports of attempts, and whole jobs. */
#include "tests/unit/job_bytes.h"

#include "common/memory.h"

/* ---- reports ---- */

static struct job_state state_after(const struct report *report)
{
    struct buffer buffer = {0};
    struct job_state state;

    report_encode(&buffer, report);
    state = state_with_report((struct bytes){buffer.data, buffer.length});
    assert_int_equal(state.attempt_count, 1);
    buffer_clear(&buffer);
    return state;
}

static void an_empty_report_is_no_bytes(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    report_encode(&buffer, &(struct report){.exit = -1, .signal = -1});
    assert_int_equal(buffer.length, 0);
    buffer_clear(&buffer);
}

static void a_report_comes_back_with_what_was_in_it(void **state)
{
    struct job_state exited = state_after(&(struct report){.exit = 0, .signal = -1}),
                     killed = state_after(&(struct report){.exit = -1, .signal = 9, .error = (char[]){"killed"}}),
                     done = state_after(&(struct report){.exit = 0, .signal = -1, .result = (char[]){"a\0b"}, .result_bytes = 3}),
                     silent = state_after(&(struct report){.exit = -1, .signal = -1, .result = (char[]){""}}),
                     zeroes = state_after(&(struct report){.exit = 0, .signal = 0}),
                     nothing = state_after(&(struct report){.exit = -1, .signal = -1});

    (void)state;
    assert_int_equal(exited.attempts[0].report.exit, 0);
    assert_int_equal(exited.attempts[0].report.signal, -1);
    assert_null(exited.attempts[0].report.error);
    assert_null(exited.attempts[0].report.result);
    assert_int_equal(killed.attempts[0].report.exit, -1);
    assert_int_equal(killed.attempts[0].report.signal, 9);
    assert_string_equal(killed.attempts[0].report.error, "killed");
    assert_int_equal(done.attempts[0].report.result_bytes, 3);
    assert_memory_equal(done.attempts[0].report.result, "a\0b", 4);
    assert_int_equal(silent.attempts[0].report.result_bytes, 0);
    assert_string_equal(silent.attempts[0].report.result, "");
    assert_int_equal(zeroes.attempts[0].report.exit, 0);
    assert_int_equal(zeroes.attempts[0].report.signal, 0);
    assert_int_equal(nothing.attempts[0].report.exit, -1);
    assert_int_equal(nothing.attempts[0].report.signal, -1);
    job_state_clear(&exited);
    job_state_clear(&killed);
    job_state_clear(&done);
    job_state_clear(&silent);
    job_state_clear(&zeroes);
    job_state_clear(&nothing);
}

/* Whoever wrote it: the attempt is told all the same. */
static void a_report_that_cannot_be_read_is_no_report(void **state)
{
    static const struct bytes broken[] = {
        BYTES_OF("\xc1"),
        BYTES_OF("\x81"),
        BYTES_OF("\x81\xa4"
                 "exit\x05\xc0"),
        BYTES_OF("\x92\xa4"
                 "exit\x05"),
        BYTES_OF("\xdf\xff\xff\xff\xff"),
        BYTES_OF("\xdc\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        BYTES_OF("\xa4"
                 "exit"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct job_state read = state_with_report(broken[i]);
        assert_int_equal(read.attempt_count, 1);
        assert_string_equal(read.attempts[0].outcome, "failed");
        assert_int_equal(read.attempts[0].report.exit, -1);
        assert_int_equal(read.attempts[0].report.signal, -1);
        assert_null(read.attempts[0].report.error);
        assert_null(read.attempts[0].report.result);
        job_state_clear(&read);
    }
}

/* The exit code of a report of so many objects, most of them nils in a list that is not known. */
static int exit_of_objects(size_t objects)
{
    struct buffer report = {0};
    struct job_state read;
    int code;

    buffer_add(&report,
               "\x82\xa4"
               "exit\x05\xa1x\xdc\x00",
               11);
    buffer_add(&report, (char[]){(char)(objects - 5)}, 1);
    for (size_t i = 5; i < objects; i++)
        buffer_add(&report, "\xc0", 1);
    read = state_with_report((struct bytes){report.data, report.length});
    code = read.attempts[0].report.exit;
    job_state_clear(&read);
    buffer_clear(&report);
    return code;
}

static void a_report_has_so_many_objects_at_most(void **state)
{
    (void)state;
    assert_int_equal(exit_of_objects(16), 5);
    assert_int_equal(exit_of_objects(17), -1);
}

/* 0 would say that all went well. */
static void an_exit_code_that_is_no_number_is_none(void **state)
{
    static const struct bytes others[] = {
        BYTES_OF("\x82\xa4"
                 "exit\xc0\xa6signal\xc0"),
        BYTES_OF("\x82\xa4"
                 "exit\xa1"
                 "1\xa6signal\x90"),
        BYTES_OF("\x82\xa4"
                 "exit\xc3\xa6signal\xc2"),
        BYTES_OF("\x82\xa4"
                 "exit\xf7\xa6signal\xd2\x80\x00\x00\x00"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        struct job_state read = state_with_report(others[i]);
        assert_int_equal(read.attempts[0].report.exit, -1);
        assert_int_equal(read.attempts[0].report.signal, -1);
        job_state_clear(&read);
    }
}

static void what_a_report_says_twice_is_read_once(void **state)
{
    struct job_state read = state_with_report(BYTES("\x84\xa5"
                                                    "error\xa1"
                                                    "a\xa5"
                                                    "error\xa1"
                                                    "b\xa6"
                                                    "result\xa1"
                                                    "c\xa6"
                                                    "result\xa2"
                                                    "dd"));

    (void)state;
    assert_string_equal(read.attempts[0].report.error, "a");
    assert_string_equal(read.attempts[0].report.result, "c");
    assert_int_equal(read.attempts[0].report.result_bytes, 1);
    job_state_clear(&read);
}

/* ---- whole jobs ---- */

static void a_job_is_decoded_from_its_record_and_state(void **state)
{
    const struct bytes record = BYTES("\x94\xa1t\x07\x81\xa8priority\x0a\xa1p");
    struct job job = {.org = "acme", .id = "1", .place = "dead", .score = 42, .cancelling = true};
    struct error err;

    (void)state;
    assert_int_equal(job_decode(&job, record.data, record.length, dead_state.data, dead_state.length, &err), 0);
    assert_string_equal(job.org, "acme");
    assert_string_equal(job.place, "dead");
    assert_int_equal(job.score, 42);
    assert_true(job.cancelling);
    assert_int_equal(job.record.priority, 10);
    assert_int_equal(job.state.enqueued_ms, 1795164663276 + 10 * JOB_PRIORITY_MS);
    job_clear(&job);
    assert_null(job.state.attempts);
}

static void a_job_of_which_one_half_is_broken_is_refused(void **state)
{
    const struct bytes record = BYTES("\x94\xa1t\x07\x81\xa3key\xa1k\xa1p");
    struct job job = {.place = "ready"};
    struct error err;

    (void)state;
    assert_int_equal(job_decode(&job, record.data, record.length, "\xc1", 1, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "job state"));
    assert_null(job.record.key);
    assert_int_equal(job_decode(&job, "\xc1", 1, dead_state.data, dead_state.length, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "job record"));
    assert_null(job.state.attempts);
    job_clear(&job);
}

static void a_job_tells_when_it_was_enqueued_due_and_finished(void **state)
{
    const struct {
        const char *place;
        int64_t score, order, enqueued_ms, expected_enqueued_ms, due_ms, finished_ms;
    } cases[] = {
        {"ready", 1000, 0, 0, 121000, 121000, 0},         /* never claimed: its score is its order */
        {"ready", 1000, 1000, 90000, 90000, 121000, 0},   /* released */
        {"running", 5000, 1000, 90000, 90000, 121000, 0}, /* the score is a deadline */
        {"scheduled", 7000, 0, 6000, 6000, 7000, 0},      {"done", 9000, 1000, 90000, 90000, 121000, 9000},
        {"dead", 9000, 1000, 90000, 90000, 121000, 9000}, {"cancelled", 9000, 0, 0, 129000, 129000, 9000},
        {"lost", 0, 1000, 90000, 90000, 121000, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct job job = {.score = cases[i].score,
                          .record = {.priority = 2},
                          .state = {.order = cases[i].order, .enqueued_ms = cases[i].enqueued_ms}};
        snprintf(job.place, sizeof job.place, "%s", cases[i].place);
        assert_int_equal(job_enqueued_ms(&job), cases[i].expected_enqueued_ms);
        assert_int_equal(job_due_ms(&job), cases[i].due_ms);
        assert_int_equal(job_finished_ms(&job), cases[i].finished_ms);
    }
}

static void the_last_attempt_is_the_newest(void **state)
{
    struct attempt attempts[2] = {{.number = 1}, {.number = 2}};
    struct job job = {.state = {.attempts = attempts}};

    (void)state;
    assert_null(job_last_attempt(&job));
    job.state.attempt_count = 2;
    assert_int_equal(job_last_attempt(&job)->number, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_report_is_no_bytes),
        cmocka_unit_test(a_report_comes_back_with_what_was_in_it),
        cmocka_unit_test(a_report_that_cannot_be_read_is_no_report),
        cmocka_unit_test(a_report_has_so_many_objects_at_most),
        cmocka_unit_test(an_exit_code_that_is_no_number_is_none),
        cmocka_unit_test(what_a_report_says_twice_is_read_once),
        cmocka_unit_test(a_job_is_decoded_from_its_record_and_state),
        cmocka_unit_test(a_job_of_which_one_half_is_broken_is_refused),
        cmocka_unit_test(a_job_tells_when_it_was_enqueued_due_and_finished),
        cmocka_unit_test(the_last_attempt_is_the_newest),
    };

    return UNIT_RUN(tests);
}
