/* secrets - a password of Redis, a payload and a variable of the environment, each with a mark that is looked for everywhere
 * where it must not be: logs at their most talkative, messages, /proc, what handlers get, cores, and the keys of Redis. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/rota.h"

#define PASSWORD "planted-password-5d1f"
#define PAYLOAD  "planted-payload-90ab"
#define VARIABLE "planted-variable-c47e"
#define NOBODY   65534

static const char *const marks[] = {PASSWORD, PAYLOAD, VARIABLE};

/* ---- a deployment whose users have passwords ---- */

static void start_as(struct pool *pool, const char *program, const char *url, const char *password_file)
{
    struct process *process;

    pool->url = url;
    if (password_file)
        process = pool_start(pool, program, "--log-level", "debug", "--redis-password-file", password_file, NULL);
    else if (strcmp(program, "rota-worker") == 0)
        process =
            pool_start(pool, program, "--log-level", "debug", "--on", "ok=cat >/dev/null", "--on", "bad=cat >/dev/null; exit 65",
                       "--on", "crash=kill -SEGV $$", "--on", "slow=sleep 60", "--on",
                       pool_text(pool, "env=env >%s/environment", pool->directory), "--on", "late=cat >/dev/null; exit 75", NULL);
    else
        process = pool_start(pool, program, "--log-level", "debug", NULL);
    process_wait_for(process, "session open");
}

static int planted_setup(void **state)
{
    static const char *const environment[] = {"PLANTED=" VARIABLE, "ROTA_PLANTED=" VARIABLE, NULL};
    struct pool *pool = pool_new(1, NULL);

    pool->environment = environment;
    pool_redis(pool, "ACL SETUSER planted on >" PASSWORD " ~* &* +@all");
    pool->url = pool_text(pool, "unix://planted:" PASSWORD "@%s", server_socket(pool->server));
    *state = pool;
    return 0;
}

/* ---- looking for the marks ---- */

static void assert_clean(const char *where, const char *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(bytes, length, marks[i], strlen(marks[i])))
            fail_msg("%s has %s: %.*s", where, marks[i], (int)(length < 2000 ? length : 2000), bytes);
}

static void assert_file_clean(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = memory_new(1 << 20);
    ssize_t got = fd >= 0 ? read(fd, bytes, 1 << 20) : 0;

    if (got > 0)
        assert_clean(path, bytes, (size_t)got);
    if (fd >= 0)
        close(fd);
    free(bytes);
}

static DIR *opened(const char *path)
{
    DIR *directory = opendir(path);

    if (!directory)
        abort();
    return directory;
}

/* What all programs have said, in all their lives. */
static void assert_files_clean(struct pool *pool)
{
    DIR *directory = opened(pool->directory);
    unsigned logs = 0;

    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t length = strlen(entry->d_name);
        bool is_log = length > 4 && (!strcmp(entry->d_name + length - 4, ".log") || !strcmp(entry->d_name + length - 4, ".out") ||
                                     !strcmp(entry->d_name + length - 4, ".err"));
        logs += is_log;
        if (is_log || strcmp(entry->d_name, "environment") == 0)
            assert_file_clean(pool_path(pool, entry->d_name));
    }
    closedir(directory);
    assert_true(logs > 10);
}

static void assert_arguments_clean(void)
{
    DIR *directory = opened("/proc");
    unsigned programs = 0;

    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[300], *text;
        if (atoi(entry->d_name) <= 0)
            continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        assert_file_clean(path);
        text = file_text(path);
        programs += strstr(text, "/rota-") != NULL;
        free(text);
    }
    closedir(directory);
    assert_true(programs >= 3);
}

/* All of Redis but the records of jobs, which hold the payloads: names and values of any type. */
static void assert_redis_clean(struct pool *pool)
{
    static const char script[] =
        "local function text(reply) if type(reply) ~= 'table' then return tostring(reply) end\n"
        "  local all = {} for i, part in ipairs(reply) do all[i] = text(part) end return table.concat(all, ' ') end\n"
        "local found = {}\n"
        "for _, key in ipairs(redis.call('KEYS', '*')) do\n"
        "  local kind, value = redis.call('TYPE', key).ok, ''\n"
        "  if kind == 'string' then value = redis.call('GET', key)\n"
        "  elseif kind == 'hash' then value = redis.call('HGETALL', key)\n"
        "  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1)\n"
        "  elseif kind == 'stream' then value = redis.call('XRANGE', key, '-', '+') end\n"
        "  local all = key .. ' ' .. text(value)\n"
        "  for _, mark in ipairs(ARGV) do\n"
        "    if string.find(all, mark, 1, true) and not (string.find(key, ':jobs$') and string.find(mark, 'payload')) then\n"
        "      found[#found + 1] = key .. ' has ' .. mark end end end\n"
        "return table.concat(found, ', ')";

    assert_string_equal(pool_string(pool, "EVAL %s 0 %s %s %s", script, marks[0], marks[1], marks[2]), "");
    const redisReply *clients = pool_redis(pool, "CLIENT LIST");
    assert_clean("CLIENT LIST", clients->str, clients->len);
}

