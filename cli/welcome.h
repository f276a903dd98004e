/* welcome.h - what `rota dev` prints when it is ready: what runs, and what to type next. */
#pragma once

#include "cli/private_redis.h"
#include "cli/stack.h"

/* `redis` is NULL if it is not ours. */
void welcome_print(const struct cli *cli, const struct stack_options *options, const struct private_redis *redis,
                   const char *url);
