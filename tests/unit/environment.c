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

static const struct handler plain = {.type = (char[]){"*"}};

static char **environment_of(const struct job *job, unsigned slot, int attempt)
{
    return environment_new(&(struct environment_facts){.job = job,
                                                       .handler = &plain,
                                                       .session = "sess1",
                                                       .token = (const unsigned char *)"\x00\xff"
                                                                                       "0123456789abcd",
                                                       .slot = slot,
                                                       .attempt = attempt,
                                                       .max_attempts = 25,
                                                       .timeout_ms = 60000});
}

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
    char **environment = environment_of(&example, 3, 3);

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
    assert_value(environment, "ROTA_LEASE_TOKEN", "00ff3031323334353637383961626364");
    assert_value(environment, "ROTA_CONTROL_FD", "3");
    assert_value(environment, "ROTA_CONTENT_TYPE", "application/octet-stream");
    assert_value(environment, "ROTA_HEADERS", "{}");
    assert_null(value_of(environment, "ROTA_CHECKPOINT"));
    assert_null(value_of(environment, "TRACEPARENT"));
    environment_free(environment);
}

static void the_deadline_is_a_time_out_from_now(void **state)
{
    int64_t before_ms = clock_wall_ms(), deadline_ms;
    char **environment = environment_of(&example, 0, 1);

    (void)state;
    assert_non_null(value_of(environment, "ROTA_DEADLINE_MS"));
    deadline_ms = strtoll(value_of(environment, "ROTA_DEADLINE_MS"), NULL, 10);
    assert_in_range(deadline_ms, before_ms + 60000, clock_wall_ms() + 60000);
    environment_free(environment);
}

static void only_four_variables_of_the_worker_are_passed_on(void **state)
{
    char **environment = environment_of(&example, 0, 1);

    (void)state;
    assert_value(environment, "PATH", "/opt/bin:/bin");
    assert_value(environment, "HOME", "/home/w");
    assert_value(environment, "LANG", "C.UTF-8");
    assert_value(environment, "TZ", "Europe/Berlin");
    assert_null(value_of(environment, "REDIS_URL"));
    assert_null(value_of(environment, "LD_PRELOAD"));
    for (char **variable = environment + 4; *variable; variable++)
        assert_memory_equal(*variable, "ROTA_", 5);
    assert_int_equal(count(environment), 23);
    environment_free(environment);
}

