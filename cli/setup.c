/* `rota setup`. */
#include <stdio.h>

#include "cli/connection.h"
#include "common/library.h"

static const struct column setup_columns[] = {
    {"lanes", "lanes", COLUMN_TEXT},     {"durability", "durability", COLUMN_TEXT}, {"level", "level", COLUMN_TEXT},
    {"library", "library", COLUMN_TEXT}, {"redis", "redis_version", COLUMN_TEXT},   {0},
};

static int setup_command(struct cli *cli, struct error *err)
{
    struct deployment_options options;
    json_t *object;

    if (settings_deployment(cli->config, &options, err) < 0)
        return cli_misused(cli, err);
    options.set_up = options.may_read_config = true;
    options.lanes = (uint32_t)config_integer(cli->config, "cli.setup.lanes");
    if (cli_connect(cli, true, &options, err) < 0)
        return err->code;
    for (unsigned i = 0; i < cli->deployment.warning_count; i++)
        cli_note(cli, "warning: %s", cli->deployment.warnings[i].text);
    object = json_pack("{s:I, s:s, s:s, s:s, s:s}", "lanes", (json_int_t)cli->deployment.lanes, "durability",
                       durability_name(options.durability), "level", durability_name(cli->deployment.level), "library",
                       library_name(), "redis_version", cli->deployment.redis_version);
    output_object(&cli->output, object, setup_columns);
    return 0;
}

static const struct config_setting setup_settings[] = {
    SETTINGS_CLI,
    FLAG_NUMBER("cli.setup.", "lanes", "0", 0, DEPLOYMENT_LANES_MAX,
                "lanes of a deployment that is new; 0: as it is, 1 for a new one"),
    {0},
};

const struct command setup_commands[] = {
    {"setup", "", "Make a Redis ready: check it, load the function library, set up the lanes", setup_settings, 0, 0,
     setup_command, "Safe to repeat; rota-scheduler does the same when it starts."},
    {0},
};
