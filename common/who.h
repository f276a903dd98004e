/* who.h - who changes something, as the functions with which people change things want to know it. */
#pragma once

#define WHO_BYTES 129 /* with the NUL */

/* "ann@host (rota 0.1.0)": `user` is a person, or a program that acts by itself (NULL: the user this process runs as). Control
 * characters become "?". Returned. */
const char *who_am_i(char ret[WHO_BYTES], const char *user);
