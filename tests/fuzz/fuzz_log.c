/*
 * A log whose files were damaged. First byte: which file; second: how (0: the input is the whole
 * file, 1: it is laid over the file, 2: it is put behind it, 3: the file is cut), and its highest
 * bit: in a log of messages. Whatever opens serves only frames whose CRC is right, takes an append,
 * and opens again with the same end. A message is served at no other offset than its own, unless
 * the input is in a .log, where it may be a right message.
 */
#include "storage/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lib/folder.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/message.h"
#include "storage/frame.h"

#include "fuzz.h"

enum { FILES_MAX = 32, NAME_SIZE = 64, FILE_MAX = 1 << 20, WALL_MS = 1000, REFUSED_MAX = 1000 };

struct sample {
    char name[NAME_SIZE];
    struct buf bytes;
};

/* The files of a log, whole. */
struct model {
    struct sample files[FILES_MAX];
    size_t file_count;
};

/* Made by the first input, for all of them. */
static struct {
    struct os *os;
    struct log_root *root;
    struct log_options options;
    struct model models[2]; /* of batches, of messages */
    char path[NAME_SIZE];
} lab;

/* Three messages, each with its offset as value. */
static void build_messages(int64_t offset, struct buf *bytes)
{
    for (int i = 0; i < 3; i++, offset++) {
        struct message m = {.timestamp_ms = WALL_MS + i,
                            .key = i == 1 ? slice_of("key", 3) : slice_of(NULL, 0),
                            .value = slice_of(&offset, sizeof(offset))};

        FUZZ_CHECK(message_encode(&m, bytes) == E_OK);
    }
}

static void build_batch(struct buf *bytes)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder b;

    batch_builder_init(&b, &options);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(batch_builder_add(&b, &(struct record_draft){.timestamp_ms = WALL_MS + i,
                                                                .value = slice_of("value", 5)}) ==
                   E_OK);
    FUZZ_CHECK(batch_builder_finish(&b, bytes) == E_OK);
    batch_builder_release(&b);
}

static void append(struct log *log)
{
    struct log_appended appended;
    struct buf bytes;

    buf_init(&bytes, FILE_MAX);
    if (log_format(log) == LOG_FORMAT_MESSAGE)
        build_messages(log_end_offset(log), &bytes);
    else
        build_batch(&bytes);
    /* a damaged epoch or a full segment may refuse it; nothing may break */
    (void)!log_append(
        log,
        &(struct log_append){.bytes = bytes.at,
                             .size = bytes.size,
                             .leader_epoch = log_latest_epoch(log) < 0 ? 0 : log_latest_epoch(log),
                             .wall_ms = WALL_MS},
        &appended);
    buf_release(&bytes);
}

static enum err log_open_here(const char *name, struct log **log_out)
{
    struct log_recovery recovery;
    struct report report = {0};

    return log_open(&(struct log_open){lab.root, name, &lab.options, WALL_MS}, log_out, &recovery,
                    &report);
}

static bool sample_add(void *ctx, const char *name, bool is_dir)
{
    struct model *m = ctx;
    struct sample *s = &m->files[m->file_count];

    FUZZ_CHECK(!is_dir && m->file_count < FILES_MAX);
    snprintf(s->name, sizeof(s->name), "%s", name);
    m->file_count++;
    return true;
}

static void model_make(struct model *m, enum log_format format)
{
    struct os_dir *dir;
    struct log *log;

    lab.options.format = format;
    FUZZ_CHECK(log_open_here("t-0", &log) == E_OK);
    if (frame_has_offset(format))
        FUZZ_CHECK(log_begin_epoch(log, 0) == E_OK);
    for (int i = 0; i < 30; i++)
        append(log);
    log_close(log);
    FUZZ_CHECK(os_dir_open_in(log_root_dir(lab.root), "t-0", false, &dir) == E_OK);
    FUZZ_CHECK(os_dir_list(dir, sample_add, m) == E_OK && m->file_count > 6);
    for (size_t i = 0; i < m->file_count; i++) {
        buf_init(&m->files[i].bytes, FILE_MAX);
        FUZZ_CHECK(os_dir_read_file(dir, m->files[i].name, &m->files[i].bytes) == E_OK);
    }
    os_dir_close(dir);
    FUZZ_CHECK(os_dir_remove_tree(log_root_dir(lab.root), "t-0") == E_OK);
}

static void lab_clean(void)
{
    log_root_close(lab.root);
    os_close(lab.os);
    for (size_t i = 0; i < 2 * (size_t)FILES_MAX; i++)
        buf_release(&lab.models[i / FILES_MAX].files[i % FILES_MAX].bytes);
    test_folder_remove(lab.path);
}

