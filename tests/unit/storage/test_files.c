#include "rig.h"

#include "base/crc32c.h"
#include "os/dir.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/control.h"
#include "storage/epoch.h"
#include "storage/log_priv.h"
#include "storage/offset_index.h"
#include "storage/producer.h"
#include "storage/time_index.h"
#include "storage/txn_index.h"
#include "unit.h"

/* The formats of the small files, byte for byte. */

static struct batch_header header(int64_t base, int count, int64_t id, int16_t epoch, int32_t seq)
{
    return (struct batch_header){.base_offset = base,
                                 .size = 100,
                                 .magic = 2,
                                 .last_offset_delta = count - 1,
                                 .base_timestamp = 1000 + base,
                                 .max_timestamp = 1000 + base,
                                 .producer_id = id,
                                 .producer_epoch = epoch,
                                 .base_sequence = seq,
                                 .record_count = count};
}

static void file_is(struct rig *r, const char *name, const void *want, size_t size)
{
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    assert_int_equal(os_dir_read_file(r->dir, name, &bytes), E_OK);
    assert_true(bytes.size >= size);
    assert_memory_equal(bytes.at, want, size);
    buf_release(&bytes);
}

static enum err check_one(const struct producers *ps, const struct batch_header *h,
                          struct producer_check *check)
{
    *check = (struct producer_check){0};
    return producer_check_batch(ps, check, h);
}

static void apply(struct producers *ps, const struct batch_header *h)
{
    struct txn_aborted aborted;
    bool is_aborted;

    assert_int_equal(producer_apply(ps, h, (struct slice){0}, &is_aborted, &aborted), E_OK);
    assert_false(is_aborted);
}

static void put(struct producers *ps, int64_t base, int count, int64_t id, int16_t epoch,
                int32_t seq)
{
    struct batch_header h = header(base, count, id, epoch, seq);

    apply(ps, &h);
}

static void a_snapshot_is_kafkas_version_1(void **state)
{
    /* One producer: id 4242, epoch 3, last sequence 9, last offset 109, delta 4, timestamp
     * 1767225600000, no coordinator, no transaction. */
    static const uint8_t want[] = {
        0x00, 0x01, 0,    0,    0,    0,    0x00, 0x00, 0x00, 0x01, /* version, crc, count */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x92,             /* producer id */
        0x00, 0x03,                                                 /* epoch */
        0x00, 0x00, 0x00, 0x09,                                     /* last sequence */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6d,             /* last offset */
        0x00, 0x00, 0x00, 0x04,                                     /* offset delta */
        0x00, 0x00, 0x01, 0x9b, 0x76, 0xda, 0xa8, 0x00,             /* timestamp */
        0xff, 0xff, 0xff, 0xff,                                     /* coordinator epoch */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,             /* transaction */
    };
    struct batch_header h = header(105, 5, 4242, 3, 5);
    struct producers ps, back;
    struct buf out;
    uint32_t crc;

    (void)state;
    producer_init(&ps);
    producer_init(&back);
    buf_init(&out, 1 << 20);
    h.max_timestamp = 1767225600000;
    apply(&ps, &h);
    assert_int_equal(producer_encode(&ps, &out), E_OK);
    assert_int_equal(out.size, sizeof(want));
    assert_memory_equal(out.at, want, 2);
    assert_memory_equal(out.at + 6, want + 6, sizeof(want) - 6);
    crc = crc32c_of(want + 6, sizeof(want) - 6);
    assert_int_equal(out.at[2], crc >> 24);
    assert_int_equal(out.at[5], crc & 0xff);

    assert_int_equal(producer_decode(&back, buf_slice(&out)), E_OK);
    assert_int_equal(producer_count(&back), 1);
    assert_int_equal(producer_find(&back, 4242)->batches[0].last_sequence, 9);
    assert_int_equal(producer_decode(&back, slice_of(out.at, out.size - 1)), E_CORRUPT);
    assert_int_equal(producer_decode(&back, slice_of(out.at, 5)), E_CORRUPT);
    out.at[1] = 7;
    assert_int_equal(producer_decode(&back, buf_slice(&out)), E_UNSUPPORTED);
    out.at[1] = 1;
    out.at[20] ^= 1;
    assert_int_equal(producer_decode(&back, buf_slice(&out)), E_CORRUPT);
    buf_release(&out);
    producer_release(&ps);
    producer_release(&back);
}

