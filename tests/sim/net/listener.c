#include <string.h>

#include "base/mem.h"
#include "net/loop_priv.h"

struct listener {
    struct list_node entry;      /* in loop->listeners */
    struct list_node node_entry; /* in node->listeners */
    struct loop *loop;
    struct sim_node *node;
    struct net_endpoint at;
    struct listener_options options;
    struct list_node pending;
};

static bool is_any(const char *host)
{
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_here(const struct sim_node *node, const char *host)
{
    return is_any(host) || strcmp(host, node->host) == 0 || strcmp(host, "localhost") == 0 ||
           strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
}

struct listener *sim_listener_find(struct sim_node *node, const char *host, uint16_t port)
{
    struct listener *found = NULL;

    for (struct list_node *n = node->listeners.next; n != &node->listeners; n = n->next) {
        struct listener *listener = LIST_ENTRY(n, struct listener, node_entry);

        if (listener->at.port != port)
            continue;
        if (strcmp(listener->at.host, host) == 0)
            return listener;
        if (is_any(listener->at.host) || strcmp(host, "localhost") == 0 ||
            strcmp(listener->at.host, "localhost") == 0)
            found = listener;
    }
    return found;
}

void sim_listener_offer(struct listener *listener, struct sim_end *end)
{
    list_push_back(&listener->pending, &end->pending);
    sim_loop_wake(listener->loop);
}

bool sim_listener_has_work(struct list_node *entry)
{
    return !list_is_empty(&LIST_ENTRY(entry, struct listener, entry)->pending);
}

void sim_listener_accept(struct list_node *entry)
{
    struct listener *listener = LIST_ENTRY(entry, struct listener, entry);
    struct list_node todo;
    struct list_node *n;

    list_init(&todo);
    list_splice_back(&todo, &listener->pending); /* the callback may close the listener */
    while ((n = list_pop_front(&todo)) != NULL) {
        struct sim_end *end = LIST_ENTRY(n, struct sim_end, pending);
        struct net_socket *socket = mem_alloc_zero(sizeof(*socket));
        char peer[NET_HOST_SIZE + 8];

        if (socket == NULL) {
            sim_end_close(end);
            continue;
        }
        socket->end = end;
        sim_end_peer(end, peer, sizeof(peer));
        listener->options.on_accept(listener->options.ctx, socket, peer);
    }
}

enum err listener_open(struct loop *loop, const struct net_endpoint *at,
                       const struct listener_options *options, struct listener **listener_out)
{
    struct sim_node *node = loop->os->node;
    struct listener *listener;

    if (!is_here(node, at->host))
        return E_INVAL;
    for (struct list_node *n = node->listeners.next; n != &node->listeners; n = n->next) {
        const struct net_endpoint *other = &LIST_ENTRY(n, struct listener, node_entry)->at;

        if (at->port != 0 && other->port == at->port && strcmp(other->host, at->host) == 0)
            return E_BUSY;
    }
    listener = mem_alloc_zero(sizeof(*listener));
    if (listener == NULL)
        return E_NOMEM;
    listener->loop = loop;
    listener->node = node;
    listener->at = *at;
    if (at->port == 0)
        listener->at.port = node->next_port++;
    listener->options = *options;
    list_init(&listener->pending);
    list_push_back(&loop->listeners, &listener->entry);
    list_push_back(&node->listeners, &listener->node_entry);
    *listener_out = listener;
    return E_OK;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->at.port;
}

void listener_close(struct listener *listener)
{
    struct list_node *n;

    if (listener == NULL)
        return;
    while ((n = list_first(&listener->pending)) != NULL)
        sim_end_close(LIST_ENTRY(n, struct sim_end, pending));
    list_remove(&listener->entry);
    list_remove(&listener->node_entry);
    mem_free(listener);
}
