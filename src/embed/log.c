#include <string.h>

#include "base/mem.h"
#include "embed/embed_priv.h"
#include "os/dir.h"
#include "os/os.h"
#include "storage/log_compact.h"

/* Life of a log, its settings, and questions about it. */

static const char SELF[] = "."; /* the name of a log in an environment of its own */
enum { NAME_SIZE_MAX = 249 };

bool embed_is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);

    return size > 0 && size <= NAME_SIZE_MAX && name[0] != '.' && strspn(name, allowed) == size;
}

static bool see_segment(void *ctx, const char *name, bool is_dir)
{
    bool *has = ctx;
    size_t size = strlen(name);

    *has |= !is_dir && size > 4 && strcmp(name + size - 4, ".log") == 0;
    return !*has;
}

enum err embed_has_log(struct dlog_env *env, const char *name, bool *has_out)
{
    bool has = false;
    struct os_dir *dir;
    enum err e = os_dir_open_in(log_root_dir(env->root), name, false, &dir);

    if (e == E_OK) {
        e = os_dir_list(dir, see_segment, &has);
        os_dir_close(dir);
    }
    if (e == E_OK || e == E_NOT_FOUND)
        *has_out = has;
    return e == E_NOT_FOUND ? E_OK : e;
}

void embed_ref(struct dlog *log)
{
    atomic_fetch_add(&log->refs, 1);
}

void embed_unref(struct dlog *log)
{
    if (atomic_fetch_sub(&log->refs, 1) > 1)
        return;
    embed_env_unref(log->env);
    os_cond_release(&log->readable);
    os_cond_release(&log->idle);
    os_mutex_release(&log->lock);
    mem_free(log->name);
    mem_free(log);
}

int embed_enter(struct dlog *log)
{
    if (log == NULL)
        return DLOG_E_INVAL;
    if (embed_is_forked(log->env))
        return DLOG_E_FORKED;
    os_mutex_lock(&log->lock);
    if (atomic_load_explicit(&log->is_closed, memory_order_relaxed)) {
        os_mutex_unlock(&log->lock);
        return DLOG_E_CLOSED;
    }
    return DLOG_OK;
}

void embed_leave(struct dlog *log)
{
    os_mutex_unlock(&log->lock);
}

static struct dlog *log_new(struct dlog_env *env, const char *name,
                            const struct dlog_options *options)
{
    size_t name_size = strlen(name) + 1;
    struct batch_options batch = batch_options_init(0);
    struct dlog *log = mem_alloc_zero(sizeof(*log));
    char *copy = mem_alloc(name_size);

    if (log == NULL || copy == NULL) {
        mem_free(log);
        mem_free(copy);
        return NULL;
    }
    memcpy(copy, name, name_size);
    log->name = copy;
    log->env = env;
    log->options = *options;
    log->options.report = NULL;
    atomic_init(&log->refs, 1);
    atomic_init(&log->is_closed, false);
    os_mutex_init(&log->lock);
    os_cond_init(&log->readable);
    os_cond_init(&log->idle);
    buf_init(&log->sealed, SIZE_MAX / 2);
    batch_builder_init(&log->builder, &batch);
    list_init(&log->waiting);
    list_init(&log->for_sync);
    list_init(&log->for_write);
    list_init(&log->answered);
    log->unsynced_ms = INT64_MAX;
    log->maintain_ms = INT64_MAX;
    log->scheduled_ms = INT64_MAX;
    embed_env_ref(env);
    return log;
}

/* May it be opened, as far as `create` goes? */
static enum err check_create(struct dlog *log, struct report *report)
{
    bool has_log;
    enum err e = embed_has_log(log->env, log->name, &has_log);

    if (e != E_OK) {
        report_set(report, "look into %s: %s", log->name, err_text(e));
        return e;
    }
    if (!has_log && log->options.create == DLOG_CREATE_NEVER) {
        report_set(report, "there is no log %s/%s, and it was not to be created",
                   log_root_path(log->env->root), log->name);
        return E_NOT_FOUND;
    }
    if (has_log && log->options.create == DLOG_CREATE_NEW) {
        report_set(report, "log %s/%s exists, and was to be new", log_root_path(log->env->root),
                   log->name);
        return E_EXISTS;
    }
    return E_OK;
}

/* The log has its own format; was it the one that was asked for? */
static enum err check_format(struct dlog *log, struct report *report)
{
    enum dlog_format wanted = log->options.format;

    log->format = log_format(log->engine);
    if (wanted == DLOG_FORMAT_ANY ||
        (wanted == DLOG_FORMAT_MESSAGE) == (log->format == LOG_FORMAT_MESSAGE))
        return E_OK;
    report_set(report, "log %s/%s is in the format \"%s\", and option format wants another one",
               log_root_path(log->env->root), log->name, log_format_text(log->format));
    return E_UNSUPPORTED;
}

static void trace_opened(const struct dlog *log)
{
    const struct log_recovery *r = &log->recovery;

    if (r->torn_bytes > 0 || r->damaged_ranges > 0)
        embed_trace(log->env, DLOG_LEVEL_WARN,
                    "log %s: opened: %lld torn bytes cut off and kept aside, %d damaged ranges",
                    log->name, (long long)r->torn_bytes, (int)r->damaged_ranges);
    else
        embed_trace(log->env, DLOG_LEVEL_INFO, "log %s: opened: offsets %lld to %lld", log->name,
                    (long long)log_start_offset(log->engine),
                    (long long)log_end_offset(log->engine));
}

