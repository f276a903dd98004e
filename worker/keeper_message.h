/* keeper_message.h - what a worker and its keepers say to each other, one message at a time over a SOCK_SEQPACKET pair.
 *
 *     worker                                  keeper
 *     an order (order.h), with descriptors ──▶
 *                                         ◀── started, if the order asks for that word
 *                                         ◀── failed (it could not be started), or ended (it, and all that was below it)
 *     stop (TERM), kill: while it runs    ──▶
 *     leave: the end of the connection    ──▶
 *     follows, but not that of the worker
 *                                         ◀── free, if the scratch directory was not gone with the message before
 *
 * The end of the worker, however it comes, is the end of the connection: then the keeper kills what runs, and ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_NAME      "rota-keeper" /* argv[0] and name of the process */
#define KEEPER_SOCKET_FD 3

/* The descriptors that travel with an order: the handler's 0, 1, 2 and 3. */
#define KEEPER_FDS 4

/* KEEPER_LEAVE: the worker lets go of it, but lives. */
enum keeper_command { KEEPER_STOP, KEEPER_KILL, KEEPER_LEAVE };

enum keeper_word { KEEPER_FAILED, KEEPER_STARTED, KEEPER_ENDED, KEEPER_FREE };

/* What could not be done. */
enum keeper_step { STEP_EXEC, STEP_FORK, STEP_ORDER, STEP_SCRATCH, STEP_CGROUP, STEP_LIMITS, STEP_USER, STEP_CWD, STEP_FDS };

struct keeper_report {
    enum keeper_word word;
    bool free; /* the keeper can take an order */
    /* KEEPER_FAILED */
    enum keeper_step step;
    int code; /* errno */
    /* KEEPER_STARTED */
    pid_t pid;
    /* KEEPER_ENDED */
    int status; /* as of wait() */
    int64_t user_us, system_us, rss_max_bytes;
    bool out_of_memory; /* its control group had reached its limit, and was killed */
    /* KEEPER_FREE */
    int scratch_errno; /* > 0: the directory could not be removed */
};
