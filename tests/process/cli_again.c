/* `rota job export`, and back with `rota push --batch`; `rota job edit`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "tests/support/rota.h"

/* ---- export ---- */

/* Jobs with all that a producer can say, and payloads of any bytes. */
static void fill(struct pool *pool)
{
    static const char every_byte[] = "\x00\x01\xff\xfe\x80\n\r\t\"\\\xc3\x28",
                      text[] = "gr\xc3\xbc\xc3\x9f\x00 \"quoted\" \\ \x01\x7f";
    struct job_record record = {.type = "t.x", .has_payload = true, .priority = -7, .queue = "bulk"};
    struct header headers[] = {{(char[]){"a"}, (char[]){"x=y"}}, {(char[]){"b"}, (char[]){"\"\n\xe2\x82\xac"}}};

    record.payload = every_byte;
    record.payload_bytes = sizeof every_byte - 1;
    record.timeout_ms = 90000;
    record.max_attempts = 7;
    record.key = (char[]){"k\xc3\xa9y 1"};
    record.headers = headers;
    record.header_count = 2;
    record.expires_ms = pool_now_ms(pool) + 86400000;
    pool_push_record(pool, "acme", "binary", &record);
    record = (struct job_record){.type = "t", .has_payload = true, .payload = text, .payload_bytes = sizeof text - 1};
    pool_push_record(pool, "acme", "text", &record);
    pool_push(pool, "acme", "empty", "t", "");
    pool_push(pool, "acme", "json", "t", "{\"a\": [1.0, 1e400, null]}");
    ROTA_MUST(pool, 0, "push", "acme", "t", "later", "--id", "later", "--in", "1h", "--expires", "3h");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/empty");
}

/* A job's record as bytes, but for its nonce; and that of the job in the other organization, which is equal. */
static void assert_same_job(struct pool *pool, const char *id)
{
    struct buffer bytes[2] = {0};
    struct error err;

    for (int i = 0; i < 2; i++) {
        struct job_record record = pool_job(pool, i ? "beta" : "acme", id)->record;
        record.nonce = 0;
        record.delay_ms = record.due_ms = 0;
        assert_int_equal(job_record_encode(&bytes[i], &record, &err), 0);
    }
    assert_int_equal(bytes[0].length, bytes[1].length);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].length);
    buffer_clear(&bytes[0]);
    buffer_clear(&bytes[1]);
}

/* The lines with another organization in them. */
static const char *for_beta(struct pool *pool, const char *lines)
{
    char *text = memory_string(lines);
    const char *path;

    for (char *at = strstr(text, "\"org\":\"acme\""); at; at = strstr(at, "\"org\":\"acme\""))
        memcpy(at, "\"org\":\"beta\"", 12);
    path = write_text(pool, "beta.ndjson", text);
    free(text);
    return path;
}

static void what_is_exported_can_be_pushed_again(void **state)
{
    static const char *const ids[] = {"binary", "text", "empty", "json", "later"};
    struct pool *pool = *state;
    struct ran ran;

    fill(pool);
    ran = ROTA_MUST(pool, 0, "job", "export", "acme");
    assert_int_equal(count_text(ran.out, "\n"), 5);
    ROTA_MUST(pool, 0, "push", "--batch", for_beta(pool, ran.out));

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_same_job(pool, ids[i]);
    assert_string_equal(pool_place(pool, "beta", "later"), "scheduled");
    assert_int_equal(pool_job(pool, "beta", "later")->score, pool_job(pool, "acme", "later")->score);
    assert_string_equal(ROTA_MUST(pool, 0, "job", "export", "beta").out,
                        ROTA_MUST(pool, 0, "job", "export", "beta", "--json").out);
}

