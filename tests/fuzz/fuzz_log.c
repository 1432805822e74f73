/*
 * A log whose files were damaged. First byte: which file; second: how (0: the input is the whole
 * file, 1: it is laid over the file, 2: it is put behind it, 3: the file is cut). Whatever opens
 * serves only batches whose CRC is right, takes an append, and opens again with the same end.
 */
#include "storage/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "record/batch.h"
#include "record/builder.h"

#include "fuzz.h"

enum { FILES_MAX = 32, NAME_SIZE = 64, FILE_MAX = 1 << 20, WALL_MS = 1000 };

struct sample {
    char name[NAME_SIZE];
    struct buf bytes;
};

/* Made by the first input, for all of them. */
static struct {
    struct os *os;
    struct log_root *root;
    struct log_options options;
    struct sample files[FILES_MAX];
    size_t file_count;
    char path[NAME_SIZE];
} lab;

static void append(struct log *log)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder b;
    struct log_appended appended;
    struct buf bytes;

    buf_init(&bytes, FILE_MAX);
    batch_builder_init(&b, &options);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(batch_builder_add(&b, &(struct record_draft){.timestamp_ms = WALL_MS + i,
                                                                .value = slice_of("value", 5)}) ==
                   E_OK);
    FUZZ_CHECK(batch_builder_finish(&b, &bytes) == E_OK);
    /* a damaged epoch or a full segment may refuse it; nothing may break */
    (void)!log_append(
        log,
        &(struct log_append){.bytes = bytes.at,
                             .size = bytes.size,
                             .leader_epoch = log_latest_epoch(log) < 0 ? 0 : log_latest_epoch(log),
                             .wall_ms = WALL_MS},
        &appended);
    batch_builder_release(&b);
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
    struct sample *s = &lab.files[lab.file_count];

    FUZZ_CHECK(!is_dir && lab.file_count < FILES_MAX);
    snprintf(s->name, sizeof(s->name), "%s", name);
    buf_init(&s->bytes, FILE_MAX);
    FUZZ_CHECK(os_dir_read_file(ctx, name, &s->bytes) == E_OK);
    lab.file_count++;
    return true;
}

static void lab_clean(void)
{
    char command[NAME_SIZE + 16];

    log_root_close(lab.root);
    os_close(lab.os);
    for (size_t i = 0; i < lab.file_count; i++)
        buf_release(&lab.files[i].bytes);
    snprintf(command, sizeof(command), "rm -rf %s", lab.path);
    if (system(command) != 0)
        perror(command);
}

static void lab_open(void)
{
    struct report report = {0};
    struct os_dir *dir;
    struct log *log;

    snprintf(lab.path, sizeof(lab.path), "%s/dlog-fuzz-log-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(lab.path) != NULL && os_open(&lab.os) == E_OK);
    FUZZ_CHECK(log_root_open(lab.os, lab.path, &lab.root, &report) == E_OK);
    lab.options = log_options_default();
    lab.options.segment_bytes = 1024;
    lab.options.index_interval_bytes = 100;
    lab.options.preallocate = false;
    FUZZ_CHECK(log_open_here("t-0", &log) == E_OK);
    FUZZ_CHECK(log_begin_epoch(log, 0) == E_OK);
    for (int i = 0; i < 30; i++)
        append(log);
    log_close(log);
    FUZZ_CHECK(os_dir_open_in(log_root_dir(lab.root), "t-0", false, &dir) == E_OK);
    FUZZ_CHECK(os_dir_list(dir, sample_add, dir) == E_OK && lab.file_count > 6);
    os_dir_close(dir);
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

/* All that a reader can get has a right CRC; what is damaged is an error. */
static void read_all(struct log *log)
{
    int64_t offset = log_start_offset(log), end = log_end_offset(log), found, timestamp;

    FUZZ_CHECK(offset <= end);
    while (offset < end) {
        struct log_range range;
        struct batch_header h;
        size_t got;
        uint8_t *bytes;

        if (log_read(log, offset, end, 1, &range) != E_OK)
            break;
        if (range.size == 0)
            break;
        bytes = mem_must_alloc(range.size);
        FUZZ_CHECK(os_file_read(range.file, range.pos, bytes, range.size, &got) == E_OK &&
                   got == range.size);
        FUZZ_CHECK(batch_peek(slice_of(bytes, range.size), &h) == E_OK);
        FUZZ_CHECK(batch_total_size(&h) == range.size && h.base_offset == range.base_offset);
        FUZZ_CHECK(batch_compute_crc(slice_of(bytes, range.size)) == h.crc);
        FUZZ_CHECK(batch_next_offset(&h) > offset);
        offset = batch_next_offset(&h);
        mem_free(bytes);
        log_range_release(&range);
    }
    (void)!log_find_timestamp(log, WALL_MS + 1, end, &found, &timestamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct os_dir *dir;
    struct log *log;
    size_t which;
    int64_t end;

    if (lab.os == NULL)
        lab_open();
    if (size < 2)
        return 0;
    which = bytes[0] % lab.file_count;
    FUZZ_CHECK(os_dir_open_in(log_root_dir(lab.root), "t-1", true, &dir) == E_OK);
    for (size_t i = 0; i < lab.file_count; i++) {
        if (i == which)
            damaged_write(dir, &lab.files[i], bytes[1] % 4, slice_of(bytes + 2, size - 2));
        else
            file_write(dir, lab.files[i].name, buf_slice(&lab.files[i].bytes));
    }
    os_dir_close(dir);
    if (log_open_here("t-1", &log) == E_OK) {
        read_all(log);
        append(log);
        end = log_end_offset(log);
        log_close(log);
        FUZZ_CHECK(log_open_here("t-1", &log) == E_OK && log_end_offset(log) == end);
        read_all(log);
        log_close(log);
    }
    FUZZ_CHECK(os_dir_remove_tree(log_root_dir(lab.root), "t-1") == E_OK);
    return 0;
}
