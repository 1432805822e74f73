#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mem/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "record/batch.h"
#include "record/builder.h"
#include "sim.h"
#include "storage/log_priv.h"
#include "storage/log_repair.h"
#include "storage/log_scrub.h"

/*
 * sim-storage: the log engine alone, through crashes.
 *
 *     sim-storage [-v] [--twice] SEED [COUNT]
 *     sim-storage --file FILE             the seeds in it, one a line
 *
 * Each seed is a machine that lives a dozen times. A life opens the log, checks
 * what it finds against the model, then appends, syncs, reads, truncates, rolls;
 * most lives end in the middle of some disk call, also of recovery. Promises:
 *
 *   1. what was below synced_offset when a call returned is there, byte for byte
 *   2. what is there was appended: the same bytes at the same offset, in order
 *   3. what a truncate cut does not come back
 *   4. recovery that follows recovery finds the same
 *   5. an idempotent producer's last five batches are duplicates, also in the next
 *      lives; its next one is accepted and a gap is not
 *   6. after a failed sync nothing is acknowledged any more
 *   7. a life that closes in order leaves no memory, and the next one scans nothing
 *   8. a log with batches says whose it is; one that was deleted does not come back, and one
 *      of the same name that is made after it has none of its batches
 *   9. a bit that flips in a sealed segment is found by a scrub; repair from a copy makes every
 *      byte what it was, whatever crash comes between
 */
enum {
    LIVES_MAX = 12,
    OPS_MAX = 60,
    ENTRIES_MAX = 4096,
    PRODUCERS = 3,
    PRODUCER_ID_FIRST = 1000,
    WINDOW = 5,
    READ_SIZE = 64 << 10,
    LINE_SIZE = 200
};

/* A batch that was given to log_append, as it must stand in the log. */
struct entry {
    int64_t base_offset;
    int64_t next_offset;
    int producer; /* -1: none */
    int32_t sequence;
    uint8_t *bytes;
    size_t size;
};

struct model {
    uint64_t seed;
    struct sim_world *world;
    struct sim_node *node;
    struct os *os;
    struct entry entries[ENTRIES_MAX];
    int count;
    int64_t acked; /* every offset below must survive */
    int64_t cut;   /* a truncate to here was running; -1: none */
    int32_t epoch;
    bool has_producers;
    bool has_truncates;
    bool has_faults;
    bool has_rot;    /* bits flip in what is sealed; every eighth seed */
    bool is_rotten;  /* one did, and is not mended yet */
    int rounds;      /* of scrubbing */
    bool was_closed; /* the life before ended in order */
    bool is_broken;  /* a sync of this life failed */
    struct log_options options;
    struct log_root *root;
    struct uuid id;      /* of the topic that the log is of */
    struct uuid next_id; /* of the one that comes after, while it is deleted; zero: it is not */
    bool is_deleted;     /* with next_id: log_delete() has returned */
    int64_t appended;
    int64_t recovered;
};

__attribute__((format(printf, 2, 3), noreturn)) static void fail(const struct model *m,
                                                                 const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("FAILED seed %llu%s, life %d, %lld ns: %s; replay: make sim-storage ARGS=-v SEED=%llu\n",
           (unsigned long long)m->seed, m->has_faults ? " (syncs fail)" : "",
           sim_node_lives(m->node), (long long)sim_now_ns(m->world), text,
           (unsigned long long)m->seed);
    fflush(stdout);
    _Exit(1);
}

static struct rng *rng_of(const struct model *m)
{
    return sim_rng(m->world);
}

static int64_t model_end(const struct model *m)
{
    return m->count == 0 ? 0 : m->entries[m->count - 1].next_offset;
}

static void model_drop_last(struct model *m)
{
    sim_free(m->entries[--m->count].bytes);
}

/* Forget what begins at or after `offset`. */
static void model_cut(struct model *m, int64_t offset)
{
    while (m->count > 0 && m->entries[m->count - 1].base_offset >= offset)
        model_drop_last(m);
}

static const struct entry *model_find(const struct model *m, int64_t base_offset)
{
    for (int i = m->count - 1; i >= 0; i--) {
        if (m->entries[i].base_offset == base_offset)
            return &m->entries[i];
    }
    return NULL;
}

