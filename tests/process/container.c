/* container - a worker that is the first process of a pid namespace, as in a container: whatever its handlers leave behind,
 * nothing piles up. ROTA_SOAK_EXEC and ROTA_SOAK_POOL: how many jobs, for the long form. */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define EXEC_JOBS    200
#define POOL_JOBS    1000
#define BATCH        100
#define WARM_UP      50
#define LIVING_MAX   2    /* a handler that lives on, and what it was started with */
#define KEEPERS_MORE 4    /* that were needed while one handler took the place of another */
#define GROWTH_KIB   3072 /* of the worker, whatever the number of jobs */

static bool may_make_namespaces(void)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0)
        _exit(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0 && access("/usr/bin/unshare", X_OK) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    if (status != 0)
        print_message("  SKIPPED, not permitted here: pid namespaces\n");
    return status == 0;
}

/* Children of `parent` in one of these states; and the last of them. */
static unsigned children(pid_t parent, const char *states, pid_t *ret_pid)
{
    DIR *proc = opendir("/proc");
    unsigned count = 0;

    for (const struct dirent *entry; proc && (entry = readdir(proc));) {
        char *path = memory_format("/proc/%s/stat", entry->d_name), *text = file_text(path), state;
        const char *end = strrchr(text, ')');
        int found = 0;
        if (end && sscanf(end + 1, " %c %d", &state, &found) == 2 && found == parent && strchr(states, state)) {
            count++;
            if (ret_pid)
                *ret_pid = (pid_t)atoi(entry->d_name);
        }
        free(text);
        free(path);
    }
    if (proc)
        closedir(proc);
    return count;
}

/* A worker as process 1. `ret_pid`: its number outside. */
static struct process *start_contained(struct pool *pool, const char *const *handlers, pid_t *ret_pid)
{
    const char *worker = PROGRAMS_PATH "/rota-worker";
    const char *arguments[32] = {"--pid",   "--fork",           "--kill-child=KILL", "--mount-proc", worker,
                                 "--redis", pool->url,          "--log-format",      "logfmt",       "--slots",
                                 "4",       "--worker-scratch", pool->directory,     "--durability", "memory"};
    const char *environment[] = {pool_text(pool, "HOME=%s", pool->directory), NULL};
    size_t count = 15;
    struct process *process;

    for (; *handlers; handlers++)
        arguments[count++] = *handlers;
    process = process_start(&(struct process_options){.program = "/usr/bin/unshare",
                                                      .arguments = arguments,
                                                      .environment = environment,
                                                      .log = pool_path(pool, "contained.log")});
    pool->processes[pool->process_count++] = process;
    process_wait_for(process, "msg=\"session open\"");
    assert_int_equal(children(process_pid(process), "RSD", ret_pid), 1);
    return process;
}

