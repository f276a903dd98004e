#include "tests/property/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"

#define SIZES         12
#define JOB_WORDS     20
#define KEY_WORDS     4
#define SESSION_WORDS 5

static char script[41];

void compare_begin(struct world *w)
{
    char *text = fixture_read(DUMP_PATH);

    snprintf(script, sizeof script, "%s", reply_text(lane_redis(w->f, "SCRIPT LOAD %s", text)));
    free(text);
}

static const redisReply *dump(struct world *w, bool everything)
{
    struct buffer command = {0};
    const struct model *model = w->model;

    buffer_add_format(&command, "EVALSHA %s 1 rota:{%u} %d %d", script, w->at->lane, everything, model->org_count);
    for (int i = 0; i < model->org_count; i++)
        buffer_add_format(&command, " %s", model->orgs[i].name);
    for (int i = 0; everything && i < MODEL_SESSIONS_MAX; i++) {
        if (model->sessions[i].used)
            buffer_add_format(&command, " %s", model->sessions[i].id);
    }
    const redisReply *reply = lane_redis(w->f, command.data);
    buffer_clear(&command);
    return reply;
}

static void compare_sizes(struct world *w, const redisReply *sizes)
{
    static const enum place places[] = {PLACE_SCHEDULED, PLACE_RUNNING, PLACE_DONE, PLACE_DEAD, PLACE_CANCELLED, PLACE_WAITING};
    const struct model *model = w->model;

    for (int i = 0; i < model->org_count; i++) {
        const struct model_org *org = &model->orgs[i];
        struct redisReply *const *is = sizes->element + i * SIZES;
        int records = 0;
        for (int n = 0; n < SIZES - 2; n++) {
            int queue = n >= 1 && n <= MODEL_QUEUES ? n - 1 : -1;
            enum place place = queue >= 0 ? PLACE_READY : n == 0 ? PLACE_NONE : places[n - 1 - MODEL_QUEUES];
            int should = n == 0 ? org->registered : model_count(model, org, place, queue);
            records += n == 0 ? 0 : should;
            if (is[n]->integer != should)
                complain(w, "%s: %s%s%s has %lld, it should have %d", org->name, n == 0 ? "registry" : place_name(place),
                         queue >= 0 ? " of " : "", queue >= 0 ? model_queue_names[queue] : "", is[n]->integer, should);
        }
        if (is[SIZES - 2]->integer != records)
            complain(w, "%s has %lld records, it should have %d", org->name, is[SIZES - 2]->integer, records);
        if (is[SIZES - 1]->integer != org->private_inbox)
            complain(w, "%s: a private inbox is listed: %lld, it should be %d", org->name, is[SIZES - 1]->integer,
                     org->private_inbox);
    }
}

/* The start tag of an organization that stays in `active` rises, or it falls to no less than V: nobody gets credit. */
static void compare_tags(struct world *w, const redisReply *tags)
{
    const size_t orgs = (size_t)w->model->org_count;

    for (size_t i = 0; i < orgs * MODEL_QUEUES; i++) {
        const char *text = reply_text(tags->element[i]);
        double *last = &w->at->tags[i], tag = *text ? strtod(text, NULL) : NAN;
        double v = strtod(reply_text(tags->element[orgs * MODEL_QUEUES + i % MODEL_QUEUES]), NULL);
        if (!w->retagged && tag < *last && tag < v)
            complain(w, "the start tag of %s in %s falls from %.0f to %.0f, V is %.0f", w->model->orgs[i / MODEL_QUEUES].name,
                     model_queue_names[i % MODEL_QUEUES], *last, tag, v);
        *last = tag;
    }
    w->retagged = false;
}

static void compare_number(struct world *w, const struct model_job *job, const char *what, int64_t is, int64_t should)
{
    if (is != should)
        complain(w, "%s/%s is %s; its %s is %" PRId64 ", it should be %" PRId64, job->org->name, job->id, place_name(job->place),
                 what, is, should);
}

static void compare_text(struct world *w, const struct model_job *job, const char *what, const char *is, const char *should)
{
    if (strcmp(is, should) != 0)
        complain(w, "%s/%s should be %s; its %s is \"%s\", it should be \"%s\"", job->org->name, job->id, place_name(job->place),
                 what, is, should);
}

