/* `rota job explain`: why a job is not running. The lane's facts are read in one call, those of the workers and the server
 * beside it; reasons.h makes sentences of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/live.h"
#include "cli/reasons.h"
#include "common/keys.h"
#include "common/memory.h"

#define REJECTED_LOOKED_AT 1000 /* of the newest refusals of the inbox */

/* ---- what the lane says ---- */

/* The facts of a call of `explain`, while they are read. */
struct reading {
    struct reason_facts *facts;
    char *record; /* what the job borrows from */
    int rc;
    struct error err;
};

static void read_pause(struct reason_pause *pause, const char *text)
{
    char *who;

    pause->paused = true;
    pause->since_ms = strtoll(text, &who, 10);
    snprintf(pause->by, sizeof pause->by, "%s", *who == ' ' ? who + 1 : who);
}

struct number_fact {
    const char *name;
    int64_t *value;
};

static bool read_number(const struct number_fact *numbers, const char *name, const struct reply *value)
{
    for (; numbers->name; numbers++)
        if (strcmp(numbers->name, name) == 0) {
            *numbers->value = reply_int(value);
            return true;
        }
    return false;
}

static void read_text(struct reason_facts *facts, const char *name, const struct reply *value)
{
    const char *text = reply_string(value);

    if (strcmp(name, "place") == 0)
        snprintf(facts->job.place, sizeof facts->job.place, "%s", text);
    else if (strcmp(name, "queue") == 0)
        snprintf(facts->queue, sizeof facts->queue, "%s", text);
    else if (strcmp(name, "intake") == 0)
        snprintf(facts->intake, sizeof facts->intake, "%s", text);
    else if (strcmp(name, "paused") == 0)
        read_pause(&facts->all, text);
    else if (strcmp(name, "queue_paused") == 0)
        read_pause(&facts->of_queue, text);
    else if (strcmp(name, "org_paused_ms") == 0)
        read_pause(&facts->of_org, text);
    else if (strcmp(name, "org_paused_by") == 0)
        snprintf(facts->of_org.by, sizeof facts->of_org.by, "%s", text);
    else if (strcmp(name, "org_deleting") == 0)
        facts->org_deleting = true;
    else if (strcmp(name, "rate") == 0)
        snprintf(facts->rate, sizeof facts->rate, "%s", text);
    else if (strcmp(name, "limit") == 0)
        snprintf(facts->limit, sizeof facts->limit, "%s", text);
    else if (strcmp(name, "limit_rate") == 0)
        snprintf(facts->limit_rate, sizeof facts->limit_rate, "%s", text);
    else if (strcmp(name, "limit_paused_by") == 0)
        snprintf(facts->limit_paused_by, sizeof facts->limit_paused_by, "%s", text);
    else if (strcmp(name, "cancelling") == 0)
        facts->job.cancelling = reply_int(value) != 0;
}

static void on_facts(const struct reply *reply, void *ctx)
{
    struct reading *reading = ctx;
    struct reason_facts *facts = reading->facts;
    const struct number_fact numbers[] = {
        {"now_ms", &facts->now_ms},
        {"score", &facts->job.score},
        {"deadline_ms", &facts->deadline_ms},
        {"session_ms", &facts->session_ms},
        {"moved_ms", &facts->moved_ms},
        {"rank", &facts->rank},
        {"ready", &facts->ready},
        {"running", &facts->running},
        {"max_running", &facts->max_running},
        {"token_ms", &facts->token_ms},
        {"rests", &facts->rests},
        {"before", &facts->before},
        {"active", &facts->active},
        {"limit_rank", &facts->limit_rank},
        {"limit_line", &facts->limit_line},
        {"limit_before", &facts->limit_before},
        {"limit_running", &facts->limit_running},
        {"limit_concurrency", &facts->limit_concurrency},
        {"limit_next_ms", &facts->limit_next_ms},
        {"limit_paused_ms", &facts->limit_paused_ms},
        {NULL, NULL},
    };
    const struct reply *record = NULL, *state = NULL;
    size_t record_bytes, state_bytes;
    const char *bytes;

    facts->before = -1;
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        const char *name = reply_string(reply_at(reply, i));
        const struct reply *value = reply_at(reply, i + 1);
        if (strcmp(name, "record") == 0)
            record = value;
        else if (strcmp(name, "state") == 0)
            state = value;
        else if (!read_number(numbers, name, value))
            read_text(facts, name, value);
    }
    if (!record)
        return;
    bytes = reply_bytes(record, &record_bytes);
    reading->record = memory_copy(bytes, record_bytes);
    bytes = reply_bytes(state, &state_bytes);
    reading->rc = job_decode(&facts->job, reading->record, record_bytes, bytes, state_bytes, &reading->err);
}

