#include "storage/log_priv.h"

#include "base/crc32c.h"
#include "base/parse.h"
#include "codec/codec.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/text_priv.h"

/*
 * Order of writing, so that a crash between any two steps is harmless: log
 * bytes synced (by the caller), index files synced, snapshot replaced, then the
 * checkpoint, which is what makes the others count.
 */
enum { CHECKPOINT_VERSION = 1, CHECKPOINT_DAMAGE_MAX = 1 << 20 };

void log_checkpoint_init(struct log_checkpoint *c)
{
    *c = (struct log_checkpoint){.window_bytes = -1, .recoded_codec = -1};
    vec_init(&c->segments, sizeof(struct log_checkpoint_segment), LOG_SEGMENTS_MAX);
    vec_init(&c->damaged, sizeof(struct log_checkpoint_damage), CHECKPOINT_DAMAGE_MAX);
    vec_init(&c->swaps, sizeof(int64_t), LOG_SEGMENTS_MAX);
}

void log_checkpoint_release(struct log_checkpoint *c)
{
    vec_release(&c->segments);
    vec_release(&c->damaged);
    vec_release(&c->swaps);
}

/* What there is only of a log that was compacted. */
static enum err encode_compaction(const struct log_checkpoint *c, struct buf *out)
{
    enum err e = E_OK;

    if (c->clean_offset > 0)
        e = buf_printf(out, "clean %lld\n", (long long)c->clean_offset);
    if (e == E_OK && c->recoded_codec >= 0)
        e = buf_printf(out, "recoded %d %lld\n", c->recoded_codec, (long long)c->recoded_offset);
    for (size_t i = 0; i < c->swaps.count && e == E_OK; i++)
        e = buf_printf(out, "swap %lld\n", (long long)*(int64_t *)vec_at(&c->swaps, i));
    return e;
}

enum err log_checkpoint_encode(const struct log_checkpoint *c, struct buf *out)
{
    char topic_id[UUID_TEXT_SIZE];
    enum err e;

    uuid_to_text(c->topic_id, topic_id);
    e = buf_printf(out,
                   "dlog.checkpoint %d\nstart %lld\nrecovery_point %lld\nwindow %lld\n"
                   "snapshot %d\ngaps %d\ntopic_id %s\n",
                   CHECKPOINT_VERSION, (long long)c->start_offset, (long long)c->recovery_point,
                   (long long)c->window_bytes, (int)c->has_snapshot, (int)c->has_gaps, topic_id);
    if (e == E_OK && c->format != LOG_FORMAT_BATCH)
        e = buf_printf(out, "format %s\n", log_format_text(c->format));
    for (size_t i = 0; i < c->segments.count && e == E_OK; i++) {
        const struct log_checkpoint_segment *s = vec_at(&c->segments, i);

        e = buf_printf(out, "segment %lld %lld %lld %lld %lld\n", (long long)s->base_offset,
                       (long long)s->size, (long long)s->max_timestamp,
                       (long long)s->max_timestamp_offset, (long long)s->first_timestamp);
    }
    for (size_t i = 0; i < c->damaged.count && e == E_OK; i++) {
        const struct log_checkpoint_damage *d = vec_at(&c->damaged, i);

        e = buf_printf(out, "damage %lld %lld %lld %lld %lld\n", (long long)d->segment,
                       (long long)d->damage.pos, (long long)d->damage.end,
                       (long long)d->damage.offset, (long long)d->damage.offset_end);
    }
    if (e == E_OK)
        e = encode_compaction(c, out);
    if (e == E_OK)
        e = buf_printf(out, "crc32c %08x\n", (unsigned)crc32c_of(out->at, out->size));
    return e;
}

/* `count` numbers separated by blanks, and nothing else. */
static enum err decode_numbers(struct slice line, int count, int64_t *numbers_out)
{
    for (int i = 0; i < count; i++) {
        if (parse_i64(text_word(&line), &numbers_out[i]) != E_OK)
            return E_CORRUPT;
    }
    return line.size == 0 ? E_OK : E_CORRUPT;
}

static enum err decode_segment(struct log_checkpoint *c, struct slice line)
{
    int64_t n[5];
    enum err e = decode_numbers(line, 5, n);
    struct log_checkpoint_segment s;

    if (e != E_OK)
        return e;
    s = (struct log_checkpoint_segment){n[0], n[1], n[2], n[3], n[4]};
    if (s.base_offset < 0 || s.size < 0)
        return E_CORRUPT;
    return vec_push(&c->segments, &s);
}

static enum err decode_damage(struct log_checkpoint *c, struct slice line)
{
    int64_t n[5];
    enum err e = decode_numbers(line, 5, n);
    struct log_checkpoint_damage d;

