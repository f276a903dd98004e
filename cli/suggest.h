/* suggest.h - what could stand where somebody is typing, by the table of commands. Pure: it asks nobody.
 *
 * What the table says in words is offered at once; of what only Redis knows the kind is told. */
#pragma once

#include <stddef.h>

#include "common/buffer.h"

enum suggest_kind {
    SUGGEST_NOTHING, /* more than the offers there is not */
    SUGGEST_FILES,
    SUGGEST_ORGS,
    SUGGEST_JOBS, /* org/id */
    SUGGEST_ORGS_OR_JOBS,
    SUGGEST_TYPES,
    SUGGEST_QUEUES,
    SUGGEST_WORKERS,
};

struct suggestion {
    enum suggest_kind kind; /* to be asked for elsewhere */
    const char *word;       /* the part of the word under the cursor that is to be continued; borrowed from `words` */
    const char *org;        /* the organization that was typed before; NULL: none. Borrowed */
    struct buffer offers;   /* lines "WORD<TAB>description" that begin with what is there already; `before` stands in front */
    char before[80];        /* "--state=" where the value of a flag is completed behind its name; else "" */
};

/* `words` are those behind "rota", the last one (maybe "") is under the cursor; `count` >= 1. Gives: suggestion_clear. */
void suggest(struct suggestion *ret, int count, char **words);
void suggestion_clear(struct suggestion *suggestion);

/* Adds "`before``word`<TAB>`about`" if `word` begins with what is typed. */
void suggestion_offer(struct suggestion *suggestion, const char *word, const char *about);
