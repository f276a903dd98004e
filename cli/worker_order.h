/* worker_order.h - `rota worker quiet|resume|stop|dump`: asking something of workers, wherever they run. The function `order`
 * leaves it in the worker's session, the next beat takes it along, and the worker's card says when it is done. */
#pragma once

#include "cli/cli.h"

int worker_quiet(struct cli *cli, struct error *err);
int worker_resume(struct cli *cli, struct error *err);
int worker_stop(struct cli *cli, struct error *err);
int worker_dump(struct cli *cli, struct error *err);
