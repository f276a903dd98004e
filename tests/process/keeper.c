/* keeper - a handler's process under its keeper: what it gets, within which limits, and that nothing of it is left. The modules
 * of the worker alone, without Redis. */
#include "worker/keeper.h"

#include <dirent.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/memory.h"
#include "tests/support/process.h"
#include "worker/child.h"
#include "worker/keeper_process.h"

#define MARK "KEEPER_TEST" /* the variable by which our processes are known */

struct ground {
    struct ev_loop *loop;
    struct keepers *keepers;
    char *folder, *mark;
};

/* What became of a run. */
struct outcome {
    bool told;
    struct child_result result;
    char *text, *log, *error;
    struct buffer lines; /* control lines, each with its end */
    unsigned line_count;
    struct child *child;
    int64_t extend_ms; /* on each control line */
};

static unsigned freed;

static void on_free(unsigned number, void *ctx)
{
    (void)number, (void)ctx;
    freed++;
}

static int setup(void **state)
{
    struct ground *ground = memory_new(sizeof *ground);
    char *folder = memory_string("/tmp/rota-keeper-XXXXXX");
    struct error err;

    if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
        abort();
    ground->folder = folder;
    ground->mark = memory_format(MARK "=%s", folder);
    ground->loop = ev_loop_new(EVFLAG_AUTO);
    ground->keepers = keepers_new(ground->loop, 2, folder, NULL, on_free, ground, &err);
    if (!ground->keepers)
        fail_msg("%s", err.message);
    *state = ground;
    return 0;
}

static unsigned ours(const struct ground *ground)
{
    return signal_processes(ground->mark, ground->mark, 0);
}

static int teardown(void **state)
{
    struct ground *ground = *state;

    keepers_free(ground->keepers);
    assert_int_equal(ours(ground), 0);
    assert_int_equal(rmdir(ground->folder), 0); /* the scratch directories are gone */
    ev_loop_destroy(ground->loop);
    free(ground->folder);
    free(ground->mark);
    free(ground);
    return 0;
}

static void on_line(const char *line, size_t bytes, void *ctx)
{
    struct outcome *outcome = ctx;

    outcome->line_count++;
    buffer_add(&outcome->lines, line, bytes);
    buffer_add(&outcome->lines, "\n", 1);
    if (outcome->extend_ms > 0)
        assert_true(child_extend(outcome->child, outcome->extend_ms));
}

static void on_told(const struct child_result *result, void *ctx)
{
    struct outcome *outcome = ctx;

    assert_false(outcome->told);
    outcome->told = true;
    outcome->child = NULL;
    outcome->result = *result;
    outcome->text = memory_copy(result->result, result->result_bytes);
    outcome->log = memory_copy(result->log, result->log_bytes);
    outcome->error = memory_string(result->error);
}

static void clear(struct outcome *outcome)
{
    free(outcome->text);
    free(outcome->log);
    free(outcome->error);
    buffer_clear(&outcome->lines);
    *outcome = (struct outcome){0};
}

