#pragma once

#include "base/err.h"
#include "base/list.h"

struct os;

/*
 * Threads. Only main/ starts them; the rest of the program is given a loop or a
 * pool. In a simulation nothing runs in parallel: the scheduler steps every
 * loop and every pool of every node in an order drawn from the seed.
 */
struct os_thread;

/*
 * Run run(ctx) on a new thread called `name` (at most 15 characters). It takes
 * no signals: those go to the main thread.
 *
 *   E_AGAIN  the system has no more threads for us
 *   E_NOMEM
 */
NODISCARD enum err os_thread_start(struct os *os, const char *name, void (*run)(void *ctx),
                                   void *ctx, struct os_thread **thread_out);

/* Wait for its end and free it; NULL is fine. */
void os_thread_join(struct os_thread *thread);

/*
 * Pool: up to `threads` threads for calls that block (fdatasync, slow deletes),
 * started when they are first needed.
 *
 * A job is owned by who submits it and must stay valid until done(job) is
 * called, on a thread of the pool, right after run(job). done() may only hand
 * over, typically by loop_post().
 */
struct os_pool;

struct os_job {
    struct list_node node;
    void (*run)(struct os_job *job);
    void (*done)(struct os_job *job);
};

/*
 *   E_INVAL  not 1 to OS_POOL_THREADS_MAX threads
 *   E_AGAIN  E_NOMEM
 */
enum { OS_POOL_THREADS_MAX = 64 };
NODISCARD enum err os_pool_open(struct os *os, int threads, struct os_pool **pool_out);
void os_pool_submit(struct os_pool *pool, struct os_job *job);

/* Runs what was submitted to its end, then stops the threads. NULL is fine. */
void os_pool_close(struct os_pool *pool);
