#include <string.h>

#include "base/mem.h"
#include "cli/cli_frame.h"
#include "cli/cli_log.h"
#include "cli/cli_log_writer.h"
#include "cli/cmd.h"
#include "os/dir.h"

/*
 * dlog log convert: a log of messages becomes a log of batches, which a broker serves. Offsets,
 * timestamps and keys stay. The source is only looked at. The target is written under another
 * name and gets its own when it is whole and durable:
 *
 *     TARGET.converting --rename--> TARGET
 */
enum { OUTPUT_MAX = 1 << 16 };

static const char SUFFIX[] = ".converting";

struct convert {
    struct cli *cli;
    const char *path; /* of the target */
    char *stage;      /* the path it is written under; owned */
    struct cli_log log;
    struct log_walk walk;
    struct cli_frame frame;
    struct cli_log_writer writer;
    struct cli_progress progress;
    struct report report;
    int64_t done_bytes;
    int64_t records;
    int64_t skipped; /* offsets */
    bool skips;
    bool is_damaged;
};

static enum err skip(struct convert *c, const struct log_walk_item *item, const char *why)
{
    const char *kind = item->kind == LOG_WALK_BATCH ? "damage" : cli_log_kind_text(item->kind);

    c->is_damaged = true;
    if (!c->skips) {
        report_set(&c->report,
                   "%s: %s at offsets %lld to %lld: %s; repair it, or leave them out with "
                   "--skip-damage",
                   c->log.path, kind, (long long)item->offset, (long long)item->offset_end - 1,
                   why);
        return E_CORRUPT;
    }
    cli_progress_end(&c->progress);
    fprintf(c->cli->err, "dlog: %s: %s, offsets %lld to %lld left out: %s\n", c->log.path, kind,
            (long long)item->offset, (long long)item->offset_end - 1, why);
    if (item->offset_end > item->offset)
        c->skipped += item->offset_end - item->offset;
    return E_OK;
}

static enum err convert_frame(struct convert *c, const struct log_walk_item *item)
{
    enum err e = cli_frame_read(&c->frame, &c->walk, item);
    struct record_view record;

    if (cli_frame_is_wrong(e))
        return skip(c, item, "the value cannot be decompressed");
    while (e == E_OK && cli_frame_next(&c->frame, &record)) {
        struct record_draft draft = {
            .timestamp_ms = record.timestamp_ms, .key = record.key, .value = record.value};

        if (record.offset < c->log.view.start_offset)
            continue;
        e = cli_log_writer_skip_to(&c->writer, record.offset, &c->report);
        if (e == E_OK)
            e = cli_log_writer_add(&c->writer, &draft, &c->report);
        c->records++;
    }
    return e;
}

static enum err convert_all(struct convert *c)
{
    int64_t total = log_view_size(&c->log.view);
    struct log_walk_item item;
    enum err e = log_walk_init(&c->walk, &c->log.view, 0);

    if (e != E_OK)
        return e;
    while (e == E_OK) {
        e = log_walk_next(&c->walk, &item);
        if (e != E_OK)
            break;
        e = item.kind == LOG_WALK_BATCH ? convert_frame(c, &item) : skip(c, &item, item.why);
        c->done_bytes += item.end - item.pos;
        cli_progress_tell(&c->progress, c->done_bytes, total);
    }
    cli_progress_end(&c->progress);
    log_walk_release(&c->walk);
    return e == E_NOT_FOUND ? cli_log_writer_sync(&c->writer, &c->report) : e;
}

/* Before anything is written: is there something already? What an earlier try left goes. */
static enum err prepare(struct convert *c)
{
    char *root = NULL;
    const char *name, *stage_name;
    char *stage_root = NULL;
    struct os_dir *dir = NULL, *old = NULL;
    size_t size = strlen(c->path);
    enum err e;

    while (size > 1 && c->path[size - 1] == '/')
        size--;
    c->stage = mem_must_alloc(size + sizeof(SUFFIX));
    memcpy(c->stage, c->path, size);
    memcpy(c->stage + size, SUFFIX, sizeof(SUFFIX));
    e = cli_log_split(c->path, &root, &name, &c->report);
    if (e == E_OK)
        e = cli_log_split(c->stage, &stage_root, &stage_name, &c->report);
    if (e == E_OK)
        e = os_dir_open(c->log.os, root, true, &dir);
    if (e == E_OK && os_dir_is_locked(dir, ".lock"))
        e = E_BUSY;
    if (e == E_BUSY)
        report_set(&c->report, "a broker or another process has %s open; stop it first", root);
    if (e == E_OK && os_dir_open_in(dir, name, false, &old) != E_NOT_FOUND) {
        report_set(&c->report, "%s: it exists; name a new one", c->path);
        e = E_EXISTS;
    }
    if (e == E_OK)
        e = os_dir_remove_tree(dir, stage_name);
    os_dir_close(old);
    os_dir_close(dir);
    mem_free(root);
    mem_free(stage_root);
    return e == E_NOT_FOUND ? E_OK : e;
}

