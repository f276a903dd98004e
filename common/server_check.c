#include "common/server_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "common/server_version.h"

#define REDIS_MAJOR_MIN     7
#define MEMORY_PERCENT_MAX  80
#define CLIENTS_PERCENT_MAX 80
#define KEEPALIVE_S_MAX     60
#define BUSY_MS             5000 /* Redis' default */
#define BEATS_OF_SILENCE    3    /* a connection may be silent between two beats, and one may be late */
#define STALLS_PER_TIMEOUT  10   /* that a session's time-out has room for */
#define CLOCK_OFFSET_MS_MAX 1000

#define VALUE_BYTES 64

/* The value of `field` in INFO's "field:value\r\n" lines; "" if it is not there. `ret` is returned. */
static const char *info_text(const struct server_answers *answers, const char *field, char ret[VALUE_BYTES])
{
    size_t length = strlen(field);

    ret[0] = '\0';
    for (const char *line = answers->info; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            snprintf(ret, VALUE_BYTES, "%.*s", (int)strcspn(line + length + 1, "\r\n"), line + length + 1);
            break;
        }
    return ret;
}

static bool info_is(const struct server_answers *answers, const char *field, const char *value)
{
    char text[VALUE_BYTES];

    return strcmp(info_text(answers, field, text), value) == 0;
}

static int64_t info_number(const struct server_answers *answers, const char *field)
{
    char text[VALUE_BYTES];

    return strtoll(info_text(answers, field, text), NULL, 10);
}

