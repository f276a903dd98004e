/* entry_fixtures - the fixtures that are given to producers (docs/PRODUCERS.md), against what reads entries. */
#include "scheduler/entry.h"

#include "common/job.h"
#include "tests/support/producers.h"
#include "tests/unit/unit.h"

/* The fields of an entry as Redis sends them. Gives. */
static struct reply *reply_of(json_t *entry)
{
    struct buffer resp = {0};
    struct reply *reply;
    const char *name;
    json_t *value;

    buffer_add_format(&resp, "*%zu\r\n", 2 * json_object_size(entry));
    json_object_foreach(entry, name, value)
    {
        size_t length;
        char *bytes = producers_bytes(value, &length);
        buffer_add_format(&resp, "$%zu\r\n%s\r\n$%zu\r\n", strlen(name), name, length);
        buffer_add(&resp, bytes, length);
        buffer_add_string(&resp, "\r\n");
        free(bytes);
    }
    reply = reply_parse(resp.data, resp.length);
    assert_non_null(reply);
    buffer_clear(&resp);
    return reply;
}

/* Reads an entry into its job as JSON, or NULL and `err`. Gives. */
static json_t *read_entry(json_t *entry, struct error *err)
{
    struct reply *reply = reply_of(entry);
    char org[NAME_BYTES_MAX + 1];
    struct buffer buffer = {0};
    struct job_record record;
    json_t *job = NULL;

    if (entry_read("1795164663276-0", "", reply, org, &buffer, err) == 0) {
        assert_string_equal(org, json_string_value(json_object_get(entry, "org")));
        assert_int_equal(job_record_decode(&record, buffer.data, buffer.length, err), 0);
        job = producers_job(&record);
        job_record_clear(&record);
    }
    buffer_clear(&buffer);
    reply_free(reply);
    return job;
}

static void each_accepted_entry_becomes_the_job_it_should(void **state)
{
    json_t *list = producers_fixtures("accepted"), *fixture;
    size_t i;

    (void)state;
    assert_true(json_array_size(list) >= 15);
    json_array_foreach(list, i, fixture)
    {
        struct error err = {0};
        json_t *job = read_entry(json_object_get(fixture, "entry"), &err);
        if (!json_equal(job, json_object_get(fixture, "job")))
            fail_msg("%s: %s %s", json_string_value(json_object_get(fixture, "what")), err.message,
                     job ? json_dumps(job, 0) : "");
        json_decref(job);
    }
    json_decref(list);
}

static void each_refused_entry_is_refused_for_its_reason(void **state)
{
    json_t *list = producers_fixtures("refused"), *fixture;
    size_t i;

    (void)state;
    assert_true(json_array_size(list) >= 25);
    json_array_foreach(list, i, fixture)
    {
        struct error err = {0};
        if (read_entry(json_object_get(fixture, "entry"), &err) ||
            !strstr(err.message, json_string_value(json_object_get(fixture, "reason"))))
            fail_msg("%s: \"%s\"", json_string_value(json_object_get(fixture, "what")), err.message);
    }
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_accepted_entry_becomes_the_job_it_should),
        cmocka_unit_test(each_refused_entry_is_refused_for_its_reason),
    };

    return UNIT_RUN(tests);
}
