/* handler_file.h - the section `handlers` of the configuration file. */
#pragma once

#include "common/error.h"
#include "common/handler.h"

struct config;
struct tree;

/* Reads the entries of `section` into `handlers`, after those that are there. Refuses unknown keys, with the nearest known one,
 * and bad values, each with file:line, handler, key, value and limit. On failure some may have been added. */
int handlers_read(struct handlers *handlers, const struct tree *section, struct error *err) MUST_CHECK;

/* The same of the setting worker.on and then of the file's section: all handlers that `config` knows. */
int handlers_read_config(struct handlers *handlers, const struct config *config, struct error *err) MUST_CHECK;
