#include "cli/cli_log.h"

#include <string.h>

#include "base/mem.h"
#include "cli/cli_time.h"
#include "os/dir.h"
#include "os/os.h"

enum { PROGRESS_MS = 200, PATH_MAX_SIZE = 4096 };

static enum err open_dir(struct cli_log *l, struct report *report)
{
    enum err e = os_open(&l->os);

    if (e == E_OK)
        e = os_dir_open(l->os, l->path, false, &l->dir);
    if (e == E_NOT_FOUND)
        report_set(report, "there is no such directory");
    else if (e == E_DENIED)
        report_set(report, "permission denied; run this as the user that owns the data");
    else if (e != E_OK)
        report_set(report, "%s", err_text(e));
    return e;
}

enum err cli_log_open(const char *path, struct cli_log *log_out, struct report *report)
{
    struct cli_log l = {.path = path};
    enum err e = open_dir(&l, report);

    if (e == E_OK) {
        e = log_view_open(l.dir, &l.view, report);
        if (e == E_NOT_FOUND)
            report_append(report, "; give the directory of a partition, DATA/TOPIC-PARTITION");
        if (e == E_DENIED)
            report_append(report, "; run this as the user that owns the data");
    }
    if (e != E_OK) {
        report_prefix(report, "%s", path);
        os_dir_close(l.dir);
        os_close(l.os);
        return e;
    }
    *log_out = l;
    return E_OK;
}

void cli_log_close(struct cli_log *log)
{
    log_view_release(&log->view);
    os_dir_close(log->dir);
    os_close(log->os);
}

enum err cli_log_split(const char *path, char **root_out, const char **name_out,
                       struct report *report)
{
    size_t size = strlen(path), at;
    char *root, *name;

    while (size > 1 && path[size - 1] == '/')
        size--;
    for (at = size; at > 0 && path[at - 1] != '/';)
        at--;
    if (at == size || path[at] == '.') {
        report_set(report, "%s: give the directory as DATA/TOPIC-PARTITION", path);
        return E_INVAL;
    }
    root = mem_alloc(size + 3); /* both, each with its NUL, or "." */
    if (root == NULL)
        return E_NOMEM;
    name = root + (at > 0 ? at : 1) + 1;
    memcpy(root, at > 0 ? path : ".", at > 0 ? at : 1);
    name[-1] = 0;
    memcpy(name, path + at, size - at);
    name[size - at] = 0;
    *root_out = root;
    *name_out = name;
    return E_OK;
}

size_t cli_log_segment_of(const struct log_view *view, int64_t offset)
{
    size_t i = 0;

    while (i + 1 < view->segments.count && log_view_segment_at(view, i + 1)->base_offset <= offset)
        i++;
    return i;
}

bool cli_log_is_live(const struct cli_log *log)
{
    char path[PATH_MAX_SIZE];
    struct os_dir *parent;
    bool is_held;

    snprintf(path, sizeof(path), "%s/..", log->path);
    if (os_dir_open(log->os, path, false, &parent) != E_OK)
        return false;
    is_held = os_dir_is_locked(parent, ".lock");
    os_dir_close(parent);
    return is_held;
}

const char *cli_log_kind_text(enum log_walk_kind kind)
{
    switch (kind) {
    case LOG_WALK_BATCH:
        break;
    case LOG_WALK_DAMAGE:
        return "damage";
    case LOG_WALK_LOST:
        return "lost";
    case LOG_WALK_TORN:
        return "torn";
    case LOG_WALK_UNREADABLE:
        return "unreadable";
    }
    return "batch";
}

void cli_log_record_json(struct cli_json *j, const struct record_view *record)
{
    struct record_headers it = record_headers_init(record);
    struct record_header header;

    cli_json_key(j, "offset");
    cli_json_i64(j, record->offset);
    cli_json_key(j, "timestamp");
    cli_json_i64(j, record->timestamp_ms);
    cli_json_bytes(j, "key", record->key);
    cli_json_bytes(j, "value", record->value);
    cli_json_key(j, "headers");
    cli_json_open(j, '[');
    while (record_headers_next(&it, &header)) {
        cli_json_open(j, '{');
        cli_json_bytes(j, "name", header.key);
        cli_json_bytes(j, "value", header.value);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

/* Text as it is when it is UTF-8 without control characters; other bytes as \xHH. */
static enum err append_visible(struct slice bytes, struct buf *out)
{
    bool is_text = cli_json_is_utf8(bytes);
    enum err e = E_OK;

    for (size_t i = 0; i < bytes.size && e == E_OK; i++) {
        uint8_t c = bytes.at[i];
        bool is_c1 = c == 0xc2 && i + 1 < bytes.size && bytes.at[i + 1] < 0xa0;

        if (c < 0x20 || c == 0x7f || c == '\\' || is_c1 || (c >= 0x80 && !is_text))
            e = buf_printf(out, "\\x%02x", c);
        else
            e = buf_append(out, &c, 1);
        if (is_c1 && is_text && e == E_OK)
            e = buf_printf(out, "\\x%02x", bytes.at[++i]);
    }
    return e;
}

static enum err append_field(const char *name, struct slice bytes, struct buf *out)
{
    enum err e = buf_printf(out, " %s=", name);

    if (e == E_OK)
        e = bytes.at == NULL ? buf_printf(out, "(null)") : append_visible(bytes, out);
    return e;
}

enum err cli_log_record_text(const struct record_view *record, struct buf *out)
{
    struct record_headers it = record_headers_init(record);
    struct record_header header;
    char time[CLI_TIME_SIZE];
    enum err e;

    cli_time_print(record->timestamp_ms, time);
    e = buf_printf(out, "  %lld %s", (long long)record->offset, time);
    if (e == E_OK)
        e = append_field("key", record->key, out);
    if (e == E_OK)
        e = append_field("value", record->value, out);
    while (e == E_OK && record_headers_next(&it, &header)) {
        e = append_field("header", header.key, out);
        if (e == E_OK)
            e = append_field("with", header.value, out);
    }
    return e == E_OK ? buf_append(out, "\n", 1) : e;
}

enum err cli_log_print(const struct cli *cli, struct buf *text, struct report *report)
{
    fwrite(text->at, 1, text->size, cli->out);
    buf_clear(text);
    return ferror(cli->out) ? cli_out_flush(cli, report) : E_OK;
}

void cli_progress_tell(struct cli_progress *p, int64_t done, int64_t total)
{
    int64_t now_ms;

    if (!p->cli->err_terminal || total <= 0)
        return;
    now_ms = os_mono_ms(p->os);
    if (p->told_ms == 0)
        p->told_ms = now_ms; /* what is quick says nothing */
    if (now_ms - p->told_ms < PROGRESS_MS)
        return;
    p->told_ms = now_ms;
    p->is_shown = true;
    fprintf(p->cli->err, "\r%s: %lld of %lld MiB, %lld %%\x1b[K", p->what, (long long)(done >> 20),
            (long long)(total >> 20), (long long)(done * 100 / total));
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->is_shown)
        fprintf(p->cli->err, "\r\x1b[K");
    p->is_shown = false;
}
