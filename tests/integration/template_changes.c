/* template_changes - a schedule of every organization is changed, for all of them or by one of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/templates.h"

/* `count` organizations that are armed for the first minute. */
static void make_armed(struct fixture *f, unsigned count, const struct definition *d)
{
    make_orgs(f, count);
    template_set(f, "report", d);
    walk_to_the_end(f, "report");
    for (unsigned n = 0; n < count; n++)
        assert_string_equal(template_tick(f, org(f, n), "report", "1", 0, minute(1)), "rearmed");
}

/* schedule_own of the first organization: the revision, and fields with values that have no spaces. */
static const redisReply *own(struct fixture *f, const char *rev, const char *fields)
{
    const char *format = fixture_text(f, "tester %s report %s %lld 0 %s", org(f, 0), rev, (long long)minute(2), fields);

    return lane_call(f, "schedule_own", format, "", "");
}

static const char *answer(const redisReply *reply)
{
    return reply_text(reply_element(reply, 0));
}

/* The bytes of `reply` have `text`. */
static bool has(const redisReply *reply, const char *text)
{
    return memmem(reply->str, reply->len, text, strlen(text)) != NULL;
}

/* The record that the first organization has of it has `text`. */
static bool record_has(struct fixture *f, const char *text)
{
    const redisReply *fields = reply_element(lane_call(f, "schedule", "%s report", org(f, 0)), 1);

    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(reply_text(reply_element(fields, i)), "record") == 0)
            return has(reply_element(fields, i + 1), text);
    fail_msg("there is no record");
    return false;
}

static const redisReply *own_parts(struct fixture *f, const char *rev, const char *parts, const struct lane_record *record)
{
    struct bytes bytes = lane_record(f, record);

    return lane_call(f, "schedule_own", "tester %s report %s %lld 0 own_parts %s own_record %b", org(f, 0), rev,
                     (long long)minute(2), parts, bytes.data, bytes.length);
}

/* ---- what one of them says ---- */

