#include "cli/cli_backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"

enum {
    WINDOW_SIZE = 1 << 20,
    MANIFEST_MAX = 1 << 30,
    NAMES_MAX = 1 << 24,
    NAME_SIZE = 300,
    PATH_SIZE = 4096,
    TRIES = 20,
    TRY_MS = 50,
};

static const char MANIFEST[] = "manifest";
static const char HEAD[] = "dlog-backup 1\n";

/* ---- names in a directory ---- */

struct entry {
    char name[NAME_SIZE];
    bool is_dir;
    int64_t size;
};

struct listing {
    struct vec entries; /* of struct entry */
    struct os_dir *dir;
    enum err err;
};

static bool listing_add(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    struct entry entry = {.is_dir = is_dir};

    if (strlen(name) >= NAME_SIZE)
        return true; /* none of ours */
    memcpy(entry.name, name, strlen(name));
    if (!is_dir && os_dir_file_size(l->dir, name, &entry.size) != E_OK)
        return true; /* gone by now */
    l->err = vec_push(&l->entries, &entry);
    return l->err == E_OK;
}

static enum err listing_read(struct os_dir *dir, struct listing *l)
{
    enum err e;

    *l = (struct listing){.dir = dir};
    vec_init(&l->entries, sizeof(struct entry), NAMES_MAX);
    e = os_dir_list(dir, listing_add, l);
    return e == E_OK ? l->err : e;
}

static const struct entry *listing_at(const struct listing *l, size_t i)
{
    return vec_at(&l->entries, i);
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    size_t end_size = strlen(end);

    return size > end_size && strcmp(name + size - end_size, end) == 0;
}

/* Not what a start would remove, nor what belongs to the process that runs. */
static bool is_wanted(const char *name)
{
    return !ends_with(name, ".deleted") && !ends_with(name, ".cleaned") &&
           !ends_with(name, ".tmp") && strcmp(name, ".lock") != 0 && strcmp(name, ".adopt") != 0 &&
           strcmp(name, "lost+found") != 0;
}

/* Metadata, then who committed what, then transactions, then records. */
static int rank(const char *name)
{
    if (strncmp(name, "__cluster_metadata-", 19) == 0)
        return 0;
    if (strncmp(name, "__consumer_offsets-", 19) == 0)
        return 1;
    return strncmp(name, "__transaction_state-", 20) == 0 ? 2 : 3;
}

static int by_rank(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    int order = rank(left->name) - rank(right->name);

    return order != 0 ? order : strcmp(left->name, right->name);
}

/* ---- one copy ---- */

struct job {
    const struct cli *cli;
    struct os *os;
    uint8_t *window;
    struct buf manifest;
    struct cli_backup_result result;
    struct cli_progress progress;
    int64_t total;
    struct report *report;
};

static enum err job_open(struct job *job, const struct cli *cli, const char *what,
                         struct report *report)
{
    *job = (struct job){.cli = cli, .report = report};
    buf_init(&job->manifest, MANIFEST_MAX);
    job->window = mem_alloc(WINDOW_SIZE);
    if (job->window == NULL)
        return E_NOMEM;
    job->progress = (struct cli_progress){.cli = cli, .what = what};
    return os_open(&job->os);
}

static void job_close(struct job *job)
{
    cli_progress_end(&job->progress);
    buf_release(&job->manifest);
    mem_free(job->window);
    os_close(job->os);
}

static enum err job_failed(struct job *job, enum err e, const char *path)
{
    if (job->report->text[0] == 0)
        report_set(job->report, "%s: %s", path, err_text(e));
    return e;
}

/*
 * Read `from`, at most `limit` bytes; into `to` unless that is NULL. What it was goes to size and
 * crc.
 */
struct copied {
    int64_t size;
    uint32_t crc;
};

static enum err bytes_copy(struct job *job, struct os_file *from, struct os_file *to, int64_t limit,
                           struct copied *out)
{
    struct copied c = {0};
    enum err e = E_OK;

