/* server_version - the known holes of a version follow from its number. */
#include "common/server_version.h"

#include "tests/unit/unit.h"

#define LUA     "CVE-2025-49844, CVE-2025-46817, CVE-2025-46818, CVE-2025-46819"
#define UNBLOCK "CVE-2026-23479"

static void a_version_has_the_holes_that_were_closed_after_it(void **state)
{
    static const struct {
        const char *version, *holes;
        bool valkey;
    } cases[] = {
        {"7.0.0", LUA, false},
        {"7.0.15", LUA, false},
        {"7.0.99", LUA, false},
        {"7.2.0", LUA ", " UNBLOCK, false},
        {"7.2.10", LUA ", " UNBLOCK, false},
        {"7.2.11", UNBLOCK, false},
        {"7.4.5", LUA ", " UNBLOCK, false},
        {"7.4.6", UNBLOCK, false},
        {"8.0.3", LUA ", " UNBLOCK, false},
        {"8.0.4", UNBLOCK, false},
        {"8.2.1", LUA ", " UNBLOCK, false},
        {"8.2.2", UNBLOCK, false},
        {"8.4.0", UNBLOCK, false},
        {"8.6.2", UNBLOCK, false},
        {"8.6.3", "", false},
        {"9.0.0", "", false},
        {"255.255.255", "", false},
        {"7.2.10", LUA, true},
        {"7.2.11", "", true},
        {"8.0.5", LUA, true},
        {"8.0.6", "", true},
        {"8.1.3", LUA, true},
        {"8.1.4", "", true},
        {"9.0.0", "", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (strcmp(server_version_holes(cases[i].version, cases[i].valkey), cases[i].holes) != 0)
            fail_msg("%s: \"%s\"", cases[i].version, server_version_holes(cases[i].version, cases[i].valkey));
}

static void what_is_no_version_is_not_judged(void **state)
{
    (void)state;
    assert_string_equal(server_version_holes("", false), "");
    assert_string_equal(server_version_holes("unstable", true), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_has_the_holes_that_were_closed_after_it),
        cmocka_unit_test(what_is_no_version_is_not_judged),
    };

    return UNIT_RUN(tests);
}
