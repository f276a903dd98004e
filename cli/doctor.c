/* `rota doctor`: is the deployment well? Measures; diagnosis.h says what that means. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/diagnosis.h"
#include "cli/doctor_schedules.h"
#include "cli/doctor_work.h"
#include "cli/live.h"
#include "cli/text.h"
#include "common/clock.h"
#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"

#define PINGS 200

/* ---- the server ---- */

/* The value of `field` in INFO's "field:value\r\n" lines; "" if it is not there. */
static void info_text(const char *info, const char *field, char *ret, size_t size)
{
    size_t length = strlen(field);

    ret[0] = '\0';
    for (const char *line = info; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            snprintf(ret, size, "%.*s", (int)strcspn(line + length + 1, "\r\n"), line + length + 1);
            return;
        }
}

static int64_t info_number(const char *info, const char *field)
{
    char text[64];

    info_text(info, field, text, sizeof text);
    return strtoll(text, NULL, 10);
}

static void on_info(const struct reply *reply, void *ctx)
{
    struct server_measures *measures = ctx;
    const char *info = reply_string(reply);

    measures->memory_used = info_number(info, "used_memory");
    measures->memory_max = info_number(info, "maxmemory");
    measures->clients = info_number(info, "connected_clients");
    measures->clients_max = info_number(info, "maxclients");
    measures->aof = info_number(info, "aof_enabled") == 1;
    measures->fork_ms = info_number(info, "latest_fork_usec") / 1000;
    info_text(info, "aof_last_write_status", measures->aof_status, sizeof measures->aof_status);
}