/* The value of a setting; `otherwise` if CONFIG was not read or does not have it. */
static const char *config_text(const struct server_answers *answers, const char *name, const char *otherwise)
{
    for (const char *const *pair = answers->config_pairs; pair && pair[0] && pair[1]; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    return otherwise;
}

static int64_t config_number(const struct server_answers *answers, const char *name, const char *otherwise)
{
    return strtoll(config_text(answers, name, otherwise), NULL, 10);
}

static bool config_is(const struct server_answers *answers, const char *name, const char *value)
{
    return strcmp(config_text(answers, name, ""), value) == 0;
}

void server_check_warn(struct deployment *ret, const char *name, const char *fmt, ...)
{
    struct deployment_warning *warning = &ret->warnings[ret->warning_count];
    va_list args;

    if (ret->warning_count == DEPLOYMENT_WARNINGS_MAX)
        return;
    ret->warning_count++;
    snprintf(warning->name, sizeof warning->name, "%s", name);
    va_start(args, fmt);
    vsnprintf(warning->text, sizeof warning->text, fmt, args);
    va_end(args);
}

const char *server_check_setting(const struct server_answers *answers, const char *name)
{
    return config_text(answers, name, "");
}

bool server_check_has_port(const char *info)
{
    return !info_is(&(struct server_answers){.info = info}, "tcp_port", "0");
}

/* Redis calls itself "7.0.15"; Valkey says that it behaves like Redis 7.2.4, and has its own version beside that. */
static void read_identity(const struct server_answers *answers, struct deployment *ret)
{
    char text[VALUE_BYTES];

    snprintf(ret->run_id, sizeof ret->run_id, "%.47s", info_text(answers, "run_id", text));
    if (info_text(answers, "valkey_version", text)[0])
        snprintf(ret->redis_version, sizeof ret->redis_version, "valkey %.16s", text);
    else
        snprintf(ret->redis_version, sizeof ret->redis_version, "%.23s", info_text(answers, "redis_version", text));
}

int server_check_usable(const char *info, struct error *err)
{
    const struct server_answers answers = {.info = info};
    char text[VALUE_BYTES];

    if (info_number(&answers, "redis_version") < REDIS_MAJOR_MIN)
        return error_set(err, ERR_INVALID, "redis_version is \"%s\": Redis %d.0 or Valkey 7.2 is the oldest that will do",
                         info_text(&answers, "redis_version", text), REDIS_MAJOR_MIN);
    if (info_is(&answers, "cluster_enabled", "1"))
        return error_set(err, ERR_INVALID,
                         "cluster_enabled is 1: Rota speaks to one primary and cannot follow the keys of a cluster; use a "
                         "server with \"cluster-enabled no\"");
    if (!info_is(&answers, "loading", "0"))
        return error_set(err, ERR_UNAVAILABLE, "Redis is loading its data");
    if (!info_is(&answers, "role", "master"))
        return error_set(err, ERR_INVALID, "role is \"%s\": connect to the primary", info_text(&answers, "role", text));
    if (!info_is(&answers, "maxmemory_policy", "noeviction"))
        return error_set(err, ERR_INVALID,
                         "maxmemory-policy is \"%s\", so that Redis may delete jobs: set \"maxmemory-policy noeviction\"",
                         info_text(&answers, "maxmemory_policy", text));
    return 0;
}

/* A server that refuses every write until its replicas or its disk are well again. */
static int check_writes(const struct server_answers *answers, struct deployment *ret, struct error *err)
{
    bool snapshot_failed = !info_is(answers, "rdb_last_bgsave_status", "ok");
    bool snapshots = !config_is(answers, "save", "");
    bool stops = config_is(answers, "stop-writes-on-bgsave-error", "yes");
    int64_t replicas_min = config_number(answers, "min-replicas-to-write", "0");
    char text[VALUE_BYTES];

    /* Without a min-replicas-max-lag INFO does not count them, and Redis does not insist. */
    if (*info_text(answers, "min_slaves_good_slaves", text) && info_number(answers, "min_slaves_good_slaves") < replicas_min)
        return error_set(
            err, ERR_FULL,
            "min_slaves_good_slaves is %s and min-replicas-to-write is %lld, so that Redis refuses all writes: bring "
            "the replicas up, or set \"min-replicas-to-write 0\"",
            text, (long long)replicas_min);
    if (info_is(answers, "aof_enabled", "1") && !info_is(answers, "aof_last_write_status", "ok"))
        return error_set(err, ERR_FULL,
                         "aof_last_write_status is not ok: Redis cannot write its append-only file; is the disk full?");
    if (snapshot_failed && snapshots && stops)
        return error_set(err, ERR_FULL,
                         "rdb_last_bgsave_status is not ok and stop-writes-on-bgsave-error is yes, so that Redis refuses "
                         "all writes: make room on the disk, or set \"save \\\"\\\"\"");
    if (snapshots && stops)
        server_check_warn(ret, "save",
                          "save is \"%.60s\" and stop-writes-on-bgsave-error is yes: one failed snapshot stops all work; set "
                          "\"save \\\"\\\"\"",
                          config_text(answers, "save", ""));
    else if (snapshot_failed)
        server_check_warn(ret, "rdb_last_bgsave_status", "rdb_last_bgsave_status is not ok: the last snapshot failed");
    return 0;
}

/* What survives; `ret_why` names the setting that keeps it from being more. */
static enum durability find_level(const struct server_answers *answers, char ret_why[static 2 * VALUE_BYTES])
{
    const char *sync = config_text(answers, "appendfsync", "always");

    ret_why[0] = '\0';
    if (!info_is(answers, "aof_enabled", "1")) {
        snprintf(ret_why, 2 * VALUE_BYTES, "appendonly is \"no\": set \"appendonly yes\"");
        return DURABILITY_MEMORY;
    }
    if (config_is(answers, "no-appendfsync-on-rewrite", "yes")) {
        snprintf(ret_why, 2 * VALUE_BYTES, "no-appendfsync-on-rewrite is \"yes\": set \"no-appendfsync-on-rewrite no\"");
        return DURABILITY_MEMORY; /* while the file is rewritten, for minutes perhaps, nothing is synced */
    }
    if (strcmp(sync, "always") == 0)
        return DURABILITY_DISK;
    snprintf(ret_why, 2 * VALUE_BYTES, "appendfsync is \"%.20s\": set \"appendfsync always\"", sync);
    return strcmp(sync, "everysec") == 0 ? DURABILITY_EVERYSEC : DURABILITY_MEMORY;
}

int server_check_level(enum durability level, enum durability declared, const char *why, struct error *err)
{
    if (level >= declared)
        return 0;
    return error_set(err, ERR_INVALID, "durability is declared as \"%s\", but Redis gives \"%s\"%s%s, or declare \"%s\"",
                     durability_name(declared), durability_name(level), *why ? ": " : "", why, durability_name(level));
}

static void warn_about_memory(const struct server_answers *answers, struct deployment *ret)
{
    int64_t limit = info_number(answers, "maxmemory"), used = info_number(answers, "used_memory");
    int64_t clients = info_number(answers, "connected_clients"), clients_max = info_number(answers, "maxclients");

    if (limit == 0)
        server_check_warn(ret, "maxmemory",
                          "maxmemory is 0: Redis may grow until the kernel kills it; set it, as in \"maxmemory 2gb\"");
    else if (used > limit / 100 * MEMORY_PERCENT_MAX)
        server_check_warn(ret, "used_memory",
                          "used_memory is %lld of maxmemory %lld bytes (more than %d%%): soon new jobs will be refused",
                          (long long)used, (long long)limit, MEMORY_PERCENT_MAX);
    if (clients_max > 0 && clients * 100 > clients_max * CLIENTS_PERCENT_MAX)
        server_check_warn(ret, "connected_clients",
                          "connected_clients is %lld of maxclients %lld (more than %d%%): set a larger \"maxclients\"",
                          (long long)clients, (long long)clients_max, CLIENTS_PERCENT_MAX);
}

/* Connections that end for no fault of ours. */
static void warn_about_connections(const struct server_answers *answers, const struct deployment_options *options,
                                   struct deployment *ret)
{
    int64_t idle_s = config_number(answers, "timeout", "0"), keepalive_s = config_number(answers, "tcp-keepalive", "60");

    if (idle_s > 0 && idle_s * 1000 <= options->beat_ms * BEATS_OF_SILENCE)
        server_check_warn(ret, "timeout",
                          "timeout is %lld: Redis hangs up on clients that are silent for so long, and the beat is %lld ms; set "
                          "\"timeout 0\"",
                          (long long)idle_s, (long long)options->beat_ms);
    if ((keepalive_s <= 0 || keepalive_s > KEEPALIVE_S_MAX) && server_check_has_port(answers->info))
        server_check_warn(ret, "tcp-keepalive",
                          "tcp-keepalive is %lld: Redis notices %s that hosts are gone; set \"tcp-keepalive %d\"",
                          (long long)keepalive_s, keepalive_s <= 0 ? "never" : "late", KEEPALIVE_S_MAX);
    if (!config_is(answers, "maxmemory-clients", "0") && !config_is(answers, "maxmemory-clients", ""))
        server_check_warn(
            ret, "maxmemory-clients",
            "maxmemory-clients is \"%.20s\": Redis may hang up on a worker to save memory; set \"maxmemory-clients 0\"",
            config_text(answers, "maxmemory-clients", ""));
}

static void warn_about_settings(const struct server_answers *answers, struct deployment *ret)
{
    int64_t bulk_bytes = config_number(answers, "proto-max-bulk-len", "536870912");
    int64_t busy_ms = config_number(answers, "busy-reply-threshold", "5000");

    if (bulk_bytes < JOB_RECORD_BYTES_MAX)
        server_check_warn(ret, "proto-max-bulk-len",
                          "proto-max-bulk-len is %lld: a job may have %d bytes; set \"proto-max-bulk-len 512mb\"",
                          (long long)bulk_bytes, JOB_RECORD_BYTES_MAX);
    if (busy_ms != BUSY_MS)
        server_check_warn(ret, "busy-reply-threshold", "busy-reply-threshold is %lld: Redis %s; set \"busy-reply-threshold %d\"",
                          (long long)busy_ms,
                          busy_ms > 0 && busy_ms < BUSY_MS
                              ? "refuses all calls while one takes longer, though none of Rota's hangs"
                              : "takes long to notice a function that hangs",
                          BUSY_MS);
    if (info_is(answers, "aof_enabled", "1") && config_is(answers, "aof-load-truncated", "no"))
        server_check_warn(ret, "aof-load-truncated",
                          "aof-load-truncated is \"no\": after a loss of power Redis may not start again; set "
                          "\"aof-load-truncated yes\"");
    if (info_number(answers, "connected_slaves") > 0 && config_is(answers, "min-replicas-to-write", "0"))
        server_check_warn(ret, "min-replicas-to-write",
                          "min-replicas-to-write is 0: a failover may lose jobs that were acknowledged; set "
                          "\"min-replicas-to-write 1\"");
}

static void warn_about_version(const struct server_answers *answers, const struct deployment_options *options,
                               struct deployment *ret)
{
    char version[VALUE_BYTES];
    bool is_valkey = *info_text(answers, "valkey_version", version);
    const char *holes = server_version_holes(is_valkey ? version : info_text(answers, "redis_version", version), is_valkey);

    if (*holes && !options->accept_backported)
        server_check_warn(
            ret, "redis_version",
            "redis_version is %.23s, without the fixes of %s: use a newer one, or set redis.accept-backported if your "
            "packages have them (Debian's do)",
            ret->redis_version, holes);
}

/* What a frozen or slow server, or a wrong clock, does to sessions and due times. */
static void warn_about_time(const struct server_answers *answers, const struct deployment_options *options,
                            struct deployment *ret)
{
    int64_t fork_ms = info_number(answers, "latest_fork_usec") / 1000, stall_ms = answers->round_trip_ms;
    int64_t offset_ms = answers->clock_offset_ms;

    if (offset_ms - stall_ms > CLOCK_OFFSET_MS_MAX || -offset_ms - stall_ms > CLOCK_OFFSET_MS_MAX)
        server_check_warn(ret, "clock",
                          "the server's clock is %lld ms %s ours (more than %d): due times and expiry go by the server's; set "
                          "both by NTP",
                          (long long)(offset_ms < 0 ? -offset_ms : offset_ms), offset_ms < 0 ? "behind" : "ahead of",
                          CLOCK_OFFSET_MS_MAX);
    stall_ms = fork_ms > stall_ms ? fork_ms : stall_ms;
    if (options->timeout_ms > 0 && options->timeout_ms < stall_ms * STALLS_PER_TIMEOUT)
        server_check_warn(
            ret, "stall",
            "Redis was silent for %lld ms (%s), and the session's time-out is %lld ms: less than %d times as much; set a "
            "longer one",
            (long long)stall_ms, fork_ms == stall_ms ? "latest_fork_usec" : "a round trip", (long long)options->timeout_ms,
            STALLS_PER_TIMEOUT);
}

int server_check(const struct server_answers *answers, const struct deployment_options *options, struct deployment *ret,
                 struct error *err)
{
    char why[2 * VALUE_BYTES];

    read_identity(answers, ret);
    if (server_check_usable(answers->info, err) < 0 || check_writes(answers, ret, err) < 0)
        return err->code;
    ret->level = find_level(answers, why);
    if (server_check_level(ret->level, options->durability, why, err) < 0)
        return err->code;
    warn_about_version(answers, options, ret);
    warn_about_memory(answers, ret);
    warn_about_connections(answers, options, ret);
    warn_about_settings(answers, ret);
    warn_about_time(answers, options, ret);
    return 0;
}
