#include "embed/embed_priv.h"
#include "os/os.h"
#include "storage/log_guard.h"

/* A disk that gets full: telling of it, making room, and not filling it faster than need be. */

enum {
    PAUSE_SHARE = 10, /* of what a broker's producer is told: 100 ms at most */
    MAINTAIN_SHORT_MS = 1000
};

void embed_disk_guard(struct dlog_env *env)
{
    log_root_guard(env->root, &env->disk_limits, os_wall_ms(env->os));
    embed_disk_tell(env);
}

void embed_disk_tell(struct dlog_env *env)
{
    struct log_disk disk = log_root_disk(env->root);

    if (atomic_exchange(&env->disk_level, (int)disk.level) != (int)disk.level)
        embed_trace(env, DLOG_LEVEL_WARN, "disk of %s: level %s: %lld of %lld bytes are free",
                    log_root_path(env->root), log_disk_level_text(disk.level),
                    (long long)disk.free_bytes, (long long)disk.size_bytes);
}

void embed_disk_look(struct dlog *log)
{
    int64_t soon_ms;

    embed_disk_tell(log->env);
    if (log_root_disk(log->env->root).level < LOG_DISK_WARN)
        return;
    soon_ms = os_mono_ms(log->env->os) + MAINTAIN_SHORT_MS;
    if (log->maintain_ms > soon_ms)
        log->maintain_ms = soon_ms;
}

int embed_disk_pause(struct dlog *log)
{
    struct dlog_env *env = log->env;
    int32_t ms = log_root_pause_ms(env->root) / PAUSE_SHARE;
    struct os_cond over; /* which nobody signals */
    int64_t until_ms;

    if (ms == 0 || embed_is_flusher(env))
        return DLOG_OK;
    until_ms = os_mono_ms(env->os) + ms;
    os_cond_init(&over);
    log->waiting_threads++;
    while (os_cond_wait_until(&over, &log->lock, until_ms))
        ;
    log->waiting_threads--;
    os_cond_release(&over);
    if (!atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        return DLOG_OK;
    if (log->waiting_threads == 0)
        os_cond_broadcast(&log->idle);
    return DLOG_E_CLOSED;
}
