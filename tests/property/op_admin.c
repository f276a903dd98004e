/* op_admin.c - settings, pauses, and calls that are refused. */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- org_set ---- */

__attribute__((format(printf, 4, 5))) static void add_setting(struct world *w, struct args *args, const char *name,
                                                              const char *fmt, ...)
{
    char value[32];
    va_list list;

    va_start(list, fmt);
    vsnprintf(value, sizeof value, fmt, list);
    va_end(list);
    args_text(args, "%s", name);
    args_text(args, "%s", value);
    note(w, " %s=%s", name, value);
}

/* Draws a whole number and puts it, or, at times, the default. */
static void set_number(struct world *w, struct args *args, const char *name, int64_t *setting, int64_t by_default, int64_t low,
                       int64_t high)
{
    bool reset = draw_percent(w, 25);

    *setting = reset ? by_default : draw_between(w, low, high);
    if (reset)
        add_setting(w, args, name, "%s", "");
    else
        add_setting(w, args, name, "%" PRId64, *setting);
}

static bool has_setting(const struct args *args, const char *name)
{
    for (size_t i = 2; i < args->count; i += 2) {
        if (strcmp(args->values[i], name) == 0)
            return true;
    }
    return false;
}

/* Another rate changes what a token is worth in time, not how many are owed. */
static void rescale(double *full_us, double now_us, double old, double rate)
{
    if (*full_us > now_us)
        *full_us = old > 0 && rate > 0 ? now_us + (*full_us - now_us) * old / rate : 0;
}

static void set_rate(struct world *w, struct args *args, struct model_org *org)
{
    static const double rates[] = {0, 0, 0.5, 2, 3, 10, 100};
    if (has_setting(args, "rate"))
        return;
    double old = org->rate, now_us = (double)w->now_us;

    org->rate = rates[draw(w, sizeof rates / sizeof rates[0])];
    rescale(&org->full_us, now_us, old, org->rate);
    rescale(&org->full_soonest_us, now_us, old, org->rate);
    if (org->rate > 0)
        add_setting(w, args, "rate", "%g", org->rate);
    else
        add_setting(w, args, "rate", "%s", "");
}

static void change_setting(struct world *w, struct args *args, struct model_org *org)
{
    switch (draw(w, 16)) {
    case 0: set_number(w, args, "weight", &org->weight, 100, 1, 1000); break;
    case 1:
    case 2: set_number(w, args, "max_running", &org->max_running, 0, 1, 6); break;
    case 3:
    case 4: set_rate(w, args, org); break;
    case 5: set_number(w, args, "burst", &org->burst, 1, 1, 5); break;
    case 6: set_number(w, args, "max_queued", &org->max_queued, 10000000, 1, 20); break;
    case 7: set_number(w, args, "max_payload_bytes", &org->max_payload_bytes, 1000000, 0, 30); break;
    case 8: set_number(w, args, "keep_done_ms", &org->keep_done_ms, 3600000, 0, draw_percent(w, 30) ? 0 : 60000); break;
    case 9: set_number(w, args, "keep_done_max", &org->keep_done_max, 10000, 0, 8); break;
    case 10: set_number(w, args, "keep_dead_ms", &org->keep_dead_ms, 2592000000, 1000, 60000); break;
    case 11: set_number(w, args, "keep_dead_max", &org->keep_dead_max, 10000, 1, 8); break;
    case 12:
        org->private_inbox = draw_percent(w, 50);
        add_setting(w, args, "private_inbox", "%s", org->private_inbox ? "1" : "");
        break;
    case 13: set_number(w, args, "keep_unique_ms", &org->keep_unique_ms, 86400000, 0, 60000); break;
    case 14: set_number(w, args, "keep_logs_ms", &org->keep_logs_ms, 86400000, 1000, 60000); break;
    default: set_number(w, args, "max_crashes", &org->max_crashes, 3, 1, 4); break;
    }
}

void op_org_set(struct world *w)
{
    struct model_org *org = draw_org(w);
    struct args args = {0};

    if (org->deleting) {
        op_org_delete(w);
        return;
    }
    note(w, "org_set %s", org->name);
    args_text(&args, "tester");
    args_text(&args, "%s", org->name);
    if (org->paused ? draw_percent(w, 60) : draw_percent(w, 10)) {
        org->paused = !org->paused;
        add_setting(w, &args, "paused", "%s", org->paused ? "1" : "");
    }
    for (int count = args.count == 2 ? (int)draw_between(w, 1, 3) : 0; count > 0; count--)
        change_setting(w, &args, org);
    model_limit_owed(org, w->now_us);
    expect_text(w, ask(w, "org_set", &args), "ok", "org_set");
    org->registered = true;
}

/* The jobs of an organization turn out to be short or long: how many a visit takes depends on that, who may be visited does not.
 */
