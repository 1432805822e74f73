#include "net/loop.h"

#include <assert.h>

#include "base/mem.h"
#include "net/loop_priv.h"
#include "os/os.h"

enum { TURN_NS_MAX = 5000 };

enum err loop_open(struct os *os, struct loop **loop_out)
{
    struct loop *loop = mem_alloc_zero(sizeof(*loop));

    if (loop == NULL)
        return E_NOMEM;
    loop->os = os;
    loop->world = os->node->world;
    heap_init(&loop->timers);
    list_init(&loop->posted);
    list_init(&loop->hooks);
    list_init(&loop->conns);
    list_init(&loop->listeners);
    loop->now_ms = os_mono_ms(os);
    loop->wall_ms = os_wall_ms(os);
    *loop_out = loop;
    return E_OK;
}

/* Call step(conn) for all that have work, in an order that is drawn. */
static void each_conn(struct loop *loop, void (*step)(struct conn *conn))
{
    size_t count = 0;
    /* The node's memory: a crash in the middle of a step takes it with the rest. */
    struct conn **conns = mem_alloc(list_count(&loop->conns) * sizeof(struct conn *));

    if (conns == NULL)
        return; /* the next turn tries again */
    for (struct list_node *n = loop->conns.next; n != &loop->conns; n = n->next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, entry);

        if (sim_conn_has_work(conn))
            conns[count++] = conn;
    }
    for (size_t i = 0; i < count; i++) {
        size_t other = i + (size_t)rng_below(&loop->world->rng, count - i);
        struct conn *conn = conns[other];

        conns[other] = conns[i];
        step(conn); /* frees at most this one */
    }
    mem_free(conns);
}

static bool is_closing(const struct loop *loop)
{
    for (struct list_node *n = loop->conns.next; n != &loop->conns; n = n->next) {
        if (LIST_ENTRY(n, struct conn, entry)->state == CONN_CLOSING)
            return true;
    }
    return false;
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    while (is_closing(loop))
        each_conn(loop, sim_conn_attend);
    assert(list_is_empty(&loop->conns) && list_is_empty(&loop->listeners));
    mem_free(loop);
}

/* The turn. */

static bool has_work(const struct loop *loop)
{
    struct list_node *n;

    if (loop->is_again || loop->is_stopping || !list_is_empty(&loop->posted))
        return true;
    for (n = loop->conns.next; n != &loop->conns; n = n->next) {
        if (sim_conn_has_work(LIST_ENTRY(n, struct conn, entry)))
            return true;
    }
    for (n = loop->listeners.next; n != &loop->listeners; n = n->next) {
        if (sim_listener_has_work(n))
            return true;
    }
    return false;
}

static void wait(struct loop *loop)
{
    const struct heap_node *first = heap_peek(&loop->timers);

    if (has_work(loop))
        sim_thread_sleep(loop->world, (int64_t)rng_below(&loop->world->rng, TURN_NS_MAX));
    else
        sim_thread_wait(loop->world, first == NULL ? INT64_MAX : first->key * SIM_MS);
    loop->is_again = false;
    loop->now_ms = os_mono_ms(loop->os);
    loop->wall_ms = os_wall_ms(loop->os);
}

static void read_and_accept(struct loop *loop)
{
    struct list_node *next;

    each_conn(loop, sim_conn_receive);
    for (struct list_node *n = loop->listeners.next; n != &loop->listeners; n = next) {
        next = n->next;
        sim_listener_accept(n);
    }
}

static void run_posted(struct loop *loop)
{
    struct list_node todo;
    struct list_node *node;

    list_init(&todo);
    list_splice_back(&todo, &loop->posted);
    while ((node = list_pop_front(&todo)) != NULL) {
        struct loop_task *task = LIST_ENTRY(node, struct loop_task, node);

        task->run(task);
    }
}

static void fire_timers(struct loop *loop)
{
    struct heap_node *first;
    uint64_t newest = loop->timers.order;

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

            next = n->next;
            is_more |= hook->run(hook);
        }
    }
    if (is_more)
        loop->is_again = true;
}

void loop_run(struct loop *loop)
{
    loop->thread = sim_thread_current(loop->world);
    assert(loop->thread != NULL);
    while (!loop->is_stopping) {
        wait(loop);
        read_and_accept(loop);
        run_posted(loop);
        fire_timers(loop);
        run_hooks(loop);
        do
            each_conn(loop, sim_conn_attend);
        while (is_closing(loop));
    }
    loop->is_stopping = false;
    loop->thread = NULL;
}

void sim_loop_wake(struct loop *loop)
{
    if (loop->thread != NULL)
        sim_thread_wake(loop->thread);
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
    sim_loop_wake(loop);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    list_push_back(&loop->posted, &task->node);
    sim_loop_wake(loop);
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
    return loop->now_ms * SIM_MS;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

uint64_t loop_busy_ns(const struct loop *loop)
{
    return 0;
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
