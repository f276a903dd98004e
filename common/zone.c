#include "common/zone.h"

#include <assert.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/civil.h"
#include "common/memory.h"
#include "common/nearest.h"

#define FOLDER        "/usr/share/zoneinfo"
#define SHIFT_S_MAX   (26 * 3600) /* no two clocks of the world have ever been further apart */
#define CYCLE_S       (CIVIL_CYCLE_DAYS * CIVIL_DAY_S)
#define FOLD_AFTER_S  19880899200LL /* 2600-01-01 */
#define CHANGES_MAX   8             /* of a zone within two days; one in practice */
#define NAME_WORDS    3
#define TAB_BYTES_MAX 256

struct zone {
    GTimeZone *data;
    char name[ZONE_NAME_BYTES_MAX + 1];
};

/* ---- names ---- */

static const char *zone_folder(void)
{
    const char *folder = getenv("TZDIR"); /* as GLib does */

    return folder ? folder : FOLDER;
}

/* The grammar of the header: whatever passes names a file below the folder, or none. */
static bool is_name(const char *name)
{
    static const char *const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    int words = 0;

    if (strlen(name) > ZONE_NAME_BYTES_MAX)
        return false;
    for (const char *at = name;; at++) {
        if (!*at || !strchr(letters, *at) || ++words > NAME_WORDS)
            return false;
        at += strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-");
        if (!*at)
            return true;
        if (*at != '/')
            return false;
    }
}

/* GLib takes texts such as "Z" and "ABC5" for zones, too, and complains loudly about other files. */
static bool has_data(const char *name)
{
    char path[4096], magic[4] = "";
    int fd;
    ssize_t bytes;

    snprintf(path, sizeof path, "%s/%s", zone_folder(), name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    bytes = read(fd, magic, sizeof magic);
    close(fd);
    return bytes == sizeof magic && memcmp(magic, "TZif", sizeof magic) == 0;
}

/* The nearest name that people use: the third column of zone.tab, which names the zones of all countries. */
static const char *suggest(const char *name, char ret_hint[NEAREST_HINT_BYTES])
{
    struct nearest nearest = {.word = name};
    char path[4096], line[TAB_BYTES_MAX], known[ZONE_NAME_BYTES_MAX + 1];
    FILE *file;

    snprintf(path, sizeof path, "%s/zone.tab", zone_folder());
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (line[0] != '#' && sscanf(line, "%*s %*s %63s", known) == 1)
            nearest_offer(&nearest, known);
    if (file)
        fclose(file);
    return nearest_hint(&nearest, ret_hint);
}

struct zone *zone_new(const char *name, struct error *err)
{
    char hint[NEAREST_HINT_BYTES];
    struct zone *zone;
    GTimeZone *data;

    if (!is_name(name)) {
        error_set(err, ERR_INVALID, "time zone \"%.80s\" must be a name such as Europe/Zurich, of at most %d bytes", name,
                  ZONE_NAME_BYTES_MAX);
        return NULL;
    }
    data = has_data(name) ? g_time_zone_new_identifier(name) : NULL;
    if (!data) {
        error_set(err, ERR_INVALID, "time zone \"%s\" is not known here%s", name, suggest(name, hint));
        return NULL;
    }
    zone = memory_new(sizeof *zone);
    zone->data = data;
    memcpy(zone->name, name, strlen(name) + 1);
    return zone;
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    g_time_zone_unref(zone->data);
    free(zone);
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

/* ---- times ---- */

/* GLib knows no changes after the year 2999. The calendar repeats, and with it the rules: what to take off a time to find it
 * among the years that are known. */
static int64_t fold(int64_t time_s)
{
    return time_s < FOLD_AFTER_S ? 0 : ((time_s - FOLD_AFTER_S) / CYCLE_S + 1) * CYCLE_S;
}

/* Between two changes lies an interval: their numbers. */
static int interval_at(const struct zone *zone, int64_t utc_s)
{
    return g_time_zone_find_interval(zone->data, G_TIME_TYPE_UNIVERSAL, utc_s);
}

static int64_t offset_in(const struct zone *zone, int interval)
{
    return g_time_zone_get_offset(zone->data, interval);
}

int64_t zone_offset_s(const struct zone *zone, int64_t utc_s)
{
    return offset_in(zone, interval_at(zone, utc_s - fold(utc_s)));
}

/* The first moment in (low, high] that lies behind `interval`. */
static int64_t interval_end(const struct zone *zone, int interval, int64_t low_s, int64_t high_s)
{
    while (high_s - low_s > 1) {
        int64_t middle_s = low_s + (high_s - low_s) / 2;
        if (interval_at(zone, middle_s) > interval)
            high_s = middle_s;
        else
            low_s = middle_s;
    }
    return high_s;
}

int64_t zone_change_after(const struct zone *zone, int64_t utc_s, int64_t limit_s)
{
    int64_t folded_s = fold(utc_s), from_s = utc_s - folded_s, to_s = limit_s - folded_s;
    int interval = interval_at(zone, from_s);

    if (to_s > from_s + CYCLE_S) /* a zone that has no change in so long has none any more */
        to_s = from_s + CYCLE_S;
    if (to_s <= from_s || interval_at(zone, to_s) == interval)
        return INT64_MAX;
    return interval_end(zone, interval, from_s, to_s) + folded_s;
}

/* The intervals around a local time: each is asked whether it has that time on its clock. */
struct zone_moment zone_resolve(const struct zone *zone, int64_t local_s)
{
    struct zone_moment moment = {ZONE_GAP, 0, 0};
    int64_t folded_s = fold(local_s), middle_s = local_s - folded_s;
    int64_t low_s = middle_s - SHIFT_S_MAX, high_s = middle_s + SHIFT_S_MAX;
    int first = interval_at(zone, low_s), last = interval_at(zone, high_s), found = 0;

    assert(last - first < CHANGES_MAX);
    for (int i = first; i <= last; i++) {
        int64_t utc_s = middle_s - offset_in(zone, i);
        if (interval_at(zone, utc_s) != i)
            continue;
        if (found == 0 || utc_s < moment.first_s)
            moment.first_s = utc_s;
        if (found == 0 || utc_s > moment.last_s)
            moment.last_s = utc_s;
        found++;
    }
    if (found > 0)
        moment.fit = found == 1 ? ZONE_ONCE : ZONE_TWICE;
    for (int i = first; i < last && found == 0; i++) {
        int64_t end_s = interval_end(zone, i, low_s, high_s);
        if (middle_s >= end_s + offset_in(zone, i) && middle_s < end_s + offset_in(zone, i + 1))
            moment.first_s = moment.last_s = end_s;
    }
    moment.first_s += folded_s;
    moment.last_s += folded_s;
    return moment;
}
