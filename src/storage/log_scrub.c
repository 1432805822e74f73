#include "storage/log_scrub.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/parse.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/log_priv.h"
#include "storage/text_priv.h"

/*
 * A step sees one segment, through a view and a file of its own, so that nothing of it is shared
 * with the log while it runs. When it ends the log must still have that very file open: then what
 * was read is what the log serves.
 *
 *     idle --round due--> in a segment --its end--> the next one --none left--> idle
 *                         `pos` `offset`            dlog.scrub is written
 */
enum { STATE_FILE_MAX = 4096, WRONG_MAX = SEGMENT_DAMAGE_MAX };

static const char STATE_NAME[] = "dlog.scrub";
static const char STATE_FORMAT[] = "dlog.scrub 1\nround %lld\nnext %lld\n";

/* "word number"; E_CORRUPT */
static enum err decode_line(struct slice *text, const char *word, int64_t *number_out)
{
    struct slice line = text_line(text);

    if (!slice_equal_text(text_word(&line), word))
        return E_CORRUPT;
    return parse_i64(line, number_out) == E_OK ? E_OK : E_CORRUPT;
}

static enum err decode_state(struct slice text, struct log_scrub_state *state)
{
    struct slice whole = text;
    int64_t version, crc_text_size;
    struct buf crc;
    enum err e = decode_line(&text, "dlog.scrub", &version);

    if (e == E_OK)
        e = version == 1 ? decode_line(&text, "round", &state->round_ms) : E_CORRUPT;
    if (e == E_OK)
        e = decode_line(&text, "next", &state->next);
    if (e != E_OK)
        return e;
    crc_text_size = text.at - whole.at;
    buf_init(&crc, STATE_FILE_MAX);
    e = buf_printf(&crc, "crc32c %08x\n", (unsigned)crc32c_of(whole.at, (size_t)crc_text_size));
    if (e == E_OK && !slice_equal(buf_slice(&crc), text))
        e = E_CORRUPT;
    buf_release(&crc);
    return e;
}

/* A file that cannot be read is as good as none: then a round begins. */
static enum err load_state(struct log *log)
{
    struct log_scrub_state state = {.next = -1, .is_loaded = true};
    struct log_scrub_state found = state;
    struct os_dir *dir;
    struct buf text;
    enum err e = log_dir_open(log, &dir);

    if (e != E_OK)
        return e;
    buf_init(&text, STATE_FILE_MAX);
    e = os_dir_read_file(dir, STATE_NAME, &text);
    if (e == E_OK)
        e = decode_state(buf_slice(&text), &found);
    if (e == E_OK)
        state = found;
    if (e == E_CORRUPT || e == E_NOT_FOUND || e == E_TOO_BIG)
        e = E_OK;
    buf_release(&text);
    os_dir_close(dir);
    if (e == E_OK)
        log->scrub = state;
    return e;
}

static enum err save_state(struct log *log)
{
    struct os_dir *dir;
    struct buf text;
    enum err e = log_dir_open(log, &dir);

    if (e != E_OK)
        return e;
    buf_init(&text, STATE_FILE_MAX);
    e = buf_printf(&text, STATE_FORMAT, (long long)log->scrub.round_ms, (long long)log->scrub.next);
    if (e == E_OK)
        e = buf_printf(&text, "crc32c %08x\n", (unsigned)crc32c_of(text.at, text.size));
    if (e == E_OK)
        e = os_dir_replace_file(dir, STATE_NAME, buf_slice(&text));
    buf_release(&text);
    os_dir_close(dir);
    return e;
}

/* Sealed, and on the disk. */
static bool can_scrub(const struct log *log, size_t i)
{
    return i + 1 < log_segment_count(log) && log_segment_at(log, i) != log->sealed_unsynced &&
           log_segment_end(log, i) <= log->synced_offset;
}

bool log_scrub_is_due(const struct log *log, int64_t wall_ms)
{
    if (log->options.scrub_interval_ms <= 0 || !can_scrub(log, 0) || log_refuses(log))
        return false;
    return !log->scrub.is_loaded || log->scrub.next >= 0 ||
           wall_ms - log->scrub.round_ms >= log->options.scrub_interval_ms;
}

/* The segment to go on with, or the count of segments. */
static size_t find_next(const struct log *log)
{
    size_t i = log_segment_index(log, log->scrub.next);

    return log_segment_at(log, i)->base_offset < log->scrub.next ? i + 1 : i;
}

