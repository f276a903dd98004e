/* service - a process among others of the machine: under a service manager, as process 1, its log in a file, and no secret in any
 * of it. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define HOLD "until [ -e $HOME/go ]; do sleep 0.02; done"

static void let_go(struct pool *pool)
{
    write_text(pool, "go", "");
}

/* ---- the log ---- */

static void the_log_file_is_opened_again(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "logs/worker.log"), *moved = pool_path(pool, "logs/worker.log.1"),
               *folder = pool_path(pool, "logs"), *away = pool_path(pool, "away");
    assert_int_equal(mkdir(folder, 0700), 0);
    pool_scheduler(pool, NULL);
    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=@noop", "--log-file", path, NULL);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "session open"));
    assert_string_equal(process_log(worker), "");

    assert_int_equal(rename(path, moved), 0);
    process_signal(worker, SIGUSR1);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "log file opened again"));
    process_signal(worker, SIGTTIN);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "dump: lane"));
    assert_null(strstr(pool_file(pool, "logs/worker.log.1"), "dump"));
    assert_int_equal(truncate(path, 0), 0); /* the other way to rotate: what follows is appended, without a hole before it */
    process_signal(worker, SIGTTIN);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "dump: lane"));

    assert_int_equal(rename(folder, away), 0); /* where it should be there is nothing: the file that is open stays */
    process_signal(worker, SIGUSR1);
    WAIT_UNTIL(strstr(pool_file(pool, "away/worker.log"), "the log file cannot be opened again, the old one is kept"));
    assert_has(pool_file(pool, "away/worker.log"), "No such file or directory");
    process_signal(worker, SIGTERM);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_has(pool_file(pool, "away/worker.log"), "msg=stopped");
}

static void a_log_file_that_cannot_be_opened_is_refused_at_start(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=@noop", "--log-file", "/nowhere/worker.log", NULL);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 78);
    assert_has(process_log(worker), "flag --log-file: log file /nowhere/worker.log: No such file or directory");
    assert_int_equal(ROTA_MUST(pool, 0, "queue", "list", "--log-file", "/nowhere/rota.log").status, 0);
}

static void hup_reads_the_level_of_the_log_again(void **state)
{
    struct pool *pool = *state;
    const char *file = write_text(pool, "rota.yaml", "log: {level: warn}\n");
    struct process *scheduler = pool_start(pool, "rota-scheduler", "--config", file, NULL);
    WAIT_UNTIL(strlen(pool_string(pool, "GET rota:leader")) > 0);
    assert_null(process_said(scheduler, "level=info"));

    write_text(pool, "rota.yaml", "log: {level: debug}\n");
    process_signal(scheduler, SIGHUP);
    process_wait_for(scheduler, "msg=\"settings read again\" level=debug");

    write_text(pool, "rota.yaml", "log: {level: loud}\n");
    process_signal(scheduler, SIGHUP);
    process_wait_for(scheduler, "msg=\"settings cannot be read again, the old ones stay\" err=\"log level");
    process_signal(scheduler, SIGTERM);
    process_wait_for(scheduler, "level=info program=rota-scheduler msg=stopped");
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
}

static void a_debug_invocation_is_one(void **state)
{
    struct pool *pool = *state;
    pool->environment = (const char *const[]){"DEBUG_INVOCATION=1", NULL};
    struct process *scheduler = pool_start(pool, "rota-scheduler", "--log-level", "error", NULL);
    pool->environment = NULL;

    process_wait_for(scheduler, "level=info program=rota-scheduler msg=leading");
}

/* ---- a service manager ---- */

/* What `fd` hears next, within the time of a test; with spaces for line ends. */
static const char *hear(struct pool *pool, int fd)
{
    char text[512] = "";
    struct timeval limit = {.tv_sec = PROCESS_MS_MAX / 1000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recv(fd, text, sizeof text - 1, 0) < 0)
        fail_msg("nothing was heard: %s", strerror(errno));
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
    return pool_text(pool, "%s", text);
}

/* Hears until there is something that begins with `begin`; and that. */
static const char *hear_of(struct pool *pool, int fd, const char *begin)
{
    const char *text;

    do
        text = hear(pool, fd);
    while (strncmp(text, begin, strlen(begin)) != 0);
    return text;
}

