/* scan - msgpack bytes are looked at before they are unpacked: every kind of object, every limit at its edge. */
#include "common/scan.h"

#include "tests/unit/unit.h"

#define OBJECTS_MAX 64

/* Scans a copy of exactly these bytes, so that the sanitizers see a read behind them. */
static int scan_most(const void *bytes, size_t length, size_t objects_max, struct error *err)
{
    void *copy = malloc(length ? length : 1);
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *err = (struct error){0};
    rc = scan_msgpack(copy, length, objects_max, "it", err);
    free(copy);
    if (rc < 0) {
        assert_int_equal(rc, ERR_PROTOCOL);
        assert_int_equal(err->code, ERR_PROTOCOL);
        assert_ptr_equal(strstr(err->message, "it "), err->message);
    }
    return rc;
}

static int scan(const void *bytes, size_t length)
{
    struct error err;

    return scan_most(bytes, length, OBJECTS_MAX, &err);
}

static void assert_why(const void *bytes, size_t length, size_t objects_max, const char *why)
{
    struct error err;

    assert_int_equal(scan_most(bytes, length, objects_max, &err), ERR_PROTOCOL);
    assert_string_equal(err.message, why);
}

/* These bytes are not one object: they end too early, and that is seen before any of them is passed over. */
static void assert_cut_short(const void *bytes, size_t length)
{
    struct error err;
    char end[32];

    snprintf(end, sizeof end, " of %zu", length);
    assert_int_equal(scan_most(bytes, length, OBJECTS_MAX, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "not well-formed msgpack at byte"));
    assert_non_null(strstr(err.message, end));
}

/* These bytes are one object; fewer or more of them are not. */
static void assert_one_object(const unsigned char *bytes, size_t length)
{
    unsigned char *longer = malloc(length + 1);

    assert_non_null(longer);
    memcpy(longer, bytes, length);
    longer[length] = 0xc0;
    if (scan(bytes, length) < 0)
        fail_msg("refused: %zu bytes from %02x on", length, bytes[0]);
    for (size_t cut = 0; cut < length; cut++)
        assert_cut_short(bytes, cut);
    assert_why(longer, length + 1, OBJECTS_MAX, "it has 1 bytes after its msgpack object");
    free(longer);
}

/* What follows the first bytes c0 to df in the shortest object of that kind: the lengths are 0. From msgpack's specification. */
static const size_t shortest[] = {
    /* nil */ 0,
    /* never used */ 0,
    /* false, true */ 0, 0,
    /* bin */ 1,         2, 4,
    /* ext */ 2,         3, 5,
    /* float */ 4,       8,
    /* uint */ 1,        2, 4, 8,
    /* int */ 1,         2, 4, 8,
    /* fixext */ 2,      3, 5, 9, 17,
    /* str */ 1,         2, 4,
    /* array */ 2,       4,
    /* map */ 2,         4};

/* Writes the shortest object that begins with `first`; its length. What is nested in it is nil. */
static size_t shortest_object(unsigned first, unsigned char *out)
{
    size_t follow = 0;
    unsigned char filling = 0xc0;

    if (first >= 0xc0 && first <= 0xdf) {
        follow = shortest[first - 0xc0];
        filling = 0;
    } else if (first >= 0xa0 && first <= 0xbf)
        follow = first - 0xa0;
    else if (first >= 0x90 && first <= 0x9f)
        follow = first - 0x90;
    else if (first >= 0x80 && first <= 0x8f)
        follow = (size_t)2 * (first - 0x80);
    out[0] = (unsigned char)first;
    memset(out + 1, filling, follow);
    return follow + 1;
}

static void every_kind_of_object_is_known(void **state)
{
    unsigned char object[64];

    (void)state;
    for (unsigned first = 0; first <= 0xff; first++)
        if (first != 0xc1)
            assert_one_object(object, shortest_object(first, object));
}

static void the_byte_that_msgpack_never_uses_is_refused(void **state)
{
    (void)state;
    assert_why("\xc1", 1, OBJECTS_MAX, "it is not well-formed msgpack at byte 1 of 1");
    assert_why("\x92\xc0\xc1", 3, OBJECTS_MAX, "it is not well-formed msgpack at byte 3 of 3");
}

static void nothing_is_no_object(void **state)
{
    (void)state;
    assert_why("", 0, OBJECTS_MAX, "it is not well-formed msgpack at byte 0 of 0");
}

/* Kinds that say how many bytes follow: the bytes of that number, and the bytes between it and what it counts. */
static const struct {
    unsigned char first;
    size_t number_bytes, extra;
} blobs[] = {
    {0xd9, 1, 0}, {0xda, 2, 0}, {0xdb, 4, 0}, /* str */
    {0xc4, 1, 0}, {0xc5, 2, 0}, {0xc6, 4, 0}, /* bin */
    {0xc7, 1, 1}, {0xc8, 2, 1}, {0xc9, 4, 1}, /* ext */
};

