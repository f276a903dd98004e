/* model_find.c - looking for something in the model, and counting. */
#include "tests/property/model.h"

#include <string.h>

struct model_org *model_find_org(struct model *model, const char *name)
{
    for (int i = 0; i < model->org_count; i++) {
        if (strcmp(model->orgs[i].name, name) == 0)
            return &model->orgs[i];
    }
    return NULL;
}

struct model_job *model_find(struct model *model, const struct model_org *org, const char *id)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &model->jobs[i];
        if (job->place != PLACE_NONE && job->org == org && strcmp(job->id, id) == 0)
            return job;
    }
    return NULL;
}

struct model_session *model_find_session(struct model *model, const char *id)
{
    for (int i = 0; i < MODEL_SESSIONS_MAX; i++) {
        if (model->sessions[i].used && strcmp(model->sessions[i].id, id) == 0)
            return &model->sessions[i];
    }
    return NULL;
}

struct model_key *model_find_key(struct model *model, const struct model_org *org, const char *name)
{
    for (int i = 0; i < MODEL_KEYS_MAX; i++) {
        if (model->keys[i].org == org && strcmp(model->keys[i].name, name) == 0)
            return &model->keys[i];
    }
    return NULL;
}

struct model_job *model_find_coalesced(struct model *model, const struct model_org *org, const char *key, bool follower)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &model->jobs[i];
        if (job->place != PLACE_NONE && job->org == org && strcmp(job->wish.coalesce, key) == 0 &&
            (follower ? job->after[0] != '\0' : job->owns))
            return job;
    }
    return NULL;
}

struct model_seen *model_find_seen(struct model *model, const char *name)
{
    for (int i = 0; i < MODEL_SEEN_MAX; i++) {
        if (strcmp(model->seen[i].name, name) == 0)
            return &model->seen[i];
    }
    return NULL;
}

int model_count(const struct model *model, const struct model_org *org, enum place place, int queue)
{
    int count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &model->jobs[i];
        if (job->place == place && (!org || job->org == org) && (queue < 0 || job->wish.queue == queue))
            count++;
    }
    return count;
}

int model_count_all(const struct model *model)
{
    int count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++)
        count += model->jobs[i].place != PLACE_NONE;
    return count;
}

int model_count_held(const struct model *model, const struct model_session *session)
{
    int count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++)
        count += model->jobs[i].place == PLACE_RUNNING && model->jobs[i].session == session;
    return count;
}

bool model_before(const struct model_job *a, const struct model_job *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    return strcmp(a->id, b->id) < 0;
}
