#include "storage/log_view.h"

#include <string.h>

#include "base/parse.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/log_priv.h"
#include "storage/text_priv.h"

enum { DIGITS = 20, FORMAT_FILE_MAX = 64 };

struct listing {
    struct log_view *view;
    struct vec cleaned; /* of int64_t: segments called .cleaned */
    bool has_checkpoint;
    bool has_epochs;
    bool has_format;
    enum err err;
};

/* "00000000000000000042.log" and ".log" give 42. */
static bool parse_name(const char *name, const char *suffix, int64_t *offset_out)
{
    return strlen(name) == DIGITS + strlen(suffix) && strcmp(name + DIGITS, suffix) == 0 &&
           parse_i64(slice_of(name, DIGITS), offset_out) == E_OK && *offset_out >= 0;
}

static bool see(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    int64_t offset;

    if (is_dir)
        return true;
    if (parse_name(name, ".log", &offset)) {
        struct log_view_segment s = {.base_offset = offset, .end_offset = INT64_MAX};

        l->err = vec_push(&l->view->segments, &s);
    } else if (parse_name(name, ".log" LOG_CLEANED_SUFFIX, &offset)) {
        l->err = vec_push(&l->cleaned, &offset);
    } else if (parse_name(name, ".snapshot", &offset)) {
        l->err = vec_push(&l->view->snapshots, &offset);
    } else {
        l->has_checkpoint |= strcmp(name, LOG_CHECKPOINT_NAME) == 0;
        l->has_epochs |= strcmp(name, LOG_EPOCHS_NAME) == 0;
        l->has_format |= strcmp(name, LOG_FORMAT_NAME) == 0;
    }
    return l->err == E_OK;
}

static struct log_view_segment *segment_at(const struct log_view *view, size_t i)
{
    return vec_at(&view->segments, i);
}

static enum err read_small(const struct log_view *view, const char *name, struct buf *text,
                           struct report *report)
{
    enum err e;

    buf_init(text, LOG_SMALL_FILE_MAX);
    e = os_dir_read_file(view->dir, name, text);
    if (e != E_OK)
        report_set(report, "read %s: %s", name, err_text(e));
    return e;
}

static enum err read_format(struct log_view *view, struct report *report)
{
    struct buf text;
    struct slice rest, word;
    enum err e = read_small(view, LOG_FORMAT_NAME, &text, report);

    rest = buf_slice(&text);
    word = text_line(&rest);
    if (e == E_OK && !log_parse_format(word, &view->format)) {
        report_set(report, "%s says a format that is neither batch nor message", LOG_FORMAT_NAME);
        e = E_UNSUPPORTED;
    }
    buf_release(&text);
    return e;
}

static enum err read_epochs(struct log_view *view, struct report *report)
{
    struct buf text;
    enum err e = read_small(view, LOG_EPOCHS_NAME, &text, report);

    if (e == E_OK)
        e = epoch_decode(&view->epochs, buf_slice(&text));
    if (e == E_CORRUPT) {
        view->is_epoch_cache_wrong = true;
        e = E_OK;
    }
    buf_release(&text);
    return e;
}

void log_view_segment_name(const struct log_view_segment *s, char *name_out)
{
    segment_name(s->base_offset, s->is_cleaned ? ".log" LOG_CLEANED_SUFFIX : ".log", name_out);
}

static enum err measure(const struct log_view *view, struct log_view_segment *s,
                        struct report *report)
{
    char name[SEGMENT_NAME_SIZE];
    struct os_file *file;
    enum err e;

    log_view_segment_name(s, name);
    e = os_file_open(view->dir, name, OS_FILE_READ, &file);
    if (e == E_OK) {
        e = os_file_size(file, &s->size);
        os_file_unref(file);
    }
    if (e == E_OK && s->size > SEGMENT_SIZE_MAX)
        e = E_TOO_BIG;
    if (e != E_OK)
        report_set(report, "%s: %s", name, err_text(e));
    return e;
}

/* What the files themselves say of the segments; more comes from the checkpoint. */
static enum err look_at_files(struct log_view *view, struct report *report)
{
    enum err e = E_OK;

    for (size_t i = 0; i < view->segments.count && e == E_OK; i++) {
        struct log_view_segment *s = segment_at(view, i);

        e = measure(view, s, report);
        if (i + 1 < view->segments.count) { /* nothing follows what may be torn */
            s->end_offset = segment_at(view, i + 1)->base_offset;
            s->settled = s->size;
        }
    }
    return e;
}

