#include "common/program.h"

#include <signal.h>
#include <stddef.h>
#include <sysexits.h>

#include "common/log.h"

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct program *program = watcher->data;

    (void)loop, (void)events;
    program->on_signal(program->ctx);
}

void program_begin(struct program *program, void (*signalled)(void *ctx), void *ctx)
{
    *program = (struct program){.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV), .on_signal = signalled, .ctx = ctx};
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&program->term, on_signal, SIGTERM);
    ev_signal_init(&program->interrupt, on_signal, SIGINT);
    program->term.data = program->interrupt.data = program;
    ev_signal_start(program->loop, &program->term);
    ev_signal_start(program->loop, &program->interrupt);
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
    ev_signal_stop(program->loop, &program->term);
    ev_signal_stop(program->loop, &program->interrupt);
    ev_loop_destroy(program->loop);
    program->loop = NULL;
}
