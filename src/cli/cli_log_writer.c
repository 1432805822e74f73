#include "cli/cli_log_writer.h"

#include <assert.h>

#include "base/mem.h"
#include "cli/cli_log.h"
#include "os/dir.h"
#include "os/os.h"
#include "record/message.h"

enum { BATCH_BYTES = 256 * 1024, FRAMES_MAX = 1 << 30 };

static const char LOCK_NAME[] = ".lock";

/* What is at `path` must be nothing, or a log that may be appended to. */
static enum err look(const struct cli_log_writer *w, const char *path,
                     const struct cli_log_writer_options *options, bool *exists_out,
                     struct report *report)
{
    struct os_dir *dir;
    struct cli_log l;
    enum err e = os_dir_open_in(log_root_dir(w->root), w->name, false, &dir);

    *exists_out = e == E_OK;
    if (e == E_NOT_FOUND)
        return E_OK;
    if (e != E_OK || options->is_new) {
        if (e == E_OK)
            os_dir_close(dir);
        report_set(report, "%s: %s", path, e == E_OK ? "it exists; name a new one" : err_text(e));
        return e == E_OK ? E_EXISTS : e;
    }
    if (os_dir_is_locked(dir, LOCK_NAME)) {
        report_set(report, "%s: another process has it open; stop that first", path);
        e = E_BUSY;
    }
    os_dir_close(dir);
    if (e == E_OK) /* opening would make a log of any directory */
        e = cli_log_open(path, &l, report);
    if (e == E_OK)
        cli_log_close(&l);
    return e;
}

static enum err open_log(struct cli_log_writer *w, const struct cli_log_writer_options *options,
                         struct report *report)
{
    struct log_options settings = log_options_default();
    enum err e;

    settings.format = options->format;
    e = log_open(
        &(struct log_open){
            .root = w->root, .name = w->name, .options = &settings, .wall_ms = os_wall_ms(w->os)},
        &w->log, NULL, report);
    if (e != E_OK)
        return e;
    w->format = log_format(w->log);
    w->first = log_end_offset(w->log);
    w->next_offset = w->first;
    if (!options->has_format || w->format == options->format)
        return E_OK;
    report_set(report, "the log is in the format %s, not %s: leave --format away",
               log_format_text(w->format), log_format_text(options->format));
    return E_UNSUPPORTED;
}

enum err cli_log_writer_open(const char *path, const struct cli_log_writer_options *options,
                             struct cli_log_writer *writer_out, struct report *report)
{
    struct cli_log_writer w = {.codec = options->codec, .is_placing = options->is_new};
    struct batch_options batch = batch_options_init(0);
    bool exists = false;
    enum err e = cli_log_split(path, &w.path, &w.name, report);

    batch.codec = options->codec;
    batch.leader_epoch = 0;
    buf_init(&w.bytes, FRAMES_MAX);
    batch_builder_init(&w.builder, &batch);
    if (e == E_OK)
        e = os_open(&w.os);
    if (e == E_OK)
        e = log_root_open(w.os, w.path, &w.root, report);
    if (e == E_BUSY)
        report_append(report, "; stop the broker first");
    if (e == E_OK)
        e = look(&w, path, options, &exists, report);
    w.is_created = e == E_OK && !exists;
    if (e == E_OK)
        e = open_log(&w, options, report);
    if (e != E_OK) {
        if (report->text[0] == 0)
            report_set(report, "%s: %s", path, err_text(e));
        cli_log_writer_drop(&w);
        return e;
    }
    *writer_out = w;
    return E_OK;
}

static enum err append(struct cli_log_writer *w, struct report *report)
{
    int32_t epoch = log_latest_epoch(w->log);
    struct log_append append = {.bytes = w->bytes.at,
                                .size = w->bytes.size,
                                .leader_epoch = epoch < 0 ? 0 : epoch,
                                .is_replica = w->is_placing,
                                .wall_ms = os_wall_ms(w->os)};
    struct log_appended appended;
    enum err e;

