/* job - states: what the functions wrote is read, what is broken is refused with a reason. */
#include "tests/unit/job_bytes.h"

#include "common/memory.h"

static void a_job_that_was_never_claimed_has_a_state_of_zeroes(void **state)
{
    static const struct job_state zeroes;
    struct job_state read;
    struct error err;

    (void)state;
    memset(&read, 0xff, sizeof read);
    assert_int_equal(job_state_decode(&read, NULL, 0, 5, &err), 0);
    assert_int_equal(read.order, 0);
    assert_int_equal(read.enqueued_ms, 0);
    assert_int_equal(read.attempt_count, 0);
    assert_memory_equal(&read, &zeroes, sizeof read);
    job_state_clear(&read);
}

static void the_states_of_the_protocol_page_are_read(void **state)
{
    struct job_state read = state_of(dead_state);

    (void)state;
    assert_int_equal(read.order, 1795164663276);
    assert_int_equal(read.enqueued_ms, 1795164663276);
    assert_int_equal(read.attempt, 0);
    assert_int_equal(read.deliveries, 1);
    assert_int_equal(read.crashes, 1);
    assert_string_equal(read.session, "");
    assert_int_equal(read.started_ms, 0);
    assert_string_equal(read.reason, "crashes");
    assert_int_equal(read.attempt_count, 1);
    assert_int_equal(read.attempts[0].number, 1);
    assert_string_equal(read.attempts[0].worker, "w1");
    assert_int_equal(read.attempts[0].started_ms, 1795164663592);
    assert_int_equal(read.attempts[0].ended_ms, 1795164664852);
    assert_string_equal(read.attempts[0].outcome, "lost");
    assert_int_equal(read.attempts[0].report.exit, -1);
    assert_null(read.attempts[0].report.error);
    job_state_clear(&read);
    assert_null(read.attempts);

    read = state_of(running_state);
    assert_string_equal(read.session, "w1");
    assert_int_equal(read.started_ms, 1795164663592);
    assert_int_equal(read.attempt_count, 0);
    assert_string_equal(read.reason, "");
    job_state_clear(&read);
}

/* A state with the order, the moment of enqueuing (msgpack, may be nil) and the attempts given. */
static void a_hundred_attempts_come_back_with_their_reports(void **state)
{
    struct buffer attempts = {0}, report = {0}, buffer = {0};
    struct job_state read;

    (void)state;
    buffer_add(&attempts, "\xdc\x00\x64", 3);
    for (int i = 0; i < JOB_ATTEMPTS_KEPT; i++) {
        char error[32];
        snprintf(error, sizeof error, "exit %d", i);
        buffer_reset(&report);
        report_encode(&report,
                      &(struct report){.exit = i, .signal = 100 - i, .error = error, .result = error, .result_bytes = 4});
        put_attempt(&attempts, (unsigned char)(i + 1), (struct bytes){report.data, report.length});
    }
    put_state(&buffer, BYTES("\x05"), BYTES("\x04"), (struct bytes){attempts.data, attempts.length});
    read = state_of((struct bytes){buffer.data, buffer.length});

    assert_int_equal(read.order, 5);
    assert_int_equal(read.enqueued_ms, 4);
    assert_int_equal(read.attempt, 2);
    assert_int_equal(read.deliveries, 3);
    assert_int_equal(read.crashes, 1);
    assert_string_equal(read.reason, "operator");
    assert_int_equal(read.attempt_count, JOB_ATTEMPTS_KEPT);
    for (int i = 0; i < JOB_ATTEMPTS_KEPT; i++) {
        const struct attempt *attempt = &read.attempts[i];
        char error[32];
        snprintf(error, sizeof error, "exit %d", i);
        assert_int_equal(attempt->number, i + 1);
        assert_string_equal(attempt->outcome, "failed");
        assert_int_equal(attempt->report.exit, i);
        assert_int_equal(attempt->report.signal, 100 - i);
        assert_string_equal(attempt->report.error, error);
        assert_int_equal(attempt->report.result_bytes, 4);
        assert_string_equal(attempt->report.result, "exit");
    }
    job_state_clear(&read);
    buffer_clear(&attempts);
    buffer_clear(&report);
    buffer_clear(&buffer);
}

