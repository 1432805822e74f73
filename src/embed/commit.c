#include "base/mem.h"
#include "embed/embed_priv.h"
#include "os/os.h"

/*
 * Group commit with a leader. Who waits puts up a ticket; when nobody leads, it leads itself:
 * writes what all have collected, syncs once without the lock, and answers every ticket below.
 * Whoever came meanwhile is in the next group, whose first thread is woken to lead it.
 *
 *   a lone thread    ticket, write, sync, own ticket answered: no other thread runs
 *   many threads     one leads, the others sleep and join the next group
 *   callbacks only   the flusher leads (flusher.c)
 */
static void answer(struct dlog *log, struct embed_ticket *t, enum err e)
{
    list_remove(&t->node);
    t->result = e;
    if (t->done != NULL) {
        list_push_back(&log->answered, &t->node);
        return;
    }
    t->is_done = true;
    os_cond_signal(&t->cond);
}

static struct embed_ticket *first_of(const struct list_node *list)
{
    struct list_node *node = list_first(list);

    return node == NULL ? NULL : LIST_ENTRY(node, struct embed_ticket, node);
}

/* Answer the tickets of `list` below `end`. */
static void answer_below(struct dlog *log, const struct list_node *list, int64_t end)
{
    struct embed_ticket *t;

    while ((t = first_of(list)) != NULL && t->offset < end)
        answer(log, t, E_OK);
}

/* Those at `first` and above; the latest are at the end of the list. */
static void answer_from(struct dlog *log, const struct list_node *list, int64_t first, enum err e)
{
    for (struct list_node *node = list->next, *next; node != list; node = next) {
        struct embed_ticket *t = LIST_ENTRY(node, struct embed_ticket, node);

        next = node->next;
        if (t->offset >= first)
            answer(log, t, e);
    }
}

void embed_settle(struct dlog *log)
{
    int64_t synced = log_synced_offset(log->engine);

    answer_below(log, &log->waiting, synced);
    answer_below(log, &log->for_sync, synced);
    answer_below(log, &log->for_write, log_end_offset(log->engine));
}

void embed_fail(struct dlog *log, int64_t first, enum err e)
{
    answer_from(log, &log->waiting, first, e);
    answer_from(log, &log->for_sync, first, e);
    answer_from(log, &log->for_write, first, e);
}

/* The sync itself, without the lock. */
static enum err sync_engine(struct dlog *log)
{
    struct log_sync sync;

    if (log_synced_offset(log->engine) == log_end_offset(log->engine))
        return E_OK;
    log_sync_begin(log->engine, &sync);
    os_mutex_unlock(&log->lock);
    log_sync_run(&sync);
    os_mutex_lock(&log->lock);
    log->syncs++;
    return log_sync_finish(&sync);
}

/* What changed with the sync that began at `begin_ms`. */
static void finish_lead(struct dlog *log, int64_t begin_ms)
{
    struct embed_ticket *next;

    if (log_synced_offset(log->engine) == log->next_offset)
        log->unsynced_ms = INT64_MAX;
    else if (log->unsynced_ms < begin_ms)
        log->unsynced_ms = begin_ms;
    embed_settle(log);
    next = first_of(&log->waiting);
    if (next != NULL)
        os_cond_signal(&next->cond);
    if (log->waiting_readers > 0)
        os_cond_broadcast(&log->readable);
    if (atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        os_cond_broadcast(&log->idle);
}

enum err embed_lead(struct dlog *log)
{
    int64_t begin_ms = os_mono_ms(log->env->os);
    enum err spilled, synced;

    log->is_leading = true;
    spilled = embed_spill(log);
    synced = sync_engine(log);
    log->is_leading = false;
    if (synced != E_OK) {
        embed_trace(log->env, DLOG_LEVEL_ERROR, "log %s: sync: %s: it takes no more", log->name,
                    err_text(synced));
        embed_fail(log, log_synced_offset(log->engine), synced);
    } else if (spilled != E_OK) {
        answer_from(log, &log->waiting, log_end_offset(log->engine), spilled);
    }
    finish_lead(log, begin_ms);
    embed_schedule(log);
    return synced != E_OK ? synced : spilled;
}

enum err embed_sync(struct dlog *log)
{
    struct embed_ticket t = {.offset = log->next_offset - 1};

    if (log_synced_offset(log->engine) == log->next_offset)
        return E_OK;
    os_cond_init(&t.cond);
    list_push_back(&log->waiting, &t.node);
    log->waiting_threads++;
    while (!t.is_done) {
        enum err e = E_OK;

        if (log->is_leading)
            os_cond_wait(&t.cond, &log->lock);
        else
            e = embed_lead(log);
        (void)e; /* the ticket says how it went */
    }
    log->waiting_threads--;
    if (log->waiting_threads == 0 && atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        os_cond_broadcast(&log->idle);
    os_cond_release(&t.cond);
    return t.result;
}
