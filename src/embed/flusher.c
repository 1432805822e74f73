#include <assert.h>

#include "base/mem.h"
#include "embed/embed_priv.h"
#include "os/os.h"
#include "os/thread.h"

/*
 * The flusher: one thread an environment, asleep until the earliest time that a log has asked for.
 * What it does at a log: lead a sync for callbacks or an interval, write what lingered, call
 * callbacks, look after the files.
 */

/* How many are not durable; offsets count them well enough. */
static bool is_interval_over(const struct dlog *log, int64_t now_ms)
{
    const struct dlog_options *o = &log->options;

    if (log->unsynced_ms == INT64_MAX)
        return false;
    return log->next_offset - log_synced_offset(log->engine) >= o->flush_records ||
           now_ms - log->unsynced_ms >= o->flush_ms;
}

static bool must_sync(const struct dlog *log, int64_t now_ms)
{
    if (log->is_leading || log_is_broken(log->engine))
        return false;
    switch (log->options.durability) {
    case DLOG_DURABILITY_ALWAYS:
        return !list_is_empty(&log->for_sync) && list_is_empty(&log->waiting);
    case DLOG_DURABILITY_INTERVAL:
        return !log->is_full && is_interval_over(log, now_ms);
    case DLOG_DURABILITY_OS:
        return log_needs_sync(log->engine); /* a sealed segment */
    }
    return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the flusher has something to do here: 0 is now. */
static int64_t next_due(const struct dlog *log)
{
    const struct dlog_options *o = &log->options;
    int64_t due = log->maintain_ms;

    if (!list_is_empty(&log->answered) || must_sync(log, 0))
        return 0;
    if (log_is_broken(log->engine))
        return due;
    if (embed_collected_count(log) > 0)
        due = earlier(due, log->collected_ms + o->linger_ms);
    if (o->durability == DLOG_DURABILITY_INTERVAL && log->unsynced_ms != INT64_MAX &&
        !log->is_full && !log->is_leading)
        due = earlier(due, log->unsynced_ms + o->flush_ms);
    return due;
}

void embed_schedule(struct dlog *log)
{
    struct dlog_env *env = log->env;
    int64_t due = next_due(log);
    const struct heap_node *first;

    if (due >= log->scheduled_ms)
        return;
    log->scheduled_ms = due;
    os_mutex_lock(&env->lock);
    first = heap_peek(&env->due);
    if (env->current != log && (first == NULL || due < first->key))
        os_cond_signal(&env->wake);
    heap_remove(&env->due, &log->due);
    heap_insert(&env->due, &log->due, due);
    os_mutex_unlock(&env->lock);
}

/* Call what is due, without the lock. */
static void call_back(struct dlog *log)
{
    struct list_node *node;

    while ((node = list_pop_front(&log->answered)) != NULL) {
        struct embed_ticket *t = LIST_ENTRY(node, struct embed_ticket, node);

        os_mutex_unlock(&log->lock);
        t->done(t->ctx, embed_err(t->result), t->offset);
        mem_free(t);
        os_mutex_lock(&log->lock);
        log->pending--;
    }
    if (log->pending == 0 && atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        os_cond_broadcast(&log->idle);
}

static void maintain(struct dlog *log, int64_t now_ms)
{
    int64_t start = log_start_offset(log->engine);
    enum err e = log_maintain(log->engine, log_end_offset(log->engine), os_wall_ms(log->env->os));

    /* Files that were used since the last time stay open until the next; then it can wait. */
    log->maintain_ms = log->is_unused ? INT64_MAX : now_ms + log->env->maintain_ms;
    log->is_unused = true;
    if (log->options.retention_ms >= 0 && log_size_bytes(log->engine) > 0 && e != E_BROKEN)
        log->maintain_ms = now_ms + log->env->maintain_ms;
    if (e != E_OK && e != E_BROKEN)
        embed_trace(log->env, DLOG_LEVEL_WARN, "log %s: retention: %s", log->name, err_text(e));
    if (log_start_offset(log->engine) > start)
        embed_trace(log->env, DLOG_LEVEL_INFO, "log %s: retention: it begins at offset %lld now",
                    log->name, (long long)log_start_offset(log->engine));
}

static void visit(struct dlog *log)
{
    int64_t now_ms = os_mono_ms(log->env->os);
    enum err e = E_OK;

    os_mutex_lock(&log->lock);
    log->scheduled_ms = INT64_MAX;
    if (must_sync(log, now_ms))
        e = embed_lead(log);
    else if (embed_collected_count(log) > 0 && !log_is_broken(log->engine) &&
             now_ms - log->collected_ms >= log->options.linger_ms)
        e = embed_spill(log);
    (void)e; /* those who wait were told, the others are with the next call */
    call_back(log);
    if (log->maintain_ms <= now_ms)
        maintain(log, now_ms);
    embed_schedule(log);
    os_mutex_unlock(&log->lock);
}

void embed_flusher_main(void *ctx)
{
    struct dlog_env *env = ctx;

    os_mutex_lock(&env->lock);
    env->flusher_self = os_thread_self();
    while (!env->is_closing) {
        struct heap_node *node = heap_peek(&env->due);

        if (node == NULL || node->key > os_mono_ms(env->os)) {
            os_cond_wait_until(&env->wake, &env->lock, node == NULL ? INT64_MAX : node->key);
            continue;
        }
        heap_remove(&env->due, node);
        env->current = LIST_ENTRY(node, struct dlog, due);
        os_mutex_unlock(&env->lock);
        visit(env->current);
        os_mutex_lock(&env->lock);
        env->current = NULL;
        os_cond_broadcast(&env->left);
    }
    os_mutex_unlock(&env->lock);
}

void embed_forget(struct dlog *log)
{
    struct dlog_env *env = log->env;

    os_mutex_lock(&env->lock);
    while (env->current == log)
        os_cond_wait(&env->left, &env->lock);
    heap_remove(&env->due, &log->due);
    os_mutex_unlock(&env->lock);
}

bool embed_is_flusher(struct dlog_env *env)
{
    bool is_flusher;

    os_mutex_lock(&env->lock);
    is_flusher = env->current != NULL && env->flusher_self == os_thread_self();
    os_mutex_unlock(&env->lock);
    return is_flusher;
}
