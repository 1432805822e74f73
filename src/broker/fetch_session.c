#include "broker/fetch_session_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "wire/fetch.h"

enum { TOPIC_ID_VERSION_MIN = 13, KEY_SIZE_MAX = 4 + 16 + 256, ID_TRIES_MAX = 16 };

struct fetch_sessions {
    struct map_u64 by_id;
    struct list_node used; /* least recently used first */
    int slots;
    struct rng rng;
    uint64_t seed;
};

struct fetch_sessions *fetch_sessions_new(int slots, uint64_t seed)
{
    struct fetch_sessions *s = mem_alloc_zero(sizeof(*s));

    if (s == NULL)
        return NULL;
    s->slots = slots;
    s->seed = seed;
    rng_init(&s->rng, seed);
    list_init(&s->used);
    map_u64_init(&s->by_id, seed);
    return s;
}

static void want_drop(struct fetch_session *session, struct fetch_want *want, struct slice key)
{
    map_slice_remove(&session->by_key, key);
    list_remove(&want->node);
    mem_free(want);
    session->want_count--;
}

static void session_drop(struct fetch_sessions *s, struct fetch_session *session)
{
    struct list_node *node;

    while ((node = list_pop_front(&session->wants)) != NULL)
        mem_free(LIST_ENTRY(node, struct fetch_want, node));
    map_slice_release(&session->by_key);
    map_u64_remove(&s->by_id, (uint32_t)session->id);
    list_remove(&session->node);
    mem_free(session);
}

void fetch_sessions_free(struct fetch_sessions *s)
{
    struct list_node *node;

    if (s == NULL)
        return;
    while ((node = list_first(&s->used)) != NULL)
        session_drop(s, LIST_ENTRY(node, struct fetch_session, node));
    map_u64_release(&s->by_id);
    mem_free(s);
}

int fetch_sessions_count(const struct fetch_sessions *s)
{
    return (int)s->by_id.count;
}

struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id)
{
    return map_u64_find(&s->by_id, (uint32_t)id);
}

/* A partition's key: its index, and its topic's id or name. */
static struct slice key_make(uint8_t key[KEY_SIZE_MAX], struct slice topic, struct uuid topic_id,
                             int32_t index)
{
    size_t name_size = topic.size < 255 ? topic.size : 255;

    memcpy(key, &index, 4);
    memcpy(key + 4, topic_id.bytes, 16);
    if (name_size > 0)
        memcpy(key + 20, topic.at, name_size);
    return slice_of(key, 20 + name_size);
}

struct fetch_want *fetch_session_want(struct fetch_session *session, struct slice topic,
                                      struct uuid topic_id, int32_t index)
{
    uint8_t key[KEY_SIZE_MAX];

    return map_slice_find(&session->by_key, key_make(key, topic, topic_id, index));
}

static struct fetch_want *want_add(struct fetch_session *session, struct slice topic,
                                   struct uuid topic_id, int32_t index)
{
    uint8_t key[KEY_SIZE_MAX];
    struct fetch_want *want;

    if (session->want_count >= FETCH_SESSION_PARTITIONS_MAX)
        return NULL;
    want = mem_alloc_zero(sizeof(*want) + topic.size);
    if (want == NULL)
        return NULL;
    if (topic.at != NULL) {
        uint8_t *name = (uint8_t *)(want + 1);

        memcpy(name, topic.at, topic.size);
        want->topic = slice_of(name, topic.size);
    }
    want->topic_id = topic_id;
    want->index = index;
    want->told_high_watermark = -1;
    want->told_log_start = -1;
    if (map_slice_put(&session->by_key, key_make(key, topic, topic_id, index), want) != E_OK) {
        mem_free(want);
        return NULL;
    }
    list_push_back(&session->wants, &want->node);
    session->want_count++;
    return want;
}

