/* model_limit.c - limits beyond the organization: who may start under them. */
#include "tests/property/model.h"

#define NO_LIMIT 1e18

int64_t model_wait_ends_ms(const struct model_job *job)
{
    return job->place == PLACE_WAITING ? job->wish.expires_ms : 0;
}

bool model_is_keyed(int name)
{
    return name >= MODEL_LIMITS;
}

struct model_definition *model_definition(struct model *model, int name)
{
    return &model->limits[model_is_keyed(name) ? MODEL_LIMITS - 1 : name - 1];
}

struct model_bucket *model_bucket(struct model *model, int name, const struct model_org *org)
{
    return &model->buckets[name][model_is_keyed(name) ? org - model->orgs : 0];
}

int64_t model_burst(const struct model_definition *definition, bool keyed)
{
    return !keyed && definition->tokens >= 0 && definition->tokens < definition->burst ? definition->tokens : definition->burst;
}

double model_rate(const struct model_definition *definition, bool keyed)
{
    return definition->rate * (double)model_burst(definition, keyed) / (double)definition->burst;
}

void model_limits_of(const struct model *model, const struct model_claim *claim, const struct model_job *job, int ret_names[2])
{
    int own = job->wish.limit, of_type = claim->limits[job->wish.type];

    ret_names[0] = own && model_definition((struct model *)model, own)->defined ? own : 0;
    ret_names[1] = of_type && of_type != own && model_definition((struct model *)model, of_type)->defined ? of_type : 0;
}

static int64_t count_under(const struct model *model, int name, const struct model_org *org)
{
    int64_t count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &model->jobs[i];
        count += job->place == PLACE_RUNNING && job->under[name] && (!model_is_keyed(name) || job->org == org);
    }
    return count;
}

static double room(const struct model *model, int name, const struct model_org *org, double full_us, int64_t now_us)
{
    const struct model_definition *definition = model_definition((struct model *)model, name);
    const struct model_bucket *bucket = model_bucket((struct model *)model, name, org);
    bool keyed = model_is_keyed(name);
    double least = NO_LIMIT;

    if (!definition->defined)
        return NO_LIMIT;
    if (definition->paused_ms > now_us / 1000 || bucket->paused_ms > now_us / 1000)
        return 0;
    if (definition->concurrency > 0) {
        int64_t most = !keyed && definition->slots >= 0 && definition->slots < definition->concurrency ? definition->slots
                                                                                                       : definition->concurrency;
        least = (double)(most - count_under(model, name, org));
    }
    if (definition->rate > 0) {
        double ahead_us = full_us - (double)now_us;
        double tokens =
            (double)model_burst(definition, keyed) - (ahead_us > 0 ? ahead_us * model_rate(definition, keyed) / 1e6 : 0);
        least = tokens < least ? tokens : least;
    }
    return least;
}

double model_room(const struct model *model, int name, const struct model_org *org, int64_t now_us)
{
    return room(model, name, org, model_bucket((struct model *)model, name, org)->full_us, now_us);
}

double model_room_most(const struct model *model, int name, const struct model_org *org, int64_t now_us)
{
    return room(model, name, org, model_bucket((struct model *)model, name, org)->full_soonest_us, now_us);
}

static double later(double a, double b)
{
    return a > b ? a : b;
}

void model_enter_limit(struct model *model, int name, struct model_job *job, int64_t now_us)
{
    const struct model_definition *definition = model_definition(model, name);
    struct model_bucket *bucket = model_bucket(model, name, job->org);

    job->under[name] = true;
    if (definition->rate > 0) {
        double period_us = 1e6 / model_rate(definition, model_is_keyed(name));
        bucket->full_us = later(bucket->full_us, (double)now_us) + period_us;
        bucket->full_soonest_us = later(bucket->full_soonest_us, (double)now_us) + period_us;
    }
}

void model_limits_clock_changed(struct model *model, int64_t now_us)
{
    for (int name = 1; name < MODEL_LIMIT_NAMES; name++) {
        const struct model_definition *definition = model_definition(model, name);
        bool keyed = model_is_keyed(name);
        if (!definition->defined || definition->rate <= 0 || model_burst(definition, keyed) == 0)
            continue;
        double most_us =
            (double)now_us + (double)(model_burst(definition, keyed) + 1) * 1e6 / model_rate(definition, keyed) - 1000;
        for (int i = 0; i < (keyed ? MODEL_ORGS_MAX : 1); i++) {
            if (model->buckets[name][i].full_soonest_us > most_us)
                model->buckets[name][i].full_soonest_us = 0;
        }
    }
}
