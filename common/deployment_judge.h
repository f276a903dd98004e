/* deployment_judge.h - judges what was found of our deployment on a server: its set-up, its function library, its level. Pure:
 * deployment.c fetches the facts, and acts. Each function returns 0, or the code of an error as in deployment_cb. */
#pragma once

#include "common/deployment.h"
#include "common/server_facts.h"

/* 1..DEPLOYMENT_LANES_MAX: ERR_SETUP. */
int deployment_judge_lanes(const struct server_facts *facts, struct error *err) MUST_CHECK;

/* Schema and lanes, against what is asked for: ERR_SETUP. */
int deployment_judge_setup(const struct server_facts *facts, const struct deployment_options *options,
                           struct error *err) MUST_CHECK;

/* One that is absent can be loaded if we set up; one that we, who are `user`, may not look at is known by what rota:meta says.
 * ERR_LIBRARY, ERR_DENIED. */
int deployment_judge_library(const struct server_facts *facts, const struct deployment_options *options, const char *user,
                             struct error *err) MUST_CHECK;

/* True if the level rests on settings that somebody has read since the server was started. */
bool deployment_level_is_verified(const struct server_facts *facts, const struct deployment *found);

/* Lowers found->level, where it was found without CONFIG, to what the last one who could read it has written down, or to the
 * operator's word: ERR_INVALID if that is less than declared, or if it is to be "disk" and nobody could verify it. */
int deployment_judge_level(const struct server_facts *facts, const struct deployment_options *options, struct deployment *found,
                           struct error *err) MUST_CHECK;
