#include "common/deployment_judge.h"

#include <string.h>

#include "common/keys.h"
#include "common/library.h"
#include "common/server_check.h"

int deployment_judge_lanes(const struct server_facts *facts, struct error *err)
{
    if (facts->lanes >= 1 && facts->lanes <= DEPLOYMENT_LANES_MAX)
        return 0;
    return error_set(err, ERR_SETUP, "%s has lanes %lld, it must be 1..%d", KEY_META, (long long)facts->lanes,
                     DEPLOYMENT_LANES_MAX);
}

int deployment_judge_setup(const struct server_facts *facts, const struct deployment_options *options, struct error *err)
{
    if (facts->schema > DEPLOYMENT_SCHEMA)
        return error_set(err, ERR_SETUP, "%s has schema %lld, this build knows %d: use a newer Rota", KEY_META,
                         (long long)facts->schema, DEPLOYMENT_SCHEMA);
    if (options->set_up && options->lanes > 0 && facts->lanes > 0 && options->lanes != facts->lanes)
        return error_set(err, ERR_SETUP, "this deployment has %lld lanes, not %u: the number is chosen once",
                         (long long)facts->lanes, options->lanes);
    if (!options->set_up && facts->schema < 1)
        return error_set(err, ERR_SETUP, "this Redis is not set up yet: start rota-scheduler, or run `rota setup`");
    return facts->lanes == 0 && options->set_up ? 0 : deployment_judge_lanes(facts, err);
}

int deployment_judge_library(const struct server_facts *facts, const struct deployment_options *options, const char *user,
                             struct error *err)
{
    const char *seen = facts->library_sha256;
    enum library_state library = facts->library;

    if (library == LIBRARY_HIDDEN && options->set_up)
        return error_set(err, ERR_DENIED, "FUNCTION LIST is forbidden to user \"%s\", who is to set up: allow \"+function\"",
                         user);
    if (library == LIBRARY_HIDDEN)
        library = !*seen ? LIBRARY_ABSENT : strcmp(seen, library_sha256()) == 0 ? LIBRARY_SAME : LIBRARY_OTHER;
    if (library == LIBRARY_OTHER)
        return error_set(err, ERR_LIBRARY,
                         "the function library %s on this Redis has another text than this build: use the same build "
                         "everywhere, or, when no program runs, `redis-cli FUNCTION DELETE %s`",
                         library_name(), library_name());
    if (library == LIBRARY_ABSENT && !options->set_up)
        return error_set(err, ERR_LIBRARY,
                         "the function library %s is not loaded: start rota-scheduler of this version, or run `rota setup`",
                         library_name());
    return 0;
}

bool deployment_level_is_verified(const struct server_facts *facts, const struct deployment *found)
{
    return facts->config_pairs || (facts->has_level && strcmp(facts->run_id, found->run_id) == 0);
}

/* We were to read the settings, and may not. */
static int judge_hidden_settings(const struct server_facts *facts, const struct deployment_options *options,
                                 struct deployment *found, struct error *err)
{
    bool is_verified = deployment_level_is_verified(facts, found);

    if (!is_verified && options->durability == DURABILITY_DISK && !options->accept_unverified)
        return error_set(
            err, ERR_INVALID,
            "CONFIG GET is forbidden, so that durability \"disk\" cannot be verified: allow \"+config|get\", run `rota "
            "setup` as a user who may, or set redis.accept-unverified if appendfsync is \"always\", "
            "no-appendfsync-on-rewrite \"no\" and save \"\"");
    if (is_verified && found->level > facts->level)
        found->level = facts->level;
    if (!is_verified && found->level > options->durability)
        found->level = options->durability; /* the operator's word is all there is */
    server_check_warn(
        found, "CONFIG",
        "CONFIG GET is forbidden: appendfsync, no-appendfsync-on-rewrite, save and other settings cannot be checked; "
        "taken as \"%s\", %s",
        durability_name(found->level), is_verified ? "as the last check found it" : "on the operator's word");
    return 0;
}

/* We go by what was written down. */
static void judge_written_level(const struct server_facts *facts, const struct deployment_options *options,
                                struct deployment *found)
{
    enum durability written = facts->has_level ? facts->level : options->durability;

    if (found->level > written)
        found->level = written;
    if (!*facts->run_id)
        server_check_warn(found, "run_id",
                          "no scheduler could read the settings of Redis: that it is as durable as \"%s\" is the operator's word",
                          durability_name(found->level));
    else if (strcmp(facts->run_id, found->run_id) != 0)
        server_check_warn(found, "run_id",
                          "Redis was started again after the last check of a scheduler; it is taken to be as durable as before");
}

int deployment_judge_level(const struct server_facts *facts, const struct deployment_options *options, struct deployment *found,
                           struct error *err)
{
    if (facts->config_pairs)
        return 0;
    if (!options->may_read_config)
        judge_written_level(facts, options, found);
    else if (judge_hidden_settings(facts, options, found, err) < 0)
        return err->code;
    return server_check_level(found->level, options->durability, "the last check of a scheduler (level in " KEY_META ") said so",
                              err);
}