    if (w->bytes.size == 0)
        return E_OK;
    e = log_append(w->log, &append, &appended);
    buf_clear(&w->bytes);
    if (e == E_TOO_BIG)
        report_set(report, "a record is larger than a segment");
    else if (e != E_OK)
        report_set(report, "cannot write: %s", err_text(e));
    return e;
}

/* What was collected goes into the log. */
static enum err flush(struct cli_log_writer *w, struct report *report)
{
    enum err e = E_OK;

    if (batch_builder_size(&w->builder) > 0)
        e = batch_builder_finish(&w->builder, &w->bytes);
    if (e != E_OK) {
        report_set(report, "cannot make a batch: %s", err_text(e));
        return e;
    }
    return append(w, report);
}

static enum err add_to_batch(struct cli_log_writer *w, const struct record_draft *draft,
                             struct report *report)
{
    enum err e = batch_builder_add(&w->builder, draft);

    if ((e == E_TOO_BIG || e == E_INVAL) && batch_builder_size(&w->builder) > 0) {
        e = flush(w, report); /* it may fit the next one: too large, or times too far apart */
        if (e == E_OK)
            e = batch_builder_add(&w->builder, draft);
    }
    if (e != E_OK && report->text[0] == 0)
        report_set(report, "%s", e == E_TOO_BIG ? "the record is too large" : err_text(e));
    return e;
}

static enum err add_message(struct cli_log_writer *w, const struct record_draft *draft,
                            struct report *report)
{
    struct message m = {.timestamp_ms = draft->timestamp_ms,
                        .key = draft->key,
                        .value = draft->value,
                        .codec = w->codec};
    enum err e = draft->header_count > 0 ? E_INVAL : message_encode(&m, &w->bytes);

    if (draft->header_count > 0)
        report_set(report, "a log of messages has no headers");
    else if (e == E_INVAL)
        report_set(report, "a log of messages has no null values");
    else if (e != E_OK)
        report_set(report, "%s", e == E_TOO_BIG ? "the record is too large" : err_text(e));
    return e;
}

enum err cli_log_writer_add(struct cli_log_writer *w, const struct record_draft *draft,
                            struct report *report)
{
    bool is_batch = w->format == LOG_FORMAT_BATCH;
    enum err e = is_batch ? add_to_batch(w, draft, report) : add_message(w, draft, report);

    if (e != E_OK)
        return e;
    w->next_offset++;
    if (batch_builder_size(&w->builder) < BATCH_BYTES && w->bytes.size < BATCH_BYTES)
        return E_OK;
    return flush(w, report);
}

enum err cli_log_writer_skip_to(struct cli_log_writer *w, int64_t offset, struct report *report)
{
    struct log_options settings = log_options_default();
    enum err e;

    assert(w->is_placing && offset >= w->next_offset);
    if (offset == w->next_offset)
        return E_OK;
    e = flush(w, report);
    if (e == E_OK && w->next_offset > w->first) { /* where a log begins is no gap */
        settings.is_compacted = true;
        e = log_set_options(w->log, &settings);
    }
    w->next_offset = offset;
    w->builder.options.base_offset = offset;
    return e;
}

enum err cli_log_writer_sync(struct cli_log_writer *w, struct report *report)
{
    enum err e = flush(w, report);

    if (e == E_OK) {
        e = log_sync(w->log);
        if (e != E_OK)
            report_set(report, "sync: %s", err_text(e));
    }
    return e;
}

void cli_log_writer_shut(struct cli_log_writer *w)
{
    log_close(w->log);
    w->log = NULL;
}

void cli_log_writer_close(struct cli_log_writer *w)
{
    cli_log_writer_shut(w);
    log_root_close(w->root);
    os_close(w->os);
    batch_builder_release(&w->builder);
    buf_release(&w->bytes);
    mem_free(w->path);
    *w = (struct cli_log_writer){0};
}

void cli_log_writer_drop(struct cli_log_writer *w)
{
    enum err e = E_OK;

    cli_log_writer_shut(w);
    if (w->is_created)
        e = log_root_delete(w->root, w->name);
    (void)e; /* nobody is told: something else failed before */
    cli_log_writer_close(w);
}
