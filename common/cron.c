#include "common/cron.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/civil.h"
#include "common/clockface.h"
#include "common/memory.h"

#define FIELDS        6
#define SEARCH_MONTHS (CIVIL_CYCLE_YEARS * 12) /* then the calendar repeats */
#define BIT(n)        (1ULL << (n))

enum field { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY };

/* What may stand in a field. */
struct grammar {
    const char *name;
    int low, high;
    const char *const *names; /* of the values from `low` on; may be NULL */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct grammar grammars[FIELDS] = {
    [SECOND] = {"second", 0, 59, NULL},      [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},          [DAY] = {"day of month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, month_names}, [WEEKDAY] = {"day of week", 0, 7, weekday_names},
};

/* The days of a month: bit n is day n, or n days before the last one. */
struct days {
    uint64_t plain, nearest, before_last;
    bool last_weekday, unrestricted;
};

/* The days of a week: bit 0 is Sunday. */
struct weekdays {
    uint64_t plain, last, nth[6]; /* nth[2]: the second one of the month */
    bool unrestricted;
};

struct cron {
    struct clockface face;
    uint64_t months;
    struct days days;
    struct weekdays weekdays;
    bool is_elapsed;
    char *text;
};

/* ---- one element of a field ---- */

/* What is being read; `at` moves on. */
struct reader {
    const struct grammar *grammar;
    const char *element; /* for messages */
    const char *at;
    struct error *err;
};

static int refuse(const struct reader *reader, const char *why)
{
    return error_set(reader->err, ERR_INVALID, "%s \"%.40s\" %s", reader->grammar->name, reader->element, why);
}

static int refuse_value(const struct reader *reader)
{
    char why[64];

    snprintf(why, sizeof why, "is not within %d..%d%s", reader->grammar->low, reader->grammar->high,
             reader->grammar->names == month_names     ? " or jan..dec"
             : reader->grammar->names == weekday_names ? " or sun..sat"
                                                       : "");
    return refuse(reader, why);
}

static bool take(struct reader *reader, char c)
{
    if (*reader->at != c)
        return false;
    reader->at++;
    return true;
}

/* Digits; more than six are as good as 999999. */
static bool take_number(struct reader *reader, int *ret)
{
    const char *begin = reader->at;

    for (*ret = 0; isdigit((unsigned char)*reader->at); reader->at++)
        *ret = *ret > 99999 ? 999999 : *ret * 10 + (*reader->at - '0');
    return reader->at > begin;
}

static bool take_name(struct reader *reader, int *ret)
{
    const char *const *names = reader->grammar->names;

    for (int i = 0; names && names[i]; i++)
        if (strncmp(reader->at, names[i], 3) == 0) {
            reader->at += 3;
            *ret = reader->grammar->low + i;
            return true;
        }
    return false;
}

static int read_value(struct reader *reader, int *ret)
{
    if (!take_name(reader, ret) && !take_number(reader, ret))
        return refuse(reader, "is not understood");
    if (*ret < reader->grammar->low || *ret > reader->grammar->high)
        return refuse_value(reader);
    return 0;
}

/* "/5", or nothing: 1. */
static int read_step(struct reader *reader, int *ret)
{
    char why[64];

    *ret = 1;
    if (!take(reader, '/'))
        return 0;
    if (!take_number(reader, ret))
        return refuse(reader, "has no number behind its slash");
    snprintf(why, sizeof why, "has a step that is not within 1..%d", reader->grammar->high);
    return *ret < 1 || *ret > reader->grammar->high ? refuse(reader, why) : 0;
}

/* `*`, 5, 5-10, each perhaps with a step, as a set of values. */
static int read_range(struct reader *reader, uint64_t *set)
{
    const struct grammar *grammar = reader->grammar;
    int from = grammar->low, to = grammar == &grammars[WEEKDAY] ? 6 : grammar->high, step;
    bool is_open = take(reader, '*');

    if (!is_open) {
        if (read_value(reader, &from) < 0)
            return reader->err->code;
        if (take(reader, '-')) {
            if (read_value(reader, &to) < 0)
                return reader->err->code;
            if (to == 0 && from > 0 && strncmp(reader->at - 3, "sun", 3) == 0) /* mon-sun */
                to = 7;
            if (from > to)
                return refuse(reader, "is a range backwards");
        } else if (*reader->at != '/') {
            to = from;
        } else if (from > to) { /* 7/2 */
            return refuse(reader, "has nothing to step to");
        }
    }
    if (read_step(reader, &step) < 0)
        return reader->err->code;
    assert(from >= 0 && to < 64);
    for (int value = from; value <= to; value += step)
        *set |= BIT(value);
    return 0;
}

/* L, L-3, LW, 15W: false if it is none of them. */
static bool read_special_day(struct reader *reader, struct days *days, int *ret_rc)
{
    struct reader ahead = *reader;
    int day = 0;

    *ret_rc = 0;
    if (take(&ahead, 'l')) {
        if (take(&ahead, 'w'))
            days->last_weekday = true;
        else if (!take(&ahead, '-'))
            days->before_last |= BIT(0);
        else if (!take_number(&ahead, &day) || day < 1 || day > 30)
            *ret_rc = refuse(reader, "is not L, LW, or L-1..L-30");
        else
            days->before_last |= BIT(day);
    } else {
        if (!take_number(&ahead, &day) || !take(&ahead, 'w'))
            return false;
        if (day < 1 || day > 31)
            *ret_rc = refuse_value(reader);
        else
            days->nearest |= BIT(day);
    }
    reader->at = ahead.at;
    return true;
}

/* 5L, 5#2: false if it is none of them. */
static bool read_special_weekday(struct reader *reader, struct weekdays *weekdays, int *ret_rc)
{
    struct reader ahead = *reader;
    int weekday = 0, nth = 0;

    *ret_rc = 0;
    if (*ahead.at == 'l') {
        *ret_rc = refuse(reader, "names no day: the last Friday is 5L");
        return true;
    }
    if ((!take_name(&ahead, &weekday) && !take_number(&ahead, &weekday)) || (*ahead.at != 'l' && *ahead.at != '#'))
        return false;
    if (weekday > 7)
        *ret_rc = refuse_value(reader);
    else if (take(&ahead, 'l'))
        weekdays->last |= BIT(weekday % 7);
    else if (!take(&ahead, '#') || !take_number(&ahead, &nth) || nth < 1 || nth > 5)
        *ret_rc = refuse(reader, "must have 1..5 behind its #");
    else
        weekdays->nth[nth] |= BIT(weekday % 7);
    reader->at = ahead.at;
    return true;
}

static int read_element(struct cron *cron, enum field field, struct reader *reader)
{
    uint64_t *const sets[FIELDS] = {&cron->face.seconds, &cron->face.minutes, &cron->face.hours,
                                    &cron->days.plain,   &cron->months,       &cron->weekdays.plain};
    int rc = 0;

    if (!*reader->at)
        return refuse(reader, "is empty: there is a comma too many");
    if (!((field == DAY && read_special_day(reader, &cron->days, &rc)) ||
          (field == WEEKDAY && read_special_weekday(reader, &cron->weekdays, &rc))))
        rc = read_range(reader, sets[field]);
    if (rc == 0 && *reader->at)
        rc = refuse(reader, "is not understood");
    return rc;
}

/* ---- fields ---- */

/* `text` is changed. */
static int read_field(struct cron *cron, enum field field, char *text, struct error *err)
{
    int count = 0;

    if ((field == DAY || field == WEEKDAY) && strcmp(text, "?") == 0)
        text[0] = '*';
    if (field == DAY)
        cron->days.unrestricted = text[0] == '*';
    if (field == WEEKDAY)
        cron->weekdays.unrestricted = text[0] == '*';
    if (field == MINUTE && text[0] == '*')
        cron->is_elapsed = true;
    for (char *element = text, *rest = text; element; count++) {
        struct reader reader = {.grammar = &grammars[field], .err = err};
        element = strsep(&rest, ",");
        if (!element)
            break;
        if (count == CRON_LIST_MAX)
            return error_set(err, ERR_LIMIT, "%s has more than %d elements", reader.grammar->name, CRON_LIST_MAX);
        reader.element = reader.at = element;
        if (read_element(cron, field, &reader) < 0)
            return err->code;
    }
    return 0;
}

/* What stands for an @name; NULL if there is none of this name. */
static const char *find_nickname(const char *name)
{
    static const char *const nicknames[][2] = {
        {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
        {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
    };

    for (size_t i = 0; i < sizeof nicknames / sizeof *nicknames; i++)
        if (strcmp(name, nicknames[i][0]) == 0)
            return nicknames[i][1];
    return NULL;
}

/* Small letters, single spaces. Gives. */
static char *normalize(const char *text)
{
    char *normal = memory_new(strlen(text) + 1), *to = normal;

    for (; *text; text++) {
        bool is_blank = *text == ' ' || *text == '\t';
        if (is_blank && (to == normal || to[-1] == ' '))
            continue;
        *to++ = is_blank ? ' ' : (char)tolower((unsigned char)*text);
    }
    if (to > normal && to[-1] == ' ')
        to--;
    *to = '\0';
    return normal;
}

/* Fields of `text`, which is changed. */
static int read_fields(struct cron *cron, char *text, struct error *err)
{
    char *fields[FIELDS + 1] = {0}, *rest = text;
    int count = 0, first;

    while (count <= FIELDS && (fields[count] = strsep(&rest, " ")) != NULL)
        count++;
    if (count != FIELDS && count != FIELDS - 1)
        return error_set(err, ERR_INVALID,
                         "cron expression \"%.80s\" has %s%d fields: it must have 5, or 6 with seconds in front", cron->text,
                         count > FIELDS ? "more than " : "",
                         !cron->text[0]   ? 0
                         : count > FIELDS ? FIELDS
                                          : count);
    first = FIELDS - count;
    if (first > SECOND)
        cron->face.seconds = BIT(0);
    for (int i = 0; i < count; i++)
        if (read_field(cron, (enum field)(first + i), fields[i], err) < 0)
            return err->code;
    cron->weekdays.plain = (cron->weekdays.plain | cron->weekdays.plain >> 7) & 0x7f; /* 7 is Sunday, too */
    cron->is_elapsed = cron->is_elapsed || cron->face.hours == CLOCKFACE_HOURS_ALL;
    return 0;
}

static int read_text(struct cron *cron, const char *text, struct error *err)
{
    const char *nickname = NULL;
    int64_t ignored;
    char *copy;
    int rc;

    cron->text = normalize(text);
    if (cron->text[0] == '@' && !(nickname = find_nickname(cron->text)))
        return error_set(err, ERR_INVALID,
                         "cron expression \"%.40s\" must be @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually",
                         cron->text);
    copy = memory_string(nickname ? nickname : cron->text);
    rc = read_fields(cron, copy, err);
    free(copy);
    if (rc == 0 && !cron_next(cron, 0, &ignored))
        rc = error_set(err, ERR_INVALID, "cron expression \"%.80s\" is never due: no month has such a day", cron->text);
    return rc;
}

struct cron *cron_new(const char *text, struct error *err)
{
    size_t bytes = strnlen(text, CRON_BYTES_MAX + 1);
    struct cron *cron;

    if (bytes > CRON_BYTES_MAX) {
        error_set(err, ERR_LIMIT, "cron expression has more than %d bytes", CRON_BYTES_MAX);
        return NULL;
    }
    cron = memory_new(sizeof *cron);
    if (read_text(cron, text, err) == 0)
        return cron;
    cron_free(cron);
    return NULL;
}

void cron_free(struct cron *cron)
{
    if (!cron)
        return;
    free(cron->text);
    free(cron);
}

const char *cron_text(const struct cron *cron)
{
    return cron->text;
}

bool cron_is_elapsed(const struct cron *cron)
{
    return cron->is_elapsed;
}

/* ---- finding days ---- */

/* A month to look at; bit n of its sets is day n. */
struct month {
    int days, first_weekday;
    uint64_t all;
};

static struct month month_of(int year, int month)
{
    int days = civil_month_days(year, month);

    return (struct month){days, civil_weekday(civil_day(year, month, 1)), BIT(days + 1) - BIT(1)};
}

static int weekday_in(const struct month *month, int day)
{
    return (month->first_weekday + day - 1) % 7;
}

/* The weekday nearest to a day, without leaving the month. */
static int nearest_weekday(const struct month *month, int day)
{
    switch (weekday_in(month, day)) {
    case 6: return day > 1 ? day - 1 : day + 2;
    case 0: return day < month->days ? day + 1 : day - 2;
    default: return day;
    }
}

static uint64_t match_days(const struct days *days, const struct month *month)
{
    uint64_t due = days->plain;

    for (int day = 1; day <= month->days; day++) {
        if (days->before_last >> (month->days - day) & 1)
            due |= BIT(day);
        if (days->nearest >> day & 1)
            due |= BIT(nearest_weekday(month, day));
    }
    if (days->last_weekday)
        due |= BIT(nearest_weekday(month, month->days));
    return due & month->all;
}

static uint64_t match_weekdays(const struct weekdays *weekdays, const struct month *month)
{
    uint64_t due = 0;

    for (int day = 1; day <= month->days; day++) {
        uint64_t set = weekdays->plain | weekdays->nth[(day + 6) / 7] | (day + 7 > month->days ? weekdays->last : 0);
        if (set >> weekday_in(month, day) & 1)
            due |= BIT(day);
    }
    return due;
}

/* The days of a month that are due. */
static uint64_t days_due(const struct cron *cron, int year, int month)
{
    struct month which;
    uint64_t days, weekdays;

    if (!(cron->months >> month & 1))
        return 0;
    which = month_of(year, month);
    days = match_days(&cron->days, &which);
    weekdays = match_weekdays(&cron->weekdays, &which);
    return cron->days.unrestricted || cron->weekdays.unrestricted ? days & weekdays : days | weekdays;
}

bool cron_next(const struct cron *cron, int64_t from_s, int64_t *ret_local_s)
{
    int64_t today = civil_floor(from_s, CIVIL_DAY_S), in_day;
    struct date date = civil_date(today);
    uint64_t due = days_due(cron, date.year, date.month);

    if (due >> date.day & 1 && clockface_next(&cron->face, from_s - today * CIVIL_DAY_S, &in_day)) {
        *ret_local_s = today * CIVIL_DAY_S + in_day;
        return today <= CIVIL_DAY_MAX;
    }
    due &= ~(BIT(date.day + 1) - 1);
    for (int i = 0; !due && i <= SEARCH_MONTHS; i++) {
        date.year += date.month == 12;
        date.month = date.month % 12 + 1;
        due = days_due(cron, date.year, date.month);
    }
    if (!due || date.year > CIVIL_YEAR_MAX || !clockface_next(&cron->face, 0, &in_day))
        return false;
    *ret_local_s = civil_day(date.year, date.month, __builtin_ctzll(due)) * CIVIL_DAY_S + in_day;
    return true;
}
