/* inbox_stream.h - one stream of entries: the shared inbox, or the private one of an organization. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "common/complaint.h"
#include "common/id.h"
#include "common/keys.h"

#define STREAM_ID_BYTES_MAX 41 /* two numbers of 64 bits and a dash */
#define STREAM_RETRY_MS     500

struct inbox_stream {
    char key[KEY_BYTES_MAX], rejected_key[KEY_BYTES_MAX];
    int rejected_max;                   /* kept in rejected_key, about */
    char org[NAME_BYTES_MAX + 1];       /* whose it is, whatever its entries say; "": theirs to say */
    char from[STREAM_ID_BYTES_MAX + 1]; /* the next read begins behind this entry: "0", or behind what stays */
    bool stays;                         /* entries that were refused stay in it: the walk went on behind them */
    bool more;                          /* the last read did not come to its end */
    int64_t again_mono_ms;              /* if something stays: when the walk begins anew, once it has come to the end */
    uint64_t listed;                    /* the last look at the list that has seen it */
    struct complaint rejects;           /* of a private one: not a line in the log for each entry */
    UT_hash_handle hh;                  /* by key */
};
