/* job_log - kept logs are read as the protocol page has them, and which attempt each is of. */
#include "common/job_log.h"

#include "tests/unit/unit.h"

static int decode(struct job_logs *logs, const char *bytes, size_t length)
{
    char *copy = malloc(length ? length : 1);
    struct error err = {0};
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    rc = job_logs_decode(logs, copy, length, &err);
    assert_true(rc == 0 || (err.code == ERR_PROTOCOL && logs->count == 0));
    free(copy);
    return rc;
}

/* That of the protocol page, and one with a str8. */
static const char two[] = "\x94\x01\xcf\x00\x00\x01\xa1\xf8\x26\xf4\x14\x00\xa5oops\n"
                          "\x94\xcc\x80\xce\x01\x02\x03\x04\xcd\x01\x00\xd9\x02xy";

static void logs_are_read_in_their_order(void **state)
{
    struct job_logs logs;

    (void)state;
    assert_int_equal(decode(&logs, "", 0), 0);
    assert_int_equal(logs.count, 0);
    assert_int_equal(decode(&logs, two, sizeof two - 1), 0);
    assert_int_equal(logs.count, 2);
    assert_int_equal(logs.items[0].delivery, 1);
    assert_int_equal(logs.items[0].ended_ms, 1795164664852);
    assert_int_equal(logs.items[0].omitted_bytes, 0);
    assert_string_equal(logs.items[0].text, "oops\n");
    assert_int_equal(logs.items[1].delivery, 128);
    assert_int_equal(logs.items[1].ended_ms, 0x01020304);
    assert_int_equal(logs.items[1].omitted_bytes, 256);
    assert_string_equal(logs.items[1].text, "xy");
    job_logs_clear(&logs);
    assert_int_equal(logs.count, 0);
}

static void what_is_broken_is_refused(void **state)
{
    struct job_logs logs;
    char bytes[sizeof two];

    (void)state;
    for (size_t cut = 1; cut < sizeof two - 1; cut++) {
        int rc = decode(&logs, two, cut);
        assert_true((rc == 0) == (cut == 18)); /* the first one alone */
        job_logs_clear(&logs);
    }
    for (size_t at = 0; at < sizeof two - 1; at++)
        for (int value = 0; value <= 0xff; value++) {
            memcpy(bytes, two, sizeof two);
            bytes[at] = (char)value;
            decode(&logs, bytes, sizeof two - 1);
            job_logs_clear(&logs);
        }
}

static void a_log_is_of_the_attempt_of_its_delivery(void **state)
{
    struct attempt attempts[3] = {{.number = 1}, {.number = 1}, {.number = 2}};
    struct job job = {.place = "scheduled", .state = {.deliveries = 5, .attempts = attempts, .attempt_count = 3}};
    struct job_log log = {.delivery = 5};

    (void)state;
    assert_ptr_equal(job_log_attempt(&job, &log), &attempts[2]);
    log.delivery = 3;
    assert_ptr_equal(job_log_attempt(&job, &log), &attempts[0]);
    log.delivery = 2; /* its attempt is not kept any more */
    assert_null(job_log_attempt(&job, &log));
    log.delivery = 6;
    assert_null(job_log_attempt(&job, &log));
    strcpy(job.place, "running"); /* the fifth has not ended yet */
    log.delivery = 4;
    assert_ptr_equal(job_log_attempt(&job, &log), &attempts[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_read_in_their_order),
        cmocka_unit_test(what_is_broken_is_refused),
        cmocka_unit_test(a_log_is_of_the_attempt_of_its_delivery),
    };
    return UNIT_RUN(tests);
}
