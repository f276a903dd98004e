#include "cli/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "common/memory.h"
#include "common/who.h"

/* A list of one word, or the word itself. */
static void on_answer(const struct reply *reply, void *ctx)
{
    const struct reply *word = reply_is_array(reply) ? reply_at(reply, 0) : reply;
    char *answer = ctx;

    snprintf(answer, ANSWER_BYTES, "%s", reply_string(word));
    if (!answer[0])
        snprintf(answer, ANSWER_BYTES, "%lld", (long long)reply_int(word));
}

void change_begin(struct call *call, const char *function, uint32_t lane)
{
    char who[WHO_BYTES];

    call_function(call, function, lane);
    call_add_string(call, who_am_i(who, NULL));
}

int change_call(struct cli *cli, const struct call *call, char ret_answer[ANSWER_BYTES], struct error *err)
{
    ret_answer[0] = '\0';
    return cli_call(cli, call, on_answer, ret_answer, err);
}

int change_job(struct cli *cli, const char *function, const char *org, const char *id, int64_t due_ms,
               char ret_answer[ANSWER_BYTES], struct error *err)
{
    struct call call = {0};
    int rc;

    change_begin(&call, function, cli_lane(cli, org));
    call_add_string(&call, org);
    call_add_string(&call, id);
    if (due_ms >= 0)
        call_add_int(&call, due_ms);
    rc = change_call(cli, &call, ret_answer, err);
    call_clear(&call);
    return rc;
}

struct changes {
    struct list *list; /* NULL for a table */
};

struct changes *changes_new(struct cli *cli)
{
    struct changes *changes = memory_new(sizeof *changes);

    if (cli->output.format != OUTPUT_TABLE)
        changes->list = list_new(&cli->output, NULL);
    return changes;
}

void changes_add(struct changes *changes, const char *name, const char *answer)
{
    if (changes->list)
        list_add(changes->list, json_pack("{s:s, s:s}", "job", name, "answer", answer));
}

void changes_end(struct changes *changes)
{
    if (changes->list)
        list_end(changes->list);
    free(changes);
}
