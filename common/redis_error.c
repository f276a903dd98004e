#include "common/redis_error.h"

#include <stddef.h>
#include <string.h>

/* What an error begins with, and what it means. The first row that fits decides. */
static const struct {
    const char *beginning;
    enum error_code code;
    bool ours; /* a refusal of our functions: the word says no more than the code, and is taken off */
} meanings[] = {
    {"INVALID ", ERR_INVALID, true},
    {"NOTREADY ", ERR_SETUP, true},
    {"SCHEMA ", ERR_SETUP, true},
    {"LOADING ", ERR_UNAVAILABLE, false},
    {"BUSY ", ERR_UNAVAILABLE, false},
    {"MASTERDOWN ", ERR_UNAVAILABLE, false},
    {"TRYAGAIN ", ERR_UNAVAILABLE, false},
    {"CLUSTERDOWN ", ERR_UNAVAILABLE, false},
    {"READONLY ", ERR_UNAVAILABLE, false},
    {"ERR max number of clients", ERR_UNAVAILABLE, false},
    {"OOM ", ERR_FULL, false},
    {"MISCONF ", ERR_FULL, false},
    {"NOREPLICAS ", ERR_FULL, false},
    {"NOAUTH ", ERR_DENIED, false},
    {"NOPERM ", ERR_DENIED, false},
    {"WRONGPASS ", ERR_DENIED, false},
    {"DENIED ", ERR_DENIED, false},
    {"ERR AUTH ", ERR_DENIED, false},
    {"ERR The user executing the script ", ERR_DENIED, false}, /* 7.0; later servers say NOPERM */
    {"ERR Function not found", ERR_LIBRARY, false},
};

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* The length of `text` without " script: <function>, on @user_function:<line>." at its end. */
static size_t length_without_place(const char *text)
{
    const char *place = NULL;

    for (const char *at = strstr(text, " script: "); at; at = strstr(at + 1, " script: "))
        place = at;
    return place && strstr(place, ", on @user_") ? (size_t)(place - text) : strlen(text);
}

int redis_error_set(struct error *err, const char *text)
{
    enum error_code code = ERR_PROTOCOL;

    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (!begins_with(text, meanings[i].beginning))
            continue;
        code = meanings[i].code;
        if (meanings[i].ours)
            text += strlen(meanings[i].beginning);
        break;
    }
    return error_set(err, code, "%.*s", (int)length_without_place(text), text);
}

bool redis_error_is_readonly(const char *text)
{
    return begins_with(text, "READONLY ");
}
