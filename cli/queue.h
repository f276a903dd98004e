/* queue.h - the queues of a deployment. */
#pragma once

#include "cli/cli.h"

/* Checks that some lane knows queue `name`: one that none knows is a slip of the pen (EX_NOINPUT). */
int queue_check(struct cli *cli, const char *name, struct error *err) MUST_CHECK;
