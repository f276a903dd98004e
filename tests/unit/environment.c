/* environment - what a handler finds in its environment, and that it finds nothing else. */
#include "worker/environment.h"

#include "common/clock.h"
#include "tests/unit/unit.h"

static const struct job example = {
    .org = "acme",
    .id = "order-1",
    .place = "running",
    .score = 1800000060000, /* a deadline */
    .record = {.type = "mail.send", .queue = "bulk", .priority = 2, .key = (char[]){"order-42"}},
    .state = {.order = 1795164543276, .enqueued_ms = 1795164663000, .attempt = 2, .deliveries = 5},
};

/* The value of a variable, which is there once; NULL if it is not. */
static const char *value_of(char **environment, const char *name)
{
    const char *value = NULL;

    for (char **variable = environment; *variable; variable++)
        if (strncmp(*variable, name, strlen(name)) == 0 && (*variable)[strlen(name)] == '=') {
            assert_null(value);
            value = *variable + strlen(name) + 1;
        }
    return value;
}

static void assert_value(char **environment, const char *name, const char *expected)
{
    const char *value = value_of(environment, name);

    if (!value || strcmp(value, expected) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", name, value ? value : "(not there)", expected);
}

static size_t count(char **environment)
{
    size_t variables = 0;

    while (environment[variables])
        variables++;
    return variables;
}

/* The worker's own environment is set anew before each test. */
static int set_up(void **state)
{
    (void)state;
    return clearenv() || setenv("PATH", "/opt/bin:/bin", 1) || setenv("HOME", "/home/w", 1) || setenv("LANG", "C.UTF-8", 1) ||
           setenv("TZ", "Europe/Berlin", 1) || setenv("REDIS_URL", "redis://:secret@db", 1) || setenv("ROTA_ORG", "globex", 1) ||
           setenv("LD_PRELOAD", "", 1);
}

static void a_handler_is_told_all_about_its_job(void **state)
{
    char **environment = environment_new(&example, "sess1", 3, 3, 25, 60000);

    (void)state;
    assert_value(environment, "ROTA_CONTRACT", "1");
    assert_value(environment, "ROTA_JOB_ID", "order-1");
    assert_value(environment, "ROTA_ORG", "acme");
    assert_value(environment, "ROTA_TYPE", "mail.send");
    assert_value(environment, "ROTA_QUEUE", "bulk");
    assert_value(environment, "ROTA_ATTEMPT", "3");
    assert_value(environment, "ROTA_MAX_ATTEMPTS", "25");
    assert_value(environment, "ROTA_DELIVERY", "5");
    assert_value(environment, "ROTA_IDEMPOTENCY_KEY", "order-42");
    assert_value(environment, "ROTA_ENQUEUED_AT", "2026-11-20T08:51:03.000Z");
    assert_value(environment, "ROTA_DUE_AT", "2026-11-20T08:51:03.276Z");
    assert_value(environment, "ROTA_TIMEOUT_MS", "60000");
    assert_value(environment, "ROTA_WORKER_ID", "sess1");
    assert_value(environment, "ROTA_SLOT", "3");
    environment_free(environment);
}

static void the_deadline_is_a_time_out_from_now(void **state)
{
    int64_t before_ms = clock_wall_ms(), deadline_ms;
    char **environment = environment_new(&example, "sess1", 0, 1, 25, 60000);

    (void)state;
    assert_non_null(value_of(environment, "ROTA_DEADLINE_MS"));
    deadline_ms = strtoll(value_of(environment, "ROTA_DEADLINE_MS"), NULL, 10);
    assert_in_range(deadline_ms, before_ms + 60000, clock_wall_ms() + 60000);
    environment_free(environment);
}

static void only_four_variables_of_the_worker_are_passed_on(void **state)
{
    char **environment = environment_new(&example, "sess1", 0, 1, 25, 60000);

    (void)state;
    assert_value(environment, "PATH", "/opt/bin:/bin");
    assert_value(environment, "HOME", "/home/w");
    assert_value(environment, "LANG", "C.UTF-8");
    assert_value(environment, "TZ", "Europe/Berlin");
    assert_null(value_of(environment, "REDIS_URL"));
    assert_null(value_of(environment, "LD_PRELOAD"));
    for (char **variable = environment + 4; *variable; variable++)
        assert_memory_equal(*variable, "ROTA_", 5);
    assert_int_equal(count(environment), 19);
    environment_free(environment);
}

static void what_the_worker_does_not_have_is_not_there_but_a_path_is(void **state)
{
    char **environment;

    (void)state;
    clearenv();
    environment = environment_new(&example, "sess1", 0, 1, 25, 60000);
    assert_value(environment, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_null(value_of(environment, "HOME"));
    assert_null(value_of(environment, "LANG"));
    assert_null(value_of(environment, "TZ"));
    assert_int_equal(count(environment), 16);
    environment_free(environment);
}

static void a_job_without_queue_and_key_has_those_it_stands_for(void **state)
{
    struct job job = example;
    char **environment;

    (void)state;
    job.record.queue[0] = '\0';
    job.record.key = NULL;
    environment = environment_new(&job, "sess1", 0, 1, 25, 60000);
    assert_value(environment, "ROTA_QUEUE", "default");
    assert_value(environment, "ROTA_IDEMPOTENCY_KEY", "order-1");
    environment_free(environment);
}

static void values_may_hold_what_a_shell_would_read(void **state)
{
    struct job job = example;
    char **environment;

    (void)state;
    job.record.key = (char[]){"a=b\n$(reboot) 'x'"};
    environment = environment_new(&job, "sess1", 0, 1, 25, 60000);
    assert_value(environment, "ROTA_IDEMPOTENCY_KEY", "a=b\n$(reboot) 'x'");
    environment_free(environment);
    environment_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_handler_is_told_all_about_its_job, set_up),
        cmocka_unit_test_setup(the_deadline_is_a_time_out_from_now, set_up),
        cmocka_unit_test_setup(only_four_variables_of_the_worker_are_passed_on, set_up),
        cmocka_unit_test_setup(what_the_worker_does_not_have_is_not_there_but_a_path_is, set_up),
        cmocka_unit_test_setup(a_job_without_queue_and_key_has_those_it_stands_for, set_up),
        cmocka_unit_test_setup(values_may_hold_what_a_shell_would_read, set_up),
    };
    return UNIT_RUN(tests);
}
