#include "tests/support/rota.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"

#define ARGUMENTS_MAX 64

static void open_as(int fd, const char *path, int flags)
{
    int opened = open(path, flags, 0600);

    if (opened < 0 || dup2(opened, fd) < 0)
        _exit(126);
    close(opened);
}

static _Noreturn void run_child(struct pool *pool, char *const *arguments, const char *in, const char *out, const char *err)
{
    char *home = memory_format("HOME=%s", pool->directory), *url = memory_format("ROTA_REDIS_URL=%s", pool->url);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    putenv(home);
    putenv(url);
    open_as(0, in, O_RDONLY);
    open_as(1, out, O_WRONLY | O_CREAT | O_TRUNC);
    open_as(2, err, O_WRONLY | O_CREAT | O_TRUNC);
    signal(SIGPIPE, SIG_DFL);
    execv(arguments[0], arguments);
    _exit(127);
}

const char *write_text(struct pool *pool, const char *name, const char *text)
{
    const char *path = pool_path(pool, name);
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        abort();
    }
    return path;
}

struct ran rota_run(struct pool *pool, const char *input, const char *const *arguments)
{
    static unsigned number;
    const char *out = pool_text(pool, "%s/rota.%u.out", pool->directory, ++number);
    const char *err = pool_text(pool, "%s/rota.%u.err", pool->directory, number);
    const char *in = input ? write_text(pool, "rota.in", input) : "/dev/null";
    char *argv[ARGUMENTS_MAX + 2] = {memory_format("%s/rota", PROGRAMS_PATH)};
    struct ran ran = {0};
    int status = 0;
    struct stat written;
    pid_t pid;

    for (size_t i = 0; arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_child(pool, argv, in, out, err);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    free(argv[0]);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ran.out = pool_file(pool, strrchr(out, '/') + 1);
    ran.err = pool_file(pool, strrchr(err, '/') + 1);
    assert_int_equal(stat(out, &written), 0);
    ran.out_bytes = (size_t)written.st_size;
    return ran;
}

struct ran rota_must(struct pool *pool, int status, const char *const *arguments)
{
    struct ran ran = rota_run(pool, NULL, arguments);

    if (ran.status != status)
        fail_msg("rota %s %s: exit %d, not %d\n%s%s", arguments[0], arguments[0] && arguments[1] ? arguments[1] : "", ran.status,
                 status, ran.out, ran.err);
    return ran;
}

static int set_up(void **state, unsigned lanes)
{
    struct pool *pool = pool_new(lanes, NULL);

    *state = pool;
    ROTA_MUST(pool, 0, "setup", "--lanes", pool_text(pool, "%u", lanes));
    return 0;
}

int rota_setup(void **state)
{
    return set_up(state, 1);
}

int rota_setup_lanes(void **state)
{
    return set_up(state, ROTA_LANES);
}

json_t *ran_json(const struct ran *ran)
{
    json_error_t err;
    json_t *json = json_loads(ran->out, 0, &err);

    if (!json)
        fail_msg("no JSON: %s\n%s%s", err.text, ran->out, ran->err);
    return json;
}

const char *json_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        fail_msg("\"%s\" is no text", name);
    return json_string_value(value);
}

json_int_t json_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value))
        fail_msg("\"%s\" is no number", name);
    return json_integer_value(value);
}

json_t *json_find(json_t *list, const char *name, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_text(json_array_get(list, i), name), text) == 0)
            return json_array_get(list, i);
    return NULL;
}

void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" has no \"%s\"", text, part);
}