static unsigned descriptors(pid_t pid)
{
    char *path = memory_format("/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    unsigned count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    free(path);
    return count;
}

static long rss_kib(pid_t pid)
{
    char *path = memory_format("/proc/%d/status", (int)pid), *text = file_text(path);
    const char *at = strstr(text, "VmRSS:");
    long kib = 0;

    if (at)
        sscanf(at, "VmRSS: %ld", &kib);
    free(path);
    free(text);
    return kib;
}

/* Jobs that are over are not kept: a million of them would only measure Redis. */
static void run_jobs(struct pool *pool, const char *type, unsigned count)
{
    static unsigned batch;

    for (unsigned done = 0; done < count; done += BATCH) {
        unsigned part = count - done < BATCH ? count - done : BATCH;
        pool_push_many(pool, "acme", pool_text(pool, "b%u-", batch++), part, type, "");
        WAIT_UNTIL_MS(120000, pool_count(pool, "acme", "ready:default") + pool_count(pool, "acme", "running") < BATCH);
    }
    WAIT_UNTIL_MS(120000, pool_count(pool, "acme", "ready:default") + pool_count(pool, "acme", "running") == 0);
    assert_int_equal(pool_count(pool, "acme", "dead") + pool_count(pool, "acme", "scheduled"), 0);
}

/* `configuration`: of handler t. */
static void nothing_piles_up(struct pool *pool, const char *configuration, unsigned jobs)
{
    const char *path = pool_path(pool, "rota.yaml"), *type = "t";
    const char *const handlers[] = {"--config", path, NULL};
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    fprintf(file, "handlers:\n  t: %s\n", configuration);
    fclose(file);
    pid_t worker = 0;

    pool_redis(pool, "CONFIG SET appendfsync no");
    pool_scheduler(pool, "--durability", "memory", NULL);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--keep-done-max", "0");
    struct process *process = start_contained(pool, handlers, &worker);
    run_jobs(pool, type, WARM_UP);
    unsigned fds = descriptors(worker);
    long kib = rss_kib(worker);

    run_jobs(pool, type, jobs);

    WAIT_UNTIL(children(worker, "ZX", NULL) == 0);
    WAIT_UNTIL(children(worker, "RSDT", NULL) <= 8); /* its keepers */
    WAIT_UNTIL(pool_handlers(pool) <= LIVING_MAX);
    WAIT_UNTIL(descriptors(worker) <= fds + KEEPERS_MORE);
    long grown_kib = rss_kib(worker) - kib;
    print_message("  %u jobs: %u descriptors, %ld KiB and %ld more\n", jobs, descriptors(worker), kib, grown_kib);
#ifndef __SANITIZE_ADDRESS__
    assert_true(grown_kib <= GROWTH_KIB);
#endif
    kill(worker, SIGTERM);
    process_wait(process, PROCESS_MS_MAX);
}

static unsigned soak(const char *variable, unsigned usual)
{
    const char *value = getenv(variable);

    return value ? (unsigned)strtoul(value, NULL, 10) : usual;
}

/* Forks twice, leaves the session, and ends before what it has left. */
static void handlers_that_fork_twice_leave_nothing(void **state)
{
    if (may_make_namespaces())
        nothing_piles_up(*state, "\"(setsid sleep 600 &) ; (setsid sh -c 'sleep 600 & sleep 600' &) ; exit 0\"",
                         soak("ROTA_SOAK_EXEC", EXEC_JOBS));
}

/* The same of handlers that live on, and are replaced after each 200 jobs. */
static void handlers_that_live_on_leave_nothing(void **state)
{
    if (may_make_namespaces())
        nothing_piles_up(*state,
                         "{mode: pool, command: [/bin/sh, -c, \"(setsid sleep 600 &); exec " PROGRAMS_PATH "/example_words\"], "
                         "pool: {max_jobs: 200}}",
                         soak("ROTA_SOAK_POOL", POOL_JOBS));
}

/* Orphans that were never its own: here, of a process that was put into the namespace from outside. */
static void it_waits_for_orphans_of_others(void **state)
{
    struct pool *pool = *state;
    const char *const handlers[] = {"--on", "t=true", NULL};
    pid_t worker = 0;

    if (!may_make_namespaces())
        return;
    pool_scheduler(pool, NULL);
    start_contained(pool, handlers, &worker);
    process_wait(process_start(&(struct process_options){
                     .program = "/usr/bin/nsenter",
                     .arguments = (const char *[]){"--target", pool_text(pool, "%d", (int)worker), "--pid", "--mount", "/bin/sh",
                                                   "-c", "(setsid sleep 0.2 &) ; (setsid sleep 0.1 &) ; exit 0", NULL},
                     .log = pool_path(pool, "nsenter.log")}),
                 PROCESS_MS_MAX);
    WAIT_UNTIL(children(worker, "RSDTZX", NULL) == 0);
    assert_true(pid_runs(worker));
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handlers_that_fork_twice_leave_nothing, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(handlers_that_live_on_leave_nothing, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(it_waits_for_orphans_of_others, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("container", tests, NULL, NULL));
}
