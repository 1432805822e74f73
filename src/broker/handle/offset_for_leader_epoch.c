#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/parts_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "replica/partition.h"
#include "wire/offset_for_leader_epoch.h"

/*
 * OffsetForLeaderEpoch (key 23, KIP-101, KIP-320): where the records of a leader epoch end. A
 * consumer learns from it that the log it read from was cut.
 */
struct ask {
    struct parts all;
    struct wire_offset_for_leader_epoch_request in;
    struct wire_offset_for_leader_epoch_response out;
};

struct ask_part {
    struct part_call call;
    int32_t current_leader_epoch;
    int32_t leader_epoch;
    struct wire_offset_for_leader_epoch_response_epoch_end_offset *out;
};

/* Of an epoch that is still going on: the high watermark, for whoever is no replica. */
static void find_end(struct ask_part *part, struct partition *p)
{
    int64_t high_watermark = partition_high_watermark(p);
    int32_t epoch;
    int64_t end;

    if (part->leader_epoch == partition_leader_epoch(p)) {
        part->out->leader_epoch = part->leader_epoch;
        part->out->end_offset = high_watermark;
        return;
    }
    log_epoch_end(partition_log(p), part->leader_epoch, &epoch, &end);
    part->out->leader_epoch = epoch;
    part->out->end_offset = end < high_watermark ? end : high_watermark;
}

static void part_run(struct part_call *call, struct partition *p, enum wire_error error)
{
    struct ask_part *part = LIST_ENTRY(call, struct ask_part, call);

    if (p != NULL)
        error = shard_check_epoch(p, part->current_leader_epoch);
    part->out->error_code = (int16_t)error;
    if (error == WIRE_ERROR_NONE)
        find_end(part, p);
}

static void answer(struct parts *all)
{
    struct ask *ask = LIST_ENTRY(all, struct ask, all);
    struct writer w = request_answer_begin(all->req);

    wire_offset_for_leader_epoch_response_encode(&w, request_version(all->req), &ask->out);
    request_answer_finish(all->req, &w);
}

static bool topic_start(struct ask *ask, int32_t t)
{
    const struct wire_offset_for_leader_epoch_request_offset_for_leader_topic *in =
        &ask->in.topics[t];
    struct wire_offset_for_leader_epoch_response_offset_for_leader_topic_result *out =
        &ask->out.topics[t];
    struct request *req = ask->all.req;
    const struct meta_topic *topic = meta_image_topic(req->shard->image, in->topic);

    out->topic = in->topic;
    out->partitions =
        arena_alloc_array(&req->arena, (size_t)in->partitions_count + 1, sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        int32_t index = in->partitions[i].partition;
        struct ask_part *part = arena_alloc(&req->arena, sizeof(*part));

        if (part == NULL)
            return false;
        wire_offset_for_leader_epoch_response_epoch_end_offset_init(&out->partitions[i]);
        out->partitions[i].partition = index;
        part->call.run = part_run;
        part->current_leader_epoch = in->partitions[i].current_leader_epoch;
        part->leader_epoch = in->partitions[i].leader_epoch;
        part->out = &out->partitions[i];
        if (topic == NULL || index < 0 || index >= topic->partition_count)
            part->out->error_code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        else if (!authorise(req, AUTHORISE_DESCRIBE, AUTHORISE_TOPIC, topic->name))
            part->out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        else
            parts_add(&ask->all, topic, index, &part->call);
    }
    return true;
}

void handle_offset_for_leader_epoch(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct ask *ask = arena_alloc(&req->arena, sizeof(*ask));

    if (ask == NULL) {
        request_drop_no_memory(req);
        return;
    }
    if (wire_offset_for_leader_epoch_request_decode(&r, request_version(req), &req->arena,
                                                    &ask->in) != E_OK) {
        request_drop(req, "offset-for-leader-epoch request does not decode");
        return;
    }
    wire_offset_for_leader_epoch_response_init(&ask->out);
    ask->out.topics =
        arena_alloc_array(&req->arena, (size_t)ask->in.topics_count + 1, sizeof(*ask->out.topics));
    if (ask->out.topics == NULL) {
        request_drop_no_memory(req);
        return;
    }
    parts_begin(&ask->all, req, answer);
    for (int32_t t = 0; t < ask->in.topics_count; t++) {
        if (!topic_start(ask, t)) {
            ask->all.answer = parts_no_memory;
            break;
        }
        ask->out.topics_count++;
    }
    parts_end(&ask->all);
}
