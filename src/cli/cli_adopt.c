#include "cli/cli_adopt.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cli/cli_log.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "storage/log.h"

#define STAGING_NAME ".adopt"
#define MARK_NAME    "dlog.adopting"

enum {
    PATH_SIZE = 4096,
    NAME_SIZE = 300,
    COPY_BYTES = 1 << 20,
    TEXT_MAX = 1 << 24,
    EPOCH_POS = 12
};

enum err cli_adopt_open(const struct cli *cli, const char *path, struct cli_adopt *adopt_out,
                        struct report *report)
{
    struct cli_adopt a = {.cli = cli, .path = path};
    char staging[PATH_SIZE];
    enum err e = os_open(&a.os);

    if (e == E_OK)
        e = os_dir_open(a.os, path, false, &a.data);
    if (e != E_OK)
        report_set(report,
                   "data directory %s: %s; run this on the machine of the broker, as its "
                   "user, or say --log-dir",
                   path, err_text(e));
    if (e == E_OK && !os_dir_is_locked(a.data, ".lock")) {
        report_set(report,
                   "data directory %s: no broker has it open here; run this on the "
                   "machine of the broker, or say --log-dir",
                   path);
        e = E_INVAL;
    }
    snprintf(staging, sizeof(staging), "%s/" STAGING_NAME, path);
    if (e == E_OK)
        e = log_root_open(a.os, staging, &a.staging, report);
    if (e == E_BUSY)
        report_set(report, "data directory %s: another adopt is at work; wait for it", path);
    if (e != E_OK) {
        os_dir_close(a.data);
        os_close(a.os);
        return e;
    }
    *adopt_out = a;
    return E_OK;
}

void cli_adopt_close(struct cli_adopt *a)
{
    if (a->os == NULL)
        return;
    log_root_close(a->staging);
    if (os_dir_remove_tree(a->data, STAGING_NAME) != E_OK)
        fprintf(a->cli->err, "dlog: %s/%s is left over; remove it\n", a->path, STAGING_NAME);
    os_dir_close(a->data);
    os_close(a->os);
    *a = (struct cli_adopt){0};
}

/* Copying */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcmp(name + size - end, suffix) == 0;
}

/* Not what tells of its old place (topic id, leader epochs) or is about to be removed. */
static bool is_wanted(const char *name)
{
    static const char *const suffixes[] = {".log",      ".index",    ".timeindex",
                                           ".txnindex", ".snapshot", ".window"};

    if (strcmp(name, "dlog.checkpoint") == 0)
        return true;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (has_suffix(name, suffixes[i]))
            return true;
    }
    return false;
}

struct copy {
    struct os_dir *from;
    struct os_dir *to;
    uint8_t *window;
    struct cli_progress progress;
    int64_t done;
    int64_t total;
    bool is_foreign; /* Kafka's: its indexes are made anew */
    enum err err;
    char name[NAME_SIZE]; /* of the file that failed */
};

static enum err copy_bytes(struct copy *c, struct os_file *from, struct os_file *to)
{
    enum err e = E_OK;

    for (int64_t pos = 0; e == E_OK;) {
        size_t got = 0;

        e = os_file_read(from, pos, c->window, COPY_BYTES, &got);
        if (e != E_OK || got == 0)
            break;
        e = os_file_write(to, pos, c->window, got);
        pos += (int64_t)got;
        c->done += (int64_t)got;
        cli_progress_tell(&c->progress, c->done, c->total);
    }
    return e == E_OK ? os_file_sync(to) : e;
}

static bool copy_file(void *ctx, const char *name, bool is_dir)
{
    struct copy *c = ctx;
    struct os_file *from = NULL, *to = NULL;

    if (is_dir || !is_wanted(name) ||
        (c->is_foreign && !has_suffix(name, ".log") && !has_suffix(name, ".snapshot")))
        return true;
    c->err = os_file_open(c->from, name, OS_FILE_READ, &from);
    if (c->err == E_OK)
        c->err = os_file_open(c->to, name, OS_FILE_CREATE, &to);
    if (c->err == E_OK)
        c->err = copy_bytes(c, from, to);
    os_file_unref(from);
    os_file_unref(to);
    if (c->err != E_OK)
        snprintf(c->name, sizeof(c->name), "%s", name);
    return c->err == E_OK;
}

static enum err copy_all(struct cli_adopt *a, const struct cli_log *source, struct os_dir *to,
                         struct report *report)
{
    struct copy c = {.from = source->dir,
                     .to = to,
                     .window = mem_alloc(COPY_BYTES),
                     .progress = {.cli = a->cli, .os = a->os, .what = source->path},
                     .total = log_view_size(&source->view),
                     .is_foreign = source->view.is_foreign};
    enum err e = c.window == NULL ? E_NOMEM : os_dir_list(source->dir, copy_file, &c);

    cli_progress_end(&c.progress);
    if (e == E_OK)
        e = c.err;
    if (e == E_OK)
        e = os_dir_sync(to);
    if (e != E_OK)
        report_set(report, "copy %s/%s to %s: %s", source->path, c.name, a->path, err_text(e));
    mem_free(c.window);
    return e;
}

