#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "embed/embed_priv.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/fork.h"
#include "os/os.h"
#include "os/thread.h"

static const char LOCK_NAME[] = ".lock";
enum { PATH_SIZE_MAX = 4096 };

bool embed_is_forked(const struct dlog_env *env)
{
    return os_fork_mark_is_child(env->mark);
}

void embed_env_ref(struct dlog_env *env)
{
    atomic_fetch_add(&env->refs, 1);
}

void embed_env_unref(struct dlog_env *env)
{
    if (atomic_fetch_sub(&env->refs, 1) > 1)
        return;
    os_fork_mark_close(env->mark);
    mem_free(env);
}

static struct dlog_env *env_new(const struct dlog_env_options *options)
{
    struct dlog_env *env = mem_alloc_zero(sizeof(*env));

    if (env == NULL)
        return NULL;
    if (os_fork_mark_open(&env->mark) != E_OK) {
        mem_free(env);
        return NULL;
    }
    atomic_init(&env->refs, 1);
    env->trace = options->trace;
    env->trace_ctx = options->trace_ctx;
    env->trace_level = options->trace_level;
    env->maintain_ms = options->maintain_ms;
    env->disk_limits = (struct log_disk_limits){
        .warn_percent = (int32_t)options->disk_warn_percent,
        .throttle_percent = (int32_t)options->disk_throttle_percent,
        .reserve_bytes = options->disk_reserve_bytes,
    };
    atomic_init(&env->disk_level, LOG_DISK_OK);
    os_mutex_init(&env->lock);
    os_cond_init(&env->wake);
    os_cond_init(&env->left);
    list_init(&env->claims);
    heap_init(&env->due);
    return env;
}

void embed_env_close(struct dlog_env *env)
{
    if (env == NULL)
        return;
    if (env->flusher != NULL) {
        os_mutex_lock(&env->lock);
        env->is_closing = true;
        os_cond_signal(&env->wake);
        os_mutex_unlock(&env->lock);
        os_thread_join(env->flusher);
    }
    log_root_close(env->root);
    os_lock_release(env->outer_lock);
    os_close(env->os);
    os_cond_release(&env->wake);
    os_cond_release(&env->left);
    os_mutex_release(&env->lock);
    embed_env_unref(env);
}

/* Open the root; with `must_exist` nothing is created. */
static enum err open_root(struct dlog_env *env, const char *path, bool must_exist,
                          struct report *report)
{
    enum err e = os_open(&env->os);
    struct os_dir *dir;

    if (e != E_OK)
        return e;
    if (must_exist) {
        e = os_dir_open(env->os, path, false, &dir);
        if (e != E_OK) {
            report_set(report, "%s: %s", path, err_text(e));
            return e;
        }
        os_dir_close(dir);
    }
    e = log_root_open(env->os, path, &env->root, report);
    if (e == E_OK)
        embed_disk_guard(env);
    return e;
}

/* What a crash left of deleted logs goes. */
static bool ignore(void *ctx, const char *name)
{
    return true;
}

static enum err start(struct dlog_env *env, struct report *report)
{
    enum err e = os_thread_start(env->os, "dlog-flusher", embed_flusher_main, env, &env->flusher);

    if (e != E_OK)
        report_set(report, "start the flusher thread: %s", err_text(e));
    return e;
}

int dlog_env_open(const char *path, const struct dlog_env_options *options,
                  struct dlog_env **env_out)
{
    struct report report = {0};
    struct dlog_env_options o;
    struct dlog_env *env = NULL;
    enum err e;

    if (path == NULL || env_out == NULL)
        return DLOG_E_INVAL;
    e = embed_env_options(options, &o, &report);
    if (e != E_OK)
        return embed_tell_env_early(options, e, &report);
    env = env_new(&o);
    e = env == NULL ? E_NOMEM : open_root(env, path, o.must_exist, &report);
    if (e == E_OK) {
        e = log_root_list(env->root, ignore, NULL);
        if (e != E_OK)
            report_set(&report, "look into %s: %s", path, err_text(e));
    }
    if (e == E_OK)
        e = start(env, &report);
    if (e != E_OK) {
        embed_env_close(env);
        return embed_tell(o.report, o.report_size, e, &report);
    }
    *env_out = env;
    return embed_tell(o.report, o.report_size, E_OK, &report);
}

/*
 * The directory may lie in the root of somebody who would open this log, too: then there is a lock
 * beside it.
 */
static enum err lock_outer(struct dlog_env *env, const char *path, struct report *report)
{
    char above[PATH_SIZE_MAX];
    struct os_file *file;
    struct os_dir *dir;
    enum err e;

