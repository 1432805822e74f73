#include "coord/coord.h"

#include "base/mem.h"
#include "config/config.h"
#include "coord/coord_priv.h"
#include "net/loop.h"
#include "os/os.h"
#include "replica/manager.h"

int32_t coord_partition_of(struct slice id, int32_t count)
{
    uint32_t hash = 0;

    /* Java's String.hashCode over UTF-16 units; ids that are not ASCII need their code points. */
    for (size_t i = 0; i < id.size;) {
        uint32_t c = id.at[i];
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

        if (more > 0)
            c &= 0x3fu >> more;
        for (i++; more > 0 && i < id.size; more--, i++)
            c = c << 6 | (id.at[i] & 0x3f);
        if (c >= 0x10000) { /* a surrogate pair */
            hash = 31 * hash + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        hash = 31 * hash + c;
    }
    return (int32_t)(hash & INT32_MAX) % count;
}

enum wire_error coord_error(enum err e)
{
    switch (e) {
    case E_OK:
        return WIRE_ERROR_NONE;
    case E_NOT_LEADER:
        return WIRE_ERROR_NOT_COORDINATOR;
    case E_TOO_BIG:
        return WIRE_ERROR_INVALID_COMMIT_OFFSET_SIZE;
    case E_FENCED:
        return WIRE_ERROR_INVALID_PRODUCER_EPOCH;
    default:
        return WIRE_ERROR_COORDINATOR_NOT_AVAILABLE; /* retriable: memory, a full or broken disk */
    }
}

struct coord_call *coord_waiting(struct coord *coord, uint64_t token)
{
    return map_u64_find(&coord->waiting, token);
}

void coord_end(struct coord *coord, struct coord_call *call, enum wire_error error)
{
    if (call->token != 0) {
        map_u64_remove(&coord->waiting, call->token);
        list_remove(&call->node);
    }
    call->token = 0;
    call->error = error;
    call->done(call);
}

/* ---- calls ---- */

static enum wire_error start(struct coord *coord, struct coord_call *call,
                             struct group_host **host_out)
{
    struct group_host *host = map_u64_find(&coord->hosts, (uint32_t)call->partition);

    if (coord->is_stopped || host == NULL)
        return WIRE_ERROR_NOT_COORDINATOR;
    if (coord_unit_state(host->unit) == COORD_LOADING)
        return WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    if (coord_unit_state(host->unit) == COORD_FAILED)
        return WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    if (map_u64_put(&coord->waiting, coord->next_token, call) != E_OK)
        return WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    call->token = coord->next_token++;
    list_push_back(&host->calls, &call->node);
    *host_out = host;
    return WIRE_ERROR_NONE;
}

void coord_call(struct coord *coord, struct coord_call *call)
{
    struct group_host *host = NULL;
    enum wire_error error;

    call->token = 0;
    call->reply = NULL;
    error = start(coord, call, &host);
    if (error != WIRE_ERROR_NONE)
        coord_end(coord, call, error);
    else
        group_host_call(host, call);
}

void coord_cancel(struct coord *coord, struct coord_call *call)
{
    struct group_host *host = map_u64_find(&coord->hosts, (uint32_t)call->partition);

    if (call->token == 0)
        return;
    if (host != NULL)
        group_host_forget(host, call->token);
    coord_end(coord, call, WIRE_ERROR_COORDINATOR_NOT_AVAILABLE);
}

enum wire_error coord_list(const struct coord *coord,
                           const struct wire_list_groups_request *request, struct vec *list)
{
    enum wire_error error = WIRE_ERROR_NONE;
    struct map_iter it = {0};
    struct group_host *host;

    while ((host = map_u64_next(&coord->hosts, &it, NULL)) != NULL) {
        if (coord_unit_state(host->unit) != COORD_ACTIVE)
            error = WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
        else if (groups_list(host->groups, request, list) != E_OK)
            error = WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    return error;
}

size_t coord_group_count(const struct coord *coord)
{
    struct map_iter it = {0};
    struct group_host *host;
    size_t count = 0;

    while ((host = map_u64_next(&coord->hosts, &it, NULL)) != NULL) {
        if (host->groups != NULL)
            count += groups_count(host->groups);
    }
    return count;
}

/* ---- metadata ---- */

static void close_host(struct coord *coord, int32_t index)
{
    group_host_close(map_u64_remove(&coord->hosts, (uint32_t)index));
}

static void host_partition(struct coord *coord, struct uuid topic_id, int32_t index)
{
    struct partition_id id = {.topic_id = topic_id, .index = index};
    struct group_host *host = map_u64_find(&coord->hosts, (uint32_t)index);

    if (replica_owner(topic_id, index, coord->options.shard_count) != coord->options.shard_index)
        return;
    if (host != NULL && uuid_equal(coord_unit_id(host->unit).topic_id, topic_id))
        return;
    if (host != NULL) /* the topic was deleted and made again */
        close_host(coord, index);
    if (group_host_open(coord, id, &host) != E_OK)
        return; /* memory: the next change of metadata tries again */
    if (map_u64_put(&coord->hosts, (uint32_t)index, host) != E_OK)
        group_host_close(host);
}

/* A topic is gone: the coordinators that lived in it, or the offsets that groups have of it. */
static void topic_deleted(struct coord *coord, const struct meta_change *change)
{
    struct map_iter it = {0};
    struct group_host *host;
    uint64_t index;

    while ((host = map_u64_next(&coord->hosts, &it, &index)) != NULL) {
        if (uuid_equal(coord_unit_id(host->unit).topic_id, change->topic_id)) {
            map_u64_remove(&coord->hosts, index);
            group_host_close(host);
        } else {
            group_host_delete_topic(host, change->name);
        }
    }
}

void coord_apply(struct coord *coord, const struct meta_image *image,
                 const struct meta_delta *delta)
{
    const struct meta_topic *topic;

    if (coord->is_stopped)
        return;
    for (size_t i = 0; i < delta->changes.count; i++) {
        const struct meta_change *change = vec_at(&delta->changes, i);

        if (change->kind == META_TOPIC_DELETED)
            topic_deleted(coord, change);
    }
    topic = meta_image_topic(image, slice_of_text(COORD_OFFSETS_TOPIC));
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++)
        host_partition(coord, topic->id, i);
}

/* ---- retention ---- */

static void retention_start(struct coord *coord)
{
    int64_t every_ms = config_i64(coord->options.config, CONFIG_OFFSETS_RETENTION_CHECK_MS);

    loop_timer_start(coord->options.loop, &coord->retention_timer,
                     loop_now_ms(coord->options.loop) + every_ms);
}

static void on_retention_timer(struct loop_timer *timer)
{
    struct coord *coord = LIST_ENTRY(timer, struct coord, retention_timer);
    struct map_iter it = {0};
    struct group_host *host;

    while ((host = map_u64_next(&coord->hosts, &it, NULL)) != NULL)
        group_host_expire_offsets(host);
    retention_start(coord);
}

/* ---- life ---- */

enum err coord_open(const struct coord_options *options, struct coord **coord_out)
{
    struct coord *coord = mem_alloc_zero(sizeof(*coord));

    if (coord == NULL)
        return E_NOMEM;
    coord->options = *options;
    coord->next_token = 1;
    os_random(loop_os(options->loop), &coord->seed, sizeof(coord->seed));
    map_u64_init(&coord->hosts, coord->seed);
    map_u64_init(&coord->waiting, coord->seed);
    coord->retention_timer.fire = on_retention_timer;
    retention_start(coord);
    *coord_out = coord;
    return E_OK;
}

void coord_stop(struct coord *coord)
{
    struct map_iter it = {0};
    struct group_host *host;

    if (coord->is_stopped)
        return;
    coord->is_stopped = true;
    loop_timer_stop(coord->options.loop, &coord->retention_timer);
    while ((host = map_u64_next(&coord->hosts, &it, NULL)) != NULL)
        group_host_end_calls(host);
}

void coord_close(struct coord *coord)
{
    struct map_iter it = {0};
    struct group_host *host;

    if (coord == NULL)
        return;
    coord_stop(coord);
    while ((host = map_u64_next(&coord->hosts, &it, NULL)) != NULL)
        group_host_close(host);
    map_u64_release(&coord->hosts);
    map_u64_release(&coord->waiting);
    mem_free(coord);
}