/* The `back`-th last batch of a producer, 0 is the last; NULL when there are not so many. */
static const struct entry *model_last(const struct model *m, int producer, int back)
{
    for (int i = m->count - 1; i >= 0; i--) {
        if (m->entries[i].producer == producer && back-- == 0)
            return &m->entries[i];
    }
    return NULL;
}

static void trace(const struct model *m, const char *what, int64_t offset, enum err e)
{
    sim_trace(m->world, m->node, what, (uint64_t)offset, e);
}

/* Reading. */

static void check_batch(struct model *m, const struct batch_view *view, int64_t expected)
{
    const struct entry *entry = model_find(m, view->header.base_offset);

    if (view->header.base_offset != expected)
        fail(m, "batch at %lld where %lld comes next", (long long)view->header.base_offset,
             (long long)expected);
    if (entry == NULL)
        fail(m, "a batch at %lld that nobody appended", (long long)expected);
    if (entry->size != view->bytes.size || memcmp(entry->bytes, view->bytes.at, entry->size) != 0)
        fail(m, "the batch at %lld has other bytes", (long long)expected);
}

/* Check the whole batches of one range; returns the offset after them. */
static int64_t check_range(struct model *m, const struct log_range *range, int64_t from)
{
    uint8_t *bytes = mem_must_alloc(range->size);
    struct batch_iter it;
    struct batch_view view;
    int64_t next = range->base_offset;
    size_t got = 0;
    enum err e = os_file_read(range->file, range->pos, bytes, range->size, &got);

    if (e != E_OK || got != range->size)
        fail(m, "a range of %zu bytes gives %zu, %s", range->size, got, err_name(e));
    if (range->base_offset > from)
        fail(m, "read at %lld begins at %lld", (long long)from, (long long)range->base_offset);
    it = batch_iter_init(slice_of(bytes, got));
    while (batch_iter_next(&it, &view)) {
        check_batch(m, &view, next);
        next = batch_next_offset(&view.header);
    }
    if (next <= from)
        fail(m, "the first batch at %lld is not whole", (long long)from);
    mem_free(bytes);
    return next;
}

static void check_log(struct model *m, struct log *log, int64_t from)
{
    int64_t end = log_end_offset(log);

    if (m->is_broken) /* the rest may be gone */
        end = log_synced_offset(log);
    if (m->cut >= 0 && m->cut < end)
        end = m->cut;

    trace(m, "read", from, E_OK);
    while (from < end) {
        struct log_range range;
        size_t size = 1 + (size_t)rng_below(rng_of(m), READ_SIZE);
        enum err e = log_read(log, from, end, size, &range);

        if (e != E_OK)
            fail(m, "read at %lld of %lld: %s", (long long)from, (long long)end, err_name(e));
        if (range.size == 0)
            fail(m, "nothing to read at %lld of %lld", (long long)from, (long long)end);
        from = check_range(m, &range, from);
        log_range_release(&range);
    }
    if (from < end || (from > end && !m->is_broken))
        fail(m, "read up to %lld, the end is %lld", (long long)from, (long long)end);
}

/* Appending. */

static void build(struct model *m, const struct batch_options *options, int records,
                  struct buf *batch_out)
{
    struct batch_builder builder;
    uint8_t value[3000];
    enum err e = E_OK;

    batch_builder_init(&builder, options);
    for (int i = 0; e == E_OK && i < records; i++) {
        size_t size =
            (size_t)rng_below(rng_of(m), rng_chance(rng_of(m), 1, 5) ? sizeof(value) : 100);

        rng_bytes(rng_of(m), value, size);
        e = batch_builder_add(&builder, &(struct record_draft){.timestamp_ms = os_wall_ms(m->os),
                                                               .value = slice_of(value, size)});
    }
    if (e == E_OK)
        e = batch_builder_finish(&builder, batch_out);
    if (e != E_OK)
        fail(m, "build: %s", err_name(e));
    batch_builder_release(&builder);
}

/* Note the batch that is about to be appended. */
static struct entry *model_add(struct model *m, const struct buf *batch, int records, int producer,
                               int32_t sequence)
{
    int64_t base = model_end(m);
    struct entry *entry = &m->entries[m->count++];

    *entry = (struct entry){.base_offset = base,
                            .next_offset = base + records,
                            .producer = producer,
                            .sequence = sequence,
                            .bytes = sim_alloc(batch->size),
                            .size = batch->size};
    memcpy(entry->bytes, batch->at, batch->size);
    batch_patch_offset_epoch(entry->bytes, base, m->epoch);
    return entry;
}