static void run_everything(struct pool *pool)
{
    static const char *const jobs[] = {"ok", "bad", "crash", "env", "late"};

    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        pool_push(pool, "acme", jobs[i], jobs[i], PAYLOAD);
    pool_redis(pool, "XADD rota:inbox * org acme type ok payload " PAYLOAD);
    pool_redis(pool, "XADD rota:inbox * org acme colour blue payload " PAYLOAD);
    pool_push(pool, "acme", "slow", "slow", PAYLOAD);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        WAIT_UNTIL(pool_job(pool, "acme", jobs[i])->state.attempt_count >= 1);
    WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == 1);
    pool_wait_place(pool, "acme", "slow", "running");
}

static void ask_everything(struct pool *pool)
{
    static const char *const commands[][8] = {
        {"push", "acme", "ok", PAYLOAD},
        {"push", "acme", "ok", PAYLOAD, "--id", "a/b"},
        {"push", "acme", "ok", PAYLOAD, "--in", "x"},
        {"job", "show", "acme/bad"},
        {"job", "list", "acme"},
        {"job", "explain", "acme/slow"},
        {"job", "cancel", "acme/slow"},
        {"dead", "list", "acme"},
        {"dead", "redrive", "acme/bad"},
        {"org", "list"},
        {"org", "show", "acme"},
        {"worker", "list"},
        {"audit"},
        {"config", "show", "--origin"},
        {"config", "check"},
        {"stats"},
        {"version"},
        {"setup"},
        {"no", "such"},
    };

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *words[12] = {NULL};
        size_t count = 0;
        for (; commands[i][count]; count++)
            words[count] = commands[i][count];
        words[count++] = "--log-level";
        words[count++] = "debug";
        if (strcmp(commands[i][0], "job") == 0 && strcmp(commands[i][1], "show") == 0)
            words[count++] = "--json"; /* without payload unless it is asked for */
        rota_run(pool, NULL, words);
    }
}

/* Everybody is told something that does not work, with the password in it. */
static void fail_everywhere(struct pool *pool)
{
    const char *urls[] = {
        "redis://planted:" PASSWORD "@127.0.0.1:1",
        "redis://planted:" PASSWORD "@no-such-host.invalid:6379",
        "redis://planted:" PASSWORD "@127.0.0.1:99999999",
        "redis://planted:" PASSWORD "@[::1",
        "redis://:" PASSWORD "%zz@127.0.0.1",
        "redis://planted:" PASSWORD "@/?x=y",
        "ftp://planted:" PASSWORD "@127.0.0.1",
        "planted:" PASSWORD "@127.0.0.1",
        pool_text(pool, "unix://planted:not-" PASSWORD "@%s", server_socket(pool->server)),
        pool_text(pool, "unix://nobody:" PASSWORD "@%s", server_socket(pool->server)),
        "unix://planted:" PASSWORD "@/no/such/socket",
    };
    static const char *const programs[] = {"rota-worker", "rota-scheduler"};
    const char *good = pool->url;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        pool->url = urls[i];
        for (size_t j = 0; j < 2; j++) {
            struct process *process = pool_start(pool, programs[j], "--log-level", "debug", NULL);
            WAIT_UNTIL(process_log(process)[0]);
            process_signal(process, SIGTERM);
        }
        ROTA(pool, "org", "list", "--log-level", "debug");
        ROTA(pool, "config", "show", "--origin");
    }
    pool->url = good;
}