/* Leader epochs are of the cluster that gave them: here the topic begins at 0. The epoch is outside
 * of the checksum. */
static enum err patch_epoch(struct os_dir *dir, struct os_file **file, int64_t *file_base,
                            const struct log_view *view, const struct log_walk_item *item)
{
    static const uint8_t zero[4];
    int64_t base = log_view_segment_at(view, item->segment)->base_offset;
    char name[NAME_SIZE];
    enum err e = E_OK;

    if (item->header.leader_epoch == 0)
        return E_OK;
    if (*file == NULL || *file_base != base) {
        if (*file != NULL)
            e = os_file_sync(*file);
        os_file_unref(*file);
        *file = NULL;
        snprintf(name, sizeof(name), "%020lld.log", (long long)base);
        if (e == E_OK)
            e = os_file_open(dir, name, OS_FILE_WRITE, file);
        *file_base = base;
    }
    return e == E_OK ? os_file_write(*file, item->pos + EPOCH_POS, zero, sizeof(zero)) : e;
}

static enum err refuse_damage(const struct cli_log *source, const struct log_walk_item *item,
                              struct report *report)
{
    report_set(report,
               "%s: offsets %lld to %lld are %s in %020lld.log (%s); nothing was adopted. dlog log "
               "verify %s says everything that is wrong",
               source->path, (long long)item->offset, (long long)item->offset_end - 1,
               item->kind == LOG_WALK_LOST ? "lost" : "damaged",
               (long long)log_view_segment_at(&source->view, item->segment)->base_offset, item->why,
               source->path);
    return E_CORRUPT;
}

/* Every batch of the source is right; in the copy, at the same places, it gets epoch 0. */
static enum err check_and_patch(const struct cli_log *source, struct os_dir *copy,
                                struct report *report)
{
    struct log_walk_item item;
    struct os_file *file = NULL;
    int64_t base = -1;
    struct log_walk w;
    enum err e = log_walk_init(&w, &source->view, 0);

    if (e != E_OK)
        return e;
    while (e == E_OK && (e = log_walk_next(&w, &item)) == E_OK) {
        if (item.kind == LOG_WALK_BATCH)
            e = patch_epoch(copy, &file, &base, &source->view, &item);
        else if (item.kind != LOG_WALK_TORN)
            e = refuse_damage(source, &item, report);
    }
    e = e == E_NOT_FOUND ? E_OK : e;
    if (e == E_OK && file != NULL)
        e = os_file_sync(file);
    os_file_unref(file);
    log_walk_release(&w);
    if (e != E_OK && e != E_CORRUPT)
        report_set(report, "%s: %s", source->path, err_text(e));
    return e;
}

static enum err write_text(struct os_dir *dir, const char *name, const char *text)
{
    return os_dir_replace_file(dir, name, slice_of(text, strlen(text)));
}

/* Where a log of Kafka's begins when records were deleted: in a file of its data directory. */
static int64_t kafka_start(const struct cli_adopt *a, const struct cli_log *source)
{
    const char *name = strrchr(source->path, '/');
    char path[PATH_SIZE], want[NAME_SIZE];
    struct os_dir *parent;
    int64_t start = -1;
    struct buf text;
    const char *dash;

    name = name == NULL ? source->path : name + 1;
    dash = strrchr(name, '-');
    snprintf(path, sizeof(path), "%s/..", source->path);
    if (dash == NULL || os_dir_open(a->os, path, false, &parent) != E_OK)
        return -1;
    snprintf(want, sizeof(want), "\n%.*s %.20s ", (int)(dash - name), name, dash + 1);
    buf_init(&text, TEXT_MAX);
    if (os_dir_read_file(parent, "log-start-offset-checkpoint", &text) == E_OK &&
        buf_append(&text, "\n", 2) == E_OK) {
        const char *found = strstr((const char *)text.at, want);
        const char *number = found == NULL ? NULL : found + strlen(want);

        if (number != NULL && parse_i64(slice_of(number, strcspn(number, "\n")), &start) != E_OK)
            start = -1;
    }
    buf_release(&text);
    os_dir_close(parent);
    return start;
}

/* Open the copy once: the tail is cut, indexes are made, and the broker has nothing left to do. */
static enum err recover_copy(struct cli_adopt *a, const struct cli_log *source, const char *name,
                             struct cli_adopted *adopted_out, struct report *report)
{
    struct log_options options = log_options_default();
    int64_t start = source->view.is_foreign ? kafka_start(a, source) : -1;
    struct log_open open = {
        .root = a->staging, .name = name, .options = &options, .wall_ms = os_wall_ms(a->os)};
    struct log_recovery recovery;
    int32_t aborted = 0;
    struct log *log;
    enum err e = log_open(&open, &log, &recovery, report);

