#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/parts_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "replica/partition.h"
#include "wire/delete_records.h"

/*
 * DeleteRecords (key 21, KIP-107): the log begins at an offset from now on, -1 being the high
 * watermark. Durable when it is answered; whole segments below go.
 */
enum { HIGH_WATERMARK = -1 };

struct deletion {
    struct parts all;
    struct wire_delete_records_request in;
    struct wire_delete_records_response out;
};

struct deletion_part {
    struct part_call call;
    int64_t offset;
    struct wire_delete_records_response_delete_records_partition_result *out;
};

static enum wire_error delete_before(struct partition *p, int64_t offset)
{
    int64_t end = partition_high_watermark(p);
    enum err e;

    if (offset == HIGH_WATERMARK)
        offset = end;
    if (offset < 0 || offset > end)
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    if (offset <= log_start_offset(partition_log(p)))
        return WIRE_ERROR_NONE;
    e = log_delete_before(partition_log(p), offset);
    if (e == E_OUT_OF_RANGE)
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    return e == E_OK ? WIRE_ERROR_NONE : WIRE_ERROR_KAFKA_STORAGE_ERROR;
}

static void part_run(struct part_call *call, struct partition *p, enum wire_error error)
{
    struct deletion_part *part = LIST_ENTRY(call, struct deletion_part, call);

    if (p != NULL)
        error = delete_before(p, part->offset);
    part->out->error_code = (int16_t)error;
    if (error == WIRE_ERROR_NONE)
        part->out->low_watermark = log_start_offset(partition_log(p));
}

static void answer(struct parts *all)
{
    struct deletion *d = LIST_ENTRY(all, struct deletion, all);
    struct writer w = request_answer_begin(all->req);

    wire_delete_records_response_encode(&w, request_version(all->req), &d->out);
    request_answer_finish(all->req, &w);
}

static enum wire_error check(struct request *req, const struct meta_topic *topic, int32_t index)
{
    const struct topic_settings *settings;

    if (topic == NULL || index < 0 || index >= topic->partition_count)
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!authorise(req, AUTHORISE_DELETE, AUTHORISE_TOPIC, topic->name))
        return WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    settings = shard_topic_settings(req->shard, topic->id);
    /* Where only compaction may drop records a key would come back with an older value. */
    if (settings == NULL || !settings->is_deleted)
        return WIRE_ERROR_POLICY_VIOLATION;
    return WIRE_ERROR_NONE;
}

static bool topic_start(struct deletion *d, int32_t t)
{
    const struct wire_delete_records_request_delete_records_topic *in = &d->in.topics[t];
    struct wire_delete_records_response_delete_records_topic_result *out = &d->out.topics[t];
    struct request *req = d->all.req;
    const struct meta_topic *topic = meta_image_topic(req->shard->image, in->name);

    out->name = in->name;
    out->partitions =
        arena_alloc_array(&req->arena, (size_t)in->partitions_count + 1, sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        int32_t index = in->partitions[i].partition_index;
        enum wire_error error = check(req, topic, index);
        struct deletion_part *part = arena_alloc(&req->arena, sizeof(*part));

        if (part == NULL)
            return false;
        out->partitions[i].partition_index = index;
        out->partitions[i].low_watermark = -1;
        out->partitions[i].error_code = (int16_t)error;
        part->call.run = part_run;
        part->offset = in->partitions[i].offset;
        part->out = &out->partitions[i];
        if (error == WIRE_ERROR_NONE)
            parts_add(&d->all, topic, index, &part->call);
    }
    return true;
}

void handle_delete_records(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct deletion *d = arena_alloc(&req->arena, sizeof(*d));

    if (d == NULL) {
        request_drop_no_memory(req);
        return;
    }
    if (wire_delete_records_request_decode(&r, request_version(req), &req->arena, &d->in) != E_OK) {
        request_drop(req, "delete-records request does not decode");
        return;
    }
    wire_delete_records_response_init(&d->out);
    d->out.topics =
        arena_alloc_array(&req->arena, (size_t)d->in.topics_count + 1, sizeof(*d->out.topics));
    if (d->out.topics == NULL) {
        request_drop_no_memory(req);
        return;
    }
    parts_begin(&d->all, req, answer);
    for (int32_t t = 0; t < d->in.topics_count; t++) {
        if (!topic_start(d, t)) {
            d->all.answer = parts_no_memory;
            break;
        }
        d->out.topics_count++;
    }
    parts_end(&d->all);
}