/* Writes `first` and `number`, big-endian; the bytes written. */
static size_t put_head(unsigned char *out, unsigned char first, size_t number_bytes, uint64_t number)
{
    out[0] = first;
    for (size_t i = 0; i < number_bytes; i++)
        out[1 + i] = (unsigned char)(number >> 8 * (number_bytes - 1 - i));
    return 1 + number_bytes;
}

static void a_length_must_fit_into_what_is_there(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x1ff, 0x7fff, 0xffff, 0x10000, 0x10101};
    static unsigned char bytes[0x10101 + 16];

    (void)state;
    for (size_t i = 0; i < COUNT(blobs); i++)
        for (size_t j = 0; j < COUNT(lengths) && (blobs[i].number_bytes == 4 || lengths[j] >> 8 * blobs[i].number_bytes == 0);
             j++) {
            size_t length = put_head(bytes, blobs[i].first, blobs[i].number_bytes, lengths[j]) + blobs[i].extra + lengths[j];
            assert_int_equal(scan(bytes, length), 0);
            assert_cut_short(bytes, length - 1);
            assert_why(bytes, length + 1, OBJECTS_MAX, "it has 1 bytes after its msgpack object");
        }
}

static void a_length_of_gigabytes_is_refused(void **state)
{
    unsigned char bytes[64] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(blobs); i++) {
        put_head(bytes, blobs[i].first, blobs[i].number_bytes, UINT64_MAX);
        for (size_t length = 1; length <= sizeof bytes; length++)
            assert_cut_short(bytes, length);
    }
    for (unsigned char first = 0xdc; first >= 0xdc && first <= 0xdf; first++) { /* array, map */
        put_head(bytes, first, first % 2 ? 4 : 2, UINT64_MAX);
        for (size_t length = 1; length <= sizeof bytes; length++)
            assert_cut_short(bytes, length);
    }
}

/* A container of nils behind each of its heads. */
static void assert_container(unsigned char first, size_t number_bytes, uint64_t number, size_t objects)
{
    unsigned char bytes[256];
    size_t head = put_head(bytes, first, number_bytes, number);
    struct error err;

    memset(bytes + head, 0xc0, sizeof bytes - head);
    assert_int_equal(scan_most(bytes, head + objects, objects + 1, &err), 0);
    assert_int_equal(scan_most(bytes, head + objects, objects, &err), ERR_PROTOCOL);
    assert_int_equal(scan_most(bytes, head + objects - 1, objects + 1, &err), ERR_PROTOCOL);
    assert_int_equal(scan_most(bytes, head + objects + 1, objects + 2, &err), ERR_PROTOCOL);
}

static void a_container_holds_what_its_head_says(void **state)
{
    (void)state;
    assert_container(0x95, 0, 5, 5);
    assert_container(0xdc, 2, 200, 200);
    assert_container(0xdd, 4, 200, 200);
    assert_container(0x85, 0, 5, 10); /* of a map two for each entry */
    assert_container(0xde, 2, 100, 200);
    assert_container(0xdf, 4, 100, 200);
}

/* Before anything of it is looked at: a child has a byte at least. */
static void a_container_of_more_than_is_there_is_refused_at_its_head(void **state)
{
    (void)state;
    assert_why("\x92\xc0", 2, OBJECTS_MAX, "it is not well-formed msgpack at byte 1 of 2");
    assert_why("\x82\xc0\xc0\xc0", 4, OBJECTS_MAX, "it is not well-formed msgpack at byte 1 of 4");
    assert_why("\xdc\x00\x02\xc0", 4, OBJECTS_MAX, "it is not well-formed msgpack at byte 3 of 4");
    assert_why("\x92\x92\xc0\xc0", 4, OBJECTS_MAX, "it is not well-formed msgpack at byte 4 of 4");
}

static void what_follows_the_object_is_counted(void **state)
{
    (void)state;
    assert_why("\xc0\xc0\xc0", 3, OBJECTS_MAX, "it has 2 bytes after its msgpack object");
    assert_why("\x90\x90", 2, OBJECTS_MAX, "it has 1 bytes after its msgpack object");
}

/* ---- depth ---- */

/* Writes `depth` containers, each with the next as its last child, around `core`; the bytes written. */
static size_t nest(unsigned char *out, const char *head, size_t depth, unsigned char core)
{
    size_t length = 0;

    for (size_t i = 0; i < depth; i++)
        for (const char *byte = head; *byte; byte++)
            out[length++] = (unsigned char)*byte;
    out[length++] = core;
    return length;
}

