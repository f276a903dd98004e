/* cgroup - control groups for handlers: what a run is limited to, what is left of it, and what is refused. Each test looks for a
 * group of this machine with the files that it needs, makes one of its own below it, and takes that for delegated; one that finds
 * none says so and is skipped. ROTA_TEST_CGROUP names another place to look first. */
#include "worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/rota.h"

static char *delegated; /* removed at the end of a test */

static bool has_file(const char *folder, const char *name)
{
    char *path = memory_format("%s/%s", folder, name);
    bool is_there = access(path, F_OK) == 0;

    free(path);
    return is_there;
}

/* A group that has `file` ("pids.max"). NULL, which skips the test, if there is none. */
static const char *delegate(const char *file)
{
    const char *places[] = {getenv("ROTA_TEST_CGROUP"), "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || !has_file(places[i], "cgroup.procs"))
            continue;
        delegated = memory_format("%s/rota-test-%d", places[i], (int)getpid());
        if (cgroup_make(delegated, 0, 0) == 0) {
            if (has_file(delegated, file))
                return delegated;
            cgroup_remove(delegated);
        }
        free(delegated);
        delegated = NULL;
    }
    print_message("  SKIPPED, no control group with %s can be made here\n", file);
    return NULL;
}

static int setup(void **state)
{
    delegated = NULL;
    return pool_setup(state);
}

static int teardown(void **state)
{
    int rc = pool_teardown(state);

    if (delegated)
        assert_int_equal(cgroup_remove(delegated), 0);
    free(delegated);
    return rc;
}

static bool is_version_2(const char *place)
{
    bool is = has_file(place, "cgroup.controllers");

    if (!is)
        print_message("  SKIPPED, this is version 1\n");
    return is;
}

/* Groups right below a group. */
static unsigned groups_in(const char *path)
{
    DIR *directory = opendir(path);
    unsigned count = 0;

    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

/* A configuration with a handler t. */
static const char *configure(struct pool *pool, const char *where, const char *handler)
{
    return write_text(pool, "rota.yaml", pool_text(pool, "worker: {cgroup: %s}\nhandlers:\n  t: %s\n", where, handler));
}

/* One run, without Redis, of a worker that `own` holds (NULL: where we are): what it prints, after its exit status. */
static const char *try_in(struct pool *pool, const char *own, const char *where, const char *handler)
{
    const char *begin = own ? pool_text(pool, "echo 0 > %s/cgroup.procs && ", own) : "",
               *command = pool_text(pool, "%sexec " PROGRAMS_PATH "/rota-worker --try t --config %s", begin,
                                    configure(pool, where, handler)),
               *arguments[] = {"-c", command, NULL}, *said;
    struct process *process =
        process_start(&(struct process_options){.program = "/bin/sh", .arguments = arguments, .log = pool_path(pool, "try.log")});
    int status = process_wait(process, 30000);

    said = pool_text(pool, "status %d\n%s", status, process_log(process));
    process_free(process);
    return said;
}

static const char *try(struct pool *pool, const char *where, const char *handler)
{
    return try_in(pool, NULL, where, handler);
}

static struct process *start_worker(struct pool *pool, const char *where, const char *handler)
{
    pool_scheduler(pool, NULL);
    return pool_worker(pool, "--slots", "2", "--config", configure(pool, where, handler), NULL);
}

/* ---- a run ---- */

static void a_run_has_a_group_of_its_own(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place)
        return;

    const char *said = try(pool, place, "{command: cat /proc/self/cgroup; id -u, cgroup: {pids_max: 50}}");
    assert_has(said, "status 0\n");
    assert_has(said, pool_text(pool, "%s/rota-", strstr(place, "/rota-test-")));
    assert_int_equal(groups_in(place), 0); /* it is gone when the worker is */

    if (geteuid() != 0) {
        print_message("  SKIPPED, only root can: run as another user\n");
        return;
    }
    said = try(pool, place, "{command: cat /proc/self/cgroup; id -u, user: nobody, cgroup: {pids_max: 50}}");
    assert_has(said, pool_text(pool, "%s/rota-", strstr(place, "/rota-test-")));
    assert_has(said, "\n  65534\n");
}

