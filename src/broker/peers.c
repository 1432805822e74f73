#include "broker/peers_priv.h"

#include <string.h>

#include "base/mem.h"

enum { SWEEP_COUNT_MIN = 1024 };

struct broker_peer {
    _Atomic int64_t count;
    size_t host_size;
    char host[];
};

void broker_peers_init(struct broker_peers *peers, int64_t connections_max, uint64_t seed)
{
    map_slice_init_borrowing(&peers->by_host, seed);
    peers->connections_max = connections_max;
    peers->sweep_count = SWEEP_COUNT_MIN;
}

void broker_peers_release(struct broker_peers *peers)
{
    struct map_iter it = {0};
    struct broker_peer *peer;

    while ((peer = map_slice_next(&peers->by_host, &it, NULL)) != NULL)
        mem_free(peer);
    map_slice_release(&peers->by_host);
}

/* Free what nobody is connected from any more. */
static void sweep(struct broker_peers *peers)
{
    struct map_iter it = {0};
    struct broker_peer *peer;

    while ((peer = map_slice_next(&peers->by_host, &it, NULL)) != NULL) {
        if (atomic_load_explicit(&peer->count, memory_order_acquire) > 0)
            continue;
        map_slice_remove(&peers->by_host, slice_of(peer->host, peer->host_size));
        mem_free(peer);
    }
    peers->sweep_count = peers->by_host.count * 2;
    if (peers->sweep_count < SWEEP_COUNT_MIN)
        peers->sweep_count = SWEEP_COUNT_MIN;
}

/* "127.0.0.1:4000" and "[::1]:4000" without the port. */
static struct slice host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');

    return slice_of(peer, colon == NULL ? strlen(peer) : (size_t)(colon - peer));
}

static enum err peer_add(struct broker_peers *peers, struct slice host,
                         struct broker_peer **peer_out)
{
    struct broker_peer *peer;
    enum err e;

    if (peers->by_host.count >= peers->sweep_count)
        sweep(peers);
    peer = mem_alloc_zero(sizeof(*peer) + host.size);
    if (peer == NULL)
        return E_NOMEM;
    peer->host_size = host.size;
    memcpy(peer->host, host.at, host.size);
    e = map_slice_put(&peers->by_host, slice_of(peer->host, peer->host_size), peer);
    if (e != E_OK) {
        mem_free(peer);
        return e;
    }
    *peer_out = peer;
    return E_OK;
}

enum err broker_peers_enter(struct broker_peers *peers, const char *peer,
                            struct broker_peer **peer_out)
{
    struct slice host = host_of(peer);
    struct broker_peer *found;
    enum err e;

    if (peers->connections_max >= INT32_MAX) {
        *peer_out = NULL;
        return E_OK;
    }
    found = map_slice_find(&peers->by_host, host);
    if (found == NULL) {
        e = peer_add(peers, host, &found);
        if (e != E_OK)
            return e;
    }
    if (atomic_load_explicit(&found->count, memory_order_relaxed) >= peers->connections_max)
        return E_BUSY;
    atomic_fetch_add_explicit(&found->count, 1, memory_order_relaxed);
    *peer_out = found;
    return E_OK;
}

void broker_peer_leave(struct broker_peer *peer)
{
    if (peer != NULL)
        atomic_fetch_sub_explicit(&peer->count, 1, memory_order_release);
}
