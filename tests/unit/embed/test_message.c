#include <stdio.h>
#include <unistd.h>

#include "rig.h"
#include "unit.h"

/* Logs of messages: a frame for each record. Format: docs/format/message.md */

static const char SEGMENT[] = "00000000000000000000.log";

static struct dlog_stats stats_of(const struct rig *r)
{
    struct dlog_stats s = {.size = sizeof(s)};

    assert_int_equal(dlog_stats(r->log, &s), DLOG_OK);
    return s;
}

static void open_messages(struct rig *r, enum dlog_durability durability)
{
    rig_init(r);
    r->options.format = DLOG_FORMAT_MESSAGE;
    r->options.durability = durability;
    assert_int_equal(dlog_open(r->env, "t", &r->options, &r->log), DLOG_OK);
}

static void file_path(const struct rig *r, const char *name, char *path, size_t size)
{
    assert_true(snprintf(path, size, "%s/t/%s", r->path, name) < (int)size);
}

static struct dlog_record message_of(const char *key, const void *value, size_t value_size)
{
    struct dlog_record record = {.timestamp_ms = 1767225600000,
                                 .key = key,
                                 .key_size = key == NULL ? 0 : strlen(key),
                                 .value = value,
                                 .value_size = value_size};

    return record;
}

/* The two examples of the format, byte for byte in the file, and back. */
static void the_file_is_as_the_format_says(void **state)
{
    static const uint8_t wanted[] = {
        0x00, 0x00, 0x00, 0x23, 0x5e, 0x43, 0x56, 0x23, 0x01, 0x00, 0x00, 0x00, 0x01,
        0x9b, 0x76, 0xda, 0xa8, 0x00, 0x00, 0x00, 0x00, 0x08, 0x75, 0x73, 0x65, 0x72,
        0x2d, 0x31, 0x32, 0x33, 0x00, 0x00, 0x00, 0x05, 0x65, 0x76, 0x65, 0x6e, 0x74,
        0x00, 0x00, 0x00, 0x16, 0xac, 0xd1, 0xb3, 0x02, 0x01, 0x00, 0x00, 0x00, 0x01,
        0x9b, 0x76, 0xda, 0xa8, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00};
    struct dlog_record records[] = {message_of("user-123", "event", 5), message_of(NULL, "", 0)};
    uint8_t bytes[sizeof(wanted) + 1];
    struct dlog_reader *reader;
    struct dlog_record got;
    char path[400];
    FILE *file;
    struct rig r;

    open_messages(&r, DLOG_DURABILITY_ALWAYS);
    assert_int_equal(dlog_append(r.log, &records[0], NULL), DLOG_OK);
    assert_int_equal(dlog_append(r.log, &records[1], NULL), DLOG_OK);
    assert_int_equal(stats_of(&r).format, DLOG_FORMAT_MESSAGE);
    assert_int_equal(stats_of(&r).size_bytes, sizeof(wanted));
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    file_path(&r, SEGMENT, path, sizeof(path));
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(wanted));
    fclose(file);
    assert_memory_equal(bytes, wanted, sizeof(wanted));

    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(got.offset, 0);
    assert_int_equal(got.timestamp_ms, 1767225600000);
    assert_int_equal(got.key_size, 8);
    assert_memory_equal(got.key, "user-123", 8);
    assert_int_equal(got.value_size, 5);
    assert_memory_equal(got.value, "event", 5);
    assert_null(got.headers);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(got.offset, 1);
    assert_null(got.key);
    assert_non_null(got.value);
    assert_int_equal(got.value_size, 0);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_END);
    dlog_reader_close(reader);
    rig_close(&r);
}

