#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "os/file.h"
#include "storage/frame.h"

/* What a log that was opened must show. */
enum { READ_SIZE = 64 << 10, TEXT_SIZE = 200, APPEND_WALL_MS = 1 << 20 };

__attribute__((format(printf, 2, 3))) static bool broken(char *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(text, TEXT_SIZE, format, args);
    va_end(args);
    return false;
}

/* Looking at frames that should be these. */
struct look {
    const struct model *model;
    const struct model_frames *frames;
    struct log *log;
    char *text;
};

/* The frames of one range are those from entry *at on; *at becomes the one after them. */
static bool check_range(const struct look *l, const struct log_range *range, int *at)
{
    uint8_t *bytes = malloc(range->size);
    struct frame_iter it;
    struct batch_view view;
    size_t got = 0;
    bool is_right = bytes != NULL;

    if (!is_right || os_file_read(range->file, range->pos, bytes, range->size, &got) != E_OK ||
        got != range->size)
        is_right = broken(l->text, "a range of %zu bytes gives %zu", range->size, got);
    it = frame_iter_init(l->model->options.format, slice_of(bytes, got), range->base_offset);
    while (is_right && frame_iter_next(&it, &view)) {
        const struct model_entry *e = &l->frames->at[*at];
        long long offset = (long long)view.header.base_offset;

        if (*at >= l->frames->count || view.header.base_offset != e->base_offset)
            is_right = broken(l->text, "a frame at %lld that is not next", offset);
        else if (view.bytes.size != e->size || memcmp(view.bytes.at, e->bytes, e->size) != 0)
            is_right = broken(l->text, "the frame at %lld has other bytes", offset);
        ++*at;
    }
    free(bytes);
    return is_right;
}

static bool read_at(const struct look *l, int64_t offset, size_t size, int *at)
{
    struct log_range range;
    int before = *at;
    enum err e = log_read(l->log, offset, log_end_offset(l->log), size, &range);
    bool is_right;

    if (e == E_CORRUPT && offset >= l->model->damage && offset < l->model->damage_end) {
        ++*at;
        return true;
    }
    if (e != E_OK)
        return broken(l->text, "read at %lld: %s", (long long)offset, err_name(e));
    is_right = check_range(l, &range, at);
    log_range_release(&range);
    if (is_right && *at == before)
        return broken(l->text, "nothing whole to read at %lld", (long long)offset);
    return is_right;
}

/* Everything in order, then single frames from here and there. */
static bool check_content(const struct look *l)
{
    int64_t start = log_start_offset(l->log), end = log_end_offset(l->log);
    int first = model_find(l->frames, start), last = model_find(l->frames, end);
    const struct model_entry *at = l->frames->at;
    bool has_gaps = l->model->options.is_compacted;

    if (start < end && (first == l->frames->count || (at[first].base_offset > start && !has_gaps)))
        return broken(l->text, "invented: begins at %lld", (long long)start);
    if (last > first && at[last - 1].next_offset != end)
        return broken(l->text, "the end %lld is inside of a frame", (long long)end);
    for (int i = first; i < last;) {
        int64_t offset = at[i].base_offset < start ? start : at[i].base_offset;

        if (!read_at(l, offset, READ_SIZE, &i))
            return false;
    }
    for (int i = first; i < last; i += 1 + (last - first) / 4) {
        int64_t offset = at[i].next_offset - 1;
        int k = i;

        if (!read_at(l, offset, 1, &k))
            return false;
    }
    return true;
}

static bool check_times(const struct look *l)
{
    int64_t start = log_start_offset(l->log), end = log_end_offset(l->log);
    int64_t timestamp, offset, largest = -1;
    enum err e;

    for (int i = model_find(l->frames, start);
         i < l->frames->count && l->frames->at[i].next_offset <= end; i++) {
        const struct model_entry *frame = &l->frames->at[i];

        if (!frame->is_empty && frame->max_timestamp > largest)
            largest = frame->max_timestamp;
    }
    log_max_timestamp(l->log, &timestamp, &offset);
    if (timestamp < largest)
        return broken(l->text, "largest timestamp %lld of %lld", (long long)timestamp,
                      (long long)largest);
    if (largest < 0)
        return true;
    e = log_find_timestamp(l->log, largest, end, &offset, &timestamp);
    if (e == E_CORRUPT && l->model->damage >= 0)
        return true;
    if (e != E_OK || timestamp != largest)
        return broken(l->text, "time %lld found at %lld with %lld", (long long)largest,
                      (long long)offset, (long long)timestamp);
    return true;
}

/* All as it is stored, or all as the compaction that runs will leave it. */
static bool check_stored(const struct model *m, struct log *log, char *text)
{
    struct look look = {m, &m->stored, log, text};

    if (check_content(&look) && check_times(&look))
        return true;
    look.frames = &m->next;
    return m->is_compacting && check_content(&look) && check_times(&look);
}

