/* scan.h - a look at msgpack bytes before they are unpacked: a header of five bytes can make msgpack-c allocate gigabytes
 * (msgpack-c issue 1013), so nothing untrusted is unpacked without this. */
#pragma once

#include <stddef.h>

#include "common/error.h"

#define SCAN_DEPTH_MAX 16

/* Checks that `bytes` hold exactly one msgpack object, nested at most SCAN_DEPTH_MAX deep, of at most `objects_max` objects in
 * all, whose lengths fit into what is there. `what` names it in the error (ERR_PROTOCOL). */
int scan_msgpack(const void *bytes, size_t length, size_t objects_max, const char *what, struct error *err) MUST_CHECK;