static bool has_offset(const struct vec *offsets, int64_t offset)
{
    for (size_t i = 0; i < offsets->count; i++) {
        if (*(const int64_t *)vec_at(offsets, i) == offset)
            return true;
    }
    return false;
}

static enum err insert(struct vec *segments, int64_t base_offset, bool is_cleaned)
{
    struct log_view_segment s = {
        .base_offset = base_offset, .end_offset = INT64_MAX, .is_cleaned = is_cleaned};
    size_t i = segments->count;
    enum err e = vec_push(segments, &s);

    for (; e == E_OK && i > 0; i--) {
        const struct log_view_segment *before = vec_at(segments, i - 1);

        if (before->base_offset < base_offset)
            break;
        *(struct log_view_segment *)vec_at(segments, i) = *before;
    }
    if (e == E_OK)
        *(struct log_view_segment *)vec_at(segments, i) = s;
    return e;
}

/* The segments as the checkpoint of a swap has them: new ones by either name, no replaced ones. */
static enum err take_swaps(struct log_view *view, const struct log_checkpoint *c,
                           const struct vec *cleaned, struct report *report)
{
    struct vec old = view->segments;
    enum err e = E_OK;

    vec_init(&view->segments, sizeof(struct log_view_segment), LOG_SEGMENTS_MAX);
    for (size_t i = 0; i < c->swaps.count && e == E_OK; i++) {
        int64_t base_offset = *(const int64_t *)vec_at(&c->swaps, i);

        if (has_offset(cleaned, base_offset))
            e = insert(&view->segments, base_offset, true);
    }
    for (size_t i = 0; i < old.count && e == E_OK; i++) {
        int64_t base_offset = ((const struct log_view_segment *)vec_at(&old, i))->base_offset;
        bool is_here = has_offset(&c->swaps, base_offset) && has_offset(cleaned, base_offset);

        if (!is_here && !log_swap_is_old(c, base_offset))
            e = insert(&view->segments, base_offset, false);
    }
    vec_release(&old);
    return e == E_OK ? look_at_files(view, report) : e;
}

static const struct log_checkpoint_segment *checkpoint_segment(const struct log_checkpoint *c,
                                                               int64_t base_offset)
{
    for (size_t i = 0; i < c->segments.count; i++) {
        const struct log_checkpoint_segment *cs = vec_at(&c->segments, i);

        if (cs->base_offset == base_offset)
            return cs;
    }
    return NULL;
}

/* Up to the recovery point sizes are known; behind it they are what a crash left. */
static void apply_checkpoint(struct log_view *view, const struct log_checkpoint *c)
{
    const struct log_checkpoint_segment *last =
        c->segments.count == 0 ? NULL : vec_at(&c->segments, c->segments.count - 1);

    view->is_foreign = false;
    view->start_offset = c->start_offset;
    view->settled_end = c->recovery_point;
    view->window_bytes = c->window_bytes;
    view->has_gaps = c->has_gaps;
    for (size_t i = 0; i < view->segments.count; i++) {
        struct log_view_segment *s = segment_at(view, i);
        const struct log_checkpoint_segment *cs = checkpoint_segment(c, s->base_offset);

        if (last == NULL || s->base_offset > last->base_offset) {
            s->settled = 0;
        } else if (cs != NULL) {
            s->settled = cs->size;
            if (cs != last && s->size > cs->size)
                s->size = cs->size; /* what is behind belongs to nobody */
        }
    }
}

static enum err read_checkpoint(struct log_view *view, const struct vec *cleaned,
                                struct report *report)
{
    struct log_checkpoint c;
    struct buf text;
    enum err e = read_small(view, LOG_CHECKPOINT_NAME, &text, report);

    log_checkpoint_init(&c);
    if (e == E_OK)
        e = log_checkpoint_decode(&c, buf_slice(&text));
    if (e == E_OK) {
        if (c.swaps.count > 0)
            e = take_swaps(view, &c, cleaned, report);
        if (e == E_OK)
            apply_checkpoint(view, &c);
        for (size_t i = 0; i < c.damaged.count && e == E_OK; i++)
            e = vec_push(&view->damaged, vec_at(&c.damaged, i));
    } else if (e == E_UNSUPPORTED) {
        report_set(report, "%s was written by a later version", LOG_CHECKPOINT_NAME);
    } else if (e == E_CORRUPT) {
        view->is_checkpoint_wrong = true;
        e = E_OK;
    }
    if (e == E_OK && view->segments.count == 0) { /* all of them are gone */
        struct log_view_segment gone = {.base_offset = view->start_offset, .end_offset = INT64_MAX};

        e = vec_push(&view->segments, &gone);
    }
    log_checkpoint_release(&c);
    buf_release(&text);
    return e;
}