/* The head start of a priority is taken back. */
static void a_state_that_does_not_say_when_it_was_enqueued_follows_from_its_order(void **state)
{
    struct buffer buffer = {0};
    struct job_state read;
    struct error err;

    (void)state;
    put_state(&buffer, BYTES("\xce\x00\x0f\x42\x40"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, 2, &err), 0);
    assert_int_equal(read.order, 1000000);
    assert_int_equal(read.enqueued_ms, 1120000);
    job_state_clear(&read);
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, -3, &err), 0);
    assert_int_equal(read.enqueued_ms, 820000);
    job_state_clear(&read);
    buffer_clear(&buffer);
}

/* In a broken state any number may stand. */
static void moments_that_cannot_be_are_cut(void **state)
{
    struct job job = {.place = "done", .score = INT64_MAX, .record = {.priority = INT32_MAX}};
    struct buffer buffer = {0};
    struct job_state read;
    struct error err;

    (void)state;
    put_state(&buffer, BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, 1, &err), 0);
    assert_int_equal(read.order, INT64_MAX);
    assert_int_equal(read.enqueued_ms, INT64_MAX);
    job_state_clear(&read);
    buffer_clear(&buffer);
    put_state(&buffer, BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, -1, &err), 0);
    assert_int_equal(read.enqueued_ms, INT64_MIN);
    job_state_clear(&read);
    buffer_clear(&buffer);
    assert_int_equal(job_enqueued_ms(&job), INT64_MAX);
    assert_int_equal(job_due_ms(&job), INT64_MAX);
    job.state.order = INT64_MIN;
    job.record.priority = INT32_MIN;
    assert_int_equal(job_due_ms(&job), INT64_MIN);
}

static void assert_no_state(struct bytes bytes, const char *why)
{
    static const struct job_state zeroes;
    struct job_state read;
    struct error err;

    memset(&read, 0xff, sizeof read);
    assert_int_equal(decode_state(&read, bytes.data, bytes.length, 0, &err), ERR_PROTOCOL);
    assert_int_equal(err.code, ERR_PROTOCOL);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" has no \"%s\"", err.message, why);
    assert_memory_equal(&read, &zeroes, sizeof read);
    job_state_clear(&read);
}

static void what_is_no_state_is_refused(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < dead_state.length; cut++)
        assert_no_state((struct bytes){dead_state.data, cut}, "job state is not well-formed msgpack at byte");
    assert_no_state(BYTES("\xc0"), "job state is not an array of 12");
    assert_no_state(BYTES("\xa0"), "job state is not an array of 12");
    assert_no_state(BYTES("\x9a\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90"), "job state is not an array of 12");
    assert_no_state(BYTES("\x9d\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90\xc0\xc0\xc0"), "job state is not an array of 12");
    assert_no_state(BYTES("\x9c\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90\xc0\xc0\xc0"), "job state has 1 bytes after");
    assert_no_state(BYTES("\x9c\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\xdd\xff\xff\xff\xff\xc0"), "not well-formed");
}

/* Attempts as a list of `count` nils: passed over, but objects. */
static int decode_of_attempts(size_t count)
{
    struct buffer attempts = {0}, buffer = {0};
    struct job_state read;
    struct error err;
    int rc;

    buffer_add(&attempts, "\xdc", 1);
    buffer_add(&attempts, (char[]){(char)(count >> 8), (char)count}, 2);
    for (size_t i = 0; i < count; i++)
        buffer_add(&attempts, "\xc0", 1);
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), (struct bytes){attempts.data, attempts.length});
    rc = decode_state(&read, buffer.data, buffer.length, 0, &err);
    assert_int_equal(read.attempt_count, 0);
    if (rc < 0)
        assert_string_equal(err.message, "job state has more than 832 msgpack objects");
    job_state_clear(&read);
    buffer_clear(&attempts);
    buffer_clear(&buffer);
    return rc;
}

static void a_state_has_so_many_objects_at_most(void **state)
{
    (void)state;
    assert_int_equal(decode_of_attempts(832 - 13), 0);
    assert_int_equal(decode_of_attempts(832 - 12), ERR_PROTOCOL);
}

