#include "worker/environment.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/memory.h"
#include "common/units.h"
#include "worker/trace.h"

static const char *const passed_on[] = {"PATH", "HOME", "LANG", "TZ"};
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static const char deadline_name[] = "ROTA_DEADLINE_MS=";

#define VARIABLES_MAX (34 + HANDLER_VARIABLES_MAX)

struct variables {
    char **list;
    size_t count, own; /* own: the first ones, which do not speak of the job */
};

/* Takes "NAME=value". A later one replaces one of the first; the job's differ from each other. */
static void add(struct variables *variables, char *text)
{
    size_t name = strcspn(text, "=") + 1;

    for (size_t i = 0; i < variables->own; i++)
        if (strncmp(variables->list[i], text, name) == 0) {
            free(variables->list[i]);
            variables->list[i] = text;
            return;
        }
    variables->list[variables->count++] = text;
}

static void add_own(struct variables *variables, const struct handler *handler)
{
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        const char *value = getenv(passed_on[i]);
        if (!value && strcmp(passed_on[i], "PATH") == 0)
            value = default_path;
        if (value)
            add(variables, memory_format("%s=%s", passed_on[i], value));
    }
    variables->own = variables->count;
    for (size_t i = 0; i < handler->variable_count && i < HANDLER_VARIABLES_MAX; i++) {
        const struct handler_variable *variable = &handler->variables[i];
        const char *value = variable->value ? variable->value : getenv(variable->name);
        if (value)
            add(variables, memory_format("%s=%s", variable->name, value));
    }
    variables->own = variables->count;
}

/* The value of a header, or NULL. Its name is compared as in HTTP. */
static const char *header(const struct job_record *record, const char *name)
{
    for (size_t i = 0; i < record->header_count; i++)
        if (strcasecmp(record->headers[i].name, name) == 0)
            return record->headers[i].value;
    return NULL;
}

/* As one variable, never one for each: a header may have any name. One that is no UTF-8 has no place in JSON. */
static void add_headers(struct variables *variables, const struct job_record *record)
{
    json_t *object;
    char *text;

    if (record->header_count == 0) {
        add(variables, memory_string("ROTA_HEADERS={}"));
        return;
    }
    object = json_object();
    for (size_t i = 0; i < record->header_count; i++) {
        json_t *value = json_string(record->headers[i].value);
        if (value)
            json_object_set_new(object, record->headers[i].name, value);
    }
    text = json_dumps(object, JSON_COMPACT);
    add(variables, memory_format("ROTA_HEADERS=%s", text ? text : "{}"));
    free(text);
    json_decref(object);
}

static void add_trace(struct variables *variables, const struct job_record *record)
{
    const char *parent = header(record, "traceparent"), *state = header(record, "tracestate");

    if (!parent || !trace_parent_is_valid(parent))
        return;
    add(variables, memory_format("TRACEPARENT=%s", parent));
    if (state && trace_state_is_valid(state))
        add(variables, memory_format("TRACESTATE=%s", state));
}

static void add_token(struct variables *variables, const unsigned char *token)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * TOKEN_BYTES + 1];

    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        hex[2 * i] = digits[token[i] >> 4];
        hex[2 * i + 1] = digits[token[i] & 15];
    }
    hex[2 * TOKEN_BYTES] = '\0';
    add(variables, memory_format("ROTA_LEASE_TOKEN=%s", hex));
}

