#include "scheduler/recovery.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/session.h"
#include "scheduler/suspect.h"

#define SESSIONS_PER_LOOK 500
#define LEASES_PER_STEP   64
#define REST_MS           1000 /* of a lane after a step that was refused */
#define LOOKS_PER_SURVEY  8    /* every so many looks, all sessions are listed, to learn the time-outs of new ones */

/* A recovery under way, or the look at one lane. */
struct patient {
    struct recovery *recovery;
    uint32_t lane;
    char session[TYPE_BYTES_MAX + 1];
    int64_t jobs;
    struct patient *next;
};

struct ward {
    struct recovery *recovery;
    uint32_t lane;
    struct suspects *suspects;
    bool looking;
    unsigned looks;
    int64_t rest_until_mono_ms;
    struct complaint watch, recover;
};

struct recovery {
    struct duty duty;
    void (*on_recovered)(const char *session, int64_t jobs, void *ctx);
    void *ctx;
    struct ward *wards;
    struct patient *patients;
    char only[TYPE_BYTES_MAX + 1];
    bool everybody;
    int64_t beat_ms, beaten_mono_ms;
    int64_t from_mono_ms; /* what was watched before does not count */
    bool anew;            /* the last look began the watching anew, and this was logged */
    ev_timer timer;
    struct call call;
};

static void on_step(const struct reply *reply, const struct error *err, void *ctx);

static bool is_patient(const struct recovery *recovery, uint32_t lane, const char *session)
{
    for (const struct patient *patient = recovery->patients; patient; patient = patient->next)
        if (patient->lane == lane && strcmp(patient->session, session) == 0)
            return true;
    return false;
}

static void discharge(struct patient *patient)
{
    struct patient **at = &patient->recovery->patients;

    while (*at != patient)
        at = &(*at)->next;
    *at = patient->next;
    free(patient);
}

static void send_step(struct patient *patient, const char *beat)
{
    struct call *call = &patient->recovery->call;

    call_function(call, "recover", patient->lane);
    call_add_string(call, patient->session);
    call_add_string(call, beat);
    call_add_int(call, LEASES_PER_STEP);
    redis_send(patient->recovery->duty.redis, call, DUTY_TIMEOUT_MS, on_step, patient);
}

static void recover(struct recovery *recovery, uint32_t lane, const struct sighting *sighting)
{
    struct patient *patient;

    if (clock_mono_ms() < recovery->wards[lane].rest_until_mono_ms || is_patient(recovery, lane, sighting->session) ||
        (!recovery->everybody && strcmp(recovery->only, sighting->session) != 0))
        return;
    patient = memory_new(sizeof *patient);
    patient->recovery = recovery;
    patient->lane = lane;
    snprintf(patient->session, sizeof patient->session, "%s", sighting->session);
    patient->next = recovery->patients;
    recovery->patients = patient;
    send_step(patient, sighting->beat);
}

static void on_step(const struct reply *reply, const struct error *err, void *ctx)
{
    struct patient *patient = ctx;
    struct recovery *recovery = patient->recovery;
    struct ward *ward = &recovery->wards[patient->lane];

    if (err) {
        duty_failed(&recovery->duty, &ward->recover, "recover", ward->lane, err);
        if (duty_is_refused(err))
            ward->rest_until_mono_ms = clock_mono_ms() + REST_MS;
    } else if (reply_is(reply_at(reply, 0), "ok")) {
        patient->jobs += reply_int(reply_at(reply, 1));
        if (reply_int(reply_at(reply, 2)) > 0) {
            send_step(patient, "");
            return;
        }
        log_warn("session was dead: recovered", "lane=%u session=%s jobs=%lld", patient->lane, patient->session,
                 (long long)patient->jobs);
        duty_worked(&ward->recover, "recover", ward->lane);
        recovery->on_recovered(patient->session, patient->jobs, recovery->ctx);
    }
    discharge(patient);
}

static void begin_look(struct ward *ward, int64_t now_ms)
{
    struct recovery *recovery = ward->recovery;
    int64_t mono_ms = clock_mono_ms();
    bool deaf = mono_ms - recovery->beaten_mono_ms > recovery->beat_ms + SUSPECT_GAP_MS, anew;

    if (deaf)
        recovery->from_mono_ms = mono_ms + SUSPECT_GRACE_MS;
    anew = suspects_begin(ward->suspects, mono_ms, now_ms, recovery->from_mono_ms) || deaf;
    if (anew && !recovery->anew)
        log_info("watching the sessions anew", "why=%s",
                 deaf ? "our own beats do not get through" : "nothing was seen for a while");
    recovery->anew = anew;
}