static void compare_job(struct world *w, redisReply *const *is)
{
    struct model_org *org = model_find_org(w->model, reply_text(is[0]));
    const struct model_job *job = model_find(w->model, org, reply_text(is[1]));

    if (!job)
        complain(w, "%s/%s is %s, there should be no such job", is[0]->str, is[1]->str, is[2]->str);
    compare_text(w, job, "place", reply_text(is[2]), place_name(job->place));
    compare_text(w, job, "queue", reply_text(is[3]), model_queue_names[job->wish.queue]);
    compare_number(w, job, "score", reply_number(is[4]), job->score);
    compare_number(w, job, "attempt", is[5]->integer, job->attempt);
    compare_number(w, job, "deliveries", is[6]->integer, job->deliveries);
    compare_number(w, job, "crashes", is[7]->integer, job->crashes);
    compare_text(w, job, "session", reply_text(is[8]), job->session ? job->session->id : "");
    compare_number(w, job, "started_ms", reply_number(is[9]), job->started_ms);
    compare_number(w, job, "attempts kept", is[10]->integer, job->logged);
    compare_text(w, job, "reason", reply_text(is[11]), job->reason ? job->reason : "");
    compare_number(w, job, "cancel", is[12]->integer, job->cancelling);
    compare_text(w, job, "limit", reply_text(is[13]), job->place == PLACE_WAITING ? model_limit_names[job->waits_for] : "");
    compare_number(w, job, "rests", is[14]->integer, job->rests);
    compare_number(w, job, "progress", is[15]->integer, job->progress);
    compare_text(w, job, "checkpoint", reply_text(is[16]), job->checkpoint);
    compare_number(w, job, "redriven", is[17]->integer, job->redriven);
    compare_number(w, job, "second of its newest log", reply_number(is[18]), job->log_s);
    compare_text(w, job, "job before", reply_text(is[19]), job->after);
}

static void compare_key(struct world *w, redisReply *const *is)
{
    struct model_org *org = model_find_org(w->model, reply_text(is[0]));
    const struct model_key *key = model_find_key(w->model, org, reply_text(is[1]));

    if (!key)
        complain(w, "%s has the key %s, it should be forgotten", is[0]->str, is[1]->str);
    if (strcmp(key->owner, reply_text(is[2])) != 0)
        complain(w, "%s: key %s stands for %s, it should for %s", org->name, key->name, is[2]->str, key->owner);
    if (reply_number(is[3]) != key->until_ms)
        complain(w, "%s: key %s ends at %lld, it should at %" PRId64, org->name, key->name, reply_number(is[3]), key->until_ms);
}

static void compare_session(struct world *w, const struct model_session *session, redisReply *const *is)
{
    const int64_t should[SESSION_WORDS] = {session->open, session->listed, session->open ? session->beat : 0,
                                           session->listed ? session->deadline_ms : 0, model_count_held(w->model, session)};
    static const char *const what[SESSION_WORDS] = {"open", "listed", "beat", "deadline", "held"};

    for (int i = 0; i < SESSION_WORDS; i++) {
        if (reply_number(is[i]) != should[i])
            complain(w, "session %s: %s is %lld, it should be %" PRId64, session->id, what[i], reply_number(is[i]), should[i]);
    }
}

static void compare_everything(struct world *w, const redisReply *reply)
{
    const redisReply *jobs = reply_element(reply, 2), *keys = reply_element(reply, 3), *sessions = reply_element(reply, 4);
    size_t known = 0, at = 0;

    for (size_t i = 0; i < jobs->elements; i += JOB_WORDS)
        compare_job(w, jobs->element + i);
    if ((int)(jobs->elements / JOB_WORDS) != model_count_all(w->model))
        complain(w, "there are %zu jobs, there should be %d", jobs->elements / JOB_WORDS, model_count_all(w->model));
    for (size_t i = 0; i < keys->elements; i += KEY_WORDS)
        compare_key(w, keys->element + i);
    for (int i = 0; i < MODEL_KEYS_MAX; i++)
        known += w->model->keys[i].org != NULL;
    if (keys->elements / KEY_WORDS != known)
        complain(w, "there are %zu keys, there should be %zu", keys->elements / KEY_WORDS, known);
    for (int i = 0; i < MODEL_SESSIONS_MAX; i++) {
        if (w->model->sessions[i].used)
            compare_session(w, &w->model->sessions[i], sessions->element + SESSION_WORDS * at++);
    }
}

void compare(struct world *w, bool everything)
{
    lane_use(w->f, w->at->lane);
    if (w->now_us < w->latest_us) /* what was true at the latest time must stay true, though the clock was set back */
        clock_set_us(w->f, w->latest_us);
    const char *violations = lane_violations(w->f);
    if (*violations)
        complain(w, "%s", violations);
    if (w->now_us < w->latest_us)
        clock_set_us(w->f, w->now_us);
    const redisReply *reply = dump(w, everything);
    compare_sizes(w, reply_element(reply, 0));
    compare_tags(w, reply_element(reply, 1));
    if (everything)
        compare_everything(w, reply);
}

void compare_all(struct world *w)
{
    struct place_to_be *at = w->at;

    for (int i = 0; i < w->place_count; i++) {
        w->at = &w->places[i];
        w->model = &w->at->model;
        compare(w, true);
    }
    w->at = at;
    w->model = at ? &at->model : NULL;
}
