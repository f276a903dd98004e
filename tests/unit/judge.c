/* judge - what is reported of an attempt: how it ended, what it has told, and what the operator says about both. */
#include "worker/judge.h"

#include <signal.h>

#include "tests/unit/unit.h"

struct scene {
    struct handler *handler;
    struct told told;
    struct child_result ended;
    struct judged judged;
};

static struct scene scene_of(int exit)
{
    struct scene scene = {
        .told = TOLD_NOTHING,
        .ended = {.ending = {.exit = exit, .signal = -1}, .result = "out\n", .result_bytes = 4, .error = "last line"}};
    struct error err;

    scene.handler = handler_new("mail", &err);
    assert_non_null(scene.handler);
    return scene;
}

static void tell(struct scene *scene, const char *line)
{
    struct control control;
    struct error err;
    bool refused = control_parse(&control, line, strlen(line), &err) < 0;

    told_note(&scene->told, &control, refused ? &err : NULL);
    control_clear(&control);
}

static const struct judged *judge_scene(struct scene *scene)
{
    judge(&scene->judged, &(struct judge_facts){.ended = &scene->ended,
                                                .told = &scene->told,
                                                .handler = scene->handler,
                                                .attempt = 1,
                                                .max_attempts = 25,
                                                .random = 0x8000});
    return &scene->judged;
}

static void clear(struct scene *scene)
{
    told_clear(&scene->told);
    handler_release(scene->handler);
}

static void a_success_has_a_result_and_no_error(void **state)
{
    struct scene scene = scene_of(0);
    const struct judged *judged = judge_scene(&scene);

    (void)state;
    assert_string_equal(judged->words, "done");
    assert_string_equal(judged->error, "");
    assert_int_equal(judged->result_bytes, 4);
    tell(&scene, "{\"op\":\"result\",\"data\":{\"rows\":3}}");
    tell(&scene, "{\"op\":\"result\",\"data\":{\"rows\":4}}");
    judge_scene(&scene);
    assert_int_equal(judged->result_bytes, 10);
    assert_memory_equal(judged->result, "{\"rows\":4}", 10);
    scene.handler->result_bytes_max = 3;
    judge_scene(&scene);
    assert_int_equal(judged->result_bytes, 3);
    scene.ended.ending.exit = 99;
    judge_scene(&scene);
    assert_string_equal(judged->words, "discard");
    assert_null(judged->result);
    clear(&scene);
}

