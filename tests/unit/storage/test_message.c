#include "rig.h"

#include <stdio.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "record/message.h"
#include "storage/frame.h"
#include "unit.h"

/* A log whose frames are messages; what both formats have in common is tested elsewhere, too. */

static const char FIRST[] = "00000000000000000000.log";
static const char TIMES[] = "00000000000000000000.timeindex";

/* docs/format/message.md: key "user-123", value "event"; null key, empty value. */
static const uint8_t VECTORS[] = {
    0,    0,    0,    0x23, 0x5e, 0x43, 0x56, 0x23, 1,    0,   0,   0,   1,
    0x9b, 0x76, 0xda, 0xa8, 0,    0,    0,    0,    8,    'u', 's', 'e', 'r',
    '-',  '1',  '2',  '3',  0,    0,    0,    5,    'e',  'v', 'e', 'n', 't', /**/
    0,    0,    0,    0x16, 0xac, 0xd1, 0xb3, 0x02, 1,    0,   0,   0,   1,
    0x9b, 0x76, 0xda, 0xa8, 0,    0xff, 0xff, 0xff, 0xff, 0,   0,   0,   0,
};
enum { FIRST_SIZE = 39 };
static const char CHECKPOINT[] = "dlog.checkpoint 1\n"
                                 "start 0\n"
                                 "recovery_point 2\n"
                                 "window 67108864\n"
                                 "snapshot 0\n"
                                 "gaps 0\n"
                                 "topic_id AAAAAAAAAAAAAAAAAAAAAA\n"
                                 "format message\n"
                                 "segment 0 65 1767225600000 0 1767225600000\n"
                                 "crc32c 9b3ade48\n";

static enum err append_bytes(struct rig *r, const void *bytes, size_t size)
{
    struct log_appended appended;
    uint8_t *copy = test_malloc(size + 1);
    enum err e;

    memcpy(copy, bytes, size);
    e = log_append(r->log, &(struct log_append){.bytes = copy, .size = size, .wall_ms = r->wall_ms},
                   &appended);
    assert_memory_equal(copy, bytes, size); /* a frame holds nothing that a leader sets */
    test_free(copy);
    return e;
}

static enum err append_message(struct rig *r, const struct message *m)
{
    struct buf frame;
    enum err e;

    buf_init(&frame, 64 << 20);
    assert_int_equal(message_encode(m, &frame), E_OK);
    e = append_bytes(r, frame.at, frame.size);
    buf_release(&frame);
    return e;
}

/* The message at `offset` as a read gives it: its range begins with it. Free `bytes` after use. */
static enum err read_message(struct rig *r, int64_t offset, struct buf *bytes, struct message *m)
{
    int64_t base;
    size_t size;
    enum err e = rig_read(r, offset, 1, bytes, &base);

    if (e != E_OK)
        return e;
    assert_int_equal(base, offset);
    assert_int_equal(message_decode(buf_slice(bytes), m, &size), E_OK);
    return E_OK;
}

/* What rig_append() makes of a record: its value begins with its number. */
static uint32_t number_of(const struct message *m)
{
    uint32_t number;

    assert_true(m->value.size >= sizeof(number));
    memcpy(&number, m->value.at, sizeof(number));
    return number;
}

static void both_vectors_are_frames_of_a_log(void **state)
{
    struct message m = {0};
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(log_format(r.log), LOG_FORMAT_MESSAGE);
    assert_int_equal(append_bytes(&r, VECTORS, sizeof(VECTORS)), E_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_end_offset(r.log), 2);
        assert_int_equal(rig_read(&r, 0, 1 << 20, &bytes, &base), E_OK);
        assert_int_equal(bytes.size, sizeof(VECTORS));
        assert_memory_equal(bytes.at, VECTORS, sizeof(VECTORS));
        assert_int_equal(read_message(&r, 0, &bytes, &m), E_OK);
        assert_true(slice_equal_text(m.key, "user-123"));
        assert_true(slice_equal_text(m.value, "event"));
        assert_int_equal(m.timestamp_ms, 1767225600000);
        assert_int_equal(read_message(&r, 1, &bytes, &m), E_OK);
        assert_null(m.key.at);
        assert_int_equal(m.value.size, 0);
        rig_reopen(&r);
        assert_true(r.recovery.was_clean);
    }
    assert_int_equal(os_dir_read_file(r.dir, FIRST, (buf_clear(&bytes), &bytes)), E_OK);
    assert_memory_equal(bytes.at, VECTORS, sizeof(VECTORS));
    assert_int_equal(os_dir_read_file(r.dir, "dlog.format", (buf_clear(&bytes), &bytes)), E_OK);
    assert_true(slice_equal_text(buf_slice(&bytes), "message\n"));
    assert_int_equal(os_dir_read_file(r.dir, TIMES, (buf_clear(&bytes), &bytes)), E_OK);
    assert_int_equal(bytes.size, 12);
    assert_memory_equal(bytes.at, "\x00\x00\x01\x9b\x76\xda\xa8\x00\x00\x00\x00\x00", 12);
    assert_int_equal(rig_file_size(&r, "00000000000000000000.index"), 0);
    assert_int_equal(os_dir_read_file(r.dir, "dlog.checkpoint", (buf_clear(&bytes), &bytes)), E_OK);
    assert_true(slice_equal_text(buf_slice(&bytes), CHECKPOINT));
    buf_release(&bytes);
    rig_close(&r);
}

