/* limits.h - where there are several lanes: gives each its part of the limits beyond organizations, as jobs wait for them.
 *
 * In rounds: reads all lanes under a stamp, lowers parts, then raises others by what the answers say is free (docs/PROTOCOL.md,
 * section 7.6). So the parts are never more than the whole, and a second leader, or a late call, is refused. A round that fails
 * ends there; the next one begins from what it finds. With one lane there is nothing to divide. */
#pragma once

#include "scheduler/duty.h"

struct limits;

struct limits *limits_new(const struct duty *duty);
void limits_free(struct limits *limits);