static void what_it_says_itself_is_its_own_and_the_rest_stays(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 2, &(struct definition){0});

    assert_string_equal(answer(own(f, "1", "recurrence every_5000_0 missed all")), "changed");

    assert_string_equal(shown(f, org(f, 0), "recurrence"), "every_5000_0");
    assert_string_equal(shown(f, org(f, 0), "own"), "recurrence missed");
    assert_string_equal(shown(f, org(f, 0), "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
    assert_string_equal(shown(f, org(f, 0), "rev"), "2");
    assert_string_equal(shown(f, org(f, 1), "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
    assert_string_equal(answer(own(f, "1", "missed skip")), "exists");
    assert_string_equal(answer(own(f, "2", "missed all")), "same");
    template_set(f, "report", &(struct definition){.overlap = "queue-one"});
    assert_string_equal(shown(f, org(f, 0), "overlap"), "queue-one");
    assert_string_equal(shown(f, org(f, 0), "recurrence"), "every_5000_0");
    assert_string_equal(shown(f, org(f, 0), "rev"), "3");
    assert_string_equal(answer(own(f, "3", "recurrence %s")), "changed");
    assert_string_equal(shown(f, org(f, 0), "own"), "missed");
    assert_string_equal(shown(f, org(f, 0), "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
}

static void of_the_record_only_the_named_parts_are_its_own(void **state)
{
    struct fixture *f = *state;
    const struct lane_record first = {.queue = "reports", .priority = 3, .max_attempts = 5},
                             mine = {.type = "mine", .priority = 9, .max_attempts = 7, .payload = "own", .payload_bytes = 3},
                             second = {.type = "second", .queue = "other", .priority = 4, .timeout_ms = 5000};
    make_armed(f, 2, &(struct definition){.record = &first});

    assert_string_equal(answer(own_parts(f, "1", "payload", &mine)), "changed");
    assert_string_equal(answer(lane_call(f, "schedule_run", "tester %s report", org(f, 0))), "new");

    const redisReply *jobs = lane_redis(f, "HVALS %s", lane_key(f, "org:%s:jobs", org(f, 0)));
    assert_true(has(reply_element(jobs, 0), "reports"));
    assert_true(has(reply_element(jobs, 0), "own"));
    assert_false(has(reply_element(jobs, 0), "mine"));
    template_set(f, "report", &(struct definition){.record = &second});
    assert_true(record_has(f, "second"));
    assert_true(record_has(f, "other"));
    assert_true(record_has(f, "timeout_ms"));
    assert_false(record_has(f, "max_attempts"));
    assert_true(record_has(f, "own"));
}

static void an_option_that_only_the_template_has_can_be_taken_away(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 1, &(struct definition){.record = &(struct lane_record){.max_attempts = 5, .priority = 3}});

    own_parts(f, "1", "max_attempts", &(struct lane_record){.type = "other"});

    assert_false(record_has(f, "max_attempts"));
    assert_true(record_has(f, "priority"));
    assert_string_equal(answer(own(f, "2", "own_parts %s own_record %s")), "changed");
    assert_true(record_has(f, "max_attempts"));
}

static void off_takes_back_the_job_that_waits_and_on_goes_on_from_now(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 2, &(struct definition){0});
    clock_advance_ms(f, MINUTE_MS);
    for (unsigned n = 0; n < 2; n++)
        template_tick(f, org(f, n), "report", "1", minute(1), minute(2));

    const redisReply *reply = own(f, "1", "off 1");

    assert_string_equal(reply_text(reply_element(reply, 3)), schedule_job(f, 1));
    assert_string_equal(lane_place(f, org(f, 0), schedule_job(f, 1)), "cancelled");
    assert_string_equal(lane_place(f, org(f, 1), schedule_job(f, 1)), "ready:default");
    assert_string_equal(entry(f, org(f, 0)), "inf");
    clock_advance_ms(f, 3 * MINUTE_MS);
    assert_string_equal(template_tick(f, org(f, 0), "report", "2", minute(2), minute(3)), "paused");
    assert_string_equal(
        answer(lane_call(f, "schedule_own", "tester %s report 2 %lld 0 off %s", org(f, 0), (long long)minute(5), "")), "changed");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(5)));
    assert_string_equal(shown(f, org(f, 0), "since_ms"), now_text(f));
}

static void one_that_waits_for_the_job_before_is_dropped_by_off_and_a_running_one_goes_on(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 1, &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    template_tick(f, org(f, 0), "report", "1", minute(1), minute(2));
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(2), minute(3)), "queued");

    const redisReply *reply = own(f, "1", "off 1");

    assert_string_equal(reply_text(reply_element(reply, 3)), "");
    assert_string_equal(lane_place(f, org(f, 0), schedule_job(f, 1)), "running");
    assert_string_equal(shown(f, org(f, 0), "pending_ms"), "");
    lane_end(f, &lease, "done");
    assert_string_equal(shown(f, org(f, 0), "done"), "1");
    assert_string_equal(entry(f, org(f, 0)), "inf");
}

static void one_that_was_never_looked_at_can_be_changed(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 2);
    template_set(f, "report", &(struct definition){0});

    assert_string_equal(answer(own(f, "1", "off 1")), "changed");
    assert_reply(lane_call(f, "schedule_pause", "tester %s report", org(f, 1)), "paused");
    walk_to_the_end(f, "report");

    assert_string_equal(template_tick(f, org(f, 0), "report", "2", minute(2), minute(3)), "paused");
    assert_string_equal(entry(f, org(f, 0)), "inf");
    assert_string_equal(template_tick(f, org(f, 1), "report", "1", 0, minute(1)), "paused");
    assert_string_equal(
        answer(lane_call(f, "schedule_own", "tester %s report 2 %lld 0 off %s", org(f, 0), (long long)minute(1), "")), "changed");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_reply(lane_call(f, "schedule_resume", "tester %s report 1 %lld", org(f, 1), (long long)minute(1)), "resumed");
    assert_string_equal(entry(f, org(f, 1)), fixture_text(f, "%lld", (long long)minute(1)));
}

