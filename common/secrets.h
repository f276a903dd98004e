/* secrets.h - keeps what a program knows (passwords, payloads) from others on its machine. */
#pragma once

/* To be called first in main(). From then on there is no core dump of this process, and only root may look into its memory and
 * environment: no handler that runs as the same user can. (What it executes may be looked into again, but has no cores either.)
 * Passwords of URLs in `argv` are overwritten, since everybody may read that; gives a copy with them, which lives as long as the
 * program. */
char **secrets_hide(int argc, char **argv);
