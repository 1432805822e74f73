#include "os/thread.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/errno.h"
#include "os/os_priv.h"

struct os_thread {
    struct os *os;
    pthread_t id;
    void (*run)(void *ctx);
    void *ctx;
};

struct os_pool {
    struct os *os;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list_node jobs; /* guarded by lock */
    bool is_closing;       /* guarded by lock */
    int idle_count;        /* guarded by lock: threads that wait for a job */
    int job_count;         /* guarded by lock: in `jobs` */
    struct os_thread *threads[OS_POOL_THREADS_MAX]; /* guarded by lock until closing */
    int thread_count;                               /* the same */
    int thread_max;
};

/* The pthread calls used here fail only when misused. */
static void must(int error)
{
    if (error != 0)
        abort();
}

static void *thread_main(void *arg)
{
    struct os_thread *thread = arg;

    thread->run(thread->ctx);
    return NULL;
}

enum err os_thread_start(struct os *os, const char *name, void (*run)(void *ctx), void *ctx,
                         struct os_thread **thread_out)
{
    struct os_thread *thread = mem_alloc_zero(sizeof(*thread));
    sigset_t all;
    sigset_t old;
    int error;

    if (thread == NULL)
        return E_NOMEM;
    thread->os = os;
    thread->run = run;
    thread->ctx = ctx;
    sigfillset(&all); /* the new thread inherits it: signals go to the main thread */
    must(pthread_sigmask(SIG_SETMASK, &all, &old));
    error = pthread_create(&thread->id, NULL, thread_main, thread);
    must(pthread_sigmask(SIG_SETMASK, &old, NULL));
    if (error != 0) {
        mem_free(thread);
        return os_err_from_errno(error);
    }
    (void)pthread_setname_np(thread->id, name); /* for people with a debugger only */
    atomic_fetch_add(&os->handle_count, 1);
    *thread_out = thread;
    return E_OK;
}

void os_thread_join(struct os_thread *thread)
{
    if (thread == NULL)
        return;
    must(pthread_join(thread->id, NULL));
    atomic_fetch_sub(&thread->os->handle_count, 1);
    mem_free(thread);
}

/* The next job; NULL once the pool closes and all is done. */
static struct os_job *pool_take(struct os_pool *pool)
{
    struct list_node *node;

    must(pthread_mutex_lock(&pool->lock));
    pool->idle_count++;
    while (list_is_empty(&pool->jobs) && !pool->is_closing)
        must(pthread_cond_wait(&pool->changed, &pool->lock));
    pool->idle_count--;
    node = list_pop_front(&pool->jobs);
    if (node != NULL)
        pool->job_count--;
    must(pthread_mutex_unlock(&pool->lock));
    return node == NULL ? NULL : LIST_ENTRY(node, struct os_job, node);
}

static void pool_main(void *ctx)
{
    struct os_job *job;

    while ((job = pool_take(ctx)) != NULL) {
        job->run(job);
        job->done(job); /* the job may be gone now */
    }
}

/* Start one more thread; with the lock held, or before anybody else knows the pool. */
static enum err pool_grow(struct os_pool *pool)
{
    enum err e =
        os_thread_start(pool->os, "pool", pool_main, pool, &pool->threads[pool->thread_count]);

    if (e == E_OK)
        pool->thread_count++;
    return e;
}

enum err os_pool_open(struct os *os, int threads, struct os_pool **pool_out)
{
    struct os_pool *pool;
    enum err e;

    if (threads < 1 || threads > OS_POOL_THREADS_MAX)
        return E_INVAL;
    pool = mem_alloc_zero(sizeof(*pool));
    if (pool == NULL)
        return E_NOMEM;
    pool->os = os;
    list_init(&pool->jobs);
    must(pthread_mutex_init(&pool->lock, NULL));
    must(pthread_cond_init(&pool->changed, NULL));
    atomic_fetch_add(&os->handle_count, 1);
    pool->thread_max = threads;
    e = pool_grow(pool); /* one that is sure; the others start when they are needed */
    if (e != E_OK) {
        os_pool_close(pool);
        return e;
    }
    *pool_out = pool;
    return E_OK;
}

void os_pool_submit(struct os_pool *pool, struct os_job *job)
{
    must(pthread_mutex_lock(&pool->lock));
    assert(!pool->is_closing);
    list_push_back(&pool->jobs, &job->node);
    pool->job_count++;
    if (pool->job_count > pool->idle_count && pool->thread_count < pool->thread_max) {
        enum err e = pool_grow(pool);

        (void)e; /* the threads there are will get to it */
    }
    must(pthread_cond_signal(&pool->changed));
    must(pthread_mutex_unlock(&pool->lock));
}

void os_pool_close(struct os_pool *pool)
{
    if (pool == NULL)
        return;
    must(pthread_mutex_lock(&pool->lock));
    pool->is_closing = true;
    must(pthread_cond_broadcast(&pool->changed));
    must(pthread_mutex_unlock(&pool->lock));
    for (int i = 0; i < pool->thread_count; i++)
        os_thread_join(pool->threads[i]);
    must(pthread_cond_destroy(&pool->changed));
    must(pthread_mutex_destroy(&pool->lock));
    atomic_fetch_sub(&pool->os->handle_count, 1);
    mem_free(pool);
}