    while (e == E_OK && c.size < limit) {
        size_t want = limit - c.size < WINDOW_SIZE ? (size_t)(limit - c.size) : WINDOW_SIZE;
        size_t got = 0;

        e = os_file_read(from, c.size, job->window, want, &got);
        if (e != E_OK || got == 0)
            break;
        if (to != NULL)
            e = os_file_write(to, c.size, job->window, got);
        c.crc = crc32c_add(c.crc, job->window, got);
        c.size += (int64_t)got;
        job->result.bytes += (int64_t)got;
        job->progress.os = job->os;
        cli_progress_tell(&job->progress, job->result.bytes, job->total);
    }
    if (e == E_OK && to != NULL)
        e = os_file_sync(to);
    *out = c;
    return e;
}

/* E_NOT_FOUND: it is gone. What was there before is replaced. */
static enum err file_copy(struct job *job, struct os_dir *from, struct os_dir *to, const char *name,
                          struct copied *out)
{
    struct os_file *source = NULL;
    struct os_file *target = NULL;
    enum err e = os_file_open(from, name, OS_FILE_READ, &source);
    int64_t size = 0;

    if (e == E_OK)
        e = os_file_size(source, &size);
    if (e == E_OK && to != NULL)
        e = os_file_open(to, name, OS_FILE_CREATE, &target);
    if (e == E_OK && target != NULL)
        e = os_file_truncate(target, 0);
    if (e == E_OK)
        e = bytes_copy(job, source, target, size, out);
    os_file_unref(source);
    os_file_unref(target);
    return e;
}

static enum err manifest_add(struct job *job, const struct copied *c, const char *path)
{
    job->result.files++;
    return buf_printf(&job->manifest, "%08" PRIx32 " %" PRId64 " %s\n", c->crc, c->size, path);
}

/* ---- create ---- */

/* Of the sealed segments of `before`, is each still there with its size? */
static bool is_steady(const struct listing *before, const struct listing *after)
{
    const struct entry *active = NULL;

    for (size_t i = 0; i < before->entries.count; i++) {
        if (ends_with(listing_at(before, i)->name, ".log"))
            active = listing_at(before, i); /* in the order of names: the last one */
    }
    for (size_t i = 0; i < before->entries.count; i++) {
        const struct entry *b = listing_at(before, i);
        bool is_there = false;

        if (!ends_with(b->name, ".log"))
            continue;
        for (size_t k = 0; k < after->entries.count && !is_there; k++) {
            const struct entry *a = listing_at(after, k);

            is_there = strcmp(a->name, b->name) == 0 && (b == active || a->size == b->size);
        }
        if (!is_there)
            return false;
    }
    return true;
}

/* The small files first, with the checkpoint that is older than the bytes; segments last. */
static int log_order(const char *name)
{
    return strcmp(name, "dlog.checkpoint") == 0 ? 0 : ends_with(name, ".log") ? 2 : 1;
}

static enum err log_copy_once(struct job *job, struct os_dir *from, struct os_dir *to,
                              const char *path, bool *is_steady_out)
{
    struct listing before;
    struct listing after = {0};
    enum err e = listing_read(from, &before);

    for (int order = 0; order <= 2 && e == E_OK; order++) {
        for (size_t i = 0; i < before.entries.count && e == E_OK; i++) {
            const struct entry *entry = listing_at(&before, i);
            char file[PATH_SIZE + NAME_SIZE];
            struct copied c;

            if (entry->is_dir || !is_wanted(entry->name) || log_order(entry->name) != order)
                continue;
            snprintf(file, sizeof(file), "%s/%s", path, entry->name);
            e = file_copy(job, from, to, entry->name, &c);
            if (e == E_OK)
                e = manifest_add(job, &c, file);
            else if (e == E_NOT_FOUND)
                e = E_OK; /* the next look tells whether that matters */
            else
                job_failed(job, e, file);
        }
    }
    if (e == E_OK)
        e = listing_read(from, &after);
    if (e == E_OK)
        *is_steady_out = is_steady(&before, &after);
    vec_release(&before.entries);
    vec_release(&after.entries);
    return e;
}

