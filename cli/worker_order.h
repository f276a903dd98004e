/* worker_order.h - `rota worker quiet|resume|stop|dump`: asking something of workers, wherever they run. The function `order`
 * leaves it in the worker's session, the next beat takes it along, and the worker's card says when it is done. */
#pragma once

#include "cli/cli.h"

int worker_quiet(struct cli *cli, struct error *err);
int worker_resume(struct cli *cli, struct error *err);
int worker_stop(struct cli *cli, struct error *err);
int worker_dump(struct cli *cli, struct error *err);

/* The live session that `text` names, with its id or a beginning of it that no other has; into `ret_session`. ERR_NOT_FOUND if
 * there is none. */
int worker_find(struct cli *cli, const char *text, char ret_session[TYPE_BYTES_MAX + 1], struct error *err) MUST_CHECK;
