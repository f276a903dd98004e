/* cli/diagnosis - what is found of a deployment, from measures alone. */
#include "cli/diagnosis.h"

#include "tests/unit/unit.h"

static struct deployment sound = {.redis_version = "7.0.15", .level = DURABILITY_DISK, .clock_offset_ms = -3};

static struct server_measures sound_server(void)
{
    return (struct server_measures){
        .address = "unix:///r",
        .found = &sound,
        .refusal = "",
        .declared = DURABILITY_DISK,
        .ping_p50_us = 120,
        .ping_p99_us = 900,
        .pings = 100,
        .memory_used = 10 << 20,
        .memory_max = 100 << 20,
        .clients = 12,
        .clients_max = 10000,
        .aof = true,
        .aof_status = "ok",
        .fork_ms = 2,
    };
}

static struct program_measures sound_programs(void)
{
    return (struct program_measures){.has_leader = true,
                                     .schedulers = 2,
                                     .workers = 3,
                                     .slots = 30,
                                     .busy = 4,
                                     .timeout_ms = 6000,
                                     .timeout_of = "w1",
                                     .drain_ms = 25000};
}

static const struct finding *get(const struct diagnosis *diagnosis, const char *check)
{
    for (size_t i = 0; i < diagnosis->count; i++)
        if (strcmp(diagnosis->items[i].check, check) == 0)
            return &diagnosis->items[i];
    fail_msg("nothing was found of %s", check);
    return NULL;
}

/* Anything that is not ok says what to do. */
static void assert_finding(const struct diagnosis *diagnosis, const char *check, enum finding_status status, const char *found,
                           const char *advice)
{
    const struct finding *finding = get(diagnosis, check);

    assert_string_equal(finding_status_name(finding->status), finding_status_name(status));
    if (!strstr(finding->found, found) || !strstr(finding->advice, advice))
        fail_msg("%s: \"%s\" -> \"%s\"", check, finding->found, finding->advice);
    assert_true(status == FINDING_OK || finding->advice[0]);
}

static void a_sound_server_is_ok(void **state)
{
    const struct server_measures measures = sound_server();
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    diagnose_server(&diagnosis, &measures);
    assert_int_equal(diagnosis_status(&diagnosis), FINDING_OK);
    assert_finding(&diagnosis, "server", FINDING_OK, "redis 7.0.15 at unix:///r", "");
    assert_finding(&diagnosis, "durability", FINDING_OK, "disk, declared disk", "");
    assert_finding(&diagnosis, "clock", FINDING_OK, "-3 ms", "");
    assert_finding(&diagnosis, "latency", FINDING_OK, "half took 0.12 ms at most, 99 of 100 0.90 ms", "");
    assert_finding(&diagnosis, "memory", FINDING_OK, "10.0 of 100.0 MiB are used (10%)", "");
    assert_finding(&diagnosis, "connections", FINDING_OK, "12 of 10000", "");
    assert_finding(&diagnosis, "persistence", FINDING_OK, "fork took 2 ms", "");
}

static void what_is_wrong_with_a_server_is_told(void **state)
{
    struct deployment warned = sound;
    struct server_measures measures = sound_server();
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    warned.warning_count = 3;
    snprintf(warned.warnings[1].name, sizeof warned.warnings[1].name, "redis_version");
    snprintf(warned.warnings[1].text, sizeof warned.warnings[1].text, "redis_version is 7.0.1: use a newer one, or not");
    snprintf(warned.warnings[2].name, sizeof warned.warnings[2].name, "used_memory");
    snprintf(warned.warnings[2].text, sizeof warned.warnings[2].text, "used_memory is 9 of 10: soon full");
    snprintf(warned.warnings[0].name, sizeof warned.warnings[0].name, "maxmemory");
    snprintf(warned.warnings[0].text, sizeof warned.warnings[0].text, "maxmemory is 0: Redis may grow; set it");
    measures.found = &warned;
    measures.ping_p99_us = 60000;
    snprintf(measures.aof_status, sizeof measures.aof_status, "err");
    snprintf(measures.intake, sizeof measures.intake, "appendfsync is no");
    diagnose_server(&diagnosis, &measures);
    assert_finding(&diagnosis, "maxmemory", FINDING_WARN, "maxmemory is 0: Redis may grow", "set it");
    assert_string_equal(get(&diagnosis, "redis_version")->found, "redis_version is 7.0.1");
    assert_string_equal(get(&diagnosis, "redis_version")->advice, "use a newer one, or not");
    assert_finding(&diagnosis, "used_memory", FINDING_WARN, "soon full", "ARCHITECTURE");
    assert_finding(&diagnosis, "latency", FINDING_WARN, "60.00 ms", "SLOWLOG");
    assert_finding(&diagnosis, "persistence", FINDING_FAIL, "err", "make room");
    assert_finding(&diagnosis, "intake", FINDING_FAIL, "appendfsync is no", "scheduler");
    assert_int_equal(diagnosis_status(&diagnosis), FINDING_FAIL);

    diagnosis.count = 0;
    measures = sound_server();
    measures.refusal = "maxmemory-policy is \"allkeys-lru\"";
    measures.pings = 0;
    diagnose_server(&diagnosis, &measures);
    assert_int_equal(diagnosis.count, 1);
    assert_finding(&diagnosis, "server", FINDING_FAIL, "allkeys-lru", "as it says");

    diagnosis.count = 0;
    measures = sound_server();
    measures.ping_p99_us = 2000000;
    snprintf(measures.other_libraries, sizeof measures.other_libraries, "rota_0");
    diagnose_server(&diagnosis, &measures);
    assert_finding(&diagnosis, "latency", FINDING_FAIL, "2000.00 ms", "SLOWLOG");
    assert_finding(&diagnosis, "other libraries", FINDING_OK, "rota_0", "FUNCTION DELETE");
}

