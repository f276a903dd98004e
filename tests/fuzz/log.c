/* log - whatever message and value hold, a line is one bounded line without control bytes, and JSON where JSON was asked for. */
#include "common/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* Writes one line; returns its bytes. */
static size_t write_line(char line[LOG_LINE_BYTES_MAX + 1], const char *message, const char *value)
{
    int fd = memfd_create("line", MFD_CLOEXEC), real_stderr = dup(STDERR_FILENO);
    ssize_t bytes;

    require(fd >= 0 && real_stderr >= 0);
    dup2(fd, STDERR_FILENO);
    log_info(message, "v=%s org=a/%s n=%lld", value, value, -1LL);
    dup2(real_stderr, STDERR_FILENO);
    bytes = pread(fd, line, LOG_LINE_BYTES_MAX + 1, 0);
    close(real_stderr);
    close(fd);
    require(bytes > 0);
    return (size_t)bytes;
}

static void check(const char *message, const char *value, const char *format)
{
    static char line[LOG_LINE_BYTES_MAX + 1];
    json_t *parsed;
    size_t bytes;

    log_setup("fuzz", LOG_LEVEL_INFO, format);
    bytes = write_line(line, message, value);
    require(bytes <= LOG_LINE_BYTES_MAX && line[bytes - 1] == '\n');
    for (size_t i = 0; i < bytes - 1; i++)
        require((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
    parsed = strcmp(format, "json") == 0 ? json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL) : json_stringn(line, bytes);
    require(parsed != NULL);
    json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *message = malloc(bytes + 2), *value;

    memcpy(message, data, bytes);
    message[bytes] = message[bytes + 1] = '\0';
    value = message + strlen(message) + 1; /* behind the first NUL of the input */
    check(message, value, "logfmt");
    check(message, value, "json");
    free(message);
    return 0;
}
