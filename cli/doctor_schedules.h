/* doctor_schedules.h - the part of `rota doctor` that looks at schedules: which are unhealthy, and which were mended lately? */
#pragma once

#include "cli/cli.h"
#include "cli/diagnosis.h"

/* Adds what is found. Looks at a bounded number of them, in all lanes. */
int doctor_schedules(struct cli *cli, struct diagnosis *diagnosis, struct error *err) MUST_CHECK;