/* The last step: from here on it is a log. */
static enum err place(struct convert *c)
{
    struct os_dir *dir = log_root_dir(c->writer.root);
    const char *from = c->writer.name;
    char *to = mem_must_alloc(strlen(from) + 1);
    size_t size = strlen(from) + 1 - sizeof(SUFFIX);
    enum err e;

    memcpy(to, from, size);
    to[size] = 0;
    cli_log_writer_shut(&c->writer);
    e = os_dir_rename(dir, from, to);
    if (e == E_OK)
        e = os_dir_sync(dir);
    if (e != E_OK)
        report_set(&c->report, "rename %s to %s: %s", c->stage, c->path, err_text(e));
    mem_free(to);
    return e;
}

static enum err print(struct convert *c, int64_t first, int64_t end)
{
    struct buf out;
    struct cli_json j;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"start_offset", first},
                   {"end_offset", end},
                   {"records", c->records},
                   {"skipped_offsets", c->skipped}};
    enum err e;

    buf_init(&out, OUTPUT_MAX);
    j = cli_json_init(&out);
    if (!cli_args_has(c->cli->args, "json")) {
        e = buf_printf(&out, "%s: converted %lld records, offsets %lld to %lld", c->path,
                       (long long)c->records, (long long)first, (long long)end);
        if (e == E_OK && c->is_damaged)
            e = buf_printf(&out, ", %lld left out", (long long)c->skipped);
    } else {
        cli_json_open(&j, '{');
        cli_json_key(&j, "log");
        cli_json_text(&j, c->path);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            cli_json_key(&j, numbers[i].name);
            cli_json_i64(&j, numbers[i].value);
        }
        cli_json_close(&j, '}');
        e = cli_json_done(&j);
    }
    if (e == E_OK)
        e = buf_append(&out, "\n", 1);
    if (e == E_OK)
        e = cli_log_print(c->cli, &out, &c->report);
    buf_release(&out);
    return e;
}

static enum err convert(struct convert *c, const struct cli_log_writer_options *options)
{
    int64_t first, end;
    enum err e = prepare(c);

    if (e == E_OK)
        e = cli_log_writer_open(c->stage, options, &c->writer, &c->report);
    if (e != E_OK)
        return e;
    c->progress = (struct cli_progress){.cli = c->cli, .os = c->log.os, .what = c->log.path};
    e = convert_all(c);
    if (e != E_OK) {
        cli_log_writer_drop(&c->writer);
        return e;
    }
    first = log_start_offset(c->writer.log);
    end = log_end_offset(c->writer.log);
    e = place(c);
    cli_log_writer_close(&c->writer);
    return e == E_OK ? print(c, first, end) : e;
}

static int convert_run(struct cli *cli)
{
    struct convert c = {.cli = cli,
                        .path = cli_args_word(cli->args, 1),
                        .skips = cli_args_has(cli->args, "skip-damage")};
    struct cli_log_writer_options options = {.is_new = true};
    const char *codec = cli_args_get(cli->args, "compression");
    enum err e;

    if (codec != NULL && codec_parse(slice_of_text(codec), &options.codec) != E_OK) {
        report_set(&c.report, "--compression %s: none, gzip, snappy, lz4 or zstd", codec);
        return cli_usage_error(cli, &c.report);
    }
    e = cli_log_open(cli_args_word(cli->args, 0), &c.log, &c.report);
    if (e != E_OK)
        return cli_fail(cli, &c.report);
    cli_frame_init(&c.frame);
    if (c.log.view.format == LOG_FORMAT_MESSAGE) {
        e = convert(&c, &options);
    } else {
        report_set(&c.report, "%s: it is in batches already, a broker serves it as it is",
                   c.log.path);
        e = E_INVAL;
    }
    cli_frame_release(&c.frame);
    cli_log_close(&c.log);
    mem_free(c.stage);
    if (e == E_OK || e == E_CLOSED)
        return c.is_damaged ? CLI_DAMAGED : CLI_DONE;
    if (c.report.text[0] == 0)
        report_set(&c.report, "%s: %s", c.path, err_text(e));
    cli_fail(cli, &c.report);
    return e == E_CORRUPT ? CLI_DAMAGED : CLI_FAILED;
}

static const struct cli_option OPTIONS[] = {
    {"compression", 'z', "CODEC", "of the batches: none (default), gzip, snappy, lz4 or zstd"},
    {"skip-damage", 0, NULL, "leave out what is damaged; what follows keeps its offsets"},
    {"json", 'j', NULL, "the result as a JSON object"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_convert = {
    .noun = "log",
    .verb = "convert",
    .arguments = "SOURCE TARGET",
    .words_min = 2,
    .words_max = 2,
    .summary = "make a log in batches, which a broker serves, of one in messages",
    .notes =
        "Both are directories of a log. SOURCE is not changed; no process should be writing to\n"
        "it. TARGET must not exist. Offsets, timestamps and keys stay. Exit code 3: there is\n"
        "damage; without --skip-damage nothing was made.\n",
    .options = OPTIONS,
    .run = convert_run,
};