/* Take over what the request names. False when it does not fit. */
static bool wants_update(struct fetch_session *session, const struct wire_fetch_request *request)
{
    uint8_t key[KEY_SIZE_MAX];

    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct wire_fetch_request_fetch_topic *topic = &request->topics[t];

        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct wire_fetch_request_fetch_partition *in = &topic->partitions[i];
            struct fetch_want *want =
                fetch_session_want(session, topic->topic, topic->topic_id, in->partition);

            if (want == NULL)
                want = want_add(session, topic->topic, topic->topic_id, in->partition);
            if (want == NULL)
                return false;
            want->current_leader_epoch = in->current_leader_epoch;
            want->last_fetched_epoch = in->last_fetched_epoch;
            want->size_max = in->partition_max_bytes;
            want->fetch_offset = in->fetch_offset;
        }
    }
    for (int32_t t = 0; t < request->forgotten_topics_data_count; t++) {
        const struct wire_fetch_request_forgotten_topic *topic = &request->forgotten_topics_data[t];

        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct fetch_want *want =
                fetch_session_want(session, topic->topic, topic->topic_id, topic->partitions[i]);

            if (want != NULL)
                want_drop(session, want,
                          key_make(key, topic->topic, topic->topic_id, topic->partitions[i]));
        }
    }
    return true;
}

/* Room for one more session. */
static bool slot_free(struct fetch_sessions *s, int64_t now_ms)
{
    struct fetch_session *oldest;

    if ((int)s->by_id.count < s->slots)
        return true;
    if (list_is_empty(&s->used))
        return false;
    oldest = LIST_ENTRY(list_first(&s->used), struct fetch_session, node);
    if (now_ms - oldest->used_ms < FETCH_SESSION_EVICTION_MS)
        return false;
    session_drop(s, oldest);
    return true;
}

static int32_t id_choose(struct fetch_sessions *s)
{
    for (int i = 0; i < ID_TRIES_MAX; i++) {
        int32_t id = (int32_t)(rng_next(&s->rng) & INT32_MAX);

        if (id != FETCH_SESSION_NONE && fetch_session_find(s, id) == NULL)
            return id;
    }
    return FETCH_SESSION_NONE;
}

/* A new session for a full request; NULL: none can be had. */
static struct fetch_session *session_new(struct fetch_sessions *s,
                                         const struct wire_fetch_request *request, bool by_id,
                                         int64_t now_ms)
{
    struct fetch_session *session;
    int32_t id = id_choose(s);

    if (id == FETCH_SESSION_NONE || !slot_free(s, now_ms))
        return NULL;
    session = mem_alloc_zero(sizeof(*session));
    if (session == NULL)
        return NULL;
    session->id = id;
    session->epoch = 1;
    session->by_id = by_id;
    session->used_ms = now_ms;
    list_init(&session->wants);
    map_slice_init(&session->by_key, s->seed);
    list_push_back(&s->used, &session->node);
    if (map_u64_put(&s->by_id, (uint32_t)id, session) != E_OK || !wants_update(session, request)) {
        session_drop(s, session);
        return NULL;
    }
    return session;
}

enum wire_error fetch_session_begin(struct fetch_sessions *s,
                                    const struct wire_fetch_request *request, int16_t version,
                                    int64_t now_ms, struct fetch_session **session_out)
{
    struct fetch_session *session = fetch_session_find(s, request->session_id);
    bool by_id = version >= TOPIC_ID_VERSION_MIN;

    if (request->session_epoch == FETCH_SESSION_EPOCH_FINAL ||
        request->session_epoch == FETCH_SESSION_EPOCH_FULL) {
        if (request->session_id != FETCH_SESSION_NONE && session != NULL)
            session_drop(s, session);
        *session_out = request->session_epoch == FETCH_SESSION_EPOCH_FINAL
                           ? NULL
                           : session_new(s, request, by_id, now_ms);
        return WIRE_ERROR_NONE;
    }
    if (session == NULL)
        return WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    if (request->session_epoch != session->epoch)
        return WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH;
    if (by_id != session->by_id)
        return WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (!wants_update(session, request)) {
        session_drop(s, session);
        return WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session->want_count == 0) { /* nothing left to remember */
        session_drop(s, session);
        *session_out = NULL;
        return WIRE_ERROR_NONE;
    }
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = now_ms;
    list_remove(&session->node);
    list_push_back(&s->used, &session->node);
    *session_out = session;
    return WIRE_ERROR_NONE;
}

bool fetch_session_tell(struct fetch_session *session, struct fetch_want *want,
                        const struct fetch_told *told)
{
    bool is_news = told->has_records || told->has_error ||
                   told->high_watermark != want->told_high_watermark ||
                   told->log_start != want->told_log_start;

    /* After an error everything is news. */
    want->told_high_watermark = told->has_error ? -1 : told->high_watermark;
    want->told_log_start = told->log_start;
    if (told->has_records) {
        list_remove(&want->node);
        list_push_back(&session->wants, &want->node);
    }
    return is_news;
}
