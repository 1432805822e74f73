#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "net/conn_priv.h"
#include "os/errno.h"

/*
 * Receiving.
 *
 * An idle connection has no memory of its own: bytes are read into the loop's
 * scratch and given to the protocol from there, and only what it leaves is
 * copied into a block. The next read then fills the block up to the end of the
 * frame that is expected and puts what follows into the scratch again:
 *
 *     read 1   scratch [frame][frame][fra            -> 2 delivered, "fra" kept
 *     read 2   block   [fra|me]  scratch [frame][fr  -> 1 + 1 delivered, "fr" kept
 *
 * so of each read at most one partial frame is copied. For large frames that
 * would be much of what is read: while they come, reads go into the block alone.
 *
 * A block grows only as bytes arrive: to at most twice what has arrived, and to
 * no more than what is expected. Blocks between LOOP_SPARE_SIZE_MIN and _MAX are
 * kept by the loop for the next large frame, whoever sends it: taking one of
 * those costs no memory, so it may be larger than that.
 */

enum {
    RECEIVE_BYTES_PER_TURN = 1 << 20, /* of one connection, so that all get their turn */
    BLOCK_SIZE_MIN = 4096,
    BIG_FRAME_MIN = LOOP_SCRATCH_SIZE / 2
};

/* Blocks. */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The smallest spare of at least `size`, or NULL. */
static struct loop_spare *find_spare(struct loop *loop, size_t size)
{
    struct loop_spare *best = NULL;

    for (int i = 0; i < LOOP_SPARE_COUNT; i++) {
        struct loop_spare *s = &loop->spares[i];

        if (s->at != NULL && s->capacity >= size && (best == NULL || s->capacity < best->capacity))
            best = s;
    }
    return best;
}

/* Keep `at` in place of a smaller or no spare. */
static void give_spare(struct loop *loop, uint8_t *at, size_t capacity)
{
    struct loop_spare *least = &loop->spares[0];

    for (int i = 1; i < LOOP_SPARE_COUNT; i++) {
        if (loop->spares[i].capacity < least->capacity)
            least = &loop->spares[i];
    }
    if (capacity < LOOP_SPARE_SIZE_MIN || capacity > LOOP_SPARE_SIZE_MAX ||
        capacity <= least->capacity) {
        mem_free(at);
        return;
    }
    mem_free(least->at);
    *least = (struct loop_spare){.at = at, .capacity = capacity};
}

static void set_capacity(struct conn *conn, uint8_t *at, size_t capacity)
{
    size_t before = conn->in.capacity;

    conn->in.at = at;
    conn->in.capacity = capacity;
    net_budget_charge(conn, before, capacity);
}

void conn_release_block(struct conn *conn)
{
    if (conn->in.at == NULL)
        return;
    give_spare(conn->loop, conn->in.at, conn->in.capacity);
    conn->in.start = 0;
    conn->in.end = 0;
    set_capacity(conn, NULL, 0);
}

static enum err block_grow(struct conn *conn, size_t capacity)
{
    struct receive_block *in = &conn->in;
    struct loop_spare *spare =
        capacity >= LOOP_SPARE_SIZE_MIN ? find_spare(conn->loop, capacity) : NULL;
    uint8_t *at;

    if (spare != NULL && spare->capacity - capacity <= net_budget_room(conn)) {
        struct loop_spare taken = *spare;

        *spare = (struct loop_spare){0};
        if (in->at != NULL) {
            memcpy(taken.at, in->at, in->end);
            give_spare(conn->loop, in->at, in->capacity);
        }
        set_capacity(conn, taken.at, taken.capacity);
        return E_OK;
    }
    at = mem_realloc(in->at, capacity);
    if (at == NULL)
        return E_NOMEM;
    set_capacity(conn, at, capacity);
    return E_OK;
}

/*
 * Room for `size` more bytes after in.end. May take more than that, up to the
 * expected frame, as far as the rule of doubling and the budget allow.
 */
static enum err block_reserve(struct conn *conn, size_t size)
{
    struct receive_block *in = &conn->in;
    size_t need, wish;

    if (size <= in->capacity - in->end)
        return E_OK;
    if (in->start > 0) {
        memmove(in->at, in->at + in->start, conn_left(conn));
        in->end -= in->start;
        in->start = 0;
        if (size <= in->capacity - in->end)
            return E_OK;
    }
    need = in->end + size;
    wish = max_size(2 * need, BLOCK_SIZE_MIN);
    wish = min_size(wish, max_size(conn->expect, need));
    if (wish > need && wish - in->capacity > net_budget_room(conn))
        wish = need;
    return block_grow(conn, wish);
}

static enum err block_append(struct conn *conn, const uint8_t *at, size_t size)
{
    enum err e = block_reserve(conn, size);

    if (e != E_OK)
        return e;
    memcpy(conn->in.at + conn->in.end, at, size);
    conn->in.end += size;
    return E_OK;
}

/* Handing over. */

/* Give bytes to the protocol until it wants no more; the count that it took. */
static size_t deliver(struct conn *conn, uint8_t *at, size_t size)
{
    size_t done = 0;

    while (done < size && conn_is_reading(conn) && size - done >= conn->expect) {
        size_t taken;

        conn->expect = 0;
        taken = conn->events->on_data(conn, conn->ctx, at + done, size - done);
        assert(taken <= size - done);
        done += taken;
        if (taken == 0) {
            if (conn_is_reading(conn) && conn->expect <= size - done)
                conn_expect(conn, size - done + 1);
            break;
        }
    }
    return done;
}