/* E_OK also when the log is gone. */
static enum err log_copy(struct job *job, struct os_dir *root, struct os_dir *dest_root,
                         const char *name, const char *path)
{
    struct os_dir *from = NULL;
    enum err e = os_dir_open_in(root, name, false, &from);
    bool is_done = false;

    if (e == E_NOT_FOUND)
        return E_OK;
    for (int i = 0; i < TRIES && e == E_OK && !is_done; i++) {
        size_t manifest_size = job->manifest.size;
        int64_t files = job->result.files;
        struct os_dir *to = NULL;

        if (i > 0) { /* what the first try left may be more than there is now */
            e = os_dir_remove_tree(dest_root, name);
            job->result.again++;
            cli_sleep_ms(TRY_MS);
        }
        if (e == E_OK)
            e = os_dir_open_in(dest_root, name, true, &to);
        if (e == E_OK)
            e = log_copy_once(job, from, to, path, &is_done);
        if (e == E_OK)
            e = os_dir_sync(to);
        os_dir_close(to);
        if (e == E_OK && !is_done) {
            job->manifest.size = manifest_size;
            job->result.files = files;
        }
    }
    os_dir_close(from);
    if (e == E_OK && !is_done) {
        report_set(job->report, "%s changes faster than it can be copied; try again later", name);
        e = E_BUSY;
    }
    job->result.logs += e == E_OK;
    return e;
}

static enum err root_copy(struct job *job, const char *data, struct os_dir *dest, int number)
{
    struct os_dir *root = NULL;
    struct os_dir *to = NULL;
    struct listing list = {0};
    char folder[16];
    enum err e = os_dir_open(job->os, data, false, &root);

    snprintf(folder, sizeof(folder), "%d", number);
    if (e == E_OK)
        e = os_dir_open_in(dest, folder, true, &to);
    if (e == E_OK)
        e = listing_read(root, &list);
    if (e == E_OK && list.entries.count > 0)
        qsort(list.entries.at, list.entries.count, sizeof(struct entry), by_rank);
    for (size_t i = 0; i < list.entries.count && e == E_OK; i++) {
        const struct entry *entry = listing_at(&list, i);
        char path[PATH_SIZE];
        struct copied c;

        if (!is_wanted(entry->name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->name);
        if (entry->is_dir) {
            e = log_copy(job, root, to, entry->name, path);
            continue;
        }
        e = file_copy(job, root, to, entry->name, &c);
        if (e == E_OK)
            e = manifest_add(job, &c, path);
        else if (e == E_NOT_FOUND)
            e = E_OK;
    }
    if (e == E_OK)
        e = os_dir_sync(to);
    vec_release(&list.entries);
    os_dir_close(root);
    os_dir_close(to);
    return e == E_OK ? E_OK : job_failed(job, e, data);
}

/* Of `path` and of what is in it, two levels deep, for the progress. */
static int64_t size_of(struct os *os, const char *path)
{
    struct os_dir *root = NULL;
    struct listing list = {0};
    int64_t sum = 0;

    if (os_dir_open(os, path, false, &root) != E_OK)
        return 0;
    if (listing_read(root, &list) == E_OK) {
        for (size_t i = 0; i < list.entries.count; i++) {
            struct os_dir *dir = NULL;
            struct listing inner = {0};

            sum += listing_at(&list, i)->size;
            if (listing_at(&list, i)->is_dir &&
                os_dir_open_in(root, listing_at(&list, i)->name, false, &dir) == E_OK &&
                listing_read(dir, &inner) == E_OK) {
                for (size_t k = 0; k < inner.entries.count; k++)
                    sum += listing_at(&inner, k)->size;
            }
            vec_release(&inner.entries);
            os_dir_close(dir);
        }
    }
    vec_release(&list.entries);
    os_dir_close(root);
    return sum;
}

static enum err empty_open(struct job *job, const char *path, struct os_dir **dir_out)
{
    struct listing list = {0};
    enum err e = os_dir_open(job->os, path, true, dir_out);

    if (e == E_OK)
        e = listing_read(*dir_out, &list);
    if (e == E_OK && list.entries.count > 0) {
        report_set(job->report, "%s is not empty: give a directory that is, or is not there", path);
        e = E_EXISTS;
    }
    vec_release(&list.entries);
    return e == E_OK ? E_OK : job_failed(job, e, path);
}

static enum err manifest_write(struct job *job, struct os_dir *dest)
{
    enum err e = buf_printf(&job->manifest, "end %08" PRIx32 "\n",
                            crc32c_of(job->manifest.at, job->manifest.size));

    return e == E_OK ? os_dir_replace_file(dest, MANIFEST, buf_slice(&job->manifest)) : e;
}

enum err cli_backup_create(const struct cli *cli, const struct cli_backup_data *data,
                           const char *dest, struct cli_backup_result *result_out,
                           struct report *report)
{
    struct os_dir *to = NULL;
    struct job job;
    enum err e = job_open(&job, cli, "backup", report);

