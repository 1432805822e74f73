#include "storage/segment_index.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "os/dir.h"
#include "os/file.h"

/* Below so many entries one read of all of them beats more halving. */
enum { BLOCK_ENTRIES = 340 };

static int64_t entry_key(const struct segment_index *ix, const uint8_t *entry)
{
    return ix->key_size == 4 ? (int64_t)bytes_u32(entry) : (int64_t)bytes_u64(entry);
}

static bool entry_is_zero(const struct segment_index *ix, const uint8_t *entry)
{
    static const uint8_t zero[SEGMENT_INDEX_ENTRY_MAX];

    return memcmp(entry, zero, ix->entry_size) == 0;
}

void segment_index_init(struct segment_index *ix, size_t entry_size, size_t key_size)
{
    assert(entry_size <= SEGMENT_INDEX_ENTRY_MAX && key_size <= entry_size);
    memset(ix, 0, sizeof(*ix));
    buf_init(&ix->entries, SEGMENT_INDEX_BYTES_MAX);
    ix->entry_size = (uint8_t)entry_size;
    ix->key_size = (uint8_t)key_size;
}

void segment_index_release(struct segment_index *ix)
{
    buf_release(&ix->entries);
    os_file_unref(ix->file);
    ix->file = NULL;
    ix->is_loaded = false;
    ix->count = 0;
}

void segment_index_reset(struct segment_index *ix)
{
    segment_index_release(ix);
    buf_init(&ix->entries, SEGMENT_INDEX_BYTES_MAX);
    ix->written_count = 0;
    ix->is_loaded = true;
}

enum err segment_index_load(struct segment_index *ix, struct os_dir *dir, const char *name)
{
    enum err e;

    if (ix->is_loaded)
        return E_OK;
    segment_index_reset(ix);
    e = os_dir_read_file(dir, name, &ix->entries);
    if (e != E_OK) {
        segment_index_release(ix);
        return e;
    }
    ix->count = (int64_t)(ix->entries.size / ix->entry_size);
    while (ix->count > 0 &&
           entry_is_zero(ix, ix->entries.at + (size_t)(ix->count - 1) * ix->entry_size))
        ix->count--;
    ix->entries.size = (size_t)ix->count * ix->entry_size;
    ix->written_count = ix->count;
    return E_OK;
}

static enum err file_entry(const struct segment_index *ix, struct os_file *file, int64_t i,
                           uint8_t *entry_out)
{
    size_t got;
    enum err e = os_file_read(file, i * ix->entry_size, entry_out, ix->entry_size, &got);

    if (e != E_OK)
        return e;
    return got == ix->entry_size ? E_OK : E_CORRUPT;
}

/* The number of entries before the zeroes at the end. */
static enum err file_count(const struct segment_index *ix, struct os_file *file, int64_t *count_out)
{
    uint8_t entry[SEGMENT_INDEX_ENTRY_MAX];
    int64_t size, low = 0, high;
    enum err e = os_file_size(file, &size);

    if (e != E_OK)
        return e;
    high = size / ix->entry_size;
    if (high > 0) { /* almost always there are no zeroes */
        e = file_entry(ix, file, high - 1, entry);
        if (e != E_OK)
            return e;
        if (!entry_is_zero(ix, entry))
            low = high;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        e = file_entry(ix, file, middle, entry);
        if (e != E_OK)
            return e;
        if (entry_is_zero(ix, entry))
            high = middle;
        else
            low = middle + 1;
    }
    *count_out = low;
    return E_OK;
}

enum err segment_index_open(struct segment_index *ix, struct os_dir *dir, const char *name)
{
    struct os_file *file;
    int64_t count;
    enum err e;

    if (ix->is_loaded || ix->file != NULL)
        return E_OK;
    e = os_file_open(dir, name, OS_FILE_READ, &file);
    if (e != E_OK)
        return e;
    e = file_count(ix, file, &count);
    if (e != E_OK) {
        os_file_unref(file);
        return e;
    }
    ix->file = file;
    ix->count = count;
    return E_OK;
}

void segment_index_close(struct segment_index *ix)
{
    os_file_unref(ix->file);
    ix->file = NULL;
    if (ix->is_loaded && ix->written_count == ix->count)
        segment_index_release(ix);
}

enum err segment_index_add(struct segment_index *ix, const uint8_t *entry)
{
    enum err e;

    assert(ix->is_loaded);
    e = buf_append(&ix->entries, entry, ix->entry_size);
    if (e == E_OK)
        ix->count++;
    return e;
}

void segment_index_truncate(struct segment_index *ix, int64_t count)
{
    assert(ix->is_loaded);
    if (count >= ix->count)
        return;
    ix->count = count;
    ix->entries.size = (size_t)count * ix->entry_size;
    if (ix->written_count > count)
        ix->written_count = count;
}

enum err segment_index_write(struct segment_index *ix, struct os_dir *dir, const char *name)
{
    size_t from = (size_t)ix->written_count * ix->entry_size;
    struct os_file *file;
    int64_t size;
    enum err e;

    assert(ix->is_loaded);
    e = os_file_open(dir, name, OS_FILE_CREATE, &file);
    if (e != E_OK)
        return e;
    e = os_file_size(file, &size);
    if (e == E_OK && size != (int64_t)from) {
        /* Anything but what we wrote before: begin again. */
        from = size < (int64_t)from ? 0 : from;
        e = os_file_truncate(file, (int64_t)from);
    }
    if (e == E_OK && ix->entries.size > from)
        e = os_file_write(file, (int64_t)from, ix->entries.at + from, ix->entries.size - from);
    if (e == E_OK && (ix->entries.size > from || size != (int64_t)from))
        e = os_file_sync(file);
    os_file_unref(file);
    if (e == E_OK)
        ix->written_count = ix->count;
    return e;
}

enum err segment_index_get(const struct segment_index *ix, int64_t i,
                           uint8_t entry_out[SEGMENT_INDEX_ENTRY_MAX])
{
    assert(i >= 0 && i < ix->count);
    if (!ix->is_loaded)
        return file_entry(ix, ix->file, i, entry_out);
    memcpy(entry_out, ix->entries.at + (size_t)i * ix->entry_size, ix->entry_size);
    return E_OK;
}

/* In `entries`, numbered from `low` to `high`: the last one whose key is at most `key`. */
static int64_t find_in(const struct segment_index *ix, const uint8_t *entries, int64_t count,
                       int64_t key)
{
    int64_t low = 0, high = count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (entry_key(ix, entries + (size_t)middle * ix->entry_size) <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

enum err segment_index_find(const struct segment_index *ix, int64_t key, int64_t *i_out)
{
    uint8_t block[BLOCK_ENTRIES * SEGMENT_INDEX_ENTRY_MAX];
    int64_t low = 0, high = ix->count;
    size_t size, got;
    enum err e;

    if (ix->is_loaded || ix->count == 0) {
        *i_out = find_in(ix, ix->entries.at, ix->count, key);
        return E_OK;
    }
    while (high - low > BLOCK_ENTRIES) { /* the answer is in [low - 1, high) */
        int64_t middle = low + (high - low) / 2;

        e = file_entry(ix, ix->file, middle, block);
        if (e != E_OK)
            return e;
        if (entry_key(ix, block) <= key)
            low = middle + 1;
        else
            high = middle;
    }
    size = (size_t)(high - low) * ix->entry_size;
    e = os_file_read(ix->file, low * ix->entry_size, block, size, &got);
    if (e != E_OK)
        return e;
    if (got != size)
        return E_CORRUPT;
    *i_out = low + find_in(ix, block, high - low, key);
    return E_OK;
}