static void an_export_goes_on_at_its_cursor(void **state)
{
    struct pool *pool = *state;
    const char *lines = "", *cursor = NULL;

    pool_push_many(pool, "acme", "j", 250, "t", "x");
    do {
        struct ran ran = cursor ? ROTA_MUST(pool, 0, "job", "export", "--limit", "90", "--cursor", cursor)
                                : ROTA_MUST(pool, 0, "job", "export", "--limit", "90");
        const char *at = strstr(ran.err, "--cursor ");
        char found[256] = "";
        lines = pool_text(pool, "%s%s", lines, ran.out);
        if (at)
            assert_int_equal(sscanf(at, "--cursor %255s", found), 1);
        cursor = at ? pool_text(pool, "%s", found) : NULL;
    } while (cursor);
    assert_string_equal(lines, ROTA_MUST(pool, 0, "job", "export").out);
    assert_int_equal(count_text(lines, "\n"), 250);
}

static void jobs_are_chosen_by_state_queue_and_type(void **state)
{
    struct pool *pool = *state;

    fill(pool);
    assert_has(ROTA_MUST(pool, 0, "job", "export", "--state", "cancelled").out, "\"id\":\"empty\"");
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "job", "export", "--queue", "bulk").out, "\n"), 1);
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "job", "export", "--type", "t", "--new-ids").out, "\"id\""), 0);
    ROTA_MUST(pool, EX_NOINPUT, "job", "export", "nobody");
    ROTA_MUST(pool, EX_USAGE, "job", "export", "--state", "nonsense");
    ROTA_MUST(pool, EX_USAGE, "job", "export", "--type", "a b");
}

static void what_has_no_payload_any_more_is_left_out(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "ok=cat", NULL);
    pool_push(pool, "acme", "j1", "ok", "x");
    pool_wait_place(pool, "acme", "j1", "done");
    ran = ROTA_MUST(pool, EX_DATAERR, "job", "export", "acme", "--state", "done");
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "job acme/j1 is left out: it is done");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "export", "acme").out, "");
}

/* ---- edit ---- */

/* The id in "acme/ID\n". */
static const char *new_id(struct pool *pool, const struct ran *ran)
{
    assert_int_equal(strncmp(ran->out, "acme/", 5), 0);
    return pool_text(pool, "%.*s", (int)strcspn(ran->out + 5, "\n"), ran->out + 5);
}

static void an_edited_job_is_a_new_one(void **state)
{
    struct pool *pool = *state;
    const struct job *job;
    const char *id;
    struct ran ran;

    fill(pool);
    ran = ROTA_FED(pool, "new payload", "job", "edit", "acme/binary", "--payload", "-", "--priority", "3", "--header", "a=z",
                   "--drop-header", "b");
    assert_int_equal(ran.status, 0);
    id = new_id(pool, &ran);
    assert_has(ran.err, pool_text(pool,
                                  "pushed job acme/%s, edited from acme/binary (ready, and left as it is). "
                                  "Undo: rota job cancel acme/%s\n",
                                  id, id));
    assert_has(ran.err, "acme/binary will run, too, unless: rota job cancel acme/binary");

    job = pool_job(pool, "acme", id);
    assert_string_equal(job->place, "ready");
    assert_string_equal(job->record.type, "t.x");
    assert_string_equal(job->record.queue, "bulk");
    assert_int_equal(job->record.priority, 3);
    assert_int_equal(job->record.max_attempts, 7);
    assert_int_equal(job->record.payload_bytes, 11);
    assert_memory_equal(job->record.payload, "new payload", 11);
    assert_int_equal(job->record.header_count, 1);
    assert_string_equal(job->record.headers[0].value, "z");
    assert_null(job->record.key);

    job = pool_job(pool, "acme", "binary");
    assert_string_equal(job->place, "ready");
    assert_int_equal(job->record.priority, -7);
    assert_int_equal(job->record.payload_bytes, 12);
}

