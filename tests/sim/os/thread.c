#include "os/thread.h"

#include "base/mem.h"
#include "sim_priv.h"

struct os_thread {
    struct sim_thread *thread;
};

struct os_pool {
    struct sim_world *world;
    struct list_node jobs;
    bool is_closing;
    int thread_count;
    struct os_thread *threads[OS_POOL_THREADS_MAX];
};

enum err os_thread_start(struct os *os, const char *name, void (*run)(void *ctx), void *ctx,
                         struct os_thread **thread_out)
{
    struct os_thread *thread = mem_alloc_zero(sizeof(*thread));

    if (thread == NULL)
        return E_NOMEM;
    thread->thread = sim_thread_new(os->node, run, ctx);
    *thread_out = thread;
    return E_OK;
}

void os_thread_join(struct os_thread *thread)
{
    if (thread == NULL)
        return;
    while (thread->thread->state != SIM_DONE) {
        struct sim_world *world = thread->thread->node->world;

        thread->thread->joiner = sim_thread_current(world);
        sim_thread_wait(world, INT64_MAX);
    }
    sim_thread_free(thread->thread);
    mem_free(thread);
}

static void pool_main(void *ctx)
{
    struct os_pool *pool = ctx;

    for (;;) {
        struct list_node *node = list_pop_front(&pool->jobs);
        struct os_job *job;

        if (node == NULL && pool->is_closing)
            return;
        if (node == NULL) {
            sim_thread_wait(pool->world, INT64_MAX);
            continue;
        }
        job = LIST_ENTRY(node, struct os_job, node);
        job->run(job);
        job->done(job);
    }
}

enum err os_pool_open(struct os *os, int threads, struct os_pool **pool_out)
{
    struct os_pool *pool;

    if (threads < 1 || threads > OS_POOL_THREADS_MAX)
        return E_INVAL;
    pool = mem_alloc_zero(sizeof(*pool));
    if (pool == NULL)
        return E_NOMEM;
    pool->world = os->node->world;
    list_init(&pool->jobs);
    while (pool->thread_count < threads) {
        enum err e =
            os_thread_start(os, "pool", pool_main, pool, &pool->threads[pool->thread_count]);

        if (e != E_OK) {
            os_pool_close(pool);
            return e;
        }
        pool->thread_count++;
    }
    *pool_out = pool;
    return E_OK;
}

void os_pool_submit(struct os_pool *pool, struct os_job *job)
{
    list_push_back(&pool->jobs, &job->node);
    for (int i = 0; i < pool->thread_count; i++) /* who comes first takes it */
        sim_thread_wake(pool->threads[i]->thread);
}

void os_pool_close(struct os_pool *pool)
{
    if (pool == NULL)
        return;
    pool->is_closing = true;
    for (int i = 0; i < pool->thread_count; i++)
        sim_thread_wake(pool->threads[i]->thread);
    for (int i = 0; i < pool->thread_count; i++)
        os_thread_join(pool->threads[i]);
    mem_free(pool);
}
