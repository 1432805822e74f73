/*
 * Every decoder of wire. Two bytes choose the message, one the version; the rest is its input.
 * What decodes must encode, decode again and encode to the same bytes, and no decoder may take
 * more memory than wire/types.h promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/reader.h"
#include "base/writer.h"
#include "messages.h"
#include "wire/header.h"
#include "wire/metadata_record.h"
#include "wire/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MEMORY_MAX = 256 << 20, BLOCK_MAX = 4096 };

static void check(int ok)
{
    if (!ok)
        abort();
}

static void message_run(const struct message *m, int16_t version, struct reader r)
{
    size_t given = reader_left(&r);
    void *value = calloc(1, m->size);
    void *again = calloc(1, m->size);
    struct arena a;
    struct buf first;
    struct buf second;
    struct writer w = writer_init(&first);

    check(value != NULL && again != NULL);
    arena_init(&a, MEMORY_MAX);
    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    if (m->decode(&r, version, &a, value) == E_OK) {
        m->encode(&w, version, value);
        check(writer_done(&w) == E_OK);
        /* the arena doubles its blocks, hence the 2 */
        check(a.total <= BLOCK_MAX + (size_t)2 * WIRE_DEPTH_MAX * WIRE_GROWTH_MAX * given);
        r = reader_init(first.at, first.size);
        check(m->decode(&r, version, &a, again) == E_OK && reader_done(&r) == E_OK);
        w = writer_init(&second);
        m->encode(&w, version, again);
        check(writer_done(&w) == E_OK && first.size == second.size);
        check(first.size == 0 || memcmp(first.at, second.at, first.size) == 0);
    } else {
        check(a.total <= BLOCK_MAX + (size_t)2 * WIRE_DEPTH_MAX * WIRE_GROWTH_MAX * given);
    }
    arena_release(&a);
    buf_release(&first);
    buf_release(&second);
    free(value);
    free(again);
}

static void headers_run(struct reader r)
{
    struct reader copy = r;
    struct wire_request_header h;
    struct wire_metadata_frame frame;

    if (wire_request_header_decode(&copy, &h) == E_OK)
        check(copy.at >= r.at && copy.at <= r.end);
    copy = r;
    if (wire_metadata_frame_decode(&copy, &frame) == E_OK)
        check(frame.key >= 0 && frame.version >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct reader r = reader_init(bytes, size);
    size_t which = reader_u16(&r);
    uint8_t version = (uint8_t)reader_i8(&r);
    const struct message *m = &messages[which % message_count];

    if (r.err != E_OK)
        return 0;
    headers_run(r);
    message_run(m, (int16_t)(m->version_min + version % (m->version_max - m->version_min + 1)), r);
    return 0;
}