static bool check_epochs(const struct model *m, const struct log *log, char *text)
{
    int64_t start = log_start_offset(log), end = log_end_offset(log);
    int32_t latest = log_latest_epoch(log), least = -1, most = -1;

    for (int i = 0; i < m->epoch_count && m->epochs[i].start <= end; i++) {
        most = m->epochs[i].epoch;
        least = m->epochs[i].is_loose ? least : most;
    }
    for (int i = model_find(&m->appended, start);
         i < m->appended.count && m->appended.at[i].next_offset <= end; i++) {
        const struct model_entry *e = &m->appended.at[i];
        int64_t offset = e->base_offset < start ? start : e->base_offset;

        least = e->leader_epoch > least ? e->leader_epoch : least;
        if (log_epoch_at(log, offset) != e->leader_epoch)
            return broken(text, "epoch %d of %d at %lld", log_epoch_at(log, offset),
                          e->leader_epoch, (long long)offset);
    }
    if (m->cut < 0 && (latest < least || latest > most) && (latest != m->epoch_next || latest < 0))
        return broken(text, "the latest epoch is %d, not %d to %d", latest, least, most);
    return true;
}

bool model_check(const struct model *m, struct log *log, int64_t acked, char text[200])
{
    int64_t start = log_start_offset(log), end = log_end_offset(log);
    int64_t least = acked > m->acked ? acked : m->acked;
    struct uuid id = log_topic_id(log);

    if (m->cut >= 0 && m->cut < least)
        least = m->cut;
    if (end < least)
        return broken(text, "lost: the end is %lld of %lld", (long long)end, (long long)least);
    if (end > model_end(m))
        return broken(text, "invented: the end is %lld of %lld", (long long)end,
                      (long long)model_end(m));
    if (log_synced_offset(log) != end)
        return broken(text, "synced %lld of %lld", (long long)log_synced_offset(log),
                      (long long)end);
    if (start > m->start_next || start > end ||
        (start < m->start && (m->cut < 0 || start < m->cut)))
        return broken(text, "the start is %lld, not %lld to %lld", (long long)start,
                      (long long)m->start, (long long)m->start_next);
    if (m->presence != MODEL_COMING && m->appended.count > 0 && !uuid_equal(id, m->topic_id) &&
        !uuid_equal(id, m->topic_id_next))
        return broken(text, "another topic id");
    if (log_first_unstable_offset(log, end) != model_first_unstable(m, end))
        return broken(text, "first unstable offset %lld of %lld",
                      (long long)log_first_unstable_offset(log, end),
                      (long long)model_first_unstable(m, end));
    return check_stored(m, log, text) && check_epochs(m, log, text);
}

/* Appends. */

static enum err append(const struct model *m, struct log *log, struct buf *batch,
                       struct log_appended *result_out)
{
    int32_t epoch = log_latest_epoch(log);

    return log_append(log,
                      &(struct log_append){.bytes = batch->at,
                                           .size = batch->size,
                                           .leader_epoch = epoch < 0 ? 0 : epoch,
                                           .wall_ms = APPEND_WALL_MS},
                      result_out);
}

/* A batch of a window again: a duplicate. A later one than the next: a gap. */
static bool check_producer(const struct model *m, struct log *log, int producer, int64_t end,
                           char *text)
{
    struct log_appended result = {0};
    const struct model_entry *e;
    struct buf batch;
    bool is_right = true;
    enum err err;

    buf_init(&batch, 1 << 20);
    for (int back = 0; is_right && back < MODEL_WINDOW; back++) {
        e = model_last(m, producer, end, back);
        if (e == NULL)
            break;
        buf_clear(&batch);
        err = buf_append(&batch, e->bytes, e->size);
        if (err == E_OK)
            err = append(m, log, &batch, &result);
        if (err != E_DUPLICATE || result.first_offset != e->base_offset)
            is_right = broken(text, "producer %d, sequence %d at %lld again: %s at %lld", producer,
                              e->sequence, (long long)e->base_offset, err_name(err),
                              (long long)result.first_offset);
    }
    e = model_last(m, producer, end, 0);
    for (int gap = 1; is_right && e != NULL && gap >= 0; gap--) {
        struct model_draft draft = {.producer = producer,
                                    .sequence = e->sequence +
                                                (int32_t)(e->next_offset - e->base_offset) + gap,
                                    .records = 1,
                                    .timestamp_ms = APPEND_WALL_MS,
                                    .value_size = 10};

        buf_clear(&batch);
        model_build(&draft, &batch);
        err = append(m, log, &batch, &result);
        if (err != (gap > 0 ? E_OUT_OF_ORDER : E_OK))
            is_right = broken(text, "producer %d, next sequence%s: %s", producer,
                              gap > 0 ? " but one" : "", err_name(err));
    }
    buf_release(&batch);
    return is_right;
}

bool model_check_appends(const struct model *m, struct log *log, char text[200])
{
    struct model_draft draft = {.format = m->options.format,
                                .producer = -1,
                                .records = 2,
                                .value_size = 300,
                                .timestamp_ms = APPEND_WALL_MS};
    int64_t end = log_end_offset(log);
    struct log_appended result = {0};
    struct buf batch;
    enum err e;

    for (int p = 0; p < MODEL_PRODUCERS; p++) {
        if (!check_producer(m, log, p, end, text))
            return false;
    }
    end = log_end_offset(log);
    buf_init(&batch, 1 << 20);
    model_build(&draft, &batch);
    e = append(m, log, &batch, &result);
    buf_release(&batch);
    if (e != E_OK || result.first_offset != end)
        return broken(text, "append: %s at %lld of %lld", err_name(e),
                      (long long)result.first_offset, (long long)end);
    e = log_sync(log);
    return e == E_OK || broken(text, "sync: %s", err_name(e));
}
