#include "storage/log_guard.h"

#include <stdlib.h>

#include "os/dir.h"
#include "os/file.h"
#include "storage/log_priv.h"

/*
 * The hot path is one atomic subtraction: a budget of bytes that may be appended before the file
 * system is asked again. Whoever uses it up asks; who comes meanwhile does not wait for the answer.
 */
enum {
    PERMILLE = 1000,
    PERCENT = 10, /* permille */
    HYSTERESIS_PERMILLE = 20,
    RESERVE_SHARE_MAX = 4, /* of the disk */
    MARGIN_SHARE = 4,      /* of the reserve */
    BALLAST_SHARE_MAX = 4, /* of the reserve */
    PAUSE_MIN_MS = 50
};

const char *log_disk_level_text(enum log_disk_level level)
{
    switch (level) {
    case LOG_DISK_OK:
        return "ok";
    case LOG_DISK_WARN:
        return "warn";
    case LOG_DISK_THROTTLE:
        return "throttle";
    case LOG_DISK_FULL:
        return "full";
    }
    abort();
}

void log_guard_init(struct log_guard *g)
{
    *g = (struct log_guard){.limits = {0}};
    atomic_flag_clear(&g->is_asking);
    atomic_init(&g->level, LOG_DISK_OK);
    atomic_init(&g->pause_ms, 0);
    atomic_init(&g->budget_bytes, 0);
    atomic_init(&g->asked_ms, 0);
    atomic_init(&g->size_bytes, 0);
    atomic_init(&g->free_bytes, 0);
}

static enum log_disk_level level_of(const struct log_guard *g)
{
    return (enum log_disk_level)atomic_load_explicit(&g->level, memory_order_relaxed);
}

/* Bytes in use from which on a limit holds; INT64_MAX: never. */
static int64_t limit_bytes(int32_t percent, bool was_over, int64_t size)
{
    int64_t permille = (int64_t)percent * PERCENT;

    if (percent <= 0 || percent >= PERMILLE / PERCENT)
        return INT64_MAX;
    if (was_over)
        permille -= percent < HYSTERESIS_PERMILLE ? percent : HYSTERESIS_PERMILLE;
    return size / PERMILLE * permille;
}

static int64_t reserve_of(const struct log_guard *g, int64_t size)
{
    int64_t most = size / RESERVE_SHARE_MAX;

    return g->limits.reserve_bytes < most ? g->limits.reserve_bytes : most;
}

/* What must be free beside the reserve before a full disk counts as one that is not. */
static int64_t margin_of(int64_t reserve)
{
    return reserve / MARGIN_SHARE + 1;
}

static enum log_disk_level level_for(const struct log_guard *g, const struct os_disk_usage *usage,
                                     int64_t wanted)
{
    enum log_disk_level was = level_of(g);
    int64_t size = usage->size_bytes, used = size - usage->free_bytes;
    int64_t reserve = reserve_of(g, size), room = usage->free_bytes - reserve;
    int64_t margin = margin_of(reserve);

    if (reserve > 0 && (room <= 0 || (room < wanted && wanted <= margin) ||
                        (was == LOG_DISK_FULL && room < margin)))
        return LOG_DISK_FULL;
    if (used >= limit_bytes(g->limits.throttle_percent, was >= LOG_DISK_THROTTLE, size))
        return LOG_DISK_THROTTLE;
    if (used >= limit_bytes(g->limits.warn_percent, was >= LOG_DISK_WARN, size))
        return LOG_DISK_WARN;
    return LOG_DISK_OK;
}

/* The longer the nearer the reserve. */
static int32_t pause_for(const struct log_guard *g, const struct os_disk_usage *usage,
                         enum log_disk_level level)
{
    int64_t size = usage->size_bytes, used = size - usage->free_bytes;
    int64_t from = limit_bytes(g->limits.throttle_percent, true, size);
    int64_t to = size - reserve_of(g, size);

    if (level == LOG_DISK_FULL)
        return LOG_GUARD_PAUSE_MS;
    if (level < LOG_DISK_THROTTLE)
        return 0;
    if (used >= to || used <= from)
        return used >= to ? LOG_GUARD_PAUSE_MS : PAUSE_MIN_MS;
    return PAUSE_MIN_MS + (int32_t)((double)(LOG_GUARD_PAUSE_MS - PAUSE_MIN_MS) *
                                    (double)(used - from) / (double)(to - from));
}

/* Bytes until the next question. */
static int64_t budget_for(const struct log_guard *g, const struct os_disk_usage *usage,
                          enum log_disk_level level)
{
    int64_t reserve = reserve_of(g, usage->size_bytes);
    int64_t room = reserve > 0 ? usage->free_bytes - reserve : INT64_MAX;

    if (level == LOG_DISK_FULL || room < 0)
        return 0;
    return room < LOG_GUARD_BYTES ? room : LOG_GUARD_BYTES;
}

static void note_usage(struct log_guard *g, const struct os_disk_usage *usage, int64_t wanted)
{
    enum log_disk_level level = level_for(g, usage, wanted);

    atomic_store_explicit(&g->size_bytes, usage->size_bytes, memory_order_relaxed);
    atomic_store_explicit(&g->free_bytes, usage->free_bytes, memory_order_relaxed);
    atomic_store_explicit(&g->pause_ms, pause_for(g, usage, level), memory_order_relaxed);
    atomic_store_explicit(&g->budget_bytes, budget_for(g, usage, level), memory_order_relaxed);
    atomic_store_explicit(&g->level, (int)level, memory_order_relaxed);
}

