/* id - names and ids: what is allowed, drawing new ones, and which lane an organization lives in. */
#include "common/id.h"

#include <regex.h>

#include "tests/unit/unit.h"

#define ALPHABET       "0123456789abcdefghjkmnpqrstvwxyz"
#define MS_2020        1577836800000LL
#define NAME_GRAMMAR   "^[a-z0-9][a-z0-9_-]{0,62}$"
#define TYPE_GRAMMAR   "^[A-Za-z0-9._-]{1,64}$"
#define JOB_ID_GRAMMAR "^[A-Za-z0-9._:-]{1,64}$"

typedef bool is_valid(const char *word, size_t bytes);

/* The documented grammar is the oracle. A NUL is in none of them. */
static void assert_follows(is_valid *valid, const regex_t *grammar, const char *word, size_t bytes)
{
    bool expected = strlen(word) == bytes && regexec(grammar, word, 0, NULL, 0) == 0;

    if (valid(word, bytes) != expected)
        fail_msg("\"%s\" (%zu bytes) should %sbe valid", word, bytes, expected ? "" : "not ");
}

static void assert_short_words_follow(is_valid *valid, const char *grammar)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, grammar, REG_EXTENDED | REG_NOSUB), 0);
    assert_false(valid("", 0));
    for (int first = 0; first < 256; first++) {
        assert_follows(valid, &regex, (char[]){(char)first, '\0'}, 1);
        for (int second = 0; second < 256; second++)
            assert_follows(valid, &regex, (char[]){(char)first, (char)second, '\0'}, 2);
    }
    regfree(&regex);
}

static void every_word_of_one_and_two_bytes_follows_its_grammar(void **state)
{
    (void)state;
    assert_short_words_follow(name_is_valid, NAME_GRAMMAR);
    assert_short_words_follow(type_is_valid, TYPE_GRAMMAR);
    assert_short_words_follow(job_id_is_choosable, JOB_ID_GRAMMAR);
}

static void a_bad_byte_is_found_wherever_it_stands(void **state)
{
    char word[NAME_BYTES_MAX + 1] = {0};

    (void)state;
    for (size_t bytes = 1; bytes <= NAME_BYTES_MAX; bytes++) {
        for (size_t at = 0; at < bytes; at++) {
            memset(word, 'a', bytes);
            assert_true(name_is_valid(word, bytes));
            word[at] = '/';
            assert_false(name_is_valid(word, bytes));
            assert_false(type_is_valid(word, bytes));
            assert_false(job_id_is_choosable(word, bytes));
        }
    }
}

static void words_end_at_their_limit(void **state)
{
    char word[80];

    (void)state;
    memset(word, 'a', sizeof word);
    assert_true(name_is_valid(word, 63));
    assert_false(name_is_valid(word, 64));
    assert_true(type_is_valid(word, 64));
    assert_false(type_is_valid(word, 65));
    assert_true(job_id_is_choosable(word, 64));
    assert_false(job_id_is_choosable(word, 65));
}

static void a_refused_name_is_told_with_its_grammar(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(name_check("acme", "organization", &err), 0);
    assert_int_equal(name_check("Acme", "organization", &err), ERR_INVALID);
    assert_string_equal(err.message, "organization \"Acme\" must match [a-z0-9][a-z0-9_-]{0,62}");
    assert_int_equal(type_check("mail.send", &err), 0);
    assert_int_equal(type_check("mail/send", &err), ERR_INVALID);
    assert_string_equal(err.message, "type \"mail/send\" must match [A-Za-z0-9._-]{1,64}");
}

static void known_ids_are_written_as_ever(void **state)
{
    char id[ID_BYTES + 1];

    (void)state;
    id_format(id, MS_2020, 0);
    assert_string_equal(id, "0000000000000");
    id_format(id, MS_2020 + (1LL << 41) - 1, 0xffffff);
    assert_string_equal(id, "fzzzzzzzzzzzz");
    id_format(id, 1795162558123, 0xabcdef);
    assert_string_equal(id, "356czwtntqkff");
    id_format(id, 1795162558123, 0x77abcdef); /* only the low 24 bits count */
    assert_string_equal(id, "356czwtntqkff");
    id_format(id, 0, 0); /* a clock before 2020 */
    assert_string_equal(id, "0000000000000");
}

