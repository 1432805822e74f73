#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

struct os;

/*
 * Loop: one thread's world. Everything a shard owns lives on its loop.
 *
 * A turn is, in this order:
 *   1. wait for sockets, posted tasks or the next timer
 *   2. read what is ready, accept, and hand bytes to connections
 *   3. run the tasks that were posted
 *   4. fire the timers that are due: after the reads, so that a stall of ours
 *      expires nobody whose bytes already arrived
 *   5. run the turn hooks (one sync for all appends of this turn)
 *   6. write what connections have queued: many answers, one system call
 *
 * Thread: all functions on the loop's own thread but loop_post and loop_stop.
 * The same headers are implemented in tests/sim/net, where the simulator steps
 * the loops of all nodes.
 */
struct loop;

NODISCARD enum err loop_open(struct os *os, struct loop **loop_out);

/* After everything on it is closed. NULL is fine. */
void loop_close(struct loop *loop);

/* Turn until loop_stop(); then returns at the end of the turn. */
void loop_run(struct loop *loop);

/* From any thread or a signal handler. */
void loop_stop(struct loop *loop);

struct os *loop_os(const struct loop *loop);

/* Monotonic time at the start of this turn. */
int64_t loop_now_ms(const struct loop *loop);

/* The same in ns: when the loop woke up. */
int64_t loop_now_ns(const struct loop *loop);

/* Wall clock at the start of this turn, for record timestamps. */
int64_t loop_wall_ms(const struct loop *loop);

/*
 * How long the loop has worked, in ns, since it was opened: all the time but that in which it
 * slept. Any thread. 0 in a simulation, where work takes no time.
 */
uint64_t loop_busy_ns(const struct loop *loop);

/*
 * Timer: embedded in its owner. Fires once at or after `at_ms` of loop_now_ms;
 * starting a started timer moves it. It is stopped when it fires.
 */
struct loop_timer {
    struct heap_node node;
    void (*fire)(struct loop_timer *timer);
    bool is_started;
};

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/*
 * Task: how other threads reach this loop. Owned by who posts it; must stay
 * valid until run() is called, once, on this loop. Tasks of one thread run in
 * the order of their posts.
 */
struct loop_task {
    struct list_node node;
    void (*run)(struct loop_task *task);
};

void loop_post(struct loop *loop, struct loop_task *task);

/*
 * Hook: runs in step 5 of every turn, in the order of adding. A hook that
 * produces more work for this turn (a completion that appends) returns true and
 * all hooks run again, at most LOOP_HOOK_ROUNDS_MAX times.
 */
enum { LOOP_HOOK_ROUNDS_MAX = 8 };

struct loop_hook {
    struct list_node node;
    bool (*run)(struct loop_hook *hook);
};

void loop_hook_add(struct loop *loop, struct loop_hook *hook);
void loop_hook_remove(struct loop *loop, struct loop_hook *hook);

/* Let the next turn start at once, without waiting (a hook has work left). */
void loop_turn_again(struct loop *loop);