/* ---- what is said for all ---- */

static void other_times_are_looked_at_by_a_walk_and_other_options_are_not(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 3, &(struct definition){0});
    clock_advance_ms(f, 1000);

    assert_string_equal(answer(template_set(f, "report", &(struct definition){.overlap = "skip"})), "changed");
    assert_string_equal(reply_text(reply_element(lane_call(f, "due", "10"), 5)), "");
    assert_string_equal(answer(template_set(f, "report", &(struct definition){.overlap = "skip", .recurrence = "every 5000 0"})),
                        "changed");
    assert_string_equal(reply_text(reply_element(lane_call(f, "due", "10"), 5)), "report");
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(1), minute(2)), "stale");
    walk_to_the_end(f, "report");

    assert_int_equal(due_count(f), 3);
    assert_string_equal(shown(f, org(f, 0), "since_ms"), now_text(f));
    const redisReply *reply =
        lane_call(f, "tick", "%s report 3 %lld %s %lld 0 0 0", org(f, 0), (long long)minute(1), "", (long long)minute(0) + 5000);
    assert_string_equal(answer(reply), "rearmed");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(0) + 5000));
    assert_int_equal(due_count(f), 2);
}

static void paused_for_all_it_misses_nothing(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 2, &(struct definition){0});
    lane_call(f, "template_change", "tester report pause");
    assert_string_equal(answer(lane_call(f, "template_change", "tester report pause")), "same");
    clock_advance_ms(f, MINUTE_MS);
    lane_enqueue(f, org(f, 2), "job1", NULL);
    assert_int_equal(due_count(f), 3);
    for (unsigned n = 0; n < 2; n++)
        assert_string_equal(template_tick(f, org(f, n), "report", "2", minute(1), minute(2)), "paused");
    assert_string_equal(template_tick(f, org(f, 2), "report", "2", 0, minute(2)), "paused");
    assert_int_equal(due_count(f), 0);
    assert_string_equal(shown(f, org(f, 0), "paused_by"), "tester");
    assert_reply(lane_call(f, "schedule_resume", "tester %s report 2 %lld", org(f, 0), (long long)minute(2)), "template");

    assert_string_equal(answer(lane_call(f, "template_change", "tester report resume")), "resumed");
    walk_to_the_end(f, "report");

    assert_int_equal(due_count(f), 3);
    assert_string_equal(shown(f, org(f, 2), "since_ms"), now_text(f));
}

static void removed_it_goes_from_all_with_the_jobs_that_have_not_begun(void **state)
{
    struct fixture *f = *state;
    lane_use(f, 0);
    schedule_set(f, org(f, 3), "report", NULL);
    make_armed(f, 3, &(struct definition){0});
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    template_tick(f, org(f, 1), "report", "1", minute(1), minute(2));
    struct lane_lease lease = lane_claim_one(f, "w1");
    template_tick(f, org(f, 0), "report", "1", minute(1), minute(2));

    assert_string_equal(answer(lane_call(f, "template_change", "tester report remove")), "removed");
    assert_string_equal(answer(template_set(f, "report", &(struct definition){0})), "removing");
    assert_string_equal(template_tick(f, org(f, 2), "report", "1", minute(1), minute(2)), "stale");
    lane_enqueue(f, org(f, 4), "job1", NULL);
    walk_to_the_end(f, "report");

    assert_int_equal(lane_redis(f, "EXISTS %s %s", lane_key(f, "template:report"), lane_key(f, "templates"))->integer, 0);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:%s:schedule:report", org(f, n)))->integer, 0);
    assert_string_equal(lane_place(f, org(f, 0), schedule_job(f, 1)), "cancelled");
    assert_string_equal(lane_place(f, org(f, 1), schedule_job(f, 1)), "running");
    lane_end(f, &lease, "done");
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 1);
    assert_string_equal(answer(template_set(f, "report", &(struct definition){0})), "new");
    walk_to_the_end(f, "report");
    assert_int_equal(due_count(f), 5);
}

