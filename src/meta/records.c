#include "meta/records.h"

#include <assert.h>

void meta_records_init(struct meta_records *records)
{
    buf_init(&records->bytes, META_RECORDS_BYTES_MAX);
    vec_init(&records->ends, sizeof(size_t), META_RECORDS_BYTES_MAX);
}

void meta_records_release(struct meta_records *records)
{
    buf_release(&records->bytes);
    vec_release(&records->ends);
}

void meta_records_clear(struct meta_records *records)
{
    meta_records_cut(records, 0);
}

size_t meta_records_count(const struct meta_records *records)
{
    return records->ends.count;
}

static size_t end_of(const struct meta_records *records, size_t count)
{
    return count == 0 ? 0 : *(const size_t *)vec_at(&records->ends, count - 1);
}

struct slice meta_records_at(const struct meta_records *records, size_t index)
{
    size_t start = end_of(records, index);

    return slice_of(records->bytes.at + start, end_of(records, index + 1) - start);
}

enum err meta_records_seal(struct meta_records *records)
{
    size_t end = records->bytes.size;

    return vec_push(&records->ends, &end);
}

enum err meta_records_add(struct meta_records *records, struct slice value)
{
    enum err e = vec_reserve(&records->ends, 1);

    if (e == E_OK)
        e = buf_append(&records->bytes, value.at, value.size);
    return e != E_OK ? e : meta_records_seal(records);
}

void meta_records_cut(struct meta_records *records, size_t count)
{
    assert(count <= records->ends.count);
    records->bytes.size = end_of(records, count);
    records->ends.count = count;
}
