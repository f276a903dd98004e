#include "cli/dead_choice.h"

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/error_group.h"
#include "cli/text.h"

const char *dead_group_of(const struct job *job, struct buffer *ret_normal, char *ret_group)
{
    const struct attempt *last = job_last_attempt(job);
    const char *error = last && last->report.error ? last->report.error : last ? last->outcome : job->state.reason;
    struct buffer plain = {0};

    text_add_plain(&plain, error, strlen(error));
    error_normalise(ret_normal, plain.data ? plain.data : "");
    buffer_clear(&plain);
    return error_group_id(ret_group, job->record.type, ret_normal->data ? ret_normal->data : "");
}

static bool is_of_group(const struct job *job, const char *group)
{
    char own[ERROR_GROUP_BYTES];
    struct buffer normal = {0};
    bool is = strcmp(dead_group_of(job, &normal, own), group) == 0;

    buffer_clear(&normal);
    return is;
}

static bool choose(const struct job *job, void *ctx)
{
    struct dead_choice *choice = ctx;
    char name[JOB_NAME_BYTES_MAX + 1];

    if (job->score > choice->until_ms || (choice->group[0] && !is_of_group(job, choice->group)))
        return true;
    snprintf(name, sizeof name, "%s/%s", job->org, job->id);
    names_add(&choice->jobs, name);
    return true;
}

static int choose_org(struct dead_choice *choice, const char *org, struct error *err)
{
    struct fetch_walk walk = {.org = org, .set = "dead", .filter = &choice->filter, .visit = choose, .ctx = choice};

    return fetch_walk(choice->cli, &walk, err);
}

/* A job that was named must be dead: deleting would take others, too. */
static int choose_job(struct dead_choice *choice, const char *name, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct fetched fetched;

    if (cli_job(choice->cli, name, org, id, err) < 0)
        return err->code;
    if (fetch_job(choice->cli, org, id, &fetched, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return err->code;
        cli_complain(choice->cli, EX_NOINPUT, "%s", err->message);
        return 0;
    }
    if (strcmp(fetched.job.place, "dead") == 0)
        names_add(&choice->jobs, name);
    else
        cli_complain(choice->cli, EXIT_FAILED, "job %s is not dead: it is %s", name, fetched.job.place);
    fetched_clear(&fetched);
    return 0;
}

static int choose_all_orgs(struct dead_choice *choice, struct error *err)
{
    struct names orgs = {0};
    int rc = orgs_find(choice->cli, &orgs, err);

    for (size_t i = 0; i < orgs.count && rc == 0; i++)
        rc = choose_org(choice, orgs.items[i], err);
    names_clear(&orgs);
    return rc;
}

/* Jobs and organizations that were given as arguments, or --all-orgs. */
static int choose_given(struct dead_choice *choice, struct error *err)
{
    struct cli *cli = choice->cli;
    bool all = config_bool(cli->config, "cli.dead.all-orgs");
    int rc = 0, count = cli_argument_count(cli);

    if (all == (count > 0))
        return cli_usage(cli, err, all ? "say either --all-orgs or names" : "say which: ORG, JOB or --all-orgs");
    for (int i = 0; i < count; i++)
        if (!strchr(cli_argument(cli, i), '/') && cli_org(cli, cli_argument(cli, i), err) < 0)
            return err->code;
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    choice->until_ms = cli_now_ms(cli);
    choice->bulk = all;
    if (all)
        return choose_all_orgs(choice, err);
    for (int i = 0; i < count && rc == 0; i++) {
        bool is_job = strchr(cli_argument(cli, i), '/') != NULL;
        choice->bulk = choice->bulk || !is_job;
        rc = is_job ? choose_job(choice, cli_argument(cli, i), err) : choose_org(choice, cli_argument(cli, i), err);
    }
    return rc;
}

int dead_choose(struct cli *cli, struct dead_choice *ret, struct error *err)
{
    *ret = (struct dead_choice){
        .cli = cli,
        .filter = {.type = config_string(cli->config, "cli.job.type"), .error = config_string(cli->config, "cli.find.error")},
        .group = config_string(cli->config, "cli.dead.group"),
    };
    if (ret->group[0] &&
        (strlen(ret->group) != ERROR_GROUP_BYTES - 1 || strspn(ret->group, "0123456789abcdef") != ERROR_GROUP_BYTES - 1))
        return cli_usage(cli, err, "group \"%.40s\" must be one that dead groups has named: 12 hexadecimal digits", ret->group);
    return choose_given(ret, err);
}

void dead_choice_clear(struct dead_choice *choice)
{
    names_clear(&choice->jobs);
}