/* FUNCTION LIST: {"library_name", name, ...} for each. */
static void on_libraries(const struct reply *reply, void *ctx)
{
    struct server_measures *measures = ctx;
    size_t size = sizeof measures->other_libraries, length = 0;

    for (size_t i = 0; i < reply_count(reply); i++) {
        const char *name = reply_string(reply_at(reply_at(reply, i), 1));
        if (strcmp(name, library_name()) != 0 && length < size)
            length += (size_t)snprintf(measures->other_libraries + length, size - length, "%s%s", length ? " " : "", name);
    }
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* One after the other, as a claim would wait. */
static int measure_pings(struct cli *cli, struct server_measures *measures, struct error *err)
{
    int64_t times_us[PINGS];
    struct call call = {0};
    int rc = 0;

    call_command(&call, "PING");
    for (int i = 0; i < PINGS && rc == 0; i++) {
        int64_t begun_us = clock_mono_us();
        rc = cli_call(cli, &call, NULL, NULL, err);
        times_us[i] = clock_mono_us() - begun_us;
    }
    call_clear(&call);
    if (rc < 0)
        return rc;
    qsort(times_us, PINGS, sizeof *times_us, by_size);
    measures->pings = PINGS;
    measures->ping_p50_us = times_us[PINGS / 2];
    measures->ping_p99_us = times_us[PINGS * 99 / 100];
    return 0;
}

/* What the server forbids us to ask is left out. */
static int ask_server(struct cli *cli, const char *const *words, cli_answer_cb *cb, struct server_measures *measures,
                      struct error *err)
{
    struct call call = {0};
    int rc;

    call_command(&call, words[0]);
    for (size_t i = 1; words[i]; i++)
        call_add_string(&call, words[i]);
    rc = cli_call(cli, &call, cb, measures, err);
    call_clear(&call);
    return rc == ERR_DENIED || rc == ERR_PROTOCOL ? 0 : rc;
}

static int measure_server(struct cli *cli, struct server_measures *measures, struct error *err)
{
    static const char *const info[] = {"INFO", NULL}, *const libraries[] = {"FUNCTION", "LIST", "LIBRARYNAME", "rota_*", NULL};

    if (ask_server(cli, info, on_info, measures, err) < 0 || ask_server(cli, libraries, on_libraries, measures, err) < 0)
        return err->code;
    return measure_pings(cli, measures, err);
}

static void on_text(const struct reply *reply, void *ctx)
{
    snprintf(ctx, 16, "%s", reply_string(reply));
}

/* What the deployment was declared as, unless this command was told otherwise. */
static int read_declared(struct cli *cli, enum durability *ret, struct error *err)
{
    struct call call = {0};
    struct error ignored;
    char text[16] = "";
    int rc = 0;

    if (strcmp(config_origin(cli->config, "redis.durability"), "default") == 0) {
        call_command(&call, "HGET");
        call_add_string(&call, KEY_META);
        call_add_string(&call, "durability");
        rc = cli_call(cli, &call, on_text, text, err);
        call_clear(&call);
    }
    if (rc == 0 && text[0] && durability_parse(ret, text, &ignored) < 0)
        *ret = DURABILITY_DISK;
    return rc;
}

/* The check that the programs make when they start. Its refusal is a finding. */
static int check_server(struct cli *cli, struct deployment_options *options, struct deployment *found, char *refusal, size_t size,
                        struct error *err)
{
    uint32_t lanes = cli->deployment.lanes;

    if (read_declared(cli, &options->durability, err) < 0)
        return err->code;
    options->may_read_config = true;
    refusal[0] = '\0';
    if (deployment_check_wait(cli->redis, options, found, err) < 0)
        snprintf(refusal, size, "%s", err->message);
    cli->deployment = *found;
    cli->deployment.lanes = lanes;
    return 0;
}

/* ---- the programs ---- */

static void count_program(struct program_measures *measures, const struct live *live)
{
    bool is_worker = live_is_worker(live);

    measures->schedulers += strcmp(live->kind, "scheduler") == 0;
    measures->workers += is_worker;
    measures->quiet += is_worker && !live_takes_jobs(live);
    if (is_worker) {
        measures->slots += live->slots;
        measures->busy += live->held;
    }
    if (live->version[0] && strcmp(live->version, ROTA_VERSION) != 0) {
        measures->other_versions++;
        snprintf(measures->another_version, sizeof measures->another_version, "%s", live->version);
    }
    if (live->timeout_ms > 0 && (measures->timeout_ms == 0 || live->timeout_ms < measures->timeout_ms)) {
        measures->timeout_ms = live->timeout_ms;
        snprintf(measures->timeout_of, sizeof measures->timeout_of, "%s", live->session);
    }
}

static int measure_programs(struct cli *cli, const struct live_list *live, struct program_measures *measures, struct error *err)
{
    measures->drain_ms = config_integer(cli->config, "worker.drain");
    for (size_t i = 0; i < live->count; i++)
        count_program(measures, &live->items[i]);
    return live_leader(cli, &measures->has_leader, err);
}

/* ---- all of it ---- */

static int examine(struct cli *cli, struct deployment_options *options, struct diagnosis *diagnosis, struct error *err)
{
    struct deployment found = {.lanes = 0};
    char refusal[sizeof err->message];
    struct server_measures server = {.address = redis_address(cli->redis), .found = &found, .refusal = refusal};
    struct program_measures programs = {.schedulers = 0};
    struct diagnosis *work = memory_new(sizeof *work);
    struct live_list live = {0};
    int64_t stall_ms;
    int rc = check_server(cli, options, &found, refusal, sizeof refusal, err);

    server.declared = options->durability;
    if (rc == 0)
        rc = measure_server(cli, &server, err);
    if (rc == 0)
        rc = live_read(cli, &live, err);
    if (rc == 0)
        rc = measure_programs(cli, &live, &programs, err);
    if (rc == 0)
        rc = doctor_work(cli, &live, work, server.intake, err);
    if (rc == 0)
        rc = doctor_schedules(cli, work, err);
    stall_ms = server.ping_p99_us / 1000 > server.fork_ms ? server.ping_p99_us / 1000 : server.fork_ms;
    diagnose_server(diagnosis, &server);
    if (rc == 0)
        diagnose_programs(diagnosis, &programs, stall_ms);
    for (size_t i = 0; i < work->count && diagnosis->count < FINDINGS_MAX; i++)
        diagnosis->items[diagnosis->count++] = work->items[i];
    free(work);
    live_clear(&live);
    return rc;
}

static void tell(struct cli *cli, const struct diagnosis *diagnosis)
{
    struct list *list = cli->output.format == OUTPUT_TABLE ? NULL : list_new(&cli->output, NULL);
    int counts[3] = {0};

    for (size_t i = 0; i < diagnosis->count; i++) {
        const struct finding *finding = &diagnosis->items[i];
        counts[finding->status]++;
        if (list)
            list_add(list,
                     json_pack("{s:s, s:s, s:s, s:o}", "check", finding->check, "status", finding_status_name(finding->status),
                               "found", finding->found, "advice", output_text_or_null(finding->advice)));
        else
            printf("%-4s  %-18s %s\n", finding_status_name(finding->status), finding->check, finding->found);
        if (!list && finding->advice[0])
            printf("%24s -> %s\n", "", finding->advice);
    }
    if (list)
        list_end(list);
    cli_note(cli, "%d ok, %d warn, %d fail", counts[FINDING_OK], counts[FINDING_WARN], counts[FINDING_FAIL]);
}

/* What keeps us from looking on is the last finding. */
static void add_failure(struct diagnosis *diagnosis, const struct error *err)
{
    struct finding *finding = &diagnosis->items[diagnosis->count < FINDINGS_MAX ? diagnosis->count++ : FINDINGS_MAX - 1];

    *finding = (struct finding){.status = FINDING_FAIL};
    snprintf(finding->check, sizeof finding->check, "connection");
    text_copy_plain(finding->found, sizeof finding->found, err->message);
    snprintf(finding->advice, sizeof finding->advice, "%s",
             err->code == ERR_SETUP    ? "run rota setup, or start rota-scheduler"
             : err->code == ERR_DENIED ? "look at the user and the rights that the URL names"
                                       : "look at the server, at redis.url, and at what is between");
}

static int doctor(struct cli *cli, struct error *err)
{
    struct deployment_options options;
    struct diagnosis *diagnosis;
    int rc;

    if (settings_deployment(cli->config, &options, err) < 0)
        return cli_misused(cli, err);
    rc = cli_connect_to_look(cli, ANSWER_MS_MAX, err);
    if (rc < 0 && cli->failure_status == EX_USAGE)
        return rc;
    diagnosis = memory_new(sizeof *diagnosis);
    if (rc == 0)
        rc = examine(cli, &options, diagnosis, err);
    if (rc < 0)
        add_failure(diagnosis, err);
    tell(cli, diagnosis);
    rc = diagnosis_status(diagnosis) == FINDING_FAIL ? EXIT_FAILED : 0;
    free(diagnosis);
    return rc;
}

static const struct config_setting doctor_settings[] = {
    SETTINGS_CLI,
    SETTING_WORKER_DRAIN("how long the workers' stop waits for running jobs, if that is not in this file"),
    {0},
};

const struct command doctor_commands[] = {
    {"doctor", "", "Check the deployment: server, programs, queues; say what to do", doctor_settings, 0, 0, doctor,
     "The checks that programs make when they start, with the numbers behind them; latency, headroom and persistence of the "
     "server;\n"
     "clocks; who leads; versions; queues and types that no worker serves; schedules that are unhealthy or were mended; whether "
     "what stops a worker waits long enough; "
     "whether\n"
     "session time-outs have room for the stalls that were seen. Each is ok, warn or fail, with what was found and what to do. "
     "Exits\n"
     "with 1 if one is fail.\n"
     "\n"
     "    rota doctor\n"
     "    rota doctor --json | jq -r '.[] | select(.status != \"ok\") | .advice'"},
    {0},
};
