#include "common/who.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

const char *who_am_i(char ret[WHO_BYTES], const char *user)
{
    const struct passwd *entry = user ? NULL : getpwuid(getuid());
    char host[64] = "?";

    gethostname(host, sizeof host - 1);
    snprintf(ret, WHO_BYTES, "%.32s@%.63s (rota " ROTA_VERSION ")", user ? user : entry ? entry->pw_name : "?", host);
    for (char *at = ret; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return ret;
}
