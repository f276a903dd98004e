/* doctor_work.h - the part of `rota doctor` that looks at queues and types: is there a worker for what waits? */
#pragma once

#include "cli/diagnosis.h"
#include "cli/live.h"

/* Why no jobs are taken in, as the first lane that takes none says; "". */
#define DOCTOR_INTAKE_BYTES 256

/* Adds what is found of pauses, queues and types. Looks at a bounded number of organizations and jobs. */
int doctor_work(struct cli *cli, const struct live_list *live, struct diagnosis *diagnosis, char ret_intake[DOCTOR_INTAKE_BYTES],
                struct error *err) MUST_CHECK;
