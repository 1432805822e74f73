#include "storage/txn_index.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/reader.h"
#include "os/dir.h"
#include "os/file.h"

enum { TXN_INDEX_VERSION = 0, REPLACE = -1 };

void txn_index_init(struct txn_index *ix)
{
    *ix = (struct txn_index){.is_loaded = true};
    buf_init(&ix->entries, TXN_INDEX_BYTES_MAX);
}

void txn_index_release(struct txn_index *ix)
{
    buf_release(&ix->entries);
}

void txn_index_forget(struct txn_index *ix)
{
    txn_index_release(ix);
    txn_index_init(ix);
    ix->is_loaded = false;
}

void txn_index_reset(struct txn_index *ix)
{
    txn_index_release(ix);
    txn_index_init(ix);
    ix->written_count = REPLACE;
}

static struct txn_aborted decode(const uint8_t *bytes, int16_t *version_out)
{
    struct reader r = reader_init(bytes, TXN_INDEX_ENTRY_SIZE);
    struct txn_aborted a;

    *version_out = reader_i16(&r);
    a.producer_id = reader_i64(&r);
    a.first_offset = reader_i64(&r);
    a.last_offset = reader_i64(&r);
    a.last_stable_offset = reader_i64(&r);
    return a;
}

struct txn_aborted txn_index_at(const struct txn_index *ix, int64_t i)
{
    int16_t version;

    assert(ix->is_loaded && i >= 0 && i < txn_index_count(ix));
    return decode(ix->entries.at + (size_t)i * TXN_INDEX_ENTRY_SIZE, &version);
}

/* Is this such a file, up to a last entry that was not written to its end? */
static enum err check(const struct buf *bytes)
{
    int64_t last_offset = -1;

    for (size_t at = 0; at + TXN_INDEX_ENTRY_SIZE <= bytes->size; at += TXN_INDEX_ENTRY_SIZE) {
        int16_t version;
        struct txn_aborted a = decode(bytes->at + at, &version);

        if (version != TXN_INDEX_VERSION || a.producer_id < 0 || a.first_offset < 0 ||
            a.first_offset > a.last_offset || a.last_offset <= last_offset)
            return E_CORRUPT;
        last_offset = a.last_offset;
    }
    return bytes->size % TXN_INDEX_ENTRY_SIZE == 0 ? E_OK : E_CORRUPT;
}

enum err txn_index_load(struct txn_index *ix, struct os_dir *dir, const char *name,
                        int64_t end_offset)
{
    enum err e;

    if (ix->is_loaded)
        return E_OK;
    e = os_dir_read_file(dir, name, &ix->entries);
    if (e == E_OK)
        e = check(&ix->entries);
    if (e != E_OK && e != E_NOT_FOUND) {
        txn_index_forget(ix);
        return e == E_TOO_BIG ? E_CORRUPT : e;
    }
    ix->is_loaded = true;
    ix->written_count = ix->file_count = txn_index_count(ix);
    txn_index_truncate(ix, end_offset);
    return E_OK;
}

static bool is_written(const struct txn_index *ix)
{
    return ix->written_count == ix->file_count && ix->written_count == txn_index_count(ix);
}

void txn_index_close(struct txn_index *ix)
{
    if (ix->is_loaded && ix->entries.size > 0 && is_written(ix))
        txn_index_forget(ix);
}

enum err txn_index_add(struct txn_index *ix, const struct txn_aborted *aborted)
{
    int64_t count = txn_index_count(ix);
    uint8_t bytes[TXN_INDEX_ENTRY_SIZE];

    assert(ix->is_loaded);
    if (count > 0 && txn_index_at(ix, count - 1).last_offset >= aborted->last_offset)
        return E_OK;
    bytes_put_u16(bytes, TXN_INDEX_VERSION);
    bytes_put_u64(bytes + 2, (uint64_t)aborted->producer_id);
    bytes_put_u64(bytes + 10, (uint64_t)aborted->first_offset);
    bytes_put_u64(bytes + 18, (uint64_t)aborted->last_offset);
    bytes_put_u64(bytes + 26, (uint64_t)aborted->last_stable_offset);
    return buf_append(&ix->entries, bytes, sizeof(bytes));
}

void txn_index_truncate(struct txn_index *ix, int64_t offset)
{
    int64_t count = txn_index_count(ix);

    assert(ix->is_loaded);
    while (count > 0 && txn_index_at(ix, count - 1).last_offset >= offset)
        count--;
    ix->entries.size = (size_t)count * TXN_INDEX_ENTRY_SIZE;
    if (ix->written_count > count)
        ix->written_count = count;
}

/* The file begins with what we wrote before: cut off the rest, append what is new. */
static enum err write_rest(struct txn_index *ix, struct os_dir *dir, const char *name)
{
    int64_t from = ix->written_count * TXN_INDEX_ENTRY_SIZE;
    size_t size = ix->entries.size - (size_t)from;
    struct os_file *file;
    int64_t was;
    enum err e = os_file_open(dir, name, OS_FILE_CREATE, &file);

    if (e != E_OK)
        return e;
    e = os_file_size(file, &was);
    if (e == E_OK && was < from)
        e = E_CORRUPT; /* somebody else was at it */
    if (e == E_OK && was > from)
        e = os_file_truncate(file, from);
    if (e == E_OK && size > 0)
        e = os_file_write(file, from, ix->entries.at + from, size);
    if (e == E_OK)
        e = os_file_sync(file);
    os_file_unref(file);
    return e;
}

enum err txn_index_write(struct txn_index *ix, struct os_dir *dir, const char *name)
{
    enum err e;

    if (!ix->is_loaded || is_written(ix))
        return E_OK;
    if (ix->entries.size == 0) {
        e = os_dir_remove_file(dir, name);
        e = e == E_NOT_FOUND ? E_OK : e;
    } else if (ix->written_count == REPLACE) {
        e = os_dir_replace_file(dir, name, buf_slice(&ix->entries));
    } else {
        e = write_rest(ix, dir, name);
    }
    if (e == E_OK)
        ix->written_count = ix->file_count = txn_index_count(ix);
    else if (e == E_CORRUPT)
        ix->written_count = REPLACE;
    return e == E_CORRUPT ? txn_index_write(ix, dir, name) : e;
}