/* What the step needs to know of the segment, copied. */
static enum err describe(struct log_scrub *scrub, const struct log *log, const struct segment *s)
{
    struct log_view_segment vs = {.base_offset = s->base_offset,
                                  .end_offset = s->end_offset,
                                  .size = s->size,
                                  .settled = s->size};
    enum err e = vec_push(&scrub->view.segments, &vs);

    if (e == E_OK)
        e = log_view_add_damage(&scrub->view, s);
    scrub->view.settled_end = s->end_offset;
    for (size_t i = 0; i < log->epochs.entries.count && e == E_OK; i++) {
        const struct epoch_entry *entry = vec_at(&log->epochs.entries, i);

        if (entry->start < s->end_offset)
            e = vec_push(&scrub->view.epochs.entries, entry);
    }
    return e;
}

static void scrub_init(struct log_scrub *scrub, const struct log *log, int64_t wall_ms)
{
    memset(scrub, 0, sizeof(*scrub));
    vec_init(&scrub->view.segments, sizeof(struct log_view_segment), 1);
    vec_init(&scrub->view.snapshots, sizeof(int64_t), 1);
    vec_init(&scrub->view.damaged, sizeof(struct log_checkpoint_damage), SEGMENT_DAMAGE_MAX);
    vec_init(&scrub->wrong, sizeof(struct log_walk_item), WRONG_MAX);
    epoch_init(&scrub->view.epochs);
    scrub->view.has_gaps = log->has_gaps;
    scrub->view.format = log->format;
    scrub->wall_ms = wall_ms;
    scrub->generation = log->generation;
    scrub->replaced_count = log->replaced_count;
}

static enum err use_anchors(struct log_scrub *scrub, const struct log *log)
{
    struct os_dir *dir;
    enum err e = log_dir_open(log, &dir);

    if (e != E_OK)
        return e;
    e = log_walk_use_anchors(&scrub->walk, dir);
    os_dir_close(dir);
    return e;
}

static enum err begin_segment(struct log_scrub *scrub, struct log *log, struct segment *s)
{
    struct log_scrub_state *state = &log->scrub;
    enum err e = frame_has_offset(s->format) ? log_use_segment(log, s) : log_use_indexes(log, s);

    if (e == E_OK)
        e = describe(scrub, log, s);
    if (e == E_OK)
        e = log_walk_init(&scrub->walk, &scrub->view, 0);
    if (e == E_OK)
        e = use_anchors(scrub, log);
    if (e != E_OK)
        return e;
    if (state->segment != s->base_offset || state->pos > s->size || state->pos == 0)
        *state = (struct log_scrub_state){.round_ms = state->round_ms,
                                          .next = state->next,
                                          .segment = s->base_offset,
                                          .offset = s->base_offset,
                                          .began_ms = scrub->wall_ms,
                                          .is_loaded = true};
    scrub->file = os_file_ref(s->file);
    scrub->segment = s->base_offset;
    scrub->from = state->pos;
    log_walk_use_file(&scrub->walk, scrub->file);
    scrub->walk.is_uncached = true;
    scrub->walk.pos = state->pos;
    scrub->walk.forgotten = state->pos;
    scrub->walk.offset = state->offset;
    return E_OK;
}

enum err log_scrub_begin(struct log_scrub *scrub, struct log *log, int64_t size_max,
                         int64_t wall_ms)
{
    enum err e = E_OK;
    size_t i;

    if (!log_scrub_is_due(log, wall_ms))
        return E_NOT_FOUND;
    if (!log->scrub.is_loaded)
        e = load_state(log);
    if (e != E_OK)
        return e;
    if (!log_scrub_is_due(log, wall_ms))
        return E_NOT_FOUND;
    if (log->scrub.next < 0) {
        log->scrub.round_ms = wall_ms;
        log->scrub.next = 0;
    }
    i = find_next(log);
    if (i >= log_segment_count(log) || !can_scrub(log, i)) { /* what is sealed since: next time */
        log->scrub.next = -1;
        e = save_state(log);
        return e == E_OK ? E_NOT_FOUND : e;
    }
    scrub_init(scrub, log, wall_ms);
    scrub->size_max = size_max;
    e = begin_segment(scrub, log, log_segment_at(log, i));
    if (e != E_OK)
        log_scrub_drop(scrub);
    return e;
}