static void what_a_frame_has_no_room_for_is_refused(void **state)
{
    struct dlog_header header = {.key = "h", .key_size = 1};
    struct dlog_record tombstone = message_of("k", NULL, 0);
    struct dlog_record headed = message_of("k", "v", 1);
    struct dlog_record batch[2] = {message_of("k", "v", 1), tombstone};
    struct dlog_verified verified = {.size = sizeof(verified)};
    int64_t offset = 77;
    struct rig r;

    open_messages(&r, DLOG_DURABILITY_INTERVAL);
    headed.headers = &header;
    headed.header_count = 1;
    assert_int_equal(dlog_append(r.log, &tombstone, &offset), DLOG_E_INVAL);
    assert_int_equal(dlog_append(r.log, &headed, &offset), DLOG_E_INVAL);
    assert_int_equal(dlog_append_batch(r.log, batch, 2, &offset), DLOG_E_INVAL);
    assert_int_equal(offset, 77);
    assert_int_equal(dlog_end_offset(r.log), 0);
    rig_fill(&r, 3);
    assert_int_equal(dlog_compact(r.log, NULL, NULL), DLOG_E_UNSUPPORTED);
    assert_int_equal(dlog_verify(r.log, NULL, NULL, &verified), DLOG_OK);
    assert_int_equal(verified.valid_end_offset, 3);
    assert_int_equal(verified.damaged_ranges, 0);
    assert_int_equal(rig_count(&r), 3);
    rig_close(&r);
}

/* A log keeps the format that it was made with. */
static void another_format_is_not_taken(void **state)
{
    struct dlog *log = NULL;
    struct rig r;

    open_messages(&r, DLOG_DURABILITY_ALWAYS);
    rig_fill(&r, 2);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    r.options.format = DLOG_FORMAT_BATCH;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &log), DLOG_E_UNSUPPORTED);
    assert_non_null(strstr(r.report, "\"message\""));
    r.options.format = DLOG_FORMAT_ANY;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(stats_of(&r).format, DLOG_FORMAT_MESSAGE);
    r.options.format = DLOG_FORMAT_BATCH; /* does not count here */
    assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
    rig_fill(&r, 2);
    assert_int_equal(rig_count(&r), 4);

    assert_int_equal(dlog_open(r.env, "batches", &r.options, &log), DLOG_OK);
    assert_int_equal(dlog_close(log), DLOG_OK);
    r.options.format = DLOG_FORMAT_MESSAGE;
    assert_int_equal(dlog_open(r.env, "batches", &r.options, &log), DLOG_E_UNSUPPORTED);
    assert_non_null(strstr(r.report, "\"batch\""));
    rig_close(&r);
}

/* Sizes around buffers and above a MiB, in a file of segments; every codec. */
static void every_size_and_codec_comes_back(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 65536, 262144, 262145, 1 << 20, 5 << 20};
    static char bytes[5 << 20];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * i >> 7);
    for (int c = DLOG_COMPRESSION_NONE; c <= DLOG_COMPRESSION_ZSTD; c++) {
        struct dlog_reader *reader;
        struct dlog_record got;
        struct rig r;

        rig_init(&r);
        r.options.format = DLOG_FORMAT_MESSAGE;
        r.options.compression = (enum dlog_compression)c;
        r.options.segment_bytes = 6 << 20;
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        for (size_t i = 0; i < 16; i++) {
            struct dlog_record record = message_of("key", bytes, sizes[i % 8]);

            assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
        }
        for (int round = 0; round < 2; round++) {
            assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
            for (size_t i = 0; i < 16; i++) {
                assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
                assert_int_equal(got.offset, i);
                assert_int_equal(got.key_size, 3);
                assert_int_equal(got.value_size, sizes[i % 8]);
                assert_memory_equal(got.value, bytes, got.value_size);
            }
            assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_END);
            dlog_reader_close(reader);
            rig_reopen(&r);
        }
        rig_close(&r);
    }
}

