#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/call_priv.h"
#include "broker/request_priv.h"
#include "codec/codec.h"
#include "record/validate.h"
#include "replica/partition.h"
#include "wire/error.h"
#include "wire/produce.h"

/*
 * Produce (key 0). The hot path: a batch is checked where it lies in the
 * connection's buffer, given its offsets in place and written to the page cache
 * before the handler returns; the answer waits for the commit.
 *
 *   handle_produce -> for each shard that owns a partition: group_run
 *       -> partition_append ... -> append_done -> call_return -> group_done
 *       -> produce_answer when the last group is back
 *
 * A partition of another shard costs a copy of its records and a hop.
 *
 * When a disk gets full the answer is held back a little and says how long the client should
 * leave us alone (KIP-219): not every client listens, but every client waits for its answer.
 */

enum { ZSTD_VERSION_MIN = 7, TOPIC_ID_VERSION_MIN = 13 };

/* Of a pause we wait one half, and the client the whole if it knows how. */
enum { HOLD_SHARE = 2 };

/* One partition of the request. */
struct part {
    struct partition_append append;
    struct group *group;
    struct part *next; /* in its group */
    struct uuid topic_id;
    int32_t index;
    enum wire_error error;
    const char *message;
    int32_t record_count;
    struct topic_settings *settings; /* while the request's settings_generation is the shard's */
    int64_t append_time_ms;          /* -1 unless LogAppendTime */
    int64_t log_start_offset;
};

/* The partitions of the request that one shard owns. */
struct group {
    struct call call;
    struct produce *produce;
    struct part *parts;
    struct part **tail;
    int pending;
    int32_t pause_ms; /* the longest of its partitions' disks */
    int64_t sync_ns;  /* the same of syncs */
};

struct produce {
    struct request *req;
    struct wire_produce_request in;
    struct part *parts; /* in the order of the request */
    struct group **groups;
    int pending; /* groups */
    uint32_t settings_generation;
    int32_t pause_ms;
    struct loop_timer hold; /* ends the pause */
    bool has_failed;
};

static void part_fail(struct part *part, enum wire_error error, const char *message)
{
    part->error = error;
    part->message = message;
}

static enum wire_error append_error(enum err e)
{
    switch (e) {
    case E_OK:
        return WIRE_ERROR_NONE;
    case E_OUT_OF_ORDER:
        return WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case E_FENCED:
        return WIRE_ERROR_INVALID_PRODUCER_EPOCH;
    case E_NOT_FOUND:
        return WIRE_ERROR_UNKNOWN_PRODUCER_ID;
    case E_TOO_BIG:
        return WIRE_ERROR_RECORD_LIST_TOO_LARGE;
    case E_NOT_LEADER:
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    case E_CORRUPT:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    case E_NO_SPACE:
        /* Retried by every client until its delivery timeout, in order, with no search for
         * another leader: docs/protocol.md. */
        return WIRE_ERROR_NOT_ENOUGH_REPLICAS;
    default:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR; /* retriable: broken disk */
    }
}

static enum wire_error batch_error(enum err e, struct slice batch)
{
    switch (e) {
    case E_UNSUPPORTED: /* an old magic, or a codec that nobody knows */
        return batch.size > BATCH_POS_MAGIC && batch.at[BATCH_POS_MAGIC] == BATCH_MAGIC
                   ? WIRE_ERROR_UNSUPPORTED_COMPRESSION_TYPE
                   : WIRE_ERROR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    case E_INVAL:
        return WIRE_ERROR_INVALID_RECORD;
    case E_TOO_BIG:
        return WIRE_ERROR_MESSAGE_TOO_LARGE;
    case E_NOMEM:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    default:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    }
}

/* KIP-937: timestamps too far from the broker's clock are refused. */
static bool timestamps_fit(const struct topic_settings *settings,
                           const struct batch_summary *summary, int64_t now_ms)
{
    if (settings->is_log_append_time || summary->max_timestamp < 0)
        return true;
    if (summary->max_timestamp > now_ms && summary->max_timestamp - now_ms > settings->after_max_ms)
        return false;
    return summary->min_timestamp >= now_ms - settings->before_max_ms; /* no sum overflows */
}