    if (e != E_OK)
        return e;
    d = (struct log_checkpoint_damage){n[0], {n[1], n[2], n[3], n[4]}};
    if (d.damage.pos < 0 || d.damage.end < d.damage.pos)
        return E_CORRUPT;
    return vec_push(&c->damaged, &d);
}

static enum err decode_recoded(struct log_checkpoint *c, struct slice line)
{
    int64_t n[2];

    if (decode_numbers(line, 2, n) != E_OK || n[0] < 0 || n[0] >= CODEC_COUNT || n[1] < 0)
        return E_CORRUPT;
    c->recoded_codec = (int)n[0];
    c->recoded_offset = n[1];
    return E_OK;
}

static enum err decode_line(struct log_checkpoint *c, struct slice line)
{
    struct slice word = text_word(&line);
    int64_t n;

    if (slice_equal_text(word, "segment"))
        return decode_segment(c, line);
    if (slice_equal_text(word, "damage"))
        return decode_damage(c, line);
    if (slice_equal_text(word, "topic_id"))
        return uuid_parse(line, &c->topic_id) == E_OK ? E_OK : E_CORRUPT;
    if (slice_equal_text(word, "recoded"))
        return decode_recoded(c, line);
    if (slice_equal_text(word, "format"))
        return log_parse_format(line, &c->format) ? E_OK : E_CORRUPT;
    if (decode_numbers(line, 1, &n) != E_OK)
        return E_CORRUPT;
    if (slice_equal_text(word, "swap"))
        return n < 0 ? E_CORRUPT : vec_push(&c->swaps, &n);
    if (slice_equal_text(word, "start"))
        c->start_offset = n;
    else if (slice_equal_text(word, "recovery_point"))
        c->recovery_point = n;
    else if (slice_equal_text(word, "window"))
        c->window_bytes = n;
    else if (slice_equal_text(word, "snapshot"))
        c->has_snapshot = n != 0;
    else if (slice_equal_text(word, "gaps"))
        c->has_gaps = n != 0;
    else if (slice_equal_text(word, "clean") && n >= 0)
        c->clean_offset = n;
    else
        return E_CORRUPT;
    return E_OK;
}

enum err log_checkpoint_decode(struct log_checkpoint *c, struct slice text)
{
    static const size_t crc_line = sizeof("crc32c 00000000\n") - 1;
    struct buf crc;
    struct slice line;
    int64_t version;
    enum err e;

    line = text_line(&text);
    if (!slice_equal_text(text_word(&line), "dlog.checkpoint") || parse_i64(line, &version) != E_OK)
        return E_CORRUPT;
    if (version != CHECKPOINT_VERSION)
        return E_UNSUPPORTED;
    if (text.size < crc_line)
        return E_CORRUPT;
    buf_init(&crc, crc_line + 1);
    e = buf_printf(
        &crc, "crc32c %08x\n",
        (unsigned)crc32c_add(crc32c_of("dlog.checkpoint 1\n", sizeof("dlog.checkpoint 1\n") - 1),
                             text.at, text.size - crc_line));
    if (e == E_OK &&
        !slice_equal(buf_slice(&crc), slice_of(text.at + text.size - crc_line, crc_line)))
        e = E_CORRUPT;
    buf_release(&crc);
    text.size -= crc_line;
    while (e == E_OK && text.size > 0)
        e = decode_line(c, text_line(&text));
    return e;
}

/* The segments up to the recovery point, the last one cut there. */
static enum err describe(const struct log *log, struct log_checkpoint *c)
{
    enum err e = E_OK;

    for (size_t i = 0; i < log_segment_count(log) && e == E_OK; i++) {
        const struct segment *s = log_segment_at(log, i);
        struct log_checkpoint_segment cs = {s->base_offset, s->size, s->max_timestamp,
                                            s->max_timestamp_offset, s->first_timestamp};

        if (s->base_offset > log->recovery.segment)
            break;
        if (s->base_offset == log->recovery.segment) {
            cs.size = log->recovery.pos;
            cs.max_timestamp = log->recovery.max_timestamp;
            cs.max_timestamp_offset = log->recovery.max_timestamp_offset;
        }
        e = vec_push(&c->segments, &cs);
        for (size_t d = 0; d < s->damaged.count && e == E_OK; d++) {
            struct log_checkpoint_damage cd = {s->base_offset,
                                               *(struct segment_damage *)vec_at(&s->damaged, d)};

            e = vec_push(&c->damaged, &cd);
        }
    }
    for (size_t i = 0; log->swaps != NULL && i < log->swaps->count && e == E_OK; i++)
        e = vec_push(&c->swaps, vec_at(log->swaps, i));
    return e;
}

enum err log_checkpoint_rewrite(struct log *log, struct os_dir *dir)
{
    struct log_checkpoint c;
    struct buf text;
    enum err e;

