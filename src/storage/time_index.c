#include "storage/time_index.h"

#include <assert.h>

#include "base/bytes.h"

void time_index_init(struct segment_index *ix)
{
    segment_index_init(ix, TIME_INDEX_ENTRY_SIZE, 8);
}

static const uint8_t *loaded_at(const struct segment_index *ix, int64_t i)
{
    return ix->entries.at + (size_t)i * TIME_INDEX_ENTRY_SIZE;
}

enum err time_index_add(struct segment_index *ix, int64_t base_offset, int64_t timestamp_ms,
                        int64_t offset)
{
    uint8_t bytes[TIME_INDEX_ENTRY_SIZE];

    assert(offset - base_offset <= INT32_MAX);
    if (timestamp_ms < 0 || (timestamp_ms == 0 && offset == base_offset))
        return E_OK; /* no time, or what would look like the padding */
    if (ix->count > 0 && (int64_t)bytes_u64(loaded_at(ix, ix->count - 1)) >= timestamp_ms)
        return E_OK;
    bytes_put_u64(bytes, (uint64_t)timestamp_ms);
    bytes_put_u32(bytes + 8, (uint32_t)(offset - base_offset));
    return segment_index_add(ix, bytes);
}

enum err time_index_find(const struct segment_index *ix, int64_t base_offset, int64_t timestamp_ms,
                         int64_t *offset_out)
{
    uint8_t bytes[SEGMENT_INDEX_ENTRY_MAX];
    int64_t i;
    /* No record up to an entry's offset is younger than the entry: take the last older one. */
    enum err e = segment_index_find(ix, timestamp_ms - 1, &i);

    if (e != E_OK)
        return e;
    if (i < 0) {
        *offset_out = base_offset;
        return E_OK;
    }
    e = segment_index_get(ix, i, bytes);
    if (e == E_OK)
        *offset_out = base_offset + (int32_t)bytes_u32(bytes + 8);
    return e;
}

enum err time_index_last(const struct segment_index *ix, int64_t base_offset,
                         int64_t *timestamp_ms_out, int64_t *offset_out)
{
    uint8_t bytes[SEGMENT_INDEX_ENTRY_MAX];
    enum err e;

    if (ix->count == 0) {
        *timestamp_ms_out = -1;
        *offset_out = -1;
        return E_OK;
    }
    e = segment_index_get(ix, ix->count - 1, bytes);
    if (e != E_OK)
        return e;
    *timestamp_ms_out = (int64_t)bytes_u64(bytes);
    *offset_out = base_offset + (int32_t)bytes_u32(bytes + 8);
    return E_OK;
}

void time_index_truncate(struct segment_index *ix, int64_t base_offset, int64_t offset)
{
    int64_t count = ix->count;

    while (count > 0 && base_offset + (int32_t)bytes_u32(loaded_at(ix, count - 1) + 8) >= offset)
        count--;
    segment_index_truncate(ix, count);
}
