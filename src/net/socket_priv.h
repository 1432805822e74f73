#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/conn.h"

enum { NET_PEER_SIZE = 56 }; /* "[v6 address]:65535" */

struct net_socket {
    int fd;
    bool is_connecting;
    char peer[NET_PEER_SIZE];
};

/* A socket for descriptor `fd`, which it closes on failure. */
NODISCARD enum err net_socket_new(int fd, const struct sockaddr_storage *peer,
                                  struct net_socket **socket_out);

/* The first address of `endpoint`; `for_listening` lets an empty host mean all. */
NODISCARD enum err net_resolve(const struct net_endpoint *endpoint, bool for_listening,
                               struct sockaddr_storage *address_out, socklen_t *size_out);