    log_checkpoint_init(&c);
    buf_init(&text, LOG_SMALL_FILE_MAX);
    c.start_offset = log->start_offset;
    c.recovery_point = log->recovery.offset;
    c.window_bytes = log->options.durability == LOG_DURABILITY_ALWAYS ? LOG_UNSYNCED_BYTES_MAX : -1;
    c.has_snapshot = log->recovery_has_snapshot;
    c.topic_id = log->topic_id;
    c.has_gaps = log->has_gaps;
    c.clean_offset = log->clean_offset;
    c.recoded_codec = log->recoded_codec;
    c.recoded_offset = log->recoded_offset;
    c.format = log->format;
    e = describe(log, &c);
    if (e == E_OK)
        e = log_checkpoint_encode(&c, &text);
    if (e == E_OK)
        e = os_dir_replace_file(dir, LOG_CHECKPOINT_NAME, buf_slice(&text));
    buf_release(&text);
    log_checkpoint_release(&c);
    return e;
}

/* Indexes of the segments that reach past the recovery point that stands. */
static enum err write_indexes(struct log *log, struct os_dir *dir, const struct log_point *point)
{
    enum err e = E_OK;

    for (size_t i = log_segment_count(log); i-- > 0 && e == E_OK;) {
        struct segment *s = log_segment_at(log, i);

        if (s->base_offset > point->segment)
            continue;
        e = segment_write_indexes(s, dir);
        if (s->base_offset <= log->recovery.segment)
            break;
    }
    return e;
}

enum err log_checkpoint_write(struct log *log, struct os_dir *dir, const struct log_point *point,
                              const struct log_snapshot *snapshot)
{
    struct log_point before = log->recovery;
    bool had_snapshot = log->recovery_has_snapshot;
    enum err e = write_indexes(log, dir, point);

    if (e == E_OK && log->has_loose_epochs) /* those of batches below it are not read again */
        e = log_write_epochs(log, dir);
    if (e == E_OK)
        e = log_write_snapshot(log, dir, point->offset, snapshot);
    if (e != E_OK)
        return e;
    log->recovery = *point;
    log->recovery_has_snapshot =
        snapshot != NULL ? snapshot->producers.size > 0 : producer_count(&log->producers) > 0;
    e = log_checkpoint_rewrite(log, dir);
    if (e != E_OK) {
        log->recovery = before;
        log->recovery_has_snapshot = had_snapshot;
        return e;
    }
    log->checkpointed_bytes = log->synced_bytes;
    if (log->begun.offset <= point->offset) /* a sync under way would take it back */
        log->begun.offset = -1;
    return log_remove_snapshots(log, dir, 0, point->offset);
}

enum err log_keep_damage(struct log *log, const struct segment *s)
{
    struct log_point end = log_end_point(log);
    bool is_settled = s->end_offset <= log->recovery.offset;
    struct os_dir *dir;
    enum err e;

    if (log_refuses(log))
        return E_BROKEN;
    e = is_settled ? E_OK : log_sync(log);
    if (e == E_OK)
        e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = is_settled ? log_checkpoint_rewrite(log, dir) : log_checkpoint_write(log, dir, &end, NULL);
    os_dir_close(dir);
    if (e == E_OK && !is_settled)
        log->begun.offset = -1; /* a sync under way must not take it back */
    return e == E_IO ? log_break(log, e) : e;
}

enum err log_write_epochs(struct log *log, struct os_dir *dir)
{
    struct buf text;
    enum err e;

    buf_init(&text, LOG_SMALL_FILE_MAX);
    e = epoch_encode(&log->epochs, &text);
    if (e == E_OK)
        e = log_put_file(log, dir, LOG_EPOCHS_NAME, buf_slice(&text));
    if (e == E_OK) {
        log->has_loose_epochs = log->is_fresh;
        log->has_wrong_epochs = false;
    }
    buf_release(&text);
    return e;
}

enum err log_write_epochs_soon(struct log *log, struct os_dir *dir)
{
    enum err e = log_write_epochs(log, dir);

    if (e != E_NO_SPACE)
        return e;
    log->has_loose_epochs = true;
    log->has_wrong_epochs = true;
    return E_OK;
}

enum err log_save_epochs(struct log *log, int32_t before, int64_t start)
{
    struct os_dir *dir;
    enum err e = log_dir_open(log, &dir);

    if (e == E_OK) {
        e = log_write_epochs(log, dir);
        os_dir_close(dir);
        if (e == E_IO)
            return log_break(log, e);
    }
    if (e != E_OK) { /* no room, no descriptor: as if nobody had asked */
        epoch_truncate(&log->epochs, start);
        if (epoch_begin(&log->epochs, before, start) != E_OK)
            return log_break(log, e);
    }
    return e;
}