static void one_without_such_limits_stays_where_the_worker_is(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place)
        return;

    start_worker(pool, place, "cat /proc/self/cgroup");
    pool_push(pool, "acme", "plain", "t", "");
    pool_wait_place(pool, "acme", "plain", "done");
    assert_null(strstr(pool_result(pool, "acme", "plain"), "/rota-test-"));
}

static void it_has_no_more_processes_than_it_may(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    const char *command = "'for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; echo all'";
    if (!place)
        return;

    assert_has(try(pool, place, pool_text(pool, "{command: %s, cgroup: {pids_max: 20}}", command)), "\n  all\n");
    const char *said = try(pool, place, pool_text(pool, "{command: %s, cgroup: {pids_max: 5}}", command));
    assert_has(said, "status 1\n");
    assert_has(said, "annot fork");
    assert_int_equal(groups_in(place), 0);
}

static void a_fork_bomb_ends_with_its_run(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place)
        return;

    /* Should nothing hold it, it has 2^7 branches at most. */
    const char *code = write_text(pool, "b",
                                  "[ $1 -lt 7 ] && { setsid sh $0 $(($1 + 1)) & setsid sh $0 $(($1 + 1)) & }\n"
                                  "for i in $(seq 600); do setsid sleep 0.1; done\n");
    const char *said = try(pool, place,
                           pool_text(pool,
                                     "{command: 'sh %s 0 2> /dev/null & sleep 600', timeout: 300ms, kill_after: 0,"
                                     " cgroup: {pids_max: 60}}",
                                     code));
    assert_has(said, "timed out after");
    assert_int_equal(groups_in(place), 0);
}

static void who_has_too_much_memory_is_told_so(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("memory.max");
    const char *command = "'(sleep 600; echo survived >&2) & head -c 100000000 /dev/zero | tail -c 99000000 | wc -c'";
    if (!place)
        return;

    assert_has(try(pool, place, pool_text(pool, "{command: %s, cgroup: {memory_max: 300MiB}}", command)), "\n  99000000\n");
    const char *said = try(pool, place, pool_text(pool, "{command: %s, cgroup: {memory_max: 32MiB}}", command));
    assert_has(said, "status 1\n");
    assert_has(said, "(attempt 1 of 25): out of memory: limit 32MiB\n"); /* all of it was killed, the shell, too */
    assert_int_equal(groups_in(place), 0);
    said = try(pool, place, "{command: kill -9 $$, cgroup: {memory_max: 32MiB}}");
    assert_has(said, "killed by signal 9\n");
}

/* ---- handlers that live on ---- */

static const char script[] = "echo '{\"op\":\"hello\",\"contract\":1,\"max_inflight\":1}' >&3\n"
                             "while IFS= read -r line; do\n"
                             "  id=${line#*'\"id\":\"'}; id=${id%%'\"'*}; place=$(grep -o 'rota-test-.*' /proc/self/cgroup)\n"
                             "  case $line in *'\"payload\":\"big\"'*) head -c 100000000 /dev/zero | tail -c 99000000 ;; esac\n"
                             "  echo '{\"op\":\"done\",\"id\":\"'$id'\",\"verdict\":\"ok\",\"result\":\"'$place'\"}' >&3\n"
                             "done <&3\n";

static void a_process_that_lives_on_has_one(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place)
        return;
    const char *code = write_text(pool, "script", script);

    start_worker(pool, place, pool_text(pool, "{mode: pool, command: [/bin/sh, %s], cgroup: {pids_max: 20}}", code));
    pool_push(pool, "acme", "where", "t", "");
    pool_wait_place(pool, "acme", "where", "done");
    assert_has(pool_result(pool, "acme", "where"), "/rota-");
}

static void one_that_lives_on_is_told_so_too(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("memory.max");
    if (!place)
        return;
    const char *code = write_text(pool, "script", script);

    start_worker(pool, place, pool_text(pool, "{mode: pool, command: [/bin/sh, %s], cgroup: {memory_max: 32MiB}}", code));
    pool_push(pool, "acme", "big", "t", "big");
    WAIT_UNTIL(pool_job(pool, "acme", "big")->state.attempt_count >= 1);
    const struct attempt *attempt = job_last_attempt(pool_job(pool, "acme", "big"));
    assert_string_equal(attempt->outcome, "crashed");
    assert_has(attempt->report.error, "its long-lived handler ran out of memory: limit 32MiB");
}