static int read_lane(struct cli *cli, struct reading *reading, struct error *err)
{
    struct job *job = &reading->facts->job;
    struct call call = {0};
    int rc;

    call_function(&call, "explain", cli_lane(cli, job->org));
    call_add_string(&call, job->org);
    call_add_string(&call, job->id);
    rc = cli_call(cli, &call, on_facts, reading, err);
    call_clear(&call);
    if (rc == 0 && reading->rc < 0) {
        *err = reading->err;
        rc = error_wrap(err, "job %s/%s", job->org, job->id);
    }
    return rc;
}

/* ---- what the inbox says ---- */

/* The field `name` of a stream entry's list; NULL if it has none. */
static const char *entry_field(const struct reply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (reply_is(reply_at(fields, i), name))
            return reply_string(reply_at(fields, i + 1));
    return NULL;
}

static void on_inbox(const struct reply *reply, void *ctx)
{
    struct reason_facts *facts = ctx;
    const char *org = entry_field(reply_at(reply_at(reply, 0), 1), "org");

    facts->in_inbox = reply_count(reply) > 0 && (facts->is_private || (org && strcmp(org, facts->job.org) == 0));
}

/* The id of the entry that the job would be made of. */
static const char *entry_of(const struct reason_facts *facts)
{
    return facts->job.id + (facts->is_private ? strlen(ID_PRIVATE_PREFIX) : 0);
}

static void on_rejected(const struct reply *reply, void *ctx)
{
    struct reason_facts *facts = ctx;

    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct reply *fields = reply_at(reply_at(reply, i), 1);
        const char *entry = entry_field(fields, "entry"), *org = entry_field(fields, "org");
        const char *reason = entry_field(fields, "reason");
        if (entry && strcmp(entry, entry_of(facts)) == 0 && (!org || strcmp(org, facts->job.org) == 0))
            snprintf(facts->rejected, sizeof facts->rejected, "%s", reason ? reason : "nobody knows why");
    }
}

/* True for what XADD makes: "1795164663276-0". */
static bool is_entry(const char *id)
{
    size_t ms = strspn(id, "0123456789"), number = id[ms] == '-' ? strspn(id + ms + 1, "0123456789") : 0;

    return ms > 0 && ms <= 19 && number > 0 && number <= 19 && id[ms + 1 + number] == '\0';
}

/* The shared inbox, or the private one that the id tells of. */
static int read_inbox(struct cli *cli, struct reason_facts *facts, struct error *err)
{
    char inbox[KEY_BYTES_MAX] = KEY_INBOX, rejected[KEY_BYTES_MAX] = KEY_REJECTED;
    uint32_t lane = cli_lane(cli, facts->job.org);
    struct call call = {0};

    facts->is_private = strncmp(facts->job.id, ID_PRIVATE_PREFIX, strlen(ID_PRIVATE_PREFIX)) == 0;
    if (!is_entry(entry_of(facts)))
        return 0;
    if (facts->is_private) {
        key_of_org(inbox, lane, facts->job.org, "inbox");
        key_of_org(rejected, lane, facts->job.org, "rejected");
    }
    call_command(&call, "XRANGE");
    call_add_string(&call, inbox);
    call_add_string(&call, entry_of(facts));
    call_add_string(&call, entry_of(facts));
    cli_send(cli, &call, on_inbox, facts);
    call_command(&call, "XREVRANGE");
    call_add_string(&call, rejected);
    call_add_string(&call, "+");
    call_add_string(&call, "-");
    call_add_string(&call, "COUNT");
    call_add_int(&call, REJECTED_LOOKED_AT);
    cli_send(cli, &call, on_rejected, facts);
    call_clear(&call);
    return cli_settle(cli, err);
}

/* ---- what the workers say ---- */

static void count_worker(struct reason_workers *workers, const struct live *live, const struct reason_facts *facts)
{
    workers->alive++;
    workers->serving += live_serves(live, facts->queue);
    if (!live_serves(live, facts->queue) || !live_knows(live, facts->job.record.type))
        return;
    workers->knowing++;
    if (live_takes_jobs(live) && live_broken_ms(live, facts->job.record.type) > facts->now_ms) {
        workers->broken++;
        snprintf(workers->a_broken_one, sizeof workers->a_broken_one, "%s", live->session);
        workers->its_broken_ms = live_broken_ms(live, facts->job.record.type);
        return;
    }
    if (live_takes_jobs(live)) {
        workers->slots += live->slots;
        workers->busy += live->held;
        return;
    }
    workers->quiet++;
    snprintf(workers->a_quiet_one, sizeof workers->a_quiet_one, "%s", live->session);
    snprintf(workers->its_phase, sizeof workers->its_phase, "%s", live->phase);
}

