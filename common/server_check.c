#include "common/server_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIS_MAJOR_MIN     7
#define MEMORY_PERCENT_MAX  80
#define CLIENTS_PERCENT_MAX 80
#define IDLE_S_MIN          60 /* an idle connection of a worker is silent for less */

#define VALUE_BYTES 64

/* Both texts of the server, as one place to look things up. */
struct source {
    const char *info;
    const char *const *pairs;
};

/* The value of `field` in INFO's "field:value\r\n" lines; "" if it is not there. `ret` is returned. */
static const char *info_text(const struct source *source, const char *field, char ret[VALUE_BYTES])
{
    size_t length = strlen(field);

    ret[0] = '\0';
    for (const char *line = source->info; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            snprintf(ret, VALUE_BYTES, "%.*s", (int)strcspn(line + length + 1, "\r\n"), line + length + 1);
            break;
        }
    return ret;
}

static bool info_is(const struct source *source, const char *field, const char *value)
{
    char text[VALUE_BYTES];

    return strcmp(info_text(source, field, text), value) == 0;
}

static int64_t info_number(const struct source *source, const char *field)
{
    char text[VALUE_BYTES];

    return strtoll(info_text(source, field, text), NULL, 10);
}

/* The value of a setting; `otherwise` if CONFIG was not read or does not have it. */
static const char *config_text(const struct source *source, const char *name, const char *otherwise)
{
    for (const char *const *pair = source->pairs; pair && pair[0] && pair[1]; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    return otherwise;
}

static bool config_is(const struct source *source, const char *name, const char *value)
{
    return strcmp(config_text(source, name, ""), value) == 0;
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

/* Redis calls itself "7.0.15"; Valkey says that it behaves like Redis 7.2.4, and has its own version beside that. */
static void read_identity(const struct source *source, struct deployment *ret)
{
    char text[VALUE_BYTES];

    snprintf(ret->run_id, sizeof ret->run_id, "%.47s", info_text(source, "run_id", text));
    if (info_text(source, "valkey_version", text)[0])
        snprintf(ret->redis_version, sizeof ret->redis_version, "valkey %.16s", text);
    else
        snprintf(ret->redis_version, sizeof ret->redis_version, "%.23s", info_text(source, "redis_version", text));
}

/* What no setting of ours can make good. */
static int check_usable(const struct source *source, struct error *err)
{
    char text[VALUE_BYTES];

    if (info_number(source, "redis_version") < REDIS_MAJOR_MIN)
        return error_set(err, ERR_INVALID, "redis_version is \"%s\": Redis %d.0 or Valkey 7.2 is the oldest that will do",
                         info_text(source, "redis_version", text), REDIS_MAJOR_MIN);
    if (!info_is(source, "loading", "0"))
        return error_set(err, ERR_UNAVAILABLE, "Redis is loading its data");
    if (!info_is(source, "role", "master"))
        return error_set(err, ERR_INVALID, "role is \"%s\": connect to the primary", info_text(source, "role", text));
    if (!info_is(source, "maxmemory_policy", "noeviction"))
        return error_set(err, ERR_INVALID,
                         "maxmemory-policy is \"%s\", so that Redis may delete jobs: set \"maxmemory-policy noeviction\"",
                         info_text(source, "maxmemory_policy", text));
    return 0;
}

/* A server that refuses every write until its disk is well again. */
static int check_disk(const struct source *source, struct deployment *ret, struct error *err)
{
    bool snapshot_failed = !info_is(source, "rdb_last_bgsave_status", "ok");
    bool snapshots = !config_is(source, "save", "");
    bool stops = config_is(source, "stop-writes-on-bgsave-error", "yes");

    if (info_is(source, "aof_enabled", "1") && !info_is(source, "aof_last_write_status", "ok"))
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
                          config_text(source, "save", ""));
    else if (snapshot_failed)
        server_check_warn(ret, "rdb_last_bgsave_status", "rdb_last_bgsave_status is not ok: the last snapshot failed");
    return 0;
}

/* What survives; `ret_why` names the setting that keeps it from being more. */
static enum durability find_level(const struct source *source, char ret_why[static 2 * VALUE_BYTES])
{
    const char *sync = config_text(source, "appendfsync", "always");

    ret_why[0] = '\0';
    if (!info_is(source, "aof_enabled", "1")) {
        snprintf(ret_why, 2 * VALUE_BYTES, "appendonly is \"no\": set \"appendonly yes\"");
        return DURABILITY_MEMORY;
    }
    if (config_is(source, "no-appendfsync-on-rewrite", "yes")) {
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

static void warn_about_memory(const struct source *source, struct deployment *ret)
{
    int64_t limit = info_number(source, "maxmemory"), used = info_number(source, "used_memory");
    int64_t clients = info_number(source, "connected_clients"), clients_max = info_number(source, "maxclients");

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

static void warn_about_settings(const struct source *source, struct deployment *ret)
{
    long long idle_s = strtoll(config_text(source, "timeout", "0"), NULL, 10);

    if (idle_s > 0 && idle_s < IDLE_S_MIN)
        server_check_warn(ret, "timeout",
                          "timeout is %lld: Redis hangs up on clients that are silent for so long; set \"timeout 0\"", idle_s);
    if (config_is(source, "tcp-keepalive", "0"))
        server_check_warn(ret, "tcp-keepalive",
                          "tcp-keepalive is 0: Redis never notices hosts that are gone; set \"tcp-keepalive 60\"");
    if (info_number(source, "connected_slaves") > 0 && config_is(source, "min-replicas-to-write", "0"))
        server_check_warn(ret, "min-replicas-to-write",
                          "min-replicas-to-write is 0: a failover may lose jobs that were acknowledged; set "
                          "\"min-replicas-to-write 1\"");
}

int server_check(const char *info, const char *const *config_pairs, const struct deployment_options *options,
                 struct deployment *ret, struct error *err)
{
    const struct source source = {.info = info, .pairs = config_pairs};
    char why[2 * VALUE_BYTES];

    read_identity(&source, ret);
    if (check_usable(&source, err) < 0 || check_disk(&source, ret, err) < 0)
        return err->code;
    ret->level = find_level(&source, why);
    if (server_check_level(ret->level, options->durability, why, err) < 0)
        return err->code;
    warn_about_memory(&source, ret);
    warn_about_settings(&source, ret);
    return 0;
}
