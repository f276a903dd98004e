#include "common/keys.h"

#include <stdio.h>

const char *key_lane(char ret_key[KEY_BYTES_MAX], uint32_t lane)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:{%u}", lane);
    return ret_key;
}

const char *key_in_lane(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *part)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:{%u}:%s", lane, part);
    return ret_key;
}

const char *key_wake(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *queue, int quiet)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:{%u}:wake:%s%s", lane, queue, quiet ? ":quiet" : "");
    return ret_key;
}

const char *key_of_org(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *org, const char *part)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:{%u}:org:%s:%s", lane, org, part);
    return ret_key;
}

const char *key_worker(char ret_key[KEY_BYTES_MAX], const char *session)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:worker:%s", session);
    return ret_key;
}

const char *key_dump(char ret_key[KEY_BYTES_MAX], const char *session)
{
    snprintf(ret_key, KEY_BYTES_MAX, "rota:worker:%s:dump", session);
    return ret_key;
}