    if (snprintf(above, sizeof(above), "%s/..", path) >= (int)sizeof(above))
        return E_INVAL;
    if (os_dir_open(env->os, above, false, &dir) != E_OK)
        return E_OK; /* may not be looked into, so no root of ours */
    e = os_file_open(dir, LOCK_NAME, OS_FILE_READ, &file);
    if (e == E_OK) {
        os_file_unref(file);
        e = os_dir_lock(dir, LOCK_NAME, &env->outer_lock);
        if (e == E_BUSY)
            report_set(report, "%s: another process has the root around it open (%s/%s)", path,
                       above, LOCK_NAME);
    }
    os_dir_close(dir);
    return e == E_BUSY ? E_BUSY : E_OK;
}

enum err embed_env_open_dir(const char *dir, const struct dlog_options *options,
                            struct dlog_env **env_out, struct report *report)
{
    struct dlog_env_options o;
    struct dlog_env *env = NULL;
    enum err e = embed_env_options(NULL, &o, report);

    if (e != E_OK)
        return e;
    env = env_new(&o);
    e = env == NULL ? E_NOMEM : open_root(env, dir, options->create == DLOG_CREATE_NEVER, report);
    if (e == E_OK)
        e = lock_outer(env, dir, report);
    if (e == E_OK)
        e = start(env, report);
    if (e != E_OK) {
        embed_env_close(env);
        return e;
    }
    *env_out = env;
    return E_OK;
}

int dlog_env_close(struct dlog_env *env)
{
    bool is_used;

    if (env == NULL)
        return DLOG_OK;
    if (embed_is_forked(env))
        return DLOG_E_FORKED;
    os_mutex_lock(&env->lock);
    is_used = !list_is_empty(&env->claims);
    os_mutex_unlock(&env->lock);
    if (is_used)
        return DLOG_E_BUSY;
    embed_env_close(env);
    return DLOG_OK;
}

enum err embed_claim(struct dlog_env *env, struct embed_claim *claim, const char *name)
{
    enum err e = E_OK;

    os_mutex_lock(&env->lock);
    for (struct list_node *n = env->claims.next; n != &env->claims; n = n->next) {
        if (strcmp(LIST_ENTRY(n, struct embed_claim, node)->name, name) == 0)
            e = E_BUSY;
    }
    if (e == E_OK) {
        claim->name = name;
        list_push_back(&env->claims, &claim->node);
    }
    os_mutex_unlock(&env->lock);
    return e;
}

void embed_unclaim(struct dlog_env *env, struct embed_claim *claim)
{
    os_mutex_lock(&env->lock);
    list_remove(&claim->node);
    os_mutex_unlock(&env->lock);
}

/* The names are collected first: `each` may do what it likes to the root. */
struct names {
    struct buf text; /* NUL after each */
    enum err err;
};

static bool collect(void *ctx, const char *name)
{
    struct names *names = ctx;

    if (embed_is_name(name))
        names->err = buf_append(&names->text, name, strlen(name) + 1);
    return names->err == E_OK;
}

int dlog_list(struct dlog_env *env, bool (*each)(void *ctx, const char *name), void *ctx)
{
    struct names names = {.err = E_OK};
    enum err e;

    if (env == NULL || each == NULL)
        return DLOG_E_INVAL;
    if (embed_is_forked(env))
        return DLOG_E_FORKED;
    buf_init(&names.text, SIZE_MAX);
    e = log_root_list(env->root, collect, &names);
    if (e == E_OK)
        e = names.err;
    for (size_t at = 0; e == E_OK && at < names.text.size;) {
        const char *name = (const char *)names.text.at + at;
        bool has_log = false;

        e = embed_has_log(env, name, &has_log);
        if (e == E_OK && has_log && !each(ctx, name))
            break;
        at += strlen(name) + 1;
    }
    buf_release(&names.text);
    return embed_err(e);
}

int dlog_delete(struct dlog_env *env, const char *name)
{
    struct embed_claim claim = {.name = NULL};
    bool has_log;
    enum err e;

    if (env == NULL || name == NULL || !embed_is_name(name))
        return DLOG_E_INVAL;
    if (embed_is_forked(env))
        return DLOG_E_FORKED;
    if (log_root_is_broken(env->root))
        return DLOG_E_BROKEN;
    e = embed_claim(env, &claim, name);
    if (e != E_OK)
        return embed_err(e);
    e = embed_has_log(env, name, &has_log);
    if (e == E_OK)
        e = has_log ? log_root_delete(env->root, name) : E_NOT_FOUND;
    embed_unclaim(env, &claim);
    if (e == E_OK)
        embed_trace(env, DLOG_LEVEL_INFO, "log %s: deleted", name);
    return embed_err(e);
}
