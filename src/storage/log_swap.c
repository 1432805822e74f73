#include "storage/log_compact_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "os/dir.h"

/*
 * The durable swap of segments. When it begins the new files are synced under names
 * that end in .cleaned, and the names are durable.
 *
 *   (1) replace dlog.checkpoint: it names the new segments, and says `swap` of each
 *       that is still called .cleaned                              <- the commit
 *   (2) rename them over the old ones; sync the directory
 *   (3) remove old segments that have no successor of their name; sync
 *   (4) replace dlog.checkpoint without `swap`
 *
 * Recovery drops .cleaned files that no `swap` names, and goes on at (2) otherwise;
 * (2) is durable before (3), so the old bytes or the new ones are all there at any time.
 */
static const char *const SUFFIXES[] = {".index", ".timeindex", ".txnindex", ".log"};
enum { SUFFIX_COUNT = 4, DIGITS = 20 };

static enum err rename_output(struct os_dir *dir, int64_t base_offset)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE], suffix[SEGMENT_NAME_SIZE / 2];
    enum err e = E_OK;

    for (int i = 0; i < SUFFIX_COUNT && e == E_OK; i++) {
        snprintf(suffix, sizeof(suffix), "%s" LOG_CLEANED_SUFFIX, SUFFIXES[i]);
        segment_name(base_offset, suffix, from);
        segment_name(base_offset, SUFFIXES[i], to);
        e = os_dir_rename(dir, from, to);
        if (e == E_NOT_FOUND) /* done before a crash */
            e = E_OK;
    }
    return e;
}

void log_swap_discard(struct log_compact *job)
{
    char name[SEGMENT_NAME_SIZE], suffix[SEGMENT_NAME_SIZE / 2];

    if (job->log->is_swap_unsure)
        return; /* the checkpoint may count on them */
    for (size_t i = 0; i < job->outputs.count; i++) {
        for (int k = 0; k < SUFFIX_COUNT; k++) {
            enum err e;

            snprintf(suffix, sizeof(suffix), "%s" LOG_CLEANED_SUFFIX, SUFFIXES[k]);
            segment_name(log_compact_output_at(job, i)->segment->base_offset, suffix, name);
            e = os_dir_remove_file(job->dir, name);
            (void)e; /* it is overwritten next time, and dropped at the next open */
        }
    }
}

/* In memory */

/* The first input's place among the segments of the log. */
static size_t first_index(const struct log_compact *job)
{
    return log_segment_index(job->log, log_compact_input_at(job, 0)->base_offset);
}

/* Is input `k` replaced? `*o` is the first output that may hold it. */
static bool is_replaced(const struct log_compact *job, size_t k, size_t *o)
{
    while (*o < job->outputs.count && log_compact_output_at(job, *o)->end_input <= k)
        ++*o;
    return *o < job->outputs.count && log_compact_output_at(job, *o)->first_input <= k;
}

/* The segments of the log with the outputs in the place of what they were made from. */
static enum err arrange(struct log_compact *job, struct vec *segments)
{
    struct log *log = job->log;
    size_t first = first_index(job), o = 0, next_output = 0;
    enum err e = vec_reserve(segments, log_segment_count(log) + job->outputs.count);

    for (size_t i = 0; i < log_segment_count(log) && e == E_OK; i++) {
        struct segment *old = log_segment_at(log, i);
        bool is_input = i >= first && i - first < job->write_count;

        while (is_input && next_output < job->outputs.count &&
               log_compact_output_at(job, next_output)->first_input == i - first && e == E_OK)
            e = vec_push(segments, &log_compact_output_at(job, next_output++)->segment);
        if (e == E_OK && (!is_input || !is_replaced(job, i - first, &o)))
            e = vec_push(segments, &old);
    }
    for (size_t i = 0; i + 1 < segments->count && e == E_OK; i++)
        (*(struct segment **)vec_at(segments, i))->end_offset =
            (*(struct segment **)vec_at(segments, i + 1))->base_offset;
    return e;
}

