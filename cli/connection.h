/* connection.h - a command's way to Redis: connected once, asked and waited for. */
#pragma once

#include "cli/cli.h"
#include "common/call.h"
#include "common/redis.h"

#define ANSWER_MS_MAX 10000 /* that an answer may take */

/* Connects, once, and checks the deployment. With `strict` a server that is refused ends it; otherwise, as long as the deployment
 * is set up, that is only warned of: who looks and who repairs must get in. `options` may be NULL: then nothing is set up, and
 * durability is compared only where it was declared by flag, variable or file. */
int cli_connect(struct cli *cli, bool strict, const struct deployment_options *options, struct error *err) MUST_CHECK;

/* Connects to look around, without checking anything but the number of lanes, within `budget_ms`. */
int cli_connect_to_look(struct cli *cli, int64_t budget_ms, struct error *err) MUST_CHECK;

/* `err`, of a connection, as this program's users should read it: what cannot be reached, and the exit status. Returns its code.
 */
int cli_unreachable(struct cli *cli, struct error *err);

/* Now, on the clock of Redis. */
int64_t cli_now_ms(const struct cli *cli);

/* The lane of an organization. */
uint32_t cli_lane(const struct cli *cli, const char *org);

/* Runs only for an answer that is no error. May not send. */
typedef void cli_answer_cb(const struct reply *reply, void *ctx);

/* Sends without waiting, as long as not too many calls are under way; `cb` may be NULL. Answers come in the order of the calls.
 */
void cli_send(struct cli *cli, const struct call *call, cli_answer_cb *cb, void *ctx);

/* Waits for all answers. The first error among them, if there was one. */
int cli_settle(struct cli *cli, struct error *err) MUST_CHECK;

/* Sends and waits. */
int cli_call(struct cli *cli, const struct call *call, cli_answer_cb *cb, void *ctx, struct error *err) MUST_CHECK;
