#include "common/library.h"

#include "library_text.h"

const char *library_text(void)
{
    return library_text_bytes;
}

const char *library_name(void)
{
    return LIBRARY_NAME;
}

const char *library_abi(void)
{
    return LIBRARY_ABI;
}

const char *library_sha256(void)
{
    return LIBRARY_SHA256;
}
