/* suspect - who is dead, and who only looks so: beats, clocks and gaps played through in steps of a quarter of a second. */
#include "scheduler/suspect.h"

#include "tests/unit/unit.h"

#define LOOK_MS    250
#define TIMEOUT_MS 6000
#define BEAT_MS    2000
#define WINDOW_MS  (TIMEOUT_MS - BEAT_MS)

/* A server with one session, seen by one scheduler. */
struct scene {
    struct suspects *suspects;
    int64_t mono_ms, clock_ms; /* of the scheduler, of Redis */
    int64_t deadline_ms;
    int beat;
    int64_t from_mono_ms; /* what was watched before does not count */
};

static struct scene begin(void)
{
    struct scene s = {.suspects = suspects_new(), .mono_ms = 1000, .clock_ms = 1800000000000};

    s.deadline_ms = s.clock_ms + TIMEOUT_MS;
    return s;
}

static void let_pass(struct scene *s, int64_t ms)
{
    s->mono_ms += ms;
    s->clock_ms += ms;
}

static void beat(struct scene *s)
{
    s->beat++;
    s->deadline_ms = s->clock_ms + TIMEOUT_MS;
}

/* One look. True if the session is dead. */
static bool look(struct scene *s)
{
    char number[16];
    bool dead;

    snprintf(number, sizeof number, "%d", s->beat);
    suspects_begin(s->suspects, s->mono_ms, s->clock_ms, s->from_mono_ms);
    dead = suspects_see(
        s->suspects,
        &(struct sighting){
            .session = "w1", .deadline_ms = s->deadline_ms, .beat = number, .timeout_ms = TIMEOUT_MS, .beat_ms = BEAT_MS});
    suspects_end(s->suspects);
    return dead;
}

/* Looks on for at most `for_ms`; after how long it was dead, or -1. */
static int64_t watch(struct scene *s, int64_t for_ms)
{
    int64_t from_ms = s->mono_ms;

    for (; s->mono_ms - from_ms <= for_ms; let_pass(s, LOOK_MS))
        if (look(s))
            return s->mono_ms - from_ms;
    return -1;
}

static void a_session_is_dead_when_its_deadline_has_passed_and_it_was_watched_for_long_enough(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(watch(&s, 60000), TIMEOUT_MS);
    suspects_free(s.suspects);
}

static void who_beats_lives(void **state)
{
    struct scene s = begin();

    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(watch(&s, BEAT_MS), -1);
        beat(&s);
    }
    suspects_free(s.suspects);
}

static void a_late_look_at_an_old_deadline_condemns_nobody(void **state)
{
    struct scene s = begin();

    (void)state;
    let_pass(&s, 100000); /* the scheduler has just come */
    assert_int_equal(watch(&s, 60000), WINDOW_MS);
    suspects_free(s.suspects);
}

static void a_clock_stepped_forward_condemns_nobody(void **state)
{
    struct scene s = begin();

    (void)state;
    for (int i = 0; i < 5; i++) {
        beat(&s);
        assert_int_equal(watch(&s, BEAT_MS - 2 * LOOK_MS), -1);
    }
    s.clock_ms += 60000;
    assert_int_equal(watch(&s, BEAT_MS - LOOK_MS), -1); /* its beat is even late */
    beat(&s);
    assert_int_equal(watch(&s, 60000), TIMEOUT_MS);
    suspects_free(s.suspects);
}

static void a_clock_stepped_back_hides_nobody(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(watch(&s, BEAT_MS), -1);
    s.clock_ms -= 60000; /* its deadline lies a minute ahead */
    assert_int_equal(watch(&s, 60000), WINDOW_MS - BEAT_MS - LOOK_MS);
    suspects_free(s.suspects);
}

static void after_a_gap_the_watching_begins_anew(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(watch(&s, TIMEOUT_MS - LOOK_MS), -1);
    let_pass(&s, SUSPECT_GAP_MS + 1 - LOOK_MS); /* everything stood still */
    assert_int_equal(watch(&s, 60000), SUSPECT_GRACE_MS + WINDOW_MS);
    suspects_free(s.suspects);
}

static void what_was_watched_before_a_given_moment_does_not_count(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(watch(&s, TIMEOUT_MS - LOOK_MS), -1);
    s.from_mono_ms = s.mono_ms + 1000;
    assert_int_equal(watch(&s, 60000), 1000 + WINDOW_MS);
    suspects_free(s.suspects);
}

static void nobody_is_dead_before_the_watching_begins(void **state)
{
    struct scene s = begin();

    (void)state;
    s.from_mono_ms = INT64_MAX / 2;
    assert_int_equal(watch(&s, 60000), -1);
    suspects_free(s.suspects);
}

/* It beat before the connection was lost, and only now is that seen. */
static void an_old_beat_is_no_sign_of_death(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(watch(&s, BEAT_MS), -1);
    s.beat++;
    let_pass(&s, 60000);
    assert_int_equal(watch(&s, 60000), SUSPECT_GRACE_MS + WINDOW_MS);
    suspects_free(s.suspects);
}

static void a_beat_after_a_gap_is_believed_at_once(void **state)
{
    struct scene s = begin();

    (void)state;
    look(&s);
    let_pass(&s, 60000);
    look(&s);
    let_pass(&s, LOOK_MS);
    beat(&s);
    assert_int_equal(watch(&s, 60000), TIMEOUT_MS);
    suspects_free(s.suspects);
}

static void a_session_that_has_ended_is_given_to_recovery_at_once(void **state)
{
    struct suspects *suspects = suspects_new();

    (void)state;
    suspects_begin(suspects, 1000, 5000, INT64_MAX);
    assert_true(suspects_see(suspects, &(struct sighting){.session = "w1", .deadline_ms = 4000, .beat = ""}));
    suspects_end(suspects);
    suspects_free(suspects);
}

static void the_widest_window_is_remembered(void **state)
{
    struct scene s = begin();

    (void)state;
    assert_int_equal(suspects_window_ms(s.suspects), 0);
    look(&s);
    assert_int_equal(suspects_window_ms(s.suspects), WINDOW_MS);
    assert_int_equal(suspects_timeout_ms(s.suspects), TIMEOUT_MS);
    suspects_free(s.suspects);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_dead_when_its_deadline_has_passed_and_it_was_watched_for_long_enough),
        cmocka_unit_test(who_beats_lives),
        cmocka_unit_test(a_late_look_at_an_old_deadline_condemns_nobody),
        cmocka_unit_test(a_clock_stepped_forward_condemns_nobody),
        cmocka_unit_test(a_clock_stepped_back_hides_nobody),
        cmocka_unit_test(after_a_gap_the_watching_begins_anew),
        cmocka_unit_test(what_was_watched_before_a_given_moment_does_not_count),
        cmocka_unit_test(nobody_is_dead_before_the_watching_begins),
        cmocka_unit_test(an_old_beat_is_no_sign_of_death),
        cmocka_unit_test(a_beat_after_a_gap_is_believed_at_once),
        cmocka_unit_test(a_session_that_has_ended_is_given_to_recovery_at_once),
        cmocka_unit_test(the_widest_window_is_remembered),
    };

    return UNIT_RUN(tests);
}