/* Two producers with 2 and 7 batches, and one with none but a marker's epoch. */
static void fill_windows(struct producers *ps)
{
    producer_init(ps);
    for (int i = 0; i < 7; i++)
        put(ps, 10 * i, 5, 900, 0, 5 * i);
    for (int i = 0; i < 2; i++)
        put(ps, 100 + 10 * i, 5, 30, 1, 5 * i);
    put(ps, 200, 1, 7, 0, -1);
}

static void a_window_belongs_to_its_snapshot(void **state)
{
    struct producers ps, back;
    struct buf snapshot, window;

    (void)state;
    fill_windows(&ps);
    producer_init(&back);
    buf_init(&snapshot, 1 << 20);
    buf_init(&window, 1 << 20);
    assert_int_equal(producer_encode(&ps, &snapshot), E_OK);
    assert_int_equal(snapshot.size, 10 + 3 * 46);
    assert_int_equal(snapshot.at[17], 7); /* the smallest id first */
    assert_int_equal(producer_encode_window(&ps, buf_slice(&snapshot), &window), E_OK);
    assert_int_equal(window.size, 14 + (4 + 1) * 32);

    assert_int_equal(producer_decode(&back, buf_slice(&snapshot)), E_OK);
    assert_int_equal(producer_find(&back, 900)->batch_count, 1);
    assert_int_equal(producer_find(&back, 7)->batches[0].last_sequence, -1);
    for (size_t i = 0; i < window.size; i++) { /* any damage: as if it were not there */
        window.at[i] ^= 0x40;
        assert_int_equal(producer_decode_window(&back, buf_slice(&snapshot), buf_slice(&window)),
                         E_CORRUPT);
        assert_int_equal(
            producer_decode_window(&back, buf_slice(&snapshot), slice_of(window.at, i)), E_CORRUPT);
        window.at[i] ^= 0x40;
    }
    assert_int_equal(producer_find(&back, 900)->batch_count, 1);
    assert_int_equal(producer_decode_window(&back, buf_slice(&snapshot), buf_slice(&window)), E_OK);
    assert_int_equal(producer_find(&back, 900)->batch_count, 5);
    assert_int_equal(producer_find(&back, 30)->batch_count, 2);
    assert_memory_equal(producer_find(&back, 900)->batches, producer_find(&ps, 900)->batches,
                        sizeof(struct producer_batch) * 5);

    put(&ps, 300, 1, 900, 0, 35); /* another snapshot */
    buf_clear(&snapshot);
    assert_int_equal(producer_encode(&ps, &snapshot), E_OK);
    assert_int_equal(producer_decode(&back, buf_slice(&snapshot)), E_OK);
    assert_int_equal(producer_decode_window(&back, buf_slice(&snapshot), buf_slice(&window)),
                     E_CORRUPT);
    buf_release(&snapshot);
    buf_release(&window);
    producer_release(&ps);
    producer_release(&back);
}

