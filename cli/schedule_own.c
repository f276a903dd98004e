#include "cli/schedule_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/schedule_definition.h"
#include "cli/schedule_view.h"
#include "common/memory.h"
#include "common/schedule_own.h"
#include "common/units.h"

/* What an organization may say itself, in Redis' words, and the flags that say it. */
static const struct own_field {
    const char *name, *keys[4];
} own_fields[] =
    {
        {"recurrence", {"cli.schedule.cron", "cli.schedule.every", "cli.schedule.rrule", "cli.schedule.at"}},
        {"missed", {"cli.schedule.missed"}},
        {"window_ms", {"cli.schedule.window", "cli.schedule.missed"}},
        {"overlap", {"cli.schedule.overlap"}},
        {"spread_ms", {"cli.schedule.spread"}},
        {"from_ms", {"cli.schedule.from"}},
        {"until_ms", {"cli.schedule.until"}},
},
  own_parts[] = {
      {"type", {NULL}},
      {"payload", {NULL}},
      {"queue", {"cli.push.queue"}},
      {"priority", {"cli.push.priority"}},
      {"timeout_ms", {"cli.push.timeout"}},
      {"max_attempts", {"cli.push.max-attempts"}},
      {"limit", {"cli.push.limit"}},
      {"headers", {"cli.push.header"}},
};
#define OWN_FIELDS (sizeof own_fields / sizeof *own_fields)
#define OWN_PARTS  (sizeof own_parts / sizeof *own_parts)

static const char off_key[] = "cli.schedule.off", on_key[] = "cli.schedule.on", default_key[] = "cli.schedule.default";

bool schedule_own_is_asked(const struct cli *cli)
{
    return config_bool(cli->config, off_key) || config_bool(cli->config, on_key) || flag_is_given(cli, default_key);
}

/* True if --default names it. */
static bool is_given_back(const struct cli *cli, const struct own_field *field)
{
    const char *list = config_string(cli->config, default_key);
    char name[SCHEDULE_NAME_BYTES_MAX + 1];

    return schedule_own_has_word(list, ',', "all") || schedule_own_has_word(list, ',', schedule_field_name(field->name, name));
}

static bool is_given(const struct cli *cli, const struct own_field *field)
{
    bool given = (strcmp(field->name, "type") == 0 && cli_argument_count(cli) > 1) ||
                 (strcmp(field->name, "payload") == 0 && cli_argument_count(cli) > 2);

    for (size_t i = 0; i < 4 && field->keys[i]; i++)
        given = given || flag_is_given(cli, field->keys[i]);
    return given;
}

static const struct own_field *find_named(const char *name, size_t bytes)
{
    char known[SCHEDULE_NAME_BYTES_MAX + 1];

    for (size_t i = 0; i < OWN_FIELDS + OWN_PARTS; i++) {
        const struct own_field *field = i < OWN_FIELDS ? &own_fields[i] : &own_parts[i - OWN_FIELDS];
        schedule_field_name(field->name, known);
        if (strlen(known) == bytes && memcmp(known, name, bytes) == 0)
            return field;
    }
    return NULL;
}

static int check_flags(struct cli *cli, struct error *err)
{
    const char *list = config_string(cli->config, default_key);

    if (config_bool(cli->config, off_key) && config_bool(cli->config, on_key))
        return cli_usage(cli, err, "--off and --on exclude each other");
    for (const char *at = list; *at;) {
        size_t bytes = strcspn(at, ",");
        const struct own_field *field = find_named(at, bytes);
        if (!field && !(bytes == 3 && memcmp(at, "all", 3) == 0))
            return cli_usage(cli, err,
                             "--default has \"%.*s\", it may have all, recurrence, missed, window, overlap, spread, from, until, "
                             "type, payload, queue, priority, timeout, max-attempts, limit, headers",
                             (int)bytes, at);
        if (field && is_given(cli, field))
            return cli_usage(cli, err, "--default has %.*s, which is given as well", (int)bytes, at);
        at += bytes + (at[bytes] == ',');
    }
    return 0;
}

/* ---- the call ---- */

static void add_fields(struct cli *cli, const struct definition *definition, struct call *call)
{
    for (size_t i = 0; i < OWN_FIELDS; i++) {
        if (is_given_back(cli, &own_fields[i])) {
            call_add_string(call, own_fields[i].name);
            call_add_string(call, "");
        } else if (is_given(cli, &own_fields[i])) {
            schedule_add_field(&definition->schedule, own_fields[i].name, call);
        }
    }
}

