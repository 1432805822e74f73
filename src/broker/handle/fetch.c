#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/call_priv.h"
#include "broker/fetch_session_priv.h"
#include "broker/handle/fetch_aborted_priv.h"
#include "broker/request_priv.h"
#include "config/config.h"
#include "replica/partition.h"
#include "wire/fetch.h"

/*
 * Fetch (key 1): ranges of log files for many partitions, with a long poll.
 *
 *   reading --> enough, an error, or time is up --> answer
 *      ^   \--> waiting: watches on all partitions, and a timer
 *      |           | a partition moved, the timer fired, or hurry()
 *      +--------- recalling: until every watch of other shards is back
 *
 * Records are not copied: the answer holds cuts, which the connection fills from
 * the segment files. While waiting no file is held.
 */

enum {
    TOPIC_ID_VERSION_MIN = 13,
    /* Who asks about so much at once is not kept waiting: what it holds would be held long. */
    WAITING_BYTES_MAX = 16 * 1024 * 1024,
};

enum fetch_state { FETCH_READING, FETCH_WAITING, FETCH_RECALLING };

struct fetch_part {
    struct fetch_part *next; /* in its group */
    struct slice topic;      /* in the arena */
    struct uuid topic_id;    /* as asked (v13+), then as resolved */
    int32_t topic_number;    /* parts of one topic stand together */
    int32_t index;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int32_t size_max;
    int64_t fetch_offset;

    enum wire_error fixed_error; /* found before reading; stays */
    enum wire_error error;
    struct log_range range;
    struct vec aborted; /* of struct log_aborted_txn: what a read_committed reader of it is told */
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start;
    int32_t diverging_epoch; /* -1: none */
    int64_t diverging_end;

    struct partition_watch watch;
    struct fetch_group *group;
};

/* The partitions that one shard owns. */
struct fetch_group {
    struct call call;   /* read, or watch */
    struct call recall; /* ends a watch */
    struct fetch *fetch;
    struct fetch_part *parts;
    struct fetch_part **tail;
    bool is_watching; /* the owner's */
};

struct fetch {
    struct request *req;
    struct wire_fetch_request in;
    enum partition_isolation isolation;
    int64_t size_max;
    int64_t min_bytes;
    bool is_cut; /* there is more than what was read: waiting brings nothing */
    int64_t deadline_ms;
    int32_t session_id;
    bool is_incremental;
    struct fetch_part *parts;
    size_t part_count;
    struct fetch_group **groups;
    enum fetch_state state;
    int pending;      /* calls on their way */
    bool is_starting; /* groups_call() is at work further up the stack */
    bool has_moved;   /* a watch came back */
    bool is_last;
    struct loop_timer timer;
};

static void fetch_read(struct fetch *f);

/* KIP-595: where the reader's log and ours part, if it says what it has. */
static bool is_diverging(struct fetch_part *part, struct partition *p)
{
    int32_t epoch;
    int64_t end;

    if (part->last_fetched_epoch < 0)
        return false;
    if (part->last_fetched_epoch > partition_leader_epoch(p)) {
        part->error = WIRE_ERROR_OFFSET_OUT_OF_RANGE; /* an epoch that never was */
        return true;
    }
    log_epoch_end(partition_log(p), part->last_fetched_epoch, &epoch, &end);
    if (epoch == part->last_fetched_epoch && part->fetch_offset <= end)
        return false;
    part->diverging_epoch = epoch;
    part->diverging_end = end;
    return true;
}

static enum wire_error read_error(enum err e)
{
    switch (e) {
    case E_OK:
        return WIRE_ERROR_NONE;
    case E_OUT_OF_RANGE:
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    case E_CORRUPT:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    default:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    }
}

static void part_release(struct fetch_part *part)
{
    log_range_release(&part->range);
    vec_release(&part->aborted);
}

