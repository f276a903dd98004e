#include "tests/support/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/memory.h"

#define PAGE_BYTES_MAX (1024 * 1024)

char *page_rights(const char *name)
{
    struct error err;
    char *page = file_read(PROTOCOL_PATH, PAGE_BYTES_MAX, NULL, &err);
    char *start = memory_format("ACL SETUSER %s on '>PASSWORD' ", name);

    assert_non_null(page);
    const char *at = strstr(page, start);
    assert_non_null(at);
    at += strlen(start);
    char *rights = memory_copy(at, strcspn(at, "\n"));
    for (char *quote; (quote = strchr(rights, '\''));)
        memmove(quote, quote + 1, strlen(quote));
    free(start);
    free(page);
    return rights;
}
