#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_priv.h"
#include "net/loop_priv.h"
#include "net/socket_priv.h"
#include "os/errno.h"
#include "os/os.h"

/*
 * Going to sleep and being woken are two flags, so that posting to a loop that
 * is busy costs no system call:
 *
 *     the loop                         who posts
 *     is_asleep = true                 append to posted
 *     is_posted? then do not wait      is_posted = true
 *     epoll_wait                       was is_asleep? then clear it, write to wake
 *
 * Either the loop sees is_posted or the poster sees is_asleep.
 */

enum { EVENTS_PER_WAIT = 256, WAIT_MS_MAX = 24 * 3600 * 1000, NS_PER_MS = 1000000 };

static enum err open_descriptors(struct loop *loop)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: the wake-up */

    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return os_err_from_errno(errno);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake < 0)
        return os_err_from_errno(errno);
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0)
        return os_err_from_errno(errno);
    return E_OK;
}

enum err loop_open(struct os *os, struct loop **loop_out)
{
    struct loop *loop = mem_alloc_zero(sizeof(*loop));
    enum err e;

    if (loop == NULL)
        return E_NOMEM;
    loop->os = os;
    loop->epoll = -1;
    loop->wake = -1;
    heap_init(&loop->timers);
    list_init(&loop->hooks);
    list_init(&loop->ready);
    list_init(&loop->attend);
    list_init(&loop->waiting);
    list_init(&loop->linger);
    list_init(&loop->dead);
    list_init(&loop->posted);
    pthread_mutex_init(&loop->lock, NULL);
    loop->woke_ns = os_mono_ns(os);
    loop->now_ms = loop->woke_ns / NS_PER_MS;
    loop->wall_ms = os_wall_ms(os);
    loop->scratch = mem_alloc(LOOP_SCRATCH_SIZE);
    e = loop->scratch == NULL ? E_NOMEM : open_descriptors(loop);
    if (e != E_OK) {
        loop_close(loop);
        return e;
    }
    *loop_out = loop;
    return E_OK;
}

static void release_dead(struct loop *loop)
{
    struct list_node *node;

    while ((node = list_pop_front(&loop->dead)) != NULL) {
        struct loop_source *source = LIST_ENTRY(node, struct loop_source, dead);

        source->release(source);
    }
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    conn_attend_all(loop); /* tells of closes that were asked for after the last turn */
    conn_end_linger(loop);
    release_dead(loop);
    for (int i = 0; i < LOOP_SPARE_COUNT; i++)
        mem_free(loop->spares[i].at);
    if (loop->wake >= 0)
        close(loop->wake);
    if (loop->epoll >= 0)
        close(loop->epoll);
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop->scratch);
    mem_free(loop);
}

/* Sources. */

enum err loop_source_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? E_OK : os_err_from_errno(errno);
}

void loop_source_change(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        abort(); /* of a descriptor that was added: cannot fail */
}

void loop_bury(struct loop *loop, struct loop_source *source)
{
    list_remove(&source->dead);
    list_push_back(&loop->dead, &source->dead);
    loop->is_again = true;
}

/* The turn. */

static int wait_ms(struct loop *loop)
{
    const struct heap_node *first = heap_peek(&loop->timers);
    int64_t left;

    if (loop->is_again || !list_is_empty(&loop->ready) || !list_is_empty(&loop->attend))
        return 0;
    if (first == NULL)
        return -1;
    left = first->key - os_mono_ms(loop->os);
    if (left <= 0)
        return 0;
    return left < WAIT_MS_MAX ? (int)left : WAIT_MS_MAX;
}

/* What there is to do by now, or after a sleep. */
static int wait_for_events(struct loop *loop, struct epoll_event events[EVENTS_PER_WAIT])
{
    int timeout_ms = wait_ms(loop);
    int64_t slept_ns = 0;
    int64_t now_ns;
    int count;

    loop->is_again = false;
    if (timeout_ms != 0) {
        atomic_store(&loop->is_asleep, true);
        if (atomic_load(&loop->is_posted) || atomic_load(&loop->is_stopping))
            timeout_ms = 0;
    }
    if (timeout_ms != 0)
        slept_ns = -os_mono_ns(loop->os);
    count = epoll_wait(loop->epoll, events, EVENTS_PER_WAIT, timeout_ms);
    atomic_store(&loop->is_asleep, false);
    now_ns = os_mono_ns(loop->os);
    if (timeout_ms != 0)
        slept_ns += now_ns;
    counter_add(&loop->busy_ns, (uint64_t)(now_ns - loop->woke_ns - slept_ns));
    loop->woke_ns = now_ns;
    loop->now_ms = now_ns / NS_PER_MS;
    loop->wall_ms = os_wall_ms(loop->os);
    return count;
}

