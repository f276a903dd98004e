/* redis_tls.h - TLS for hiredis, where its library hiredis_ssl exists (Debian 13). */
#pragma once

#include <stdbool.h>

#include "common/error.h"

struct redisContext;
struct ssl_st;

/* False if this build has no TLS. */
bool redis_tls_is_built(void);

/* Puts TLS on a connection that was just begun. The server must show a certificate for `host` that the system's authorities (or
 * SSL_CERT_FILE, SSL_CERT_DIR) vouch for. *ret_session lives as long as `redis`. On failure the caller frees `redis` at once. */
int redis_tls_start(struct redisContext *redis, const char *host, struct ssl_st **ret_session, struct error *err) MUST_CHECK;

/* ERR_DENIED if the certificate of the server is not good; 0 if it is, or was not seen, or if `session` is NULL. */
int redis_tls_check(const struct ssl_st *session, struct error *err) MUST_CHECK;
