#include "common/notify.h"

#include <ev.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

#define STATUS_BYTES    256
#define STATUS_EVERY_S  1.0
#define WATCHDOG_US_MIN 1000
#define WATCHDOG_US_MAX (24LL * 3600 * 1000000)

struct notify {
    struct ev_loop *loop;
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_bytes;
    bool ready;
    char status[STATUS_BYTES], sent[STATUS_BYTES];
    ev_timer watchdog, again;
};

static void send_text(const struct notify *notify, const char *text)
{
    if (notify->fd >= 0)
        (void)!sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&notify->address,
                      notify->address_bytes);
}

static void on_watchdog(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    send_text(timer->data, "WATCHDOG=1");
}

static void send_status(struct notify *notify)
{
    char text[STATUS_BYTES + 8];

    if (strcmp(notify->status, notify->sent) == 0)
        return;
    snprintf(text, sizeof text, "STATUS=%s", notify->status);
    send_text(notify, text);
    memcpy(notify->sent, notify->status, sizeof notify->sent);
    ev_timer_set(&notify->again, STATUS_EVERY_S, 0);
    ev_timer_start(notify->loop, &notify->again);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    send_status(timer->data);
}

static bool set_address(struct notify *notify, const char *name)
{
    size_t bytes = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || bytes < 2 || bytes >= sizeof notify->address.sun_path)
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, bytes);
    if (name[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
    return true;
}

/* Half of WATCHDOG_USEC, if it is meant for us; else 0. */
static double watchdog_s(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
    long long us = usec ? strtoll(usec, NULL, 10) : 0;

    if ((pid && strtoll(pid, NULL, 10) != getpid()) || us < WATCHDOG_US_MIN || us > WATCHDOG_US_MAX)
        return 0;
    return (double)us / 2e6;
}

static void forget_environment(void)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
}

struct notify *notify_new(struct ev_loop *loop)
{
    struct notify *notify = memory_new(sizeof *notify);
    const char *name = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){.loop = loop, .fd = -1};
    ev_init(&notify->watchdog, on_watchdog);
    ev_init(&notify->again, on_again);
    notify->watchdog.data = notify->again.data = notify;
    if (name && name[0] && !set_address(notify, name))
        log_warn("NOTIFY_SOCKET is neither a path nor @name", "value=%s", name);
    if (notify->address_bytes > 0)
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd >= 0 && watchdog_s() > 0) {
        ev_timer_set(&notify->watchdog, watchdog_s(), watchdog_s());
        ev_timer_start(loop, &notify->watchdog);
    }
    forget_environment();
    return notify;
}

void notify_free(struct notify *notify)
{
    if (!notify)
        return;
    ev_timer_stop(notify->loop, &notify->watchdog);
    ev_timer_stop(notify->loop, &notify->again);
    if (notify->fd >= 0)
        close(notify->fd);
    free(notify);
}

void notify_ready(struct notify *notify)
{
    if (!notify->ready)
        send_text(notify, "READY=1");
    notify->ready = true;
}

void notify_status(struct notify *notify, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(notify->status, sizeof notify->status, fmt, args);
    va_end(args);
    if (notify->fd >= 0 && !ev_is_active(&notify->again))
        send_status(notify);
}

void notify_reloading(struct notify *notify)
{
    struct timespec now;
    char text[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    send_text(notify, text);
}

void notify_reloaded(struct notify *notify)
{
    if (notify->ready) /* else it will be told when it is */
        send_text(notify, "READY=1");
}

void notify_stopping(struct notify *notify)
{
    send_text(notify, "STOPPING=1");
}
