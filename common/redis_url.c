#include "common/redis_url.h"

#include <assert.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"

#define HOST_BYTES_MAX 253

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Gives `bytes` bytes of `text` with %41 read as A. A decoded NUL is refused: it would cut the string short. */
static int decode(char **ret, const char *text, size_t bytes, const char *what, struct error *err)
{
    char *decoded = memory_copy(text, bytes), *to = decoded;

    for (size_t i = 0; i < bytes; i++) {
        int high, low;
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        high = i + 2 < bytes ? hex_value(text[i + 1]) : -1;
        low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low < 0 || high * 16 + low == 0) {
            free(decoded);
            return error_set(err, ERR_INVALID, "redis url: a '%%' in the %s must be written as %%25", what);
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    *ret = decoded; /* gives */
    return 0;
}

/* A decimal number of at most 5 digits in low..high; else -1. */
static int number_of(const char *text, size_t bytes, int low, int high)
{
    int number = 0;

    if (bytes < 1 || bytes > 5)
        return -1;
    for (size_t i = 0; i < bytes; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number >= low && number <= high ? number : -1;
}

static int parse_database(struct redis_url *url, const char *text, struct error *err)
{
    if (*text == '\0')
        return 0;
    url->database = number_of(text, strlen(text), 0, REDIS_DATABASE_MAX);
    if (url->database < 0)
        return error_set(err, ERR_INVALID, "redis url: database \"%.20s\" must be a number in 0..%d", text, REDIS_DATABASE_MAX);
    return 0;
}

/* "user[:password]@" in front of *text, up to `end`; moves *text behind it. The last '@' counts, so that one in a password does
 * no harm. */
static int parse_user(struct redis_url *url, const char **text, const char *end, struct error *err)
{
    const char *at = memrchr(*text, '@', (size_t)(end - *text)), *colon;
    int rc = 0;

    if (!at) {
        if (!strchr(end, '@'))
            return 0;
        return error_set(err, ERR_INVALID, "redis url: '/' and '?' in user or password must be written as %%2F and %%3F");
    }
    colon = memchr(*text, ':', (size_t)(at - *text));
    if (colon)
        rc = decode(&url->password, colon + 1, (size_t)(at - colon - 1), "password", err);
    if (rc == 0 && (colon ? colon : at) > *text)
        rc = decode(&url->user, *text, (size_t)((colon ? colon : at) - *text), "user", err);
    *text = at + 1;
    return rc;
}

static int parse_host(struct redis_url *url, const char *text, const char *end, struct error *err)
{
    const char *host = text, *host_end, *port;
    int number;

    if (*text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return error_set(err, ERR_INVALID, "redis url: '[' without ']' in the host");
        port = host_end + 1;
    } else {
        host_end = memchr(host, ':', (size_t)(end - host));
        host_end = host_end ? host_end : end;
        port = host_end;
    }
    if (host_end - host > HOST_BYTES_MAX)
        return error_set(err, ERR_INVALID, "redis url: the host has %zu bytes, the limit is %d", (size_t)(host_end - host),
                         HOST_BYTES_MAX);
    for (const char *at = host; at < host_end; at++)
        if (!isalnum((unsigned char)*at) && !strchr("-._:%", *at))
            return error_set(err, ERR_INVALID, "redis url: byte 0x%02x does not belong into a host", (unsigned char)*at);
    url->host = host_end > host ? memory_copy(host, (size_t)(host_end - host)) : memory_string("127.0.0.1");
    if (port == end) {
        url->port = memory_string("6379");
        return 0;
    }
    number = *port == ':' ? number_of(port + 1, (size_t)(end - port - 1), 1, 65535) : -1;
    if (number < 0)
        return error_set(err, ERR_INVALID, "redis url: port \"%.*s\" must be a number in 1..65535",
                         (int)(end - port > 20 ? 20 : end - port), port);
    url->port = memory_format("%d", number);
    return 0;
}

/* What follows redis:// or rediss://. */
static int parse_tcp(struct redis_url *url, const char *text, struct error *err)
{
    const char *end = text + strcspn(text, "/?");
    bool brackets;

    if (parse_user(url, &text, end, err) < 0 || parse_host(url, text, end, err) < 0)
        return err->code;
    if (strchr(end, '?'))
        return error_set(err, ERR_INVALID, "redis url: no options may follow '?'; the database is written as /%d", url->database);
    if (*end == '/' && parse_database(url, end + 1, err) < 0)
        return err->code;
    assert(url->host);
    brackets = strchr(url->host, ':') != NULL;
    url->address = memory_format("redis%s://%s%s%s:%s/%d", url->tls ? "s" : "", brackets ? "[" : "", url->host,
                                 brackets ? "]" : "", url->port, url->database);
    return 0;
}

/* What follows unix://. */
static int parse_unix(struct redis_url *url, const char *text, struct error *err)
{
    const char *end = text + strcspn(text, "?"), *slash = memchr(text, '/', (size_t)(end - text));

    if (!slash)
        return error_set(err, ERR_INVALID, "redis url: the path of a unix socket is missing, as in unix:///run/redis.sock");
    if (slash > text && parse_user(url, &text, slash, err) < 0)
        return err->code;
    if (text != slash)
        return error_set(err, ERR_INVALID, "redis url: the path of a unix socket must be absolute, as in unix:///run/redis.sock");
    if (decode(&url->path, text, (size_t)(end - text), "path", err) < 0)
        return err->code;
    assert(url->path);
    if (strlen(url->path) > REDIS_PATH_BYTES_MAX)
        return error_set(err, ERR_INVALID, "redis url: the path of the socket has %zu bytes, the limit is %d", strlen(url->path),
                         REDIS_PATH_BYTES_MAX);
    if (*end == '?' && !starts_with(end, "?db="))
        return error_set(err, ERR_INVALID, "redis url: only ?db=N may follow the path of a unix socket");
    if (*end == '?' && parse_database(url, end + strlen("?db="), err) < 0)
        return err->code;
    url->address =
        url->database > 0 ? memory_format("unix://%s?db=%d", url->path, url->database) : memory_format("unix://%s", url->path);
    return 0;
}

int redis_url_parse(struct redis_url *ret_url, const char *text, struct error *err)
{
    struct redis_url url = {0};
    int rc;

    if (starts_with(text, "redis://")) {
        rc = parse_tcp(&url, text + strlen("redis://"), err);
    } else if (starts_with(text, "rediss://")) {
        url.tls = true;
        rc = parse_tcp(&url, text + strlen("rediss://"), err);
    } else if (starts_with(text, "unix://")) {
        rc = parse_unix(&url, text + strlen("unix://"), err);
    } else {
        rc = error_set(err, ERR_INVALID, "redis url must begin with redis://, rediss:// or unix://");
    }
    if (rc == 0) {
        *ret_url = url; /* gives */
        url = (struct redis_url){0};
    }
    redis_url_clear(&url);
    return rc;
}

bool redis_url_is_local(const struct redis_url *url)
{
    struct in_addr ipv4;

    if (!url->host || strcasecmp(url->host, "localhost") == 0 || strcmp(url->host, "::1") == 0)
        return true;
    return inet_pton(AF_INET, url->host, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == 127;
}

void redis_url_clear(struct redis_url *url)
{
    if (!url)
        return;
    free(url->host);
    free(url->port);
    free(url->path);
    free(url->user);
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    free(url->password);
    free(url->address);
    *url = (struct redis_url){0};
}

char *redis_url_without_password(const char *text)
{
    const char *user = strstr(text, "://"), *at = strrchr(text, '@'), *colon;

    user = user ? user + 3 : text;
    colon = at && at >= user ? memchr(user, ':', (size_t)(at - user)) : NULL;
    return colon ? memory_format("%.*s***%s", (int)(colon + 1 - text), text, at) : memory_string(text);
}
