#include "wire/codec_priv.h"

#include <assert.h>

#include "base/varint.h"

/* A length in one of the two encodings; -1 is null. */
static int32_t read_length(struct reader *r, bool flexible, bool nullable, bool is_short)
{
    int64_t length;

    if (flexible)
        length = (int64_t)reader_uvarint(r) - 1;
    else
        length = is_short ? reader_i16(r) : reader_i32(r);
    if (r->err != E_OK)
        return 0;
    if (length < -1 || length > INT32_MAX || (length == -1 && !nullable)) {
        reader_fail(r, E_INVAL);
        return 0;
    }
    return (int32_t)length;
}

static struct slice read_slice(struct reader *r, int32_t length)
{
    struct slice s = {.at = NULL, .size = 0};

    if (length >= 0 && r->err == E_OK)
        s = reader_slice(r, (size_t)length);
    return s;
}

struct slice wire_read_string(struct reader *r, bool flexible, bool nullable)
{
    int32_t length = read_length(r, flexible, nullable, true);

    if (length > WIRE_STRING_SIZE_MAX) {
        reader_fail(r, E_TOO_BIG);
        length = -1;
    }
    return read_slice(r, length);
}

struct slice wire_read_bytes(struct reader *r, bool flexible, bool nullable)
{
    return read_slice(r, read_length(r, flexible, nullable, false));
}

struct wire_records wire_read_records(struct reader *r, bool flexible, bool nullable)
{
    int32_t length = read_length(r, flexible, nullable, false);

    return (struct wire_records){.at = read_slice(r, length).at, .size = length};
}

int32_t wire_read_count(struct reader *r, bool flexible, bool nullable, size_t element_size_min)
{
    int32_t count = read_length(r, flexible, nullable, false);

    assert(element_size_min > 0);
    if (count > 0 && (size_t)count > reader_left(r) / element_size_min) {
        reader_fail(r, E_TRUNCATED);
        return 0;
    }
    return count;
}

void *wire_read_items(struct reader *r, struct arena *a, int32_t count, size_t size)
{
    void *items;

    if (count <= 0 || r->err != E_OK)
        return NULL;
    items = arena_alloc_array(a, (size_t)count, size);
    if (items == NULL)
        reader_fail(r, E_TOO_BIG);
    return items;
}

bool wire_read_present(struct reader *r)
{
    int8_t present = reader_i8(r);

    if (present < -1 || present > 1) /* Kafka writes -1, and 0 in a tagged field */
        reader_fail(r, E_INVAL);
    return r->err == E_OK && present == 1;
}

uint32_t wire_read_tag_count(struct reader *r)
{
    uint32_t count = reader_uvarint(r);

    if (count > reader_left(r) / 2) {
        reader_fail(r, E_TRUNCATED); /* each takes a tag and a size */
        return 0;
    }
    return count;
}

struct reader wire_read_tag(struct reader *r, uint32_t *tag_out)
{
    struct slice bytes;

    *tag_out = reader_uvarint(r);
    bytes = reader_slice(r, reader_uvarint(r));
    if (r->err != E_OK) {
        struct reader failed = reader_init(NULL, 0);

        reader_fail(&failed, r->err);
        return failed;
    }
    return reader_init(bytes.at, bytes.size);
}

void wire_read_tag_end(struct reader *r, const struct reader *field)
{
    enum err e = reader_done(field);

    if (e != E_OK)
        reader_fail(r, e);
}

void wire_skip_tags(struct reader *r)
{
    uint32_t count = wire_read_tag_count(r);

    for (uint32_t i = 0; i < count && r->err == E_OK; i++) {
        uint32_t tag;

        wire_read_tag(r, &tag);
    }
}

static void write_length(struct writer *w, bool flexible, int32_t length)
{
    if (flexible)
        writer_uvarint(w, (uint32_t)length + 1);
    else
        writer_i32(w, length);
}

void wire_write_string(struct writer *w, bool flexible, bool nullable, struct slice s)
{
    bool is_null = s.at == NULL && nullable;

    if (s.size > WIRE_STRING_SIZE_MAX) {
        writer_fail(w, E_TOO_BIG);
        return;
    }
    if (flexible)
        writer_uvarint(w, is_null ? 0 : (uint32_t)s.size + 1);
    else
        writer_i16(w, is_null ? -1 : (int16_t)s.size);
    if (s.size > 0)
        writer_bytes(w, s.at, s.size);
}

void wire_write_bytes(struct writer *w, bool flexible, bool nullable, struct slice s)
{
    if (s.size > INT32_MAX) {
        writer_fail(w, E_TOO_BIG);
        return;
    }
    write_length(w, flexible, s.at == NULL && nullable ? -1 : (int32_t)s.size);
    if (s.size > 0)
        writer_bytes(w, s.at, s.size);
}

void wire_write_records(struct writer *w, bool flexible, bool nullable,
                        const struct wire_records *records)
{
    int32_t size = records->size < 0 && !nullable ? 0 : records->size;

    write_length(w, flexible, size < 0 ? -1 : size);
    if (size <= 0)
        return;
    if (records->cut)
        writer_cut(w, (size_t)size, records->cut_ref);
    else
        writer_bytes(w, records->at, (size_t)size);
}

void wire_write_count(struct writer *w, bool flexible, bool nullable, int32_t count)
{
    write_length(w, flexible, count >= 0 ? count : nullable ? -1 : 0);
}

void wire_write_tag(struct writer *w, uint32_t tag, size_t pos)
{
    uint8_t head[2 * VARINT_SIZE_MAX];
    size_t size;

    if (w->err != E_OK)
        return;
    size = varint_put(head, tag);
    size += varint_put(head + size, w->buf->size - pos);
    writer_insert(w, pos, head, size);
}