static void values_of_every_size_and_codec_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, (1 << 20) - 1, 1 << 20, 5 << 20};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
    uint8_t *value = test_malloc(5 << 20);
    struct buf bytes, unpack;
    struct rig r;

    (void)state;
    for (size_t i = 0; i < 5 << 20; i++)
        value[i] = (uint8_t)(i % 251);
    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    buf_init(&bytes, 16 << 20);
    buf_init(&unpack, 16 << 20);
    for (int i = 0; i < SIZES * CODEC_COUNT; i++) {
        struct message m = {.timestamp_ms = i,
                            .key = i % 3 == 0 ? slice_of(NULL, 0) : slice_of(value, (size_t)i % 3),
                            .value = slice_of(value, sizes[i / CODEC_COUNT]),
                            .codec = (enum codec_id)(i % CODEC_COUNT)};

        assert_int_equal(append_message(&r, &m), E_OK);
    }
    for (int pass = 0; pass < 3; pass++) {
        for (int i = SIZES * CODEC_COUNT; i-- > 0;) {
            struct message m;
            struct slice got;

            assert_int_equal(read_message(&r, i, &bytes, &m), E_OK);
            assert_int_equal(m.timestamp_ms, i);
            assert_int_equal(m.codec, i % CODEC_COUNT);
            assert_int_equal(m.key.at == NULL, i % 3 == 0);
            assert_int_equal(message_unpack(&m, &unpack, &got), E_OK);
            assert_true(slice_equal(got, slice_of(value, sizes[i / CODEC_COUNT])));
        }
        assert_int_equal(rig_check_all(&r), SIZES * CODEC_COUNT);
        if (pass == 0) {
            rig_reopen(&r);
        } else {
            rig_crash(&r);
            assert_int_equal(rig_open_log(&r), E_OK);
        }
    }
    buf_release(&bytes);
    buf_release(&unpack);
    test_free(value);
    rig_close(&r);
}

/* The index is sparse: every read hops over lengths from an entry, or from another segment's begin.
 */
static void every_offset_is_found_over_rotations(void **state)
{
    enum { COUNT = 3000 };
    struct message m;
    struct buf bytes;
    struct rig r;

    (void)state;
    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    buf_init(&bytes, 1 << 20);
    r.options.segment_bytes = 100000;
    r.options.index_interval_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < COUNT; i++)
        rig_fill(&r, 1, 10 + i * 7 % 300);
    assert_true(rig_has_file(&r, "00000000000000000000.index"));
    for (int pass = 0; pass < 3; pass++) {
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t offset = i * 1009 % COUNT;

            assert_int_equal(read_message(&r, offset, &bytes, &m), E_OK);
            assert_int_equal(number_of(&m), offset);
        }
        assert_int_equal(read_message(&r, COUNT + 1, &bytes, &m), E_OUT_OF_RANGE);
        assert_int_equal(read_message(&r, -1, &bytes, &m), E_OUT_OF_RANGE);
        assert_int_equal(rig_check_all(&r), COUNT);
        if (pass == 0)
            rig_reopen(&r);
        rig_crash(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
    }
    buf_release(&bytes);
    rig_close(&r);
}