static void part_read(struct fetch *f, struct fetch_part *part, struct broker_shard *owner)
{
    struct partition *p;
    enum err e = shard_partition(owner, part->topic_id, part->index, &p);
    size_t size_max;

    part->error = shard_partition_error(owner, part->topic_id, e);
    if (e != E_OK)
        return;
    part->high_watermark = partition_high_watermark(p);
    part->last_stable_offset = partition_last_stable_offset(p);
    part->log_start = log_start_offset(partition_log(p));
    part->error = shard_check_epoch(p, part->current_leader_epoch);
    if (part->error != WIRE_ERROR_NONE || is_diverging(part, p))
        return;
    size_max = part->size_max < 0 ? 0 : (size_t)part->size_max;
    if ((int64_t)size_max > f->size_max)
        size_max = (size_t)f->size_max;
    e = partition_read(p, part->fetch_offset, f->isolation, size_max, &part->range);
    vec_init(&part->aborted, sizeof(struct log_aborted_txn), HANDLE_FETCH_ABORTED_MAX);
    if (e == E_OK && f->isolation == PARTITION_READ_COMMITTED)
        e = handle_fetch_aborted(partition_log(p), part->fetch_offset, &part->range,
                                 &part->aborted);
    if (e != E_OK)
        part_release(part);
    part->error = read_error(e);
}

static void group_read(struct call *call)
{
    struct fetch_group *group = LIST_ENTRY(call, struct fetch_group, call);

    for (struct fetch_part *part = group->parts; part != NULL; part = part->next)
        part_read(group->fetch, part, call->to);
    call_return(call);
}

/* Watch. On the owner. */

static void watch_end(struct fetch_group *group)
{
    group->is_watching = false;
    for (struct fetch_part *part = group->parts; part != NULL; part = part->next)
        partition_unwatch(&part->watch);
    call_return(&group->call);
}

static void part_moved(struct partition_watch *watch)
{
    struct fetch_part *part = LIST_ENTRY(watch, struct fetch_part, watch);

    if (part->group->is_watching)
        watch_end(part->group);
}

static int64_t visible_end(const struct fetch *f, const struct partition *p)
{
    return f->isolation == PARTITION_READ_COMMITTED ? partition_last_stable_offset(p)
                                                    : partition_high_watermark(p);
}

static void group_watch(struct call *call)
{
    struct fetch_group *group = LIST_ENTRY(call, struct fetch_group, call);
    const struct fetch *f = group->fetch;
    bool has_moved = false;

    group->is_watching = true;
    for (struct fetch_part *part = group->parts; part != NULL; part = part->next) {
        int64_t seen = f->isolation == PARTITION_READ_COMMITTED ? part->last_stable_offset
                                                                : part->high_watermark;
        struct partition *p;

        part->watch.moved = part_moved;
        if (shard_partition(call->to, part->topic_id, part->index, &p) != E_OK) {
            has_moved = true;
            continue;
        }
        partition_watch(p, &part->watch);
        has_moved = has_moved || visible_end(f, p) != seen;
    }
    if (has_moved)
        watch_end(group);
}

static void group_recall(struct call *call)
{
    struct fetch_group *group = LIST_ENTRY(call, struct fetch_group, recall);

    if (group->is_watching)
        watch_end(group);
    call_return(call);
}

/* Answer. */

static void ranges_release(struct fetch *f)
{
    for (size_t i = 0; i < f->part_count; i++)
        part_release(&f->parts[i]);
}

/* The first partition with records gets them all; others only what the total leaves. */
static int64_t ranges_limit(struct fetch *f)
{
    int64_t total = 0;

    f->is_cut = false;
    for (size_t i = 0; i < f->part_count; i++) {
        struct log_range *range = &f->parts[i].range;

        f->is_cut = f->is_cut || range->has_more;
        if (total > 0 && total + (int64_t)range->size > f->size_max) {
            part_release(&f->parts[i]);
            f->is_cut = true;
        }
        total += (int64_t)range->size;
    }
    return total;
}

