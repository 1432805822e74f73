#include "storage/offset_index.h"

#include <assert.h>

#include "base/bytes.h"

void offset_index_init(struct segment_index *ix)
{
    segment_index_init(ix, OFFSET_INDEX_ENTRY_SIZE, 4);
}

static struct offset_index_entry decode(const uint8_t *bytes, int64_t base_offset)
{
    return (struct offset_index_entry){.last_offset = base_offset + (int32_t)bytes_u32(bytes),
                                       .pos = (int32_t)bytes_u32(bytes + 4)};
}

static struct offset_index_entry loaded_at(const struct segment_index *ix, int64_t i)
{
    return decode(ix->entries.at + (size_t)i * OFFSET_INDEX_ENTRY_SIZE, 0);
}

enum err offset_index_add(struct segment_index *ix, int64_t base_offset, int64_t last_offset,
                          int64_t pos)
{
    uint8_t bytes[OFFSET_INDEX_ENTRY_SIZE];

    assert(last_offset - base_offset <= INT32_MAX && pos <= INT32_MAX);
    if (last_offset <= base_offset && pos == 0)
        return E_OK; /* would look like the padding */
    if (ix->count > 0 && loaded_at(ix, ix->count - 1).last_offset >= last_offset - base_offset)
        return E_OK;
    bytes_put_u32(bytes, (uint32_t)(last_offset - base_offset));
    bytes_put_u32(bytes + 4, (uint32_t)pos);
    return segment_index_add(ix, bytes);
}

enum err offset_index_find(const struct segment_index *ix, int64_t base_offset, int64_t offset,
                           struct offset_index_entry *entry_out)
{
    uint8_t bytes[SEGMENT_INDEX_ENTRY_MAX];
    struct offset_index_entry entry;
    int64_t i;
    enum err e = segment_index_find(ix, offset - base_offset, &i);

    if (e != E_OK)
        return e;
    if (i < 0) {
        *entry_out = (struct offset_index_entry){.last_offset = base_offset - 1, .pos = 0};
        return E_OK;
    }
    e = segment_index_get(ix, i, bytes);
    if (e != E_OK)
        return e;
    entry = decode(bytes, base_offset);
    if (entry.last_offset < base_offset || entry.pos < 0)
        return E_CORRUPT; /* a crash may leave anything in an index */
    *entry_out = entry;
    return E_OK;
}

struct offset_index_entry offset_index_find_pos(const struct segment_index *ix, int64_t base_offset,
                                                int64_t pos)
{
    int64_t low = 0;
    int64_t high = ix->count;
    struct offset_index_entry entry = {.last_offset = -1, .pos = 0};

    assert(ix->is_loaded || ix->count == 0);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (loaded_at(ix, middle).pos <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        entry = loaded_at(ix, low - 1);
    entry.last_offset += base_offset;
    return entry;
}

enum err offset_index_find_after(const struct segment_index *ix, int64_t base_offset, int64_t pos,
                                 struct offset_index_entry *entry_out)
{
    struct offset_index_entry entry = {0}, found = {0};
    uint8_t bytes[SEGMENT_INDEX_ENTRY_MAX];
    int64_t low = 0, high = ix->count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        enum err e = segment_index_get(ix, middle, bytes);

        if (e != E_OK)
            return e;
        entry = decode(bytes, base_offset);
        if (entry.pos < pos) {
            low = middle + 1;
        } else {
            high = middle;
            found = entry;
        }
    }
    if (high == ix->count)
        return E_NOT_FOUND;
    *entry_out = found;
    return E_OK;
}

void offset_index_truncate(struct segment_index *ix, int64_t pos)
{
    int64_t count = ix->count;

    while (count > 0 && loaded_at(ix, count - 1).pos >= pos)
        count--;
    segment_index_truncate(ix, count);
}
