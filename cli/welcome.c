#include "cli/welcome.h"

#include <stdio.h>
#include <string.h>

static void print_redis(const struct private_redis *redis, const char *url)
{
    if (redis)
        printf("Rota is ready. Redis listens on %s%s127.0.0.1:%d and keeps its data in %s.\n",
               strncmp(url, "unix://", 7) == 0 ? url + 7 : "", strncmp(url, "unix://", 7) == 0 ? " and " : "",
               private_redis_port(redis), private_redis_directory(redis));
    else
        printf("Rota is ready, on the Redis at %s.\n", url);
}

static void print_handlers(const struct stack_options *options)
{
    printf("%d workers with %lld slots each run", STACK_WORKERS, (long long)options->slots);
    if (!options->on[0])
        printf(" the handlers of the configuration file");
    for (const char *const *on = options->on; *on; on++)
        printf("%s %.*s (%s)", on == options->on ? "" : ",", (int)strcspn(*on, "="), *on, strchr(*on, '=') + 1);
    printf(".\n");
}

void welcome_print(const struct cli *cli, const struct stack_options *options, const struct private_redis *redis, const char *url)
{
    const char *type = options->on[0] ? options->on[0] : "TYPE";
    int length = (int)strcspn(type, "=");

    if (cli->output.format != OUTPUT_TABLE) {
        json_t *object =
            json_pack("{s:s, s:I, s:i}", "redis_url", url, "slots", (json_int_t)options->slots, "workers", STACK_WORKERS);
        json_object_set_new(object, "port", redis ? json_integer(private_redis_port(redis)) : json_null());
        json_object_set_new(object, "directory", redis ? json_string(private_redis_directory(redis)) : json_null());
        json_dumpf(object, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(object);
    } else {
        print_redis(redis, url);
        print_handlers(options);
        printf("\nIn another terminal:\n\n  export ROTA_REDIS_URL=%s\n", url);
        printf("  rota push acme %.*s 'hello world' --wait\n", length, type);
        printf("  rota push globex %.*s 'in a moment' --in 10s\n", length, type);
        printf("  rota job list\n  rota org list\n  rota worker list\n");
        if (redis)
            printf("  redis-cli -p %d GET rota:README\n", private_redis_port(redis));
        printf("\nCtrl-C stops everything.\n");
    }
    fflush(stdout);
}