static int read_workers(struct cli *cli, struct reason_facts *facts, struct error *err)
{
    struct live_list list = {0};
    int rc = live_read(cli, &list, err);

    for (size_t i = 0; i < list.count; i++)
        if (live_is_worker(&list.items[i]))
            count_worker(&facts->workers, &list.items[i], facts);
    live_clear(&list);
    return rc;
}

/* ---- telling ---- */

static json_t *facts_to_json(const struct reason_facts *facts)
{
    const struct reason_workers *workers = &facts->workers;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"rank", facts->rank},
        {"ready", facts->ready},
        {"running", facts->running},
        {"max_running", facts->max_running},
        {"token_ms", facts->token_ms},
        {"organizations_before", facts->before},
        {"organizations", facts->active},
        {"workers", workers->alive},
        {"workers_of_queue", workers->serving},
        {"workers_of_type", workers->knowing},
        {"workers_quiet", workers->quiet},
        {"workers_broken", workers->broken},
        {"slots", workers->slots},
        {"slots_busy", workers->busy},
    };
    json_t *object = json_object();

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(object, numbers[i].name, json_integer(numbers[i].value));
    return object;
}

static const char *state_of(const struct reason_facts *facts)
{
    if (facts->job.place[0])
        return facts->job.place;
    return facts->in_inbox ? "inbox" : facts->rejected[0] ? "rejected" : "forgotten";
}

static void print_reasons(const struct reason_facts *facts, const struct reasons *reasons)
{
    printf("%s/%s: %s", facts->job.org, facts->job.id, state_of(facts));
    if (facts->job.place[0])
        printf(", type %s, queue %s", facts->job.record.type, facts->queue);
    printf("\n");
    for (int i = 0; i < reasons->count; i++)
        printf("%d. %s\n   -> %s\n", i + 1, reasons->items[i].text, reasons->items[i].hint);
}

static void tell(struct cli *cli, const struct reason_facts *facts, const struct reasons *reasons)
{
    json_t *object, *list;

    if (cli->output.format == OUTPUT_TABLE) {
        print_reasons(facts, reasons);
        return;
    }
    list = json_array();
    for (int i = 0; i < reasons->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "code", reasons->items[i].code, "text", reasons->items[i].text,
                                              "hint", reasons->items[i].hint));
    object = json_object();
    json_object_set_new(object, "job", json_sprintf("%s/%s", facts->job.org, facts->job.id));
    json_object_set_new(object, "state", json_string(state_of(facts)));
    json_object_set_new(object, "type", output_text_or_null(facts->job.record.type));
    json_object_set_new(object, "queue", output_text_or_null(facts->queue));
    json_object_set_new(object, "reasons", list);
    json_object_set_new(object, "facts", facts_to_json(facts));
    output_object(&cli->output, object, NULL);
}

static int read_facts(struct cli *cli, struct reading *reading, struct error *err)
{
    struct reason_facts *facts = reading->facts;

    if (read_lane(cli, reading, err) < 0 || (!facts->job.place[0] && read_inbox(cli, facts, err) < 0) ||
        live_leader(cli, &facts->has_leader, err) < 0 ||
        live_probe_write(cli, facts->refuses_writes, sizeof facts->refuses_writes, err) < 0 || read_workers(cli, facts, err) < 0)
        return err->code;
    return 0;
}

static int job_explain(struct cli *cli, struct error *err)
{
    struct reason_facts facts = {0};
    struct reading reading = {.facts = &facts};
    struct reasons reasons = {.count = 0};
    int rc;

    if (cli_job(cli, cli_argument(cli, 0), facts.job.org, facts.job.id, err) < 0 || cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    rc = read_facts(cli, &reading, err);
    if (rc == 0) {
        reasons_find(&reasons, &facts);
        if (reasons.count > 0)
            tell(cli, &facts, &reasons);
        else
            rc = error_set(err, ERR_NOT_FOUND, "there is no job %s/%s, nor an entry of the inbox of that name", facts.job.org,
                           facts.job.id);
    }
    job_clear(&facts.job);
    free(reading.record);
    return rc;
}

static const struct config_setting explain_settings[] = {SETTINGS_CLI, {0}};

const struct command explain_commands[] = {
    {"job explain", "JOB", "Say why a job is not running", explain_settings, 1, 1, job_explain,
     "All reasons that hold, the most decisive first, each with what to do about it: paused, scheduled, no worker for its queue\n"
     "or type, all workers busy, its organization at its cap or without a rate token, other jobs or organizations before it, no\n"
     "leader, a Redis that refuses writes. Also of a job that runs or has ended, and of an entry that is still in the inbox or "
     "was\n"
     "refused there.\n"
     "\n"
     "    rota job explain acme/order-42\n"
     "    rota job explain acme/order-42 --json | jq -r '.reasons[0].code'"},
    {0},
};
