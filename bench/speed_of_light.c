/*
 * The least that a log server can do, as fast as this machine lets it: the
 * calibrator that dlogd is measured against (docs/performance.md). One thread,
 * epoll, no structure of any kind.
 *
 *     speed_of_light produce FILE [--sync]
 *     speed_of_light fetch FILE
 *     speed_of_light echo
 *
 * Prints the port that it listens on (loopback only) and serves until killed.
 *
 * produce: a frame is length:u32 and that many bytes; checks (CRC-32C) and
 *          appends what follows the length, answers length:u32 = 8, pos:i64.
 *          With --sync the answers of a turn wait for one fdatasync.
 * fetch:   a frame is length:u32 = 12, pos:i64, size:u32; answers length:u32 and
 *          those bytes of the file.
 * echo:    answers with the frame.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"

enum {
    CONNS_MAX = 4096,
    FRAME_MAX = 2 << 20,
    IN_SIZE = FRAME_MAX + (256 << 10),
    OUT_SIZE = 256 << 10
};

enum mode { PRODUCE, FETCH, ECHO };

struct peer {
    int fd;
    uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;
    bool has_out;
};

struct server {
    enum mode mode;
    bool is_syncing;
    bool is_dirty;
    int file;
    int epoll;
    off_t end;
    uint32_t crc;                  /* so that nobody drops the work */
    struct peer *peers[CONNS_MAX]; /* by descriptor */
    struct peer *turn[CONNS_MAX];  /* the ones to answer at the end of the turn */
    size_t turn_count;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void drop(struct server *s, struct peer *peer)
{
    s->peers[peer->fd] = NULL;
    close(peer->fd);
    free(peer->in);
    free(peer->out);
    free(peer);
}

static void wait_writable(int fd)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLOUT};

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 ||
        epoll_wait(epoll, &event, 1, 1000) < 0)
        die("wait");
    close(epoll);
}

static bool send_all(int fd, const uint8_t *at, size_t size, int flags)
{
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL | flags);

        if (n < 0 && errno == EAGAIN) {
            wait_writable(fd);
            continue;
        }
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool serve_range(struct server *s, struct peer *peer, const uint8_t *request)
{
    uint64_t pos;
    uint32_t size, length;
    off_t from;
    size_t left;

    memcpy(&pos, request, 8);
    memcpy(&size, request + 8, 4);
    length = size; /* already big-endian */
    from = (off_t)be64toh(pos);
    left = be32toh(size);
    if (!send_all(peer->fd, (uint8_t *)&length, 4, MSG_MORE))
        return false;
    while (left > 0) {
        ssize_t n = sendfile(peer->fd, s->file, &from, left);

        if (n < 0 && errno == EAGAIN) {
            wait_writable(peer->fd);
            continue;
        }
        if (n <= 0)
            return false;
        left -= (size_t)n;
    }
    return true;
}

static bool serve_frame(struct server *s, struct peer *peer, const uint8_t *at, size_t size)
{
    uint32_t length = htobe32(8);
    uint64_t pos = htobe64((uint64_t)s->end);

    if (s->mode == FETCH)
        return size == 12 && serve_range(s, peer, at);
    if (s->mode == ECHO)
        return send_all(peer->fd, at - 4, size + 4, 0);
    s->crc ^= crc32c_of(at, size);
    if (pwrite(s->file, at, size, s->end) != (ssize_t)size)
        die("write");
    s->end += (off_t)size;
    s->is_dirty = true;
    if (peer->out_size + 12 > OUT_SIZE)
        return false;
    memcpy(peer->out + peer->out_size, &length, 4);
    memcpy(peer->out + peer->out_size + 4, &pos, 8);
    peer->out_size += 12;
    if (!peer->has_out)
        s->turn[s->turn_count++] = peer;
    peer->has_out = true;
    return true;
}

/* False: it has gone. */
static bool serve_input(struct server *s, struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->in + peer->in_size, IN_SIZE - peer->in_size, 0);
    size_t done = 0;

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    peer->in_size += (size_t)n;
    while (peer->in_size - done >= 4) {
        uint32_t length;

        memcpy(&length, peer->in + done, 4);
        length = be32toh(length);
        if (length > FRAME_MAX)
            return false;
        if (peer->in_size - done < 4 + (size_t)length)
            break;
        if (!serve_frame(s, peer, peer->in + done + 4, length))
            return false;
        done += 4 + (size_t)length;
    }
    peer->in_size -= done;
    if (done > 0)
        memmove(peer->in, peer->in + done, peer->in_size);
    return true;
}

static void accept_one(struct server *s, int listener)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1;

    if (peer == NULL)
        die("memory");
    peer->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    peer->in = malloc(IN_SIZE);
    peer->out = malloc(OUT_SIZE);
    if (peer->fd < 0 || peer->fd >= CONNS_MAX || peer->in == NULL || peer->out == NULL)
        die("accept");
    s->peers[peer->fd] = peer;
    event.data.fd = peer->fd;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        die("epoll_ctl");
}

static void end_turn(struct server *s)
{
    if (s->is_syncing && s->is_dirty && fdatasync(s->file) != 0)
        die("fdatasync");
    s->is_dirty = false;
    for (size_t i = 0; i < s->turn_count; i++) {
        struct peer *peer = s->turn[i];

        if (!send_all(peer->fd, peer->out, peer->out_size, 0))
            shutdown(peer->fd, SHUT_RDWR);
        peer->out_size = 0;
        peer->has_out = false;
    }
    s->turn_count = 0;
}

static int listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        die("listen");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void serve(struct server *s, int listener)
{
    struct epoll_event events[256], first = {.events = EPOLLIN, .data.fd = listener};

    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, listener, &first) != 0)
        die("epoll");
    for (;;) {
        int count = epoll_wait(s->epoll, events, 256, -1);

        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd == listener)
                accept_one(s, listener);
            else if (!serve_input(s, s->peers[fd])) {
                end_turn(s); /* so that nobody in the turn is freed */
                drop(s, s->peers[fd]);
            }
        }
        end_turn(s);
    }
}

int main(int count, char **args)
{
    static struct server server;

    if (count >= 3 && strcmp(args[1], "produce") == 0) {
        server.mode = PRODUCE;
        server.is_syncing = count > 3 && strcmp(args[3], "--sync") == 0;
        server.file = open(args[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    } else if (count == 3 && strcmp(args[1], "fetch") == 0) {
        server.mode = FETCH;
        server.file = open(args[2], O_RDONLY | O_CLOEXEC);
    } else if (count == 2 && strcmp(args[1], "echo") == 0) {
        server.mode = ECHO;
    } else {
        fprintf(stderr, "usage: speed_of_light produce FILE [--sync] | fetch FILE | echo\n");
        return 2;
    }
    if (server.file < 0)
        die(args[2]);
    signal(SIGPIPE, SIG_IGN);
    serve(&server, listen_anywhere());
}
