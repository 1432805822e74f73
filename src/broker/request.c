#include "broker/request_priv.h"

#include "base/mem.h"
#include "broker/session_priv.h"
#include "broker/shard_priv.h"

enum {
    ANSWER_BYTES_MAX = 256 * 1024 * 1024,
    ANSWER_BYTES_KEPT = 4 * 1024,
    REQUESTS_KEPT_MAX = 256,
    FRAME_PREFIX_SIZE = 4,
};

struct request *request_new(struct broker_shard *shard)
{
    struct list_node *node = list_pop_front(&shard->free_requests);
    struct request *req;

    if (node != NULL) {
        shard->free_request_count--;
        shard->request_count++;
        return LIST_ENTRY(node, struct request, node);
    }
    req = mem_alloc_zero(sizeof(*req));
    if (req == NULL)
        return NULL;
    req->shard = shard;
    buf_init(&req->answer, ANSWER_BYTES_MAX);
    shard->request_count++;
    return req;
}

static void ranges_release(struct request *req)
{
    for (size_t i = 0; i < req->range_count; i++)
        log_range_release(&req->ranges[i]);
    req->range_count = 0;
}

void request_free(struct request *req)
{
    struct broker_shard *shard = req->shard;
    struct arena arena;
    struct buf answer;

    list_remove(&req->node);
    ranges_release(req);
    shard->request_count--;
    if (shard->free_request_count >= REQUESTS_KEPT_MAX) {
        arena_release(&req->arena);
        buf_release(&req->answer);
        mem_free(req);
        return;
    }
    arena_clear(&req->arena);
    buf_clear(&req->answer);
    buf_shrink(&req->answer, ANSWER_BYTES_KEPT);
    arena = req->arena;
    answer = req->answer;
    *req = (struct request){.shard = shard, .arena = arena, .answer = answer};
    list_push_front(&shard->free_requests, &req->node);
    shard->free_request_count++;
}

struct writer request_answer_begin(struct request *req)
{
    struct writer w;

    buf_clear(&req->answer);
    w = writer_init(&req->answer);
    writer_i32(&w, 0);
    wire_response_header_encode(&w, req->api->key, request_version(req),
                                req->header.correlation_id);
    return w;
}

/* Hand over to the session, or end here when the connection is gone. */
static void answered(struct request *req)
{
    req->is_answered = true;
    req->hurry = NULL;
    if (req->session == NULL)
        request_free(req);
    else
        session_answered(req->session, req);
}

void request_answer_finish_files(struct request *req, struct writer *w, struct log_range *ranges,
                                 size_t range_count)
{
    size_t size = req->answer.size - FRAME_PREFIX_SIZE;

    req->error_code = w->noted;
    req->ranges = ranges;
    req->range_count = range_count;
    req->cuts = w->cuts;
    req->cut_count = w->cut_count;
    for (size_t i = 0; i < w->cut_count; i++)
        size += w->cuts[i].size;
    if (size > INT32_MAX)
        writer_fail(w, E_TOO_BIG);
    else
        writer_i32_at(w, 0, (int32_t)size);
    if (writer_done(w) != E_OK) {
        request_drop(req, "the answer does not fit");
        return;
    }
    answered(req);
}

void request_answer_finish(struct request *req, struct writer *w)
{
    request_answer_finish_files(req, w, NULL, 0);
}

void request_answer_none(struct request *req)
{
    req->is_silent = true;
    answered(req);
}

void request_drop(struct request *req, const char *reason)
{
    struct session *session = req->session;

    req->hurry = NULL;
    req->session = NULL;
    request_free(req);
    if (session != NULL)
        session_close(session, reason);
}

void request_drop_no_memory(struct request *req)
{
    request_drop(req, err_text(E_NOMEM));
}