    if (e == E_OK)
        e = empty_open(&job, dest, &to);
    if (e == E_OK)
        e = buf_append(&job.manifest, HEAD, sizeof(HEAD) - 1);
    for (size_t i = 0; i < data->count && e == E_OK; i++)
        job.total += size_of(job.os, data->dirs[i]);
    for (size_t i = 0; i < data->count && e == E_OK; i++)
        e = root_copy(&job, data->dirs[i], to, (int)i);
    if (e == E_OK)
        e = manifest_write(&job, to);
    os_dir_close(to);
    *result_out = job.result;
    job_close(&job);
    return e;
}

/* ---- the manifest, read ---- */

struct line {
    uint32_t crc;
    int64_t size;
    char path[PATH_SIZE];
};

/* Check the last line, and drop it and the first. */
static enum err manifest_check(struct buf *text, struct report *report, const char *source)
{
    enum { END_SIZE = 13 }; /* "end 0123abcd\n" */
    char expected[END_SIZE + 1];

    if (text->size < sizeof(HEAD) - 1 + END_SIZE || memcmp(text->at, HEAD, sizeof(HEAD) - 1) != 0) {
        report_set(report, "%s/%s is not that of a backup, or of a newer dlog", source, MANIFEST);
        return E_CORRUPT;
    }
    text->size -= END_SIZE;
    snprintf(expected, sizeof(expected), "end %08" PRIx32 "\n", crc32c_of(text->at, text->size));
    if (memcmp(text->at + text->size, expected, END_SIZE) != 0) {
        report_set(report, "%s/%s is damaged", source, MANIFEST);
        return E_CORRUPT;
    }
    buf_drop(text, sizeof(HEAD) - 1);
    return E_OK;
}

static enum err manifest_read(struct job *job, const char *source, struct os_dir **dir_out)
{
    enum err e = os_dir_open(job->os, source, false, dir_out);

    if (e == E_OK)
        e = os_dir_read_file(*dir_out, MANIFEST, &job->manifest);
    if (e == E_NOT_FOUND)
        report_set(job->report, "%s is no backup, or one that was not finished: there is no %s",
                   source, MANIFEST);
    if (e == E_OK)
        e = manifest_check(&job->manifest, job->report, source);
    return e == E_OK ? E_OK : job_failed(job, e, source);
}

/* The next line at `*pos`; false at the end. The CRC over the manifest vouches for its form. */
static bool line_next(const struct buf *text, size_t *pos, struct line *out)
{
    size_t size = 0;
    char line[PATH_SIZE + 64];
    unsigned crc;
    long long bytes;
    int used = 0;

    while (*pos + size < text->size && text->at[*pos + size] != '\n')
        size++;
    if (*pos >= text->size || size >= sizeof(line))
        return false;
    slice_to_text(slice_of(text->at + *pos, size), line, sizeof(line));
    *pos += size + 1;
    if (sscanf(line, "%8x %lld %n", &crc, &bytes, &used) != 2 || strlen(line + used) >= PATH_SIZE ||
        strstr(line + used, "..") != NULL)
        return false;
    out->crc = crc;
    out->size = bytes;
    memcpy(out->path, line + used, strlen(line + used) + 1);
    return true;
}

/* "0/orders-0/x.log" in pieces: the folder's number, "orders-0" or "", and "x.log". */
struct place {
    int number;
    char folder[NAME_SIZE];
    char name[NAME_SIZE];
};

static bool place_of(const char *path, struct place *out)
{
    int used = 0;
    const char *rest;
    const char *slash;

    *out = (struct place){0};
    if (sscanf(path, "%2d/%n", &out->number, &used) != 1 || used == 0 || out->number < 0)
        return false;
    rest = path + used;
    slash = strchr(rest, '/');
    if (slash != NULL && ((size_t)(slash - rest) >= NAME_SIZE || strchr(slash + 1, '/') != NULL))
        return false;
    if (slash != NULL) {
        memcpy(out->folder, rest, (size_t)(slash - rest));
        rest = slash + 1;
    }
    if (strlen(rest) >= NAME_SIZE || rest[0] == 0)
        return false;
    memcpy(out->name, rest, strlen(rest));
    return true;
}

/* ---- verify and restore ---- */

struct walk {
    struct job *job;
    struct os_dir *from;
    const struct cli_backup_data *data; /* NULL: only verify */
    struct os_dir *roots[CLI_BACKUP_DIRS_MAX];
    int64_t bad;
};

static void line_bad(struct walk *w, const struct line *line, const char *why)
{
    w->bad++;
    fprintf(w->job->cli->err, "dlog: %s: %s\n", line->path, why);
}

static enum err dirs_open(struct walk *w, const struct place *place, struct os_dir **from_out,
                          struct os_dir **to_out)
{
    struct os_dir *root = NULL;
    char number[16];
    enum err e;

