#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/socket_priv.h"

static void peer_text(const struct sockaddr_storage *peer, char text_out[NET_PEER_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";

    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)peer;

        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text_out, NET_PEER_SIZE, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)peer;

        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text_out, NET_PEER_SIZE, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        snprintf(text_out, NET_PEER_SIZE, "unknown");
    }
}

enum err net_socket_new(int fd, const struct sockaddr_storage *peer, struct net_socket **socket_out)
{
    struct net_socket *socket = mem_alloc_zero(sizeof(*socket));
    int on = 1;

    if (socket == NULL) {
        close(fd);
        return E_NOMEM;
    }
    socket->fd = fd;
    peer_text(peer, socket->peer);
    /* Answers are gathered per turn, so waiting for more bytes only costs time. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *socket_out = socket;
    return E_OK;
}

void net_socket_close(struct net_socket *socket)
{
    if (socket == NULL)
        return;
    close(socket->fd);
    mem_free(socket);
}

enum err net_resolve(const struct net_endpoint *endpoint, bool for_listening,
                     struct sockaddr_storage *address_out, socklen_t *size_out)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];

    hints.ai_flags = AI_NUMERICSERV | (for_listening ? AI_PASSIVE : 0);
    snprintf(port, sizeof(port), "%u", (unsigned)endpoint->port);
    if (getaddrinfo(endpoint->host[0] == '\0' ? NULL : endpoint->host, port, &hints, &found) != 0)
        return E_INVAL;
    memcpy(address_out, found->ai_addr, found->ai_addrlen);
    *size_out = found->ai_addrlen;
    freeaddrinfo(found);
    return E_OK;
}
