#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    va_list args;

    err->code = code;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return code;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    char context[256], message[sizeof err->message];
    va_list args;

    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    memcpy(message, err->message, sizeof message);
    if (snprintf(err->message, sizeof err->message, "%s: %s", context, message) < 0)
        err->message[0] = '\0';
    return err->code;
}

int error_exit_code(enum error_code code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_LIMIT: return EX_DATAERR;
    case ERR_IO: return EX_IOERR;
    case ERR_TIMEOUT: return EX_TEMPFAIL;
    case ERR_UNAVAILABLE:
    case ERR_UNKNOWN:
    case ERR_FULL: return EX_UNAVAILABLE;
    case ERR_DENIED: return EX_NOPERM;
    case ERR_LIBRARY:
    case ERR_SETUP: return EX_CONFIG;
    case ERR_NOT_FOUND: return EX_NOINPUT;
    case ERR_PROTOCOL: break;
    }
    return EX_SOFTWARE;
}
