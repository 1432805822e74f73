#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/handle/parts_priv.h"
#include "broker/request_priv.h"
#include "replica/partition.h"
#include "wire/list_offsets.h"

/*
 * ListOffsets (key 2): the offset for a time, or one of the special ones.
 * Each partition is asked on the shard that owns it.
 */
enum {
    TIMESTAMP_LATEST = -1,
    TIMESTAMP_EARLIEST = -2,
    TIMESTAMP_MAX = -3,            /* KIP-734 */
    TIMESTAMP_EARLIEST_LOCAL = -4, /* KIP-405: all we have is local */
    TIMESTAMP_LATEST_TIERED = -5,
    TIMESTAMP_EARLIEST_PENDING_UPLOAD = -6, /* KIP-1023 */
};

struct listing;

struct listing_part {
    struct part_call call;
    struct listing *listing;
    int32_t current_leader_epoch;
    int64_t timestamp;
    struct wire_list_offsets_response_list_offsets_partition_response *out;
};

struct listing {
    struct parts all;
    struct request *req;
    struct wire_list_offsets_request in;
    struct wire_list_offsets_response out;
};

static int64_t readable_end(const struct listing *l, const struct partition *p)
{
    return l->in.isolation_level == 1 ? partition_last_stable_offset(p)
                                      : partition_high_watermark(p);
}

static enum err offset_find(const struct listing_part *part, struct partition *p, int64_t *offset,
                            int64_t *timestamp)
{
    struct log *log = partition_log(p);
    int64_t end = readable_end(part->listing, p);

    switch (part->timestamp) {
    case TIMESTAMP_LATEST:
        *offset = end;
        return E_OK;
    case TIMESTAMP_EARLIEST:
    case TIMESTAMP_EARLIEST_LOCAL:
        *offset = log_start_offset(log);
        return E_OK;
    case TIMESTAMP_MAX:
        log_max_timestamp(log, timestamp, offset);
        if (*offset < 0)
            return E_OK;
        return log_find_timestamp(log, *timestamp, end, offset, timestamp); /* the first of them */
    case TIMESTAMP_LATEST_TIERED:
    case TIMESTAMP_EARLIEST_PENDING_UPLOAD:
        return E_OK; /* nothing is tiered: -1 */
    default:
        return log_find_timestamp(log, part->timestamp, end, offset, timestamp);
    }
}

/* What a negative timestamp means was added version by version. */
static bool timestamp_is_known(int64_t timestamp, int16_t version)
{
    static const struct {
        int64_t timestamp;
        int16_t since;
    } SPECIAL[] = {
        {TIMESTAMP_LATEST, 0},        {TIMESTAMP_EARLIEST, 0},
        {TIMESTAMP_MAX, 7},           {TIMESTAMP_EARLIEST_LOCAL, 8},
        {TIMESTAMP_LATEST_TIERED, 9}, {TIMESTAMP_EARLIEST_PENDING_UPLOAD, 11},
    };

    for (size_t i = 0; i < sizeof(SPECIAL) / sizeof(SPECIAL[0]); i++) {
        if (SPECIAL[i].timestamp == timestamp)
            return version >= SPECIAL[i].since;
    }
    return timestamp >= 0;
}

static void part_run(struct part_call *call, struct partition *p, enum wire_error error)
{
    struct listing_part *part = LIST_ENTRY(call, struct listing_part, call);
    int64_t offset = -1;
    int64_t timestamp = -1;
    enum err e;

    part->out->error_code = (int16_t)error;
    if (p != NULL)
        part->out->error_code = (int16_t)shard_check_epoch(p, part->current_leader_epoch);
    if (part->out->error_code == WIRE_ERROR_NONE) {
        e = offset_find(part, p, &offset, &timestamp);
        if (e == E_OK) {
            part->out->offset = offset;
            part->out->timestamp = timestamp;
            part->out->leader_epoch = offset < 0 ? -1
                                      : offset < log_end_offset(partition_log(p))
                                          ? log_epoch_at(partition_log(p), offset)
                                          : partition_leader_epoch(p);
        } else {
            part->out->error_code =
                e == E_CORRUPT ? WIRE_ERROR_CORRUPT_MESSAGE : WIRE_ERROR_KAFKA_STORAGE_ERROR;
        }
    }
}

static void listing_answer(struct parts *all)
{
    struct listing *l = LIST_ENTRY(all, struct listing, all);
    struct writer w = request_answer_begin(l->req);

    wire_list_offsets_response_encode(&w, request_version(l->req), &l->out);
    request_answer_finish(l->req, &w);
}

static bool part_start(struct listing *l, const struct meta_topic *topic,
                       const struct wire_list_offsets_request_list_offsets_partition *in,
                       struct wire_list_offsets_response_list_offsets_partition_response *out)
{
    struct listing_part *part;

    if (topic == NULL || in->partition_index < 0 || in->partition_index >= topic->partition_count) {
        out->error_code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    if (!authorise(l->req, AUTHORISE_DESCRIBE, AUTHORISE_TOPIC, topic->name)) {
        out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        return true;
    }
    if (!timestamp_is_known(in->timestamp, request_version(l->req))) {
        out->error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
        return true;
    }
    part = arena_alloc(&l->req->arena, sizeof(*part));
    if (part == NULL)
        return false;
    part->listing = l;
    part->current_leader_epoch = in->current_leader_epoch;
    part->timestamp = in->timestamp;
    part->out = out;
    part->call.run = part_run;
    parts_add(&l->all, topic, in->partition_index, &part->call);
    return true;
}

static bool topic_start(struct listing *l, int32_t t)
{
    const struct wire_list_offsets_request_list_offsets_topic *in = &l->in.topics[t];
    struct wire_list_offsets_response_list_offsets_topic_response *out = &l->out.topics[t];
    const struct meta_topic *topic = meta_image_topic(l->req->shard->image, in->name);

    wire_list_offsets_response_list_offsets_topic_response_init(out);
    out->name = in->name;
    out->partitions =
        arena_alloc_array(&l->req->arena, (size_t)in->partitions_count, sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        wire_list_offsets_response_list_offsets_partition_response_init(&out->partitions[i]);
        out->partitions[i].partition_index = in->partitions[i].partition_index;
        if (!part_start(l, topic, &in->partitions[i], &out->partitions[i]))
            return false;
    }
    return true;
}

void handle_list_offsets(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct listing *l = arena_alloc(&req->arena, sizeof(*l));

    if (l == NULL) {
        request_drop_no_memory(req);
        return;
    }
    l->req = req;
    if (wire_list_offsets_request_decode(&r, request_version(req), &req->arena, &l->in) != E_OK) {
        request_drop(req, "list-offsets request does not decode");
        return;
    }
    wire_list_offsets_response_init(&l->out);
    l->out.topics =
        arena_alloc_array(&req->arena, (size_t)l->in.topics_count, sizeof(*l->out.topics));
    if (l->out.topics == NULL) {
        request_drop_no_memory(req);
        return;
    }
    parts_begin(&l->all, req, listing_answer);
    for (int32_t t = 0; t < l->in.topics_count; t++) {
        l->out.topics_count++;
        if (!topic_start(l, t)) {
            l->all.answer = parts_no_memory;
            break;
        }
    }
    parts_end(&l->all);
}
