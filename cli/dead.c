/* `rota dead`: the dead letters. */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/dead_choice.h"
#include "cli/listing.h"
#include "cli/pace.h"
#include "common/clock.h"

#define CALL_JOBS_MAX 128 /* that one call redrives or deletes */

static const struct column dead_columns[] = {
    {"JOB", "job", COLUMN_TEXT},           {"TYPE", "type", COLUMN_TEXT},
    {"ATTEMPT", "attempt", COLUMN_NUMBER}, {"CRASHES", "crashes", COLUMN_NUMBER},
    {"REASON", "reason", COLUMN_TEXT},     {"DIED", "finished_ms", COLUMN_SINCE},
    {"ERROR", "error", COLUMN_CUT},        {0},
};

static int dead_list(struct cli *cli, struct error *err)
{
    struct listing_options options = {
        .columns = dead_columns,
        .type = config_string(cli->config, "cli.job.type"),
        .queue = "",
        .newest = config_bool(cli->config, "cli.job.newest"),
    };

    for (size_t i = 0; i < LISTING_STATES; i++)
        options.states[i] = strcmp(listing_states[i], "dead") == 0;
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    listing_read_find(cli, &options);
    return listing_print(cli, &options, err);
}

/* ---- changing ---- */

struct tally {
    int64_t changed, others; /* those that were not dead any more, or gone */
    size_t left;             /* after an interrupt */
};

static void on_answers(const struct reply *reply, void *ctx)
{
    struct tally *tally = ctx;

    for (size_t i = 0; i < reply_count(reply); i++) {
        bool changed = reply_is(reply_at(reply, i), "ready") || reply_is(reply_at(reply, i), "deleted");
        tally->changed += changed;
        tally->others += !changed;
    }
}

/* Calls `function` for jobs[from..], at most `most`, as many as are of one organization and fit into a call; how many these are.
 */
static size_t change_some(struct dead_choice *choice, const char *function, size_t from, int64_t most, struct tally *tally)
{
    const char *first = choice->jobs.items[from];
    size_t org_bytes = strcspn(first, "/") + 1, count = 0;
    char org[NAME_BYTES_MAX + 1];
    struct call call = {0};

    snprintf(org, sizeof org, "%.*s", (int)org_bytes - 1, first);
    change_begin(&call, function, cli_lane(choice->cli, org));
    call_add_string(&call, org);
    while (from + count < choice->jobs.count && count < CALL_JOBS_MAX && (int64_t)count < most &&
           strncmp(choice->jobs.items[from + count], first, org_bytes) == 0)
        call_add_string(&call, choice->jobs.items[from + count++] + org_bytes);
    cli_send(choice->cli, &call, on_answers, tally);
    call_clear(&call);
    return count;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

static void on_rested(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    *(bool *)timer->data = true;
}

/* Waits, or until interrupted. */
static void rest(struct cli *cli, int64_t ms)
{
    bool rested = false;
    ev_timer timer;

    ev_timer_init(&timer, on_rested, (double)ms / 1000, 0);
    timer.data = &rested;
    ev_now_update(cli->loop);
    ev_timer_start(cli->loop, &timer);
    while (!rested && !interrupted)
        ev_run(cli->loop, EVRUN_ONCE);
    ev_timer_stop(cli->loop, &timer);
}

/* At a pace each call is answered before the next one, and an interrupt ends it between two: what was done is known. */
static int change_paced(struct dead_choice *choice, const char *function, const struct pace *pace, struct tally *tally,
                        struct error *err)
{
    struct sigaction action = {.sa_handler = on_interrupt}, before_int, before_term;
    int64_t begun_ms = clock_mono_ms();
    size_t from = 0;
    int rc = 0;

    sigaction(SIGINT, &action, &before_int);
    sigaction(SIGTERM, &action, &before_term);
    while (from < choice->jobs.count && rc == 0 && !interrupted) {
        int64_t elapsed_ms = clock_mono_ms() - begun_ms, most = pace_allows(pace, elapsed_ms) - (int64_t)from;
        if (most <= 0) {
            rest(choice->cli, pace_begin_ms(pace, (int64_t)from) - elapsed_ms);
            continue;
        }
        from += change_some(choice, function, from, most, tally);
        rc = cli_settle(choice->cli, err);
    }
    sigaction(SIGINT, &before_int, NULL);
    sigaction(SIGTERM, &before_term, NULL);
    tally->left = choice->jobs.count - from;
    return rc;
}

static int change_at_once(struct dead_choice *choice, const char *function, struct tally *tally, struct error *err)
{
    for (size_t from = 0; from < choice->jobs.count;)
        from += change_some(choice, function, from, CALL_JOBS_MAX, tally);
    return cli_settle(choice->cli, err);
}

static void tell_changed(struct cli *cli, const struct tally *tally, const char *function, const char *done)
{
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:I, s:I, s:I}", done, (json_int_t)tally->changed, "not_dead", (json_int_t)tally->others,
                                "left", (json_int_t)tally->left),
                      NULL);
    cli_note(cli, "%s %lld dead job%s%s", done, (long long)tally->changed, tally->changed == 1 ? "" : "s",
             strcmp(function, "delete") == 0 ? ": this cannot be undone" : ". Undo one: rota job cancel JOB");
    if (tally->others > 0)
        cli_note(cli, "%lld were not dead any more", (long long)tally->others);
    if (tally->left > 0)
        cli_note(cli, "%zu are left as they are: the same command again goes on", tally->left);
}