static void many_ended_transactions_are_kept_as_few(void **state)
{
    struct producers ps;
    struct buf bytes;

    (void)state;
    producer_init(&ps);
    buf_init(&bytes, 1000);
    for (int i = 0; i < PRODUCER_ENDED_MAX + 10; i++) {
        struct batch_end_txn marker = {.base_offset = 2 * i + 1, .producer_id = 7};
        struct batch_header h = header(2 * i, 1, 7, 0, i);
        struct txn_aborted aborted;
        bool is_aborted;

        h.attributes = BATCH_TRANSACTIONAL;
        apply(&ps, &h);
        buf_clear(&bytes);
        assert_int_equal(batch_build_end_txn(&marker, &bytes), E_OK);
        assert_int_equal(batch_peek(buf_slice(&bytes), &h), E_OK);
        assert_int_equal(producer_apply(&ps, &h, buf_slice(&bytes), &is_aborted, &aborted), E_OK);
    }
    assert_int_equal(ps.ended.count, PRODUCER_ENDED_MAX);
    assert_int_equal(producer_first_unstable(&ps, 1), 0);
    assert_int_equal(producer_first_unstable(&ps, 2), 2);
    /* never too late, and for the last ones too early until the very last is committed */
    assert_int_equal(producer_first_unstable(&ps, 2 * (PRODUCER_ENDED_MAX + 9) + 1),
                     2 * (PRODUCER_ENDED_MAX - 1));
    assert_int_equal(producer_first_unstable(&ps, 2 * (PRODUCER_ENDED_MAX + 10)), -1);
    buf_release(&bytes);
    producer_release(&ps);
}

static void the_transaction_index_is_kafkas(void **state)
{
    static const uint8_t want[] = {
        0, 0,                         /* version */
        0, 0, 0, 0, 0, 0, 0x10, 0x92, /* producer id */
        0, 0, 0, 0, 0, 0, 0,    10,   /* first offset */
        0, 0, 0, 0, 0, 0, 0,    20,   /* last offset */
        0, 0, 0, 0, 0, 0, 0,    12,   /* last stable offset */
    };
    static const char name[] = "00000000000000000000.txnindex";
    struct txn_aborted a = {4242, 10, 20, 12}, b = {5, 15, 30, 31};
    struct txn_index ix;
    struct rig r;

    (void)state;
    rig_open(&r);
    txn_index_init(&ix);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK);
    assert_false(rig_has_file(&r, name)); /* nothing was aborted: no file */
    assert_int_equal(txn_index_add(&ix, &a), E_OK);
    assert_int_equal(txn_index_add(&ix, &a), E_OK);
    assert_int_equal(txn_index_count(&ix), 1);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK);
    file_is(&r, name, want, sizeof(want));
    assert_int_equal(txn_index_add(&ix, &b), E_OK);
    txn_index_close(&ix);
    assert_true(ix.is_loaded); /* one is not written */
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK);
    assert_int_equal(rig_file_size(&r, name), 2 * TXN_INDEX_ENTRY_SIZE);
    txn_index_close(&ix);
    assert_false(ix.is_loaded);
    assert_int_equal(txn_index_load(&ix, r.dir, name, 30),
                     E_OK); /* the log ends before b's marker */
    assert_int_equal(txn_index_count(&ix), 1);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK);
    assert_int_equal(rig_file_size(&r, name), TXN_INDEX_ENTRY_SIZE);
    file_is(&r, name, want, sizeof(want));
    txn_index_truncate(&ix, 20);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK);
    assert_false(rig_has_file(&r, name));

    for (size_t size = 1; size < sizeof(want); size++) { /* a part of an entry is no entry */
        assert_int_equal(os_dir_replace_file(r.dir, name, slice_of(want, size)), E_OK);
        txn_index_forget(&ix);
        assert_int_equal(txn_index_load(&ix, r.dir, name, INT64_MAX), E_CORRUPT);
    }
    txn_index_reset(&ix);
    assert_int_equal(txn_index_add(&ix, &a), E_OK);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK); /* made anew */
    file_is(&r, name, want, sizeof(want));
    assert_int_equal(rig_file_size(&r, name), TXN_INDEX_ENTRY_SIZE);
    assert_int_equal(txn_index_add(&ix, &b), E_OK);
    assert_int_equal(os_dir_replace_file(r.dir, name, slice_of(want, 0)), E_OK);
    assert_int_equal(txn_index_write(&ix, r.dir, name), E_OK); /* somebody else was at it */
    assert_int_equal(rig_file_size(&r, name), 2 * TXN_INDEX_ENTRY_SIZE);
    txn_index_release(&ix);
    rig_close(&r);
}

