/* The settings of rota-worker and rota-scheduler; those of the command line are with its commands. All of them stand in one file,
 * and `rota config` checks and shows it whole. */
#include "common/capsule_plan.h"
#include "common/session.h"
#include "common/settings.h"

const struct config_setting settings_worker[] = {
    SETTINGS_COMMON,
    SETTINGS_SESSION("6s", "2s"),
    {.key = "worker.slots",
     .kind = CONFIG_INTEGER,
     .fallback = "4",
     .low = 1,
     .high = CAPSULE_SLOTS_MAX,
     .letter = 'c',
     .flag = "slots",
     .argument = "N",
     .help = "jobs that may run at once"},
    {.key = "worker.queues",
     .kind = CONFIG_LIST,
     .fallback = "default",
     .high = 80,
     .flag = "queue",
     .argument = "NAME[=WEIGHT]",
     .help = "a queue to take jobs from, with its weight in turns (1..10); may be repeated"},
    {.key = "worker.on",
     .kind = CONFIG_LIST,
     .high = 4096,
     .flag = "on",
     .argument = "TYPE=COMMAND",
     .help = "run jobs of a type (or *) with a shell command; payload on stdin, result on stdout; may be repeated"},
    SETTING_WORKER_DRAIN("how long a stop waits for running jobs"),
    {.key = "worker.scratch",
     .kind = CONFIG_STRING,
     .high = 1024,
     .argument = "PATH",
     .help = "where each run of a handler gets a folder of its own; $TMPDIR, else /tmp, if not set"},
    {0},
};

const char *const settings_worker_elsewhere[] = {"capsules", "cli", "handlers", "scheduler", NULL};

const struct config_setting settings_scheduler[] = {
    SETTINGS_COMMON,
    {.key = "scheduler.session.timeout",
     .kind = CONFIG_DURATION,
     .fallback = "4s",
     .low = SESSION_MS_MIN,
     .high = SESSION_MS_MAX,
     .flag = "session-timeout",
     .argument = "DURATION",
     .help = "without a beat for so long another scheduler takes over"},
    {.key = "scheduler.session.beat",
     .kind = CONFIG_DURATION,
     .fallback = "1s",
     .low = 1,
     .high = SESSION_MS_MAX / SESSION_BEATS_MIN,
     .flag = "session-beat",
     .argument = "DURATION",
     .help = "between two beats; a third of the time-out at most"},
    {.key = "scheduler.lanes",
     .kind = CONFIG_INTEGER,
     .fallback = "0",
     .low = 0,
     .high = DEPLOYMENT_LANES_MAX,
     .flag = "lanes",
     .argument = "N",
     .help = "lanes of the deployment; 0: as many as it has, 1 if it is set up for the first time"},
    {0},
};

const char *const settings_scheduler_elsewhere[] = {"capsules", "cli", "handlers", "worker", "session", NULL};
