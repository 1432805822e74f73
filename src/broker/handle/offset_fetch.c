#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "wire/offset_fetch.h"

/*
 * OffsetFetch (key 9): committed offsets, of one group or from v8 on of several. Topics have
 * names up to v9 and ids from v10 on; the coordinator knows names.
 */
enum { GROUPS_SINCE = 8, TOPIC_ID_SINCE = 10, TOP_ERROR_SINCE = 2 };

struct fetch {
    struct wire_offset_fetch_request in;
    struct wire_offset_fetch_request_offset_fetch_request_group *groups;
};

/* ---- the question ---- */

/* Up to v7 the request is about one group: as if it were a list of one. */
static bool lone_group(struct request *req, struct fetch *f)
{
    struct wire_offset_fetch_request_offset_fetch_request_group *group;

    group = f->groups = arena_alloc(&req->arena, sizeof(*group));
    if (group == NULL)
        return false;
    wire_offset_fetch_request_offset_fetch_request_group_init(group);
    group->group_id = f->in.group_id;
    group->topics_count = f->in.topics_count;
    if (f->in.topics_count < 0)
        return true;
    group->topics =
        arena_alloc_array(&req->arena, (size_t)f->in.topics_count + 1, sizeof(*group->topics));
    for (int32_t i = 0; i < f->in.topics_count && group->topics != NULL; i++) {
        group->topics[i].name = f->in.topics[i].name;
        group->topics[i].partition_indexes = f->in.topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = f->in.topics[i].partition_indexes_count;
    }
    return group->topics != NULL;
}

/* The coordinator is asked by name; an id that nobody has is asked for by no name. */
static bool name_topics(struct request *req, struct fetch *f)
{
    for (int32_t g = 0; g < f->in.groups_count; g++) {
        for (int32_t t = 0; t < f->groups[g].topics_count; t++) {
            struct wire_offset_fetch_request_offset_fetch_request_topics *in =
                &f->groups[g].topics[t];
            const struct meta_topic *topic =
                meta_image_topic_by_id(req->shard->image, in->topic_id);

            in->name = topic == NULL ? slice_of("", 0) : arena_copy(&req->arena, topic->name);
            if (in->name.at == NULL)
                return false;
        }
    }
    return true;
}

/* ---- the answer ---- */

/* From v10 on each topic needs its id, and one that has none is not shown. */
static void identify(struct request *req,
                     struct wire_offset_fetch_response_offset_fetch_response_group *group)
{
    int32_t count = 0;

    for (int32_t t = 0; t < group->topics_count; t++) {
        struct wire_offset_fetch_response_offset_fetch_response_topics *topic = &group->topics[t];
        const struct meta_topic *known = meta_image_topic(req->shard->image, topic->name);

        if (known != NULL)
            topic->topic_id = known->id;
        for (int32_t i = 0; i < topic->partitions_count && known == NULL; i++)
            topic->partitions[i].error_code = WIRE_ERROR_UNKNOWN_TOPIC_ID;
        if (known != NULL || !uuid_is_zero(topic->topic_id))
            group->topics[count++] = *topic;
    }
    group->topics_count = count;
}

/* What may not be read looks as if it were not there, when everything was asked for. */
static void authorise_topics(struct coordinated_item *item,
                             struct wire_offset_fetch_response_offset_fetch_response_group *group)
{
    bool is_all = item->c.coord.request.offset_fetch->topics_count < 0;
    int32_t count = 0;

    for (int32_t t = 0; t < group->topics_count; t++) {
        struct wire_offset_fetch_response_offset_fetch_response_topics *topic = &group->topics[t];
        bool is_allowed = authorise(item->c.req, AUTHORISE_DESCRIBE, AUTHORISE_TOPIC, topic->name);

        for (int32_t i = 0; i < topic->partitions_count && !is_allowed; i++) {
            wire_offset_fetch_response_offset_fetch_response_partitions_init(&topic->partitions[i]);
            topic->partitions[i].committed_offset = -1;
            topic->partitions[i].error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        }
        if (is_allowed || !is_all)
            group->topics[count++] = *topic;
    }
    group->topics_count = count;
}

static void fill_group(struct coordinated_item *item,
                       struct wire_offset_fetch_response_offset_fetch_response_group *out)
{
    wire_offset_fetch_response_offset_fetch_response_group_init(out);
    if (item->error == WIRE_ERROR_NONE)
        *out = *item->c.coord.fetched;
    out->group_id = item->group_id;
    out->error_code = (int16_t)item->error;
    authorise_topics(item, out);
    if (request_version(item->c.req) >= TOPIC_ID_SINCE)
        identify(item->c.req, out);
}

