#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "net/conn_priv.h"
#include "os/errno.h"
#include "os/file.h"

/*
 * Sending. The queue is a ring of items. One sendmsg takes many of them; a small
 * file range is read into the loop's scratch and leaves in the same call as the
 * bytes around it, a larger one leaves by sendfile, announced by MSG_MORE so that
 * the head of an answer shares its first packet.
 */

enum {
    SEND_BYTES_PER_TURN = 2 << 20, /* of one connection, so that all get their turn */
    SEND_PARTS_MAX = 64,
    FILE_COPY_MAX = 4 << 10, /* ranges up to this are copied: measured, from 8 KiB sendfile wins */
    JOIN_MAX = 512,          /* bytes up to this are appended to the item before */
    JOIN_CAPACITY = 4096,
    QUEUE_CAPACITY_MIN = 4
};

/* The queue. */

static struct send_item *item_at(const struct send_queue *q, uint32_t i)
{
    return &q->items[(q->first + i) & (q->capacity - 1)];
}

static enum err queue_grow(struct send_queue *q)
{
    uint32_t capacity = q->capacity == 0 ? QUEUE_CAPACITY_MIN : 2 * q->capacity;
    struct send_item *items = mem_alloc(capacity * sizeof(*items));

    if (items == NULL)
        return E_NOMEM;
    for (uint32_t i = 0; i < q->count; i++)
        items[i] = *item_at(q, i);
    mem_free(q->items);
    q->items = items;
    q->first = 0;
    q->capacity = capacity;
    return E_OK;
}

static void item_release(struct send_item *item)
{
    mem_free(item->at);
    os_file_unref(item->file);
}

/* Takes what `item` owns, also on failure. */
static void queue_push(struct conn *conn, struct send_item item)
{
    struct send_queue *q = &conn->out;

    if (conn->state >= CONN_DRAINING) {
        item_release(&item);
        return;
    }
    if (q->count == q->capacity && queue_grow(q) != E_OK) {
        item_release(&item);
        conn_fail(conn, E_NOMEM);
        return;
    }
    q->count++;
    *item_at(q, q->count - 1) = item;
    q->bytes += item.end - item.start;
    conn_wants_attention(conn);
}

static void queue_drop_first(struct send_queue *q)
{
    item_release(item_at(q, 0));
    q->first = (q->first + 1) & (q->capacity - 1);
    q->count--;
}

/* `size` bytes have left. */
static void queue_advance(struct send_queue *q, size_t size)
{
    q->bytes -= size;
    while (size > 0) {
        struct send_item *item = item_at(q, 0);
        size_t part = item->end - item->start;

        if (size < part) {
            item->start += size;
            item->pos += (int64_t)size;
            return;
        }
        size -= part;
        queue_drop_first(q);
    }
}

void conn_release_queue(struct conn *conn)
{
    while (conn->out.count > 0)
        queue_drop_first(&conn->out);
    mem_free(conn->out.items);
    conn->out = (struct send_queue){0};
}

/* Append to the last item, if that has room. */
static bool join_last(struct conn *conn, struct slice bytes)
{
    struct send_queue *q = &conn->out;
    struct send_item *last;

    if (q->count == 0 || bytes.size > JOIN_MAX || conn->state >= CONN_DRAINING)
        return false;
    last = item_at(q, q->count - 1);
    if (last->at == NULL || last->capacity - last->end < bytes.size)
        return false;
    memcpy(last->at + last->end, bytes.at, bytes.size);
    last->end += bytes.size;
    q->bytes += bytes.size;
    return true;
}

void conn_send(struct conn *conn, struct buf *bytes)
{
    struct buf taken = *bytes;

    buf_init(bytes, taken.max);
    if (taken.size == 0 || join_last(conn, buf_slice(&taken))) {
        buf_release(&taken);
        return;
    }
    queue_push(conn,
               (struct send_item){.at = taken.at, .end = taken.size, .capacity = taken.capacity});
}

