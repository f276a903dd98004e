#include "common/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (!memory) {
        static const char message[] = "level=fatal err=\"out of memory\"\n";
        fwrite(message, 1, sizeof message - 1, stderr);
        abort();
    }
    return memory;
}

void *memory_new(size_t bytes)
{
    return checked(calloc(1, bytes ? bytes : 1));
}

void *memory_resize(void *old, size_t bytes)
{
    return checked(realloc(old, bytes ? bytes : 1));
}

char *memory_copy(const void *from, size_t bytes)
{
    char *copy = checked(malloc(bytes + 1));

    if (bytes)
        memcpy(copy, from, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *memory_string(const char *from)
{
    return from ? memory_copy(from, strlen(from)) : NULL;
}

char *memory_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    return checked(text);
}