static void no_secret_is_told(void **state)
{
    struct pool *pool = *state;
    const char *in_url = pool->url, *without = pool_text(pool, "unix://planted@%s", server_socket(pool->server));
    const char *file = write_text(pool, "password", PASSWORD "\n");

    start_as(pool, "rota-scheduler", in_url, NULL);
    start_as(pool, "rota-worker", in_url, NULL);
    start_as(pool, "rota-scheduler", without, file);
    pool->url = in_url;
    run_everything(pool);
    process_signal(pool->processes[1], SIGTTIN);
    process_signal(pool->processes[1], SIGHUP);
    assert_arguments_clean(); /* while they run, the URL having been an argument */
    ask_everything(pool);
    fail_everywhere(pool);
    pool_redis(pool, "ACL SETUSER planted resetpass >another");
    pool_redis(pool, "CLIENT KILL USER planted");
    process_wait_for(pool->processes[1], "WRONGPASS");

    assert_files_clean(pool);
    assert_redis_clean(pool);
    assert_true(pool_file(pool, "environment")[0] != '\0');
    pool_redis(pool, "ACL SETUSER planted >" PASSWORD);
}

/* ---- memory ---- */

static void drop_rights(void)
{
    if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        _exit(125);
}

/* Runs `program` as an ordinary user, with cores allowed, until it is killed by ABRT. What waitpid says. */
static int killed_status(const char *directory, const char *const *words, const char *log)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        setrlimit(RLIMIT_CORE, &(struct rlimit){1 << 20, RLIM_INFINITY});
        if (chdir(directory) < 0 || out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(126);
        drop_rights();
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    if (strstr(words[0], "rota-")) {
        char *text;
        do {
            pause_ms(5);
            text = file_text(log);
            status = strstr(text, "session open") != NULL;
            free(text);
        } while (!status && waitpid(pid, NULL, WNOHANG) == 0);
        kill(pid, SIGABRT);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void no_core_has_them(void **state)
{
    struct pool *pool = *state;
    const char *home = pool_path(pool, "cores");
    const char *control[] = {"/bin/sh", "-c", "kill -ABRT $$", NULL};
    pool_scheduler(pool, NULL);
    assert_int_equal(mkdir(home, 0777), 0);
    assert_int_equal(chmod(home, 0777) | chmod(pool->directory, 0755) | chmod(server_socket(pool->server), 0777), 0);

    bool dumps = WCOREDUMP(killed_status(home, control, pool_path(pool, "control.log")));
    const char *url = pool_text(pool, "--redis=%s", pool->url), *bin = PROGRAMS_PATH;
    const char *worker[] = {pool_text(pool, "%s/rota-worker", bin), url, "--on", "t=true", NULL};
    const char *scheduler[] = {pool_text(pool, "%s/rota-scheduler", bin), url, NULL};
    int of_worker = killed_status(home, worker, pool_path(pool, "core-worker.log"));
    int of_scheduler = killed_status(home, scheduler, pool_path(pool, "core-scheduler.log"));

    assert_true(WIFSIGNALED(of_worker) && WIFSIGNALED(of_scheduler));
    assert_false(WCOREDUMP(of_worker));
    assert_false(WCOREDUMP(of_scheduler));
    if (!dumps)
        print_message("  this machine writes no cores at all\n");
}

/* A handler of the same user looks at the worker that has started it. */
static void a_handler_cannot_look_into_its_worker(void **state)
{
    struct pool *pool = *state;
    const char *log = pool_path(pool, "curious-worker.log");
    const char *words[] = {pool_text(pool, "%s/rota-worker", PROGRAMS_PATH), "--on",
                           "look=for p in $PPID $(sed -n 's/^PPid:\t//p' /proc/$PPID/status); do "
                           "cat /proc/$p/environ || cat /proc/$p/mem || ls /proc/$p/fd/; cat /proc/$p/cmdline; done; true",
                           NULL};
    pool_scheduler(pool, NULL);
    assert_int_equal(chmod(pool->directory, 0755) | chmod(server_socket(pool->server), 0777), 0);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        setenv("ROTA_REDIS_URL", pool->url, 1);
        setenv("PLANTED", VARIABLE, 1);
        if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(126);
        drop_rights();
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    pool_push(pool, "acme", "j", "look", "");
    WAIT_UNTIL(pool_job(pool, "acme", "j")->state.attempt_count >= 1 || waitpid(pid, NULL, WNOHANG) != 0);
    const struct report *seen = &job_last_attempt(pool_job(pool, "acme", "j"))->report;

    assert_non_null(seen->result);
#ifndef __SANITIZE_ADDRESS__ /* common/secrets.c says why */
    assert_clean("what a handler sees", seen->result, seen->result_bytes);
#endif
    assert_non_null(memmem(seen->result, seen->result_bytes, "/rota-worker", 12)); /* cmdline is for everybody */
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    assert_file_clean(log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, planted_setup, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_secret_is_told),
        TEST(no_core_has_them),
        TEST(a_handler_cannot_look_into_its_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
