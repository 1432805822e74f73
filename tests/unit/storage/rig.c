#include "rig.h"

#include <stdio.h>

#include "lib/folder.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/control.h"
#include "record/message.h"
#include "record/record.h"
#include "storage/frame.h"
#include "unit.h"

void rig_open(struct rig *r)
{
    rig_open_as(r, LOG_FORMAT_BATCH);
}

void rig_open_as(struct rig *r, enum log_format format)
{
    *r = (struct rig){.wall_ms = 1767225600000};
    r->options = log_options_default();
    r->options.retention_ms = -1;
    r->options.format = format;
    assert_true(test_folder_make("storage", r->path, sizeof(r->path)));
    assert_int_equal(os_open(&r->os), E_OK);
    assert_int_equal(log_root_open(r->os, r->path, &r->root, &r->report), E_OK);
    assert_int_equal(rig_open_log(r), E_OK);
}

enum err rig_open_log(struct rig *r)
{
    enum err e = log_open(&(struct log_open){r->root, "t-0", &r->options, r->wall_ms}, &r->log,
                          &r->recovery, &r->report);

    if (e != E_OK)
        r->log = NULL;
    if (r->dir == NULL)
        assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
    return e;
}

void rig_close(struct rig *r)
{
    log_close(r->log);
    os_dir_close(r->dir);
    log_root_close(r->root);
    os_close(r->os);
    assert_true(test_folder_remove(r->path));
}

void rig_reopen(struct rig *r)
{
    log_close(r->log);
    assert_int_equal(rig_open_log(r), E_OK);
}

/* Close the log on a copy that is thrown away: the real files stay as they are. */
void rig_crash(struct rig *r)
{
    char command[1024];

    snprintf(command, sizeof(command), "cp -r %s/t-0 %s/.kept", r->path, r->path);
    assert_int_equal(system(command), 0);
    log_close(r->log);
    os_dir_close(r->dir);
    r->dir = NULL;
    snprintf(command, sizeof(command), "rm -rf %s/t-0 && mv %s/.kept %s/t-0", r->path, r->path,
             r->path);
    assert_int_equal(system(command), 0);
    r->log = NULL;
}

/* What the record of this number is. */
static void fill_value(uint8_t *value, size_t size, uint32_t number)
{
    memset(value, (int)('a' + number % 26), size);
    memcpy(value, &number, size < 4 ? size : 4);
}

static void build_messages(const struct rig_batch *batch, uint32_t seed, struct buf *out)
{
    uint8_t *value = test_malloc((size_t)batch->value_size + 4);

    for (int i = 0; i < batch->count; i++) {
        uint32_t number = seed + (uint32_t)i;
        struct message m = {.timestamp_ms = batch->timestamp_ms + i,
                            .key = number % 2 == 0 ? slice_of(NULL, 0) : slice_of_text("key"),
                            .value = slice_of(value, (size_t)batch->value_size),
                            .codec = (enum codec_id)batch->codec};

        fill_value(value, (size_t)batch->value_size, number);
        assert_int_equal(message_encode(&m, out), E_OK);
    }
    test_free(value);
}

void rig_build(const struct rig_batch *batch, int64_t base_offset, int32_t epoch, uint32_t seed,
               struct buf *out)
{
    struct batch_options options = batch_options_init(base_offset);
    struct batch_builder b;
    uint8_t *value;

    if (batch->format == LOG_FORMAT_MESSAGE) {
        build_messages(batch, seed, out);
        return;
    }
    value = test_malloc((size_t)batch->value_size + 4);
    options.leader_epoch = epoch;
    options.codec = (enum codec_id)batch->codec;
    options.transactional = batch->transactional;
    if (batch->producer_id > 0) {
        options.producer_id = batch->producer_id;
        options.producer_epoch = batch->producer_epoch;
        options.base_sequence = batch->base_sequence;
    }
    batch_builder_init(&b, &options);
    for (int i = 0; i < batch->count; i++) {
        uint32_t number = seed + (uint32_t)i;

        fill_value(value, (size_t)batch->value_size, number);
        assert_int_equal(
            batch_builder_add(
                &b, &(struct record_draft){.timestamp_ms = batch->timestamp_ms + i,
                                           .value = slice_of(value, (size_t)batch->value_size)}),
            E_OK);
    }
    assert_int_equal(batch_builder_finish(&b, out), E_OK);
    batch_builder_release(&b);
    test_free(value);
}

