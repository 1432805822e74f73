/*
 * The calibrator's protocol (speed_of_light.c) served through src/net and src/os:
 * what the loop and the connections cost, without a broker on top.
 *
 *     net_light DIR produce [--sync] | net_light DIR fetch | net_light DIR echo
 *
 * Reads or writes the file "log" in DIR.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "net/conn.h"
#include "net/loop.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"

enum { FRAME_MAX = 2 << 20, PREFIX = 4 };

struct server;

struct peer {
    struct server *server;
    struct conn *conn;
    struct buf waiting; /* answers that wait for the sync */
    struct list_node node;
};

struct server {
    struct loop *loop;
    struct loop_hook hook;
    struct os_file *file;
    struct list_node turn; /* peers with waiting answers */
    int64_t end;
    uint32_t crc;
    bool is_syncing;
    const char *mode;
};

static void must(enum err e)
{
    if (e == E_OK)
        return;
    fprintf(stderr, "net_light: %s\n", err_text(e));
    exit(1);
}

static void serve_range(struct peer *peer, const uint8_t *at, size_t size)
{
    struct reader r = reader_init(at, size);
    int64_t pos = reader_i64(&r);
    uint8_t head[PREFIX];
    size_t count = reader_u32(&r);

    must(reader_done(&r));
    memcpy(head, at + 8, PREFIX);
    conn_send_copy(peer->conn, slice_of(head, PREFIX));
    conn_send_file(peer->conn, peer->server->file, pos, count);
}

static void serve_append(struct peer *peer, const uint8_t *at, size_t size)
{
    struct server *s = peer->server;
    struct writer w = writer_init(&peer->waiting);

    s->crc ^= crc32c_of(at, size);
    must(os_file_write(s->file, s->end, at, size));
    writer_i32(&w, 8);
    writer_i64(&w, s->end);
    must(writer_done(&w));
    s->end += (int64_t)size;
    if (!list_is_linked(&peer->node))
        list_push_back(&s->turn, &peer->node);
}

static bool end_turn(struct loop_hook *hook)
{
    struct server *s = LIST_ENTRY(hook, struct server, hook);
    struct list_node *node;

    if (s->is_syncing && !list_is_empty(&s->turn))
        must(os_file_sync(s->file));
    while ((node = list_pop_front(&s->turn)) != NULL) {
        struct peer *peer = LIST_ENTRY(node, struct peer, node);

        conn_send(peer->conn, &peer->waiting);
    }
    return false;
}

static size_t on_data(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct peer *peer = ctx;
    struct reader r = reader_init(at, size);
    size_t frame = PREFIX + reader_u32(&r);

    if (size < PREFIX || size < frame) {
        conn_expect(conn, size < PREFIX ? PREFIX : frame);
        return 0;
    }
    if (strcmp(peer->server->mode, "fetch") == 0)
        serve_range(peer, at + PREFIX, frame - PREFIX);
    else if (strcmp(peer->server->mode, "echo") == 0)
        conn_send_copy(conn, slice_of(at, frame));
    else
        serve_append(peer, at + PREFIX, frame - PREFIX);
    return frame;
}

static void on_close(struct conn *conn, void *ctx, enum err why)
{
    struct peer *peer = ctx;

    list_remove(&peer->node);
    buf_release(&peer->waiting);
    mem_free(peer);
}

static void on_accept(void *ctx, struct net_socket *socket, const char *text)
{
    static const struct conn_events EVENTS = {.on_data = on_data, .on_close = on_close};
    const struct conn_options options = {.receive_bytes_max = FRAME_MAX};
    struct server *s = ctx;
    struct peer *peer = mem_must_alloc(sizeof(*peer));

    peer->server = s;
    buf_init(&peer->waiting, 1 << 20);
    must(conn_open(s->loop, socket, &options, (struct conn_handler){&EVENTS, peer}, &peer->conn));
}

int main(int count, char **args)
{
    struct server s = {.hook = {.run = end_turn}, .mode = count > 2 ? args[2] : ""};
    const struct listener_options options = {.on_accept = on_accept, .ctx = &s};
    const struct net_endpoint at = {.host = "127.0.0.1"};
    struct listener *listener;
    struct os_dir *dir;
    struct os *os;

    if (count < 3) {
        fprintf(stderr, "usage: net_light DIR produce [--sync] | fetch | echo\n");
        return 2;
    }
    s.is_syncing = count > 3 && strcmp(args[3], "--sync") == 0;
    list_init(&s.turn);
    must(os_open(&os));
    must(os_dir_open(os, args[1], true, &dir));
    must(os_file_open(dir, "log", OS_FILE_CREATE, &s.file));
    if (strcmp(s.mode, "produce") == 0)
        must(os_file_truncate(s.file, 0));
    must(loop_open(os, &s.loop));
    loop_hook_add(s.loop, &s.hook);
    must(listener_open(s.loop, &at, &options, &listener));
    printf("%d\n", listener_port(listener));
    fflush(stdout);
    loop_run(s.loop);
    return 0;
}
