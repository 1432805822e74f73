#include "load_frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "record/batch.h"
#include "record/builder.h"

enum { BATCH_RECORD_OVERHEAD_MAX = 16, FRAME_MAX = 64 << 20 };

static void must(enum err e)
{
    if (e == E_OK)
        return;
    fprintf(stderr, "load: %s\n", err_text(e));
    exit(1);
}

void load_frames_batch(struct load_plan *plan)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    uint8_t *value = malloc(plan->record_size);

    if (value == NULL)
        must(E_NOMEM);
    batch_builder_init(&builder, &options);
    buf_init(&plan->batch, FRAME_MAX);
    plan->records = 0;
    do {
        struct record_draft draft = {.timestamp_ms = 1700000000000,
                                     .value = slice_of(value, plan->record_size)};

        for (size_t i = 0; i < plan->record_size; i++)
            value[i] = (uint8_t)('a' + (plan->records * 7 + i * 13) % 26);
        must(batch_builder_add(&builder, &draft));
        plan->records++;
    } while (batch_builder_size(&builder) + plan->record_size + BATCH_RECORD_OVERHEAD_MAX <=
             plan->batch_size);
    must(batch_builder_finish(&builder, &plan->batch));
    batch_builder_release(&builder);
    free(value);
}

/* Encoding. */

static void write_compact_text(struct writer *w, const char *text)
{
    writer_uvarint(w, (uint32_t)strlen(text) + 1);
    writer_bytes(w, text, strlen(text));
}

/* Length (filled in by end_frame) and request header; `is_flexible`: version 2 of it. */
static size_t begin_frame(struct writer *w, int16_t api, int16_t version, bool is_flexible)
{
    size_t start = w->buf->size;

    writer_i32(w, 0);
    writer_i16(w, api);
    writer_i16(w, version);
    writer_i32(w, 7); /* correlation id: answers come in order, so any will do */
    writer_i16(w, 4);
    writer_bytes(w, "load", 4);
    if (is_flexible)
        writer_uvarint(w, 0);
    return start;
}

static void end_frame(struct writer *w, size_t start)
{
    writer_i32_at(w, start, (int32_t)(w->buf->size - start - 4));
    must(writer_done(w));
}

static void write_produce(const struct load_plan *plan, int32_t partition, struct writer *w)
{
    size_t start = begin_frame(w, 0, 9, true);

    writer_uvarint(w, 0); /* no transaction */
    writer_i16(w, plan->acks);
    writer_i32(w, 30000);
    writer_uvarint(w, 2); /* one topic */
    write_compact_text(w, plan->topic);
    writer_uvarint(w, 2); /* one partition */
    writer_i32(w, partition);
    writer_uvarint(w, (uint32_t)plan->batch.size + 1);
    writer_bytes(w, plan->batch.at, plan->batch.size);
    writer_uvarint(w, 0);
    writer_uvarint(w, 0);
    writer_uvarint(w, 0);
    end_frame(w, start);
}

static void write_fetch(const struct load_plan *plan, int32_t partition, int64_t offset,
                        struct writer *w)
{
    size_t start = begin_frame(w, 1, 12, true);

    writer_i32(w, -1); /* replica id: a consumer */
    writer_i32(w, 100);
    writer_i32(w, 1);
    writer_i32(w, (int32_t)plan->batch_size);
    writer_i8(w, 0);
    writer_i32(w, 0); /* no session */
    writer_i32(w, -1);
    writer_uvarint(w, 2);
    write_compact_text(w, plan->topic);
    writer_uvarint(w, 2);
    writer_i32(w, partition);
    writer_i32(w, -1);
    writer_i64(w, offset);
    writer_i32(w, -1);
    writer_i64(w, -1);
    writer_i32(w, (int32_t)plan->batch_size);
    writer_uvarint(w, 0);
    writer_uvarint(w, 0);
    writer_uvarint(w, 1); /* nothing forgotten */
    writer_uvarint(w, 1); /* no rack */
    writer_uvarint(w, 0);
    end_frame(w, start);
}

void load_frames_metadata(const struct load_plan *plan, struct buf *out)
{
    struct writer w = writer_init(out);
    size_t start = begin_frame(&w, 3, 9, true);

    writer_uvarint(&w, 2);
    write_compact_text(&w, plan->topic);
    writer_uvarint(&w, 0);
    writer_i8(&w, 1); /* create it */
    writer_i8(&w, 0);
    writer_i8(&w, 0);
    writer_uvarint(&w, 0);
    end_frame(&w, start);
}

