#include "cli/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/org_settings.h"
#include "cli/org_view.h"
#include "common/memory.h"

/* What an organization may have, as it was when its first job was refused. */
struct limits {
    char org[NAME_BYTES_MAX + 1];
    bool known;
    int64_t waiting;
    char payload[ORG_VALUE_BYTES], queued[ORG_VALUE_BYTES];
};

struct refusals {
    struct cli *cli;
    struct limits *items;
    size_t count;
};

struct refusals *refusals_new(struct cli *cli)
{
    struct refusals *refusals = memory_new(sizeof *refusals);

    refusals->cli = cli;
    return refusals;
}

void refusals_free(struct refusals *refusals)
{
    if (!refusals)
        return;
    free(refusals->items);
    free(refusals);
}

/* ---- limits ---- */

static void read_limit(const struct org_view *org, const char *field, char ret_text[ORG_VALUE_BYTES])
{
    for (const struct org_setting *setting = org_settings; setting->field; setting++)
        if (strcmp(setting->field, field) == 0)
            org_setting_format(setting, org_view_field(org, field), ret_text);
}

static void on_org(const struct reply *reply, void *ctx)
{
    struct limits *limits = ctx;
    struct org_view org = {0};

    org_view_read(&org, limits->org, reply);
    limits->known = true;
    limits->waiting = org.ready + org.waiting + org.scheduled;
    read_limit(&org, "max_payload_bytes", limits->payload);
    read_limit(&org, "max_queued", limits->queued);
    org_view_clear(&org);
}

static const struct limits *find_limits(struct refusals *refusals, const char *org)
{
    struct call call = {0};
    struct limits *limits;
    struct error ignored;

    for (size_t i = 0; i < refusals->count; i++)
        if (strcmp(refusals->items[i].org, org) == 0)
            return &refusals->items[i];
    refusals->items = memory_resize(refusals->items, sizeof *refusals->items * (refusals->count + 1));
    limits = &refusals->items[refusals->count++];
    *limits = (struct limits){0};
    snprintf(limits->org, sizeof limits->org, "%s", org);
    call_function(&call, "org", cli_lane(refusals->cli, org));
    call_add_string(&call, org);
    if (cli_call(refusals->cli, &call, on_org, limits, &ignored) < 0)
        limits->known = false; /* then without numbers */
    call_clear(&call);
    return limits;
}

static void tell_too_large(struct refusals *refusals, const struct sent *sent, char ret_why[REFUSAL_BYTES])
{
    const struct limits *limits = find_limits(refusals, sent->org);

    snprintf(ret_why, REFUSAL_BYTES, "too_large: payload has %zu bytes, the limit of organization %s %s%s (max-payload)",
             sent->payload_bytes, sent->org, limits->known ? "is " : "is lower", limits->payload);
}

static void tell_queue_full(struct refusals *refusals, const struct sent *sent, char ret_why[REFUSAL_BYTES])
{
    const struct limits *limits = find_limits(refusals, sent->org);

    if (limits->known)
        snprintf(ret_why, REFUSAL_BYTES, "queue_full: organization %s has %lld job%s waiting, the limit is %s (max-queued)",
                 sent->org, (long long)limits->waiting, limits->waiting == 1 ? "" : "s", limits->queued);
    else
        snprintf(ret_why, REFUSAL_BYTES, "queue_full: organization %s has as many jobs waiting as it may (max-queued)",
                 sent->org);
}

/* ---- words ---- */

bool refusal_is_unknown(const struct sent *sent)
{
    return strcmp(sent->answer, "unknown") == 0;
}

int refusal_status(const struct sent *sent)
{
    if (refusal_is_unknown(sent))
        return EX_TEMPFAIL;
    if (sent->err)
        return error_exit_code(sent->err->code);
    return strcmp(sent->answer, "queue_full") == 0 || strcmp(sent->answer, "intake_paused") == 0 ? EX_TEMPFAIL : EX_DATAERR;
}

const char *refusal_why(struct refusals *refusals, const struct sent *sent, char ret_why[REFUSAL_BYTES])
{
    static const struct {
        const char *answer, *why;
    } reasons[] = {
        {"taken", "another job has this id"},
        {"intake_paused", "the deployment takes no jobs at present: its server keeps less than was declared"},
        {"expired", "it has expired already"},
        {"deleting", "the organization is being deleted"},
    };

    snprintf(ret_why, REFUSAL_BYTES, "%s", sent->answer);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(sent->answer, reasons[i].answer) == 0)
            snprintf(ret_why, REFUSAL_BYTES, "%s: %s", sent->answer, reasons[i].why);
    if (sent->err)
        snprintf(ret_why, REFUSAL_BYTES, "%s%s", refusal_is_unknown(sent) ? "it is not known whether it was accepted: " : "",
                 sent->err->message);
    else if (strcmp(sent->answer, "conflict") == 0)
        snprintf(ret_why, REFUSAL_BYTES, "conflict: job %s/%s has the same key, but another type or payload", sent->org,
                 sent->owner);
    else if (strcmp(sent->answer, "too_large") == 0)
        tell_too_large(refusals, sent, ret_why);
    else if (strcmp(sent->answer, "queue_full") == 0)
        tell_queue_full(refusals, sent, ret_why);
    return ret_why;
}