/* Open the engine of a log whose name is reserved. */
static enum err open_engine(struct dlog *log, struct report *report)
{
    struct log_options options = embed_engine_options(&log->options);
    struct log_open open = {.root = log->env->root,
                            .name = log->name,
                            .options = &options,
                            .wall_ms = os_wall_ms(log->env->os)};
    enum err e;

    if (log_root_is_broken(log->env->root))
        return E_BROKEN;
    e = check_create(log, report);
    if (e == E_OK)
        e = log_open(&open, &log->engine, &log->recovery, report);
    if (e == E_OK)
        e = check_format(log, report);
    if (e != E_OK)
        return e;
    log->next_offset = log_end_offset(log->engine);
    log->maintain_ms = os_mono_ms(log->env->os) + log->env->maintain_ms;
    trace_opened(log);
    return E_OK;
}

static void log_release(struct dlog *log)
{
    log_close(log->engine);
    log->engine = NULL;
    buf_release(&log->sealed);
    batch_builder_release(&log->builder);
}

static enum err open_in(struct dlog_env *env, const char *name, const struct dlog_options *options,
                        struct dlog **log_out, struct report *report)
{
    struct dlog *log = log_new(env, name, options);
    enum err e;

    if (log == NULL)
        return E_NOMEM;
    e = embed_claim(env, &log->claim, log->name);
    if (e == E_OK) {
        e = open_engine(log, report);
        if (e != E_OK) {
            log_release(log);
            embed_unclaim(env, &log->claim);
        }
    } else {
        report_set(report, "log %s is open in this environment already, or being deleted", name);
    }
    if (e != E_OK) {
        embed_unref(log);
        return e;
    }
    embed_enter(log);
    embed_schedule(log);
    embed_leave(log);
    *log_out = log;
    return E_OK;
}

int dlog_open(struct dlog_env *env, const char *name, const struct dlog_options *options,
              struct dlog **log_out)
{
    struct report report = {0};
    struct dlog_options o;
    enum err e;

    if (env == NULL || name == NULL || log_out == NULL)
        return DLOG_E_INVAL;
    if (embed_is_forked(env))
        return DLOG_E_FORKED;
    e = embed_options(options, &o, &report);
    if (e != E_OK)
        return embed_tell_early(options, e, &report);
    if (embed_is_name(name)) {
        e = open_in(env, name, &o, log_out, &report);
    } else {
        e = E_INVAL;
        report_set(&report, "no log can be called \"%.300s\": see LIMITS in dlog.h", name);
    }
    return embed_tell(o.report, o.report_size, e, &report);
}

int dlog_open_dir(const char *dir, const struct dlog_options *options, struct dlog **log_out)
{
    struct report report = {0};
    struct dlog_env *env;
    struct dlog_options o;
    struct dlog *log;
    enum err e;

    if (dir == NULL || log_out == NULL)
        return DLOG_E_INVAL;
    e = embed_options(options, &o, &report);
    if (e != E_OK)
        return embed_tell_early(options, e, &report);
    e = embed_env_open_dir(dir, &o, &env, &report);
    if (e == E_OK) {
        e = open_in(env, SELF, &o, &log, &report);
        if (e != E_OK)
            embed_env_close(env);
    }
    if (e == E_OK) {
        log->owns_env = true;
        *log_out = log;
    }
    return embed_tell(o.report, o.report_size, e, &report);
}

/* Everything that waits gets its answer; nobody is inside any more. With the lock. */
static enum err drain(struct dlog *log)
{
    enum err e;

    if (log->compaction != NULL)
        log_compact_stop(log->compaction);
    while (log->is_leading || log->long_calls > 0)
        os_cond_wait(&log->idle, &log->lock);
    e = embed_lead(log);
    if (e != E_OK)
        embed_fail(log, 0, e);
    while (log->waiting_threads > 0 || log->pending > 0) {
        embed_schedule(log);
        os_cond_wait(&log->idle, &log->lock);
    }
    return e;
}

int dlog_close(struct dlog *log)
{
    struct dlog_env *env;
    bool owns_env;
    enum err e;
    int entered;

    if (log == NULL)
        return DLOG_OK;
    env = log->env;
    owns_env = log->owns_env;
    if (!embed_is_forked(env) && embed_is_flusher(env))
        return DLOG_E_INVAL;
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    atomic_store(&log->is_closed, true);
    os_cond_broadcast(&log->readable);
    e = drain(log);
    embed_leave(log);
    embed_forget(log);

    os_mutex_lock(&log->lock); /* readers may be looking at the engine */
    embed_trace(env, DLOG_LEVEL_INFO, "log %s: closed", log->name);
    log_release(log);
    os_mutex_unlock(&log->lock);
    embed_unclaim(env, &log->claim);
    embed_unref(log);
    if (owns_env)
        embed_env_close(env);
    return embed_err(e);
}

int dlog_set_options(struct dlog *log, const struct dlog_options *options)
{
    struct log_options engine_options;
    struct dlog_options o;
    enum err e;
    int entered;

    if (options == NULL)
        return DLOG_E_INVAL;
    e = embed_options(options, &o, NULL);
    if (e != E_OK)
        return embed_err(e);
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    if (o.durability != log->options.durability) /* what was promised under the old one is kept */
        e = embed_sync(log);
    else if (o.segment_bytes < log->options.segment_bytes) /* and fits */
        e = embed_spill(log);
    if (e == E_OK) {
        engine_options = embed_engine_options(&o);
        o.create = log->options.create;
        o.format = log->options.format;
        o.report = NULL;
        log->options = o;
        e = log_set_options(log->engine, &engine_options);
        log->maintain_ms = os_mono_ms(log->env->os) + log->env->maintain_ms;
        embed_settle(log);
        embed_schedule(log);
    }
    embed_leave(log);
    return embed_err(e);
}
