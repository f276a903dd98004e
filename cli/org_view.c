#include "cli/org_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/org_settings.h"

/* ---- reading ---- */

static void read_fields(struct org_view *org, const struct reply *flat)
{
    org->fields = json_object();
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        json_object_set_new(org->fields, reply_string(reply_at(flat, i)), json_string(reply_string(reply_at(flat, i + 1))));
}

static struct org_queue *find_queue(struct org_view *org, const char *name)
{
    for (size_t i = 0; i < org->queue_count; i++)
        if (strcmp(org->queues[i].name, name) == 0)
            return &org->queues[i];
    return NULL;
}

static void read_queues(struct org_view *org, const struct reply *flat)
{
    for (size_t i = 0; i + 2 < reply_count(flat) && org->queue_count < ORG_QUEUES_MAX; i += 3) {
        struct org_queue *queue = &org->queues[org->queue_count++];
        snprintf(queue->name, sizeof queue->name, "%s", reply_string(reply_at(flat, i)));
        queue->active = reply_string(reply_at(flat, i + 1))[0] != '\0';
        queue->parked_ms = reply_int(reply_at(flat, i + 2));
    }
}

static void read_set(struct org_view *org, const char *set, int64_t jobs, int64_t first)
{
    struct org_queue *queue = strncmp(set, "ready:", 6) == 0 ? find_queue(org, set + 6) : NULL;

    if (queue) {
        queue->ready = jobs;
        org->ready += jobs;
    } else if (strcmp(set, "scheduled") == 0) {
        org->scheduled = jobs;
        org->next_due_ms = first;
    } else if (strcmp(set, "waiting") == 0) {
        org->waiting = jobs;
    } else if (strcmp(set, "running") == 0) {
        org->running = jobs;
    } else if (strcmp(set, "dead") == 0) {
        org->dead = jobs;
    } else if (strcmp(set, "done") == 0) {
        org->done = jobs;
    } else if (strcmp(set, "cancelled") == 0) {
        org->cancelled = jobs;
    } else if (strcmp(set, "inbox") == 0) {
        org->inbox = jobs;
    }
}

void org_view_read(struct org_view *ret, const char *name, const struct reply *reply)
{
    const struct reply *sets = reply_at(reply, 1);

    *ret = (struct org_view){.exists = reply_count(reply_at(reply, 0)) > 0, .inbox = -1};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    read_fields(ret, reply_at(reply, 0));
    read_queues(ret, reply_at(reply, 2));
    for (size_t i = 0; i + 2 < reply_count(sets); i += 3)
        read_set(ret, reply_string(reply_at(sets, i)), reply_int(reply_at(sets, i + 1)), reply_int(reply_at(sets, i + 2)));
}

void org_view_clear(struct org_view *org)
{
    json_decref(org->fields);
    *org = (struct org_view){0};
}

/* ---- showing ---- */

const char *org_view_field(const struct org_view *org, const char *name)
{
    return json_string_value(json_object_get(org->fields, name));
}

const char *org_view_state(const struct org_view *org)
{
    const char *limit = org_view_field(org, "max_running");
    bool active = false, parked = false;

    for (size_t i = 0; i < org->queue_count; i++) {
        active = active || org->queues[i].active;
        parked = parked || org->queues[i].parked_ms > 0;
    }
    if (org_view_field(org, "deleting"))
        return "deleting";
    if (org_view_field(org, "paused"))
        return "paused";
    if (org->ready == 0)
        return org->running > 0 ? "active" : org->waiting > 0 ? "limited" : "idle";
    if (limit && org->running >= strtoll(limit, NULL, 10))
        return "capped";
    return parked && !active ? "parked" : "active";
}

static json_t *number_or_null(const char *text)
{
    char *end;
    long long number;

    if (!text || !text[0])
        return json_null();
    number = strtoll(text, &end, 10);
    return *end ? json_real(strtod(text, NULL)) : json_integer(number);
}

static json_t *settings_to_json(const struct org_view *org)
{
    json_t *object = json_object();

    for (const struct org_setting *setting = org_settings; setting->field; setting++)
        json_object_set_new(object, setting->field,
                            setting->kind == ORG_SWITCH && org_view_field(org, setting->field)
                                ? json_true()
                                : number_or_null(org_view_field(org, setting->field)));
    return object;
}

static json_t *queues_to_json(const struct org_view *org)
{
    json_t *list = json_array();

    for (size_t i = 0; i < org->queue_count; i++) {
        const struct org_queue *queue = &org->queues[i];
        json_t *object = json_object();
        json_object_set_new(object, "queue", json_string(queue->name));
        json_object_set_new(object, "ready", json_integer(queue->ready));
        json_object_set_new(object, "active", json_boolean(queue->active));
        json_object_set_new(object, "parked_until_ms", queue->parked_ms ? json_integer(queue->parked_ms) : json_null());
        json_array_append_new(list, object);
    }
    return list;
}

json_t *org_view_to_json(const struct org_view *org, int64_t now_ms)
{
    const char *weight = org_view_field(org, "weight"), *by = org_view_field(org, "paused_by");
    int64_t wait_ms = org->wait_since_ms > now_ms ? 0 : now_ms - org->wait_since_ms;
    json_t *object = json_object();

    json_object_set_new(object, "org", json_string(org->name));
    json_object_set_new(object, "state", json_string(org_view_state(org)));
    json_object_set_new(object, "ready", json_integer(org->ready));
    json_object_set_new(object, "waiting", json_integer(org->waiting));
    json_object_set_new(object, "running", json_integer(org->running));
    json_object_set_new(object, "scheduled", json_integer(org->scheduled));
    json_object_set_new(object, "dead", json_integer(org->dead));
    json_object_set_new(object, "done", json_integer(org->done));
    json_object_set_new(object, "cancelled", json_integer(org->cancelled));
    json_object_set_new(object, "oldest_wait_ms", org->wait_since_ms ? json_integer(wait_ms) : json_null());
    json_object_set_new(object, "weight", number_or_null(weight ? weight : "100"));
    json_object_set_new(object, "next_due_ms", org->next_due_ms ? json_integer(org->next_due_ms) : json_null());
    json_object_set_new(object, "paused_by", by ? json_string(by) : json_null());
    json_object_set_new(object, "paused_ms", number_or_null(org_view_field(org, "paused_ms")));
    json_object_set_new(object, "private_inbox_entries", org->inbox >= 0 ? json_integer(org->inbox) : json_null());
    json_object_set_new(object, "settings", settings_to_json(org));
    json_object_set_new(object, "queues", queues_to_json(org));
    return object;
}