static void without_a_flag_an_editor_opens_the_payload(void **state)
{
    struct pool *pool = *state;
    const char *environment[] = {"EDITOR=sed -i s/old/new/", pool_text(pool, "TMPDIR=%s", pool->directory),
                                 pool_text(pool, "ROTA_REDIS_URL=%s", pool->url), NULL};
    struct process *edit;
    const char *name;

    pool_push(pool, "acme", "j1", "t", "an old word");
    edit = process_start(&(struct process_options){.program = "rota",
                                                   .arguments = (const char *const[]){"job", "edit", "acme/j1", NULL},
                                                   .environment = environment,
                                                   .log = pool_path(pool, "edit.log")});
    assert_int_equal(process_wait(edit, PROCESS_MS_MAX), 0);
    name = process_said(edit, "pushed job acme/");
    assert_non_null(name);
    name = pool_text(pool, "%.*s", (int)strcspn(name, ","), name);
    assert_memory_equal(pool_job(pool, "acme", name)->record.payload, "an new word", 11);
    process_free(edit);
}

static void nothing_different_is_nothing_pushed(void **state)
{
    struct pool *pool = *state;
    const char *before;
    struct ran ran;

    pool_push(pool, "acme", "j1", "t", "same");
    before = pool_digest(pool, "acme");
    ran = ROTA_FED(pool, "same", "job", "edit", "acme/j1", "--payload", "-");
    assert_int_equal(ran.status, 1);
    assert_has(ran.err, "nothing is different: nothing was pushed");
    assert_int_equal(ROTA(pool, "job", "edit", "acme/j1", "--type", "t").status, EX_USAGE); /* and nobody to edit it */
    assert_int_equal(ROTA(pool, "job", "edit", "acme/j1").status, EX_USAGE);
    assert_int_equal(ROTA(pool, "job", "edit", "acme/none", "--type", "x").status, EX_NOINPUT);
    assert_int_equal(ROTA(pool, "job", "edit", "acme/j1", "--type", "a b").status, EX_USAGE);
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "job", "edit", "acme/j1", "--payload", "/nowhere").err,
               "/nowhere: No such file or directory. Try: --payload FILE, or --payload - and the bytes on stdin");
    assert_string_equal(pool_digest(pool, "acme"), before);
    ROTA_MUST(pool, 0, "job", "edit", "acme/j1", "--force", "--id", "j2");
    assert_string_equal(pool_place(pool, "acme", "j2"), "ready");
    assert_has(ROTA_MUST(pool, EX_DATAERR, "job", "edit", "acme/j1", "--force", "--id", "j2").err, "taken");
}

static void a_job_in_any_state_can_be_edited(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "ok=cat", "--on", "bad=exit 100", NULL);
    pool_push(pool, "acme", "done", "ok", "x");
    pool_push(pool, "acme", "dead", "bad", "x");
    ROTA_MUST(pool, 0, "push", "acme", "ok", "x", "--id", "later", "--in", "1h");
    pool_wait_place(pool, "acme", "done", "done");
    pool_wait_place(pool, "acme", "dead", "dead");

    assert_has(ROTA_MUST(pool, EX_DATAERR, "job", "edit", "acme/done", "--priority", "1").err,
               "payload of job acme/done is gone");
    ran = ROTA_FED(pool, "again", "job", "edit", "acme/done", "--payload", "-");
    pool_wait_place(pool, "acme", new_id(pool, &ran), "done");
    ran = ROTA_MUST(pool, 0, "job", "edit", "acme/dead", "--type", "ok");
    pool_wait_place(pool, "acme", new_id(pool, &ran), "done");
    assert_string_equal(pool_place(pool, "acme", "dead"), "dead");
    ran = ROTA_MUST(pool, 0, "job", "edit", "acme/later", "--priority", "1");
    assert_string_equal(pool_place(pool, "acme", new_id(pool, &ran)), "scheduled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST(what_is_exported_can_be_pushed_again),
        ROTA_TEST(an_export_goes_on_at_its_cursor),
        ROTA_TEST(jobs_are_chosen_by_state_queue_and_type),
        ROTA_TEST(what_has_no_payload_any_more_is_left_out),
        ROTA_TEST(an_edited_job_is_a_new_one),
        ROTA_TEST(without_a_flag_an_editor_opens_the_payload),
        ROTA_TEST(nothing_different_is_nothing_pushed),
        ROTA_TEST(a_job_in_any_state_can_be_edited),
    };
    return cmocka_run_group_tests_name("cli_again", tests, NULL, NULL);
}