/* Is the partition news to this client? Without a session everything is. */
static bool part_is_told(struct fetch *f, struct fetch_session *session,
                         const struct fetch_part *part)
{
    struct fetch_told told = {
        .has_records = part->range.size > 0,
        .has_error = part->error != WIRE_ERROR_NONE || part->diverging_epoch >= 0,
        .high_watermark = part->high_watermark,
        .log_start = part->log_start,
    };
    bool by_id = request_version(f->req) >= TOPIC_ID_VERSION_MIN;
    struct fetch_want *want;

    if (session == NULL)
        return true;
    want = fetch_session_want(session, by_id ? slice_of(NULL, 0) : part->topic,
                              by_id ? part->topic_id : (struct uuid){{0}}, part->index);
    if (want == NULL)
        return true;
    return fetch_session_tell(session, want, &told) || !f->is_incremental;
}

struct answer {
    struct wire_fetch_response out;
    struct log_range *ranges;
    uint32_t range_count;
    struct writer_cut *cuts;
    struct wire_fetch_response_aborted_transaction *aborted; /* the next one */
};

/* Null means that nobody asked. */
static void aborted_answer(struct fetch *f, struct fetch_part *part, struct answer *answer,
                           struct wire_fetch_response_partition_data *out)
{
    out->aborted_transactions_count = -1;
    if (f->isolation != PARTITION_READ_COMMITTED)
        return;
    out->aborted_transactions = answer->aborted;
    out->aborted_transactions_count = (int32_t)part->aborted.count;
    for (size_t i = 0; i < part->aborted.count; i++) {
        const struct log_aborted_txn *aborted = vec_at(&part->aborted, i);

        wire_fetch_response_aborted_transaction_init(answer->aborted);
        answer->aborted->producer_id = aborted->producer_id;
        answer->aborted->first_offset = aborted->first_offset;
        answer->aborted++;
    }
    vec_release(&part->aborted);
}

static void part_count(struct fetch *f, const struct fetch_part *part)
{
    struct broker_shard *shard = f->req->shard;
    struct topic_settings *topic = shard_topic_settings(shard, part->topic_id);

    meter_fetched(&shard->meter, topic == NULL ? NULL : &topic->meter, part->range.size);
}

static void part_answer(struct fetch *f, struct fetch_part *part, struct answer *answer,
                        struct wire_fetch_response_partition_data *out)
{
    wire_fetch_response_partition_data_init(out);
    out->partition_index = part->index;
    out->error_code = (int16_t)part->error;
    out->high_watermark = -1;
    if (part->error == WIRE_ERROR_NONE) {
        out->high_watermark = part->high_watermark;
        out->last_stable_offset = part->last_stable_offset;
        out->log_start_offset = part->log_start;
    }
    if (part->error == WIRE_ERROR_CORRUPT_MESSAGE)
        counter_add(&f->req->shard->meter.damaged_reads, 1);
    aborted_answer(f, part, answer, out);
    out->records = (struct wire_records){.at = (const uint8_t *)"", .size = 0};
    if (part->diverging_epoch >= 0) {
        out->diverging_epoch.epoch = part->diverging_epoch;
        out->diverging_epoch.end_offset = part->diverging_end;
    }
    if (part->range.size > 0) {
        out->records = (struct wire_records){
            .size = (int32_t)part->range.size, .cut = true, .cut_ref = answer->range_count};
        part_count(f, part);
        answer->ranges[answer->range_count++] = part->range;
        part->range = (struct log_range){0};
    }
}

static size_t aborted_count(const struct fetch *f)
{
    size_t count = 0;

    for (size_t i = 0; i < f->part_count; i++)
        count += f->parts[i].aborted.count;
    return count;
}