/* The level of the option is the one that is used. */
static void the_compression_level_counts(void **state)
{
    static const char words[] = "the quick brown fox jumps over a lazy dog and on ";
    static char text[200000];
    int64_t sizes[2];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = words[(i * 7 + (i >> 5) * (i >> 9)) % (sizeof(words) - 1)];
    for (int i = 0; i < 2; i++) {
        struct dlog_record record = message_of(NULL, text, sizeof(text));
        struct rig r;

        rig_init(&r);
        r.options.format = DLOG_FORMAT_MESSAGE;
        r.options.compression = DLOG_COMPRESSION_ZSTD;
        r.options.compression_level = i == 0 ? 1 : 19;
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
        sizes[i] = stats_of(&r).size_bytes;
        rig_close(&r);
    }
    assert_true(sizes[1] < sizes[0]);
}

/* What fits a segment exactly is taken, a byte more is not, and what was collected stays. */
static void a_segment_is_filled_to_the_end(void **state)
{
    enum { FRAME = 26, SEGMENT_BYTES = 5000 };
    static char bytes[SEGMENT_BYTES];
    struct dlog_record whole = message_of(NULL, bytes, SEGMENT_BYTES - FRAME);
    struct dlog_record more = message_of(NULL, bytes, SEGMENT_BYTES - FRAME + 1);
    struct dlog_record halves[2] = {message_of(NULL, bytes, SEGMENT_BYTES / 2 - FRAME),
                                    message_of(NULL, bytes, SEGMENT_BYTES / 2 - FRAME + 1)};
    struct rig r;

    rig_init(&r);
    r.options.format = DLOG_FORMAT_MESSAGE;
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    r.options.segment_bytes = SEGMENT_BYTES;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 1);
    assert_int_equal(dlog_append(r.log, &more, NULL), DLOG_E_TOO_BIG);
    assert_int_equal(dlog_append_batch(r.log, halves, 2, NULL), DLOG_E_TOO_BIG);
    assert_int_equal(dlog_end_offset(r.log), 1);
    assert_int_equal(dlog_append(r.log, &whole, NULL), DLOG_OK);
    halves[1].value_size--;
    assert_int_equal(dlog_append_batch(r.log, halves, 2, NULL), DLOG_OK);
    rig_fill(&r, 1000);
    assert_int_equal(rig_count(&r), 1004);
    rig_reopen(&r);
    assert_int_equal(rig_count(&r), 1004);
    assert_true(rig_has_file(&r, "00000000000000000001.log"));
    assert_true(rig_has_file(&r, "00000000000000000002.log"));
    assert_true(rig_has_file(&r, "00000000000000000004.log"));
    rig_close(&r);
}

/* Also when the segments get smaller than what is collected. */
static void smaller_segments_lose_nothing(void **state)
{
    static const enum dlog_format formats[] = {DLOG_FORMAT_BATCH, DLOG_FORMAT_MESSAGE};

    for (int i = 0; i < 2; i++) {
        struct rig r;

        rig_init(&r);
        r.options.format = formats[i];
        r.options.durability = DLOG_DURABILITY_OS;
        r.options.linger_ms = 1000000;
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        rig_fill(&r, 1000);
        assert_int_equal(stats_of(&r).written_offset, 0);
        r.options.segment_bytes = 4096;
        assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
        assert_int_equal(dlog_flush(r.log), DLOG_OK);
        rig_fill(&r, 1000);
        assert_int_equal(rig_count(&r), 2000);
        rig_close(&r);
    }
}

/* From the middle of buffers and segments, by offset and by time; what is gone or to come is not.
 */