static enum err append(struct model *m, struct log *log, struct buf *batch,
                       struct log_appended *result_out)
{
    const struct log_append request = {.bytes = batch->at,
                                       .size = batch->size,
                                       .leader_epoch = m->epoch,
                                       .wall_ms = os_wall_ms(m->os)};

    return log_append(log, &request, result_out);
}

static void do_append(struct model *m, struct log *log)
{
    struct batch_options options = batch_options_init(0);
    int records = 1 + (int)rng_below(rng_of(m), 5);
    int producer = -1;
    struct log_appended result;
    struct entry *entry;
    struct buf batch;
    enum err e;

    if (m->count == ENTRIES_MAX)
        return;
    if (m->has_producers && rng_chance(rng_of(m), 2, 3)) {
        const struct entry *last;

        producer = (int)rng_below(rng_of(m), PRODUCERS);
        last = model_last(m, producer, 0);
        options.producer_id = PRODUCER_ID_FIRST + producer;
        options.producer_epoch = 0;
        options.base_sequence =
            last == NULL ? 0 : last->sequence + (int32_t)(last->next_offset - last->base_offset);
    }
    buf_init(&batch, 1 << 20);
    build(m, &options, records, &batch);
    entry = model_add(m, &batch, records, producer, options.base_sequence);
    e = append(m, log, &batch, &result);
    trace(m, "append", entry->base_offset, e);
    if (e != E_OK && !(m->is_broken && e == E_BROKEN) && !(m->has_faults && e == E_IO))
        fail(m, "append: %s", err_name(e));
    if (e == E_OK &&
        (result.first_offset != entry->base_offset || result.last_offset != entry->next_offset - 1))
        fail(m, "appended at %lld, expected %lld", (long long)result.first_offset,
             (long long)entry->base_offset);
    if (e == E_OK)
        m->appended++;
    else
        m->is_broken = true;
    if (e == E_BROKEN)
        model_drop_last(m); /* refused: none of it may ever be seen */
    buf_release(&batch);
}

/* A batch of the window again: a duplicate. A later one than the next: a gap. */
static void do_producer_checks(struct model *m, struct log *log)
{
    int producer = (int)rng_below(rng_of(m), PRODUCERS);
    int back = (int)rng_below(rng_of(m), WINDOW);
    const struct entry *entry = model_last(m, producer, back);
    struct batch_options options = batch_options_init(0);
    struct log_appended result = {.first_offset = -1};
    struct buf batch;
    enum err e;

    if (entry == NULL || m->is_broken)
        return;
    buf_init(&batch, 1 << 20);
    e = buf_append(&batch, entry->bytes, entry->size);
    if (e == E_OK)
        e = append(m, log, &batch, &result);
    if (e != E_DUPLICATE || result.first_offset != entry->base_offset)
        fail(m, "sequence %d of producer %d again: %s at %lld, first at %lld", entry->sequence,
             producer, err_name(e), (long long)result.first_offset, (long long)entry->base_offset);
    entry = model_last(m, producer, 0);
    options.producer_id = PRODUCER_ID_FIRST + producer;
    options.producer_epoch = 0;
    options.base_sequence = entry->sequence + 1000;
    buf_clear(&batch);
    build(m, &options, 1, &batch);
    e = append(m, log, &batch, &result);
    if (e != E_OUT_OF_ORDER)
        fail(m, "a gap in the sequences of producer %d: %s", producer, err_name(e));
    if (log_end_offset(log) != model_end(m))
        fail(m, "a refused append moved the end");
    buf_release(&batch);
}

static void note_synced(struct model *m, const struct log *log, bool was_broken)
{
    int64_t synced = log_synced_offset(log);

    if (synced > log_end_offset(log) || synced > model_end(m))
        fail(m, "synced up to %lld, past the end", (long long)synced);
    if (synced > m->acked) {
        if (was_broken)
            fail(m, "synced up to %lld after a failure", (long long)synced);
        m->acked = synced;
    }
}

