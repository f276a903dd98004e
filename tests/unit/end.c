/* end - what `finish` is told of ended jobs: nothing more than before where they leave nothing, and what fits into one call. */
#include "worker/end.h"

#include "tests/unit/unit.h"

static const unsigned char token[TOKEN_BYTES + 1] = "0123456789abcdef";

static struct end make(const struct lane_end *from, struct note note)
{
    struct end end;

    end_make(&end, from, token, &note);
    return end;
}

/* The arguments as one text. */
static char *arguments_of(const struct end *ends, size_t count)
{
    struct buffer text = {0};
    struct call call = {0};

    call_command(&call, "X");
    ends_add(&call, ends, count);
    for (int i = 1; i < call.count; i++) {
        size_t length;
        const char *argument = call_argument(&call, i, &length);
        buffer_add_format(&text, "%s%.*s", i > 1 ? " " : "", (int)length, argument);
    }
    call_clear(&call);
    return buffer_give(&text);
}

static void assert_arguments(const struct end *ends, size_t count, const char *expected)
{
    char *text = arguments_of(ends, count);

    assert_string_equal(text, expected);
    free(text);
}

static void jobs_that_leave_nothing_have_five_arguments(void **state)
{
    struct end ends[2];

    (void)state;
    ends[0] = make(&(struct lane_end){.name = "a/1", .verdict = "done", .run_us = 7, .report = "r", .report_bytes = 1},
                   (struct note){0});
    ends[1] = make(&(struct lane_end){.name = "a/2", .verdict = "dead"}, (struct note){0});
    assert_arguments(ends, 2, "a/1 0123456789abcdef done 7 r a/2 0123456789abcdef dead 0 ");
    end_clear(&ends[0]);
    end_clear(&ends[1]);
}

static void what_they_leave_stands_behind_all_of_them(void **state)
{
    const struct lane_job jobs[] = {{"c1", "rec1", 4}, {"c2", "rec2", 4}};
    struct note note = {
        .sent = NOTE_PROGRESS, .waiting = NOTE_CHECKPOINT, .percent = 40, .checkpoint = strdup("page"), .checkpoint_bytes = 4};
    struct end ends[2];

    (void)state;
    ends[0] = make(&(struct lane_end){.name = "a/1", .verdict = "release 0 35"}, (struct note){0});
    ends[1] = make(&(struct lane_end){.name = "a/2",
                                      .verdict = "done",
                                      .log = "oops",
                                      .log_bytes = 4,
                                      .log_omitted_bytes = 9,
                                      .jobs = jobs,
                                      .job_count = 2,
                                      .verdict_if_refused = "retry 5 25"},
                   note);
    assert_arguments(ends, 2,
                     "a/1 0123456789abcdef release 0 35 0  a/2 0123456789abcdef done 0  + 2 note 40  =page 2 log 9 oops 2 jobs 2 "
                     "c1 rec1 c2 rec2");

    assert_false(end_refuse_jobs(&ends[0], "too_large"));
    assert_true(end_refuse_jobs(&ends[1], "too_large"));
    assert_string_equal(ends[1].verdict, "retry 5 25");
    assert_int_equal(ends[1].job_count, 0);
    assert_non_null(strstr(ends[1].report, "its further jobs were refused: too_large"));
    assert_false(end_refuse_jobs(&ends[1], "too_large"));
    end_clear(&ends[0]);
    end_clear(&ends[1]);
}

static void a_call_has_a_limit_of_leases_jobs_and_bytes(void **state)
{
    static struct lane_job jobs[64];
    static char large[70000];
    static struct end ends[70];

    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++)
        ends[i] = make(&(struct lane_end){.name = "a/1", .verdict = "done"}, (struct note){0});
    assert_int_equal(ends_that_fit(ends, 70), 64);
    assert_int_equal(ends_that_fit(ends, 3), 3);
    assert_int_equal(ends_that_fit(ends, 0), 0);
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i] = (struct lane_job){"c", "r", 1};
    for (size_t i = 0; i < 3; i++) {
        end_clear(&ends[2 * i]);
        ends[2 * i] = make(&(struct lane_end){.name = "a/1", .verdict = "done", .jobs = jobs, .job_count = 64}, (struct note){0});
    }
    assert_int_equal(ends_that_fit(ends, 70), 4);
    for (size_t i = 0; i < COUNT(ends); i++) {
        end_clear(&ends[i]);
        ends[i] =
            make(&(struct lane_end){.name = "a/1", .verdict = "done", .log = large, .log_bytes = sizeof large}, (struct note){0});
    }
    assert_int_equal(ends_that_fit(ends, 70), 1024 * 1024 / sizeof large);
    for (size_t i = 0; i < COUNT(ends); i++)
        end_clear(&ends[i]);
}

static void the_newest_of_each_kind_is_kept_of_a_note(void **state)
{
    struct note note = {0};

    (void)state;
    assert_false(note_merge(&note, &(struct lane_note){.progress = "one", .percent = 1}));
    assert_false(note_merge(&note, &(struct lane_note){.progress = "two", .percent = 2}));
    assert_true(note_merge(&note, &(struct lane_note){.checkpoint = "a", .checkpoint_bytes = 1}));
    assert_true(note_merge(&note, &(struct lane_note){.checkpoint = "bc", .checkpoint_bytes = 2}));
    assert_int_equal(note.waiting, NOTE_PROGRESS | NOTE_CHECKPOINT);
    assert_string_equal(note.progress, "two");
    assert_string_equal(note.checkpoint, "bc");
    assert_true(note_merge(&note, &(struct lane_note){.timeout_ms = 5}));
    assert_int_equal(note.waiting, NOTE_PROGRESS | NOTE_CHECKPOINT | NOTE_TIMEOUT);
    note_clear(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_that_leave_nothing_have_five_arguments),
        cmocka_unit_test(what_they_leave_stands_behind_all_of_them),
        cmocka_unit_test(a_call_has_a_limit_of_leases_jobs_and_bytes),
        cmocka_unit_test(the_newest_of_each_kind_is_kept_of_a_note),
    };
    return UNIT_RUN(tests);
}