static void ids_sort_by_time_and_then_by_counter(void **state)
{
    char before[ID_BYTES + 1], after[ID_BYTES + 1];

    (void)state;
    srandom(2);
    for (int i = 0; i < 100000; i++) {
        int64_t ms = MS_2020 + (((int64_t)random() << 10) ^ random());
        uint32_t counter = (uint32_t)random() & 0xffffff;
        id_format(before, ms, counter);
        id_format(after, ms + 1, (uint32_t)random());
        assert_true(strcmp(before, after) < 0);
        if (counter < 0xffffff) {
            id_format(after, ms, counter + 1);
            assert_true(strcmp(before, after) < 0);
        }
    }
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

static void drawn_ids_are_well_formed_and_differ(void **state)
{
    enum { DRAWN = 100000 };
    char(*ids)[ID_BYTES + 1] = calloc(DRAWN, sizeof *ids);

    (void)state;
    for (int i = 0; i < DRAWN; i++) {
        id_draw(ids[i]);
        assert_int_equal(strspn(ids[i], ALPHABET), ID_BYTES);
        assert_int_equal(strlen(ids[i]), ID_BYTES);
    }
    qsort(ids, DRAWN, sizeof *ids, compare_ids);
    for (int i = 1; i < DRAWN; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
    free(ids);
}

static void drawn_sessions_use_the_whole_alphabet(void **state)
{
    char session[SESSION_BYTES + 1], last[SESSION_BYTES + 1] = "";
    int seen[256] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        session_draw(session);
        assert_int_equal(strlen(session), SESSION_BYTES);
        assert_string_not_equal(session, last);
        for (int at = 0; at < SESSION_BYTES; at++)
            seen[(unsigned char)session[at]]++;
        memcpy(last, session, sizeof last);
    }
    for (const char *c = ALPHABET; *c; c++)
        assert_in_range(seen[(unsigned char)*c], 400, 850); /* 625 on average, standard deviation 25 */
}

static void a_job_name_splits_at_its_slash(void **state)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct error err;

    (void)state;
    assert_int_equal(job_name_split("acme/0ay5k3m8q4txw", org, id, &err), 0);
    assert_string_equal(org, "acme");
    assert_string_equal(id, "0ay5k3m8q4txw");
    assert_int_equal(job_name_split("acme/nightly@1795162558123", org, id, &err), 0); /* schedules write '@' */
    assert_string_equal(id, "nightly@1795162558123");
}

static void what_is_no_job_name_is_refused_and_writes_nothing(void **state)
{
    static const char *const bad[] = {"",         "/",       "acme",  "acme/",     "/id",     "acme/a/b",
                                      "acme/a b", "Acme/id", "-a/id", "acme/\x80", "acme /id"};
    char org[NAME_BYTES_MAX + 1] = "kept", id[JOB_ID_BYTES_MAX + 1] = "kept", longest[200];
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(job_name_split(bad[i], org, id, &err), ERR_INVALID);
    assert_string_equal(org, "kept");
    assert_string_equal(id, "kept");

    snprintf(longest, sizeof longest, "%063d/%064d", 0, 0);
    assert_int_equal(job_name_split(longest, org, id, &err), 0);
    assert_int_equal(strlen(org), 63);
    assert_int_equal(strlen(id), 64);
    snprintf(longest, sizeof longest, "%064d/%064d", 0, 0);
    assert_int_equal(job_name_split(longest, org, id, &err), ERR_INVALID);
    snprintf(longest, sizeof longest, "%063d/%065d", 0, 0);
    assert_int_equal(job_name_split(longest, org, id, &err), ERR_INVALID);
}

/* CRC-32 as zlib, PNG and gzip have it, bit by bit: what a client in any language must compute. */
static uint32_t crc32_by_bits(const char *text)
{
    uint32_t crc = 0xffffffff;

    for (; *text; text++) {
        crc ^= (unsigned char)*text;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void an_organization_lives_in_the_lane_of_its_crc(void **state)
{
    char org[NAME_BYTES_MAX + 1];

    (void)state;
    assert_int_equal(lane_of("123456789", UINT32_MAX), 0xcbf43926); /* the check value of CRC-32 */
    assert_int_equal(lane_of("acme", 64), 62);
    assert_int_equal(lane_of("acme", 1), 0);
    srandom(3);
    for (int i = 0; i < 10000; i++) {
        uint32_t lanes = 1 + (uint32_t)random() % 1024;
        snprintf(org, sizeof org, "org-%ld", random());
        assert_int_equal(lane_of(org, lanes), crc32_by_bits(org) % lanes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_of_one_and_two_bytes_follows_its_grammar),
        cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands),
        cmocka_unit_test(words_end_at_their_limit),
        cmocka_unit_test(a_refused_name_is_told_with_its_grammar),
        cmocka_unit_test(known_ids_are_written_as_ever),
        cmocka_unit_test(ids_sort_by_time_and_then_by_counter),
        cmocka_unit_test(drawn_ids_are_well_formed_and_differ),
        cmocka_unit_test(drawn_sessions_use_the_whole_alphabet),
        cmocka_unit_test(a_job_name_splits_at_its_slash),
        cmocka_unit_test(what_is_no_job_name_is_refused_and_writes_nothing),
        cmocka_unit_test(an_organization_lives_in_the_lane_of_its_crc),
    };
    return UNIT_RUN(tests);
}
