/* acl.h - which commands of Redis a program needs, and which it should not have. Redis asks an ACL not only for FCALL, but also
 * for each command that the function sends. One table; tests/unit/acl.c compares it with the text of the library, and the page
 * that people copy from (docs/PROTOCOL.md, section 14) is compared with the table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum acl_role { ACL_NONE, ACL_WORKER, ACL_SCHEDULER }; /* ACL_NONE: is not checked */

#define ACL_WORDS_MAX 8

struct acl_command {
    const char *words[ACL_WORDS_MAX + 1]; /* a call that names the command and a key as its users do; NULL-terminated */
    bool has_parts;                       /* named by two words: CONFIG SET */
    bool worker_sends, worker_calls;      /* itself; inside a function */
    bool scheduler_sends, scheduler_calls;
};

/* Needed by some role. */
extern const struct acl_command acl_commands[];
extern const size_t acl_command_count;

bool acl_needs(const struct acl_command *command, enum acl_role role);

/* What no program needs, and whoever has it can harm all. */
extern const struct acl_command acl_dangers[];
extern const size_t acl_danger_count;

/* What ACL DRYRUN has said of these. All zeroes: nothing was asked. */
struct acl_findings {
    bool is_hidden;    /* DRYRUN is forbidden or not known */
    char missing[160]; /* names, separated by ", ": needed and not allowed; as many as fit */
    char reason[120];  /* the server's words for the first of them */
    char dangers[120]; /* allowed and dangerous */
};

/* Notes an answer of DRYRUN: `answer` is "OK" or the reason why not. */
void acl_note_needed(struct acl_findings *findings, const struct acl_command *command, const char *answer);
void acl_note_danger(struct acl_findings *findings, const struct acl_command *command, const char *answer);