/* A shell command, with what `options` says beside that. */
static void begin(struct ground *ground, struct outcome *outcome, const char *command, struct child_options options)
{
    char *argv[] = {"/bin/sh", "-c", (char *)command, NULL};
    char *environment[] = {ground->mark, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", NULL};

    options.argv = argv;
    options.environment = environment;
    options.payload = options.payload ? options.payload : "";
    options.timeout_ms = options.timeout_ms ? options.timeout_ms : 20000;
    options.kill_after_ms = options.kill_after_ms ? options.kill_after_ms : 10000;
    options.result_bytes_max = 65536;
    options.output_bytes_max = options.output_bytes_max ? options.output_bytes_max : 100000000;
    options.on_line = on_line;
    outcome->child = child_start(ground->loop, keepers_at(ground->keepers, 0), &options, on_told, outcome);
    assert_false(outcome->told);
}

static void on_nothing(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
}

/* Runs the loop until `*flag`, which must come within 20 s. */
static void loop_until(struct ground *ground, const bool *flag)
{
    int64_t end_mono_ms = clock_mono_ms() + 20000;
    ev_timer tick;

    ev_timer_init(&tick, on_nothing, 0.005, 0.005);
    ev_timer_start(ground->loop, &tick);
    while (!*flag && clock_mono_ms() < end_mono_ms)
        ev_run(ground->loop, EVRUN_ONCE);
    ev_timer_stop(ground->loop, &tick);
    assert_true(*flag);
}

static void wait_free(struct ground *ground)
{
    int64_t end_mono_ms = clock_mono_ms() + 20000;
    ev_timer tick;

    ev_timer_init(&tick, on_nothing, 0.005, 0.005);
    ev_timer_start(ground->loop, &tick);
    while (!keeper_is_free(keepers_at(ground->keepers, 0)) && clock_mono_ms() < end_mono_ms)
        ev_run(ground->loop, EVRUN_ONCE);
    ev_timer_stop(ground->loop, &tick);
    assert_true(keeper_is_free(keepers_at(ground->keepers, 0)));
}

/* Runs a command to its end. When that is told, nothing of it may be left. */
static void run(struct ground *ground, struct outcome *outcome, const char *command, struct child_options options)
{
    *outcome = (struct outcome){0};
    begin(ground, outcome, command, options);
    loop_until(ground, &outcome->told);
    assert_int_equal(ours(ground), 0);
    wait_free(ground);
}

static const struct child_options plain = {0};

static bool is_root(const char *what)
{
    if (geteuid() != 0)
        print_message("  SKIPPED, only root can: %s\n", what);
    return geteuid() == 0;
}

/* ---- what it gets ---- */

static void the_payload_may_have_any_size(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;
    size_t large = 16 * 1024 * 1024;
    char *payload = memory_new(large);

    run(ground, &outcome, "wc -c", plain);
    assert_string_equal(outcome.text, "0\n");
    clear(&outcome);
    run(ground, &outcome, "wc -c", (struct child_options){.payload = payload, .payload_bytes = large});
    assert_string_equal(outcome.text, "16777216\n");
    clear(&outcome);
    run(ground, &outcome, "echo unread", (struct child_options){.payload = payload, .payload_bytes = large});
    assert_string_equal(outcome.text, "unread\n");
    clear(&outcome);
    free(payload);
}

static void it_has_a_session_of_its_own_and_no_new_rights(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;
    int pid, group, session;

    run(ground, &outcome, "cut -d' ' -f1,5,6 /proc/$$/stat; umask; grep NoNewPrivs /proc/self/status; ls /proc/$$/fd", plain);
    assert_int_equal(sscanf(outcome.text, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(pid, group);
    assert_int_equal(pid, session);
    assert_string_equal(strchr(outcome.text, '\n'), "\n0077\nNoNewPrivs:\t1\n0\n1\n2\n3\n");
    clear(&outcome);
}

static void its_limits_are_those_of_its_handler(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome, "ulimit -t; ulimit -v; ulimit -n; ulimit -f; ulimit -c; nice",
        (struct child_options){.limits = {.cpu_s = 7, .memory_bytes = 300 * 1024 * 1024, .files = 99, .file_bytes = 51200},
                               .nice = 3});
    assert_string_equal(outcome.text, "7\n307200\n99\n100\n0\n3\n");
    clear(&outcome);
    run(ground, &outcome, "grep processes /proc/self/limits | tr -s ' '", (struct child_options){.limits = {.processes = 77}});
    assert_string_equal(outcome.text, "Max processes 77 77 processes \n");
    clear(&outcome);
    run(ground, &outcome, "while :; do :; done", (struct child_options){.limits = {.cpu_s = 1}});
    assert_int_equal(outcome.result.ending.signal, SIGXCPU);
    assert_in_range(outcome.result.user_us + outcome.result.system_us, 500000, 2500000);
    clear(&outcome);
    run(ground, &outcome, "head -c 100000 /dev/zero > big", (struct child_options){.limits = {.file_bytes = 51200}});
    assert_int_not_equal(outcome.result.ending.exit, 0);
    clear(&outcome);
    run(ground, &outcome, "head -c 50000000 /dev/zero | tail -c 40000000 | wc -c", plain);
    assert_in_range(outcome.result.rss_max_bytes, 30000000, 200000000);
    clear(&outcome);
}

static void it_may_run_as_somebody_else(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    if (!is_root("run as another user"))
        return;
    run(ground, &outcome, "id -u; echo text > file && cat file; kill -0 $PPID || echo no",
        (struct child_options){.user = "nobody"});
    assert_string_equal(outcome.text, "65534\ntext\nno\n");
    clear(&outcome);
    run(ground, &outcome, "id -u; id -G", (struct child_options){.user = "54321"});
    assert_string_equal(outcome.text, "54321\n54321\n");
    clear(&outcome);
    run(ground, &outcome, "true", (struct child_options){.user = "no-such-user"});
    assert_true(outcome.result.ending.start_errno > 0);
    assert_string_equal(outcome.error, "cannot start /bin/sh: user \"no-such-user\" is not known");
    clear(&outcome);
}

static void what_cannot_be_started_says_why(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome, "pwd", (struct child_options){.cwd = "/usr"});
    assert_string_equal(outcome.text, "/usr\n");
    clear(&outcome);
    run(ground, &outcome, "pwd", (struct child_options){.cwd = "/no/such/folder"});
    assert_int_equal(outcome.result.ending.start_errno, 2);
    assert_string_equal(outcome.error, "cannot start /bin/sh: working directory: No such file or directory");
    clear(&outcome);
    run(ground, &outcome, "true", (struct child_options){.limits = {.memory_bytes = 4096}});
    assert_true(outcome.result.ending.start_errno > 0 || outcome.result.ending.signal > 0);
    clear(&outcome);
}

/* ---- what it leaves ---- */

static void its_directory_goes_whatever_is_in_it(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;
    char *outside = memory_format("%s/outside", ground->folder), *command;

    assert_int_equal(mkdir(outside, 0700), 0);
    command = memory_format("[ \"$PWD\" = \"$TMPDIR\" ] && stat -c %%a . && echo \"$TMPDIR\" || exit 1\n"
                            "touch %s/kept; ln -s %s link; ln -s . loop; mkfifo pipe\n"
                            "i=0; while [ $i -lt 2000 ]; do : > file$i; i=$((i + 1)); done\n"
                            "mkdir -p closed/in && touch closed/in/x && chmod 0 closed/in closed\n"
                            "mkdir -- '-rf' ' ' '.rota-0' '.rota-1'; touch -- '.rota-1/x' '\n'\n"
                            "name=$(printf '%%0200d' 0); i=0; while [ $i -lt 60 ]; do mkdir $name $name.b && cd -P $name && "
                            "touch x || exit 2; i=$((i + 1)); "
                            "done\n",
                            outside, outside);
    run(ground, &outcome, command, plain);
    assert_int_equal(outcome.result.ending.exit, 0);
    assert_memory_equal(outcome.text, "700\n", 4);
    outcome.text[strlen(outcome.text) - 1] = '\0';
    assert_int_equal(access(outcome.text + 4, F_OK), -1);
    char *kept = memory_format("%s/kept", outside);
    assert_int_equal(unlink(kept), 0);
    assert_int_equal(rmdir(outside), 0);
    clear(&outcome);
    free(kept);
    free(command);
    free(outside);
}

static void what_moves_away_ends_with_it(void **state)
{
    static const char *const commands[] = {
        "setsid sleep 600 & true",
        "setsid sh -c 'setsid sleep 600 & setsid sleep 600 & sleep 600' & (setsid sleep 600 &) & sleep 0.05",
        "(trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 600; done' &) ; exit 3",
        "exec 0<&- 1>&- 2>&- 3>&-; setsid sleep 600 & exit 0",
    };
    struct ground *ground = *state;
    struct outcome outcome;

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run(ground, &outcome, commands[i], plain);
        assert_int_equal(outcome.result.ending.exit, i == 2 ? 3 : 0);
        clear(&outcome);
    }
}