enum err rig_append(struct rig *r, const struct rig_batch *batch, struct log_appended *appended)
{
    struct rig_batch in_format = *batch;
    struct log_appended mine;
    struct buf bytes;
    enum err e;

    buf_init(&bytes, 64 << 20);
    in_format.format = log_format(r->log);
    rig_build(&in_format, 0, 0, (uint32_t)log_end_offset(r->log), &bytes);
    e = log_append(r->log,
                   &(struct log_append){
                       .bytes = bytes.at,
                       .size = bytes.size,
                       .leader_epoch = log_latest_epoch(r->log) < 0 ? 0 : log_latest_epoch(r->log),
                       .wall_ms = r->wall_ms},
                   appended != NULL ? appended : &mine);
    buf_release(&bytes);
    return e;
}

enum err rig_append_marker(struct rig *r, int64_t producer, bool commit)
{
    struct batch_end_txn marker = {
        .timestamp_ms = r->wall_ms, .producer_id = producer, .commit = commit};
    struct log_append append = {.wall_ms = r->wall_ms};
    struct log_appended appended;
    struct buf bytes;
    enum err e;

    buf_init(&bytes, 1000);
    assert_int_equal(batch_build_end_txn(&marker, &bytes), E_OK);
    append.bytes = bytes.at;
    append.size = bytes.size;
    append.leader_epoch = log_latest_epoch(r->log) < 0 ? 0 : log_latest_epoch(r->log);
    e = log_append(r->log, &append, &appended);
    buf_release(&bytes);
    return e;
}

/* Transactions as a walk over the batches finds them: producers 0 to 15. */
struct walk {
    int64_t first[16]; /* of the open one, + 1 */
    struct log_aborted_txn aborted[64];
    int count;
    int told;
};

static bool is_abort(struct slice batch)
{
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;

    assert_int_equal(record_iter_init(&it, batch, NULL), E_OK);
    assert_true(record_iter_next(&it, &view));
    assert_int_equal(record_control_decode_key(view.key, &key), E_OK);
    return key.type == RECORD_CONTROL_ABORT;
}

static void walk_batch(struct walk *w, const struct batch_view *view)
{
    const struct batch_header *h = &view->header;
    int64_t *first;

    if (!batch_is_transactional(h))
        return;
    assert_true(h->producer_id >= 0 && h->producer_id < 16);
    first = &w->first[h->producer_id];
    if (!batch_is_control(h)) {
        if (*first == 0)
            *first = h->base_offset + 1;
        return;
    }
    if (*first > 0 && is_abort(view->bytes))
        w->aborted[w->count++] = (struct log_aborted_txn){h->producer_id, *first - 1};
    *first = 0;
}

static enum err walk_told(void *ctx, const struct log_aborted_txn *aborted)
{
    struct walk *w = ctx;

    if (w->told == w->count || w->aborted[w->told].producer_id != aborted->producer_id ||
        w->aborted[w->told].first_offset != aborted->first_offset)
        fail_msg("aborted transaction %d: producer %lld at %lld is not in the log", w->told,
                 (long long)aborted->producer_id, (long long)aborted->first_offset);
    w->told++;
    return E_OK;
}

int rig_check_aborted(struct rig *r)
{
    int64_t offset = log_start_offset(r->log), base = 0;
    struct walk w = {.count = 0};
    struct buf bytes;

    buf_init(&bytes, 64 << 20);
    while (offset < log_end_offset(r->log)) {
        struct frame_iter it;
        struct batch_view view;

        assert_int_equal(rig_read(r, offset, 64 << 10, &bytes, &base), E_OK);
        it = frame_iter_init(log_format(r->log), buf_slice(&bytes), base);
        while (frame_iter_next(&it, &view)) {
            if (view.header.base_offset >= log_start_offset(r->log))
                walk_batch(&w, &view);
            offset = batch_next_offset(&view.header);
        }
    }
    assert_int_equal(log_aborted(r->log, log_start_offset(r->log), INT64_MAX, walk_told, &w), E_OK);
    assert_int_equal(w.told, w.count);
    buf_release(&bytes);
    return w.count;
}

