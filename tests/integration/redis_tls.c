/* redis_tls - a connection through TLS: only a server with the right certificate is talked to. Nothing to test where hiredis has
 * no TLS (Debian 12). Certificates are made with openssl(1). */
#include "common/redis_tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/support/server.h"

static char directory[] = "/tmp/rota-test-tls-XXXXXX";

struct fixture {
    struct server *server;
    struct client *client;
    int port;
};

static void run(const char *script)
{
    char command[1000];

    snprintf(command, sizeof command, "cd %s && (%s) 2>/dev/null", directory, script);
    assert_int_equal(system(command), 0);
}

/* An authority, and a server's certificate from it for localhost and 127.0.0.1. */
static int make_certificates(void **state)
{
    (void)state;
    if (!redis_tls_is_built())
        return 0;
    assert_non_null(mkdtemp(directory));
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.pem -subj "
        "/CN=authority");
    run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server");
    run("echo subjectAltName=DNS:localhost,IP:127.0.0.1 >names");
    run("openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names");
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    if (redis_tls_is_built())
        run("rm -r \"$PWD\"");
    return 0;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char port[16], certificate[100], key[100];

    *state = f;
    if (!redis_tls_is_built())
        return 0;
    f->port = server_free_port();
    snprintf(port, sizeof port, "%d", f->port);
    snprintf(certificate, sizeof certificate, "%s/server.pem", directory);
    snprintf(key, sizeof key, "%s/server.key", directory);
    f->server = server_start((const char *[]){"--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key,
                                              "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no", NULL});
    f->client = client_new();
    snprintf(certificate, sizeof certificate, "%s/ca.pem", directory);
    setenv("SSL_CERT_FILE", certificate, 1);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    client_free(f->client);
    server_stop(f->server);
    free(f);
    return 0;
}

static void connect_to(struct fixture *f, const char *host)
{
    char url[64];

    if (!redis_tls_is_built())
        skip();
    snprintf(url, sizeof url, "rediss://%s:%d", host, f->port);
    client_connect(f->client, url, NULL);
}

static void a_server_with_the_right_certificate_is_talked_to(void **state)
{
    struct fixture *f = *state;
    struct outcome echo;

    connect_to(f, "localhost");
    CLIENT_UNTIL(f->client, f->client->ups == 1);
    client_send_large(f->client, &echo, CLIENT_MS_MAX, 5000000);
    CLIENT_UNTIL(f->client, echo.runs == 1);

    assert_int_equal(echo.code, 0);
    assert_true(redis_is_encrypted(f->client->redis));
}

static void a_certificate_may_name_an_address(void **state)
{
    struct fixture *f = *state;

    connect_to(f, "127.0.0.1");
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    assert_string_equal(client_call(f->client, "PING", NULL).text, "PONG");
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    connect_to(f, "0.0.0.0"); /* the same server, under a name that is not in its certificate */
    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_DENIED);

    assert_non_null(strstr(err.message, "certificate of the server: IP address mismatch"));
}

static void an_authority_nobody_knows_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    setenv("SSL_CERT_FILE", "/dev/null", 1);
    connect_to(f, "localhost");
    assert_int_equal(redis_wait_up(f->client->redis, CLIENT_MS_MAX, &err), ERR_DENIED);

    assert_non_null(strstr(err.message, "certificate of the server: "));
}

static void a_build_without_tls_says_so(void **state)
{
    struct error err;

    (void)state;
    if (redis_tls_is_built())
        skip();
    assert_null(redis_new(NULL, &(struct redis_options){.url = "rediss://u:secret@db"}, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, "rediss://db:6379/0: this build has no TLS (hiredis_ssl); use redis:// through a tunnel");
}

#define TLS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_server_with_the_right_certificate_is_talked_to),
        TLS_TEST(a_certificate_may_name_an_address),
        TLS_TEST(a_certificate_for_another_name_is_refused),
        TLS_TEST(an_authority_nobody_knows_is_refused),
        cmocka_unit_test(a_build_without_tls_says_so),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