/* Its time is over when it has been silent for a while after it has said that it is ready. */
static void run_out_of_time(struct ground *ground, struct outcome *outcome, const char *command, struct child_options options)
{
    *outcome = (struct outcome){0};
    options.heartbeat_ms = 800;
    begin(ground, outcome, command, options);
    loop_until(ground, &outcome->told);
    assert_true(outcome->result.ending.timed_out);
    assert_int_equal(ours(ground), 0);
    wait_free(ground);
}

static void a_time_out_reaches_what_has_moved_away(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run_out_of_time(ground, &outcome,
                    "trap 'sleep 0.3; exit 4' TERM\n"
                    "(setsid sh -c 'trap \"echo moved >&2; exit\" TERM; echo ready >&3; sleep 600 & wait' &)\n"
                    "sleep 600 & wait",
                    plain);
    assert_int_equal(outcome.result.ending.exit, 4);
    assert_string_equal(outcome.log, "moved\n");
    clear(&outcome);
    run_out_of_time(ground, &outcome, "trap '' TERM; (setsid sleep 600 &); echo ready >&3; while :; do sleep 0.01; done",
                    (struct child_options){.kill_after_ms = 100});
    assert_int_equal(outcome.result.ending.signal, SIGKILL);
    assert_in_range(outcome.result.run_us, 150000, 4000000);
    clear(&outcome);
}

