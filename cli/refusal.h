/* refusal.h - why a job that was sent is not accepted, in words: with the value and the limit. */
#pragma once

#include "cli/sender.h"

#define REFUSAL_BYTES 640

struct refusals;

/* For the jobs of one connected `cli` (borrowed). Gives. */
struct refusals *refusals_new(struct cli *cli);
void refusals_free(struct refusals *refusals); /* NULL is fine */

/* True if nobody knows whether it was accepted. */
bool refusal_is_unknown(const struct sent *sent);

/* The exit status. */
int refusal_status(const struct sent *sent);

/* The reason in words; `ret_why` is returned. Asks Redis for the limits of an organization, once for each that it is about. */
const char *refusal_why(struct refusals *refusals, const struct sent *sent, char ret_why[REFUSAL_BYTES]);
