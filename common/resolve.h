/* resolve.h - host names to addresses without holding up the loop: getaddrinfo(3) may take many seconds while a name server is
 * away, and a program that waits for its Redis must still watch its children and its signals.
 *
 * One short-lived thread per question, with all signals blocked. It shares nothing with the program but the question. */
#pragma once

#include "common/error.h"

struct ev_loop;
struct resolve;

#define RESOLVE_ADDRESSES_MAX     8
#define RESOLVE_ADDRESS_BYTES_MAX 128 /* a numeric address with its scope; or the path of a unix socket */

/* Numeric addresses, in the order in which to try them. */
struct addresses {
    unsigned count;
    char text[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES_MAX];
};

/* Exactly one of `addresses` (at least one) and `err` (ERR_UNAVAILABLE) is given; both are borrowed until the callback returns.
 */
typedef void resolve_cb(const struct addresses *addresses, const struct error *err, void *ctx);

/* Asks for the addresses of `host` (copied). Borrows `loop`. The callback runs once, later; resolve_free is still the caller's.
 * Gives; NULL (ERR_IO) if there is no descriptor or thread left. */
struct resolve *resolve_new(struct ev_loop *loop, const char *host, resolve_cb *cb, void *ctx, struct error *err);

/* Frees, at any time, also from inside the callback; a callback that did not run yet never will. NULL is fine. */
void resolve_free(struct resolve *resolve);