static int64_t ballast_of(const struct log_guard *g)
{
    int64_t size = atomic_load_explicit(&g->size_bytes, memory_order_relaxed);
    int64_t most = reserve_of(g, size) / BALLAST_SHARE_MAX;

    return g->limits.ballast_bytes < most ? g->limits.ballast_bytes : most;
}

static void drop_ballast(struct log_root *root)
{
    if (os_dir_remove_file(root->dir, LOG_BALLAST_NAME) == E_OK)
        root->guard.ballast_size = 0;
}

/* False: somebody else does just now. */
static bool begin_asking(struct log_guard *g)
{
    return !atomic_flag_test_and_set_explicit(&g->is_asking, memory_order_acquire);
}

static void end_asking(struct log_guard *g)
{
    atomic_flag_clear_explicit(&g->is_asking, memory_order_release);
}

/* Ask the file system, for an append of `wanted` bytes. False: somebody else does just now. */
static bool ask(struct log_root *root, int64_t wanted, int64_t wall_ms)
{
    struct log_guard *g = &root->guard;
    struct os_disk_usage usage = {.free_bytes = INT64_MAX};

    if (!begin_asking(g))
        return false;
    atomic_store_explicit(&g->asked_ms, wall_ms, memory_order_relaxed);
    /* A file system that does not tell is not held against anybody. */
    if (os_dir_usage(root->dir, &usage) == E_OK && usage.size_bytes > 0)
        note_usage(g, &usage, wanted);
    else
        atomic_store_explicit(&g->budget_bytes, LOG_GUARD_BYTES, memory_order_relaxed);
    if (g->ballast_size > 0 && usage.free_bytes < g->ballast_size)
        drop_ballast(root);
    end_asking(g);
    return true;
}

/* Also when the clock was set back. */
static bool is_older(const struct log_guard *g, int64_t wall_ms, int64_t ms)
{
    int64_t asked_ms = atomic_load_explicit(&g->asked_ms, memory_order_relaxed);

    return wall_ms < asked_ms || wall_ms - asked_ms >= ms;
}

/* Of an append larger than what a level goes by: is there room for it? */
static bool fits(const struct log_guard *g, int64_t size)
{
    int64_t reserve = reserve_of(g, atomic_load_explicit(&g->size_bytes, memory_order_relaxed));

    return reserve == 0 ||
           size <= atomic_load_explicit(&g->free_bytes, memory_order_relaxed) - reserve;
}

bool log_guard_admits(struct log_root *root, int64_t size, int64_t wall_ms)
{
    struct log_guard *g = &root->guard;
    bool was_full = level_of(g) == LOG_DISK_FULL;

    if (!g->is_on)
        return true;
    if (was_full && !is_older(g, wall_ms, LOG_GUARD_FULL_MS))
        return false;
    if (!was_full &&
        atomic_fetch_sub_explicit(&g->budget_bytes, size, memory_order_relaxed) >= size &&
        !is_older(g, wall_ms, LOG_GUARD_MS))
        return true;
    if (!ask(root, size, wall_ms))
        return !was_full;
    if (level_of(g) == LOG_DISK_FULL || !fits(g, size))
        return false;
    atomic_fetch_sub_explicit(&g->budget_bytes, size, memory_order_relaxed);
    return true;
}

void log_root_guard(struct log_root *root, const struct log_disk_limits *limits, int64_t wall_ms)
{
    struct log_guard *g = &root->guard;

    g->limits = *limits;
    g->is_on = true;
    if (os_dir_file_size(root->dir, LOG_BALLAST_NAME, &g->ballast_size) != E_OK)
        g->ballast_size = 0;
    (void)ask(root, 0, wall_ms);
    if (g->ballast_size > ballast_of(g)) /* there was to be more of it once */
        drop_ballast(root);
}

/* A part that could not be written is cut off: the disk is to be used for better things. */
static void grow_ballast(struct log_root *root, int64_t size)
{
    struct log_guard *g = &root->guard;
    int64_t from = g->ballast_size;
    int64_t step = size - from < LOG_GUARD_BALLAST_STEP ? size - from : LOG_GUARD_BALLAST_STEP;
    struct os_file *file;

    if (os_file_open(root->dir, LOG_BALLAST_NAME, OS_FILE_CREATE, &file) != E_OK)
        return;
    if (os_file_zero_fill(file, from, step) == E_OK)
        g->ballast_size = from + step;
    else if (os_file_truncate(file, from) != E_OK)
        drop_ballast(root);
    os_file_unref(file);
}

void log_root_ballast(struct log_root *root)
{
    struct log_guard *g = &root->guard;

    if (!g->is_on || level_of(g) != LOG_DISK_OK || log_root_is_broken(root) || !begin_asking(g))
        return;
    if (g->ballast_size < ballast_of(g))
        grow_ballast(root, ballast_of(g));
    end_asking(g);
}

struct log_disk log_root_disk(const struct log_root *root)
{
    const struct log_guard *g = &root->guard;

    return (struct log_disk){
        .level = level_of(g),
        .size_bytes = atomic_load_explicit(&g->size_bytes, memory_order_relaxed),
        .free_bytes = atomic_load_explicit(&g->free_bytes, memory_order_relaxed),
    };
}

struct log_disk log_root_look(struct log_root *root, int64_t wall_ms)
{
    if (root->guard.is_on)
        (void)ask(root, 0, wall_ms);
    return log_root_disk(root);
}

int32_t log_root_pause_ms(const struct log_root *root)
{
    return atomic_load_explicit(&root->guard.pause_ms, memory_order_relaxed);
}
