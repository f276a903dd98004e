/* settings.h - the settings that all programs of Rota have, for their config tables, and what follows from them.
 *
 * A table begins with SETTINGS_COMMON and ends with a zero entry. Keys that belong to another program are passed over: one file
 * serves all. */
#pragma once

#include "common/config.h"
#include "common/deployment.h"
#include "common/log.h"

#define SETTINGS_COMMON                                                                                            \
    {.key = "redis.url",                                                                                           \
     .kind = CONFIG_STRING,                                                                                        \
     .fallback = "redis://127.0.0.1:6379/0",                                                                       \
     .high = 1024,                                                                                                 \
     .flag = "redis",                                                                                              \
     .variable = "REDIS_URL",                                                                                      \
     .argument = "URL",                                                                                            \
     .help = "redis://[user[:password]@]host[:port][/db] or unix:///path"},                                        \
        {.key = "redis.password-file",                                                                             \
         .kind = CONFIG_STRING,                                                                                    \
         .high = 1024,                                                                                             \
         .argument = "FILE",                                                                                       \
         .help = "the password, instead of one in the URL"},                                                       \
        {.key = "redis.durability",                                                                                \
         .kind = CONFIG_STRING,                                                                                    \
         .fallback = "disk",                                                                                       \
         .high = 16,                                                                                               \
         .flag = "durability",                                                                                     \
         .argument = "LEVEL",                                                                                      \
         .help = "disk (AOF always), everysec or memory: a weaker server is refused",                              \
         .words = "disk everysec memory"},                                                                         \
        {.key = "redis.require-tls", .kind = CONFIG_BOOL, .help = "refuse plain TCP to other hosts"},              \
        {.key = "redis.require-acl", .kind = CONFIG_BOOL, .help = "refuse the default user, on this machine too"}, \
        {.key = "redis.accept-unverified",                                                                         \
         .kind = CONFIG_BOOL,                                                                                      \
         .help = "durability disk on your word where CONFIG GET is forbidden"},                                    \
        {.key = "redis.accept-backported",                                                                         \
         .kind = CONFIG_BOOL,                                                                                      \
         .help = "old version numbers: the packages have the fixes of newer ones, do not warn"},                   \
        {.key = "redis.check-every",                                                                               \
         .kind = CONFIG_DURATION,                                                                                  \
         .fallback = "30s",                                                                                        \
         .low = 100,                                                                                               \
         .high = 60 * 60 * 1000,                                                                                   \
         .argument = "DURATION",                                                                                   \
         .help = "between two checks of the server by rota-scheduler and rota-worker"},                            \
        {.key = "log.level",                                                                                       \
         .kind = CONFIG_STRING,                                                                                    \
         .fallback = "info",                                                                                       \
         .high = 16,                                                                                               \
         .argument = "LEVEL",                                                                                      \
         .help = "debug, info, warn or error",                                                                     \
         .words = "debug info warn error"},                                                                        \
        {.key = "log.format",                                                                                      \
         .kind = CONFIG_STRING,                                                                                    \
         .fallback = "auto",                                                                                       \
         .high = 16,                                                                                               \
         .argument = "FORMAT",                                                                                     \
         .help = "auto, logfmt or json; auto is logfmt on a terminal, else json",                                  \
         .words = "auto logfmt json"},                                                                             \
        {.key = "log.file",                                                                                        \
         .kind = CONFIG_STRING,                                                                                    \
         .high = 4096,                                                                                             \
         .argument = "FILE",                                                                                       \
         .help = "a file to append the log to, instead of standard error; USR1 opens it again"}

#define SETTINGS_SESSION(timeout, beat)                                    \
    {.key = "session.timeout",                                             \
     .kind = CONFIG_DURATION,                                              \
     .fallback = timeout,                                                  \
     .low = 1000,                                                          \
     .high = 60 * 60 * 1000,                                               \
     .argument = "DURATION",                                               \
     .help = "without a beat for so long this process is taken for dead"}, \
        {.key = "session.beat",                                            \
         .kind = CONFIG_DURATION,                                          \
         .fallback = beat,                                                 \
         .low = 1,                                                         \
         .high = 20 * 60 * 1000,                                           \
         .argument = "DURATION",                                           \
         .help = "between two beats; a third of the time-out at most"}

/* Of workers, which rota doctor wants to know, too. */
#define SETTING_WORKER_DRAIN(text) \
    {.key = "worker.drain",        \
     .kind = CONFIG_DURATION,      \
     .fallback = "25s",            \
     .low = 0,                     \
     .high = 24 * 60 * 60 * 1000,  \
     .argument = "DURATION",       \
     .help = text}

/* The tables of the programs, and the keys of the file that each of them passes over, for settings_begin and config_new. */
extern const struct config_setting settings_worker[], settings_scheduler[];
extern const char *const settings_worker_elsewhere[], *const settings_scheduler_elsewhere[];

/* Sets up logging as `config` says, for `program` (borrowed). DEBUG_INVOCATION=1 in the environment, which systemd sets with
 * RestartMode=debug, makes it debug. */
int settings_log(const struct config *config, const char *program, struct error *err) MUST_CHECK;

/* Reads the settings again, as they stand now. NULL if something is wrong with them: that was logged. Gives. */
struct config *settings_read_again(const struct config_setting *settings, const char *const *known_elsewhere, int argc,
                                   char **argv);

/* Takes over what may change while a program runs, which is the level of the log; and logs the level, and which of the other
 * settings are not those of `before`: they want a restart. */
void settings_take_over(const struct config_setting *settings, const struct config *before, const struct config *now);

/* The file with the password, or NULL. */
const char *settings_password_file(const struct config *config);

/* What the deployment is asked to be. */
int settings_deployment(const struct config *config, struct deployment_options *ret, struct error *err) MUST_CHECK;

/* The sysexits code of a program whose config_new failed: EX_USAGE for a flag, EX_CONFIG for a file or a variable. */
int settings_exit_code(const struct error *err);

/* The start of the main of a program that takes no arguments but flags: reads the settings and sets up logging, also its file.
 * Answers --help
 * (`usage`, then the options) and --version itself. Returns the config (gives), or NULL with the exit status in *ret_status. */
struct config *settings_begin(const struct config_setting *settings, const char *const *known_elsewhere, const char *program,
                              const char *usage, int argc, char **argv, int *ret_status);