void load_frames_request(const struct load_plan *plan, int32_t partition, int64_t pos,
                         struct buf *out)
{
    struct writer w = writer_init(out);

    switch (plan->kind) {
    case LOAD_PRODUCE:
        write_produce(plan, partition, &w);
        return;
    case LOAD_FETCH:
        write_fetch(plan, partition, pos, &w);
        return;
    case LOAD_API_VERSIONS:
        end_frame(&w, begin_frame(&w, 18, 0, false));
        return;
    case LOAD_METADATA:
        load_frames_metadata(plan, out);
        return;
    case LOAD_RAW_FETCH:
        writer_i32(&w, 12);
        writer_i64(&w, pos);
        writer_i32(&w, (int32_t)plan->batch_size);
        break;
    default: /* produce and echo */
        writer_i32(&w, (int32_t)plan->batch.size);
        writer_bytes(&w, plan->batch.at, plan->batch.size);
    }
    must(writer_done(&w));
}

/* Answers. */

static void read_produce(struct reader *r, struct load_answer *answer)
{
    reader_uvarint(r);                      /* topics */
    reader_slice(r, reader_uvarint(r) - 1); /* name */
    reader_uvarint(r);                      /* partitions */
    reader_i32(r);
    answer->error = reader_i16(r);
}

/* Where the next fetch starts: after the last whole batch. */
static void walk_batches(struct slice records, struct load_answer *answer)
{
    size_t pos = 0;

    while (records.size - pos >= BATCH_HEADER_SIZE) {
        struct reader r = reader_init(records.at + pos, BATCH_HEADER_SIZE);
        int64_t base = reader_i64(&r);
        size_t size = BATCH_PREFIX_SIZE + (size_t)reader_i32(&r);

        if (size > records.size - pos)
            break;
        r = reader_init(records.at + pos + BATCH_POS_LAST_OFFSET_DELTA, 4);
        answer->next_pos = base + reader_i32(&r) + 1;
        r = reader_init(records.at + pos + BATCH_POS_RECORD_COUNT, 4);
        answer->records += (size_t)reader_i32(&r);
        pos += size;
    }
    answer->bytes = pos;
}

static void read_fetch(struct reader *r, struct load_answer *answer)
{
    uint32_t aborted, size;
    int64_t high_watermark;

    reader_i32(r); /* throttle */
    answer->error = reader_i16(r);
    reader_i32(r); /* session */
    reader_uvarint(r);
    reader_slice(r, reader_uvarint(r) - 1);
    reader_uvarint(r);
    reader_i32(r);
    if (answer->error == 0)
        answer->error = reader_i16(r);
    high_watermark = reader_i64(r);
    reader_i64(r); /* last stable offset */
    reader_i64(r); /* log start */
    aborted = reader_uvarint(r);
    for (uint32_t i = 1; i < aborted && r->err == E_OK; i++) {
        reader_i64(r);
        reader_i64(r);
        reader_uvarint(r);
    }
    reader_i32(r); /* preferred replica */
    size = reader_uvarint(r);
    if (size > 1)
        walk_batches(reader_slice(r, size - 1), answer);
    answer->is_end = answer->next_pos >= high_watermark || answer->bytes == 0;
}

bool load_frames_answer(const struct load_plan *plan, int64_t pos, const uint8_t *at, size_t size,
                        struct load_answer *answer_out)
{
    struct reader r = reader_init(at, size);

    *answer_out = (struct load_answer){.next_pos = pos, .bytes = plan->batch.size};
    switch (plan->kind) {
    case LOAD_RAW_PRODUCE:
        return size == 8;
    case LOAD_RAW_ECHO:
        return size == plan->batch.size;
    case LOAD_RAW_FETCH:
        answer_out->bytes = size;
        answer_out->next_pos = pos + (int64_t)size;
        return size == plan->batch_size;
    case LOAD_API_VERSIONS:
        reader_i32(&r);
        answer_out->error = reader_i16(&r);
        return r.err == E_OK;
    case LOAD_METADATA:
        return size > 8;
    default:
        reader_i32(&r); /* correlation */
        reader_uvarint(&r);
    }
    if (plan->kind == LOAD_PRODUCE) {
        read_produce(&r, answer_out);
    } else {
        answer_out->bytes = 0;
        read_fetch(&r, answer_out);
    }
    return r.err == E_OK;
}