static void the_delay_that_was_named_counts_where_it_asks_for_a_retry(void **state)
{
    static const struct {
        int exit;
        const char *words, *error;
    } rows[] = {{75, "retry 30000 25", "429"}, {111, "retry 30000 25", "429"}, {1, "retry 5000 25", "429"}, {65, "dead", "429"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scene scene = scene_of(rows[i].exit);
        tell(&scene, "{\"op\":\"retry\",\"after_ms\":30000,\"reason\":\"429\"}");
        assert_string_equal(judge_scene(&scene)->words, rows[i].words);
        assert_string_equal(scene.judged.error, rows[i].error);
        clear(&scene);
    }
    struct scene scene = scene_of(42);
    scene.handler->exits[0] = (struct handler_exit){40, 49, HANDLER_RETRY};
    scene.handler->exit_count = 1;
    tell(&scene, "{\"op\":\"retry\",\"after_ms\":0}");
    assert_string_equal(judge_scene(&scene)->words, "retry 0 25");
    assert_string_equal(scene.judged.error, "exit 42: last line");
    clear(&scene);
}

static void what_it_says_of_its_failure_is_the_error(void **state)
{
    struct scene scene = scene_of(1);

    (void)state;
    assert_string_equal(judge_scene(&scene)->error, "exit 1: last line");
    tell(&scene, "{\"op\":\"fail\",\"class\":\"ValidationError\",\"message\":\"no address\"}");
    assert_string_equal(judge_scene(&scene)->error, "ValidationError: no address");
    scene.ended.ending = (struct ending){.exit = -1, .signal = SIGSEGV};
    assert_string_equal(judge_scene(&scene)->error, "killed by signal 11: ValidationError: no address");
    assert_memory_equal(scene.judged.words, "crash ", 6);
    scene.ended.ending = (struct ending){.exit = -1, .signal = SIGKILL, .out_of_memory_bytes = 512 << 20};
    assert_string_equal(judge_scene(&scene)->error, "out of memory: limit 512MiB: ValidationError: no address");
    assert_memory_equal(scene.judged.words, "crash ", 6);
    scene.ended.ending = (struct ending){.exit = -1, .signal = SIGKILL, .runaway = true};
    assert_string_equal(judge_scene(&scene)->error, "runaway-log: wrote more than 67108864 bytes");
    clear(&scene);
}

static void the_operator_decides_about_time_outs(void **state)
{
    struct scene scene = scene_of(-1);

    (void)state;
    scene.ended.ending = (struct ending){.exit = -1, .signal = SIGTERM, .timed_out = true};
    scene.ended.run_us = 1500000;
    assert_string_equal(judge_scene(&scene)->words, "timeout 5000 25");
    assert_string_equal(scene.judged.error, "timed out after 1500 ms: last line");
    scene.handler->on_timeout = HANDLER_DEAD;
    assert_string_equal(judge_scene(&scene)->words, "timeout 5000 0");
    clear(&scene);
}

static void who_is_handed_back_has_ten_deliveries_more_than_attempts(void **state)
{
    struct scene scene = scene_of(127);

    (void)state;
    assert_string_equal(judge_scene(&scene)->words, "release 5000 35");
    assert_true(scene.judged.broken);
    scene.ended.ending = (struct ending){.exit = -1, .signal = SIGTERM, .stopped = true};
    assert_string_equal(judge_scene(&scene)->words, "release 0 35");
    assert_false(scene.judged.broken);
    clear(&scene);
}

static void a_job_that_cannot_be_enqueued_fails_the_attempt(void **state)
{
    struct scene scene = scene_of(0);

    (void)state;
    tell(&scene, "{\"op\":\"enqueue\",\"type\":\"mail\"}");
    assert_string_equal(judge_scene(&scene)->words, "done");
    assert_string_equal(scene.judged.words_if_refused, "retry 5000 25");
    assert_int_equal(scene.told.job_count, 1);
    assert_int_equal(strlen(scene.told.jobs[0].id), ID_BYTES);
    tell(&scene, "{\"op\":\"enqueue\",\"type\":\"a/b\"}");
    tell(&scene, "{\"op\":\"enqueue\",\"type\":\"\"}");
    assert_string_equal(judge_scene(&scene)->words, "retry 5000 25");
    assert_null(scene.judged.result);
    assert_memory_equal(scene.judged.error, "its further jobs were refused: ", 31);
    scene.ended.ending.exit = 65;
    assert_string_equal(judge_scene(&scene)->words, "dead");
    assert_string_equal(scene.judged.error, "exit 65: last line");
    clear(&scene);
}

static void further_jobs_have_limits(void **state)
{
    struct scene scene = scene_of(0);
    static char line[60000];

    (void)state;
    for (int i = 0; i < TOLD_JOBS_MAX; i++)
        tell(&scene, "{\"op\":\"enqueue\",\"type\":\"mail\"}");
    assert_string_equal(judge_scene(&scene)->words, "done");
    tell(&scene, "{\"op\":\"enqueue\",\"type\":\"mail\"}");
    assert_string_equal(judge_scene(&scene)->error, "its further jobs were refused: more than 64 jobs, or 524288 bytes of them");
    clear(&scene);

    scene = scene_of(0);
    int length = sprintf(line, "{\"op\":\"enqueue\",\"type\":\"mail\",\"payload\":\"");
    memset(line + length, 'x', 50000);
    memcpy(line + length + 50000, "\"}", 3);
    for (int i = 0; i < 10; i++)
        tell(&scene, line);
    assert_string_equal(judge_scene(&scene)->words, "done");
    tell(&scene, line);
    assert_int_equal(judge_scene(&scene)->verdict, VERDICT_RETRY);
    clear(&scene);
}

static void nonsense_is_counted(void **state)
{
    struct scene scene = scene_of(0);

    (void)state;
    tell(&scene, "hello");
    tell(&scene, "{\"op\":\"progress\",\"pct\":700}");
    tell(&scene, "{\"op\":\"unheard-of\"}");
    assert_int_equal(scene.told.nonsense, 2);
    assert_string_equal(judge_scene(&scene)->words, "done");
    clear(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_has_a_result_and_no_error),
        cmocka_unit_test(the_delay_that_was_named_counts_where_it_asks_for_a_retry),
        cmocka_unit_test(what_it_says_of_its_failure_is_the_error),
        cmocka_unit_test(the_operator_decides_about_time_outs),
        cmocka_unit_test(who_is_handed_back_has_ten_deliveries_more_than_attempts),
        cmocka_unit_test(a_job_that_cannot_be_enqueued_fails_the_attempt),
        cmocka_unit_test(further_jobs_have_limits),
        cmocka_unit_test(nonsense_is_counted),
    };
    return UNIT_RUN(tests);
}