/* v1 to v7: the same under other names; v1 has errors in partitions only. */
static bool flatten_topic(struct request *req,
                          const struct wire_offset_fetch_response_offset_fetch_response_topics *in,
                          struct wire_offset_fetch_response_offset_fetch_response_topic *out)
{
    out->name = in->name;
    out->partitions =
        arena_alloc_array(&req->arena, (size_t)in->partitions_count + 1, sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    for (int32_t i = 0; i < in->partitions_count; i++)
        out->partitions[i] = (struct wire_offset_fetch_response_offset_fetch_response_partition){
            .partition_index = in->partitions[i].partition_index,
            .committed_offset = in->partitions[i].committed_offset,
            .committed_leader_epoch = in->partitions[i].committed_leader_epoch,
            .metadata = in->partitions[i].metadata,
            .error_code = in->partitions[i].error_code,
        };
    out->partitions_count = in->partitions_count;
    return true;
}

static bool error_topic(struct request *req, enum wire_error error,
                        const struct wire_offset_fetch_request_offset_fetch_request_topic *in,
                        struct wire_offset_fetch_response_offset_fetch_response_topic *out)
{
    out->name = in->name;
    out->partitions = arena_alloc_array(&req->arena, (size_t)in->partition_indexes_count + 1,
                                        sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    for (int32_t i = 0; i < in->partition_indexes_count; i++)
        out->partitions[i] = (struct wire_offset_fetch_response_offset_fetch_response_partition){
            .partition_index = in->partition_indexes[i],
            .committed_offset = -1,
            .committed_leader_epoch = -1,
            .metadata = slice_of("", 0),
            .error_code = (int16_t)error,
        };
    out->partitions_count = in->partition_indexes_count;
    return true;
}

static bool fill_lone(struct coordinated_many *many, struct wire_offset_fetch_response *out)
{
    const struct fetch *f = many->ctx;
    struct wire_offset_fetch_response_offset_fetch_response_group group;
    struct request *req = many->req;
    bool has_error;
    int32_t count;

    fill_group(&many->items[0], &group);
    has_error = group.error_code != 0 && request_version(req) < TOP_ERROR_SINCE;
    out->error_code = group.error_code;
    count = has_error ? f->in.topics_count : group.topics_count;
    out->topics =
        arena_alloc_array(&req->arena, (size_t)(count < 0 ? 0 : count) + 1, sizeof(*out->topics));
    for (int32_t t = 0; t < count && out->topics != NULL; t++) {
        if (!(has_error ? error_topic(req, (enum wire_error)group.error_code, &f->in.topics[t],
                                      &out->topics[t])
                        : flatten_topic(req, &group.topics[t], &out->topics[t])))
            return false;
        out->topics_count++;
    }
    return out->topics != NULL;
}

static bool fill_groups(struct coordinated_many *many, struct wire_offset_fetch_response *out)
{
    out->groups =
        arena_alloc_array(&many->req->arena, (size_t)many->count + 1, sizeof(*out->groups));
    for (int32_t i = 0; i < many->count && out->groups != NULL; i++)
        fill_group(&many->items[i], &out->groups[i]);
    out->groups_count = many->count;
    return out->groups != NULL;
}

static void finish(struct coordinated_many *many)
{
    struct wire_offset_fetch_response out;
    int16_t version = request_version(many->req);

    wire_offset_fetch_response_init(&out);
    if (version >= GROUPS_SINCE ? fill_groups(many, &out) : fill_lone(many, &out))
        wire_offset_fetch_response_encode(&many->writer, version, &out);
    else
        writer_fail(&many->writer, E_NOMEM);
}

/* ---- the request ---- */

static bool prepare(struct request *req, struct fetch *f)
{
    if (request_version(req) < GROUPS_SINCE) {
        f->in.groups_count = 1;
        return lone_group(req, f);
    }
    f->groups = f->in.groups;
    return request_version(req) < TOPIC_ID_SINCE || name_topics(req, f);
}

void handle_offset_fetch(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct fetch *f = arena_alloc(&req->arena, sizeof(*f));
    struct coordinated_many *many;

    if (f == NULL) {
        request_drop_no_memory(req);
        return;
    }
    if (wire_offset_fetch_request_decode(&r, request_version(req), &req->arena, &f->in) != E_OK) {
        request_drop(req, "offset-fetch request does not decode");
        return;
    }
    if (!prepare(req, f)) {
        request_drop_no_memory(req);
        return;
    }
    many = coordinated_many_new(req, f->in.groups_count);
    if (many == NULL)
        return;
    many->finish = finish;
    many->ctx = f;
    for (int32_t i = 0; i < many->count; i++) {
        struct coordinated_item *item = &many->items[i];

        item->group_id = f->groups[i].group_id;
        item->c.coord.kind = COORD_OFFSET_FETCH;
        item->c.coord.request.offset_fetch = &f->groups[i];
        item->c.coord.require_stable = f->in.require_stable;
        if (!authorise(req, AUTHORISE_DESCRIBE, AUTHORISE_GROUP, item->group_id))
            item->error = WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    }
    coordinated_many_start(many);
}