static void view_init(struct log_view *view, struct os_dir *dir)
{
    *view = (struct log_view){.dir = dir, .window_bytes = LOG_UNSYNCED_BYTES_MAX};
    vec_init(&view->segments, sizeof(struct log_view_segment), LOG_SEGMENTS_MAX);
    vec_init(&view->snapshots, sizeof(int64_t), 2 * LOG_SEGMENTS_MAX);
    vec_init(&view->damaged, sizeof(struct log_checkpoint_damage), LOG_SEGMENTS_MAX);
    epoch_init(&view->epochs);
}

static enum err view_read(struct log_view *view, struct listing *l, struct report *report)
{
    enum err e = os_dir_list(view->dir, see, l);

    if (e == E_OK)
        e = l->err;
    if (e == E_OK && view->segments.count == 0 && !l->has_checkpoint) {
        report_set(report, "not a log: no segment and no %s in it", LOG_CHECKPOINT_NAME);
        return E_NOT_FOUND;
    }
    if (e != E_OK) {
        report_set(report, "list: %s", err_text(e));
        return e;
    }
    if (l->has_format)
        e = read_format(view, report);
    if (e == E_OK)
        e = look_at_files(view, report);
    if (e == E_OK && l->has_epochs && frame_has_offset(view->format))
        e = read_epochs(view, report);
    view->is_foreign = true;
    view->has_gaps = frame_has_offset(view->format);
    if (view->segments.count > 0)
        view->start_offset = segment_at(view, 0)->base_offset;
    if (e == E_OK && l->has_checkpoint)
        e = read_checkpoint(view, &l->cleaned, report);
    return e;
}

enum err log_view_open(struct os_dir *dir, struct log_view *view_out, struct report *report)
{
    struct log_view view;
    struct listing l = {.view = &view};
    enum err e;

    view_init(&view, dir);
    vec_init(&l.cleaned, sizeof(int64_t), LOG_SEGMENTS_MAX);
    e = view_read(&view, &l, report);
    vec_release(&l.cleaned);
    if (e != E_OK)
        log_view_release(&view);
    else
        *view_out = view;
    return e;
}

enum err log_view_add_damage(struct log_view *view, const struct segment *s)
{
    enum err e = E_OK;

    for (size_t i = 0; i < s->damaged.count && e == E_OK; i++) {
        struct log_checkpoint_damage d = {.segment = s->base_offset};

        d.damage = *(struct segment_damage *)vec_at(&s->damaged, i);
        e = vec_push(&view->damaged, &d);
    }
    return e;
}

enum err log_view_take(const struct log *log, struct os_dir *dir, struct log_view *view_out)
{
    struct log_view view;
    enum err e = E_OK;

    view_init(&view, dir);
    view.start_offset = log->start_offset;
    view.settled_end = log->end_offset;
    view.has_gaps = log->has_gaps;
    view.format = log->format;
    for (size_t i = 0; i < log_segment_count(log) && e == E_OK; i++) {
        const struct segment *s = log_segment_at(log, i);
        struct log_view_segment vs = {.base_offset = s->base_offset,
                                      .end_offset = log_segment_end(log, i),
                                      .size = s->size,
                                      .settled = s->size};

        e = vec_push(&view.segments, &vs);
        if (e == E_OK)
            e = log_view_add_damage(&view, s);
    }
    for (size_t i = 0; i < log->snapshots.count && e == E_OK; i++)
        e = vec_push(&view.snapshots, vec_at(&log->snapshots, i));
    for (size_t i = 0; i < log->epochs.entries.count && e == E_OK; i++)
        e = vec_push(&view.epochs.entries, vec_at(&log->epochs.entries, i));
    if (e != E_OK)
        log_view_release(&view);
    else
        *view_out = view;
    return e;
}

void log_view_release(struct log_view *view)
{
    vec_release(&view->segments);
    vec_release(&view->snapshots);
    vec_release(&view->damaged);
    epoch_release(&view->epochs);
}

int64_t log_view_size(const struct log_view *view)
{
    int64_t size = 0;

    for (size_t i = 0; i < view->segments.count; i++)
        size += segment_at(view, i)->size;
    return size;
}