/* A bomb in the handler's group, one whose parts all have sessions of their own, and one that forks and ends all the time. Should
 * nothing hold them, the first two have 2^7 branches at most, and the last two chains of 3000. What waits for the time-out needs
 * no further process: there may be none left for it. */
static void a_fork_bomb_within_its_limits_ends(void **state)
{
    static const char *const bombs[] = {
        "bomb() { [ $1 -lt 7 ] && { bomb $(($1 + 1)) | bomb $(($1 + 1)) & }; for i in $(seq 600); do sleep 0.1; done; }; bomb 0 "
        "& exec sleep 600",
        ("echo '[ $1 -lt 7 ] && { setsid sh ./b $(($1 + 1)) & setsid sh ./b $(($1 + 1)) & }\n"
         "for i in $(seq 600); do setsid sleep 0.1; done' > b; sh ./b 0 & exec sleep 600"),
        "echo '[ $1 -lt 3000 ] && setsid sh ./b $(($1 + 1)) & exit' > b; sh ./b 0 & sh ./b 0 & exec sleep 600",
    };
    struct ground *ground = *state;
    struct outcome outcome;

    if (!is_root("limit the processes of a user that runs nothing else"))
        return;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        int64_t started_mono_ms = clock_mono_ms();
        run(ground, &outcome, bombs[i],
            (struct child_options){.user = "61234", .limits = {.processes = 60}, .timeout_ms = 250, .kill_after_ms = 50});
        assert_true(outcome.result.ending.timed_out);
        print_message("  gone after %lld ms\n", (long long)(clock_mono_ms() - started_mono_ms));
        clear(&outcome);
    }
}

/* ---- the keeper ---- */

static pid_t parent_of(pid_t pid)
{
    char *path = memory_format("/proc/%d/stat", (int)pid), *text = file_text(path);
    int parent = 0;

    sscanf(strrchr(text, ')') + 1, " %*c %d", &parent);
    free(path);
    free(text);
    return parent;
}

static pid_t handler_of(struct ground *ground)
{
    keepers_look(ground->keepers);
    return keeper_handler_pid(keepers_at(ground->keepers, 0));
}

static void a_killed_keeper_costs_one_job(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome = {0};
    pid_t handler = 0;

    begin(ground, &outcome,
          "touch left; setsid sleep 600 & setsid sh -c 'setsid sleep 600 & sleep 600' & echo ready >&3; sleep 600", plain);
    while (outcome.line_count == 0)
        ev_run(ground->loop, EVRUN_ONCE);
    WAIT_UNTIL((handler = handler_of(ground)) > 0 && ours(ground) >= 5);
    pid_t keeper = parent_of(handler);
    assert_int_equal(parent_of(keeper), getpid());

    kill(keeper, SIGKILL);

    loop_until(ground, &outcome.told);
    assert_int_equal(outcome.result.ending.signal, SIGKILL);
    assert_string_equal(outcome.error, "the keeper of its slot was ended by signal 9");
    assert_int_equal(ours(ground), 0);
    WAIT_UNTIL(waitpid(-1, NULL, WNOHANG) < 0); /* nobody else is our child */
    assert_true(keeper_is_free(keepers_at(ground->keepers, 0)));
    clear(&outcome);
    run(ground, &outcome, "ls; echo next", plain);
    assert_string_equal(outcome.text, "next\n"); /* in a directory that is empty */
    clear(&outcome);
}