/* ---- what is left ---- */

#define SLEEPER "{command: 'setsid sleep 600 & touch $HOME/started; sleep 600', cgroup: {pids_max: 50}}"

static void a_worker_that_is_killed_leaves_no_group(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place)
        return;
    struct process *worker = start_worker(pool, place, SLEEPER);
    pool_push(pool, "acme", "long", "t", "");
    WAIT_UNTIL(access(pool_path(pool, "started"), F_OK) == 0);
    assert_int_equal(groups_in(place), 1);

    process_kill(worker);

    WAIT_UNTIL(groups_in(place) == 0); /* its keepers */
}

/* Somebody who does nothing but wait for a signal, in a group. */
static pid_t sleeper_in(const char *group)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (cgroup_enter(group) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    char *processes = memory_format("%s/cgroup.procs", group), *text = NULL;
    WAIT_UNTIL((free(text), text = file_text(processes), atoi(text) == pid));
    free(text);
    free(processes);
    return pid;
}

static void what_the_dead_have_left_is_removed(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("cgroup.kill");
    struct cgroup living = {0}, cgroup = {0};
    struct error err;
    int status = 0;
    if (!place)
        return;
    assert_int_equal(cgroup_open(&living, place, &err), 0);
    const char *theirs = pool_text(pool, "%s/3", living.path), *dead = pool_text(pool, "%s/rota-0123456789abcdef", place),
               *run = pool_text(pool, "%s/3", dead), *other = pool_text(pool, "%s/rota-mine", place);
    assert_int_equal(cgroup_make(theirs, 0, 0) + cgroup_make(dead, 0, 0) + cgroup_make(run, 0, 0) + cgroup_make(other, 0, 0), 0);
    assert_int_equal(cgroup_make(pool_text(pool, "%s/nested", run), 0, 0), 0);
    pid_t left = sleeper_in(pool_text(pool, "%s/nested", run));

    assert_int_equal(cgroup_open(&cgroup, place, &err), 0);

    WAIT_UNTIL(waitpid(left, &status, WNOHANG) == left);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(theirs, F_OK), 0);
    assert_int_equal(access(other, F_OK), 0);
    cgroup_close(&cgroup);
    cgroup_close(&living);
    assert_int_equal(groups_in(place), 1);
}

/* ---- which group ---- */

#define NOBODY 65534

/* What an operator gives to a user with a group: to make groups, to move processes, to give controllers on. */
static void give_to_nobody(const char *place)
{
    static const char *const names[] = {"", "cgroup.procs", "cgroup.subtree_control"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = memory_format("%s/%s", place, names[i]);
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
        free(path);
    }
}

/* In a process of its own, which `place` holds: its group is the delegated one. */
static int open_auto(const char *place, uid_t uid)
{
    struct cgroup cgroup = {0};
    struct error err;
    char *own, *leaf, *processes;
    int rc;

    if (cgroup_enter(place) != 0 || (uid > 0 && (setgid(uid) < 0 || setuid(uid) < 0)))
        return 1;
    if (cgroup_open(&cgroup, "auto", &err) < 0) {
        print_error("%s\n", err.message);
        return 2;
    }
    leaf = memory_format("%s/worker/cgroup.procs", cgroup.path);
    own = file_text("/proc/self/cgroup");
    processes = file_text(leaf);
    rc = strncmp(cgroup.path, place, strlen(place)) != 0 ? 3 : atoi(processes) != getpid() ? 4 : strstr(own, "/worker\n") ? 0 : 5;
    free(own);
    free(processes);
    free(leaf);
    cgroup_close(&cgroup);
    return rc == 0 && groups_in(place) > 0 ? 6 : rc; /* it went back, and removed the leaf */
}

