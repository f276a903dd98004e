/* proxy.h - a wire between a program and Redis that breaks when a test says so: cut after n bytes, or held for a while.
 *
 * Listens on a unix socket and connects each client with the server. Runs in a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct proxy;

enum proxy_way { PROXY_REQUESTS, PROXY_REPLIES };

/* `name`: only connections that give themselves a name that begins so (CLIENT SETNAME) are cut or held. Copies. Gives. */
struct proxy *proxy_start(const char *listen_path, const char *server_path, const char *name);

/* Cuts all connections and frees. NULL is fine. */
void proxy_free(struct proxy *proxy);

/* Lets `bytes` more bytes pass that way, then cuts the connection at both ends; once. */
void proxy_cut_after(struct proxy *proxy, enum proxy_way way, size_t bytes);

/* No cut any more. True if it was made. */
bool proxy_was_cut(struct proxy *proxy);

/* While held, requests gather here: the server sees none of them until they are let go, even if the client has hung up meanwhile.
 */
void proxy_hold(struct proxy *proxy, bool held);

/* Bytes of requests that are held. */
size_t proxy_held_bytes(struct proxy *proxy);