/* ---- the other lanes ---- */

/* One as lane 0 has it. */
static const redisReply *fetch(struct fixture *f, const char *name)
{
    lane_use(f, 0);
    return reply_element(lane_call(f, "template", "%s", name), 1);
}

/* That, told to lane 1. */
static const char *copy(struct fixture *f, const char *name, const redisReply *fields)
{
    struct args args = {0};

    args_text(&args, "%s", name);
    for (size_t i = 0; i < fields->elements; i++)
        args_add(&args, fields->element[i]->str, fields->element[i]->len);
    lane_use(f, 1);
    return reply_text(lane_call_args(f, "template_copy", &args));
}

/* All that lane 0 has to tell lane 1, as a leader does it. How many were copied. */
static int catch_up(struct fixture *f)
{
    int copied = 0;

    for (;;) {
        struct args args = {0};
        lane_use(f, 0);
        const redisReply *templates = lane_call(f, "templates", "");
        const redisReply *list = reply_element(templates, 3);
        args_text(&args, "%lld", reply_number(reply_element(templates, 1)));
        for (size_t i = 0; i < list->elements; i += 2)
            if (!value_of(reply_element(list, i + 1), "removed")[0]) {
                args_text(&args, "%s", reply_text(reply_element(list, i)));
                args_text(&args, "%s", value_of(reply_element(list, i + 1), "rev"));
            }
        lane_use(f, 1);
        const char *name = reply_text(lane_call_args(f, "template_sync", &args));
        if (!name[0])
            return copied;
        if (strcmp(copy(f, name, fetch(f, name)), "removing") == 0)
            return copied;
        copied++;
    }
}

static void a_lane_that_is_behind_gets_what_lane_0_has(void **state)
{
    struct fixture *f = *state;
    if (f->lanes == 1)
        return;
    lane_use(f, 1);
    lane_call(f, "org_set", "tester %s weight 5", lane_org(f, 1));
    lane_use(f, 0);
    template_set(f, "a", &(struct definition){0});
    template_set(f, "b", &(struct definition){.overlap = "skip"});

    assert_int_equal(catch_up(f), 2);
    assert_string_equal(reply_text(lane_redis(f, "HGET rota:{1}:template:b overlap")), "skip");
    walk_to_the_end(f, "a");
    walk_to_the_end(f, "b");
    assert_int_equal(lane_redis(f, "ZCARD rota:{1}:schedules")->integer, 2);
    assert_int_equal(catch_up(f), 0);
    lane_use(f, 0);
    walk_to_the_end(f, "a");
    walk_to_the_end(f, "b");
    lane_call(f, "template_change", "tester a remove");
    lane_call(f, "template_change", "tester b pause");
    walk_to_the_end(f, "a"); /* it is gone from lane 0, and defined again, before lane 1 has heard of either */
    template_set(f, "a", &(struct definition){.overlap = "queue-one"});

    assert_int_equal(catch_up(f), 2);

    assert_string_equal(reply_text(lane_redis(f, "HGET rota:{1}:template:b paused_by")), "tester");
    assert_string_equal(reply_text(lane_redis(f, "HGET rota:{1}:template:a overlap")), "queue-one");
    walk_to_the_end(f, "a");
    lane_use(f, 0);
    lane_call(f, "template_change", "tester a remove");
    walk_to_the_end(f, "a");
    assert_int_equal(catch_up(f), 0);
    lane_use(f, 0);
    template_set(f, "a", &(struct definition){0});
    assert_int_equal(catch_up(f), 0); /* the earlier one goes first */
    walk_to_the_end(f, "a");
    assert_int_equal(catch_up(f), 1);
    walk_to_the_end(f, "a");
    assert_int_equal(lane_redis(f, "ZCARD rota:{1}:schedules")->integer, 2);
    lane_use(f, 0);
    walk_to_the_end(f, "a");
}

