#include "cli/orgs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/paging.h"
#include "common/job.h"
#include "common/keys.h"
#include "common/memory.h"

#define SCAN_COUNT 1000
#define LOOK_MAX   64 /* organizations looked at together */

/* ---- names ---- */

void names_add(struct names *names, const char *name)
{
    if ((names->count & (names->count - 1)) == 0) /* 0, 1, 2, 4, 8 ...: double it */
        names->items = memory_resize(names->items, sizeof *names->items * (names->count ? names->count * 2 : 1));
    names->items[names->count++] = memory_string(name);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *names)
{
    size_t kept = 0;

    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare);
    for (size_t i = 0; i < names->count; i++) {
        if (kept && strcmp(names->items[kept - 1], names->items[i]) == 0)
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
}

void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}

/* ---- finding ---- */

/* A walk over the registry of one lane. */
struct walk {
    struct names *names;
    char cursor[32];
};

static void on_scan(const struct reply *reply, void *ctx)
{
    struct walk *walk = ctx;
    const struct reply *flat = reply_at(reply, 1);

    snprintf(walk->cursor, sizeof walk->cursor, "%s", reply_string(reply_at(reply, 0)));
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        if (name_is_valid(reply_string(reply_at(flat, i)), strlen(reply_string(reply_at(flat, i)))))
            names_add(walk->names, reply_string(reply_at(flat, i)));
}

static int find_in_lane(struct cli *cli, uint32_t lane, struct names *names, struct error *err)
{
    struct walk walk = {.names = names, .cursor = "0"};
    struct call call = {0};
    char key[KEY_BYTES_MAX];
    int rc;

    do {
        call_command(&call, "ZSCAN");
        call_add_string(&call, key_in_lane(key, lane, "orgs"));
        call_add_string(&call, walk.cursor);
        call_add_string(&call, "COUNT");
        call_add_int(&call, SCAN_COUNT);
        rc = cli_call(cli, &call, on_scan, &walk, err);
    } while (rc == 0 && strcmp(walk.cursor, "0") != 0);
    call_clear(&call);
    return rc;
}

int orgs_find(struct cli *cli, struct names *ret, struct error *err)
{
    int rc = 0;

    for (uint32_t lane = 0; lane < cli->deployment.lanes && rc == 0; lane++)
        rc = find_in_lane(cli, lane, ret, err);
    names_sort(ret);
    return rc;
}

int orgs_named(struct cli *cli, int first, struct names *ret, struct error *err)
{
    if (cli_argument_count(cli) <= first)
        return orgs_find(cli, ret, err);
    for (int i = first; i < cli_argument_count(cli); i++) {
        if (cli_org(cli, cli_argument(cli, i), err) < 0)
            return err->code;
        names_add(ret, cli_argument(cli, i));
    }
    return 0;
}

/* The page of `names`, which are sorted, behind the cursor. Borrowed. */
static struct names page_of(const struct cli *cli, const struct names *names)
{
    const char *cursor = paging_cursor(cli);
    int64_t limit = paging_limit(cli);
    size_t from = 0, count;

    while (from < names->count && cursor[0] && strcmp(names->items[from], cursor) <= 0)
        from++;
    count = names->count - from;
    return (struct names){names->items + from, (int64_t)count > limit ? (size_t)limit : count};
}

int orgs_page(struct cli *cli, struct names *ret_all, struct names *ret_page, struct error *err)
{
    const char *cursor = paging_cursor(cli);

    if ((cursor[0] && cli_org(cli, cursor, err) < 0) || cli_connect(cli, false, NULL, err) < 0 ||
        orgs_named(cli, 0, ret_all, err) < 0)
        return err->code;
    names_sort(ret_all);
    *ret_page = page_of(cli, ret_all);
    return 0;
}

void orgs_page_end(const struct cli *cli, const struct names *all, const struct names *page)
{
    if (page->count > 0 && page->items + page->count < all->items + all->count)
        paging_more(cli, (int64_t)page->count, (int64_t)all->count, page->items[page->count - 1]);
}

