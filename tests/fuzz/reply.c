/* reply - bytes of a server are read as a whole reply or not; whatever it is, its accessors and its decoders make sense of it. */
#include "common/reply.h"

#include <stdlib.h>
#include <string.h>

#include "cli/org_view.h"

#define DEPTH_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void walk(const struct reply *reply, int depth)
{
    size_t length = 0;
    const char *text = reply_bytes(reply, &length);

    require(text && text[length] == '\0' && reply_string(reply));
    (void)reply_int(reply);
    require(!reply_is_array(reply) || !reply_is(reply, "x"));
    require(reply_at(reply, reply_count(reply)) == NULL);
    for (size_t i = 0; i < reply_count(reply) && depth < DEPTH_MAX; i++)
        walk(reply_at(reply, i), depth + 1);
}

/* hiredis 0.14 makes room for as many elements as an array is said to have, before there are any. */
static bool claims_much(const uint8_t *data, size_t bytes)
{
    size_t digits = 0;
    bool counts = false;

    for (size_t i = 0; i < bytes; i++) {
        counts = data[i] == '*' || (counts && data[i] >= '0' && data[i] <= '9');
        digits = counts && data[i] != '*' ? digits + 1 : 0;
        if (digits > 4)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct reply *reply = claims_much(data, bytes) ? NULL : reply_parse((const char *)data, bytes);
    struct org_view org;

    walk(NULL, 0);
    if (!reply)
        return 0;
    walk(reply, 0);
    org_view_read(&org, "acme", reply);
    json_decref(org_view_to_json(&org, 1795164663276));
    org_view_clear(&org);
    reply_free(reply);
    return 0;
}
