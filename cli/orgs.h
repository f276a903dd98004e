/* orgs.h - the organizations of a deployment, found and looked at in all lanes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"
#include "cli/org_view.h"

/* A list of names. All zeroes is empty. */
struct names {
    char **items;
    size_t count;
};

void names_add(struct names *names, const char *name); /* copies */
void names_sort(struct names *names);                  /* and drops what is there twice */
void names_clear(struct names *names);

/* All organizations, sorted. Gives, also on failure what was found so far. */
int orgs_find(struct cli *cli, struct names *ret, struct error *err) MUST_CHECK;

/* The names that a command was given as arguments from `first` on, each checked and existing or not; all there are if it was
 * given none. Gives. */
int orgs_named(struct cli *cli, int first, struct names *ret, struct error *err) MUST_CHECK;

/* For lists of organizations (paging.h): connects, finds those that were named or all, `ret_all` (gives), and the page of them
 * that --cursor and --limit say (borrowed from there). Then tells where there is more. */
int orgs_page(struct cli *cli, struct names *ret_all, struct names *ret_page, struct error *err) MUST_CHECK;
void orgs_page_end(const struct cli *cli, const struct names *all, const struct names *page);

/* Told of each organization in turn; `org` is borrowed for the call. Returns 0, or a negative code that ends the walk. */
typedef int orgs_visit(struct org_view *org, void *ctx, struct error *err);

/* Looks at organizations, many at a time. With `waits` also since when the next job of each waits. */
int orgs_look(struct cli *cli, const struct names *names, bool waits, orgs_visit *visit, void *ctx, struct error *err) MUST_CHECK;

/* Looks at one. ERR_NOT_FOUND if it does not exist. Gives: org_view_clear. */
int orgs_look_at(struct cli *cli, const char *name, struct org_view *ret, struct error *err) MUST_CHECK;