    if (e != E_OK)
        return e;
    if (start > log_start_offset(log) && start <= log_end_offset(log))
        e = log_delete_before(log, start);
    if (e == E_OK)
        e = log_forget_producers(log, os_wall_ms(a->os), &aborted);
    if (e == E_OK)
        e = log_set_topic_id(log, (struct uuid){{0}});
    *adopted_out = (struct cli_adopted){.start_offset = log_start_offset(log),
                                        .end_offset = log_end_offset(log),
                                        .bytes = log_size_bytes(log),
                                        .torn_bytes = recovery.torn_bytes,
                                        .aborted = aborted};
    if (e == E_OK && recovery.damaged_ranges > 0)
        e = E_CORRUPT;
    log_close(log);
    if (e != E_OK)
        report_set(report, "copy of %s: %s", source->path, err_text(e));
    return e;
}

static enum err fill_staged(struct cli_adopt *a, const struct cli_log *source, struct os_dir *to,
                            struct report *report)
{
    char epochs[64];
    enum err e = write_text(to, MARK_NAME, "a copy, made by dlog topic adopt\n");

    if (e == E_OK) {
        snprintf(epochs, sizeof(epochs), "0\n1\n0 %lld\n", (long long)source->view.start_offset);
        e = write_text(to, "leader-epoch-checkpoint", epochs);
    }
    if (e != E_OK) {
        report_set(report, "copy to %s: %s", a->path, err_text(e));
        return e;
    }
    e = copy_all(a, source, to, report);
    return e == E_OK ? check_and_patch(source, to, report) : e;
}

/* Nothing of that name may be in the data directory, but what an adopt left that was cut off. */
static enum err check_place(struct cli_adopt *a, const char *name, struct report *report)
{
    struct os_dir *dir;
    struct os_file *mark;
    enum err e = os_dir_open_in(a->data, name, false, &dir);

    if (e == E_NOT_FOUND)
        return E_OK;
    if (e == E_OK) {
        e = os_file_open(dir, MARK_NAME, OS_FILE_READ, &mark);
        os_dir_close(dir);
        if (e == E_OK)
            os_file_unref(mark);
        e = e == E_OK ? os_dir_remove_tree(a->data, name) : E_EXISTS;
    }
    if (e != E_OK)
        report_set(report, "%s/%s: %s", a->path, name,
                   e == E_EXISTS ? "exists and belongs to no topic; move it away and try again"
                                 : err_text(e));
    return e;
}

static enum err check_source(const struct cli_log *source, struct report *report)
{
    if (source->view.format == LOG_FORMAT_MESSAGE) {
        report_set(report,
                   "%s is a log in the message format; a broker serves batches. Convert it "
                   "first: dlog log convert",
                   source->path);
        return E_UNSUPPORTED;
    }
    if (cli_log_is_live(source) || os_dir_is_locked(source->dir, ".lock")) {
        report_set(report, "%s: a process has it open; stop it first", source->path);
        return E_BUSY;
    }
    return E_OK;
}

enum err cli_adopt_stage(struct cli_adopt *a, const char *source_path, const char *name,
                         struct cli_adopted *adopted_out, struct report *report)
{
    struct cli_log source;
    struct os_dir *to = NULL;
    enum err e = cli_log_open(source_path, &source, report);

    if (e != E_OK)
        return e;
    e = check_source(&source, report);
    if (e == E_OK)
        e = check_place(a, name, report);
    if (e == E_OK) {
        e = os_dir_remove_tree(log_root_dir(a->staging), name);
        if (e == E_OK || e == E_NOT_FOUND)
            e = os_dir_open_in(log_root_dir(a->staging), name, true, &to);
        if (e != E_OK)
            report_set(report, "%s: %s", a->path, err_text(e));
    }
    if (e == E_OK)
        e = fill_staged(a, &source, to, report);
    if (e == E_OK)
        e = recover_copy(a, &source, name, adopted_out, report);
    if (e == E_OK) {
        e = os_dir_remove_file(to, "partition.metadata");
        e = e == E_NOT_FOUND ? E_OK : e;
    }
    if (e == E_OK)
        e = os_dir_sync(to);
    os_dir_close(to);
    cli_log_close(&source);
    return e;
}

enum err cli_adopt_place(struct cli_adopt *a, const char *name, struct report *report)
{
    char from[NAME_SIZE];
    enum err e;

    snprintf(from, sizeof(from), STAGING_NAME "/%s", name);
    e = os_dir_rename(a->data, from, name);
    if (e == E_OK)
        e = os_dir_sync(a->data);
    if (e != E_OK)
        report_set(report, "move the copy to %s/%s: %s", a->path, name, err_text(e));
    return e;
}

void cli_adopt_take_back(struct cli_adopt *a, const char *name)
{
    char to[NAME_SIZE];

    snprintf(to, sizeof(to), STAGING_NAME "/%s", name);
    if (os_dir_rename(a->data, name, to) != E_OK)
        fprintf(a->cli->err, "dlog: %s/%s is left over; remove it\n", a->path, name);
}

void cli_adopt_settle(struct cli_adopt *a, const char *name)
{
    struct os_dir *dir;

    if (os_dir_open_in(a->data, name, false, &dir) != E_OK)
        return;
    if (os_dir_remove_file(dir, MARK_NAME) == E_OK && os_dir_sync(dir) != E_OK)
        fprintf(a->cli->err, "dlog: %s/%s/%s may be left over\n", a->path, name, MARK_NAME);
    os_dir_close(dir);
}