/* A socket as a service manager's; `name` as in NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        abort();
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static void a_service_manager_is_told_how_it_goes(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_path(pool, "notify");
    int fd = listen_at(name);
    pool_scheduler(pool, NULL);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=400000", NULL};
    struct process *worker =
        pool_worker(pool, "--slots", "2", "--on", "env=env > $HOME/env", "--on", pool_logging(pool, "t", HOLD), NULL);
    pool->environment = NULL;

    assert_string_equal(hear_of(pool, fd, "READY"), "READY=1");
    assert_has(hear_of(pool, fd, "STATUS"), "STATUS=running, 0 of 2 slots");
    pool_push(pool, "acme", "job0", "env", "");
    pool_wait_place(pool, "acme", "job0", "done");
    assert_null(strstr(pool_file(pool, "env"), "NOTIFY_SOCKET"));
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(strcmp(hear_of(pool, fd, "STATUS"), "STATUS=running, 1 of 2 slots") == 0);
    process_signal(worker, SIGHUP);
    assert_has(hear_of(pool, fd, "RELOADING"), "RELOADING=1 MONOTONIC_USEC=");
    assert_string_equal(hear_of(pool, fd, "READY"), "READY=1");
    process_signal(worker, SIGTSTP);
    WAIT_UNTIL(strcmp(hear_of(pool, fd, "STATUS"), "STATUS=quiet, 1 of 2 slots") == 0);
    process_signal(worker, SIGTERM);
    assert_string_equal(hear_of(pool, fd, "STOPPING"), "STOPPING=1");
    let_go(pool);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    close(fd);
}

static void the_watchdog_asks_for_the_loop_and_for_nothing_else(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_text(pool, "@rota-test-%d", (int)getpid());
    int fd = listen_at(name);
    pool_scheduler(pool, NULL);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=100000", NULL};
    struct process *worker = pool_worker(pool, "--on", "t=@noop", NULL);
    pool->environment = NULL;

    server_kill(pool->server);
    process_wait_for(worker, "msg=\"connection lost");
    for (int i = 0; i < 5; i++)
        hear_of(pool, fd, "WATCHDOG=1"); /* Redis is away, the loop turns */

    process_signal(worker, SIGSTOP);
    pause_ms(150);
    while (recv(fd, (char[512]){0}, 512, MSG_DONTWAIT) >= 0)
        continue;
    pause_ms(250); /* that nothing happens shows after a while only */
    assert_true(recv(fd, (char[512]){0}, 512, MSG_DONTWAIT) < 0);
    process_signal(worker, SIGCONT);
    hear_of(pool, fd, "WATCHDOG=1");
    close(fd);
}

static void a_scheduler_tells_a_service_manager_too(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_text(pool, "@rota-test-s%d", (int)getpid());
    int fd = listen_at(name);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=200000", "WATCHDOG_PID=1",
                                              NULL}; /* the watchdog is somebody else's */
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool->environment = NULL;

    assert_string_equal(hear(pool, fd), "READY=1");
    assert_string_equal(hear(pool, fd), "STATUS=standing by, 1 lanes");
    assert_string_equal(hear(pool, fd), "STATUS=leading, 1 lanes");
    process_signal(scheduler, SIGHUP);
    assert_has(hear(pool, fd), "RELOADING=1 MONOTONIC_USEC=");
    assert_string_equal(hear(pool, fd), "READY=1");
    process_signal(scheduler, SIGTERM);
    assert_string_equal(hear(pool, fd), "STOPPING=1");
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
    close(fd);
}

/* ---- process 1 ---- */

/* The only child of a process, 0 if there is none. */
static pid_t child_of(struct pool *pool, struct process *process)
{
    char *children =
        file_text(pool_text(pool, "/proc/%d/task/%d/children", (int)process_pid(process), (int)process_pid(process)));
    pid_t child = (pid_t)atoi(children);

    free(children);
    return child;
}

static bool may_make_a_pid_namespace(void)
{
    return system("unshare --user --map-root-user --pid --fork --kill-child true 2>/dev/null") == 0; /* NOLINT(cert-env33-c) */
}

/* The program as process 1 of a namespace of its own; what is to be signalled in *ret_pid. */
static struct process *start_as_first(struct pool *pool, const char *program, const char *const *words, pid_t *ret_pid)
{
    const char *arguments[32] = {"--user", "--map-root-user", "--pid", "--fork", "--kill-child"};
    size_t count = 5;