static void deliver_block(struct conn *conn)
{
    struct receive_block *in = &conn->in;
    size_t size = conn_left(conn);

    if (size == 0)
        return;
    in->start += deliver(conn, in->at + in->start, size);
    if (in->start == in->end) {
        in->start = 0;
        in->end = 0;
    }
}

/* `size` bytes stand in the scratch, after those in the block. */
static void deliver_scratch(struct conn *conn, uint8_t *at, size_t size)
{
    enum err e = E_OK;

    while (size > 0 && conn_left(conn) > 0 && conn->state == CONN_OPEN && e == E_OK) {
        size_t left = conn_left(conn);
        size_t part = conn->expect > left ? min_size(conn->expect - left, size) : size;

        e = block_append(conn, at, part);
        if (e != E_OK)
            break;
        at += part;
        size -= part;
        deliver_block(conn);
    }
    if (size > 0 && conn->state == CONN_OPEN && e == E_OK) {
        size_t done = deliver(conn, at, size);

        if (done < size && conn->state == CONN_OPEN)
            e = block_append(conn, at + done, size - done);
    }
    if (e != E_OK)
        conn_fail(conn, e);
}

/* After delivering: what is kept, and until when. */
static void settle(struct conn *conn)
{
    if (conn_left(conn) == 0) {
        if (conn->in.capacity > conn->options.receive_bytes_idle)
            conn_release_block(conn);
        net_budget_done(conn);
    }
    conn_arm_timer(conn);
}

/* Reading. */

struct plan {
    struct iovec parts[2];
    int count;
    size_t size;
    size_t block_size; /* of the part that goes into the block */
};

static void plan_add(struct plan *plan, uint8_t *at, size_t size)
{
    plan->parts[plan->count++] = (struct iovec){.iov_base = at, .iov_len = size};
    plan->size += size;
}

/*
 * How much of the next bytes goes into the block: nothing while it is empty and
 * frames are small. At most as much again as has arrived.
 */
static size_t block_part(const struct conn *conn, size_t missing)
{
    size_t left = conn_left(conn);
    size_t part = max_size(left, BLOCK_SIZE_MIN);

    if (left == 0)
        return conn->big_frame;
    return missing > 0 ? min_size(part, missing)
                       : min_size(part, conn->options.receive_bytes_max - left);
}

/* Where the next bytes go. E_AGAIN: there is no memory for them now. */
static enum err plan_read(struct conn *conn, struct plan *plan)
{
    size_t left = conn_left(conn);
    size_t room = net_budget_room(conn);
    size_t missing = conn->expect > left + 1 ? conn->expect - left : 0; /* 0: not known */
    size_t part = block_part(conn, missing);
    bool with_scratch =
        part == 0 || (missing > 0 && missing < BIG_FRAME_MIN && conn->big_frame == 0);
    enum err e;

    *plan = (struct plan){0};
    if (room == 0) {
        if (!net_budget_favour(conn))
            return E_AGAIN;
        room = SIZE_MAX;
    }
    if (part > 0) {
        e = block_reserve(conn, min_size(part, room));
        if (e != E_OK)
            return e;
        part = conn->in.capacity - conn->in.end;
        if (with_scratch || missing >= BIG_FRAME_MIN)
            part = min_size(part, missing);
        plan_add(plan, conn->in.at + conn->in.end, part);
        plan->block_size = part;
    }
    if (with_scratch) {
        size_t size = min_size(LOOP_SCRATCH_SIZE, conn->options.receive_bytes_max);

        plan_add(plan, conn->loop->scratch, min_size(size, room));
    }
    return E_OK;
}

/* One read. False: there is nothing more to read now. */
static bool receive_some(struct conn *conn, size_t *total)
{
    struct plan plan;
    enum err e = plan_read(conn, &plan);
    size_t size, into_block;
    ssize_t count;

    if (e != E_OK) {
        if (e == E_AGAIN)
            net_budget_wait(conn);
        else
            conn_fail(conn, e);
        return false;
    }
    count = plan.count == 1 ? recv(conn->fd, plan.parts[0].iov_base, plan.parts[0].iov_len, 0)
                            : readv(conn->fd, plan.parts, plan.count);
    if (count <= 0) {
        if (count == 0) {
            conn->state = CONN_ENDED;
            conn_wants_attention(conn);
            conn_update_interest(conn);
        } else if (errno != EAGAIN && errno != EINTR) {
            conn_fail(conn, os_err_from_errno(errno));
        }
        return false;
    }
    size = (size_t)count;
    *total += size;
    conn->received_ms = conn->loop->now_ms;
    conn->active_ms = conn->loop->now_ms;
    into_block = min_size(size, plan.block_size);
    conn->in.end += into_block;
    if (into_block > 0)
        deliver_block(conn);
    if (size > into_block)
        deliver_scratch(conn, conn->loop->scratch, size - into_block);
    return size == plan.size;
}

void conn_receive(struct conn *conn)
{
    size_t total = 0;

    while (conn_is_reading(conn) && total < RECEIVE_BYTES_PER_TURN) {
        if (!receive_some(conn, &total))
            break;
    }
    if (conn->state < CONN_CLOSING)
        settle(conn);
}

void conn_redeliver(struct conn *conn)
{
    deliver_block(conn);
    if (conn->state < CONN_CLOSING)
        settle(conn);
}

void conn_expect(struct conn *conn, size_t size)
{
    if (size > conn->options.receive_bytes_max) {
        conn_fail(conn, E_TOO_BIG);
        return;
    }
    conn->expect = size;
    if (size >= BIG_FRAME_MIN)
        conn->big_frame = size <= LOOP_SPARE_SIZE_MAX ? size : 0;
}
