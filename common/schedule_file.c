#include "common/schedule_file.h"

#include <glib.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_member.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/zone.h"

#include <uthash.h>

#define END_BEGINS   "{\"end\":true,"
#define SHA256_CHARS 64
#define ZONES_KEPT   64

struct known {
    UT_hash_handle hh;
    size_t line;
    char name[]; /* as schedule_spoken */
};

struct schedule_file {
    GChecksum *sum;
    struct known *known;
    struct zone *zones[ZONES_KEPT]; /* that lines name: to read the data of a zone for each line would take most of the time */
    size_t zone_count, lines, count;
    bool ended;
};

struct schedule_file *schedule_file_new(void)
{
    struct schedule_file *file = memory_new(sizeof *file);

    file->sum = g_checksum_new(G_CHECKSUM_SHA256);
    return file;
}

void schedule_file_free(struct schedule_file *file)
{
    struct known *known, *next;

    if (!file)
        return;
    while (file->zone_count > 0)
        zone_free(file->zones[--file->zone_count]);
    known = file->known;
    HASH_CLEAR(hh, file->known); /* the list of what was in it stays */
    for (; known; known = next) {
        next = known->hh.next;
        free(known);
    }
    g_checksum_free(file->sum);
    free(file);
}

/* The sum so far; more may follow. */
static void read_sum(const struct schedule_file *file, char ret[SHA256_CHARS + 1])
{
    GChecksum *copy = g_checksum_copy(file->sum);

    memcpy(ret, g_checksum_get_string(copy), SHA256_CHARS + 1);
    g_checksum_free(copy);
}

static int check_end(const struct schedule_file *file, const json_t *object, struct error *err)
{
    char sum[SHA256_CHARS + 1], said[SHA256_CHARS + 1];
    int64_t count;

    if (json_object_size(object) != 3)
        return error_set(err, ERR_INVALID, "the last line must have \"end\", \"schedules\" and \"sha256\", nothing else");
    if (json_member_integer(json_object_get(object, "schedules"), "schedules", 0, 1LL << 40, &count, err) < 0 ||
        json_member_copy(json_object_get(object, "sha256"), "sha256", said, sizeof said, err) < 0)
        return err->code;
    if ((size_t)count != file->count)
        return error_set(err, ERR_INVALID, "the file has %zu schedules, its last line says %lld: it is not whole", file->count,
                         (long long)count);
    read_sum(file, sum);
    if (strcmp(sum, said) != 0)
        return error_set(err, ERR_INVALID,
                         "the file was changed since it was written: sha256 of the lines before is %.12s..., the last line says "
                         "%.12s... (take the last line out of a file that was changed on purpose)",
                         sum, said);
    return 0;
}

static int read_end(struct schedule_file *file, const char *line, size_t bytes, struct error *err)
{
    json_error_t where;
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &where);
    int rc = json_is_object(object) ? check_end(file, object, err) : error_set(err, ERR_INVALID, "%s", where.text);

    json_decref(object);
    file->ended = true;
    return rc;
}

/* GLib reads the data of a zone once, as long as somebody has it. */
static void keep_zone(struct schedule_file *file, const struct schedule_entry *entry)
{
    const char *name = entry->recurrence ? zone_name(recurrence_zone(entry->recurrence)) : NULL;
    struct error ignored;

    if (!name)
        return;
    for (size_t i = 0; i < file->zone_count; i++)
        if (strcmp(zone_name(file->zones[i]), name) == 0)
            return;
    if (file->zone_count < ZONES_KEPT && (file->zones[file->zone_count] = zone_new(name, &ignored)))
        file->zone_count++;
}

static int add_known(struct schedule_file *file, const struct schedule_entry *entry, struct error *err)
{
    char name[SCHEDULE_SPOKEN_BYTES];
    size_t bytes = strlen(schedule_spoken(name, entry->org, entry->schedule.name));
    struct known *known = memory_new(sizeof *known + bytes + 1), *other;

    memcpy(known->name, name, bytes + 1);
    known->line = file->lines;
    HASH_FIND(hh, file->known, known->name, bytes, other);
    if (other) {
        error_set(err, ERR_INVALID, "schedule %s is there twice, first in line %zu", known->name, other->line);
        free(known);
        return err->code;
    }
    HASH_ADD_KEYPTR(hh, file->known, known->name, bytes, known);
    return 0;
}

int schedule_file_read(struct schedule_file *file, const char *line, size_t bytes, struct schedule_entry *ret, struct error *err)
{
    size_t spaces = 0;
    int rc = 0;

    file->lines++;
    while (spaces < bytes && strchr(" \t\r", line[spaces]))
        spaces++;
    if (bytes >= strlen(END_BEGINS) && memcmp(line, END_BEGINS, strlen(END_BEGINS)) == 0 && !file->ended)
        return read_end(file, line, bytes, err);
    if (spaces < bytes && file->ended)
        return error_set(err, ERR_INVALID, "there is more behind the line that ends the file");
    if (spaces < bytes && line[spaces] != '#') {
        if (schedule_entry_parse(ret, line, bytes, err) < 0)
            return err->code;
        if (add_known(file, ret, err) < 0) {
            schedule_entry_clear(ret);
            return err->code;
        }
        keep_zone(file, ret);
        file->count++;
        rc = 1;
    }
    g_checksum_update(file->sum, (const guchar *)line, (gssize)bytes);
    g_checksum_update(file->sum, (const guchar *)"\n", 1);
    return rc;
}

int schedule_file_end(const struct schedule_file *file, bool strict, struct error *err)
{
    if (strict && !file->ended)
        return error_set(err, ERR_INVALID,
                         "the line that ends the file is missing: it is not whole, or was not written by rota schedule export");
    return 0;
}

void schedule_file_written(struct schedule_file *file, const char *line, size_t bytes)
{
    file->count++;
    g_checksum_update(file->sum, (const guchar *)line, (gssize)bytes);
}

void schedule_file_add_end(struct schedule_file *file, struct buffer *out)
{
    char sum[SHA256_CHARS + 1];

    read_sum(file, sum);
    buffer_add_format(out, END_BEGINS "\"schedules\":%zu,\"sha256\":\"%s\"}\n", file->count, sum);
}

size_t schedule_file_count(const struct schedule_file *file)
{
    return file->count;
}