/* The log has the new segments now: forget what was known of the old ones. */
static void forget_old(struct log_compact *job, struct vec *old)
{
    struct log *log = job->log;
    size_t o = 0, first = 0;

    while ((*(struct segment **)vec_at(old, first))->base_offset !=
           log_compact_input_at(job, 0)->base_offset)
        first++;
    for (size_t k = 0; k < job->write_count; k++) {
        if (is_replaced(job, k, &o))
            segment_free(*(struct segment **)vec_at(old, first + k));
    }
    for (size_t i = 0; i < job->outputs.count; i++)
        log_compact_output_at(job, i)->segment = NULL; /* the log's */
    log->size_bytes = 0;
    log->open_sealed_count = 0;
    for (size_t i = 0; i < log_segment_count(log); i++) {
        struct segment *s = log_segment_at(log, i);

        s->allows_gaps = log->has_gaps;
        log->size_bytes += s->size;
        log->open_sealed_count += s->file != NULL && s != log_active(log);
    }
    log->replaced_count++;
    log->scrub.pos = 0; /* of the old file */
    log_files_note(log);
    log_memo_clear(log);
    log_refresh_max_timestamp(log);
}

/* On disk */

static bool is_base(const struct log *log, int64_t base_offset)
{
    return log_segment_at(log, log_segment_index(log, base_offset))->base_offset == base_offset;
}

static enum err remove_files(struct os_dir *dir, int64_t base_offset)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e = E_OK;

    for (int i = 0; i < SEGMENT_SUFFIX_COUNT && e == E_OK; i++) {
        segment_name(base_offset, segment_suffixes[i], name);
        e = os_dir_remove_file(dir, name);
        if (e == E_NOT_FOUND)
            e = E_OK;
    }
    return e;
}

/* (2) and (3). */
static enum err move_files(struct log_compact *job, const struct vec *bases)
{
    struct log *log = job->log;
    const struct log_compact_input *last = log_compact_input_at(job, job->write_count - 1);
    enum err e = E_OK;

    for (size_t i = 0; i < bases->count && e == E_OK; i++)
        e = rename_output(job->dir, *(int64_t *)vec_at(bases, i));
    if (e == E_OK)
        e = os_dir_sync(job->dir);
    for (size_t k = 0; k < job->write_count && e == E_OK; k++) {
        if (!is_base(log, log_compact_input_at(job, k)->base_offset))
            e = remove_files(job->dir, log_compact_input_at(job, k)->base_offset);
    }
    if (e == E_OK)
        e = log_remove_snapshots(log, job->dir, log_compact_input_at(job, 0)->base_offset,
                                 last->end_offset);
    return e == E_OK ? os_dir_sync(job->dir) : e;
}

/* What the checkpoint says besides the segments. */
static void note_progress(struct log_compact *job)
{
    struct log *log = job->log;

    if (job->options.has_keys) {
        log->clean_offset = job->end_offset;
        log->has_gaps = true;
    }
    if (job->options.codec >= 0 && job->write_count > 0) {
        log->recoded_codec = job->options.codec;
        log->recoded_offset = log_compact_input_at(job, job->write_count - 1)->end_offset;
    }
}

/* Nobody knows whether the checkpoint was replaced: replace it again by what was before. */
static enum err undo(struct log_compact *job, enum err e)
{
    job->log->is_swap_unsure = true;
    if (e == E_IO)
        return log_break(job->log, e);
    if (log_checkpoint_rewrite(job->log, job->dir) == E_OK)
        job->log->is_swap_unsure = false;
    return e;
}

/* (1) with the segments of `arranged`; on an error nothing has changed in memory. */
static enum err commit(struct log_compact *job, struct vec *arranged, const struct vec *bases)
{
    struct log *log = job->log;
    struct vec before = log->segments;
    int64_t clean_offset = log->clean_offset, recoded_offset = log->recoded_offset;
    int recoded_codec = log->recoded_codec;
    bool has_gaps = log->has_gaps;
    enum err e;

    note_progress(job);
    log->segments = *arranged;
    log->swaps = bases;
    e = log_checkpoint_rewrite(log, job->dir);
    log->swaps = NULL;
    if (e == E_OK) {
        *arranged = before;
        return E_OK;
    }
    log->segments = before;
    log->clean_offset = clean_offset;
    log->recoded_offset = recoded_offset;
    log->recoded_codec = recoded_codec;
    log->has_gaps = has_gaps;
    return undo(job, e);
}

/* Everything is as it should be but for what the checkpoint says of it. */
static enum err swap(struct log_compact *job, const struct vec *bases)
{
    struct log *log = job->log;
    struct vec segments;
    enum err e;