static void lab_open(void)
{
    struct report report = {0};

    FUZZ_CHECK(test_folder_make("fuzz-log", lab.path, sizeof(lab.path)));
    FUZZ_CHECK(os_open(&lab.os) == E_OK);
    FUZZ_CHECK(log_root_open(lab.os, lab.path, &lab.root, &report) == E_OK);
    lab.options = log_options_default();
    lab.options.segment_bytes = 1024;
    lab.options.index_interval_bytes = 100;
    lab.options.preallocate = false;
    model_make(&lab.models[0], LOG_FORMAT_BATCH);
    model_make(&lab.models[1], LOG_FORMAT_MESSAGE);
    FUZZ_CHECK(atexit(lab_clean) == 0);
}

static void file_write(struct os_dir *dir, const char *name, struct slice bytes)
{
    struct os_file *file;

    FUZZ_CHECK(os_file_open(dir, name, OS_FILE_CREATE, &file) == E_OK);
    FUZZ_CHECK(os_file_truncate(file, 0) == E_OK);
    FUZZ_CHECK(os_file_write(file, 0, bytes.at, bytes.size) == E_OK);
    os_file_unref(file);
}

static void damaged_write(struct os_dir *dir, const struct sample *s, int how, struct slice in)
{
    struct buf b;
    size_t pos;

    buf_init(&b, FILE_MAX * 2);
    FUZZ_CHECK(buf_append(&b, s->bytes.at, s->bytes.size) == E_OK);
    pos = in.size == 0 || b.size == 0 ? 0 : (in.at[0] * 256U + in.at[in.size - 1]) % b.size;
    if (how == 0)
        buf_clear(&b);
    if (how == 3)
        b.size = pos;
    for (size_t i = 0; how == 1 && i < in.size && pos + i < b.size; i++)
        b.at[pos + i] = in.at[i];
    if (how == 0 || how == 2)
        FUZZ_CHECK(in.size > FILE_MAX || buf_append(&b, in.at, in.size) == E_OK);
    file_write(dir, s->name, buf_slice(&b));
    buf_release(&b);
}

/* One frame, whole, that has `base` as its first offset. The offset after it. */
static int64_t check_frame(struct log *log, struct slice bytes, int64_t base, bool is_own)
{
    struct batch_header h;
    struct message m;
    size_t size;

    if (log_format(log) == LOG_FORMAT_MESSAGE) {
        FUZZ_CHECK(message_decode(bytes, &m, &size) == E_OK && size == bytes.size);
        FUZZ_CHECK(!is_own ||
                   (m.value.size == sizeof(base) && memcmp(m.value.at, &base, sizeof(base)) == 0));
        return base + 1;
    }
    FUZZ_CHECK(batch_peek(bytes, &h) == E_OK);
    FUZZ_CHECK(batch_total_size(&h) == bytes.size && h.base_offset == base);
    FUZZ_CHECK(batch_compute_crc(bytes) == h.crc);
    return batch_next_offset(&h);
}

/* All that a reader can get has a right CRC; what is damaged is an error. */
static void read_all(struct log *log, bool is_own)
{
    int64_t offset = log_start_offset(log), end = log_end_offset(log), found, timestamp;
    int refused = 0;

    FUZZ_CHECK(offset <= end);
    while (offset < end) {
        struct log_range range;
        int64_t next;
        size_t got;
        uint8_t *bytes;

        if (log_read(log, offset, end, 1, &range) != E_OK) {
            offset++;
            if (++refused == REFUSED_MAX)
                break;
            continue;
        }
        if (range.size == 0)
            break;
        bytes = mem_must_alloc(range.size);
        FUZZ_CHECK(os_file_read(range.file, range.pos, bytes, range.size, &got) == E_OK &&
                   got == range.size);
        next = check_frame(log, slice_of(bytes, range.size), range.base_offset, is_own);
        FUZZ_CHECK(next > offset);
        offset = next;
        mem_free(bytes);
        log_range_release(&range);
    }
    (void)!log_find_timestamp(log, WALL_MS + 1, end, &found, &timestamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct model *m;
    struct os_dir *dir;
    struct log *log;
    size_t which;
    int64_t end;
    bool is_own;

    if (lab.os == NULL)
        lab_open();
    if (size < 2)
        return 0;
    m = &lab.models[bytes[1] >> 7];
    which = bytes[0] % m->file_count;
    is_own = strstr(m->files[which].name, ".log") == NULL || bytes[1] % 4 == 3;
    FUZZ_CHECK(os_dir_open_in(log_root_dir(lab.root), "t-1", true, &dir) == E_OK);
    for (size_t i = 0; i < m->file_count; i++) {
        if (i == which)
            damaged_write(dir, &m->files[i], bytes[1] % 4, slice_of(bytes + 2, size - 2));
        else
            file_write(dir, m->files[i].name, buf_slice(&m->files[i].bytes));
    }
    os_dir_close(dir);
    if (log_open_here("t-1", &log) == E_OK) {
        read_all(log, is_own);
        append(log);
        end = log_end_offset(log);
        log_close(log);
        FUZZ_CHECK(log_open_here("t-1", &log) == E_OK && log_end_offset(log) == end);
        read_all(log, is_own);
        log_close(log);
    }
    FUZZ_CHECK(os_dir_remove_tree(log_root_dir(lab.root), "t-1") == E_OK);
    return 0;
}