static void readers_find_their_place(void **state)
{
    struct dlog_reader_options options;
    struct dlog_reader *reader;
    struct dlog_record got;
    int64_t offset;
    struct rig r;

    rig_init(&r);
    r.options.format = DLOG_FORMAT_MESSAGE;
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.segment_bytes = 4096;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    for (int i = 0; i < 1000; i++) {
        struct dlog_record record = message_of("k", "value", 5);

        record.timestamp_ms = 1000 + i;
        assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    }
    dlog_reader_options_init(&options, sizeof(options));
    options.buffer_bytes = 1000;
    for (int64_t from = 0; from < 1000; from += 37) {
        assert_int_equal(dlog_reader_open(r.log, from, &options, &reader), DLOG_OK);
        for (int64_t next = from; next < 1000; next++) {
            assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
            assert_int_equal(got.offset, next);
            assert_int_equal(got.timestamp_ms, 1000 + next);
        }
        assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_END);
        dlog_reader_close(reader);
        assert_int_equal(dlog_offset_for_time(r.log, 1000 + from, &offset), DLOG_OK);
        assert_int_equal(offset, from);
    }
    assert_int_equal(dlog_offset_for_time(r.log, 2000, &offset), DLOG_OK);
    assert_int_equal(offset, 1000);
    assert_int_equal(dlog_reader_open(r.log, 1001, NULL, &reader), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_trim(r.log, 500), DLOG_OK);
    assert_int_equal(dlog_trim(r.log, 1001), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_open(r.log, 499, NULL, &reader), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_open_at_time(r.log, 1, NULL, &reader), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(got.offset, 500);
    dlog_reader_close(reader);
    rig_reopen(&r);
    assert_int_equal(dlog_start_offset(r.log), 500);
    assert_int_equal(rig_count(&r), 500);
    rig_close(&r);
}

/* What a kill in the middle of a write leaves: a part of the next frame, cut off and kept. */
static void a_partial_frame_is_cut_off(void **state)
{
    enum { SIZE = 26 + 1 };

    for (size_t left = 1; left < SIZE; left++) {
        size_t left_over = left;
        uint8_t frame[SIZE];
        char path[400];
        FILE *file;
        struct rig r;

        open_messages(&r, DLOG_DURABILITY_ALWAYS);
        rig_fill(&r, 3);
        assert_int_equal(dlog_close(r.log), DLOG_OK);
        file_path(&r, SEGMENT, path, sizeof(path));
        file = fopen(path, "r+");
        assert_non_null(file);
        assert_int_equal(fread(frame, 1, SIZE, file), SIZE);
        assert_int_equal(fseek(file, 0, SEEK_END), 0);
        assert_int_equal(fwrite(frame, 1, left, file), left);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        assert_int_equal(dlog_end_offset(r.log), 3);
        while (left_over > 0 && frame[left_over - 1] == 0) /* as what is written ahead */
            left_over--;
        assert_int_equal(stats_of(&r).torn_bytes, left_over);
        assert_int_equal(rig_has_file(&r, "00000000000000000000.log.torn-81"), left_over > 0);
        rig_fill(&r, 2);
        assert_int_equal(rig_count(&r), 5);
        rig_close(&r);
    }
}

static void damage_is_told_and_passed_over(void **state)
{
    struct dlog_verified verified = {.size = sizeof(verified)};
    struct dlog_reader *reader;
    struct dlog_record got;
    struct rig r;

    open_messages(&r, DLOG_DURABILITY_ALWAYS);
    rig_fill(&r, 4);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    rig_flip(&r, SEGMENT, 27 + 26); /* the value of offset 1 */
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_end_offset(r.log), 4);
    assert_int_equal(dlog_verify(r.log, NULL, NULL, &verified), DLOG_OK);
    assert_int_equal(verified.damaged_ranges, 1);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_CORRUPT);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_CORRUPT);
    assert_int_equal(dlog_reader_seek(reader, 2), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(got.offset, 2);
    assert_memory_equal(got.value, "2", 1);
    dlog_reader_close(reader);
    rig_close(&r);
}

TESTS(test_message, cmocka_unit_test(the_file_is_as_the_format_says),
      cmocka_unit_test(what_a_frame_has_no_room_for_is_refused),
      cmocka_unit_test(another_format_is_not_taken),
      cmocka_unit_test(every_size_and_codec_comes_back),
      cmocka_unit_test(the_compression_level_counts),
      cmocka_unit_test(a_segment_is_filled_to_the_end),
      cmocka_unit_test(smaller_segments_lose_nothing), cmocka_unit_test(readers_find_their_place),
      cmocka_unit_test(a_partial_frame_is_cut_off),
      cmocka_unit_test(damage_is_told_and_passed_over));