static void sequences_are_checked(void **state)
{
    struct producer_check c;
    struct producers ps;
    struct batch_header h;

    (void)state;
    producer_init(&ps);
    h = header(0, 10, 7, 0, 55); /* nothing is known: any sequence (KIP-360) */
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    put(&ps, 0, 10, 7, 0, 0);
    for (int i = 1; i < 6; i++)
        put(&ps, i * 10, 10, 7, 0, i * 10);
    h = header(60, 10, 7, 0, 60);
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    h = header(60, 10, 7, 0, 70);
    assert_int_equal(check_one(&ps, &h, &c), E_OUT_OF_ORDER);
    for (int i = 1; i < 6; i++) { /* the last five are known */
        h = header(60, 10, 7, 0, i * 10);
        assert_int_equal(check_one(&ps, &h, &c), E_OK);
        assert_int_equal(c.duplicate_count, 1);
        assert_int_equal(c.first_duplicate.last_offset, i * 10 + 9);
    }
    h = header(60, 10, 7, 0, 0); /* the sixth is not */
    assert_int_equal(check_one(&ps, &h, &c), E_OUT_OF_ORDER);
    h = header(60, 9, 7, 0, 50); /* same begin, other end */
    assert_int_equal(check_one(&ps, &h, &c), E_OUT_OF_ORDER);
    h = header(60, 10, 7, -1, 60);
    assert_int_equal(check_one(&ps, &h, &c), E_FENCED);
    h = header(60, 10, 7, 1, 60); /* a new epoch begins at 0 */
    assert_int_equal(check_one(&ps, &h, &c), E_OUT_OF_ORDER);
    h = header(60, 10, 7, 1, 0);
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    put(&ps, 60, 10, 7, 1, 0);
    h = header(70, 10, 7, 0, 60);
    assert_int_equal(check_one(&ps, &h, &c), E_FENCED);
    producer_release(&ps);
}

static void sequences_wrap(void **state)
{
    struct producer_check c;
    struct producers ps;
    struct batch_header h;

    (void)state;
    producer_init(&ps);
    put(&ps, 0, 5, 7, 0, INT32_MAX - 4); /* up to and with 2^31-1 */
    h = header(5, 3, 7, 0, 0);
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    put(&ps, 5, 3, 7, 0, 0);
    put(&ps, 8, 10, 8, 0, INT32_MAX - 4); /* over it: 2^31-5 .. 4 */
    h = header(18, 1, 8, 0, 5);
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    h = header(18, 10, 8, 0, INT32_MAX - 4);
    assert_int_equal(check_one(&ps, &h, &c), E_OK);
    assert_int_equal(c.duplicate_count, 1);
    producer_release(&ps);
}

static void several_batches_are_checked_in_turn(void **state)
{
    struct producer_check c = {0};
    struct producers ps;
    struct batch_header h;

    (void)state;
    producer_init(&ps);
    put(&ps, 0, 1, 7, 0, 0);
    h = header(1, 1, 7, 0, 1);
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_OK);
    h = header(2, 1, 7, 0, 2);
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_OK);
    h = header(3, 1, 7, 0, 4);
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_OUT_OF_ORDER);
    c = (struct producer_check){0};
    h = header(1, 1, 7, 0, 0); /* a duplicate, then a new one: neither */
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_OK);
    h = header(2, 1, 7, 0, 1);
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_OUT_OF_ORDER);
    c = (struct producer_check){0};
    for (int i = 0; i < PRODUCER_STAGED_MAX; i++) {
        h = header(1, 1, 100 + i, 0, 0);
        assert_int_equal(producer_check_batch(&ps, &c, &h), E_OK);
    }
    h = header(1, 1, 1000, 0, 0);
    assert_int_equal(producer_check_batch(&ps, &c, &h), E_TOO_BIG);
    producer_release(&ps);
}

