#include <assert.h>
#include <inttypes.h>

#include "base/writer.h"
#include "net/loop.h"
#include "os/file.h"
#include "os/os.h"
#include "quorum/quorum_priv.h"
#include "record/builder.h"
#include "record/control.h"
#include "record/record.h"
#include "wire/kraft_version_record.h"
#include "wire/leader_change_message.h"
#include "wire/voters_record.h"

/* What lies in the metadata log: batches of metadata records, and control batches. */

enum { CONTROL_VALUE_SIZE_MAX = 64 * 1024, UNPACKED_SIZE_MAX = 64 * 1024 * 1024 };

/* Reading */

static enum err add_values(struct slice batch, struct buf *unpack, struct meta_records *records)
{
    struct record_iter it;
    struct record_view view;
    enum err e = record_iter_init(&it, batch, unpack);

    if (e != E_OK)
        return e;
    while (e == E_OK && record_iter_next(&it, &view))
        e = meta_records_add(records, view.value);
    return e != E_OK ? e : record_iter_done(&it);
}

/* Values of the whole batches in `bytes`; what follows the last one is ignored. */
static enum err add_batches(struct slice bytes, int64_t offset, int64_t limit,
                            struct meta_records *records, int64_t *end_out)
{
    struct batch_iter it = batch_iter_init(bytes);
    struct batch_view view;
    struct buf unpack;
    enum err e = E_OK;

    buf_init(&unpack, UNPACKED_SIZE_MAX);
    *end_out = offset;
    while (e == E_OK && batch_iter_next(&it, &view)) {
        if (view.header.base_offset >= limit)
            break;
        if (!batch_is_control(&view.header))
            e = add_values(view.bytes, &unpack, records);
        *end_out = batch_next_offset(&view.header);
    }
    buf_release(&unpack);
    if (e == E_OK && *end_out == offset)
        e = it.err == E_OK ? E_CORRUPT : it.err;
    return e;
}

enum err quorum_read(struct quorum *quorum, int64_t offset, int64_t limit,
                     struct meta_records *records_out, int64_t *end_out)
{
    struct log_range range = {0};
    struct buf bytes;
    size_t size = 0;
    enum err e = partition_read(quorum->partition, offset, PARTITION_READ_LOG_END,
                                QUORUM_CHUNK_SIZE, &range);

    if (e != E_OK)
        return e;
    buf_init(&bytes, range.size);
    if (range.size == 0)
        e = E_CORRUPT; /* nothing where there must be something */
    else
        e = buf_reserve(&bytes, range.size);
    if (e == E_OK)
        e = os_file_read(range.file, range.pos, bytes.at, range.size, &size);
    if (e == E_OK)
        e = add_batches(slice_of(bytes.at, size), offset, limit, records_out, end_out);
    buf_release(&bytes);
    log_range_release(&range);
    return e;
}

static enum err apply_all(struct quorum *quorum, const struct meta_records *records,
                          struct report *report)
{
    enum err e = E_OK;

    for (size_t i = 0; i < meta_records_count(records) && e == E_OK; i++)
        e = meta_image_apply(quorum->image, meta_records_at(records, i), NULL, report);
    return e;
}

enum err quorum_replay(struct quorum *quorum, struct report *report)
{
    struct log *log = partition_log(quorum->partition);
    int64_t end = log_end_offset(log);
    int64_t offset = log_start_offset(log);
    struct meta_records records;
    enum err e = E_OK;

    if (offset > 0) {
        report_set(report,
                   "the metadata log begins at offset %" PRId64 ": what came before is in "
                   "a snapshot, and those are not read",
                   offset);
        return E_UNSUPPORTED;
    }
    meta_records_init(&records);
    while (offset < end && e == E_OK) {
        int64_t at = offset;

        meta_records_clear(&records);
        e = quorum_read(quorum, at, end, &records, &offset);
        if (e != E_OK)
            report_set(report, "%s", err_text(e));
        else
            e = apply_all(quorum, &records, report);
        if (e != E_OK)
            report_prefix(report, "metadata log from offset %" PRId64, at);
    }
    meta_records_release(&records);
    meta_image_set_offset(quorum->image, end - 1);
    return e != E_OK ? e : meta_image_check_served(quorum->image, report);
}

/* Writing */