static void do_sync(struct model *m, struct log *log)
{
    enum err e = log_sync(log);

    trace(m, "log sync", log_synced_offset(log), e);
    if (e == E_OK && m->is_broken && log_needs_sync(log))
        fail(m, "a sync after a failed one succeeds");
    if (e == E_OK && log_synced_offset(log) != log_end_offset(log))
        fail(m, "after a sync %lld of %lld", (long long)log_synced_offset(log),
             (long long)log_end_offset(log));
    if (e != E_OK) {
        if (!m->has_faults)
            fail(m, "sync: %s", err_name(e));
        m->is_broken = true;
    }
}

static void do_truncate(struct model *m, struct log *log)
{
    int64_t end = log_end_offset(log);
    int at = m->count == 0 ? 0 : (int)rng_below(rng_of(m), (uint64_t)m->count);
    int64_t offset = m->count == 0 ? 0 : m->entries[at].base_offset;
    enum err e;

    if (m->is_broken || (end - offset > 40 && rng_chance(rng_of(m), 9, 10)))
        return; /* mostly the tail */
    m->cut = offset;
    e = log_truncate(log, offset);
    trace(m, "cut", offset, e);
    if (e != E_OK && !m->has_faults)
        fail(m, "truncate: %s", err_name(e));
    if (e != E_OK) {
        m->is_broken = true;
        return;
    }
    m->cut = -1;
    model_cut(m, offset);
    m->acked = m->acked < offset ? m->acked : offset;
    if (log_end_offset(log) != offset)
        fail(m, "truncated to %lld, the end is %lld", (long long)offset,
             (long long)log_end_offset(log));
}

static void do_epoch(struct model *m, struct log *log)
{
    int32_t epoch = m->epoch + 1 + (int32_t)rng_below(rng_of(m), 2);
    enum err e = log_begin_epoch(log, epoch);

    trace(m, "epoch", epoch, e);
    if (e == E_OK && !m->is_broken) {
        m->epoch = epoch;
        if (log_latest_epoch(log) != epoch)
            fail(m, "epoch %d began, the latest is %d", epoch, log_latest_epoch(log));
    } else if (!m->has_faults) {
        fail(m, "begin epoch: %s", err_name(e));
    }
    m->is_broken |= e != E_OK;
}

static void do_maintain(struct model *m, struct log *log)
{
    enum err e = log_maintain(log, log_synced_offset(log), os_wall_ms(m->os));

    if (e != E_OK && !m->has_faults)
        fail(m, "maintain: %s", err_name(e));
    m->is_broken |= e != E_OK;
}

static struct log *open_log(struct model *m, struct log_recovery *found_out)
{
    struct log_open open = {m->root, "topic-0", &m->options, os_wall_ms(m->os)};
    struct report report = {0};
    struct log *log;
    enum err e = log_open(&open, &log, found_out, &report);

    if (e != E_OK)
        fail(m, "open: %s: %s", err_name(e), report.text);
    return log;
}

static void set_id(struct model *m, struct log *log)
{
    enum err e = log_set_topic_id(log, m->id);

    if (e != E_OK && !m->has_faults)
        fail(m, "set the id: %s", err_name(e));
    m->is_broken |= e != E_OK;
}

/* The topic that had the name is no more: nothing of it is expected, or allowed. */
static void model_renew(struct model *m)
{
    m->id = m->next_id;
    m->next_id = (struct uuid){{0}};
    m->is_deleted = false;
    m->acked = 0;
    m->cut = -1;
    model_cut(m, 0);
}

/* Delete the log and make one of another topic with the same name. */
static void do_renew(struct model *m, struct log **log)
{
    enum err e;

    if (m->is_broken)
        return;
    rng_bytes(rng_of(m), m->next_id.bytes, sizeof(m->next_id.bytes));
    e = log_delete(*log);
    trace(m, "delete", 0, e);
    if (e != E_OK && !m->has_faults)
        fail(m, "delete: %s", err_name(e));
    if (e != E_OK) {
        m->is_broken = true;
        return;
    }
    m->is_deleted = true;
    *log = open_log(m, NULL);
    model_renew(m);
    if (log_end_offset(*log) != 0 || !uuid_is_zero(log_topic_id(*log)))
        fail(m, "a new log has %lld records, or an id", (long long)log_end_offset(*log));
    set_id(m, *log);
}