    vec_init(&segments, sizeof(struct segment *), LOG_SEGMENTS_MAX);
    e = arrange(job, &segments);
    if (e == E_OK)
        e = commit(job, &segments, bases);
    if (e != E_OK) {
        vec_release(&segments);
        return e;
    }
    log->is_swap_unsure = true;
    forget_old(job, &segments);
    vec_release(&segments);
    e = move_files(job, bases);
    if (e != E_OK)
        return log_break(log, e); /* half way: the next open goes on */
    e = log_swap_settle(log, job->dir);
    return e == E_IO ? e : E_OK; /* done; until it is settled no other compaction begins */
}

enum err log_swap_settle(struct log *log, struct os_dir *dir)
{
    enum err e;

    if (!log->is_swap_unsure)
        return E_OK;
    e = log_checkpoint_rewrite(log, dir);
    if (e == E_OK)
        log->is_swap_unsure = false;
    return e == E_IO ? log_break(log, e) : e;
}

enum err log_swap(struct log_compact *job)
{
    struct vec bases;
    enum err e;

    if (job->outputs.count == 0) {
        note_progress(job);
        e = log_checkpoint_rewrite(job->log, job->dir);
        return e == E_IO ? log_break(job->log, e) : e;
    }
    vec_init(&bases, sizeof(int64_t), LOG_SEGMENTS_MAX);
    e = vec_reserve(&bases, job->outputs.count);
    for (size_t i = 0; i < job->outputs.count && e == E_OK; i++)
        e = vec_push(&bases, &log_compact_output_at(job, i)->segment->base_offset);
    if (e == E_OK)
        e = swap(job, &bases);
    vec_release(&bases);
    return e;
}

/* After a crash */

struct recovery {
    const struct log_checkpoint *checkpoint;
    struct vec names; /* of struct old_name: files of segments that were replaced */
    enum err err;
};

struct old_name {
    char text[SEGMENT_NAME_SIZE];
};

bool log_swap_is_old(const struct log_checkpoint *c, int64_t base_offset)
{
    int64_t holder = -1;

    for (size_t i = 0; i < c->segments.count; i++) {
        const struct log_checkpoint_segment *s = vec_at(&c->segments, i);

        if (s->base_offset <= base_offset)
            holder = s->base_offset;
    }
    if (holder == base_offset)
        return false;
    for (size_t i = 0; i < c->swaps.count; i++) {
        if (*(int64_t *)vec_at(&c->swaps, i) == holder)
            return true;
    }
    return false;
}

static bool see_old(void *ctx, const char *name, bool is_dir)
{
    struct recovery *r = ctx;
    struct old_name old;
    int64_t base_offset;

    if (is_dir || strlen(name) <= DIGITS || strlen(name) >= sizeof(old.text) ||
        parse_i64(slice_of(name, DIGITS), &base_offset) != E_OK)
        return true;
    for (int i = 0; i < SEGMENT_SUFFIX_COUNT; i++) {
        if (strcmp(name + DIGITS, segment_suffixes[i]) == 0 &&
            log_swap_is_old(r->checkpoint, base_offset)) {
            memcpy(old.text, name, strlen(name) + 1);
            r->err = vec_push(&r->names, &old);
        }
    }
    return r->err == E_OK;
}

static enum err remove_old(struct os_dir *dir, const struct log_checkpoint *c)
{
    struct recovery r = {.checkpoint = c};
    enum err e;

    vec_init(&r.names, sizeof(struct old_name), 8 * LOG_SEGMENTS_MAX);
    e = os_dir_list(dir, see_old, &r);
    if (e == E_OK)
        e = r.err;
    for (size_t i = 0; i < r.names.count && e == E_OK; i++)
        e = os_dir_remove_file(dir, ((struct old_name *)vec_at(&r.names, i))->text);
    vec_release(&r.names);
    return e == E_OK ? os_dir_sync(dir) : e;
}

enum err log_swap_recover(struct os_dir *dir, struct log_checkpoint *c)
{
    struct buf text;
    enum err e = E_OK;

    for (size_t i = 0; i < c->swaps.count && e == E_OK; i++)
        e = rename_output(dir, *(int64_t *)vec_at(&c->swaps, i));
    if (e == E_OK)
        e = os_dir_sync(dir);
    if (e == E_OK)
        e = remove_old(dir, c);
    if (e != E_OK)
        return e;
    vec_clear(&c->swaps);
    buf_init(&text, LOG_SMALL_FILE_MAX);
    e = log_checkpoint_encode(c, &text);
    if (e == E_OK)
        e = os_dir_replace_file(dir, LOG_CHECKPOINT_NAME, buf_slice(&text));
    buf_release(&text);
    return e;
}