static struct batch_options options_of(struct quorum *quorum, bool control)
{
    struct batch_options options = batch_options_init(0);

    options.leader_epoch = quorum->epoch;
    options.control = control;
    return options;
}

enum err quorum_build_batch(struct quorum *quorum, const struct meta_records *records,
                            struct buf *bytes)
{
    struct batch_options options = options_of(quorum, false);
    int64_t now_ms = os_wall_ms(loop_os(quorum->loop));
    struct batch_builder builder;
    enum err e = E_OK;

    batch_builder_init(&builder, &options);
    for (size_t i = 0; i < meta_records_count(records) && e == E_OK; i++)
        e = batch_builder_add(&builder, &(struct record_draft){
                                            .timestamp_ms = now_ms,
                                            .value = meta_records_at(records, i),
                                        });
    if (e == E_OK)
        e = batch_builder_finish(&builder, bytes);
    batch_builder_release(&builder);
    return e;
}

static enum err add_control(struct quorum *quorum, struct batch_builder *builder,
                            enum record_control_type type, struct writer *w)
{
    uint8_t key[RECORD_CONTROL_KEY_SIZE];
    enum err e = writer_done(w);

    record_control_encode_key(type, key);
    if (e == E_OK)
        e = batch_builder_add(builder, &(struct record_draft){
                                           .timestamp_ms = os_wall_ms(loop_os(quorum->loop)),
                                           .key = slice_of(key, sizeof(key)),
                                           .value = buf_slice(w->buf),
                                       });
    buf_clear(w->buf);
    return e;
}

static enum err add_leader_change(struct quorum *quorum, struct batch_builder *builder,
                                  struct buf *value)
{
    struct wire_leader_change_message_voter voter = {.voter_id = quorum->identity.node_id};
    struct wire_leader_change_message m;
    struct writer w = writer_init(value);

    wire_leader_change_message_init(&m);
    m.version = 0; /* Kafka's tools read no other, whatever the field says */
    m.leader_id = quorum->identity.node_id;
    m.voters = &voter;
    m.voters_count = 1;
    m.granting_voters = &voter;
    m.granting_voters_count = 1;
    wire_leader_change_message_encode(&w, m.version, &m);
    return add_control(quorum, builder, RECORD_CONTROL_LEADER_CHANGE, &w);
}

static enum err add_kraft_version(struct quorum *quorum, struct batch_builder *builder,
                                  struct buf *value)
{
    struct wire_kraft_version_record m;
    struct writer w = writer_init(value);

    wire_kraft_version_record_init(&m);
    m.kraft_version = META_KRAFT_VERSION;
    wire_kraft_version_record_encode(&w, 0, &m);
    return add_control(quorum, builder, RECORD_CONTROL_KRAFT_VERSION, &w);
}

static enum err add_voters(struct quorum *quorum, struct batch_builder *builder, struct buf *value)
{
    struct wire_voters_record_voter voter;
    struct wire_voters_record m;
    struct writer w = writer_init(value);

    wire_voters_record_voter_init(&voter);
    voter.voter_id = quorum->identity.node_id;
    voter.voter_directory_id = quorum->identity.directory_ids[0];
    voter.kraft_version_feature.max_supported_version = META_KRAFT_VERSION;
    wire_voters_record_init(&m);
    m.voters = &voter;
    m.voters_count = 1;
    wire_voters_record_encode(&w, 0, &m);
    return add_control(quorum, builder, RECORD_CONTROL_KRAFT_VOTERS, &w);
}

enum err quorum_build_epoch(struct quorum *quorum, bool is_new, struct buf *bytes,
                            int32_t *count_out)
{
    struct batch_options options = options_of(quorum, true);
    struct batch_builder builder;
    struct buf value;
    enum err e;

    buf_init(&value, CONTROL_VALUE_SIZE_MAX);
    batch_builder_init(&builder, &options);
    e = add_leader_change(quorum, &builder, &value);
    if (e == E_OK && is_new)
        e = add_kraft_version(quorum, &builder, &value);
    if (e == E_OK && is_new)
        e = add_voters(quorum, &builder, &value);
    if (e == E_OK)
        e = batch_builder_finish(&builder, bytes);
    if (e == E_OK)
        *count_out = is_new ? 3 : 1;
    batch_builder_release(&builder);
    buf_release(&value);
    return e;
}