static int change_chosen(struct dead_choice *choice, const char *function, const char *done, const struct pace *pace,
                         struct error *err)
{
    struct tally tally = {0};
    int rc = pace->count ? change_paced(choice, function, pace, &tally, err) : change_at_once(choice, function, &tally, err);

    if (rc == 0 || tally.changed > 0)
        tell_changed(choice->cli, &tally, function, done);
    return rc < 0 || !interrupted ? rc : 128 + interrupted;
}

/* What was chosen, and nothing else. */
static void tell_chosen(const struct dead_choice *choice, const char *verb)
{
    struct changes *changes = changes_new(choice->cli);
    char answer[ANSWER_BYTES];

    snprintf(answer, sizeof answer, "would_%s", verb);
    for (size_t i = 0; i < choice->jobs.count; i++) {
        changes_add(changes, choice->jobs.items[i], answer);
        if (choice->cli->output.format == OUTPUT_TABLE)
            puts(choice->jobs.items[i]);
    }
    changes_end(changes);
    cli_note(choice->cli, "would %s %zu dead job%s", verb, choice->jobs.count, choice->jobs.count == 1 ? "" : "s");
}

static int change_dead(struct cli *cli, const char *function, const char *verb, const char *done, const struct pace *pace,
                       struct error *err)
{
    bool deletes = strcmp(function, "delete") == 0;
    struct dead_choice choice;
    int rc = dead_choose(cli, &choice, err);

    if (rc == 0 && config_bool(cli->config, "cli.dry-run"))
        tell_chosen(&choice, verb);
    else if (rc == 0 && choice.jobs.count > 0 && (choice.bulk || deletes) &&
             !cli_confirm(cli, err, "%s %zu dead job%s%s", verb, choice.jobs.count, choice.jobs.count == 1 ? "" : "s",
                          deletes ? ", which cannot be undone" : ""))
        rc = err->code;
    else if (rc == 0)
        rc = change_chosen(&choice, function, done, pace, err);
    dead_choice_clear(&choice);
    return rc;
}

static int dead_redrive(struct cli *cli, struct error *err)
{
    struct pace pace;

    if (pace_parse(&pace, config_string(cli->config, "cli.dead.rate"), err) < 0)
        return cli_misused(cli, err);
    return change_dead(cli, "redrive", "redrive", "redriven", &pace, err);
}

static int dead_purge(struct cli *cli, struct error *err)
{
    return change_dead(cli, "delete", "delete", "deleted", &(struct pace){0}, err);
}

static const struct config_setting list_settings[] = {SETTINGS_CLI,   SETTING_TYPE,  SETTINGS_PAGING("50"),
                                                      SETTING_NEWEST, SETTINGS_FIND, {0}};
static const struct config_setting redrive_settings[] = {
    SETTINGS_CLI,
    SETTING_YES,
    SETTING_DRY_RUN,
    SETTINGS_DEAD_CHOICE,
    FLAG_TEXT("cli.dead.", "rate", "RATE", 16, "not faster than that, as in 10/s, 90/m or 1000/h"),
    {0},
};
static const struct config_setting purge_settings[] = {SETTINGS_CLI, SETTING_YES, SETTING_DRY_RUN, SETTINGS_DEAD_CHOICE, {0}};

const struct command dead_commands[] = {
    {"dead list", "[ORG]...", "List dead jobs, the oldest first", list_settings, 0, -1, dead_list, NULL},
    {"dead redrive", "ORG|JOB...|--all-orgs", "Make dead jobs ready again", redrive_settings, 0, -1, dead_redrive,
     "Asks first where organizations were given, unless --yes. With --rate it takes its time: an interrupt (Ctrl-C) ends it "
     "between\n"
     "two calls, it says how far it came, and the same command again goes on.\n"
     "\n"
     "    rota dead redrive acme --error 'no route' --dry-run\n"
     "    rota dead redrive --all-orgs --group 3b18e512dba7 --rate 10/s --yes"},
    {"dead purge", "ORG|JOB...|--all-orgs", "Delete dead jobs", purge_settings, 0, -1, dead_purge, NULL},
    {0},
};