static void nesting_ends_at_its_limit(void **state)
{
    static const char *const heads[] = {"\x91", "\x92\x01", "\x81\x01", "\x92\x90"};
    unsigned char bytes[4 * (SCAN_DEPTH_MAX + 2)];
    size_t length;

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        length = nest(bytes, heads[i], SCAN_DEPTH_MAX, 0xc0);
        assert_one_object(bytes, length);
        length = nest(bytes, heads[i], SCAN_DEPTH_MAX, 0x90); /* in an empty one there is nothing deeper */
        assert_one_object(bytes, length);
        length = nest(bytes, heads[i], SCAN_DEPTH_MAX + 1, 0xc0);
        assert_why(bytes, length, OBJECTS_MAX, "it is nested deeper than 16");
    }
}

static void the_key_of_a_map_is_as_deep_as_its_value(void **state)
{
    unsigned char bytes[2 * SCAN_DEPTH_MAX + 4] = {0x81};
    size_t length = 1 + nest(bytes + 1, "\x91", SCAN_DEPTH_MAX - 1, 0xc0);

    (void)state;
    bytes[length++] = 0xc0;
    assert_one_object(bytes, length);
    length = 1 + nest(bytes + 1, "\x91", SCAN_DEPTH_MAX, 0xc0);
    bytes[length++] = 0xc0;
    assert_why(bytes, length, OBJECTS_MAX, "it is nested deeper than 16");
}

static void depth_is_not_used_up_by_what_came_before(void **state)
{
    unsigned char bytes[4 * SCAN_DEPTH_MAX] = {0x93};
    size_t length = 1;

    (void)state;
    for (int i = 0; i < 3; i++)
        length += nest(bytes + length, "\x91", SCAN_DEPTH_MAX - 1, 0xc0);
    assert_one_object(bytes, length);
}

static void a_bomb_of_depth_is_refused_early(void **state)
{
    static unsigned char bytes[100000];

    (void)state;
    memset(bytes, 0x91, sizeof bytes);
    assert_why(bytes, sizeof bytes, SIZE_MAX, "it is nested deeper than 16");
    memset(bytes, 0xc0, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes - 1; i += 2)
        bytes[i] = 0x81;
    assert_why(bytes, sizeof bytes, SIZE_MAX, "it is nested deeper than 16");
}

/* ---- number of objects ---- */

static void objects_are_counted_at_every_depth(void **state)
{
    static const char bytes[] = "\x93\x92\xc0\xc0\x81\xa1k\x91\xc0\xa2vv"; /* [[nil, nil], {k: [nil]}, vv] */
    struct error err;

    (void)state;
    assert_int_equal(scan_most(bytes, sizeof bytes - 1, 9, &err), 0);
    assert_why(bytes, sizeof bytes - 1, 8, "it has more than 8 msgpack objects");
    assert_int_equal(scan_most("\xc0", 1, 1, &err), 0);
    assert_why("\xc0", 1, 0, "it has more than 0 msgpack objects");
}

static void a_bomb_of_objects_is_refused(void **state)
{
    static unsigned char bytes[1 << 20];

    (void)state;
    memset(bytes, 0x90, sizeof bytes);
    put_head(bytes, 0xdd, 4, sizeof bytes - 5);
    assert_why(bytes, sizeof bytes, 512, "it has more than 512 msgpack objects");
    put_head(bytes, 0xdf, 4, (sizeof bytes - 5) / 2);
    assert_why(bytes, sizeof bytes, 512, "it has more than 512 msgpack objects");
}

/* Containers that each promise all that is left: what they promise together is not there. */
static void promises_of_containers_within_each_other_are_kept(void **state)
{
    unsigned char bytes[5 * SCAN_DEPTH_MAX + 40];
    size_t length = 0;

    (void)state;
    memset(bytes, 0xc0, sizeof bytes);
    for (size_t i = 0; i < SCAN_DEPTH_MAX; i++)
        length += put_head(bytes + length, 0xdd, 4, sizeof bytes - length - 5);
    assert_why(bytes, sizeof bytes, SIZE_MAX, "it is not well-formed msgpack at byte 120 of 120");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_object_is_known),
        cmocka_unit_test(the_byte_that_msgpack_never_uses_is_refused),
        cmocka_unit_test(nothing_is_no_object),
        cmocka_unit_test(a_length_must_fit_into_what_is_there),
        cmocka_unit_test(a_length_of_gigabytes_is_refused),
        cmocka_unit_test(a_container_holds_what_its_head_says),
        cmocka_unit_test(a_container_of_more_than_is_there_is_refused_at_its_head),
        cmocka_unit_test(what_follows_the_object_is_counted),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(the_key_of_a_map_is_as_deep_as_its_value),
        cmocka_unit_test(depth_is_not_used_up_by_what_came_before),
        cmocka_unit_test(a_bomb_of_depth_is_refused_early),
        cmocka_unit_test(objects_are_counted_at_every_depth),
        cmocka_unit_test(a_bomb_of_objects_is_refused),
        cmocka_unit_test(promises_of_containers_within_each_other_are_kept),
    };
    return UNIT_RUN(tests);
}