/* Fill the response from the parts, topic by topic. */
static bool answer_fill(struct fetch *f, struct answer *answer)
{
    struct arena *arena = &f->req->arena;
    struct fetch_session *session =
        fetch_session_find(f->req->shard->fetch_sessions, f->session_id);
    struct wire_fetch_response_partition_data *data =
        arena_alloc_array(arena, f->part_count, sizeof(*data));
    struct wire_fetch_response_fetchable_topic_response *topic = NULL;
    int32_t topic_number = -1;

    answer->out.responses = arena_alloc_array(arena, f->part_count, sizeof(*topic));
    answer->ranges = arena_alloc_array(arena, f->part_count, sizeof(*answer->ranges));
    answer->cuts = arena_alloc_array(arena, f->part_count, sizeof(*answer->cuts));
    answer->aborted = arena_alloc_array(arena, aborted_count(f), sizeof(*answer->aborted));
    if (data == NULL || answer->out.responses == NULL || answer->ranges == NULL ||
        answer->cuts == NULL || answer->aborted == NULL)
        return false;
    for (size_t i = 0; i < f->part_count; i++) {
        struct fetch_part *part = &f->parts[i];

        if (!part_is_told(f, session, part)) /* nothing was read, then */
            continue;
        if (topic == NULL || part->topic_number != topic_number) {
            topic = &answer->out.responses[answer->out.responses_count++];
            topic_number = part->topic_number;
            wire_fetch_response_fetchable_topic_response_init(topic);
            topic->topic = part->topic;
            topic->topic_id = part->topic_id;
            topic->partitions = data;
        }
        part_answer(f, part, answer, data++);
        topic->partitions_count++;
    }
    return true;
}

static void fetch_answer(struct fetch *f)
{
    struct request *req = f->req;
    struct answer answer = {0};
    struct writer w;

    loop_timer_stop(req->shard->loop, &f->timer);
    wire_fetch_response_init(&answer.out);
    answer.out.session_id = f->session_id;
    if (!answer_fill(f, &answer)) {
        ranges_release(f);
        request_drop_no_memory(req);
        return;
    }
    w = request_answer_begin(req);
    writer_accept_cuts(&w, answer.cuts, f->part_count);
    wire_fetch_response_encode(&w, request_version(req), &answer.out);
    request_answer_finish_files(req, &w, answer.ranges, answer.range_count);
}

/* Steps. */

static void call_done(struct call *call);

static void groups_call(struct fetch *f, void (*run)(struct call *call))
{
    int shards = broker_shard_count(f->req->shard->broker);

    f->is_starting = true;
    f->pending = 1; /* ours, until all are started; the caller's to take back */
    for (int i = 0; i < shards; i++) {
        struct fetch_group *group = f->groups[i];

        if (group == NULL)
            continue;
        f->pending++;
        group->call.run = run;
        group->call.done = call_done;
        call_start(&group->call, f->req->shard, &f->req->shard->broker->shards[i]);
    }
    f->is_starting = false;
}

static void recall_done(struct call *call)
{
    call_done(&LIST_ENTRY(call, struct fetch_group, recall)->call);
}

/* Bring every watch back; the last one to return starts the next read. */
static void fetch_recall(struct fetch *f)
{
    int shards = broker_shard_count(f->req->shard->broker);

    if (f->state != FETCH_WAITING)
        return;
    f->state = FETCH_RECALLING;
    f->pending++;
    for (int i = 0; i < shards; i++) {
        struct fetch_group *group = f->groups[i];

        if (group == NULL)
            continue;
        f->pending++;
        group->recall.run = group_recall;
        group->recall.done = recall_done;
        call_start(&group->recall, f->req->shard, &f->req->shard->broker->shards[i]);
    }
    if (--f->pending == 0)
        fetch_read(f);
}

static bool is_enough(struct fetch *f, int64_t total)
{
    if (f->is_last || f->is_cut || f->part_count == 0 || total >= f->min_bytes ||
        loop_now_ms(f->req->shard->loop) >= f->deadline_ms)
        return true;
    for (size_t i = 0; i < f->part_count; i++) {
        if (f->parts[i].error != WIRE_ERROR_NONE || f->parts[i].diverging_epoch >= 0)
            return true;
    }
    return false;
}

