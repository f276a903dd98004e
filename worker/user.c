#include "worker/user.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define REMEMBERED_MS  60000
#define NAME_MAX_BYTES 256

/* A number of its own: no entry is needed for it. */
static bool parse_number(uid_t *ret_uid, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || value >= (uid_t)-1)
        return false;
    *ret_uid = (uid_t)value;
    return true;
}

static int look_up(struct order_user *ret_user, const char *text, struct error *err)
{
    int count = ORDER_GROUPS_MAX;
    struct order_user user = {.given = true};
    bool is_number = parse_number(&user.uid, text);
    const struct passwd *entry = is_number ? getpwuid(user.uid) : getpwnam(text);

    if (!entry && !is_number)
        return error_set(err, ERR_NOT_FOUND, "user \"%.64s\" is not known", text);
    user.gid = entry ? entry->pw_gid : (gid_t)user.uid;
    if (entry) {
        user.uid = entry->pw_uid;
        if (getgrouplist(entry->pw_name, entry->pw_gid, user.groups, &count) < 0)
            return error_set(err, ERR_LIMIT, "user \"%.64s\" has %d groups, the limit is %d", text, count, ORDER_GROUPS_MAX);
        user.group_count = (unsigned)count;
    }
    *ret_user = user;
    return 0;
}

int user_find(struct order_user *ret_user, const char *text, struct error *err)
{
    static char last_text[NAME_MAX_BYTES];
    static struct order_user last;
    static int64_t last_mono_ms;

    if (!text) {
        *ret_user = (struct order_user){0};
        return 0;
    }
    if (strcmp(text, last_text) != 0 || clock_mono_ms() - last_mono_ms > REMEMBERED_MS) {
        last_text[0] = '\0';
        if (look_up(&last, text, err) < 0)
            return err->code;
        snprintf(last_text, sizeof last_text, "%s", text);
        last_mono_ms = clock_mono_ms();
    }
    *ret_user = last;
    return 0;
}
