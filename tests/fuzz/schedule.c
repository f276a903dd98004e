/* schedule - a line is read as a schedule, or refused with a reason; what was read can be written as a line and read again. */
#include <stdlib.h>
#include <string.h>

#include "common/schedule_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct schedule_entry entry, again;
    struct buffer text = {0}, again_text = {0};
    struct error err = {0};

    if (schedule_entry_parse(&entry, (const char *)data, bytes, &err) < 0) {
        require(err.code < 0 && err.message[0] && strlen(err.message) < sizeof err.message);
        return 0;
    }
    require(schedule_entry_format(&text, entry.org, &entry.schedule, true, &err) == 0); /* from JSON it came */
    require(!strchr(text.data, '\n') && text.length <= SCHEDULE_LINE_BYTES_MAX);
    require(schedule_entry_parse(&again, text.data, text.length, &err) == 0);
    require(schedule_entry_format(&again_text, again.org, &again.schedule, true, &err) == 0);
    require(strcmp(text.data, again_text.data) == 0);
    require(entry.schedule.record_bytes == again.schedule.record_bytes &&
            memcmp(entry.schedule.record, again.schedule.record, again.schedule.record_bytes) == 0);
    buffer_clear(&text);
    buffer_clear(&again_text);
    schedule_entry_clear(&entry);
    schedule_entry_clear(&again);
    return 0;
}