static void what_the_worker_does_not_have_is_not_there_but_a_path_is(void **state)
{
    char **environment;

    (void)state;
    clearenv();
    environment = environment_of(&example, 0, 1);
    assert_value(environment, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_null(value_of(environment, "HOME"));
    assert_null(value_of(environment, "LANG"));
    assert_null(value_of(environment, "TZ"));
    assert_int_equal(count(environment), 20);
    environment_free(environment);
}

static void a_job_without_queue_and_key_has_those_it_stands_for(void **state)
{
    struct job job = example;
    char **environment;

    (void)state;
    job.record.queue[0] = '\0';
    job.record.key = NULL;
    environment = environment_of(&job, 0, 1);
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
    environment = environment_of(&job, 0, 1);
    assert_value(environment, "ROTA_IDEMPOTENCY_KEY", "a=b\n$(reboot) 'x'");
    environment_free(environment);
    environment_free(NULL);
}

static void a_job_brings_headers_and_a_trace_context(void **state)
{
    struct header headers[] = {{(char[]){"Content-Type"}, (char[]){"text/csv"}},
                               {(char[]){"traceparent"}, (char[]){"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
                               {(char[]){"TraceState"}, (char[]){"rojo=1"}},
                               {(char[]){"LD_PRELOAD"}, (char[]){"a\"b\n"}},
                               {(char[]){"bytes"}, (char[]){"\xff"}}};
    struct job job = example;
    char **environment;

    (void)state;
    job.record.headers = headers;
    job.record.header_count = COUNT(headers);
    job.state.notes = (struct job_notes){.checkpoint = (char[]){"page 7"}, .checkpoint_bytes = 6};
    environment = environment_of(&job, 0, 1);
    assert_value(environment, "ROTA_CONTENT_TYPE", "text/csv");
    assert_value(environment, "TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_value(environment, "TRACESTATE", "rojo=1");
    assert_value(environment, "ROTA_CHECKPOINT", "page 7");
    assert_null(value_of(environment, "LD_PRELOAD"));
    assert_value(environment, "ROTA_HEADERS",
                 "{\"Content-Type\":\"text/csv\",\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
                 "\"TraceState\":\"rojo=1\",\"LD_PRELOAD\":\"a\\\"b\\n\"}");
    environment_free(environment);
    headers[1].value[0] = 'x';
    job.state.notes.checkpoint_bytes = 7; /* as if there was a NUL in it */
    environment = environment_of(&job, 0, 1);
    assert_null(value_of(environment, "TRACEPARENT"));
    assert_null(value_of(environment, "TRACESTATE"));
    assert_null(value_of(environment, "ROTA_CHECKPOINT"));
    environment_free(environment);
}

static void the_operator_adds_variables_but_replaces_none_of_ours(void **state)
{
    struct handler_variable variables[] = {{(char[]){"REGION"}, (char[]){"eu-1"}},
                                           {(char[]){"REDIS_URL"}, NULL},
                                           {(char[]){"NOT_THERE"}, NULL},
                                           {(char[]){"HOME"}, (char[]){"/nowhere"}},
                                           {(char[]){"ROTA_ORG"}, (char[]){"globex"}}};
    const struct handler handler = {.variables = variables, .variable_count = COUNT(variables)};
    char **environment = environment_new(&(struct environment_facts){
        .job = &example, .handler = &handler, .session = "sess1", .attempt = 1, .max_attempts = 25, .timeout_ms = 60000});

    (void)state;
    assert_value(environment, "REGION", "eu-1");
    assert_value(environment, "REDIS_URL", "redis://:secret@db"); /* because the operator has named it */
    assert_null(value_of(environment, "NOT_THERE"));
    assert_value(environment, "HOME", "/nowhere");
    assert_value(environment, "ROTA_ORG", "acme");
    assert_null(value_of(environment, "ROTA_LEASE_TOKEN"));
    environment_free(environment);
}

static void a_shadow_is_told_that_it_is_one(void **state)
{
    struct header shadow = {(char[]){"Rota-Shadow"}, (char[]){"1"}};
    struct job job = example;
    char **environment;

    (void)state;
    job.record.headers = &shadow;
    job.record.header_count = 1;
    environment = environment_of(&job, 0, 1);
    assert_value(environment, "ROTA_SHADOW", "1");
    environment_free(environment);
    shadow.value[0] = '0';
    environment = environment_of(&job, 0, 1);
    assert_null(value_of(environment, "ROTA_SHADOW"));
    environment_free(environment);
}

/* However late it is, and however often it is tried again. */
static void a_job_of_a_schedule_is_told_which_due_time_it_serves(void **state)
{
    struct job job = example;
    char **environment;

    (void)state;
    strcpy(job.id, "report@1795164000000");
    environment = environment_of(&job, 0, 2);
    assert_value(environment, "ROTA_SCHEDULE", "report");
    assert_value(environment, "ROTA_DUE_AT", "2026-11-20T08:40:00.000Z");
    environment_free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_handler_is_told_all_about_its_job, set_up),
        cmocka_unit_test_setup(the_deadline_is_a_time_out_from_now, set_up),
        cmocka_unit_test_setup(only_four_variables_of_the_worker_are_passed_on, set_up),
        cmocka_unit_test_setup(what_the_worker_does_not_have_is_not_there_but_a_path_is, set_up),
        cmocka_unit_test_setup(a_job_without_queue_and_key_has_those_it_stands_for, set_up),
        cmocka_unit_test_setup(a_job_brings_headers_and_a_trace_context, set_up),
        cmocka_unit_test_setup(a_shadow_is_told_that_it_is_one, set_up),
        cmocka_unit_test_setup(a_job_of_a_schedule_is_told_which_due_time_it_serves, set_up),
        cmocka_unit_test_setup(the_operator_adds_variables_but_replaces_none_of_ours, set_up),
        cmocka_unit_test_setup(values_may_hold_what_a_shell_would_read, set_up),
    };
    return UNIT_RUN(tests);
}
