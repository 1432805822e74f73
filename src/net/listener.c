#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/loop_priv.h"
#include "net/socket_priv.h"
#include "os/errno.h"

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64,
    /* Out of descriptors or memory: what waits in the backlog can wait a little longer. */
    PAUSE_MS = 100
};

struct listener {
    struct loop_source source;
    struct loop *loop;
    struct listener_options options;
    struct loop_timer resume;
    int fd;
    uint16_t port;
    bool is_closed;
};

static void release(struct loop_source *source)
{
    mem_free(LIST_ENTRY(source, struct listener, source));
}

static void on_resume(struct loop_timer *timer)
{
    struct listener *listener = LIST_ENTRY(timer, struct listener, resume);

    loop_source_change(listener->loop, &listener->source, listener->fd, EPOLLIN);
}

static void pause_accepting(struct listener *listener)
{
    loop_source_change(listener->loop, &listener->source, listener->fd, 0);
    loop_timer_start(listener->loop, &listener->resume, listener->loop->now_ms + PAUSE_MS);
}

/* False when there is nobody to accept now. */
static bool accept_one(struct listener *listener)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    struct net_socket *socket;
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(listener);
            return false;
        }
        return errno != EAGAIN; /* ECONNABORTED and its like concern that one peer */
    }
    if (net_socket_new(fd, &peer, &socket) != E_OK) {
        pause_accepting(listener);
        return false;
    }
    listener->options.on_accept(listener->options.ctx, socket, socket->peer);
    return true;
}

static void on_ready(struct loop_source *source, uint32_t events)
{
    struct listener *listener = LIST_ENTRY(source, struct listener, source);

    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->is_closed; i++) {
        if (!accept_one(listener))
            return;
    }
}

static enum err bind_and_listen(struct listener *listener, const struct net_endpoint *at)
{
    struct sockaddr_storage address;
    socklen_t size;
    int on = 1;
    enum err e = net_resolve(at, true, &address, &size);

    if (e != E_OK)
        return e;
    listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return os_err_from_errno(errno);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.ss_family == AF_INET6) /* so that both families can have the same port */
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(listener->fd, (struct sockaddr *)&address, size) != 0 ||
        listen(listener->fd, BACKLOG) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&address, &size) != 0)
        return os_err_from_errno(errno);
    listener->port =
        ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                            : ((struct sockaddr_in *)&address)->sin_port);
    return loop_source_add(listener->loop, &listener->source, listener->fd, EPOLLIN);
}

enum err listener_open(struct loop *loop, const struct net_endpoint *at,
                       const struct listener_options *options, struct listener **listener_out)
{
    struct listener *listener = mem_alloc_zero(sizeof(*listener));
    enum err e;

    if (listener == NULL)
        return E_NOMEM;
    listener->source = (struct loop_source){.ready = on_ready, .release = release};
    listener->loop = loop;
    listener->options = *options;
    listener->resume.fire = on_resume;
    listener->fd = -1;
    e = bind_and_listen(listener, at);
    if (e != E_OK) {
        if (listener->fd >= 0)
            close(listener->fd);
        mem_free(listener);
        return e;
    }
    *listener_out = listener;
    return E_OK;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    listener->is_closed = true;
    loop_timer_stop(listener->loop, &listener->resume);
    close(listener->fd);
    loop_bury(listener->loop, &listener->source);
}