static void programs_are_there_or_not(void **state)
{
    struct program_measures measures = sound_programs();
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    diagnose_programs(&diagnosis, &measures, 20);
    assert_int_equal(diagnosis_status(&diagnosis), FINDING_OK);
    assert_finding(&diagnosis, "leader", FINDING_OK, "one of 2 schedulers leads", "");
    assert_finding(&diagnosis, "workers", FINDING_OK, "3, with 4 of 30 slots busy", "");
    assert_finding(&diagnosis, "session time-outs", FINDING_OK, "the shortest is 6s", "");

    diagnosis.count = 0;
    measures.has_leader = false;
    measures.workers = 0;
    measures.other_versions = 2;
    diagnose_programs(&diagnosis, &measures, 700);
    assert_finding(&diagnosis, "leader", FINDING_FAIL, "no scheduler leads", "start rota-scheduler");
    assert_finding(&diagnosis, "workers", FINDING_WARN, "no worker", "start rota-worker");
    assert_finding(&diagnosis, "versions", FINDING_WARN, "2 programs of another version", "restart");
    assert_finding(&diagnosis, "session time-outs", FINDING_WARN, "the shortest is 6s (of w1), and Redis was silent for 700ms",
                   "session.timeout");

    diagnosis.count = 0;
    measures.workers = measures.quiet = 2;
    diagnose_programs(&diagnosis, &measures, 0);
    assert_finding(&diagnosis, "workers", FINDING_WARN, "all 2 are quiet", "rota worker resume");
}

static void a_drain_wants_time_before_it_is_killed(void **state)
{
    struct program_measures measures = sound_programs();
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    diagnose_programs(&diagnosis, &measures, 0);
    assert_finding(&diagnosis, "drain", FINDING_OK, "worker.drain is 25s: what stops a worker must wait 30s",
                   "docker waits 10 s");
    assert_null(strstr(get(&diagnosis, "drain")->advice, "Kubernetes"));
    diagnosis.count = 0;
    measures.drain_ms = 3000;
    diagnose_programs(&diagnosis, &measures, 0);
    assert_string_equal(get(&diagnosis, "drain")->advice, "");
    diagnosis.count = 0;
    measures.drain_ms = 120000;
    diagnose_programs(&diagnosis, &measures, 0);
    assert_finding(&diagnosis, "drain", FINDING_WARN, "2m5s", "systemd waits 90 s unless told otherwise: TimeoutStopSec");
}

static void work_wants_workers(void **state)
{
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    diagnose_queue(&diagnosis, &(struct queue_measures){.name = "default", .orgs = 3, .workers = 2});
    assert_int_equal(diagnosis_status(&diagnosis), FINDING_OK);
    diagnose_queue(&diagnosis, &(struct queue_measures){.name = "idle"});
    assert_int_equal(diagnosis_status(&diagnosis), FINDING_OK);
    diagnose_queue(&diagnosis, &(struct queue_measures){.name = "bulk", .orgs = 1});
    assert_finding(&diagnosis, "queue bulk", FINDING_FAIL, "1 organization has work in queue bulk", "--queue bulk");
    diagnose_queue(&diagnosis, &(struct queue_measures){.name = "mail", .orgs = 1, .paused = true, .paused_by = "ann"});
    assert_finding(&diagnosis, "queue mail", FINDING_WARN, "paused by ann", "rota queue resume mail");
    diagnose_type(&diagnosis, "web", "default", "acme/j1");
    assert_finding(&diagnosis, "types", FINDING_WARN, "type web waits in queue default (acme/j1)", "handlers.web");
    diagnose_pause(&diagnosis, "bob");
    assert_finding(&diagnosis, "pause", FINDING_WARN, "everything is paused by bob", "rota resume");
    diagnose_schedules(&diagnosis, &(struct schedule_measures){.schedules = 9});
    assert_finding(&diagnosis, "schedules", FINDING_OK, "of 9 schedules none is unhealthy", "");
    diagnosis.count = 0;
    diagnose_schedules(&diagnosis,
                       &(struct schedule_measures){.schedules = 9, .more = true, .unhealthy = 2, .first_unhealthy = "acme/a"});
    assert_finding(&diagnosis, "schedules", FINDING_WARN, "of the first 9 schedules 2 unhealthy, as acme/a", "--unhealthy");
    diagnosis.count = 0;
    diagnose_schedules(&diagnosis, &(struct schedule_measures){.schedules = 9, .mended = 1, .first_mended = "acme/b"});
    assert_finding(&diagnosis, "schedules", FINDING_WARN, "of 9 schedules 1 mended in the last day, as acme/b", "show acme/b");
    diagnosis.count = 0;
    diagnose_deletion(&diagnosis, "acme");
    assert_finding(&diagnosis, "deletion", FINDING_WARN, "organization acme is being deleted", "rota org delete acme");
}

static void more_findings_than_there_is_room_for_do_no_harm(void **state)
{
    struct diagnosis diagnosis = {.count = 0};

    (void)state;
    for (int i = 0; i < 500; i++)
        diagnose_pause(&diagnosis, "bob");
    assert_int_equal(diagnosis.count, FINDINGS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_server_is_ok),      cmocka_unit_test(what_is_wrong_with_a_server_is_told),
        cmocka_unit_test(programs_are_there_or_not), cmocka_unit_test(a_drain_wants_time_before_it_is_killed),
        cmocka_unit_test(work_wants_workers),        cmocka_unit_test(more_findings_than_there_is_room_for_do_no_harm),
    };

    return UNIT_RUN(tests);
}
