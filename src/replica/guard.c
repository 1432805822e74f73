#include "replica/guard_priv.h"

#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "os/os.h"
#include "replica/manager_priv.h"
#include "storage/log_guard.h"
#include "trace/trace.h"

enum { LOOK_MS = 5000, LOOK_SHORT_MS = 1000 };

struct replica_guard {
    const struct replica_manager_options *options; /* the manager's */
    struct replica_guard_events events;
    struct loop *loop;
    struct loop_timer timer;
    bool is_short;
    bool is_awake;             /* the node has begun to serve: there is time for what can wait */
    enum log_disk_level *told; /* of each root; NULL: another shard traces */
};

void replica_roots_guard(struct replica_roots *roots, const struct config *config, int64_t wall_ms)
{
    const struct log_disk_limits limits = {
        .warn_percent = (int32_t)config_i64(config, CONFIG_DISK_WARN_PERCENT),
        .throttle_percent = (int32_t)config_i64(config, CONFIG_DISK_THROTTLE_PERCENT),
        .reserve_bytes = config_i64(config, CONFIG_DISK_RESERVE_BYTES),
        .ballast_bytes = config_i64(config, CONFIG_DISK_BALLAST_BYTES),
    };

    for (size_t i = 0; i < roots->count; i++)
        log_root_guard(roots->roots[i], &limits, wall_ms);
}

static const char *advice(enum log_disk_level level)
{
    switch (level) {
    case LOG_DISK_OK:
        return "there is room again";
    case LOG_DISK_WARN:
        return "retention and compaction run at once; free some space or make the disk larger";
    case LOG_DISK_THROTTLE:
        return "producers are slowed down; free some space or make the disk larger";
    case LOG_DISK_FULL:
        return "produce is refused until there is room: delete topics, lower their retention, or "
               "make the disk larger; reads and commits go on";
    }
    return "";
}

static void trace_level(const struct replica_guard *g, const char *path,
                        const struct log_disk *disk)
{
    static const enum trace_level LEVELS[] = {
        [LOG_DISK_OK] = TRACE_INFO,
        [LOG_DISK_WARN] = TRACE_WARN,
        [LOG_DISK_THROTTLE] = TRACE_WARN,
        [LOG_DISK_FULL] = TRACE_ERROR,
    };

    trace_event(g->options->trace, LEVELS[disk->level], TRACE_STORAGE, "disk_level",
                TRACE_FIELDS(trace_text("directory", path),
                             trace_text("disk", log_disk_level_text(disk->level)),
                             trace_i64("size_bytes", disk->size_bytes),
                             trace_i64("free_bytes", disk->free_bytes),
                             trace_text("text", advice(disk->level))));
}

/* The worst level of all roots. */
static enum log_disk_level look(struct replica_guard *g)
{
    const struct replica_roots *roots = g->options->roots;
    int64_t wall_ms = loop_wall_ms(g->loop);
    enum log_disk_level worst = LOG_DISK_OK;

    for (size_t i = 0; i < roots->count; i++) {
        struct log_disk disk = g->told == NULL ? log_root_disk(roots->roots[i])
                                               : log_root_look(roots->roots[i], wall_ms);

        if (g->told != NULL && disk.level != g->told[i]) {
            g->told[i] = disk.level;
            trace_level(g, log_root_path(roots->roots[i]), &disk);
        }
        if (disk.level > worst)
            worst = disk.level;
    }
    return worst;
}

static void on_timer(struct loop_timer *timer)
{
    struct replica_guard *g = LIST_ENTRY(timer, struct replica_guard, timer);
    const struct replica_roots *roots = g->options->roots;
    bool was_short = g->is_short;
    bool was_awake = g->is_awake;

    g->is_short = look(g) >= LOG_DISK_WARN;
    for (size_t i = 0; g->told != NULL && was_awake && i < roots->count; i++)
        log_root_ballast(roots->roots[i]);
    g->is_awake = true;
    if (g->is_short && !was_short)
        g->events.on_short(g->events.ctx);
    loop_timer_start(g->loop, timer,
                     loop_now_ms(g->loop) + (g->is_short || !was_awake ? LOOK_SHORT_MS : LOOK_MS));
}

enum err replica_guard_open(const struct replica_manager_options *options,
                            const struct replica_guard_events *events,
                            struct replica_guard **guard_out)
{
    struct replica_guard *g = mem_alloc_zero(sizeof(*g));

    if (g == NULL)
        return E_NOMEM;
    g->options = options;
    g->events = *events;
    g->loop = replica_shard_loop(options->shard);
    g->timer.fire = on_timer;
    if (options->shard_index == 0) {
        g->told = mem_alloc_zero(options->roots->count * sizeof(*g->told));
        if (g->told == NULL) {
            mem_free(g);
            return E_NOMEM;
        }
    }
    loop_timer_start(g->loop, &g->timer, loop_now_ms(g->loop));
    *guard_out = g;
    return E_OK;
}

void replica_guard_close(struct replica_guard *g)
{
    if (g == NULL)
        return;
    loop_timer_stop(g->loop, &g->timer);
    mem_free(g->told);
    mem_free(g);
}

bool replica_guard_is_short(const struct replica_guard *g)
{
    return g->is_short;
}