static void what_is_not_for_messages_is_refused(void **state)
{
    struct rig_batch batch = {.count = 1, .value_size = 10};
    struct log_appended appended;
    struct buf bytes;
    struct rig r;

    (void)state;
    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(log_append(r.log,
                                &(struct log_append){.bytes = (uint8_t[]){0}, .is_replica = true},
                                &appended),
                     E_UNSUPPORTED);
    assert_int_equal(log_begin_epoch(r.log, 1), E_UNSUPPORTED);
    assert_int_equal(log_latest_epoch(r.log), -1);
    r.options.is_compacted = true;
    assert_int_equal(log_set_options(r.log, &r.options), E_UNSUPPORTED);
    log_close(r.log);
    assert_int_equal(rig_open_log(&r), E_UNSUPPORTED);
    assert_non_null(strstr(r.report.text, "compacted"));
    r.options.is_compacted = false;
    assert_int_equal(rig_open_log(&r), E_OK);

    rig_build(&batch, 0, 0, 0, &bytes);
    assert_int_equal(append_bytes(&r, bytes.at, bytes.size), E_CORRUPT);
    assert_int_equal(append_bytes(&r, bytes.at, 0), E_INVAL);
    for (size_t size = 1; size < sizeof(VECTORS); size++)
        assert_int_equal(append_bytes(&r, VECTORS, size), size == FIRST_SIZE ? E_OK : E_TRUNCATED);
    assert_int_equal(log_end_offset(r.log), 1);
    for (size_t i = 18; i < 22; i++) { /* lengths that do not add up */
        uint8_t bad[sizeof(VECTORS)];

        memcpy(bad, VECTORS, sizeof(bad));
        bad[i] ^= 0x40;
        assert_int_equal(append_bytes(&r, bad, FIRST_SIZE), E_CORRUPT);
    }
    r.options.segment_bytes = 38;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(append_bytes(&r, VECTORS, FIRST_SIZE), E_TOO_BIG);
    assert_int_equal(log_end_offset(r.log), 1);
    buf_release(&bytes);
    rig_close(&r);
}

/* The option is for a log that is made; one that is there keeps what it has. */
static void a_log_keeps_its_format(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum log_format own = i == 0 ? LOG_FORMAT_BATCH : LOG_FORMAT_MESSAGE;
        struct rig r;

        rig_open_as(&r, own);
        r.options.format = i == 0 ? LOG_FORMAT_MESSAGE : LOG_FORMAT_BATCH;
        for (int life = 0; life < 3; life++) {
            rig_fill(&r, 5, 100);
            if (life == 1)
                rig_crash(&r);
            else
                log_close(r.log);
            assert_int_equal(rig_open_log(&r), E_OK);
            assert_int_equal(log_format(r.log), own);
            assert_int_equal(rig_check_all(&r), 5 * life + 5);
        }
        rig_close(&r);
    }
}

/* Times rise, fall back and repeat; over segments, through the index, after a restart. */
static void found_by_time(void **state)
{
    enum { COUNT = 200 };
    int64_t times[COUNT];
    struct rig r;

    (void)state;
    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    r.options.segment_bytes = 4000;
    r.options.index_interval_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < COUNT; i++) {
        struct rig_batch b = {.count = 1, .value_size = 100};

        times[i] = 1000 + i * 10 - i % 7 * 25;
        b.timestamp_ms = times[i];
        assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    }
    for (int life = 0; life < 3; life++) {
        for (int64_t t = 900; t < 1000 + COUNT * 10 + 20; t += 7) {
            int64_t offset, found, want = 0;

            while (want < COUNT && times[want] < t)
                want++;
            assert_int_equal(log_find_timestamp(r.log, t, COUNT, &offset, &found), E_OK);
            assert_int_equal(offset, want < COUNT ? want : -1);
            assert_int_equal(found, want < COUNT ? times[want] : -1);
        }
        if (life == 0)
            rig_reopen(&r);
        rig_crash(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
    }
    rig_close(&r);
}

/* A crash came before the name of the file that says the format. */
static void a_log_is_made_over_the_rest_of_one(void **state)
{
    struct rig r;
    struct os_file *file;

    rig_open_as(&r, LOG_FORMAT_MESSAGE);
    log_close(r.log);
    assert_int_equal(os_dir_remove_file(r.dir, FIRST), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.format"), E_OK);
    assert_int_equal(os_file_open(r.dir, "dlog.format.tmp", OS_FILE_CREATE, &file), E_OK);
    os_file_unref(file);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_format(r.log), LOG_FORMAT_MESSAGE);
    assert_false(rig_has_file(&r, "dlog.format.tmp"));
    rig_close(&r);
}

TESTS(test_message, cmocka_unit_test(a_log_is_made_over_the_rest_of_one),
      cmocka_unit_test(both_vectors_are_frames_of_a_log),
      cmocka_unit_test(values_of_every_size_and_codec_come_back),
      cmocka_unit_test(every_offset_is_found_over_rotations),
      cmocka_unit_test(what_is_not_for_messages_is_refused),
      cmocka_unit_test(a_log_keeps_its_format), cmocka_unit_test(found_by_time));