static void transactions_open_and_end(void **state)
{
    struct batch_end_txn marker = {
        .base_offset = 9, .timestamp_ms = 5, .producer_id = 7, .coordinator_epoch = 2};
    struct batch_header h = header(3, 2, 7, 0, 0);
    struct txn_aborted aborted;
    struct producers ps;
    struct buf bytes;
    bool is_aborted;

    (void)state;
    producer_init(&ps);
    buf_init(&bytes, 1000);
    h.attributes = BATCH_TRANSACTIONAL;
    apply(&ps, &h);
    h = header(5, 2, 8, 0, 0);
    h.attributes = BATCH_TRANSACTIONAL;
    apply(&ps, &h);
    assert_int_equal(ps.first_txn_offset, 3);
    assert_int_equal(batch_build_end_txn(&marker, &bytes), E_OK);
    assert_int_equal(batch_peek(buf_slice(&bytes), &h), E_OK);
    assert_int_equal(producer_apply(&ps, &h, buf_slice(&bytes), &is_aborted, &aborted), E_OK);
    assert_true(is_aborted);
    assert_int_equal(aborted.producer_id, 7);
    assert_int_equal(aborted.first_offset, 3);
    assert_int_equal(aborted.last_offset, 9);
    assert_int_equal(aborted.last_stable_offset, 5); /* producer 8's is open */
    assert_int_equal(ps.first_txn_offset, 5);
    assert_int_equal(producer_first_unstable(&ps, 9), 3); /* the marker is not committed */
    assert_int_equal(producer_first_unstable(&ps, 10), 5);
    assert_int_equal(producer_first_unstable(&ps, 9), 5);
    assert_int_equal(producer_apply(&ps, &h, buf_slice(&bytes), &is_aborted, &aborted), E_OK);
    assert_false(is_aborted); /* nothing was open */
    assert_int_equal(producer_first_unstable(&ps, 0), 5);
    assert_int_equal(producer_find(&ps, 7)->coordinator_epoch, 2);
    producer_expire(&ps, INT64_MAX / 2, 1);
    assert_null(producer_find(&ps, 7));
    assert_non_null(producer_find(&ps, 8)); /* its transaction is open */
    buf_release(&bytes);
    producer_release(&ps);
}

static void the_epoch_file_is_kafkas(void **state)
{
    static const char want[] = "0\n2\n0 0\n3 1250\n";
    static const char *const bad[] = {
        "",        "1\n0\n",       "0\n1\n",     "0\n1\nx 0\n", "0\n1\n3\n",       "0\n2\n3 5\n",
        "0\n-1\n", "0\n0\nmore\n", "0\n1\n-1 0", "0\n1\n1 2 3", "0\n2\n3 5\n2 9\n"};
    struct epochs es;
    struct buf out;
    int32_t epoch;
    int64_t end;

    (void)state;
    epoch_init(&es);
    buf_init(&out, 1000);
    assert_int_equal(epoch_latest(&es), -1);
    assert_int_equal(epoch_begin(&es, 0, 0), E_OK);
    assert_int_equal(epoch_begin(&es, 3, 1250), E_OK);
    assert_int_equal(epoch_begin(&es, 2, 2000), E_OK); /* not newer */
    assert_int_equal(epoch_encode(&es, &out), E_OK);
    assert_true(slice_equal_text(buf_slice(&out), want));
    epoch_end(&es, 0, 9000, &epoch, &end);
    assert_int_equal(epoch, 0);
    assert_int_equal(end, 1250);
    epoch_end(&es, 2, 9000, &epoch, &end);
    assert_int_equal(epoch, 0);
    assert_int_equal(end, 1250);
    epoch_end(&es, 3, 9000, &epoch, &end);
    assert_int_equal(end, 9000);
    epoch_end(&es, 4, 9000, &epoch, &end);
    assert_int_equal(epoch, -1);
    assert_int_equal(end, -1);
    assert_int_equal(epoch_at(&es, 1249), 0);
    assert_int_equal(epoch_at(&es, 1250), 3);
    epoch_drop_before(&es, 1300);
    assert_int_equal(es.entries.count, 1);
    assert_int_equal(epoch_at(&es, 1299), -1);
    assert_int_equal(epoch_decode(&es, slice_of_text(want)), E_OK);
    epoch_truncate(&es, 1250);
    assert_int_equal(epoch_latest(&es), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(epoch_decode(&es, slice_of_text(bad[i])), E_CORRUPT);
        assert_int_equal(epoch_latest(&es), -1);
    }
    buf_release(&out);
    epoch_release(&es);
}

