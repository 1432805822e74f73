#pragma once

#include "base/err.h"
#include "net/conn.h"
#include "sim_priv.h"

struct listener;

/*
 * Link: one TCP connection as the two kernels and the wire between them see it.
 * It outlives the processes at its ends.
 *
 * What an end sends is cut into segments that fly towards the other; they arrive
 * in order, each after a drawn delay, and wait in `received` until they are read.
 */
struct sim_end {
    struct list_node node_entry; /* in node->ends */
    struct list_node pending;    /* in the list of a listener that has not accepted it */
    struct sim_link *link;
    struct sim_node *node;
    struct conn *conn; /* NULL: none yet, or no more */
    uint16_t port;
    bool is_up;    /* may send */
    bool is_gone;  /* nobody holds it */
    bool is_ended; /* the peer's end has arrived */
    enum err failed;

    struct list_node flying;
    struct sim_event arrival; /* of the first one */
    int64_t last_arrival_ns;
    int64_t stuck_since_ns; /* of the first one, behind a cut; -1: is not */
    size_t flying_bytes;

    uint8_t *received;
    size_t received_size;
    size_t received_capacity;
    struct sim_event room; /* the peer read: there is room to send again */
};

struct sim_link {
    struct list_node entry; /* in world->links */
    struct sim_world *world;
    struct sim_end ends[2]; /* who connected, who accepted */
    struct net_endpoint to;
    struct sim_event connect;
    int64_t give_up_ns;
};

/* Begin to connect; the end is up or failed some time later. */
struct sim_end *sim_link_connect(struct sim_node *node, const struct net_endpoint *to);

/* Bytes that sim_end_send takes now. */
size_t sim_end_room(const struct sim_end *end);
void sim_end_send(struct sim_end *end, const void *bytes, size_t size);

/* Take up to `size` received bytes. */
size_t sim_end_read(struct sim_end *end, void *bytes_out, size_t size);

/* Nobody holds it any more; the peer is told, politely or by a reset. */
void sim_end_close(struct sim_end *end);

/* "10.0.0.1:40000" of the other end. */
void sim_end_peer(const struct sim_end *end, char *text_out, size_t size);

/* listener.c: the listener that answers for an address; NULL: none. */
struct listener *sim_listener_find(struct sim_node *node, const char *host, uint16_t port);
void sim_listener_offer(struct listener *listener, struct sim_end *end);