static void do_something(struct model *m, struct log **at)
{
    struct log *log = *at;
    uint64_t draw = rng_below(rng_of(m), 100);
    bool was_broken = m->is_broken;

    if (draw < 55)
        do_append(m, log);
    else if (draw < 80)
        do_sync(m, log);
    else if (draw < 88 && log_end_offset(log) > 0)
        check_log(m, log, (int64_t)rng_below(rng_of(m), (uint64_t)log_end_offset(log)));
    else if (draw < 93 && m->has_producers)
        do_producer_checks(m, log);
    else if (draw < 96 && m->has_truncates)
        do_truncate(m, log);
    else if (draw < 98)
        do_epoch(m, log);
    else if (draw < 99)
        do_maintain(m, log);
    else
        do_renew(m, at);
    note_synced(m, *at, was_broken);
}

/* Bit rot. */

/* The batches of the model from `offset` on: the good copy. */
static enum err model_read(void *ctx, int64_t offset, int64_t end, struct buf *out)
{
    struct model *m = ctx;

    for (int i = 0; i < m->count && out->size < READ_SIZE; i++) {
        const struct entry *entry = &m->entries[i];

        if (entry->base_offset >= offset && entry->next_offset <= end &&
            buf_append(out, entry->bytes, entry->size) != E_OK)
            fail(m, "out of memory");
    }
    return out->size > 0 ? E_OK : E_NOT_FOUND;
}

/* Find and mend what rotted; afterwards there is nothing to find. */
static void mend(struct model *m, struct log *log)
{
    struct log_repair_source source = {.read = model_read, .ctx = m};
    struct log_verify_options options = {.is_uncached = true};
    struct log_verify_result found = {0};
    struct log_verify_range range;
    struct report report = {0};
    int64_t offset = 0;
    int marked = 0;
    enum err e = log_verify(log, &options, &found);

    if (e == E_OK)
        e = log_mark_damage(log, &found, &marked);
    log_verify_release(&found);
    while (e == E_OK && log_find_damage(log, offset, &range) == E_OK) {
        struct log_repaired repaired;

        offset = range.offset_end;
        e = log_repair(log, range.offset, &source, &repaired, &report);
        trace(m, "repair", range.offset, e);
    }
    if (e != E_OK)
        fail(m, "repair: %s: %s", err_name(e), report.text);
    e = log_verify(log, &options, &found);
    if (e != E_OK || found.range_count > 0)
        fail(m, "after the repair %d ranges are wrong", e == E_OK ? (int)found.range_count : -1);
    log_verify_release(&found);
    for (size_t i = 0; i < log_segment_count(log); i++) {
        if (log_segment_at(log, i)->damaged.count > 0 && m->is_rotten)
            fail(m, "after the repair there is a mark");
    }
    m->is_rotten = false;
}

/* A round to its end; returns how much damage it found. */
static int scrub(struct model *m, struct log *log)
{
    int64_t wall_ms = os_wall_ms(m->os) + ++m->rounds * 8 * 24 * 3600 * 1000ll;
    int found = 0;

    for (;;) {
        struct log_scrubbed result;
        struct log_scrub step;
        enum err e =
            log_scrub_begin(&step, log, 1 + (int64_t)rng_below(rng_of(m), READ_SIZE), wall_ms);

        if (e == E_NOT_FOUND)
            return found;
        if (e == E_OK) {
            log_scrub_run(&step);
            e = log_scrub_finish(&step, log, &result);
        }
        if (e != E_OK)
            fail(m, "scrub: %s", err_name(e));
        found += result.damaged_ranges;
        if (result.is_round_done)
            return found;
    }
}

