/* keys.h - the names of the keys that programs read or write outside of the functions. Keys of a lane are built in Lua; the few
 * that C needs are spelled here and nowhere else. docs/PROTOCOL.md lists all. */
#pragma once

#include <stdint.h>

#define KEY_README   "rota:README"
#define KEY_META     "rota:meta"
#define KEY_LEADER   "rota:leader"
#define KEY_WORKERS  "rota:workers"
#define KEY_INBOX    "rota:inbox"
#define KEY_REJECTED "rota:rejected"

#define KEY_BYTES_MAX 256

/* Each writes into `ret_key` and returns it. */
const char *key_lane(char ret_key[KEY_BYTES_MAX], uint32_t lane);                               /* rota:{k} */
const char *key_in_lane(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *part);          /* rota:{k}:part */
const char *key_wake(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *queue, int quiet); /* rota:{k}:wake:queue[:quiet] */
const char *key_of_org(char ret_key[KEY_BYTES_MAX], uint32_t lane, const char *org, const char *part); /* rota:{k}:org:org:part */
const char *key_worker(char ret_key[KEY_BYTES_MAX], const char *session);                              /* rota:worker:session */
const char *key_dump(char ret_key[KEY_BYTES_MAX], const char *session); /* rota:worker:session:dump */
