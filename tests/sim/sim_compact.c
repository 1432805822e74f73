#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "mem/mem.h"
#include "os/file.h"
#include "os/os.h"
#include "record/builder.h"
#include "sim.h"
#include "storage/log.h"
#include "storage/log_compact.h"

/*
 * sim-compact: a compacted log through crashes.
 *
 *     sim-compact SEED [COUNT]
 *
 * Each seed is a machine that lives a dozen times. A life opens the log and reads it, then
 * updates and deletes keys, syncs and compacts; most lives end in the middle of some disk call,
 * often one of a compaction or of the recovery after it. Promises:
 *
 *   1. the last record of each key that was synced is there, also when it is a tombstone (they
 *      are kept for longer than the machine lives)
 *   2. what is there was appended, at rising offsets, and is taken for damage nowhere
 *   3. after a compaction no key has two records below its end
 */
enum { LIVES = 12, OPS_MAX = 60, RECORDS_MAX = 20000, KEYS = 30, READ_SIZE = 64 << 10 };

struct update {
    int key;
    int value; /* -1: a tombstone */
};

struct model {
    uint64_t seed;
    struct sim_world *world;
    struct sim_node *node;
    struct os *os;
    struct log_options options;
    struct update updates[RECORDS_MAX]; /* by offset */
    bool is_there[RECORDS_MAX];
    int64_t end;
    int64_t acked;
    int64_t compactions;
};

__attribute__((noreturn)) static void fail(const struct model *m, const char *what, int64_t offset,
                                           int64_t other)
{
    printf("FAILED seed %llu, life %d: %s: %lld, %lld; replay: sim-compact %llu\n",
           (unsigned long long)m->seed, sim_node_lives(m->node), what, (long long)offset,
           (long long)other, (unsigned long long)m->seed);
    fflush(stdout);
    _Exit(1);
}

static struct rng *rng_of(const struct model *m)
{
    return sim_rng(m->world);
}

/* Reading */

static void see_batch(struct model *m, struct slice batch, struct buf *unpack)
{
    struct record_view view;
    struct record_iter it;

    if (batch_check_crc(batch) != E_OK || record_iter_init(&it, batch, unpack) != E_OK)
        fail(m, "a batch cannot be read", 0, 0);
    while (record_iter_next(&it, &view)) {
        const struct update *u = &m->updates[view.offset];
        struct update found = {.key = -1, .value = -1};

        if (view.offset >= m->end)
            fail(m, "nobody appended", view.offset, m->end);
        if (view.key.size == sizeof(found.key))
            memcpy(&found.key, view.key.at, sizeof(found.key));
        if (view.value.at != NULL)
            memcpy(&found.value, view.value.at, sizeof(found.value));
        if (found.key != u->key || found.value != u->value)
            fail(m, "another record than was appended", view.offset, found.key);
        m->is_there[view.offset] = true;
    }
}

/* Which records are there? The whole log is read. */
static void read_log(struct model *m, struct log *log)
{
    int64_t offset = log_start_offset(log), end = log_end_offset(log);
    struct buf bytes, unpack;

    memset(m->is_there, 0, sizeof(m->is_there));
    buf_init(&bytes, 1 << 22);
    buf_init(&unpack, 1 << 22);
    while (offset < end) {
        struct log_range range;
        struct batch_iter it;
        struct batch_view batch;
        size_t got = 0;
        enum err e = log_read(log, offset, end, READ_SIZE, &range);

        if (e != E_OK)
            fail(m, err_name(e), offset, end);
        if (range.size == 0)
            break;
        buf_clear(&bytes);
        if (buf_reserve(&bytes, range.size) != E_OK ||
            os_file_read(range.file, range.pos, bytes.at, range.size, &got) != E_OK)
            fail(m, "a range cannot be read", offset, end);
        log_range_release(&range);
        it = batch_iter_init(slice_of(bytes.at, got));
        while (batch_iter_next(&it, &batch)) {
            if (batch_last_offset(&batch.header) < offset)
                fail(m, "offsets do not rise", batch.header.base_offset, offset);
            see_batch(m, batch.bytes, &unpack);
            offset = batch_next_offset(&batch.header);
        }
    }
    buf_release(&bytes);
    buf_release(&unpack);
}

/* The last record of each key is there; below `clean` it is the only one. */
static void check_log(struct model *m, struct log *log, int64_t clean)
{
    bool is_seen[KEYS] = {false};

    read_log(m, log);
    for (int64_t offset = m->end; offset-- > 0;) {
        int key = m->updates[offset].key;

        if (!is_seen[key] && !m->is_there[offset])
            fail(m, "the last record of a key is gone", offset, key);
        is_seen[key] = true;
    }
    memset(is_seen, 0, sizeof(is_seen));
    for (int64_t offset = clean; offset-- > 0;) {
        int key = m->updates[offset].key;

        if (is_seen[key] && m->is_there[offset])
            fail(m, "a key has two records below the clean offset", offset, key);
        is_seen[key] = true;
    }
}

/* Doing */