/* Flip a bit, durably, in a sealed segment that a start would not scan. */
static bool flip(struct model *m, struct log *log)
{
    size_t i = (size_t)rng_below(rng_of(m), log_segment_count(log));
    struct segment *s = log_segment_at(log, i);
    char name[SEGMENT_NAME_SIZE];
    struct os_file *file;
    struct os_dir *dir;
    int64_t pos;
    uint8_t byte;
    size_t got;

    if (i + 1 == log_segment_count(log) || s->size == 0 ||
        log_segment_end(log, i) > log->recovery.offset)
        return false;
    pos = (int64_t)rng_below(rng_of(m), (uint64_t)s->size);
    segment_name(s->base_offset, ".log", name);
    if (log_dir_open(log, &dir) != E_OK || os_file_open(dir, name, OS_FILE_WRITE, &file) != E_OK ||
        os_file_read(file, pos, &byte, 1, &got) != E_OK)
        fail(m, "cannot flip a bit");
    m->is_rotten = true;
    byte ^= (uint8_t)(1 << rng_below(rng_of(m), 8));
    if (os_file_write(file, pos, &byte, 1) != E_OK || os_file_sync(file) != E_OK)
        fail(m, "cannot flip a bit");
    trace(m, "rot", pos, E_OK);
    os_file_unref(file);
    os_dir_close(dir);
    return true;
}

static void do_rot(struct model *m, struct log *log)
{
    int found;

    if (!flip(m, log))
        return;
    found = scrub(m, log); /* perhaps the rest of a round that a crash cut off */
    found += scrub(m, log);
    if (found != 1)
        fail(m, "a bit flipped, the scrubber found %d ranges", found);
    mend(m, log);
    check_log(m, log, 0);
}

/* A life. */

/* What recovery found is the truth now: forget what did not make it. */
static void check_recovered(struct model *m, struct log *log, const struct log_recovery *found)
{
    int64_t end = log_end_offset(log);

    trace(m, "open", end, E_OK);
    if (m->cut >= 0) {
        m->acked = m->acked < m->cut ? m->acked : m->cut;
        m->cut = -1;
    }
    if (m->was_closed && !found->was_clean)
        fail(m, "scanned %lld bytes after a close", (long long)found->scanned_bytes);
    if (m->was_closed && end != model_end(m))
        fail(m, "closed at %lld, opened at %lld", (long long)model_end(m), (long long)end);
    if (m->is_rotten)
        mend(m, log);
    else if (found->damaged_ranges > 0)
        fail(m, "took a crash for damage: %d ranges", found->damaged_ranges);
    if (end < m->acked)
        fail(m, "lost: the end is %lld, acknowledged was %lld", (long long)end,
             (long long)m->acked);
    if (end > model_end(m))
        fail(m, "invented: the end is %lld, appended was %lld", (long long)end,
             (long long)model_end(m));
    if (log_start_offset(log) != 0)
        fail(m, "the start moved to %lld", (long long)log_start_offset(log));
    check_log(m, log, 0);
    model_cut(m, end);
    if (model_end(m) != end)
        fail(m, "the end %lld is inside of a batch", (long long)end);
    m->was_closed = false;
    m->recovered++;
    if (log_latest_epoch(log) > m->epoch)
        m->epoch = log_latest_epoch(log); /* of a begin that was cut short */
    note_synced(m, log, false);
}

/* Whose is what was found? */
static void check_id(struct model *m, const struct log *log)
{
    struct uuid id = log_topic_id(log);
    bool is_next = !uuid_is_zero(m->next_id) && uuid_equal(id, m->next_id);

    if (uuid_is_zero(id) && log_end_offset(log) > 0)
        fail(m, "a log of %lld records is nobody's", (long long)log_end_offset(log));
    if (!uuid_is_zero(id) && !uuid_equal(id, m->id) && !is_next)
        fail(m, "a log of a topic that never was");
    if (!uuid_is_zero(m->next_id) && uuid_equal(id, m->id)) {
        if (m->is_deleted)
            fail(m, "a log that was deleted is back");
        m->next_id = (struct uuid){{0}};
    } else if (!uuid_is_zero(m->next_id)) {
        model_renew(m);
    }
}

static void life(void *ctx, struct os *os)
{
    struct model *m = ctx;
    struct log_recovery found = {0};
    struct report report = {0};
    struct log *log;
    int ops = (int)rng_below(rng_of(m), OPS_MAX);
    enum err e;

    m->os = os;
    e = log_root_open(os, "data", &m->root, &report);
    if (e != E_OK)
        fail(m, "open root: %s: %s", err_name(e), report.text);
    log = open_log(m, &found);
    check_id(m, log);
    check_recovered(m, log, &found);
    if (m->has_rot)
        do_rot(m, log);
    set_id(m, log);
    if (m->has_faults && rng_chance(rng_of(m), 1, 2))
        sim_node_disk(m->node)->sync_fail_ppm = 50000;
    for (int i = 0; i < ops; i++)
        do_something(m, &log);
    if (m->is_broken || rng_chance(rng_of(m), 1, 2))
        sim_node_crash(m->node);
    if (rng_chance(rng_of(m), 1, 4))
        sim_node_kill(m->node);
    sim_node_disk(m->node)->sync_fail_ppm = 0;
    trace(m, "close", log_end_offset(log), E_OK);
    log_close(log);
    log_root_close(m->root);
    m->acked = model_end(m);
    m->was_closed = true;
}