/* Somebody has looked at lane 0, and says so when others are further. */
static void what_is_told_late_undoes_nothing(void **state)
{
    struct fixture *f = *state;
    if (f->lanes == 1)
        return;
    lane_use(f, 0);
    template_set(f, "a", &(struct definition){0});
    const redisReply *a = fetch(f, "a");
    template_set(f, "b", &(struct definition){0});
    assert_string_equal(copy(f, "a", a), "copied");
    assert_string_equal(copy(f, "b", fetch(f, "b")), "copied");

    assert_string_equal(reply_text(lane_call(f, "template_sync", "1 a 1")), ""); /* there was no b then */
    assert_int_equal(lane_redis(f, "HEXISTS rota:{1}:template:b removed")->integer, 0);

    lane_use(f, 0);
    lane_call(f, "template_change", "tester a remove");
    walk_to_the_end(f, "a");
    assert_int_equal(catch_up(f), 0);
    walk_to_the_end(f, "a");
    assert_string_equal(copy(f, "a", a), "same"); /* it is removed by now */
    assert_int_equal(lane_redis(f, "EXISTS rota:{1}:template:a")->integer, 0);
}

static void a_key_of_somebody_else_is_not_in_the_way_of_the_others(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 3);
    lane_redis(f, "SET %s foo", lane_key(f, "org:%s:schedule:report", org(f, 1)));
    f->unchecked = UNCHECKED_ALL;

    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");

    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 2);
    lane_redis(f, "DEL %s", lane_key(f, "org:%s:schedule:report", org(f, 1)));
}

/* ---- refusals ---- */

static void what_is_out_of_range_is_refused_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 1, &(struct definition){0});
    schedule_set(f, org(f, 0), "alone", NULL);
    const char *digest = lane_digest(f);

    assert_error(template_set(f, "a/b", &(struct definition){0}), "INVALID schedule \"a/b\"");
    assert_error(template_set(f, "a", &(struct definition){.overlap = "maybe"}), "INVALID overlap is \"maybe\"");
    assert_error(template_set(f, "a", &(struct definition){.record = &(struct lane_record){.key = "k"}}), "INVALID option key");
    assert_string_equal(answer(template_set(f, "a", &(struct definition){.rev = "7"})), "unknown");
    assert_string_equal(answer(template_set(f, "report", &(struct definition){.rev = "0"})), "exists");
    assert_error(lane_call(f, "template_change", "tester report stop"), "INVALID change is \"stop\"");
    assert_string_equal(answer(lane_call(f, "template_change", "tester a pause")), "unknown");
    assert_error(own(f, "1", "record x"), "INVALID unknown field \"record\"");
    assert_error(own(f, "1", "off 2"), "INVALID off is \"2\"");
    assert_error(own(f, "1", "missed maybe"), "INVALID missed is \"maybe\"");
    assert_error(own(f, "1", "own_parts key"), "INVALID own_parts and own_record");
    assert_error(own_parts(f, "1", "key", NULL), "INVALID own_parts has \"key\"");
    assert_error(lane_call(f, "schedule_own", "tester %s alone 1 0 0 off 1", org(f, 0)), "INVALID schedule alone is of this");
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s none 1 0 0 off 1", org(f, 0))), "unknown");
    if (f->lanes > 1) {
        lane_use(f, 1);
        assert_error(template_set(f, "a", &(struct definition){0}), "INVALID schedules of every organization");
        lane_use(f, 0);
    }
    assert_string_equal(lane_digest(f), digest);
}

static void there_are_at_most_64(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_use(f, 0);
    for (int i = 0; i < 64; i++)
        assert_string_equal(answer(template_set(f, fixture_text(f, "s%d", i), &(struct definition){0})), "new");

    assert_error(template_set(f, "one-more", &(struct definition){0}), "INVALID schedule one-more would be number 65");

    lane_enqueue(f, org(f, 0), "job1", NULL);
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 64);
}

