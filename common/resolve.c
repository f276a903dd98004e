#include "common/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ev.h>

#include "common/memory.h"

/* What thread and loop share; the last one of the two frees it, so that an answer may come after nobody waits for it. */
struct question {
    atomic_int holders;
    int done; /* eventfd: readable once the answer is in */
    char *host;
    struct addresses addresses;
    int failure; /* EAI_..., 0: none */
};

struct resolve {
    struct ev_loop *loop;
    struct question *question;
    resolve_cb *cb;
    void *ctx;
    ev_io answered;
};

static void question_free(struct question *question)
{
    if (question->done >= 0)
        close(question->done);
    free(question->host);
    free(question);
}

static void question_release(struct question *question)
{
    if (atomic_fetch_sub(&question->holders, 1) == 1)
        question_free(question);
}

static void collect(struct addresses *addresses, const struct addrinfo *list)
{
    for (const struct addrinfo *at = list; at && addresses->count < RESOLVE_ADDRESSES_MAX; at = at->ai_next)
        if (getnameinfo(at->ai_addr, at->ai_addrlen, addresses->text[addresses->count], RESOLVE_ADDRESS_BYTES_MAX, NULL, 0,
                        NI_NUMERICHOST) == 0)
            addresses->count++;
}

static void *ask(void *ctx)
{
    struct question *question = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;

    question->failure = getaddrinfo(question->host, NULL, &hints, &list);
    if (question->failure == 0) {
        collect(&question->addresses, list);
        freeaddrinfo(list);
        if (question->addresses.count == 0)
            question->failure = EAI_NONAME;
    }
    eventfd_write(question->done, 1);
    question_release(question);
    return NULL;
}

/* Starts the thread; returns an errno value. */
static int start_thread(struct question *question)
{
    sigset_t all, old;
    pthread_attr_t detached;
    pthread_t thread;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread, &detached, ask, question);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&detached);
    return rc;
}

static void on_answer(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct resolve *resolve = watcher->data;
    const struct question *question = resolve->question;
    struct error err;

    (void)events;
    ev_io_stop(loop, watcher);
    if (question->failure == 0) {
        resolve->cb(&question->addresses, NULL, resolve->ctx);
        return;
    }
    error_set(&err, ERR_UNAVAILABLE, "host \"%s\": %s", question->host, gai_strerror(question->failure));
    resolve->cb(NULL, &err, resolve->ctx);
}

struct resolve *resolve_new(struct ev_loop *loop, const char *host, resolve_cb *cb, void *ctx, struct error *err)
{
    struct question *question = memory_new(sizeof *question);
    struct resolve *resolve;
    int failure;

    question->host = memory_string(host);
    atomic_init(&question->holders, 2);
    question->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    failure = question->done < 0 ? errno : start_thread(question);
    if (failure != 0) {
        question_free(question);
        error_set(err, ERR_IO, "host \"%s\": cannot ask for its address: %s", host, strerror(failure));
        return NULL;
    }
    resolve = memory_new(sizeof *resolve);
    *resolve = (struct resolve){.loop = loop, .question = question, .cb = cb, .ctx = ctx};
    ev_io_init(&resolve->answered, on_answer, question->done, EV_READ);
    resolve->answered.data = resolve;
    ev_io_start(loop, &resolve->answered);
    return resolve;
}

void resolve_free(struct resolve *resolve)
{
    if (!resolve)
        return;
    ev_io_stop(resolve->loop, &resolve->answered);
    question_release(resolve->question);
    free(resolve);
}