void rig_fill(struct rig *r, int count, int size)
{
    for (int i = 0; i < count; i++) {
        struct rig_batch b = {.count = 1, .value_size = size, .timestamp_ms = r->wall_ms + i};

        assert_int_equal(rig_append(r, &b, NULL), E_OK);
    }
}

enum err rig_read(struct rig *r, int64_t offset, size_t size_max, struct buf *out,
                  int64_t *base_offset_out)
{
    struct log_range range;
    size_t got = 0;
    enum err e = log_read(r->log, offset, INT64_MAX, size_max, &range);

    if (e != E_OK)
        return e;
    buf_clear(out);
    if (range.size > 0) {
        assert_int_equal(buf_reserve(out, range.size), E_OK);
        assert_int_equal(os_file_read(range.file, range.pos, out->at, range.size, &got), E_OK);
        assert_int_equal(got, range.size);
        out->size = got;
    }
    *base_offset_out = range.base_offset;
    log_range_release(&range);
    return E_OK;
}

void rig_check_frame(const struct batch_view *view)
{
    struct message m;
    size_t size;

    if (view->header.magic == BATCH_MAGIC) {
        assert_int_equal(batch_check_crc(view->bytes), E_OK);
        return;
    }
    assert_int_equal(message_decode(view->bytes, &m, &size), E_OK);
    assert_int_equal(size, view->bytes.size);
    assert_int_equal(m.timestamp_ms, view->header.max_timestamp);
}

int rig_check_all(struct rig *r)
{
    int64_t offset = log_start_offset(r->log), base = 0;
    struct buf bytes;
    int batches = 0;

    buf_init(&bytes, 64 << 20);
    while (offset < log_end_offset(r->log)) {
        struct frame_iter it;
        struct batch_view view;
        int64_t before = offset;

        assert_int_equal(rig_read(r, offset, 64 << 10, &bytes, &base), E_OK);
        it = frame_iter_init(log_format(r->log), buf_slice(&bytes), base);
        while (frame_iter_next(&it, &view)) {
            rig_check_frame(&view);
            assert_true(view.header.base_offset <= offset);
            if (view.header.base_offset != offset)
                assert_int_equal(offset, log_start_offset(r->log));
            offset = batch_next_offset(&view.header);
            batches++;
        }
        assert_true(offset > before);
    }
    assert_int_equal(offset, log_end_offset(r->log));
    buf_release(&bytes);
    return batches;
}

int64_t rig_next_sequence(struct rig *r, int64_t producer)
{
    int64_t offset = log_start_offset(r->log), sequence = -1, base;
    struct buf bytes;

    if (r->options.format == LOG_FORMAT_MESSAGE)
        return -1; /* its frames know no producers */
    buf_init(&bytes, 1 << 20);
    while (offset < log_end_offset(r->log)) {
        struct batch_iter it;
        struct batch_view view;

        assert_int_equal(rig_read(r, offset, 64 << 10, &bytes, &base), E_OK);
        it = batch_iter_init(buf_slice(&bytes));
        while (batch_iter_next(&it, &view)) {
            if (view.header.producer_id == producer)
                sequence = view.header.base_sequence + view.header.last_offset_delta + 1;
            offset = batch_next_offset(&view.header);
        }
    }
    buf_release(&bytes);
    return sequence;
}

void rig_flip(struct rig *r, int64_t base, int64_t pos)
{
    char name[64];
    struct os_file *file;
    uint8_t byte;
    size_t got;

    snprintf(name, sizeof(name), "%020lld.log", (long long)base);
    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_read(file, pos, &byte, 1, &got), E_OK);
    byte ^= 0x10;
    assert_int_equal(os_file_write(file, pos, &byte, 1), E_OK);
    os_file_unref(file);
}

int64_t rig_file_size(struct rig *r, const char *name)
{
    struct os_file *file;
    int64_t size;

    if (os_file_open(r->dir, name, OS_FILE_READ, &file) != E_OK)
        return -1;
    assert_int_equal(os_file_size(file, &size), E_OK);
    os_file_unref(file);
    return size;
}

bool rig_has_file(struct rig *r, const char *name)
{
    return rig_file_size(r, name) >= 0;
}