static void check_auto(uid_t uid)
{
    const char *place = delegate("cgroup.controllers");
    int status = -1;
    if (!place)
        return;
    if (uid > 0)
        give_to_nobody(place);

    pid_t pid = fork();
    if (pid == 0)
        _exit(open_auto(place, uid));
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void auto_is_the_group_of_the_worker_who_moves_to_a_leaf(void **state)
{
    (void)state;
    check_auto(0);
}

static void a_user_may_have_one(void **state)
{
    (void)state;
    if (geteuid() != 0)
        print_message("  SKIPPED, only root can: give a group to another user\n");
    else
        check_auto(NOBODY);
}

/* With the rule of version 2: no process may be in a group whose controllers are given on. */
static void a_worker_in_its_own_group_limits_its_handlers(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("pids.max");
    if (!place || !is_version_2(place))
        return;

    const char *said = try_in(pool, place, "auto", "{command: cat /proc/self/cgroup, cgroup: {pids_max: 5}}");
    assert_has(said, "status 0\n");
    assert_has(said, "/rota-test-");
    assert_has(said, "/0\n");
    said = try_in(pool, place, "auto", "{command: 'for i in 1 2 3 4 5 6 7 8; do sleep 600 & done', cgroup: {pids_max: 5}}");
    assert_has(said, "annot fork");
}

static void a_group_with_others_in_it_is_refused(void **state)
{
    const char *place = delegate("pids.max");
    struct cgroup cgroup = {0};
    struct error err;
    (void)state;
    if (!place || !is_version_2(place))
        return;
    pid_t other = sleeper_in(place);

    assert_int_equal(cgroup_open(&cgroup, place, &err), ERR_IO);

    assert_has(err.message, "there are other processes in it");
    assert_int_equal(groups_in(place), 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

static void what_cannot_be_limited_is_refused(void **state)
{
    struct pool *pool = *state;
    const char *place = delegate("cgroup.kill");
    if (!place)
        return;
    const char *below = pool_text(pool, "%s/below", place); /* it is given no controllers */
    assert_int_equal(cgroup_make(below, 0, 0), 0);

    const char *said = try(pool, below, "{command: 'true', cgroup: {memory_max: 1GiB}}");
    assert_has(said, "status 78\n");
    assert_has(said, "handler t: cgroup.memory_max cannot be set: ");
    assert_has(said, "is not given the controller memory");
    said = try(pool, below, "{command: 'true', cgroup: {pids_max: 9}}");
    assert_has(said, "is not given the controller pids");
    assert_int_equal(groups_in(below), 0);
    said = try(pool, pool_text(pool, "%s/nowhere", place), "{command: 'true', cgroup: {pids_max: 9}}");
    assert_has(said, "status 78\n");
    assert_has(said, "/nowhere is no control group");
    said = try(pool, "/tmp", "{command: 'true', cgroup: {pids_max: 9}}");
    assert_has(said, "/tmp is no control group");
}

static void a_worker_refuses_what_it_cannot_limit_also_later(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker =
        pool_worker(pool, "--config", write_text(pool, "rota.yaml", "handlers:\n  t: {command: echo before}\n"), NULL);

    configure(pool, "auto", "{command: echo after, cgroup: {pids_max: 9}}");
    process_signal(worker, SIGHUP);

    process_wait_for(worker, "handler t: cgroup: this worker was started without worker.cgroup");
    pool_push(pool, "acme", "a", "t", "");
    pool_wait_place(pool, "acme", "a", "done");
    assert_string_equal(pool_result(pool, "acme", "a"), "before\n");
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_run_has_a_group_of_its_own),
        TEST(one_without_such_limits_stays_where_the_worker_is),
        TEST(it_has_no_more_processes_than_it_may),
        TEST(a_fork_bomb_ends_with_its_run),
        TEST(who_has_too_much_memory_is_told_so),
        TEST(a_process_that_lives_on_has_one),
        TEST(one_that_lives_on_is_told_so_too),
        TEST(a_worker_that_is_killed_leaves_no_group),
        TEST(what_the_dead_have_left_is_removed),
        TEST(auto_is_the_group_of_the_worker_who_moves_to_a_leaf),
        TEST(a_user_may_have_one),
        TEST(a_worker_in_its_own_group_limits_its_handlers),
        TEST(a_group_with_others_in_it_is_refused),
        TEST(what_cannot_be_limited_is_refused),
        TEST(a_worker_refuses_what_it_cannot_limit_also_later),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
