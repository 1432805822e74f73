#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "wire/offset_commit.h"

/*
 * OffsetCommit (key 8). Which partitions there are is seen here, who may commit is for the
 * coordinator to say (group/commit.c). By id from v10 on.
 */

enum { TOPIC_ID_VERSION_MIN = 10 };

static enum wire_error topic_error(
    struct request *req, struct wire_offset_commit_request_offset_commit_request_topic *in,
    const struct meta_topic **topic_out)
{
    bool by_id = request_version(req) >= TOPIC_ID_VERSION_MIN;
    const struct meta_image *image = req->shard->image;
    const struct meta_topic *topic =
        by_id ? meta_image_topic_by_id(image, in->topic_id) : meta_image_topic(image, in->name);

    *topic_out = topic;
    if (topic == NULL)
        return by_id ? WIRE_ERROR_UNKNOWN_TOPIC_ID : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (by_id) {
        in->name = arena_copy(&req->arena, topic->name);
        if (in->name.at == NULL)
            return WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    return authorise(req, AUTHORISE_READ, AUTHORISE_TOPIC, topic->name)
               ? WIRE_ERROR_NONE
               : WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

/* One error for each partition of the request; NULL when memory is out. */
static enum wire_error *check(struct request *req, struct wire_offset_commit_request *in)
{
    enum wire_error *errors;
    size_t count = 0;
    size_t next = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    errors = arena_alloc_array(&req->arena, count + 1, sizeof(*errors));
    for (int32_t t = 0; t < in->topics_count && errors != NULL; t++) {
        const struct meta_topic *topic;
        enum wire_error error = topic_error(req, &in->topics[t], &topic);

        for (int32_t i = 0; i < in->topics[t].partitions_count; i++) {
            int32_t index = in->topics[t].partitions[i].partition_index;

            errors[next++] =
                error == WIRE_ERROR_NONE && (index < 0 || index >= topic->partition_count)
                    ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                    : error;
        }
    }
    return errors;
}

/* Every partition gets the same error. */
static void encode_error(struct request *req, struct writer *w, const struct coord_call *result)
{
    const struct wire_offset_commit_request *in = result->request.offset_commit;
    struct wire_offset_commit_response out;

    wire_offset_commit_response_init(&out);
    out.topics = arena_alloc_array(&req->arena, (size_t)in->topics_count + 1, sizeof(*out.topics));
    for (int32_t t = 0; t < in->topics_count && out.topics != NULL; t++) {
        struct wire_offset_commit_response_offset_commit_response_topic *topic = &out.topics[t];

        wire_offset_commit_response_offset_commit_response_topic_init(topic);
        topic->name = in->topics[t].name;
        topic->topic_id = in->topics[t].topic_id;
        topic->partitions = arena_alloc_array(
            &req->arena, (size_t)in->topics[t].partitions_count + 1, sizeof(*topic->partitions));
        if (topic->partitions == NULL) {
            writer_fail(w, E_NOMEM);
            return;
        }
        topic->partitions_count = in->topics[t].partitions_count;
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            topic->partitions[i].partition_index = in->topics[t].partitions[i].partition_index;
            topic->partitions[i].error_code = (int16_t)result->error;
        }
    }
    if (out.topics == NULL) {
        writer_fail(w, E_NOMEM);
        return;
    }
    out.topics_count = in->topics_count;
    wire_offset_commit_response_encode(w, request_version(req), &out);
}

static void encode(struct request *req, struct writer *w, const struct coord_call *result)
{
    if (result->error == WIRE_ERROR_NONE)
        wire_offset_commit_response_encode(w, request_version(req),
                                           result->reply->response.offset_commit);
    else
        encode_error(req, w, result);
}

void handle_offset_commit(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_offset_commit_request *in = arena_alloc(&req->arena, sizeof(*in));
    struct coordinated_single *s = in == NULL ? NULL : coordinated_single_new(req);

    if (in == NULL)
        request_drop_no_memory(req);
    if (s == NULL)
        return;
    if (wire_offset_commit_request_decode(&r, request_version(req), &req->arena, in) != E_OK) {
        request_drop(req, "offset-commit request does not decode");
        return;
    }
    s->encode = encode;
    s->c.coord.kind = COORD_OFFSET_COMMIT;
    s->c.coord.request.offset_commit = in;
    s->c.coord.errors = check(req, in);
    if (s->c.coord.errors == NULL)
        request_drop_no_memory(req);
    else if (authorise(req, AUTHORISE_READ, AUTHORISE_GROUP, in->group_id))
        coordinated_single_start(s, in->group_id);
    else
        coordinated_single_refuse(s, WIRE_ERROR_GROUP_AUTHORIZATION_FAILED);
}