static void add_job(struct variables *variables, const struct job *job)
{
    const struct job_record *record = &job->record;
    const struct job_notes *notes = &job->state.notes;
    const char *content_type = header(record, "content-type"), *shadow = header(record, JOB_HEADER_SHADOW);
    char time[32];
    const char *due = strchr(job->id, '@'); /* of a schedule's jobs only, and behind it the due time */

    add(variables, memory_format("ROTA_JOB_ID=%s", job->id));
    if (due)
        add(variables, memory_format("ROTA_SCHEDULE=%.*s", (int)(due - job->id), job->id));
    if (shadow && strcmp(shadow, "1") == 0)
        add(variables, memory_string("ROTA_SHADOW=1"));
    add(variables, memory_format("ROTA_ORG=%s", job->org));
    add(variables, memory_format("ROTA_TYPE=%s", record->type));
    add(variables, memory_format("ROTA_QUEUE=%s", record->queue[0] ? record->queue : "default"));
    add(variables, memory_format("ROTA_DELIVERY=%d", job->state.deliveries));
    add(variables, memory_format("ROTA_IDEMPOTENCY_KEY=%s", record->key ? record->key : job->id));
    add(variables, memory_format("ROTA_ENQUEUED_AT=%s", units_format_time(time, job_enqueued_ms(job))));
    add(variables, memory_format("ROTA_DUE_AT=%s", units_format_time(time, due ? strtoll(due + 1, NULL, 10) : job_due_ms(job))));
    add(variables, memory_format("ROTA_CONTENT_TYPE=%s", content_type ? content_type : "application/octet-stream"));
    add_headers(variables, record);
    add_trace(variables, record);
    if (notes->checkpoint && strlen(notes->checkpoint) == notes->checkpoint_bytes) /* no NUL fits into a variable */
        add(variables, memory_format("ROTA_CHECKPOINT=%s", notes->checkpoint));
}

char **environment_new(const struct environment_facts *facts)
{
    struct variables variables = {.list = memory_new(sizeof(char *) * (VARIABLES_MAX + 1))};

    add_own(&variables, facts->handler); /* first: what follows cannot be replaced */
    add(&variables, memory_string("ROTA_CONTRACT=1"));
    add(&variables, memory_string("ROTA_CONTROL_FD=3"));
    add_job(&variables, facts->job);
    add(&variables, memory_format("ROTA_ATTEMPT=%d", facts->attempt));
    add(&variables, memory_format("ROTA_MAX_ATTEMPTS=%d", facts->max_attempts));
    add(&variables, memory_format("ROTA_TIMEOUT_MS=%lld", (long long)facts->timeout_ms));
    add(&variables, memory_format("%s%lld", deadline_name, (long long)clock_wall_ms() + facts->timeout_ms));
    add(&variables, memory_format("ROTA_WORKER_ID=%s", facts->session));
    add(&variables, memory_format("ROTA_SLOT=%u", facts->slot));
    if (facts->token)
        add_token(&variables, facts->token);
    return variables.list;
}

void environment_free(char **environment)
{
    for (char **variable = environment; variable && *variable; variable++)
        free(*variable);
    free(environment);
}

char **environment_copy(char *const *environment)
{
    size_t count = 0;
    char **copy;

    while (environment[count])
        count++;
    copy = memory_new(sizeof *copy * (count + 1));
    for (size_t i = 0; i < count; i++)
        copy[i] = memory_string(environment[i]);
    return copy;
}

char **environment_of_all(char *const *environment)
{
    static const char *const of_all[] = {"ROTA_CONTRACT=", "ROTA_CONTROL_FD=", "ROTA_WORKER_ID="};
    size_t count = 0, kept = 0;
    char **ret;

    while (environment[count])
        count++;
    ret = memory_new(sizeof *ret * (count + 1));
    for (size_t i = 0; i < count; i++) {
        bool is_of_all = strncmp(environment[i], "ROTA_", 5) != 0 && strncmp(environment[i], "TRACEPARENT=", 12) != 0 &&
                         strncmp(environment[i], "TRACESTATE=", 11) != 0;
        for (size_t j = 0; j < sizeof of_all / sizeof *of_all; j++)
            is_of_all = is_of_all || strncmp(environment[i], of_all[j], strlen(of_all[j])) == 0;
        if (is_of_all)
            ret[kept++] = environment[i];
    }
    return ret;
}

void environment_put_off(char **environment, int64_t ms)
{
    for (; *environment; environment++) {
        char *old = *environment;
        if (strncmp(old, deadline_name, sizeof deadline_name - 1) != 0)
            continue;
        *environment = memory_format("%s%lld", deadline_name, strtoll(old + sizeof deadline_name - 1, NULL, 10) + (long long)ms);
        free(old);
        return;
    }
}
