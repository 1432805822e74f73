#include "cli/cli_frame.h"

#include "record/message.h"

enum { FRAME_MAX = 1 << 30, UNPACK_MAX = 1 << 30 };

void cli_frame_init(struct cli_frame *f)
{
    *f = (struct cli_frame){0};
    buf_init(&f->bytes, FRAME_MAX);
    buf_init(&f->unpack, UNPACK_MAX);
}

void cli_frame_release(struct cli_frame *f)
{
    buf_release(&f->bytes);
    buf_release(&f->unpack);
}

static enum err read_message(struct cli_frame *f, int64_t offset)
{
    struct message m;
    struct slice value;
    size_t size;
    enum err e = message_decode(buf_slice(&f->bytes), &m, &size);

    if (e == E_OK)
        e = message_unpack(&m, &f->unpack, &value);
    if (e != E_OK)
        return e;
    f->message = (struct record_view){
        .offset = offset, .timestamp_ms = m.timestamp_ms, .key = m.key, .value = value};
    return E_OK;
}

enum err cli_frame_read(struct cli_frame *f, struct log_walk *walk,
                        const struct log_walk_item *item)
{
    enum err e;

    f->is_message = walk->view->format == LOG_FORMAT_MESSAGE;
    f->is_given = false;
    buf_clear(&f->bytes);
    e = log_walk_read(walk, item, &f->bytes);
    if (e != E_OK)
        return e;
    return f->is_message ? read_message(f, item->offset)
                         : record_iter_init(&f->it, buf_slice(&f->bytes), &f->unpack);
}

bool cli_frame_next(struct cli_frame *f, struct record_view *record_out)
{
    if (!f->is_message)
        return record_iter_next(&f->it, record_out);
    if (f->is_given)
        return false;
    f->is_given = true;
    *record_out = f->message;
    return true;
}

enum err cli_frame_done(const struct cli_frame *f)
{
    return f->is_message ? E_OK : record_iter_done(&f->it);
}

bool cli_frame_is_wrong(enum err e)
{
    return e == E_CORRUPT || e == E_TRUNCATED || e == E_UNSUPPORTED || e == E_TOO_BIG;
}