    arguments[count++] = pool_text(pool, "%s/%s", PROGRAMS_PATH, program);
    for (size_t i = 0; words[i]; i++)
        arguments[count++] = words[i];
    struct process *process = process_start(
        &(struct process_options){.program = "/usr/bin/unshare",
                                  .arguments = arguments,
                                  .environment = (const char *const[]){pool_text(pool, "HOME=%s", pool->directory), NULL},
                                  .log = pool_text(pool, "%s/first.%u.log", pool->directory, pool->process_count)});
    pool->processes[pool->process_count++] = process;
    process_wait_for(process, "session open");
    *ret_pid = child_of(pool, process);
    assert_true(*ret_pid > 0);
    return process;
}

static void process_one_of_a_container_listens(void **state)
{
    struct pool *pool = *state;
    pid_t pid;

    if (!may_make_a_pid_namespace()) {
        print_message("SKIPPED: this kernel or container gives no pid namespaces\n");
        skip();
    }
    struct process *scheduler = start_as_first(pool, "rota-scheduler", (const char *const[]){"--redis", pool->url, NULL}, &pid);
    kill(pid, SIGTERM);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);

    pool_scheduler(pool, NULL);
    struct process *worker = start_as_first(
        pool, "rota-worker", (const char *const[]){"--redis", pool->url, "--on", pool_logging(pool, "t", HOLD), NULL}, &pid);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/job1") == 1);
    kill(pid, SIGINT);
    process_wait_for(worker, "draining");
    let_go(pool);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_string_equal(pool_place(pool, "acme", "job1"), "done");
}

/* ---- secrets ---- */

#define SECRET "s3cr3t-Zq9"

static void a_password_is_never_written_anywhere(void **state)
{
    struct pool *pool = *state;
    const char *socket = strstr(pool->url, "://") + 3, *with_password = pool_text(pool, "unix://rota:%s@%s", SECRET, socket);
    pool_redis(pool, "ACL SETUSER rota on >%s ~* &* +@all", SECRET);
    pool_scheduler(pool, NULL);
    pool->url = with_password;
    pool->environment = (const char *const[]){"PLANTED=" SECRET, NULL};
    struct process *worker =
        pool_worker(pool, "--log-level", "debug", "--on", "env=env > $HOME/env; cat /proc/$PPID/cmdline >> $HOME/env", NULL);
    pool->environment = NULL;
    pool_push(pool, "acme", "job1", "env", "");
    pool_wait_place(pool, "acme", "job1", "done");
    process_signal(worker, SIGTTIN);
    process_wait_for(worker, "dump: redis");
    process_signal(worker, SIGHUP);
    process_wait_for(worker, "settings read again");
    server_kill(pool->server);
    process_wait_for(worker, "connection lost");
    assert_null(strstr(process_log(worker), SECRET));
    assert_null(strstr(pool_file(pool, "env"), SECRET));

    static const char *const wrong[] = {"redis://rota:" SECRET "@nowhere.invalid:70000",
                                        "redis://rota:" SECRET "/x@localhost:1",
                                        "redis://rota:" SECRET "%zz@localhost",
                                        "http://rota:" SECRET "@localhost",
                                        "rota:" SECRET "@localhost",
                                        "unix://rota:" SECRET "@relative",
                                        "redis://rota:" SECRET "@127.0.0.1:1/0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pool->url = wrong[i];
        struct process *refused = pool_start(pool, "rota-worker", "--log-level", "debug", "--on", "t=@noop", NULL);
        WAIT_UNTIL(!process_runs(refused) || process_said(refused, "connection lost"));
        assert_string_not_equal(process_log(refused), "");
        assert_null(strstr(process_log(refused), SECRET));
        process_kill(refused);
        struct ran ran = ROTA(pool, "queue", "list");
        assert_int_not_equal(ran.status, 0);
        assert_null(strstr(ran.err, SECRET));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_file_is_opened_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_log_file_that_cannot_be_opened_is_refused_at_start, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(hup_reads_the_level_of_the_log_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_debug_invocation_is_one, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_service_manager_is_told_how_it_goes, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_watchdog_asks_for_the_loop_and_for_nothing_else, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_scheduler_tells_a_service_manager_too, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(process_one_of_a_container_listens, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_password_is_never_written_anywhere, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("service", tests, NULL, NULL));
}