void op_estimate(struct world *w)
{
    static const char *const estimates_ms[] = {"0.0625", "0.5", "1.3", "5", "700"};
    const struct model_org *org = draw_org(w);
    const char *queue = model_queue_names[draw(w, MODEL_QUEUES)],
               *ms = estimates_ms[draw(w, sizeof estimates_ms / sizeof estimates_ms[0])];

    note(w, "%s expects %s ms in %s", org->name, ms, queue);
    lane_use(w->f, w->at->lane);
    if (org->registered)
        lane_redis(w->f, "HSET %s est:%s %s", lane_key(w->f, "org:%s", org->name), queue, ms);
}

/* ---- pauses ---- */

void op_pause(struct world *w)
{
    uint64_t which = draw(w, MODEL_QUEUES + 1);
    bool *paused = which == MODEL_QUEUES ? &w->model->paused : &w->model->queue_paused[which];
    const char *name = which == MODEL_QUEUES ? "*" : model_queue_names[which];
    bool pause = draw_percent(w, 35);
    struct args args = {0};

    note(w, "%s %s", pause ? "pause" : "resume", name);
    args_text(&args, "tester");
    args_text(&args, "%s", name);
    args_text(&args, "%s", pause ? "pause" : "resume");
    expect_text(w, ask(w, "pause", &args), *paused ? "paused" : "running", "pause");
    *paused = pause;
}

void op_intake(struct world *w)
{
    bool stop = draw_percent(w, 15);
    struct args args = {0};

    note(w, "intake %s", stop ? "stop" : "resume");
    args_text(&args, "tester");
    args_text(&args, "%s", stop ? "stop" : "resume");
    args_text(&args, "because");
    expect_text(w, ask(w, "intake", &args), w->model->intake_stopped ? "stopped" : "open", "intake");
    w->model->intake_stopped = stop;
}

/* ---- refusals ---- */

static const struct {
    const char *function, *arguments;
} refused[] = {
    {"enqueue", "acme"},
    {"enqueue", "acme job"},
    {"enqueue", "ACME job x"},
    {"enqueue", "acme job not-msgpack"},
    {"enqueue", "acme bad/id x"},
    {"claim", "s1"},
    {"claim", "s1 short 1 0 1 default 0 1 * 1000"},
    {"claim", "s1 0123456789abcdef 33 0 1 default 0 1 * 1000"},
    {"claim", "s1 0123456789abcdef 1 0 0 1 * 1000"},
    {"claim", "s1 0123456789abcdef 1 0 1 Default 0 1 * 1000"},
    {"claim", "s1 0123456789abcdef 1 0 1 default x 1 * 1000"},
    {"claim", "s1 0123456789abcdef 1 0 1 default 0 2 * 1000"},
    {"finish", "s1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job 0123456789abcdef bogus 0 r"},
    {"finish", "s1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job 0123456789abcdef retry 0 r"},
    {"finish", "s1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job 0123456789abcdef done -1 r"},
    {"finish", "s1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job 0123456789abcdef done"},
    {"open", "s1 worker 999 100"},
    {"open", "s1 worker 6000 2001"},
    {"open", "s1 robot 6000 1000"},
    {"open", "S/1 worker 6000 1000"},
    {"close", "s1 0"},
    {"recover", "s1 1 65"},
    {"promote", "0"},
    {"trim", "501"},
    {"org_delete", "tester acme step 0"},
    {"org_set", "tester acme weight 0"},
    {"org_set", "tester acme weight 100 rate 0"},
    {"org_set", "tester acme colour red"},
    {"org_set", "tester acme paused 2"},
    {"org_set", "tester acme private_inbox on"},
    {"org_set", "tester acme private_inbox 1 weight 0"},
    {"org_set", "tester acme weight"},
    {"pause", "tester No/Queue pause"},
    {"pause", "default pause"},
    {"pause", "tester default maybe"},
    {"intake", "tester maybe because"},
    {"reschedule", "tester acme job -1"},
    {"redrive", "tester acme"},
    {"delete", "tester acme bad/id"},
    {"audit", "tester 0 0 0"},
    {"audit_jobs", "tester Acme 0 10 1"},
    {"jobs", "acme nowhere 0 10 0"},
};

/* What is refused changes nothing. */
void op_refused(struct world *w)
{
    size_t i = draw(w, sizeof refused / sizeof refused[0]);
    bool same = false;

    note(w, "refused: %s %s", refused[i].function, refused[i].arguments);
    lane_use(w->f, w->at->lane);
    for (int tries = 0; tries < 3 && !same; tries++) { /* a key of a beat may expire meanwhile, on the real clock */
        const char *before = lane_digest(w->f);
        const redisReply *reply = lane_call(w->f, refused[i].function, refused[i].arguments);
        if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "INVALID", 7) != 0)
            complain(w, "%s %s is not refused", refused[i].function, refused[i].arguments);
        same = strcmp(before, lane_digest(w->f)) == 0;
    }
    if (!same)
        complain(w, "%s %s is refused, and has changed the database", refused[i].function, refused[i].arguments);
}