static void on_look(const struct reply *reply, const struct error *err, void *ctx)
{
    struct ward *ward = ctx;
    const struct reply *list = reply_at(reply, 1);

    ward->looking = false;
    if (err) {
        duty_failed(&ward->recovery->duty, &ward->watch, "watch", ward->lane, err);
        return;
    }
    duty_worked(&ward->watch, "watch", ward->lane);
    begin_look(ward, reply_int(reply_at(reply, 0)));
    for (size_t i = 0; i + 4 < reply_count(list); i += 5) {
        struct sighting sighting = {
            .session = reply_string(reply_at(list, i)),
            .deadline_ms = reply_int(reply_at(list, i + 1)),
            .beat = reply_string(reply_at(list, i + 2)),
            .timeout_ms = reply_int(reply_at(list, i + 3)),
            .beat_ms = reply_int(reply_at(list, i + 4)),
        };
        if (suspects_see(ward->suspects, &sighting))
            recover(ward->recovery, ward->lane, &sighting);
    }
    suspects_end(ward->suspects);
}

static void look(struct ward *ward)
{
    struct call *call = &ward->recovery->call;
    bool survey = ward->looks++ % LOOKS_PER_SURVEY == 0;

    if (ward->looking)
        return;
    ward->looking = true;
    call_function(call, "watch", ward->lane);
    call_add_int(call, survey ? SESSION_MS_MAX : suspects_window_ms(ward->suspects));
    call_add_int(call, survey ? SESSION_MS_MAX : suspects_timeout_ms(ward->suspects));
    call_add_int(call, SESSIONS_PER_LOOK);
    redis_send(ward->recovery->duty.redis, call, DUTY_TIMEOUT_MS, on_look, ward);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct recovery *recovery = timer->data;

    (void)loop, (void)events;
    if (!redis_is_up(recovery->duty.redis))
        return;
    for (uint32_t lane = 0; lane < (recovery->everybody ? recovery->duty.lanes : 1);
         lane++) /* the leader's session is in lane 0 */
        look(&recovery->wards[lane]);
}

struct recovery *recovery_new(const struct duty *duty, int64_t beat_ms,
                              void (*on_recovered)(const char *session, int64_t jobs, void *ctx), void *ctx)
{
    struct recovery *recovery = memory_new(sizeof *recovery);

    recovery->duty = *duty;
    recovery->beat_ms = beat_ms;
    recovery->beaten_mono_ms = clock_mono_ms();
    recovery->on_recovered = on_recovered;
    recovery->ctx = ctx;
    recovery->wards = memory_new(sizeof *recovery->wards * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++)
        recovery->wards[lane] = (struct ward){.recovery = recovery, .lane = lane, .suspects = suspects_new()};
    ev_timer_init(&recovery->timer, on_time, 0, (double)RECOVERY_LOOK_MS / 1000);
    recovery->timer.data = recovery;
    ev_timer_start(duty->loop, &recovery->timer);
    return recovery;
}

void recovery_free(struct recovery *recovery)
{
    struct patient *patient;

    if (!recovery)
        return;
    ev_timer_stop(recovery->duty.loop, &recovery->timer);
    while ((patient = recovery->patients)) {
        recovery->patients = patient->next;
        free(patient);
    }
    for (uint32_t lane = 0; lane < recovery->duty.lanes; lane++)
        suspects_free(recovery->wards[lane].suspects);
    free(recovery->wards);
    call_clear(&recovery->call);
    free(recovery);
}

void recovery_beaten(struct recovery *recovery)
{
    recovery->beaten_mono_ms = clock_mono_ms();
}

void recovery_connected(struct recovery *recovery)
{
    recovery->from_mono_ms = clock_mono_ms() + SUSPECT_GRACE_MS;
}

void recovery_limit(struct recovery *recovery, const char *session)
{
    recovery->everybody = session == NULL;
    snprintf(recovery->only, sizeof recovery->only, "%s", session ? session : "");
}
