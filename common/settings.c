#include "common/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/library.h"
#include "common/manual.h"

static int read_level(const struct config *config, enum log_level *ret, struct error *err)
{
    const char *name = config_string(config, "log.level"), *debug = getenv("DEBUG_INVOCATION");

    if (!log_level_parse(ret, name))
        return error_set(err, ERR_INVALID, "log level \"%s\" (%s) must be debug, info, warn or error", name,
                         config_origin(config, "log.level"));
    if (debug && strcmp(debug, "1") == 0)
        *ret = LOG_LEVEL_DEBUG;
    return 0;
}

int settings_log(const struct config *config, const char *program, struct error *err)
{
    const char *format = config_string(config, "log.format");
    enum log_level level;

    if (read_level(config, &level, err) < 0)
        return err->code;
    if (strcmp(format, "auto") != 0 && strcmp(format, "logfmt") != 0 && strcmp(format, "json") != 0)
        return error_set(err, ERR_INVALID, "log format \"%s\" (%s) must be auto, logfmt or json", format,
                         config_origin(config, "log.format"));
    log_setup(program, level, strcmp(format, "auto") != 0 ? format : NULL);
    return 0;
}

/* Not for the command line: whoever types a command need not be allowed to write there. */
static int open_log(const struct config *config, struct error *err)
{
    const char *file = config_string(config, "log.file");

    if (file[0] && log_to_file(file, err) < 0)
        return error_wrap(err, "%s", config_origin(config, "log.file"));
    return 0;
}

struct config *settings_read_again(const struct config_setting *settings, const char *const *known_elsewhere, int argc,
                                   char **argv)
{
    struct error err;
    struct config *config = config_new(settings, known_elsewhere, argc, argv, &err);
    enum log_level level;

    if (config && read_level(config, &level, &err) == 0)
        return config;
    log_error("settings cannot be read again, the old ones stay", "err=%s", err.message);
    config_free(config);
    return NULL;
}

void settings_take_over(const struct config_setting *settings, const struct config *before, const struct config *now)
{
    enum log_level level;
    struct error err;

    if (read_level(now, &level, &err) < 0)
        return; /* cannot be: it was read before */
    log_set_level(level);
    for (; settings->key; settings++)
        if (!config_same(before, now, settings->key) && strcmp(settings->key, "log.level") != 0 &&
            strcmp(settings->key, "worker.on") != 0)
            log_warn("a setting has changed that wants a restart", "setting=%s origin=%s", settings->key,
                     config_origin(now, settings->key));
    log_info("settings read again", "level=%s", log_level_name(level));
}

int settings_deployment(const struct config *config, struct deployment_options *ret, struct error *err)
{
    *ret = (struct deployment_options){
        .require_tls = config_bool(config, "redis.require-tls"),
        .require_acl = config_bool(config, "redis.require-acl"),
        .accept_unverified = config_bool(config, "redis.accept-unverified"),
        .accept_backported = config_bool(config, "redis.accept-backported"),
    };
    if (durability_parse(&ret->durability, config_string(config, "redis.durability"), err) < 0)
        return error_wrap(err, "%s", config_origin(config, "redis.durability"));
    return 0;
}

int settings_exit_code(const struct error *err)
{
    bool flags = strncmp(err->message, "flag ", 5) == 0 || strncmp(err->message, "unknown flag ", 13) == 0;

    return flags ? EX_USAGE : EX_CONFIG;
}

struct config *settings_begin(const struct config_setting *settings, const char *const *known_elsewhere, const char *program,
                              const char *usage, int argc, char **argv, int *ret_status)
{
    struct error err;
    struct config *config;

    if (argc == 2 && strcmp(argv[1], "--help=man") == 0) { /* for those who make manual pages */
        manual_print_program(stdout, program, usage, settings);
        *ret_status = 0;
        return NULL;
    }
    config = config_new(settings, known_elsewhere, argc, argv, &err);
    if (!config) {
        fprintf(stderr, "%s: %s\n", program, err.message);
        *ret_status = settings_exit_code(&err);
        return NULL;
    }
    *ret_status = EX_CONFIG;
    if (config_wants_help(config)) {
        printf("%s\n\nOptions:\n", usage);
        config_print_help(settings, stdout);
        *ret_status = 0;
    } else if (config_wants_version(config)) {
        printf("%s %s (functions %s)\n", program, ROTA_VERSION, library_name());
        *ret_status = 0;
    } else if (config_argument_count(config) > 0) {
        fprintf(stderr, "%s: \"%.200s\" is no flag, and there are no other arguments\nTry: %s --help\n", program,
                config_argument(config, 0), program);
        *ret_status = EX_USAGE;
    } else if (open_log(config, &err) < 0 || settings_log(config, program, &err) < 0) {
        fprintf(stderr, "%s: %s\n", program, err.message);
    } else {
        return config;
    }
    config_free(config);
    return NULL;
}

const char *settings_password_file(const struct config *config)
{
    const char *file = config_string(config, "redis.password-file");

    return file[0] ? file : NULL;
}