/* A backup: one that was paused, or a shadow, comes back so, from its first moment on; one that is there stays as it is. */
static void it_may_begin_paused_and_as_a_shadow(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 1);
    struct definition definition = {.shadow = true, .paused_by = "ann"};

    assert_string_equal(reply_text(reply_element(template_set(f, "report", &definition), 0)), "new");
    walk_to_the_end(f, "report");

    assert_string_equal(shown(f, org(f, 0), "paused_by"), "ann");
    assert_string_equal(shown(f, org(f, 0), "turns"), "-0");
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", 0, minute(1)), "paused");
    assert_string_equal(reply_text(reply_element(template_set(f, "report", &(struct definition){0}), 0)), "same");
    lane_call(f, "template_change", "tester report resume");
    definition.recurrence = "every 5000 0";
    assert_string_equal(reply_text(reply_element(template_set(f, "report", &definition), 0)), "changed");
    walk_to_the_end(f, "report");
    assert_string_equal(shown(f, org(f, 0), "paused"), "");
    template_set(f, "report", &(struct definition){0});
    assert_string_equal(shown(f, org(f, 0), "turns"), "-0"); /* nothing but template_turn makes it live */
    walk_to_the_end(f, "report");
}

/* A backup in an empty Redis: whoever says it does not know the organization's times, and nobody knows the organization. */
static void an_organization_that_is_not_known_yet_can_say_it(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 1, &(struct definition){0});
    const char *digest = lane_digest(f);
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s none %s %s %s off 1", org(f, 5), "", "", "")), "unknown");
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s report 1 %lld 0 off 1", org(f, 5), (long long)minute(2))),
                        "unknown");
    assert_error(lane_call(f, "schedule_own", "tester %s report %s %s %s missed maybe", org(f, 5), "", "", ""), "INVALID missed");
    assert_error(lane_call(f, "schedule_own", "tester %s report %s %s %s paused_by a paused_ms -1", org(f, 5), "", "", ""),
                 "INVALID paused_ms");
    assert_string_equal(lane_digest(f), digest);
    clock_advance_ms(f, 1000); /* the template is older */

    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s report %s %s %s missed all", org(f, 5), "", "", "")),
                        "changed");

    assert_string_equal(lane_redis(f, "ZSCORE %s %s", lane_key(f, "orgs"), org(f, 5))->str, now_text(f));
    assert_string_equal(shown(f, org(f, 5), "own"), "missed");
    assert_string_equal(shown(f, org(f, 5), "since_ms"), now_text(f));
    assert_string_equal(shown(f, org(f, 5), "rev"), "2");
    assert_int_equal(due_count(f), 1); /* the leader is to look at it */
    assert_string_equal(template_tick(f, org(f, 5), "report", "2", 0, minute(1)), "rearmed");
    assert_string_equal(entry(f, org(f, 5)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_int_equal(reply_element(lane_call(f, "schedules", "%s %s 100", org(f, 5), ""), 2)->elements, 3);
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s report %s %s %s missed all", org(f, 5), "", "", "")),
                        "same");
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s report %s %s %s off 1", org(f, 6), "", "", "")),
                        "changed");
    assert_string_equal(entry(f, org(f, 6)), "inf");
    assert_string_equal(answer(lane_call(f, "schedule_own", "tester %s report %s %s %s off %s", org(f, 6), "", "", "", "")),
                        "changed");
    assert_string_equal(entry(f, org(f, 6)), now_text(f));
}

