#include "common/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/memory.h"
#include "common/redis_url.h"

/* In place: it can be shorter afterwards, not longer. */
static void mask(char *word)
{
    size_t length = strlen(word);
    char *masked = strstr(word, "://") ? redis_url_without_password(word) : NULL;

    if (masked && strcmp(masked, word) != 0)
        strncpy(word, masked, length); /* NOLINT(bugprone-not-null-terminated-result): the old end stays */
    free(masked);
}

char **secrets_hide(int argc, char **argv)
{
    static char **copy; /* so that it does not look lost */

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks looks into us from outside */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    copy = memory_new(sizeof *copy * ((size_t)argc + 1));
    for (int i = 0; i < argc; i++) {
        copy[i] = memory_string(argv[i]);
        mask(argv[i]);
    }
    return copy;
}