void conn_send_copy(struct conn *conn, struct slice bytes)
{
    size_t capacity = bytes.size <= JOIN_MAX ? JOIN_CAPACITY : bytes.size;
    uint8_t *at;

    if (bytes.size == 0 || join_last(conn, bytes))
        return;
    if (conn->out.count == 0 && bytes.size <= JOIN_MAX)
        capacity = JOIN_MAX; /* often the only one */
    at = mem_alloc(capacity);
    if (at == NULL) {
        conn_fail(conn, E_NOMEM);
        return;
    }
    memcpy(at, bytes.at, bytes.size);
    queue_push(conn, (struct send_item){.at = at, .end = bytes.size, .capacity = capacity});
}

void conn_send_file(struct conn *conn, struct os_file *file, int64_t pos, size_t size)
{
    if (size == 0)
        return;
    queue_push(conn, (struct send_item){.file = os_file_ref(file), .pos = pos, .end = size});
}

size_t conn_queued_bytes(const struct conn *conn)
{
    return conn->out.bytes;
}

/* To the socket. */

static size_t item_size(const struct send_item *item)
{
    return item->end - item->start;
}

static bool is_large_range(const struct send_item *item)
{
    return item->file != NULL && item_size(item) > FILE_COPY_MAX;
}

/* Send the large range at the head; the count, or -1 with errno. EIO: the file is too short. */
static ssize_t send_range(struct conn *conn, size_t size_max)
{
    const struct send_item *item = item_at(&conn->out, 0);
    size_t size = item_size(item) < size_max ? item_size(item) : size_max;
    off_t pos = item->pos;
    ssize_t count = sendfile(conn->fd, os_file_descriptor(item->file), &pos, size);

    if (count == 0) {
        errno = EIO;
        return -1;
    }
    return count;
}

/* Send all up to the next large range; as send_range. */
static ssize_t send_parts(struct conn *conn)
{
    struct iovec parts[SEND_PARTS_MAX];
    struct msghdr message = {.msg_iov = parts};
    const struct send_queue *q = &conn->out;
    size_t copied = 0;
    uint32_t i;

    for (i = 0; i < q->count && i < SEND_PARTS_MAX; i++) {
        const struct send_item *item = item_at(q, i);
        size_t size = item_size(item);

        if (item->file == NULL) {
            parts[i] = (struct iovec){.iov_base = item->at + item->start, .iov_len = size};
        } else {
            uint8_t *to = conn->loop->scratch + copied;
            size_t count;

            if (is_large_range(item) || size > LOOP_SCRATCH_SIZE - copied)
                break;
            if (os_file_read(item->file, item->pos, to, size, &count) != E_OK || count < size) {
                errno = EIO;
                return -1;
            }
            parts[i] = (struct iovec){.iov_base = to, .iov_len = size};
            copied += size;
        }
    }
    message.msg_iovlen = i;
    return sendmsg(conn->fd, &message, MSG_NOSIGNAL | (i < q->count ? MSG_MORE : 0));
}

static void set_blocked(struct conn *conn, bool is_blocked)
{
    conn->is_blocked = is_blocked;
    conn_update_interest(conn);
}

void conn_flush(struct conn *conn)
{
    struct send_queue *q = &conn->out;
    size_t total = 0;

    while (q->count > 0 && total < SEND_BYTES_PER_TURN) {
        ssize_t count = is_large_range(item_at(q, 0))
                            ? send_range(conn, SEND_BYTES_PER_TURN - total)
                            : send_parts(conn);

        if (count < 0) {
            if (errno == EAGAIN)
                set_blocked(conn, true);
            else if (errno != EINTR)
                conn_fail(conn, os_err_from_errno(errno));
            return;
        }
        total += (size_t)count;
        queue_advance(q, (size_t)count);
        conn->active_ms = conn->loop->now_ms;
    }
    if (q->count > 0) {
        conn_wants_attention(conn);
        return;
    }
    conn_release_queue(conn);
    set_blocked(conn, false);
}