/* All reads are back. */
static void fetch_decide(struct fetch *f)
{
    if (is_enough(f, ranges_limit(f))) {
        fetch_answer(f);
        return;
    }
    ranges_release(f);
    f->req->is_patient = true;
    f->state = FETCH_WAITING;
    f->has_moved = false;
    loop_timer_start(f->req->shard->loop, &f->timer, f->deadline_ms);
    groups_call(f, group_watch);
    f->pending--;
    if (f->has_moved)
        fetch_recall(f);
}

static void call_done(struct call *call)
{
    struct fetch *f = LIST_ENTRY(call, struct fetch_group, call)->fetch;

    f->pending--;
    if (f->state == FETCH_WAITING) {
        f->has_moved = true;
        if (!f->is_starting)
            fetch_recall(f);
    } else if (f->pending == 0) {
        if (f->state == FETCH_READING)
            fetch_decide(f);
        else
            fetch_read(f);
    }
}

static void fetch_read(struct fetch *f)
{
    for (size_t i = 0; i < f->part_count; i++)
        f->parts[i].error = f->parts[i].fixed_error;
    f->state = FETCH_READING;
    groups_call(f, group_read);
    if (--f->pending == 0)
        fetch_decide(f);
}

static void timer_fire(struct loop_timer *timer)
{
    struct fetch *f = LIST_ENTRY(timer, struct fetch, timer);

    f->is_last = true;
    fetch_recall(f);
}

static void fetch_hurry(struct request *req)
{
    struct fetch *f = req->work;

    f->is_last = true;
    fetch_recall(f);
}

/* Start. */

