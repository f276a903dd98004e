#include "cli/doctor_schedules.h"

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "common/reply.h"
#include "common/schedule.h"

#define PAGES_MAX 20 /* in all lanes together; one of each at least */
#define PER_PAGE  100
#define COLUMNS   3 /* of a page: org, name, fields */
#define LATELY_MS (24LL * 3600 * 1000)

struct look {
    struct cli *cli;
    struct schedule_measures measures;
    char unhealthy[SCHEDULE_MEASURE_BYTES], mended[SCHEDULE_MEASURE_BYTES]; /* of these the first one */
    char cursor[64];
};

static void look_at(struct look *look, const char *org, const char *name, const struct reply *fields, int64_t now_ms)
{
    struct schedule schedule;
    struct error err;

    if (schedule_decode(&schedule, name, fields, NULL, &err) < 0) {
        cli_complain(look->cli, EX_DATAERR, "schedule %s/%s cannot be read: %s", org, name, err.message);
        return;
    }
    look->measures.schedules++;
    if (schedule.unhealthy_ms > 0 && look->measures.unhealthy++ == 0)
        snprintf(look->unhealthy, sizeof look->unhealthy, "%s/%s", org, name);
    if (schedule.mended_ms > now_ms - LATELY_MS && look->measures.mended++ == 0)
        snprintf(look->mended, sizeof look->mended, "%s/%s", org, name);
    schedule_clear(&schedule);
}

static void on_page(const struct reply *reply, void *ctx)
{
    struct look *look = ctx;
    const struct reply *list = reply_at(reply, 2);

    snprintf(look->cursor, sizeof look->cursor, "%s", reply_string(reply_at(reply, 1)));
    for (size_t i = 0; i + COLUMNS <= reply_count(list); i += COLUMNS)
        look_at(look, reply_string(reply_at(list, i)), reply_string(reply_at(list, i + 1)), reply_at(list, i + 2),
                reply_int(reply_at(reply, 0)));
}

static int look_at_lane(struct look *look, uint32_t lane, struct error *err)
{
    struct call call = {0};
    unsigned pages = 0;
    int rc;

    look->cursor[0] = '\0';
    do {
        call_function(&call, "schedules", lane);
        call_add_string(&call, "");
        call_add_string(&call, look->cursor);
        call_add_int(&call, PER_PAGE);
        rc = cli_call(look->cli, &call, on_page, look, err);
        pages++;
    } while (rc == 0 && look->cursor[0] && pages < PAGES_MAX / look->cli->deployment.lanes);
    look->measures.more = look->measures.more || look->cursor[0];
    call_clear(&call);
    return rc;
}

int doctor_schedules(struct cli *cli, struct diagnosis *diagnosis, struct error *err)
{
    struct look look = {.cli = cli};
    int rc = 0;

    look.measures.first_unhealthy = look.unhealthy;
    look.measures.first_mended = look.mended;
    for (uint32_t lane = 0; rc == 0 && lane < cli->deployment.lanes; lane++)
        rc = look_at_lane(&look, lane, err);
    if (rc == 0)
        diagnose_schedules(diagnosis, &look.measures);
    return rc;
}
