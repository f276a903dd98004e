/* manual.h - the manual of `rota`, from the table of commands: pages for man, and one page of markdown. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* The page "rota", or "rota-<first word of commands>"; false if there is none of this name. */
bool manual_print(const char *page, FILE *file);

/* The reference of docs/CLI.md: all commands. */
void manual_print_markdown(FILE *file);
