/* dump.h - what a worker does at this moment, for whoever has to find out: a line of the log for each thing, and the same as
 * text.
 *
 *   worker phase=running asked_by=ann@web1 slots=4 running=1 begun=17 done=12 failed=3 released=1
 *   redis address=unix:///run/redis.sock up=1 waiting=0
 *   broken types=mail 1763626563123     (handlers that are broken, each until when, in ms since the epoch; not if none is)
 *   capsule name=default slots=4 running=1 sleeper_up=1
 *   queue capsule=default name=default weight=1
 *   lane number=0 session=... open=1 held=1 reports=0 claiming=0
 *   slot number=2 job=acme/0ay5k3m8q4txw org=acme type=mail attempt=1 pid=812 elapsed_ms=1200 timeout_ms=60000 ours=1 */
#pragma once

#include "worker/capsule.h"
#include "worker/slot.h"
#include "worker/worker.h"

#define DUMP_BYTES_MAX (64 * 1024) /* of the text; what is more is only in the log */

struct dump_subject {
    const char *phase;
    unsigned slot_count;
    const struct slots *slots;
    struct lane *const *lanes;
    uint32_t lane_count;
    struct capsule *const *capsules;
    size_t capsule_count;
    const struct redis *redis;
};

/* Writes it to the log, and gives the text (free). `asked_by` asked for it. */
char *dump_write(const struct dump_subject *subject, const char *asked_by);