/* Runs. */

static void model_init(struct model *m, uint64_t seed)
{
    struct rng *rng;

    *m = (struct model){.seed = seed, .cut = -1};
    m->world = sim_world_new(seed);
    m->node = sim_node_new(m->world, "10.0.0.1");
    rng = rng_of(m);
    rng_bytes(rng, m->id.bytes, sizeof(m->id.bytes));
    m->has_producers = rng_chance(rng, 1, 2);
    m->has_truncates = !m->has_producers && rng_chance(rng, 1, 2);
    m->has_faults = rng_chance(rng, 1, 4);
    m->has_rot = seed % 8 == 2 && !m->has_faults;
    m->options = log_options_default();
    m->options.durability = LOG_DURABILITY_ALWAYS;
    m->options.segment_bytes = rng_between(rng, 16000, rng_chance(rng, 1, 2) ? 20000 : 200000);
    m->options.index_interval_bytes = rng_between(rng, 100, 4096);
    m->options.preallocate = rng_chance(rng, 1, 2);
    sim_node_disk(m->node)->is_tearing = rng_chance(rng, 1, 2);
}

/* -1: a promise was broken, and said so. */
static uint64_t run_seed(uint64_t seed, FILE *trace)
{
    struct model *m = sim_alloc(sizeof(*m));
    uint64_t hash;

    model_init(m, seed);
    sim_trace_to(m->world, trace);
    for (int i = 0; i < LIVES_MAX; i++) {
        struct rng *rng = rng_of(m);

        m->is_broken = false;
        sim_node_disk(m->node)->sync_fail_ppm = 0;
        sim_node_start(m->node, life, m);
        if (rng_chance(rng, 3, 4))
            sim_node_crash_after(m->node, 1 + rng_below(rng, rng_chance(rng, 1, 3) ? 40 : 400));
        while (sim_node_is_up(m->node) && sim_step(m->world))
            continue;
        if (m->was_closed && sim_node_leaked(m->node) > 0)
            fail(m, "leaked %zu bytes", sim_node_leaked(m->node));
    }
    hash = sim_trace_hash(m->world);
    printf("seed %llu hash %016llx batches %lld recoveries %lld\n", (unsigned long long)seed,
           (unsigned long long)hash, (long long)m->appended, (long long)m->recovered);
    model_cut(m, 0);
    sim_world_free(m->world);
    sim_free(m);
    return hash;
}

/* The seeds at the begin of the lines of a file; what follows one says what it found. */
static bool run_file(const char *path)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "r");
    int count = 0;

    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] >= '0' && line[0] <= '9') {
            run_seed(strtoull(line, NULL, 10), NULL);
            count++;
        }
    }
    fclose(file);
    return count > 0;
}

int main(int argc, char **argv)
{
    bool is_verbose = false;
    bool is_twice = false;
    uint64_t seed;
    uint64_t count;
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        is_verbose |= strcmp(argv[at], "-v") == 0;
        is_twice |= strcmp(argv[at], "--twice") == 0;
        if (strcmp(argv[at], "--file") == 0 && at + 1 < argc)
            return run_file(argv[at + 1]) ? 0 : 1;
    }
    if (at >= argc) {
        fprintf(stderr, "usage: sim-storage [-v] [--twice] SEED [COUNT] | --file FILE\n");
        return 2;
    }
    seed = strtoull(argv[at], NULL, 10);
    count = at + 1 < argc ? strtoull(argv[at + 1], NULL, 10) : 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = seed + i;
        uint64_t hash = run_seed(number, is_verbose ? stdout : NULL);

        if (is_twice && run_seed(number, NULL) != hash) {
            printf("FAILED seed %llu: the second run differs\n", (unsigned long long)number);
            return 1;
        }
    }
    return 0;
}
