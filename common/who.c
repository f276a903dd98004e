#include "common/who.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *who_acts(char ret[WHO_BYTES], const char *user, const char *fmt, ...)
{
    const struct passwd *entry = user ? NULL : getpwuid(getuid());
    char host[64] = "?";
    va_list arguments;
    int length;

    gethostname(host, sizeof host - 1);
    length = snprintf(ret, WHO_BYTES, "%.32s@%.63s (", user ? user : entry ? entry->pw_name : "?", host);
    va_start(arguments, fmt);
    vsnprintf(ret + length, WHO_BYTES - 1 - (size_t)length, fmt, arguments); /* room for the bracket */
    va_end(arguments);
    length = (int)strlen(ret);
    ret[length] = ')';
    ret[length + 1] = '\0';
    for (char *at = ret; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return ret;
}

const char *who_am_i(char ret[WHO_BYTES], const char *user)
{
    return who_acts(ret, user, "rota " ROTA_VERSION);
}
