/* proxy.h - a wire between a program and Redis that breaks when a test says so: cut after n bytes, or held for a while.
 *
 * Listens on a unix socket and connects each client with the server. Runs in a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/stream.h"

struct proxy;

enum proxy_way { PROXY_REQUESTS, PROXY_REPLIES };

/* `name`: only connections that give themselves a name that begins so (CLIENT SETNAME) are cut or held. Copies. Gives. */
struct proxy *proxy_start(const char *listen_path, const char *server_path, const char *name);

/* Cuts all connections and frees. NULL is fine. */
void proxy_free(struct proxy *proxy);

/* Lets `bytes` more bytes pass that way, then cuts the connection at both ends; once. */
void proxy_cut_after(struct proxy *proxy, enum proxy_way way, size_t bytes);

/* The same, but counts from the beginning of the next request that calls `call` ("rota_1_claim"), or of the next reply to one. */
void proxy_cut_in(struct proxy *proxy, enum proxy_way way, const char *call, size_t bytes);

/* No cut any more. True if it was made. */
bool proxy_was_cut(struct proxy *proxy);

/* True if the cut was made, and what it has hit, in its request or in its reply: a command, or the function of an FCALL. */
bool proxy_cut_call(struct proxy *proxy, char ret_call[STREAM_CALL_BYTES]);

/* While held, requests gather here: the server sees none of them until they are let go, even if the client has hung up meanwhile.
 */
void proxy_hold(struct proxy *proxy, bool held);

/* Bytes of requests that are held. */
size_t proxy_held_bytes(struct proxy *proxy);