static void part_resolve(struct fetch *f, struct fetch_part *part)
{
    const struct meta_image *image = f->req->shard->image;
    bool by_id = request_version(f->req) >= TOPIC_ID_VERSION_MIN;
    const struct meta_topic *topic = by_id ? meta_image_topic_by_id(image, part->topic_id)
                                           : meta_image_topic(image, part->topic);

    part->diverging_epoch = -1;
    part->high_watermark = -1;
    part->last_stable_offset = -1;
    part->log_start = -1;
    if (topic == NULL) {
        part->fixed_error =
            by_id ? WIRE_ERROR_UNKNOWN_TOPIC_ID : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (!authorise(f->req, AUTHORISE_READ, AUTHORISE_TOPIC, topic->name)) {
        part->fixed_error = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    } else if (part->index < 0 || part->index >= topic->partition_count) {
        part->fixed_error = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        part->topic_id = topic->id;
    }
}

static bool part_route(struct fetch *f, struct fetch_part *part)
{
    struct broker_shard *owner;
    struct fetch_group *group;

    if (part->fixed_error != WIRE_ERROR_NONE)
        return true;
    owner = shard_of(f->req->shard, part->topic_id, part->index);
    group = f->groups[owner->index];
    if (group == NULL) {
        group = arena_alloc(&f->req->arena, sizeof(*group));
        if (group == NULL)
            return false;
        group->fetch = f;
        group->tail = &group->parts;
        f->groups[owner->index] = group;
    }
    part->group = group;
    *group->tail = part;
    group->tail = &part->next;
    return true;
}

/* The parts as the request names them. */
static bool parts_of_request(struct fetch *f)
{
    const struct wire_fetch_request *in = &f->in;
    size_t count = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    f->parts = arena_alloc_array(&f->req->arena, count, sizeof(*f->parts));
    if (f->parts == NULL)
        return false;
    for (int32_t t = 0; t < in->topics_count; t++) {
        for (int32_t i = 0; i < in->topics[t].partitions_count; i++) {
            const struct wire_fetch_request_fetch_partition *p = &in->topics[t].partitions[i];

            f->parts[f->part_count++] = (struct fetch_part){
                .topic = in->topics[t].topic,
                .topic_id = in->topics[t].topic_id,
                .topic_number = t,
                .index = p->partition,
                .current_leader_epoch = p->current_leader_epoch,
                .last_fetched_epoch = p->last_fetched_epoch,
                .size_max = p->partition_max_bytes,
                .fetch_offset = p->fetch_offset,
            };
        }
    }
    return true;
}

static bool is_same_topic(const struct fetch_want *a, const struct fetch_part *b)
{
    return uuid_equal(a->topic_id, b->topic_id) && slice_equal(a->topic, b->topic);
}

/* The parts as the session remembers them. */
static bool parts_of_session(struct fetch *f, struct fetch_session *session)
{
    int32_t topic_number = 0;

    f->parts = arena_alloc_array(&f->req->arena, (size_t)session->want_count, sizeof(*f->parts));
    if (f->parts == NULL)
        return false;
    for (struct list_node *n = session->wants.next; n != &session->wants; n = n->next) {
        const struct fetch_want *want = LIST_ENTRY(n, struct fetch_want, node);
        struct fetch_part *part = &f->parts[f->part_count];

        if (f->part_count > 0 && !is_same_topic(want, part - 1))
            topic_number++;
        *part = (struct fetch_part){
            .topic = arena_copy(&f->req->arena, want->topic),
            .topic_id = want->topic_id,
            .topic_number = topic_number,
            .index = want->index,
            .current_leader_epoch = want->current_leader_epoch,
            .last_fetched_epoch = want->last_fetched_epoch,
            .size_max = want->size_max,
            .fetch_offset = want->fetch_offset,
        };
        if (want->topic.at != NULL && part->topic.at == NULL)
            return false;
        f->part_count++;
    }
    return true;
}

static void answer_error(struct request *req, enum wire_error error)
{
    struct wire_fetch_response out;
    struct writer w = request_answer_begin(req);

    wire_fetch_response_init(&out);
    out.error_code = (int16_t)error;
    wire_fetch_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}

static void limits_set(struct fetch *f)
{
    struct broker_shard *shard = f->req->shard;
    int64_t broker_max = config_i64(shard->broker->config, CONFIG_FETCH_MAX_BYTES);
    int64_t wait_ms = f->in.max_wait_ms > 0 ? f->in.max_wait_ms : 0;

    f->isolation =
        f->in.isolation_level == 1 ? PARTITION_READ_COMMITTED : PARTITION_READ_UNCOMMITTED;
    f->size_max = f->in.max_bytes < broker_max ? f->in.max_bytes : broker_max;
    if (f->size_max < 0)
        f->size_max = 0;
    f->min_bytes = f->in.min_bytes < f->size_max ? f->in.min_bytes : f->size_max;
    f->deadline_ms = loop_now_ms(shard->loop) + wait_ms;
    f->timer.fire = timer_fire;
}

void handle_fetch(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct fetch *f = arena_alloc(&req->arena, sizeof(*f));
    struct fetch_session *session = NULL;
    enum wire_error error;
    bool is_made;

    if (f == NULL) {
        request_drop_no_memory(req);
        return;
    }
    f->req = req;
    if (wire_fetch_request_decode(&r, request_version(req), &req->arena, &f->in) != E_OK) {
        request_drop(req, "fetch request does not decode");
        return;
    }
    error = fetch_session_begin(req->shard->fetch_sessions, &f->in, request_version(req),
                                loop_now_ms(req->shard->loop), &session);
    if (error != WIRE_ERROR_NONE) {
        answer_error(req, error);
        return;
    }
    limits_set(f);
    f->session_id = session == NULL ? FETCH_SESSION_NONE : session->id;
    f->is_incremental = session != NULL && f->in.session_epoch > FETCH_SESSION_EPOCH_FULL;
    is_made = session == NULL ? parts_of_request(f) : parts_of_session(f, session);
    f->groups = arena_alloc_array(&req->arena, (size_t)broker_shard_count(req->shard->broker),
                                  sizeof(struct fetch_group *));
    is_made = is_made && f->groups != NULL;
    for (size_t i = 0; is_made && i < f->part_count; i++) {
        part_resolve(f, &f->parts[i]);
        is_made = part_route(f, &f->parts[i]);
    }
    if (!is_made) {
        request_drop_no_memory(req);
        return;
    }
    f->is_last = req->arena.total > WAITING_BYTES_MAX;
    req->work = f;
    req->hurry = fetch_hurry;
    fetch_read(f);
}
