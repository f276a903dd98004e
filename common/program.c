#include "common/program.h"

#include <signal.h>
#include <stddef.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/notify.h"

static void run_hook(struct program *program, void (*hook)(void *ctx), const char *name)
{
    if (hook)
        hook(program->ctx);
    else
        log_info("signal ignored: it means nothing here", "signal=%s", name);
}

static void reload(struct program *program)
{
    notify_reloading(program->notify);
    run_hook(program, program->hooks.reload, "HUP");
    notify_reloaded(program->notify);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct program *program = watcher->data;
    const struct program_hooks *hooks = &program->hooks;

    (void)loop, (void)events;
    switch (watcher->signum) {
    case SIGTSTP: run_hook(program, hooks->quiet, "TSTP"); break;
    case SIGCONT: run_hook(program, hooks->resume, "CONT"); break;
    case SIGTTIN: run_hook(program, hooks->dump, "TTIN"); break;
    case SIGHUP: reload(program); break;
    case SIGUSR1: log_reopen(); break;
    default: run_hook(program, hooks->stop, "TERM"); break;
    }
}

void program_begin(struct program *program, const struct program_hooks *hooks, void *ctx)
{
    static const int numbers[PROGRAM_SIGNALS] = {SIGTERM, SIGINT, SIGTSTP, SIGCONT, SIGTTIN, SIGHUP, SIGUSR1};

    *program = (struct program){.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV), .hooks = *hooks, .ctx = ctx};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < PROGRAM_SIGNALS; i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(program->loop, &program->signals[i]);
    }
    program->notify = notify_new(program->loop);
}

void program_stopped(const struct error *err, void *ctx)
{
    struct program *program = ctx;

    if (err) {
        log_error("stopped", "err=%s", err->message);
        program->status = EX_CONFIG;
    } else {
        log_info("stopped", NULL);
    }
    ev_break(program->loop, EVBREAK_ALL);
}

void program_end(struct program *program)
{
    notify_free(program->notify);
    for (size_t i = 0; i < PROGRAM_SIGNALS; i++)
        ev_signal_stop(program->loop, &program->signals[i]);
    ev_loop_destroy(program->loop);
    program->loop = NULL;
}