/* Check the one batch of a partition; afterwards it may be appended as it is. */
static bool part_check(struct produce *p, struct part *part, uint8_t *at, size_t size)
{
    struct broker_shard *shard = p->req->shard;
    struct topic_settings *settings = shard_topic_settings(shard, part->topic_id);
    struct batch_rules rules;
    struct batch_summary summary;
    struct batch_fault fault = {0};
    bool walks;
    enum err e;

    if (settings == NULL) {
        part_fail(part, WIRE_ERROR_KAFKA_STORAGE_ERROR, "out of memory");
        return false;
    }
    part->settings = settings;
    rules = (struct batch_rules){
        .batch_size_max = (size_t)settings->message_bytes_max,
        .key_required = settings->is_compacted,
    };
    walks = settings->is_compacted || shard->validates_compressed;
    e = batch_validate(slice_of(at, size), &rules, walks ? &shard->scratch : NULL, &summary,
                       &fault);
    buf_clear(&shard->scratch);
    buf_shrink(&shard->scratch, SHARD_SCRATCH_BYTES_KEPT);
    if (e != E_OK) {
        part_fail(part, batch_error(e, slice_of(at, size)), fault.text);
        if (part->error == WIRE_ERROR_CORRUPT_MESSAGE)
            counter_add(&shard->meter.crc_errors, 1);
        return false;
    }
    part->record_count = summary.header.record_count;
    if (batch_codec(&summary.header) == CODEC_ZSTD && request_version(p->req) < ZSTD_VERSION_MIN) {
        part_fail(part, WIRE_ERROR_UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce v7");
        return false;
    }
    if (!timestamps_fit(settings, &summary, loop_wall_ms(shard->loop))) {
        part_fail(part, WIRE_ERROR_INVALID_TIMESTAMP,
                  "a timestamp is outside message.timestamp.before.max.ms or after.max.ms");
        return false;
    }
    if (settings->is_log_append_time) {
        part->append_time_ms = loop_wall_ms(shard->loop);
        batch_patch_log_append_time(at, part->append_time_ms);
    } else if (summary.walked && summary.max_timestamp != summary.header.max_timestamp) {
        batch_patch_max_timestamp(at, summary.max_timestamp);
    }
    return true;
}

static void append_done(struct partition_append *op)
{
    struct part *part = op->ctx;
    struct group *group = part->group;
    struct partition *partition;

    part->error = append_error(op->err);
    if (op->err == E_NO_SPACE)
        part->message = "the broker's disk is full; it takes records again once there is room";
    if (shard_partition(group->call.to, part->topic_id, part->index, &partition) == E_OK) {
        part->log_start_offset = log_start_offset(partition_log(partition));
        if (partition_pause_ms(partition) > group->pause_ms)
            group->pause_ms = partition_pause_ms(partition);
        if (partition_sync_ns(partition) > group->sync_ns)
            group->sync_ns = partition_sync_ns(partition);
    }
    if (--group->pending == 0)
        call_return(&group->call);
}

/* On the shard that owns the partitions. */
static void group_run(struct call *call)
{
    struct group *group = LIST_ENTRY(call, struct group, call);

    group->pending = 1; /* ours, so that no append can end the group under us */
    for (struct part *part = group->parts; part != NULL; part = part->next) {
        struct partition *partition;
        enum err e = shard_partition(call->to, part->topic_id, part->index, &partition);

        if (e != E_OK) {
            part_fail(part, shard_partition_error(call->to, part->topic_id, e), NULL);
            continue;
        }
        part->append.done = append_done;
        part->append.ctx = part;
        part->append.wall_ms = loop_wall_ms(call->to->loop);
        group->pending++;
        partition_append(partition, &part->append);
    }
    if (--group->pending == 0)
        call_return(call);
}

static void topic_answer(const struct produce *p, const struct part *parts, int32_t topic,
                         struct wire_produce_response_topic_produce_response *out)
{
    const struct wire_produce_request_topic_produce_data *in = &p->in.topic_data[topic];

    out->name = in->name;
    out->topic_id = in->topic_id;
    for (int32_t i = 0; i < in->partition_data_count; i++) {
        struct wire_produce_response_partition_produce_response *r = &out->partition_responses[i];
        const struct part *part = &parts[i];

        wire_produce_response_partition_produce_response_init(r);
        r->index = part->index;
        r->error_code = (int16_t)part->error;
        r->base_offset = part->error == WIRE_ERROR_NONE ? part->append.appended.first_offset : -1;
        r->log_append_time_ms = part->error == WIRE_ERROR_NONE ? part->append_time_ms : -1;
        r->log_start_offset = part->log_start_offset;
        r->error_message = slice_of_text(part->message);
    }
}

static void produce_answer(struct produce *p)
{
    struct request *req = p->req;
    struct wire_produce_response out;
    struct writer w;
    size_t first = 0;

    if (p->in.acks == 0) {
        if (p->has_failed)
            request_drop(req, "produce with acks=0 failed");
        else
            request_answer_none(req);
        return;
    }
    wire_produce_response_init(&out);
    out.throttle_time_ms = p->pause_ms;
    counter_add(&req->shard->meter.throttled_ms, (uint64_t)p->pause_ms);
    out.responses =
        arena_alloc_array(&req->arena, (size_t)p->in.topic_data_count, sizeof(*out.responses));
    if (out.responses == NULL) {
        request_drop_no_memory(req);
        return;
    }
    out.responses_count = p->in.topic_data_count;
    for (int32_t t = 0; t < p->in.topic_data_count; t++) {
        int32_t count = p->in.topic_data[t].partition_data_count;

        wire_produce_response_topic_produce_response_init(&out.responses[t]);
        out.responses[t].partition_responses = arena_alloc_array(
            &req->arena, (size_t)count, sizeof(*out.responses[t].partition_responses));
        if (out.responses[t].partition_responses == NULL) {
            request_drop_no_memory(req);
            return;
        }
        out.responses[t].partition_responses_count = count;
        topic_answer(p, p->parts + first, t, &out.responses[t]);
        first += (size_t)count;
    }
    w = request_answer_begin(req);
    wire_produce_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}

static void hold_over(struct loop_timer *timer)
{
    struct produce *p = LIST_ENTRY(timer, struct produce, hold);

    p->req->hurry = NULL;
    produce_answer(p);
}

/* The connection is gone, or the broker stops. */
static void hold_hurry(struct request *req)
{
    struct produce *p = req->work;

    loop_timer_stop(req->shard->loop, &p->hold);
    hold_over(&p->hold);
}

/* All is appended, or refused. */
static void produce_end(struct produce *p)
{
    struct request *req = p->req;
    struct loop *loop = req->shard->loop;

    if (p->pause_ms == 0 || req->session == NULL || req->shard->is_draining) {
        produce_answer(p);
        return;
    }
    req->work = p;
    req->hurry = hold_hurry;
    p->hold.fire = hold_over;
    loop_timer_start(loop, &p->hold, loop_now_ms(loop) + p->pause_ms / HOLD_SHARE);
}

static void part_count(struct produce *p, const struct part *part)
{
    struct broker_shard *shard = p->req->shard;
    struct topic_settings *topic = part->settings;
    bool is_taken = part->error == WIRE_ERROR_NONE;

    if (p->settings_generation != shard->settings_generation)
        topic = shard_topic_settings(shard, part->topic_id);
    meter_produced(&shard->meter, topic == NULL ? NULL : &topic->meter, part->append.size,
                   is_taken ? part->record_count : 0);
    p->has_failed = p->has_failed || !is_taken;
}

static void group_done(struct call *call)
{
    struct group *group = LIST_ENTRY(call, struct group, call);
    struct produce *p = group->produce;

    for (const struct part *part = group->parts; part != NULL; part = part->next)
        part_count(p, part);
    if (group->pause_ms > p->pause_ms)
        p->pause_ms = group->pause_ms;
    if (group->sync_ns > p->req->sync_ns)
        p->req->sync_ns = group->sync_ns;
    if (--p->pending == 0)
        produce_end(p);
}

/* Put a checked part where its owner will append it; false when memory is out. */
static bool part_route(struct produce *p, struct part *part, uint8_t *at, size_t size)
{
    struct request *req = p->req;
    struct broker_shard *owner = shard_of(req->shard, part->topic_id, part->index);
    struct group *group = p->groups[owner->index];

    if (owner != req->shard) {
        struct slice copy = arena_copy(&req->arena, slice_of(at, size));

        if (copy.at == NULL)
            return false;
        at += copy.at - at; /* the bytes leave the connection's buffer */
    }
    if (group == NULL) {
        group = arena_alloc(&req->arena, sizeof(*group));
        if (group == NULL)
            return false;
        group->produce = p;
        group->tail = &group->parts;
        group->call.run = group_run;
        group->call.done = group_done;
        group->call.to = owner;
        p->groups[owner->index] = group;
    }
    part->append.bytes = at;
    part->append.size = size;
    part->append.acks = p->in.acks;
    part->group = group;
    *group->tail = part;
    group->tail = &part->next;
    return true;
}

/* Find the topic of a part; false when the part has failed. */
static bool topic_resolve(struct produce *p,
                          const struct wire_produce_request_topic_produce_data *in,
                          struct part *part)
{
    const struct meta_image *image = p->req->shard->image;
    const struct meta_topic *topic;
    bool by_id = request_version(p->req) >= TOPIC_ID_VERSION_MIN;

    topic = by_id ? meta_image_topic_by_id(image, in->topic_id) : meta_image_topic(image, in->name);
    if (topic == NULL) {
        part_fail(part, by_id ? WIRE_ERROR_UNKNOWN_TOPIC_ID : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                  NULL);
        return false;
    }
    if (!authorise(p->req, AUTHORISE_WRITE, AUTHORISE_TOPIC, topic->name)) {
        part_fail(part, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED, NULL);
        return false;
    }
    if (meta_topic_is_internal(topic->name)) {
        part_fail(part, WIRE_ERROR_INVALID_TOPIC_EXCEPTION, "only the broker writes this topic");
        return false;
    }
    if (part->index < 0 || part->index >= topic->partition_count) {
        part_fail(part, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        return false;
    }
    part->topic_id = topic->id;
    return true;
}

/* Check one partition's data and route it. False when memory is out. */
static bool part_start(struct produce *p,
                       const struct wire_produce_request_topic_produce_data *topic,
                       const struct wire_produce_request_partition_produce_data *in,
                       struct part *part)
{
    struct request *req = p->req;
    uint8_t *at;

    part->index = in->index;
    part->append_time_ms = -1;
    part->log_start_offset = -1;
    if (p->in.acks < -1 || p->in.acks > 1) {
        part_fail(part, WIRE_ERROR_INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1");
    } else if (p->in.transactional_id.at != NULL) {
        part_fail(part, WIRE_ERROR_INVALID_TXN_STATE, "transactions are not available");
    } else if (topic_resolve(p, topic, part)) {
        at = req->body + (in->records.at - req->body);
        if (in->records.size <= 0)
            part_fail(part, WIRE_ERROR_INVALID_RECORD, "a partition needs one record batch");
        else if (part_check(p, part, at, (size_t)in->records.size))
            return part_route(p, part, at, (size_t)in->records.size);
        part_count(p, part);
    }
    p->has_failed = true;
    return true;
}

/* What the answer needs must outlive the connection's buffer. */
static bool names_keep(struct produce *p)
{
    for (int32_t t = 0; t < p->in.topic_data_count; t++) {
        struct slice *name = &p->in.topic_data[t].name;
        bool was_there = name->at != NULL;

        *name = arena_copy(&p->req->arena, *name);
        if (was_there && name->at == NULL)
            return false;
    }
    return true;
}

static bool parts_start(struct produce *p)
{
    struct arena *arena = &p->req->arena;
    size_t count = 0;
    size_t next = 0;

    for (int32_t t = 0; t < p->in.topic_data_count; t++)
        count += (size_t)p->in.topic_data[t].partition_data_count;
    p->parts = arena_alloc_array(arena, count, sizeof(*p->parts));
    p->groups = arena_alloc_array(arena, (size_t)broker_shard_count(p->req->shard->broker),
                                  sizeof(struct group *));
    if (p->parts == NULL || p->groups == NULL)
        return false;
    for (int32_t t = 0; t < p->in.topic_data_count; t++) {
        const struct wire_produce_request_topic_produce_data *topic = &p->in.topic_data[t];

        for (int32_t i = 0; i < topic->partition_data_count; i++) {
            if (!part_start(p, topic, &topic->partition_data[i], &p->parts[next++]))
                return false;
        }
    }
    return true;
}

void handle_produce(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct produce *p = arena_alloc(&req->arena, sizeof(*p));
    int shards = broker_shard_count(req->shard->broker);

    if (p == NULL) {
        request_drop_no_memory(req);
        return;
    }
    p->req = req;
    p->settings_generation = req->shard->settings_generation;
    if (wire_produce_request_decode(&r, request_version(req), &req->arena, &p->in) != E_OK) {
        request_drop(req, "produce request does not decode");
        return;
    }
    if (!parts_start(p) || !names_keep(p)) {
        request_drop_no_memory(req);
        return;
    }
    p->pending = 1;
    for (int i = 0; i < shards; i++) {
        if (p->groups[i] != NULL) {
            p->pending++;
            call_start(&p->groups[i]->call, req->shard, p->groups[i]->call.to);
        }
    }
    if (--p->pending == 0)
        produce_end(p);
}
