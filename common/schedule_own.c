#include "common/schedule_own.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/call.h"
#include "common/schedule.h"

/* What there is to say, and the members that say it. */
static const struct own_word {
    const char *word, *members[7];
    bool is_part;     /* of the record */
    bool may_be_none; /* its members may be null */
} words[] = {
    {"recurrence", {"cron", "every", "rrule", "at", "tz", "start"}, false, false},
    {"missed", {"missed"}, false, false},
    {"window_ms", {"window"}, false, false},
    {"overlap", {"overlap"}, false, false},
    {"spread_ms", {"spread"}, false, true},
    {"from_ms", {"from"}, false, true},
    {"until_ms", {"until"}, false, true},
    {"type", {"type"}, true, false},
    {"payload", {"payload", "payload_b64"}, true, false},
    {"queue", {"queue"}, true, true},
    {"priority", {"priority"}, true, true},
    {"timeout_ms", {"timeout_ms"}, true, true},
    {"max_attempts", {"max_attempts"}, true, true},
    {"limit", {"limit"}, true, true},
    {"headers", {"headers"}, true, true},
};
#define WORDS (sizeof words / sizeof *words)

bool schedule_own_has_word(const char *list, char separator, const char *word)
{
    size_t bytes = strlen(word);
    const char separators[] = {separator, '\0'};

    for (const char *at = list; at && *at; at += strcspn(at, separators), at += *at == separator)
        if (strncmp(at, word, bytes) == 0 && (at[bytes] == separator || at[bytes] == '\0'))
            return true;
    return false;
}

bool schedule_own_may_be_none(const char *member)
{
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].may_be_none && strcmp(words[i].members[0], member) == 0)
            return true;
    return false;
}

static bool names(const json_t *line, const struct own_word *word)
{
    for (size_t i = 0; word->members[i]; i++)
        if (json_object_get(line, word->members[i]))
            return true;
    return false;
}

static void add_word(struct buffer *list, const char *word)
{
    buffer_add_format(list, "%s%s", list->length > 0 ? " " : "", word);
}

void schedule_own_read(struct schedule *schedule, const json_t *line)
{
    struct buffer own = {0}, parts = {0};

    for (size_t i = 0; i < WORDS; i++) {
        if (!names(line, &words[i]))
            continue;
        add_word(&own, words[i].word);
        if (words[i].is_part)
            add_word(&parts, words[i].word);
    }
    free(schedule->own);
    free(schedule->own_parts);
    schedule->own = own.length > 0 ? buffer_give(&own) : NULL;
    schedule->own_parts = parts.length > 0 ? buffer_give(&parts) : NULL;
}

void schedule_own_pick(json_t *object, const struct schedule *schedule, const json_t *line)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (!schedule_own_has_word(schedule->own, ' ', words[i].word))
            continue;
        for (size_t at = 0; words[i].members[at]; at++) {
            json_t *value = json_object_get(line, words[i].members[at]);
            if (value)
                json_object_set(object, words[i].members[at], value);
        }
        if (words[i].may_be_none && !json_object_get(line, words[i].members[0]))
            json_object_set_new(object, words[i].members[0], json_null());
    }
}

void schedule_own_add(const struct schedule *schedule, struct call *call)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (words[i].is_part)
            continue;
        if (schedule_own_has_word(schedule->own, ' ', words[i].word)) {
            schedule_add_field(schedule, words[i].word, call);
        } else {
            call_add_string(call, words[i].word);
            call_add_string(call, "");
        }
    }
    call_add_string(call, "own_parts");
    call_add_string(call, schedule->own_parts ? schedule->own_parts : "");
    call_add_string(call, "own_record");
    call_add(call, schedule->record, schedule->own_parts ? schedule->record_bytes : 0);
    call_add_string(call, "off");
    call_add_string(call, schedule->off ? "1" : "");
    if (schedule->own_paused_by) {
        call_add_string(call, "paused_by");
        call_add_string(call, schedule->own_paused_by);
        call_add_string(call, "paused_ms");
        call_add_int(call, schedule->own_paused_ms);
    }
}

bool schedule_own_says(const struct schedule *schedule)
{
    return schedule->off || (schedule->own && schedule->own[0]) || schedule->own_paused_by;
}
