#include "common/json_member.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "common/utf8.h"

const char *json_member_text(const json_t *value, const char *name, size_t bytes_max, struct error *err)
{
    if (!json_is_string(value))
        error_set(err, ERR_INVALID, "\"%s\" must be a string", name);
    else if (strlen(json_string_value(value)) != json_string_length(value))
        error_set(err, ERR_INVALID, "\"%s\" holds a NUL", name);
    else if (json_string_length(value) > bytes_max)
        error_set(err, ERR_INVALID, "\"%s\" has %zu bytes, the limit is %zu", name, json_string_length(value), bytes_max);
    else
        return json_string_value(value);
    return NULL;
}

int json_member_copy(const json_t *value, const char *name, char *ret, size_t size, struct error *err)
{
    const char *text = json_member_text(value, name, size - 1, err);

    if (!text)
        return err->code;
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

int json_member_integer(const json_t *value, const char *name, int64_t low, int64_t high, int64_t *ret, struct error *err)
{
    double number = json_number_value(value);

    if (!json_is_number(value) || number < (double)low || number > (double)high || number != (double)(int64_t)number)
        return error_set(err, ERR_INVALID, "\"%s\" must be a whole number in %" PRId64 "..%" PRId64, name, low, high);
    *ret = (int64_t)number;
    return 0;
}

int json_member_add_text(json_t *object, const char *name, const char *text, struct error *err)
{
    json_t *string = json_string(text);

    if (!string || !utf8_is_valid(name, strlen(name))) {
        json_decref(string);
        return error_set(err, ERR_INVALID, "%s is no UTF-8, which JSON cannot say", string ? "the name of a header" : name);
    }
    json_object_set_new(object, name, string);
    return 0;
}