static void index_entries_are_kafkas(void **state)
{
    static const uint8_t offsets[] = {0, 0, 0, 0x2a, 0, 0, 0x10, 0x04};
    static const uint8_t times[] = {0, 0, 1, 0x9b, 0x76, 0xda, 0xa8, 0, 0, 0, 0, 0x2a};
    struct offset_index_entry entry;
    struct segment_index ix;
    int64_t offset, timestamp;

    (void)state;
    offset_index_init(&ix);
    segment_index_reset(&ix);
    assert_int_equal(offset_index_add(&ix, 1000, 1042, 4100), E_OK);
    assert_int_equal(offset_index_add(&ix, 1000, 1042, 9000), E_OK); /* not after it */
    assert_int_equal(ix.entries.size, sizeof(offsets));
    assert_memory_equal(ix.entries.at, offsets, sizeof(offsets));
    assert_int_equal(offset_index_find(&ix, 1000, 1041, &entry), E_OK);
    assert_int_equal(entry.pos, 0);
    assert_int_equal(offset_index_find(&ix, 1000, 1042, &entry), E_OK);
    assert_int_equal(entry.pos, 4100);
    offset_index_truncate(&ix, 4100);
    assert_int_equal(ix.count, 0);
    segment_index_release(&ix);

    time_index_init(&ix);
    segment_index_reset(&ix);
    assert_int_equal(time_index_last(&ix, 1000, &timestamp, &offset), E_OK);
    assert_int_equal(timestamp, -1);
    assert_int_equal(time_index_add(&ix, 1000, 1767225600000, 1042), E_OK);
    assert_int_equal(time_index_add(&ix, 1000, 1767225600000, 1050), E_OK); /* not larger */
    assert_int_equal(time_index_add(&ix, 1000, -1, 1050), E_OK);            /* no time */
    assert_int_equal(ix.entries.size, sizeof(times));
    assert_memory_equal(ix.entries.at, times, sizeof(times));
    assert_int_equal(time_index_find(&ix, 1000, 1767225600000, &offset), E_OK);
    assert_int_equal(offset, 1000);
    assert_int_equal(time_index_find(&ix, 1000, 1767225600001, &offset), E_OK);
    assert_int_equal(offset, 1042);
    assert_int_equal(time_index_last(&ix, 1000, &timestamp, &offset), E_OK);
    assert_int_equal(timestamp, 1767225600000);
    time_index_truncate(&ix, 1000, 1042);
    assert_int_equal(ix.count, 0);
    segment_index_release(&ix);
}

/* A large index is searched in its file as it is in memory. */
static void an_index_on_disk_gives_the_same(void **state)
{
    struct segment_index memory, disk;
    struct rig r;

    (void)state;
    rig_open(&r);
    offset_index_init(&memory);
    offset_index_init(&disk);
    segment_index_reset(&memory);
    for (int64_t i = 1; i <= 5000; i++)
        assert_int_equal(offset_index_add(&memory, 0, i * 3, i * 100), E_OK);
    assert_int_equal(segment_index_write(&memory, r.dir, "x.index"), E_OK);
    assert_int_equal(segment_index_open(&disk, r.dir, "y.index"), E_NOT_FOUND);
    assert_int_equal(segment_index_open(&disk, r.dir, "x.index"), E_OK);
    assert_int_equal(disk.count, 5000);
    for (int64_t offset = 0; offset < 15010; offset += 7) {
        struct offset_index_entry a, b;

        assert_int_equal(offset_index_find(&memory, 0, offset, &a), E_OK);
        assert_int_equal(offset_index_find(&disk, 0, offset, &b), E_OK);
        assert_int_equal(a.pos, b.pos);
    }
    segment_index_close(&disk);
    assert_int_equal(segment_index_load(&disk, r.dir, "x.index"), E_OK);
    assert_int_equal(disk.count, 5000);
    segment_index_truncate(&memory, 10);
    assert_int_equal(segment_index_write(&memory, r.dir, "x.index"), E_OK);
    assert_int_equal(rig_file_size(&r, "x.index"), 80);
    segment_index_release(&memory);
    segment_index_release(&disk);
    rig_close(&r);
}