static void do_append(struct model *m, struct log *log)
{
    struct batch_options options = batch_options_init(0);
    int count = 1 + (int)rng_below(rng_of(m), 6);
    struct log_appended appended;
    struct batch_builder builder;
    uint8_t value[400] = {0};
    struct buf batch;
    enum err e = E_OK;

    if (m->end + count > RECORDS_MAX)
        return;
    options.codec = (enum codec_id)rng_below(rng_of(m), CODEC_COUNT);
    buf_init(&batch, 1 << 20);
    batch_builder_init(&builder, &options);
    for (int i = 0; i < count && e == E_OK; i++) {
        struct update u = {.key = (int)rng_below(rng_of(m), KEYS),
                           .value = rng_chance(rng_of(m), 1, 5) ? -1 : (int)m->end + i};
        struct record_draft draft = {.timestamp_ms = os_wall_ms(m->os),
                                     .key = slice_of(&u.key, sizeof(u.key))};

        m->updates[m->end + i] = u;
        rng_bytes(rng_of(m), value, sizeof(value));
        memcpy(value, &u.value, sizeof(u.value));
        if (u.value >= 0)
            draft.value = slice_of(value, 4 + (size_t)rng_below(rng_of(m), sizeof(value) - 4));
        e = batch_builder_add(&builder, &draft);
    }
    if (e == E_OK)
        e = batch_builder_finish(&builder, &batch);
    m->end += count; /* it may be there from now on */
    if (e == E_OK)
        e = log_append(log,
                       &(struct log_append){
                           .bytes = batch.at, .size = batch.size, .wall_ms = os_wall_ms(m->os)},
                       &appended);
    if (e != E_OK)
        fail(m, err_name(e), m->end, 0);
    batch_builder_release(&builder);
    buf_release(&batch);
}

static void do_sync(struct model *m, struct log *log)
{
    enum err e = log_sync(log);

    if (e != E_OK)
        fail(m, err_name(e), m->end, 0);
    m->acked = log_synced_offset(log);
}

static void do_compact(struct model *m, struct log *log)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_result result;
    struct log_compact *job;
    enum err e;

    o.map_bytes = rng_chance(rng_of(m), 1, 3) ? 64 * 24 : 1 << 16;
    o.delete_retention_ms = 1000ll * 3600 * 1000;
    if (rng_chance(rng_of(m), 1, 4))
        o.codec = (int)rng_below(rng_of(m), CODEC_COUNT);
    e = log_compact_begin(log, &o, log_synced_offset(log), os_wall_ms(m->os), &job);
    m->acked = log_synced_offset(log);
    if (e == E_NOT_FOUND)
        return;
    if (e != E_OK)
        fail(m, err_name(e), m->end, 0);
    while (log_compact_run(job))
        ;
    if (rng_chance(rng_of(m), 1, 2))
        do_append(m, log);
    e = log_compact_finish(job, &result);
    if (e != E_OK)
        fail(m, err_name(e), m->end, 1);
    m->compactions++;
    check_log(m, log, result.clean_offset);
}

static void life(void *ctx, struct os *os)
{
    struct model *m = ctx;
    int ops = (int)rng_below(rng_of(m), OPS_MAX);
    struct log_recovery found = {0};
    struct report report = {0};
    struct log_root *root;
    struct log *log;
    enum err e;

    m->os = os;
    e = log_root_open(os, "data", &root, &report);
    if (e == E_OK)
        e = log_open(
            &(struct log_open){
                .root = root, .name = "topic-0", .options = &m->options, .wall_ms = os_wall_ms(os)},
            &log, &found, &report);
    if (e != E_OK || found.damaged_ranges > 0)
        fail(m, e == E_OK ? "a crash was taken for damage" : report.text, found.damaged_ranges, 0);
    if (log_end_offset(log) < m->acked || log_end_offset(log) > m->end)
        fail(m, "another end", log_end_offset(log), m->acked);
    m->end = log_end_offset(log);
    m->acked = m->end;
    check_log(m, log, 0);
    for (int i = 0; i < ops; i++) {
        uint64_t draw = rng_below(rng_of(m), 100);

        if (draw < 70)
            do_append(m, log);
        else if (draw < 85)
            do_sync(m, log);
        else
            do_compact(m, log);
    }
    if (rng_chance(rng_of(m), 1, 2))
        sim_node_crash(m->node);
    log_close(log);
    log_root_close(root);
    m->acked = m->end;
}

static void run_seed(uint64_t seed)
{
    struct model *m = sim_alloc(sizeof(*m));
    struct rng *rng;

    memset(m, 0, sizeof(*m));
    m->seed = seed;
    m->world = sim_world_new(seed);
    m->node = sim_node_new(m->world, "10.0.0.1");
    rng = rng_of(m);
    m->options = log_options_default();
    m->options.is_compacted = true;
    m->options.is_deleted = false;
    m->options.segment_bytes = rng_between(rng, 3000, 10000);
    m->options.index_interval_bytes = rng_between(rng, 100, 4096);
    m->options.preallocate = rng_chance(rng, 1, 3);
    sim_node_disk(m->node)->is_tearing = rng_chance(rng, 1, 2);
    for (int i = 0; i < LIVES; i++) {
        sim_node_start(m->node, life, m);
        if (rng_chance(rng, 4, 5))
            sim_node_crash_after(m->node, 1 + rng_below(rng, rng_chance(rng, 1, 3) ? 60 : 500));
        while (sim_node_is_up(m->node) && sim_step(m->world))
            continue;
    }
    printf("seed %llu hash %016llx records %lld compactions %lld\n", (unsigned long long)seed,
           (unsigned long long)sim_trace_hash(m->world), (long long)m->end,
           (long long)m->compactions);
    sim_world_free(m->world);
    sim_free(m);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    for (uint64_t i = 0; i < count; i++)
        run_seed(seed + i);
    return 0;
}