/* An idle one, too; and the other slots do not notice. */
static void a_killed_idle_keeper_is_replaced(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome, "echo $PPID", plain);
    pid_t keeper = (pid_t)atoi(outcome.text);
    clear(&outcome);
    kill(keeper, SIGKILL);
    run(ground, &outcome, "echo $PPID", plain);
    if (outcome.result.ending.exit == 0) {
        assert_int_not_equal(atoi(outcome.text), keeper);
    } else {
        assert_int_equal(outcome.result.ending.signal, SIGKILL); /* it was told before it had ended */
    }
    clear(&outcome);
}

/* Its last words are read when its end is known: whoever runs the next job on hearing them gets another keeper. */
struct next {
    struct ground *ground;
    bool told, is_run;
    struct outcome outcome;
};

static void run_next(struct next *next)
{
    if (next->is_run || !next->told || !keeper_is_free(keepers_at(next->ground->keepers, 0)))
        return;
    next->is_run = true;
    begin(next->ground, &next->outcome, "echo next", plain);
}

/* Its report lies in our socket, wherever that is. */
static bool keeper_has_spoken(void)
{
    struct keeper_report report;

    for (int fd = 3; fd < 64; fd++)
        if (recv(fd, &report, sizeof report, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof report && report.word == KEEPER_ENDED)
            return true;
    return false;
}

static void on_first_told(const struct child_result *result, void *ctx)
{
    struct next *next = ctx;

    next->told = true;
    assert_int_equal(result->ending.exit, 0);
    run_next(next);
}

static void a_keeper_that_dies_after_its_last_words_costs_no_job(void **state)
{
    struct ground *ground = *state;
    struct next next = {.ground = ground};
    struct outcome outcome;
    siginfo_t info;
    char *argv[] = {"/bin/sh", "-c", "exit 0", NULL}, *environment[] = {ground->mark, NULL};

    run(ground, &outcome, "echo $PPID", plain);
    pid_t keeper = (pid_t)atoi(outcome.text);
    clear(&outcome);
    child_start(ground->loop, keepers_at(ground->keepers, 0),
                &(struct child_options){.argv = argv,
                                        .environment = environment,
                                        .payload = "",
                                        .timeout_ms = 20000,
                                        .kill_after_ms = 10000,
                                        .output_bytes_max = 1000},
                on_first_told, &next);
    WAIT_UNTIL(keeper_has_spoken());
    kill(keeper, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)keeper, &info, WEXITED | WNOWAIT), 0);

    ev_feed_signal_event(ground->loop, SIGCHLD); /* heard of before the loop looks at the socket */
    ev_invoke_pending(ground->loop);

    assert_true(next.told);
    run_next(&next);
    assert_true(next.is_run);
    loop_until(ground, &next.outcome.told);
    assert_string_equal(next.outcome.text, "next\n");
    wait_free(ground);
    clear(&next.outcome);
}

/* One that ends later than its worker has let go of it takes nothing away from the next one. */
static void a_keeper_that_was_left_leaves_the_folder(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome = {0};

    begin(ground, &outcome, "echo ready >&3; sleep 600", plain);
    while (outcome.line_count == 0)
        ev_run(ground->loop, EVRUN_ONCE);
    pid_t keeper = parent_of(handler_of(ground));

    kill(keeper, SIGSTOP);
    keeper_leave(keepers_at(ground->keepers, 0));
    child_free(outcome.child);
    clear(&outcome);
    WAIT_UNTIL((ev_run(ground->loop, EVRUN_NOWAIT), kill(keeper, 0) < 0)); /* waited for, too */

    run(ground, &outcome, "echo next", plain);
    assert_string_equal(outcome.text, "next\n");
    clear(&outcome);
}

