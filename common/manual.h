/* manual.h - manual pages in the language of mdoc(7), from the tables that --help is made of.
 *
 * All of these write to `file` (a FILE *). Text is escaped: nothing in it is taken for a request. */
#pragma once

#include "common/config.h"

/* ".Dt NAME section" and what comes before the first section: "rota-job", 1, "look at jobs and change them". */
void manual_begin(void *file, const char *name, int section, const char *about);

/* A heading: of a section, of a part of one. */
void manual_section(void *file, const char *title);
void manual_part(void *file, const char *title);

/* Running text. An empty line begins a paragraph; other ends of lines mean nothing. */
void manual_text(void *file, const char *text);

/* Text in a line of its own. */
void manual_line(void *file, const char *text);

/* A list of things with what is to say of each. */
void manual_list_begin(void *file);
void manual_item(void *file, const char *name, const char *text);
void manual_list_end(void *file);

/* Settings as such a list, up to the zero entry. */
void manual_settings(void *file, const struct config_setting *settings);

/* The whole page of a program that only has flags, from its usage text. */
void manual_print_program(void *file, const char *program, const char *usage, const struct config_setting *settings);