    snprintf(number, sizeof(number), "%d", place->number);
    e = os_dir_open_in(w->from, number, false, &root);
    if (e == E_OK && place->folder[0] != 0) {
        e = os_dir_open_in(root, place->folder, false, from_out);
        os_dir_close(root);
    } else if (e == E_OK) {
        *from_out = root;
    }
    if (e == E_OK && w->data != NULL && place->folder[0] != 0)
        e = os_dir_open_in(w->roots[place->number], place->folder, true, to_out);
    return e;
}

static enum err line_do(struct walk *w, const struct line *line)
{
    struct os_dir *from = NULL;
    struct os_dir *to = NULL;
    struct place place;
    struct copied c = {0};
    enum err e;

    if (!place_of(line->path, &place) ||
        (w->data != NULL && (size_t)place.number >= w->data->count)) {
        report_set(w->job->report, "%s: the backup has more data directories than were given",
                   line->path);
        return E_INVAL;
    }
    e = dirs_open(w, &place, &from, &to);
    if (e == E_OK)
        e = file_copy(w->job, from,
                      w->data == NULL ? NULL
                      : to != NULL    ? to
                                      : w->roots[place.number],
                      place.name, &c);
    if (e == E_NOT_FOUND)
        line_bad(w, line, "is missing");
    else if (e == E_OK && (c.size != line->size || c.crc != line->crc))
        line_bad(w, line, c.size != line->size ? "has another size" : "has another checksum");
    else if (e != E_OK)
        job_failed(w->job, e, line->path);
    if (e == E_OK && to != NULL)
        e = os_dir_sync(to);
    w->job->result.files++;
    os_dir_close(from);
    os_dir_close(to);
    return e == E_NOT_FOUND ? E_OK : e;
}

static enum err walk_lines(struct walk *w)
{
    struct line line;
    size_t pos = 0;
    enum err e = E_OK;

    for (size_t at = 0; line_next(&w->job->manifest, &at, &line);)
        w->job->total += line.size;
    while (e == E_OK && line_next(&w->job->manifest, &pos, &line))
        e = line_do(w, &line);
    for (size_t i = 0; w->data != NULL && i < w->data->count && e == E_OK; i++)
        e = os_dir_sync(w->roots[i]);
    return e;
}

enum err cli_backup_verify(const struct cli *cli, const char *source, int64_t *bad_out,
                           struct cli_backup_result *result_out, struct report *report)
{
    struct job job;
    struct walk w = {.job = &job};
    enum err e = job_open(&job, cli, "verify", report);

    if (e == E_OK)
        e = manifest_read(&job, source, &w.from);
    if (e == E_OK)
        e = walk_lines(&w);
    os_dir_close(w.from);
    *bad_out = w.bad;
    *result_out = job.result;
    job_close(&job);
    return e;
}

enum err cli_backup_restore(const struct cli *cli, const char *source,
                            const struct cli_backup_data *data,
                            struct cli_backup_result *result_out, struct report *report)
{
    struct job job;
    struct walk w = {.job = &job, .data = data};
    enum err e = job_open(&job, cli, "restore", report);

    if (e == E_OK)
        e = manifest_read(&job, source, &w.from);
    for (size_t i = 0; i < data->count && e == E_OK; i++)
        e = empty_open(&job, data->dirs[i], &w.roots[i]);
    if (e == E_OK)
        e = walk_lines(&w);
    if (e == E_OK && w.bad > 0) {
        report_set(report, "%lld files of the backup are damaged: what was restored is not whole",
                   (long long)w.bad);
        e = E_CORRUPT;
    }
    os_dir_close(w.from);
    for (size_t i = 0; i < data->count; i++)
        os_dir_close(w.roots[i]);
    *result_out = job.result;
    job_close(&job);
    return e;
}