/* Whoever does not know its times changes what there is; times that stay are not looked at anew. */
static void whatever_there_is_it_may_be_said_anew(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, &(struct lane_record){.type = "other", .priority = 7});
    struct bytes same = lane_record(f, &(struct lane_record){.type = "t", .priority = 7});
    make_armed(f, 1, &(struct definition){0});
    own(f, "1", "missed all");

    const redisReply *reply = lane_call(f, "schedule_own", "tester %s report %s %s %s missed %s own_parts priority own_record %b",
                                        org(f, 0), "", "", "", "", record.data, record.length);

    assert_string_equal(answer(reply), "changed");
    assert_string_equal(shown(f, org(f, 0), "own"), "priority");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    reply = lane_call(f, "schedule_own", "tester %s report %s %s %s own_parts priority own_record %b", org(f, 0), "", "", "",
                      same.data, same.length);
    assert_string_equal(answer(reply), "same"); /* in what counts of it */
    reply = lane_call(f, "schedule_own", "tester %s report %s %s %s spread_ms 5000", org(f, 0), "", "", "");
    assert_string_equal(answer(reply), "changed");
    assert_string_equal(entry(f, org(f, 0)), now_text(f)); /* its place within the spread */
}

/* As with all others, a pause comes back with what was lost, and never takes back what somebody has done since. */
static void it_may_begin_paused_by_one_of_them(void **state)
{
    struct fixture *f = *state;
    make_armed(f, 2, &(struct definition){0});
    lane_call(f, "template_change", "tester report pause");

    for (int i = 0; i < 2; i++)
        assert_string_equal(
            answer(lane_call(f, "schedule_own", "tester %s report %s %s %s paused_by ann paused_ms 7", org(f, 0), "", "", "")),
            i == 0 ? "changed" : "same");
    assert_string_equal(shown(f, org(f, 0), "own_paused_by"), "ann");
    assert_string_equal(shown(f, org(f, 0), "own_paused_ms"), "7");
    assert_string_equal(shown(f, org(f, 1), "own_paused_by"), "");
    lane_call(f, "template_change", "tester report resume");
    walk_to_the_end(f, "report");
    assert_string_equal(shown(f, org(f, 0), "paused_by"), "ann");
    assert_string_equal(shown(f, org(f, 1), "paused"), "");
    for (unsigned i = 0; i < 2; i++) { /* the second one has only ever been paused and resumed */
        lane_call(f, "schedule_pause", "tester %s report", org(f, i));
        assert_reply(lane_call(f, "schedule_resume", "tester %s report %s %lld", org(f, i), shown(f, org(f, i), "rev"),
                               (long long)minute(2)),
                     "resumed");
        assert_string_equal(
            answer(lane_call(f, "schedule_own", "tester %s report %s %s %s paused_by ann", org(f, i), "", "", "")), "same");
        assert_string_equal(shown(f, org(f, i), "paused"), "");
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_itself_is_its_own_and_the_rest_stays),
        cmocka_unit_test(of_the_record_only_the_named_parts_are_its_own),
        cmocka_unit_test(an_option_that_only_the_template_has_can_be_taken_away),
        cmocka_unit_test(off_takes_back_the_job_that_waits_and_on_goes_on_from_now),
        cmocka_unit_test(one_that_waits_for_the_job_before_is_dropped_by_off_and_a_running_one_goes_on),
        cmocka_unit_test(one_that_was_never_looked_at_can_be_changed),
        cmocka_unit_test(other_times_are_looked_at_by_a_walk_and_other_options_are_not),
        cmocka_unit_test(paused_for_all_it_misses_nothing),
        cmocka_unit_test(removed_it_goes_from_all_with_the_jobs_that_have_not_begun),
        cmocka_unit_test(a_lane_that_is_behind_gets_what_lane_0_has),
        cmocka_unit_test(what_is_told_late_undoes_nothing),
        cmocka_unit_test(a_key_of_somebody_else_is_not_in_the_way_of_the_others),
        cmocka_unit_test(what_is_out_of_range_is_refused_before_anything_is_written),
        cmocka_unit_test(there_are_at_most_64),
        cmocka_unit_test(it_may_begin_paused_and_as_a_shadow),
        cmocka_unit_test(an_organization_that_is_not_known_yet_can_say_it),
        cmocka_unit_test(whatever_there_is_it_may_be_said_anew),
        cmocka_unit_test(it_may_begin_paused_by_one_of_them),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("template_changes", tests);
}