/* The parts that are its own from now on: those that were, and what is given. */
static void add_parts(struct cli *cli, const struct definition *definition, struct call *call)
{
    struct buffer parts = {0};
    bool changes = false;

    for (size_t i = 0; i < OWN_PARTS; i++) {
        bool back = is_given_back(cli, &own_parts[i]), given = is_given(cli, &own_parts[i]);
        changes = changes || back || given;
        if (!back && (given || schedule_own_has_word(definition->old.own_parts, ' ', own_parts[i].name)))
            buffer_add_format(&parts, "%s%s", parts.length > 0 ? " " : "", own_parts[i].name);
    }
    if (changes) {
        call_add_string(call, "own_parts");
        call_add(call, parts.data, parts.length);
        call_add_string(call, "own_record");
        call_add(call, definition->schedule.record, parts.length > 0 ? definition->schedule.record_bytes : 0);
    }
    buffer_clear(&parts);
}

struct answer {
    char word[16], job[JOB_ID_BYTES_MAX + 1];
    int64_t rev, next_ms;
};

static void on_set(const struct reply *reply, void *ctx)
{
    struct answer *answer = ctx;

    snprintf(answer->word, sizeof answer->word, "%s", reply_string(reply_at(reply, 0)));
    answer->rev = reply_int(reply_at(reply, 1));
    answer->next_ms = reply_int(reply_at(reply, 2));
    snprintf(answer->job, sizeof answer->job, "%s", reply_string(reply_at(reply, 3)));
}

static int send(struct cli *cli, struct definition *definition, struct answer *ret, struct error *err)
{
    struct call call = {0};
    int rc;

    if (config_bool(cli->config, on_key))
        definition->old.next_ms = 0; /* it goes on from now */
    change_begin(&call, "schedule_own", cli_lane(cli, definition->org));
    call_add_string(&call, definition->org);
    call_add_string(&call, definition->schedule.name);
    call_add_int(&call, definition->old.rev);
    call_add_positive(&call, definition_next_ms(definition, cli_now_ms(cli)));
    call_add_int(&call, definition->schedule.offset_ms);
    add_fields(cli, definition, &call);
    add_parts(cli, definition, &call);
    if (config_bool(cli->config, off_key) || config_bool(cli->config, on_key)) {
        call_add_string(&call, "off");
        call_add_string(&call, config_bool(cli->config, off_key) ? "1" : "");
    }
    rc = cli_call(cli, &call, on_set, ret, err);
    call_clear(&call);
    return rc;
}

static void tell(struct cli *cli, const struct definition *definition, const struct answer *answer)
{
    const char *name = definition->schedule.name;
    char *full = memory_format("%s/%s", definition->org, name);
    char *job = answer->job[0] ? memory_format("%s/%s", definition->org, answer->job) : NULL;

    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:s, s:s, s:I, s:o, s:o}", "schedule", full, "answer", answer->word, "rev",
                                (json_int_t)answer->rev, "next_ms",
                                answer->next_ms > 0 ? json_integer(answer->next_ms) : json_null(), "job",
                                output_text_or_null(job)),
                      NULL);
    if (strcmp(answer->word, "same") == 0)
        cli_note(cli, "schedule %s is as it was", full);
    else if (config_bool(cli->config, off_key))
        cli_note(cli, "schedule %s is off%s%s. Undo: rota schedule set %s --on", full, job ? ", cancelled its job " : "",
                 job ? job : "", full);
    else
        cli_note(cli, "changed schedule %s for this organization. What is its own: rota schedule show %s", full, full);
    free(job);
    free(full);
}

int schedule_own_set(struct cli *cli, struct definition *definition, struct error *err)
{
    struct answer answer = {.rev = 0};

    if (check_flags(cli, err) < 0 || definition_read_flags(cli, definition, err) < 0 || send(cli, definition, &answer, err) < 0)
        return err->code;
    if (strcmp(answer.word, "exists") == 0 || strcmp(answer.word, "unknown") == 0)
        return cli_fail(cli, err, EX_TEMPFAIL, "schedule %s/%s was changed by somebody else meanwhile: nothing was done",
                        definition->org, definition->schedule.name);
    tell(cli, definition, &answer);
    return 0;
}