static void others_cannot_look_into_a_keeper(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome,
        "tr '\\0' '\\n' < /proc/$PPID/environ | grep -v -e ^HOME= -e ^LD_LIBRARY_PATH=; stat -c %u /proc/$PPID/environ", plain);
    assert_string_equal(outcome.text, "0\n"); /* nothing but that, and root's */
    clear(&outcome);
}

/* ---- control lines ---- */

static void control_lines_come_whole(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome, "printf 'one\\ntw' >&3; sleep 0.05; printf 'o\\n\\n\\377\\000x\\nlast without end' >&3", plain);
    assert_int_equal(outcome.line_count, 4);
    assert_int_equal(outcome.lines.length, 13);
    assert_memory_equal(outcome.lines.data, "one\ntwo\n\n\xff\0x\n", 13);
    assert_int_equal(outcome.result.control_dropped_lines, 0);
    clear(&outcome);
    run(ground, &outcome,
        "head -c 65536 /dev/zero >&3; echo >&3; head -c 65537 /dev/zero >&3; echo >&3; head -c 900000 /dev/zero >&3; echo >&3; "
        "echo end >&3",
        plain);
    assert_int_equal(outcome.line_count, 2);
    assert_int_equal(outcome.lines.length, 65536 + 1 + 4);
    assert_int_equal(outcome.result.control_dropped_lines, 2);
    clear(&outcome);
    run(ground, &outcome, "head -c 3000000 /dev/urandom >&3; echo fine", plain);
    assert_string_equal(outcome.text, "fine\n");
    clear(&outcome);
}

static void its_time_may_be_extended(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome = {.extend_ms = 20000};

    begin(ground, &outcome, "echo more >&3; sleep 0.5; echo done",
          (struct child_options){.timeout_ms = 250, .timeout_ms_max = 60000});
    loop_until(ground, &outcome.told);
    assert_false(outcome.result.ending.timed_out);
    assert_string_equal(outcome.text, "done\n");
    wait_free(ground);
    clear(&outcome);
}

static void its_log_is_kept_as_text(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome;

    run(ground, &outcome, "printf 'a\\033[31m\\000\\377\\n' >&2; seq 1000000 >&2; exit 1", plain);
    assert_memory_equal(outcome.log, "a\xe2\x90\x9b[31m\xe2\x90\x80\xef\xbf\xbd\n1\n2\n", 19);
    assert_int_equal(outcome.result.log_written_bytes, 9 + 6888896);
    assert_in_range(outcome.result.log_bytes, 60000, 66000);
    assert_in_range(outcome.result.log_omitted_bytes, 6800000, 6850000);
    assert_string_equal(outcome.error + strlen(outcome.error) - 15, "\n999999\n1000000");
    clear(&outcome);
}

static void it_may_be_forgotten(void **state)
{
    struct ground *ground = *state;
    struct outcome outcome = {0};

    begin(ground, &outcome, "setsid sleep 600 & sleep 600", plain);
    WAIT_UNTIL(ours(ground) >= 2);
    child_free(outcome.child); /* the teardown finds nothing that is left */
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_payload_may_have_any_size, setup, teardown),
        cmocka_unit_test_setup_teardown(it_has_a_session_of_its_own_and_no_new_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(its_limits_are_those_of_its_handler, setup, teardown),
        cmocka_unit_test_setup_teardown(it_may_run_as_somebody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_started_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(its_directory_goes_whatever_is_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_moves_away_ends_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_time_out_reaches_what_has_moved_away, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fork_bomb_within_its_limits_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_keeper_costs_one_job, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_idle_keeper_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_keeper_that_dies_after_its_last_words_costs_no_job, setup, teardown),
        cmocka_unit_test_setup_teardown(a_keeper_that_was_left_leaves_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(others_cannot_look_into_a_keeper, setup, teardown),
        cmocka_unit_test_setup_teardown(control_lines_come_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(its_time_may_be_extended, setup, teardown),
        cmocka_unit_test_setup_teardown(its_log_is_kept_as_text, setup, teardown),
        cmocka_unit_test_setup_teardown(it_may_be_forgotten, setup, teardown),
    };

    if (keeper_is_asked(argv))
        return keeper_process();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
