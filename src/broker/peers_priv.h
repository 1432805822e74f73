#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"

/*
 * Peers: how many connections each address has open, for max.connections.per.ip.
 *
 * Owner:  the broker. Thread: all on the loop that accepts; but a connection ends on its own
 *         shard, so broker_peer_leave() may be called from any.
 *
 * An entry whose count is 0 is not touched by anybody but the loop that accepts, so that loop may
 * free it; it does so when there are many.
 */
struct broker_peer;

struct broker_peers {
    struct map_slice by_host;
    int64_t connections_max; /* of one address */
    size_t sweep_count;      /* entries at which to look for unused ones */
};

void broker_peers_init(struct broker_peers *peers, int64_t connections_max, uint64_t seed);

/* Every connection has left, or will not. */
void broker_peers_release(struct broker_peers *peers);

/*
 * A connection of `peer`, "address:port", comes. NULL when nothing is to be counted.
 *
 *   E_BUSY   the address has as many as it may
 *   E_NOMEM
 */
NODISCARD enum err broker_peers_enter(struct broker_peers *peers, const char *peer,
                                      struct broker_peer **peer_out);

/* It is gone. NULL is fine. */
void broker_peer_leave(struct broker_peer *peer);
