/* error.h - how a failure is told: a negative code, and a message saying what and where.
 *
 * A function that can fail takes a `struct error *err` last, returns 0 or a negative code, and fills `err` on failure. `err` must
 * not be NULL. Messages are lower case, one line, without a full stop; they give the value and the limit. An error is reported
 * once, by whoever decides what happens next. */
#pragma once

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

enum error_code {
    ERR_INVALID = -1,     /* an argument or input is outside its grammar or range */
    ERR_LIMIT = -2,       /* too much of something */
    ERR_IO = -3,          /* a file, socket or process failed */
    ERR_TIMEOUT = -4,     /* no answer in time */
    ERR_PROTOCOL = -5,    /* the other side said something that makes no sense */
    ERR_UNAVAILABLE = -6, /* Redis is away, loading, busy or read-only for now: certainly not applied, try again */
    ERR_UNKNOWN = -7,     /* sent, but no reply: applied or not, repeat the same call to find out */
    ERR_DENIED = -8,      /* Redis ACL or password */
    ERR_FULL = -9,        /* Redis is out of memory, or cannot write to disk: certainly not applied */
    ERR_LIBRARY = -10,    /* the function library is missing or another one */
    ERR_SETUP = -11,      /* the deployment is not set up, or set up by a newer Rota */
    ERR_NOT_FOUND = -12,
};

struct error {
    enum error_code code;
    char message[512];
};

/* Fills `err` and returns `code`, so that a check is one statement. Longer messages are cut. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "<context>: " in front of the message on its way up. Returns the code it already had. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The sysexits code (64..78) a program ends with for `code`. */
int error_exit_code(enum error_code code);
