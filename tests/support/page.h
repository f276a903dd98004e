/* page.h - what docs/PROTOCOL.md says, for tests that take it at its word. */
#pragma once

/* The rules of the ACL user `name` in section 14, separated by spaces and without quotes: "resetkeys ~rota:* ... +del ...".
 * Gives.
 */
char *page_rights(const char *name);