/* ---- looking ---- */

static void on_org(const struct reply *reply, void *ctx)
{
    struct org_view *org = ctx;
    char name[NAME_BYTES_MAX + 1];

    memcpy(name, org->name, sizeof name);
    org_view_clear(org);
    org_view_read(org, name, reply);
}

static void ask(struct cli *cli, struct org_view *org, const char *name)
{
    struct call call = {0};

    snprintf(org->name, sizeof org->name, "%s", name);
    call_function(&call, "org", cli_lane(cli, name));
    call_add_string(&call, name);
    cli_send(cli, &call, on_org, org);
    call_clear(&call);
}

/* The next job of a queue: its order alone does not tell since when it waits, because its priority is in there. */
static void on_head(const struct reply *reply, void *ctx)
{
    struct org_view *org = ctx;
    const struct reply *head = reply_at(reply, 3);
    struct job job = {.place = "ready", .score = reply_int(reply_at(head, 1))};
    size_t record_bytes, state_bytes;
    const char *record = reply_bytes(reply_at(head, 2), &record_bytes), *state = reply_bytes(reply_at(head, 3), &state_bytes);
    struct error ignored;

    if (reply_count(head) < 4 || job_decode(&job, record, record_bytes, state, state_bytes, &ignored) < 0)
        return;
    if (org->wait_since_ms == 0 || job_due_ms(&job) < org->wait_since_ms)
        org->wait_since_ms = job_due_ms(&job);
    job_clear(&job);
}

static void ask_for_heads(struct cli *cli, struct org_view *org)
{
    struct call call = {0};

    for (size_t i = 0; i < org->queue_count; i++) {
        if (org->queues[i].ready == 0)
            continue;
        call_function(&call, "jobs", cli_lane(cli, org->name));
        call_add_string(&call, org->name);
        call_add_format(&call, "ready:%s", org->queues[i].name);
        call_add_int(&call, 0);
        call_add_int(&call, 1);
        call_add_string(&call, "0");
        cli_send(cli, &call, on_head, org);
    }
    call_clear(&call);
}

static int look_at_some(struct cli *cli, char *const *names, size_t count, bool waits, orgs_visit *visit, void *ctx,
                        struct error *err)
{
    struct org_view orgs[LOOK_MAX] = {0};
    int rc;

    for (size_t i = 0; i < count; i++)
        ask(cli, &orgs[i], names[i]);
    rc = cli_settle(cli, err);
    for (size_t i = 0; i < count && rc == 0 && waits; i++)
        ask_for_heads(cli, &orgs[i]);
    if (rc == 0)
        rc = cli_settle(cli, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = visit(&orgs[i], ctx, err);
    for (size_t i = 0; i < count; i++)
        org_view_clear(&orgs[i]);
    return rc;
}

int orgs_look(struct cli *cli, const struct names *names, bool waits, orgs_visit *visit, void *ctx, struct error *err)
{
    int rc = 0;

    for (size_t from = 0; from < names->count && rc == 0; from += LOOK_MAX) {
        size_t count = names->count - from < LOOK_MAX ? names->count - from : LOOK_MAX;
        rc = look_at_some(cli, names->items + from, count, waits, visit, ctx, err);
    }
    return rc;
}

static int take_view(struct org_view *org, void *ctx, struct error *err)
{
    (void)err;
    *(struct org_view *)ctx = *org;
    *org = (struct org_view){0};
    return 0;
}

int orgs_look_at(struct cli *cli, const char *name, struct org_view *ret, struct error *err)
{
    struct names names = {.items = (char *[]){(char *)name}, .count = 1};
    struct org_view org = {0};
    int rc = orgs_look(cli, &names, true, take_view, &org, err);

    if (rc == 0 && !org.exists)
        rc = error_set(err, ERR_NOT_FOUND, "there is no organization %s", name);
    if (rc == 0)
        *ret = org; /* gives */
    else
        org_view_clear(&org);
    return rc;
}