void log_scrub_run(struct log_scrub *scrub)
{
    struct log_walk *w = &scrub->walk;
    struct log_walk_item item;
    enum err e = E_OK;

    while (e == E_OK && w->pos - scrub->from < scrub->size_max) {
        e = log_walk_next(w, &item);
        if (e == E_OK && item.kind != LOG_WALK_BATCH)
            e = vec_push(&scrub->wrong, &item);
        if (e == E_TOO_BIG) /* as much as a segment can have marked */
            e = E_OK;
    }
    scrub->is_at_end = e == E_NOT_FOUND;
    scrub->result = e == E_NOT_FOUND ? E_OK : e;
}

void log_scrub_drop(struct log_scrub *scrub)
{
    os_file_unref(scrub->file);
    log_walk_release(&scrub->walk);
    log_view_release(&scrub->view);
    vec_release(&scrub->wrong);
}

static bool is_known(const struct segment *s, const struct log_walk_item *item)
{
    for (size_t i = 0; i < s->damaged.count; i++) {
        const struct segment_damage *d = vec_at(&s->damaged, i);

        if (item->pos < item->end ? d->pos <= item->pos && d->end >= item->end
                                  : d->offset <= item->offset && d->offset_end >= item->offset_end)
            return true;
    }
    return false;
}

static void mark(struct log *log, struct segment *s, const struct log_walk_item *item,
                 struct log_scrubbed *result)
{
    struct segment_damage damage = {item->pos, item->end, item->offset, item->offset_end};

    if (item->kind == LOG_WALK_UNREADABLE) {
        result->unreadable++;
        return;
    }
    if (is_known(s, item) || segment_add_damage(s, &damage) != E_OK)
        return;
    segment_remove_verified(s, item->pos, item->end);
    log_memo_clear(log);
    result->damaged_ranges++;
}

/* The bytes between what is wrong were right, on the disk, now. */
static void note_right(const struct log_scrub *scrub, struct segment *s)
{
    int64_t pos = scrub->from;

    for (size_t i = 0; i < scrub->wrong.count; i++) {
        const struct log_walk_item *item = vec_at(&scrub->wrong, i);

        segment_add_verified(s, pos, item->pos);
        pos = item->end;
    }
    segment_add_verified(s, pos, scrub->walk.pos);
}

/* The segment that was read, if the log still has that file; it may have been closed meanwhile. */
static struct segment *find_segment(const struct log_scrub *scrub, const struct log *log)
{
    size_t i = log_segment_index(log, scrub->segment);
    struct segment *s = log_segment_at(log, i);

    return scrub->generation == log->generation && scrub->replaced_count == log->replaced_count &&
                   s->base_offset == scrub->segment && s->end_offset == scrub->view.settled_end
               ? s
               : NULL;
}

/* Which step comes next. */
static void advance(const struct log_scrub *scrub, struct log *log, struct segment *s,
                    struct log_scrubbed *result)
{
    struct log_scrub_state *state = &log->scrub;

    state->pos = scrub->walk.pos;
    state->offset = scrub->walk.offset;
    if (!scrub->is_at_end)
        return;
    s->verified_ms = state->began_ms;
    state->next = s->end_offset;
    state->pos = 0;
    if (!can_scrub(log, find_next(log) < log_segment_count(log) ? find_next(log)
                                                                : log_segment_count(log) - 1)) {
        state->next = -1;
        result->is_round_done = true;
    }
}

static enum err save(struct log *log, const struct log_scrub *scrub, const struct segment *marked)
{
    enum err e = marked == NULL ? E_OK : log_keep_damage(log, marked);

    if (e == E_OK && scrub->is_at_end)
        e = save_state(log);
    return e == E_IO ? log_break(log, e) : e;
}

enum err log_scrub_finish(struct log_scrub *scrub, struct log *log, struct log_scrubbed *result_out)
{
    struct log_scrubbed result = {.bytes = scrub->walk.pos - scrub->from};
    struct segment *s = find_segment(scrub, log);
    enum err e = scrub->result;

    if (e == E_OK && s == NULL)
        e = E_AGAIN;
    if (e == E_OK && log_refuses(log))
        e = E_BROKEN;
    if (e == E_OK) {
        for (size_t i = 0; i < scrub->wrong.count; i++)
            mark(log, s, vec_at(&scrub->wrong, i), &result);
        note_right(scrub, s);
        advance(scrub, log, s, &result);
        e = save(log, scrub, result.damaged_ranges > 0 ? s : NULL);
    }
    log_scrub_drop(scrub);
    if (e == E_OK)
        *result_out = result;
    return e;
}