static void wait_and_read(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = wait_for_events(loop, events);

    for (int i = 0; i < count; i++) { /* none when it was interrupted */
        struct loop_source *source = events[i].data.ptr;
        uint64_t posts;

        if (source != NULL)
            source->ready(source, events[i].events);
        else if (read(loop->wake, &posts, sizeof(posts)) < 0)
            assert(errno == EAGAIN || errno == EINTR);
    }
    conn_deliver_ready(loop);
}

static void run_posted(struct loop *loop)
{
    struct list_node todo, *node;

    if (!atomic_exchange(&loop->is_posted, false))
        return;
    list_init(&todo);
    pthread_mutex_lock(&loop->lock);
    list_splice_back(&todo, &loop->posted);
    pthread_mutex_unlock(&loop->lock);
    while ((node = list_pop_front(&todo)) != NULL) {
        struct loop_task *task = LIST_ENTRY(node, struct loop_task, node);

        task->run(task);
    }
}

static void fire_timers(struct loop *loop)
{
    struct heap_node *first;
    uint64_t newest = loop->timers.order;

    /* What is started by a timer waits for the next turn; loop_timer_start puts it last. */
    while ((first = heap_peek(&loop->timers)) != NULL && first->key <= loop->now_ms &&
           first->order <= newest) {
        struct loop_timer *timer = LIST_ENTRY(first, struct loop_timer, node);

        loop_timer_stop(loop, timer);
        timer->fire(timer);
    }
}

static void run_hooks(struct loop *loop)
{
    bool is_more = true;

    for (int round = 0; is_more && round < LOOP_HOOK_ROUNDS_MAX; round++) {
        struct list_node *next;

        is_more = false;
        for (struct list_node *n = loop->hooks.next; n != &loop->hooks; n = next) {
            struct loop_hook *hook = LIST_ENTRY(n, struct loop_hook, node);

            next = n->next; /* a hook may remove itself */
            is_more |= hook->run(hook);
        }
    }
    if (is_more)
        loop->is_again = true;
}

void loop_turn(struct loop *loop)
{
    wait_and_read(loop);
    run_posted(loop);
    fire_timers(loop);
    run_hooks(loop);
    conn_attend_all(loop);
    release_dead(loop);
}

void loop_run(struct loop *loop)
{
    while (!atomic_exchange(&loop->is_stopping, false))
        loop_turn(loop);
}

static void wake(struct loop *loop)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&loop->is_asleep, false))
        return;
    if (write(loop->wake, &one, sizeof(one)) < 0)
        assert(errno == EAGAIN); /* the counter is full: it is awake */
}

void loop_stop(struct loop *loop)
{
    int saved = errno; /* may be a signal handler */

    atomic_store(&loop->is_stopping, true);
    wake(loop);
    errno = saved;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    pthread_mutex_lock(&loop->lock);
    list_push_back(&loop->posted, &task->node);
    pthread_mutex_unlock(&loop->lock);
    atomic_store(&loop->is_posted, true);
    wake(loop);
}

void loop_turn_again(struct loop *loop)
{
    loop->is_again = true;
}

struct os *loop_os(const struct loop *loop)
{
    return loop->os;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_now_ns(const struct loop *loop)
{
    return loop->woke_ns;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

uint64_t loop_busy_ns(const struct loop *loop)
{
    return counter_get(&loop->busy_ns);
}

/* Timers and hooks. */

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
    heap_remove(&loop->timers, &timer->node);
    heap_insert(&loop->timers, &timer->node, at_ms > loop->now_ms ? at_ms : loop->now_ms);
    timer->is_started = true;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    heap_remove(&loop->timers, &timer->node);
    timer->is_started = false;
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
    list_push_back(&loop->hooks, &hook->node);
}

void loop_hook_remove(struct loop *loop, struct loop_hook *hook)
{
    list_remove(&hook->node);
}
