#include "common/json_text.h"

#include <stdbool.h>
#include <string.h>

struct scan {
    const char *at, *end;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(struct scan *scan)
{
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
}

/* From the opening quote to behind the closing one. */
static void skip_string(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++)
        scan->at += *scan->at == '\\';
    scan->at++;
}

/* A value: up to the comma or bracket that ends it. */
static void skip_value(struct scan *scan)
{
    size_t depth = 0;

    while (scan->at < scan->end) {
        char c = *scan->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (c == '"')
            skip_string(scan);
        else
            scan->at++;
    }
}

const char *json_text_member(const char *text, size_t length, const char *name, size_t *ret_length)
{
    struct scan scan = {text, text + length};
    size_t name_length = strlen(name);

    skip_spaces(&scan);
    scan.at++; /* { */
    while (scan.at < scan.end) {
        const char *found, *value;
        skip_spaces(&scan);
        found = scan.at + 1;
        if (scan.at >= scan.end || *scan.at != '"')
            return NULL;
        skip_string(&scan);
        length = (size_t)(scan.at - 1 - found);
        skip_spaces(&scan);
        scan.at++; /* : */
        skip_spaces(&scan);
        value = scan.at;
        skip_value(&scan);
        if (length == name_length && memcmp(found, name, length) == 0) {
            while (scan.at > value && is_space(scan.at[-1]))
                scan.at--;
            *ret_length = (size_t)(scan.at - value);
            return value;
        }
        scan.at++; /* , */
    }
    return NULL;
}