static void attempts_of_another_shape_are_passed_over(void **state)
{
    struct buffer buffer = {0};
    struct job_state read;

    (void)state;
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"),
              BYTES("\x95\xc0\x95\x01\x02\x03\x04\x05\x96\x07\xa2w2\x01\x02\xa4"
                    "done\xa0\x97\x01\x02\x03\x04\x05\xa0\x07"
                    "\x86\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"));
    read = state_of((struct bytes){buffer.data, buffer.length});
    assert_int_equal(read.attempt_count, 1);
    assert_int_equal(read.attempts[0].number, 7);
    assert_string_equal(read.attempts[0].worker, "w2");
    job_state_clear(&read);
    buffer_clear(&buffer);

    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), BYTES("\xa1x"));
    read = state_of((struct bytes){buffer.data, buffer.length});
    assert_int_equal(read.attempt_count, 0);
    assert_null(read.attempts);
    job_state_clear(&read);
    buffer_clear(&buffer);
}

static struct job_state state_with_notes(struct bytes notes)
{
    struct buffer buffer = {0};
    struct job_state read;

    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), BYTES("\x90"));
    buffer.length--; /* the nil in their place */
    buffer_add(&buffer, notes.data, notes.length);
    read = state_of((struct bytes){buffer.data, buffer.length});
    buffer_clear(&buffer);
    return read;
}

static void notes_are_read_by_their_names(void **state)
{
    struct job_state read = state_with_notes(BYTES("\x83\xa6later!\x93\x01\x02\x03\xa8progress\x93\x28\xa3"
                                                   "two\xcd\x03\xe8\xaa"
                                                   "checkpoint\xa3"
                                                   "a\x00z"));

    (void)state;
    assert_int_equal(read.notes.progress, 40);
    assert_string_equal(read.notes.progress_text, "two");
    assert_int_equal(read.notes.progress_ms, 1000);
    assert_int_equal(read.notes.checkpoint_bytes, 3);
    assert_memory_equal(read.notes.checkpoint, "a\0z", 3);
    job_state_clear(&read);
}

static void notes_of_another_shape_are_passed_over(void **state)
{
    static const struct bytes shapes[] = {BYTES_OF("\x90"), BYTES_OF("\x2a"),
                                          BYTES_OF("\x82\xa8progress\x28\xaa"
                                                   "checkpoint\x07"),
                                          BYTES_OF("\x81\xa8progress\x92\x28\xa3two")};

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct job_state read = state_with_notes(shapes[i]);
        assert_null(read.notes.checkpoint);
        assert_int_equal(read.notes.progress_ms, 0);
        job_state_clear(&read);
    }
}

/* ---- broken anywhere ---- */

static void a_byte_of_a_state_that_was_changed_does_no_harm(void **state)
{
    char bytes[128];

    (void)state;
    for (size_t at = 0; at < dead_state.length; at++)
        for (int value = 0; value <= 0xff; value++) {
            struct job_state read;
            struct error err;
            memcpy(bytes, dead_state.data, dead_state.length);
            bytes[at] = (char)value;
            assert_true(decode_state(&read, bytes, dead_state.length, 100, &err) == 0 ||
                        (err.code == ERR_PROTOCOL && err.message[0]));
            job_state_clear(&read);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_was_never_claimed_has_a_state_of_zeroes),
        cmocka_unit_test(the_states_of_the_protocol_page_are_read),
        cmocka_unit_test(a_hundred_attempts_come_back_with_their_reports),
        cmocka_unit_test(a_state_that_does_not_say_when_it_was_enqueued_follows_from_its_order),
        cmocka_unit_test(moments_that_cannot_be_are_cut),
        cmocka_unit_test(what_is_no_state_is_refused),
        cmocka_unit_test(a_state_has_so_many_objects_at_most),
        cmocka_unit_test(attempts_of_another_shape_are_passed_over),
        cmocka_unit_test(notes_are_read_by_their_names),
        cmocka_unit_test(notes_of_another_shape_are_passed_over),
        cmocka_unit_test(a_byte_of_a_state_that_was_changed_does_no_harm),
    };

    return UNIT_RUN(tests);
}