static void a_checkpoint_round_trips(void **state)
{
    struct log_checkpoint_segment s = {5, 100, 7, 6, 3};
    struct log_checkpoint_damage d = {5, {10, 20, 5, 6}};
    struct log_checkpoint a, b;
    struct buf out;

    (void)state;
    log_checkpoint_init(&a);
    buf_init(&out, 10000);
    a.start_offset = 5;
    a.recovery_point = 42;
    a.window_bytes = 77;
    a.has_snapshot = true;
    a.topic_id.bytes[3] = 9;
    assert_int_equal(vec_push(&a.segments, &s), E_OK);
    assert_int_equal(vec_push(&a.damaged, &d), E_OK);
    assert_int_equal(log_checkpoint_encode(&a, &out), E_OK);
    log_checkpoint_init(&b);
    assert_int_equal(log_checkpoint_decode(&b, buf_slice(&out)), E_OK);
    assert_int_equal(b.recovery_point, 42);
    assert_int_equal(b.window_bytes, 77);
    assert_true(b.has_snapshot);
    assert_true(uuid_equal(a.topic_id, b.topic_id));
    assert_memory_equal(vec_at(&b.segments, 0), &s, sizeof(s));
    assert_memory_equal(vec_at(&b.damaged, 0), &d, sizeof(d));
    log_checkpoint_release(&b);
    for (size_t i = 0; i < out.size; i++) { /* no flipped bit goes unseen */
        log_checkpoint_init(&b);
        out.at[i] ^= 1;
        assert_int_not_equal(log_checkpoint_decode(&b, buf_slice(&out)), E_OK);
        out.at[i] ^= 1;
        log_checkpoint_release(&b);
        log_checkpoint_init(&b);
        assert_int_not_equal(log_checkpoint_decode(&b, slice_of(out.at, i)), E_OK);
        log_checkpoint_release(&b);
    }
    log_checkpoint_release(&a);
    buf_release(&out);
}

