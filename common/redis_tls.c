#include "common/redis_tls.h"

#ifndef ROTA_TLS

bool redis_tls_is_built(void)
{
    return false;
}

int redis_tls_start(struct redisContext *redis, const char *host, struct ssl_st **ret_session, struct error *err)
{
    (void)redis;
    (void)host;
    (void)ret_session;
    return error_set(err, ERR_INVALID, "this build has no TLS");
}

int redis_tls_check(const struct ssl_st *session, struct error *err)
{
    (void)session;
    (void)err;
    return 0;
}

#else

#include <arpa/inet.h>

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

bool redis_tls_is_built(void)
{
    return true;
}

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* hiredis checks the chain of a certificate, never its name (1.2): so the session is ours. */
static SSL *session_new(SSL_CTX *context, const char *host)
{
    SSL *session = SSL_new(context);
    int named;

    if (!session)
        return NULL;
    if (is_numeric(host))
        named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host);
    else
        named = SSL_set_tlsext_host_name(session, host) == 1 && SSL_set1_host(session, host) == 1;
    if (named == 1)
        return session;
    SSL_free(session);
    return NULL;
}

int redis_tls_start(struct redisContext *redis, const char *host, struct ssl_st **ret_session, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *session = NULL;
    char reason[160];

    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_default_verify_paths(context) == 1) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        session = session_new(context, host);
    }
    SSL_CTX_free(context); /* the session holds it */
    if (session && redisInitiateSSL(redis, session) == REDIS_OK) {
        *ret_session = session;
        return 0;
    }
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    if (redis_tls_check(session, err) == 0)
        error_set(err, ERR_UNAVAILABLE, "tls: %s", redis->err ? redis->errstr : reason);
    SSL_free(session); /* hiredis takes it only when all is well */
    return err->code;
}

int redis_tls_check(const struct ssl_st *session, struct error *err)
{
    long result = session ? SSL_get_verify_result(session) : X509_V_OK;

    if (result == X509_V_OK)
        return 0;
    return error_set(err, ERR_DENIED, "tls: the certificate of the server: %s", X509_verify_cert_error_string(result));
}

#endif
