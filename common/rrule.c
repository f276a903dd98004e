#include "common/rrule.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/civil.h"
#include "common/clockface.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "common/zone.h"

#define SEARCH_DAYS     CIVIL_CYCLE_DAYS
#define PERIOD_DAYS_MAX 366
#define PART_BYTES_MAX  16

enum frequency { YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, FREQUENCIES };

/* The lists of a rule. */
enum part { BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND, BYSETPOS, PARTS };

struct list {
    int16_t values[RRULE_LIST_MAX]; /* BYDAY: the weekday (0 is Sunday), in `nth` which one of them; 0 is each */
    int8_t nth[RRULE_LIST_MAX];
    int count;
};

struct rrule {
    enum frequency frequency;
    int64_t interval, count; /* count 0: none */
    int week_start;          /* 0 is Sunday */
    struct list parts[PARTS];
    struct clockface face;
    int64_t start_s;     /* local */
    int64_t start_utc_s; /* of the hour of the start: HOURLY counts from here */
    int64_t until_s;     /* local; also what COUNT came to */
    int64_t until_utc_s;
    char *text;
};

static const char *const frequency_names[FREQUENCIES] = {"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"};
static const char *const weekday_names[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

/* Values are low..high; `signed_too`: also -high..-low, counted from the end. `with` has the frequencies that a part goes with.
 */
static const struct {
    const char *name;
    int low, high;
    bool signed_too;
    unsigned with;
} grammars[PARTS] = {
    [BYMONTH] = {"BYMONTH", 1, 12, false, ~0U},
    [BYWEEKNO] = {"BYWEEKNO", 1, 53, true, 1U << YEARLY},
    [BYYEARDAY] = {"BYYEARDAY", 1, 366, true, 1U << YEARLY | 1U << HOURLY},
    [BYMONTHDAY] = {"BYMONTHDAY", 1, 31, true, ~(1U << WEEKLY)},
    [BYDAY] = {"BYDAY", 1, 53, true, ~0U},
    [BYHOUR] = {"BYHOUR", 0, 23, false, ~0U},
    [BYMINUTE] = {"BYMINUTE", 0, 59, false, ~0U},
    [BYSECOND] = {"BYSECOND", 0, 59, false, ~0U},
    [BYSETPOS] = {"BYSETPOS", 1, 366, true, ~(1U << HOURLY)},
};

/* ---- reading: values ---- */

/* An optional sign and up to five digits; `at` moves on. */
static bool take_number(const char **at, int *ret)
{
    const char *begin = *at + (**at == '-' || **at == '+');
    bool negative = **at == '-';
    int digits = 0;

    for (*ret = 0, *at = begin; isdigit((unsigned char)**at) && digits < 6; (*at)++, digits++)
        *ret = *ret * 10 + (**at - '0');
    *ret = negative ? -*ret : *ret;
    return digits >= 1 && digits <= 5;
}

static int refuse_value(enum part part, const char *value, struct error *err)
{
    const char *sign = grammars[part].signed_too ? " or their negatives" : "";

    return error_set(err, ERR_INVALID, "%s \"%.40s\" must be within %d..%d%s%s", grammars[part].name, value, grammars[part].low,
                     grammars[part].high, sign, part == BYDAY ? ", if at all, and a day of MO,TU,WE,TH,FR,SA,SU" : "");
}

static bool is_within(enum part part, int value)
{
    int size = grammars[part].signed_too ? abs(value) : value;

    return size >= grammars[part].low && size <= grammars[part].high;
}

static int find_weekday(const char *name)
{
    for (int i = 0; i < 7; i++)
        if (strcmp(name, weekday_names[i]) == 0)
            return i;
    return -1;
}

static int read_element(struct rrule *rule, enum part part, const char *text, struct error *err)
{
    struct list *list = &rule->parts[part];
    const char *at = text;
    int number = 0;

    if (list->count == RRULE_LIST_MAX)
        return error_set(err, ERR_LIMIT, "%s has more than %d elements", grammars[part].name, RRULE_LIST_MAX);
    if (part == BYDAY) {
        if (!isalpha((unsigned char)*at) && (!take_number(&at, &number) || !is_within(part, number)))
            return refuse_value(part, text, err);
        list->nth[list->count] = (int8_t)number;
        number = find_weekday(at);
        if (number < 0)
            return refuse_value(part, text, err);
    } else if (!take_number(&at, &number) || *at || !is_within(part, number)) {
        return refuse_value(part, text, err);
    }
    list->values[list->count++] = (int16_t)number;
    return 0;
}

static int read_list(struct rrule *rule, enum part part, char *text, struct error *err)
{
    for (char *element; (element = strsep(&text, ",")) != NULL;)
        if (read_element(rule, part, element, err) < 0)
            return err->code;
    return 0;
}

static int read_count(const char *name, const char *text, int64_t high, int64_t *ret, struct error *err)
{
    const char *at = text;
    int number = 0;

    if (!isdigit((unsigned char)*at) || !take_number(&at, &number) || *at || number < 1 || number > high)
        return error_set(err, ERR_INVALID, "%s \"%.40s\" must be within 1..%lld", name, text, (long long)high);
    *ret = number;
    return 0;
}

static int read_until(struct rrule *rule, const char *text, struct error *err)
{
    char copy[32] = "";
    size_t length = strlen(text);
    bool is_utc = length > 0 && length < sizeof copy - 8 && text[length - 1] == 'Z';
    int64_t until_s = 0;

    if (length < sizeof copy - 8)
        snprintf(copy, sizeof copy, "%.*s%s", (int)(length - is_utc), text, length == 8 ? "T235959" : "");
    if (!civil_parse(&until_s, copy))
        return error_set(err, ERR_INVALID,
                         "UNTIL \"%.40s\" must be a time of 1970..9999 as in 20301231T235959, perhaps with Z, or a date", text);
    *(is_utc ? &rule->until_utc_s : &rule->until_s) = until_s;
    return 0;
}

static int read_frequency(struct rrule *rule, const char *text, struct error *err)
{
    for (int i = 0; i < FREQUENCIES; i++)
        if (strcmp(text, frequency_names[i]) == 0) {
            rule->frequency = (enum frequency)i;
            return 0;
        }
    if (strcmp(text, "MINUTELY") == 0 || strcmp(text, "SECONDLY") == 0)
        return error_set(err, ERR_INVALID, "FREQ=%s is too fine for a rule: HOURLY is the finest, use cron or every", text);
    return error_set(err, ERR_INVALID, "FREQ \"%.40s\" must be YEARLY, MONTHLY, WEEKLY, DAILY or HOURLY", text);
}

/* ---- reading: parts ---- */

/* All names, in the order of the bits of what was seen. */
static const char *const names[] = {"BYMONTH",  "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE",
                                    "BYSECOND", "BYSETPOS", "FREQ",      "INTERVAL",   "COUNT", "UNTIL",  "WKST"};
enum { FREQ = PARTS, INTERVAL, COUNT, UNTIL, WKST, NAMES };

static int find_name(const char *name, struct error *err)
{
    struct nearest nearest = {.word = name};
    char hint[NEAREST_HINT_BYTES];

    for (int i = 0; i < NAMES; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
        nearest_offer(&nearest, names[i]);
    }
    return error_set(err, ERR_INVALID, "rule has an unknown part \"%.40s\"%s", name, nearest_hint(&nearest, hint));
}

/* "BYDAY=MO,TU"; `text` is changed. */
static int read_part(struct rrule *rule, char *text, unsigned *seen, struct error *err)
{
    char *value = strchr(text, '=');
    int name;

    if (!value)
        return error_set(err, ERR_INVALID, "rule has a part \"%.40s\" without \"=\"", text);
    *value++ = '\0';
    name = find_name(text, err);
    if (name < 0)
        return name;
    if (*seen >> name & 1)
        return error_set(err, ERR_INVALID, "rule has %s twice", text);
    *seen |= 1U << name;
    switch (name) {
    case FREQ: return read_frequency(rule, value, err);
    case INTERVAL: return read_count("INTERVAL", value, RRULE_INTERVAL_MAX, &rule->interval, err);
    case COUNT: return read_count("COUNT", value, RRULE_COUNT_MAX, &rule->count, err);
    case UNTIL: return read_until(rule, value, err);
    case WKST:
        rule->week_start = find_weekday(value);
        return rule->week_start < 0 ? error_set(err, ERR_INVALID, "WKST \"%.40s\" must be one of MO,TU,WE,TH,FR,SA,SU", value)
                                    : 0;
    default: return read_list(rule, (enum part)name, value, err);
    }
}

static int check_parts(const struct rrule *rule, unsigned seen, struct error *err)
{
    const struct list *days = &rule->parts[BYDAY];

    if (!(seen >> FREQ & 1))
        return error_set(err, ERR_INVALID, "rule \"%.80s\" has no FREQ", rule->text);
    if (seen >> COUNT & 1 && seen >> UNTIL & 1)
        return error_set(err, ERR_INVALID, "rule has both COUNT and UNTIL: one of them ends it");
    for (int part = 0; part < PARTS; part++)
        if (rule->parts[part].count > 0 && !(grammars[part].with >> rule->frequency & 1))
            return error_set(err, ERR_INVALID, "%s does not go with FREQ=%s", grammars[part].name,
                             frequency_names[rule->frequency]);
    if ((seen & ((1U << BYSETPOS) - 1)) == 0 && rule->parts[BYSETPOS].count > 0)
        return error_set(err, ERR_INVALID, "BYSETPOS needs another part beginning with BY to choose from");
    for (int i = 0; i < days->count; i++)
        if (days->nth[i] && (rule->frequency > MONTHLY || rule->parts[BYWEEKNO].count > 0))
            return error_set(err, ERR_INVALID,
                             "BYDAY \"%d%s\" has a number, which goes with MONTHLY and YEARLY without BYWEEKNO only",
                             days->nth[i], weekday_names[days->values[i]]);
    return 0;
}

/* ---- what a rule takes from its start ---- */

static void fill(struct rrule *rule, enum part part, int value)
{
    struct list *list = &rule->parts[part];

    if (list->count == 0)
        list->values[list->count++] = (int16_t)value;
}

static void fill_days(struct rrule *rule, const struct date *start, int weekday)
{
    const struct list *parts = rule->parts;
    bool has_day = parts[BYYEARDAY].count || parts[BYMONTHDAY].count || parts[BYDAY].count;

    if (rule->frequency == WEEKLY) {
        fill(rule, BYDAY, weekday);
    } else if (rule->frequency == YEARLY && parts[BYWEEKNO].count && !has_day) {
        fill(rule, BYDAY, weekday);
    } else if (rule->frequency <= MONTHLY && !has_day) {
        if (rule->frequency == YEARLY)
            fill(rule, BYMONTH, start->month);
        fill(rule, BYMONTHDAY, start->day);
    }
}

static uint64_t set_of(const struct list *list)
{
    uint64_t set = 0;

    for (int i = 0; i < list->count; i++)
        set |= 1ULL << list->values[i];
    return set;
}

static void fill_from_start(struct rrule *rule)
{
    int64_t day = civil_floor(rule->start_s, CIVIL_DAY_S);
    struct date date = civil_date(day);
    int in_day = (int)(rule->start_s - day * CIVIL_DAY_S);

    fill_days(rule, &date, civil_weekday(day));
    if (rule->frequency != HOURLY)
        fill(rule, BYHOUR, in_day / 3600);
    fill(rule, BYMINUTE, in_day / 60 % 60);
    fill(rule, BYSECOND, in_day % 60);
    rule->face = (struct clockface){.hours = rule->parts[BYHOUR].count ? set_of(&rule->parts[BYHOUR]) : CLOCKFACE_HOURS_ALL,
                                    .minutes = set_of(&rule->parts[BYMINUTE]),
                                    .seconds = set_of(&rule->parts[BYSECOND])};
}

/* ---- which days match ---- */

static bool has(const struct list *list, int value)
{
    for (int i = 0; i < list->count; i++)
        if (list->values[i] == value)
            return true;
    return false;
}

/* Also counted from the end, of `size`. */
static bool has_either(const struct list *list, int value, int size)
{
    return list->count == 0 || has(list, value) || has(list, value - size - 1);
}

/* The week of a day, as ISO 8601 counts but for the first day of weeks: the first one has at least four days in the year. */
static void find_week(int64_t day, int week_start, int *ret_week, int *ret_weeks)
{
    int64_t first = day - (civil_weekday(day) - week_start + 7) % 7; /* of its week */
    int year = civil_date(first + 3).year;                           /* to which the week belongs */
    int64_t ends[2];

    for (int i = 0; i < 2; i++) { /* the first days of week 1 of this year and of the next one */
        int64_t fourth = civil_day(year + i, 1, 4);
        ends[i] = fourth - (civil_weekday(fourth) - week_start + 7) % 7;
    }
    *ret_week = (int)((first - ends[0]) / 7) + 1;
    *ret_weeks = (int)((ends[1] - ends[0]) / 7);
}

static bool match_week(const struct rrule *rule, int64_t day)
{
    int week, weeks;

    if (rule->parts[BYWEEKNO].count == 0)
        return true;
    find_week(day, rule->week_start, &week, &weeks);
    return has_either(&rule->parts[BYWEEKNO], week, weeks);
}

/* `in_span` is the number of the day in the month or year that BYDAY counts in, from 1, `span` its days. */
static bool match_weekday(const struct rrule *rule, int weekday, int in_span, int span)
{
    const struct list *list = &rule->parts[BYDAY];

    for (int i = 0; i < list->count; i++)
        if (list->values[i] == weekday &&
            (list->nth[i] == 0 || list->nth[i] == (in_span + 6) / 7 || list->nth[i] == -((span - in_span + 7) / 7)))
            return true;
    return list->count == 0;
}

static bool match_day(const struct rrule *rule, int64_t day, const struct date *date)
{
    bool in_month = rule->frequency != YEARLY || rule->parts[BYMONTH].count > 0;
    int month_days = civil_month_days(date->year, date->month), year_days = civil_year_days(date->year);
    int in_year = (int)(day - civil_day(date->year, 1, 1)) + 1;

    return (rule->parts[BYMONTH].count == 0 || has(&rule->parts[BYMONTH], date->month)) &&
           has_either(&rule->parts[BYMONTHDAY], date->day, month_days) &&
           match_weekday(rule, civil_weekday(day), in_month ? date->day : in_year, in_month ? month_days : year_days) &&
           has_either(&rule->parts[BYYEARDAY], in_year, year_days) && match_week(rule, day);
}

/* ---- periods: what an INTERVAL counts ---- */

/* The number of the period that a day is in. */
static int64_t period_of(const struct rrule *rule, int64_t day)
{
    struct date date;

    switch (rule->frequency) {
    case DAILY: return day;
    case WEEKLY: return civil_floor(day + 4 - rule->week_start, 7);
    default: break;
    }
    date = civil_date(day);
    return rule->frequency == MONTHLY ? date.year * 12LL + date.month - 1 : date.year;
}

static int64_t first_day_of(const struct rrule *rule, int64_t period)
{
    switch (rule->frequency) {
    case DAILY: return period;
    case WEEKLY: return period * 7 - 4 + rule->week_start;
    case MONTHLY: return civil_day((int)(period / 12), (int)(period % 12) + 1, 1);
    default: return civil_day((int)period, 1, 1);
    }
}

/* The first period from `period` on that counts. */
static int64_t align(const struct rrule *rule, int64_t period)
{
    int64_t start = period_of(rule, civil_floor(rule->start_s, CIVIL_DAY_S));

    if (period <= start)
        return start;
    return start + (period - start + rule->interval - 1) / rule->interval * rule->interval;
}

/* The days of a period that match, at most PERIOD_DAYS_MAX; their number. */
static int days_of(const struct rrule *rule, int64_t period, int64_t *ret_days)
{
    int64_t end = first_day_of(rule, period + 1);
    int count = 0;

    for (int64_t day = first_day_of(rule, period); day < end; day++) {
        struct date date = civil_date(day);
        if (match_day(rule, day, &date))
            ret_days[count++] = day;
    }
    return count;
}

/* The first time from `from_s` on of those that BYSETPOS chooses among all times of the period. */
static bool next_chosen(const struct rrule *rule, const int64_t *days, int count, int64_t from_s, int64_t *ret_local_s)
{
    const struct list *positions = &rule->parts[BYSETPOS];
    int64_t in_day = clockface_count(&rule->face), all = count * in_day, best_s = INT64_MAX;

    for (int i = 0; i < positions->count; i++) {
        int64_t index = positions->values[i] > 0 ? positions->values[i] - 1 : all + positions->values[i], time_s;
        if (index < 0 || index >= all)
            continue;
        time_s = days[index / in_day] * CIVIL_DAY_S + clockface_at(&rule->face, index % in_day);
        if (time_s >= from_s && time_s < best_s)
            best_s = time_s;
    }
    *ret_local_s = best_s;
    return best_s < INT64_MAX;
}

static bool next_in_period(const struct rrule *rule, int64_t period, int64_t from_s, int64_t *ret_local_s)
{
    int64_t days[PERIOD_DAYS_MAX], in_day;
    int count = days_of(rule, period, days);

    if (rule->parts[BYSETPOS].count > 0)
        return next_chosen(rule, days, count, from_s, ret_local_s);
    for (int i = 0; i < count; i++) {
        int64_t day_s = days[i] * CIVIL_DAY_S;
        if (from_s >= day_s + CIVIL_DAY_S || !clockface_next(&rule->face, from_s > day_s ? from_s - day_s : 0, &in_day))
            continue;
        *ret_local_s = day_s + in_day;
        return true;
    }
    return false;
}

/* Without regard to its end. */
static bool next_without_end(const struct rrule *rule, int64_t from_s, int64_t *ret_local_s)
{
    int64_t from_day, period, end_day;

    if (from_s < rule->start_s)
        from_s = rule->start_s;
    from_day = civil_floor(from_s, CIVIL_DAY_S);
    period = align(rule, period_of(rule, from_day));
    end_day = from_day + SEARCH_DAYS < CIVIL_DAY_MAX ? from_day + SEARCH_DAYS : CIVIL_DAY_MAX;
    for (; first_day_of(rule, period) <= end_day; period += rule->interval)
        if (next_in_period(rule, period, from_s, ret_local_s))
            return *ret_local_s <= CIVIL_S_MAX;
    return false;
}

bool rrule_next(const struct rrule *rule, int64_t from_s, int64_t *ret_local_s)
{
    int64_t local_s;

    assert(rule->frequency != HOURLY);
    if (from_s > rule->until_s || !next_without_end(rule, from_s, &local_s) || local_s > rule->until_s)
        return false;
    *ret_local_s = local_s;
    return true;
}

/* ---- HOURLY ---- */

/* The first moment from `from_s` on within the hour that begins at `hour_s`. */
static bool next_in_hour(const struct rrule *rule, int64_t hour_s, int64_t from_s, int64_t *ret_utc_s)
{
    struct clockface face = {.hours = 1, .minutes = rule->face.minutes, .seconds = rule->face.seconds};
    int64_t in_hour;

    if (from_s >= hour_s + 3600 || !clockface_next(&face, from_s > hour_s ? from_s - hour_s : 0, &in_hour))
        return false;
    *ret_utc_s = hour_s + in_hour;
    return true;
}

/* The first moment from `from_s` on, without regard to the end. Days that do not match are passed over in one step. */
static bool next_hour(const struct rrule *rule, const struct zone *zone, int64_t from_s, int64_t *ret_utc_s)
{
    int64_t step_s = rule->interval * 3600, hour_s = rule->start_utc_s, end_s;

    if (from_s >= hour_s + 3600)
        hour_s += (from_s - hour_s - 3600) / step_s * step_s;
    end_s = hour_s + SEARCH_DAYS * CIVIL_DAY_S;
    for (; hour_s <= end_s && hour_s <= CIVIL_S_MAX; hour_s += step_s) {
        int64_t local_s = hour_s + zone_offset_s(zone, hour_s), day = civil_floor(local_s, CIVIL_DAY_S);
        struct date date = civil_date(day);
        if (!match_day(rule, day, &date)) {
            int64_t rest_s = (day + 1) * CIVIL_DAY_S - local_s - 2 * 3600; /* the day may be shorter */
            if (rest_s > step_s)
                hour_s += (rest_s - 1) / step_s * step_s - step_s;
            continue;
        }
        if (rule->face.hours >> (local_s - day * CIVIL_DAY_S) / 3600 & 1 && next_in_hour(rule, hour_s, from_s, ret_utc_s))
            return true;
    }
    return false;
}

bool rrule_next_elapsed(const struct rrule *rule, const struct zone *zone, int64_t from_s, int64_t *ret_utc_s)
{
    int64_t first_s = rule->start_utc_s + rule->start_s % 3600, utc_s;

    assert(rule->frequency == HOURLY);
    if (!next_hour(rule, zone, from_s > first_s ? from_s : first_s, &utc_s) || utc_s + zone_offset_s(zone, utc_s) > rule->until_s)
        return false;
    *ret_utc_s = utc_s;
    return true;
}

/* ---- making one ---- */

static bool next_of_any(const struct rrule *rule, const struct zone *zone, int64_t from_s, int64_t *ret_s)
{
    return rule->frequency == HOURLY ? rrule_next_elapsed(rule, zone, from_s, ret_s) : rrule_next(rule, from_s, ret_s);
}

/* What COUNT comes to is a time after which nothing is due; nobody counts for more than 400 years. */
static int find_end(struct rrule *rule, const struct zone *zone, struct error *err)
{
    int64_t until_s = rule->until_s, time_s = 0, left = rule->count;

    rule->until_s = INT64_MAX;
    if (!next_of_any(rule, zone, time_s, &time_s))
        return error_set(err, ERR_INVALID, "rule \"%.80s\" is never due within 400 years of its start", rule->text);
    while (left > 1 && time_s < rule->start_s + SEARCH_DAYS * CIVIL_DAY_S && next_of_any(rule, zone, time_s + 1, &time_s))
        left--;
    if (left > 1 || rule->count == 0)
        rule->until_s = until_s;
    else if (rule->frequency != HOURLY)
        rule->until_s = time_s;
    else
        rule->until_utc_s = time_s;
    return 0;
}

/* In capitals, without "RRULE:" and the blanks around. Gives. */
static char *normalize(const char *text)
{
    size_t length;
    char *normal;

    text += strspn(text, " \t\r\n");
    if (strncasecmp(text, "RRULE:", 6) == 0)
        text += 6;
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    normal = memory_copy(text, length);
    for (char *at = normal; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return normal;
}

static int read_text(struct rrule *rule, const char *text, const struct zone *zone, struct error *err)
{
    char *copy, *rest;
    unsigned seen = 0;
    int rc = 0;

    rule->text = normalize(text);
    rest = copy = memory_string(rule->text);
    for (char *part; rc == 0 && (part = strsep(&rest, ";")) != NULL;)
        rc = read_part(rule, part, &seen, err);
    free(copy);
    if (rc < 0 || check_parts(rule, seen, err) < 0)
        return err->code;
    fill_from_start(rule);
    rule->start_utc_s = zone_resolve(zone, rule->start_s).first_s - rule->start_s % 3600;
    return find_end(rule, zone, err);
}

struct rrule *rrule_new(const char *text, int64_t start_s, const struct zone *zone, struct error *err)
{
    struct rrule *rule;

    if (strnlen(text, RRULE_BYTES_MAX + 1) > RRULE_BYTES_MAX) {
        error_set(err, ERR_LIMIT, "rule has more than %d bytes", RRULE_BYTES_MAX);
        return NULL;
    }
    rule = memory_new(sizeof *rule);
    rule->interval = 1;
    rule->week_start = 1;
    rule->start_s = start_s;
    rule->until_s = rule->until_utc_s = INT64_MAX;
    if (read_text(rule, text, zone, err) == 0)
        return rule;
    rrule_free(rule);
    return NULL;
}

void rrule_free(struct rrule *rule)
{
    if (!rule)
        return;
    free(rule->text);
    free(rule);
}

const char *rrule_text(const struct rrule *rule)
{
    return rule->text;
}

bool rrule_is_elapsed(const struct rrule *rule)
{
    return rule->frequency == HOURLY;
}

int64_t rrule_until_utc_s(const struct rrule *rule)
{
    return rule->until_utc_s;
}