/* docs/format/segment.md */
static void the_worked_example_is_true(void **state)
{
    static const uint8_t batch[] = {
        0,    0,    0,    0,    0,    0,    0,    0,   0,    0,    0,    0x49, 0, 0,    0,
        0,    2,    0xff, 0xf3, 0x53, 0xf2, 0,    0,   0,    0,    0,    1,    0, 0,    1,
        0x9b, 0x76, 0xda, 0xa8, 0,    0,    0,    1,   0x9b, 0x76, 0xda, 0xa8, 1, 0,    0,
        0,    0,    0,    0,    0x10, 0x92, 0,    3,   0,    0,    0,    0,    0, 0,    0,
        2,    0x16, 0,    0,    0,    1,    0x0a, 'e', 'v',  'e',  'n',  't',  0, 0x16, 0,
        2,    2,    1,    0x0a, 'e',  'v',  'e',  'n', 't',  0};
    static const uint8_t index[] = {0, 0, 0, 5, 0, 0, 0, 0xaa};
    static const uint8_t times[] = {0, 0, 1, 0x9b, 0x76, 0xda, 0xaf, 0xd1, 0, 0, 0, 5,
                                    0, 0, 1, 0x9b, 0x76, 0xda, 0xb3, 0xb9, 0, 0, 0, 7};
    static const uint8_t snapshot[] = {
        0,    1,    0xd4, 0x78, 0xb0, 0xad, 0,    0,    0,    1,    0,    0,    0,    0,
        0,    0,    0x10, 0x92, 0,    3,    0,    0,    0,    7,    0,    0,    0,    0,
        0,    0,    0,    7,    0,    0,    0,    1,    0,    0,    1,    0x9b, 0x76, 0xda,
        0xb3, 0xb9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t window[] = {
        0, 1, 0x29, 0x52, 0xcf, 0xb0, 0xd4, 0x78, 0xb0, 0xad, 0,    0,    0,    3,    0, 0,
        0, 0, 0,    0,    0x10, 0x92, 0,    0,    0,    1,    0,    0,    0,    0,    0, 0,
        0, 1, 0,    0,    0,    1,    0,    0,    1,    0x9b, 0x76, 0xda, 0xa8, 1,    0, 0,
        0, 0, 0,    0,    0x10, 0x92, 0,    0,    0,    3,    0,    0,    0,    0,    0, 0,
        0, 3, 0,    0,    0,    1,    0,    0,    1,    0x9b, 0x76, 0xda, 0xab, 0xe9, 0, 0,
        0, 0, 0,    0,    0x10, 0x92, 0,    0,    0,    5,    0,    0,    0,    0,    0, 0,
        0, 5, 0,    0,    0,    1,    0,    0,    1,    0x9b, 0x76, 0xda, 0xaf, 0xd1};
    static const char checkpoint[] = "dlog.checkpoint 1\nstart 0\nrecovery_point 8\n"
                                     "window 67108864\nsnapshot 1\ngaps 0\n"
                                     "topic_id AAAAAAAAAAAAAAAAAAAAAA\n"
                                     "segment 0 340 1767225603001 7 1767225600001\n"
                                     "crc32c b7496874\n";
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.index_interval_bytes = 100;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < 4; i++) {
        struct batch_options options = batch_options_init(0);
        struct log_appended appended;
        struct batch_builder b;
        struct buf bytes;

        buf_init(&bytes, 10000);
        options.producer_id = 4242;
        options.producer_epoch = 3;
        options.base_sequence = 2 * i;
        batch_builder_init(&b, &options);
        for (int k = 0; k < 2; k++)
            assert_int_equal(
                batch_builder_add(&b,
                                  &(struct record_draft){.timestamp_ms = r.wall_ms + 1000 * i + k,
                                                         .value = slice_of_text("event")}),
                E_OK);
        assert_int_equal(batch_builder_finish(&b, &bytes), E_OK);
        assert_int_equal(log_append(r.log,
                                    &(struct log_append){.bytes = bytes.at, .size = bytes.size},
                                    &appended),
                         E_OK);
        batch_builder_release(&b);
        buf_release(&bytes);
    }
    rig_reopen(&r);
    file_is(&r, "00000000000000000000.log", batch, sizeof(batch));
    file_is(&r, "00000000000000000000.index", index, sizeof(index));
    file_is(&r, "00000000000000000000.timeindex", times, sizeof(times));
    file_is(&r, "00000000000000000008.snapshot", snapshot, sizeof(snapshot));
    file_is(&r, "00000000000000000008.window", window, sizeof(window));
    file_is(&r, "dlog.checkpoint", checkpoint, sizeof(checkpoint) - 1);
    file_is(&r, "leader-epoch-checkpoint", "0\n1\n0 0\n", 8);
    rig_close(&r);
}

TESTS(test_files, cmocka_unit_test(the_worked_example_is_true),
      cmocka_unit_test(a_snapshot_is_kafkas_version_1),
      cmocka_unit_test(a_window_belongs_to_its_snapshot),
      cmocka_unit_test(many_ended_transactions_are_kept_as_few),
      cmocka_unit_test(the_transaction_index_is_kafkas), cmocka_unit_test(sequences_are_checked),
      cmocka_unit_test(sequences_wrap), cmocka_unit_test(several_batches_are_checked_in_turn),
      cmocka_unit_test(transactions_open_and_end), cmocka_unit_test(the_epoch_file_is_kafkas),
      cmocka_unit_test(index_entries_are_kafkas), cmocka_unit_test(an_index_on_disk_gives_the_same),
      cmocka_unit_test(a_checkpoint_round_trips));
