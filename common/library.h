/* library.h - the Redis function library that the build joined from lua/ and embedded here. */
#pragma once

/* The whole text, NUL-terminated; its name ("rota_1"), ABI number ("1"), and the SHA-256 of the text in hex. */
const char *library_text(void);
const char *library_name(void);
const char *library_abi(void);
const char *library_sha256(void);
