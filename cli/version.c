/* `rota version`. */
#include <stdio.h>

#include "cli/cli.h"
#include "common/library.h"

static int version_command(struct cli *cli, struct error *err)
{
    (void)err;
    if (cli->output.format == OUTPUT_TABLE)
        printf("rota %s (functions %s)\n", ROTA_VERSION, library_name());
    else
        output_object(&cli->output,
                      json_pack("{s:s, s:s, s:s, s:s, s:i}", "version", ROTA_VERSION, "library", library_name(), "abi",
                                library_abi(), "library_sha256", library_sha256(), "schema", DEPLOYMENT_SCHEMA),
                      NULL);
    return 0;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};

const struct command version_commands[] = {
    {"version", "", "Print the version", plain_settings, 0, 0, version_command, NULL},
    {0},
};
