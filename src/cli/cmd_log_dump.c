#include "cli/cli_frame.h"
#include "cli/cli_log.h"
#include "cli/cli_time.h"
#include "cli/cmd.h"
#include "codec/codec.h"
#include "record/record.h"

/*
 * dlog log dump: the batches of a log, and with --records what is in them, as they are on disk.
 * What is damaged is a line of its own.
 */
enum { OUTPUT_MAX = 1 << 30, OUTPUT_CHUNK = 1 << 16 };

struct dump {
    struct cli *cli;
    struct cli_log log;
    struct log_walk walk;
    struct buf out;
    struct cli_frame frame;
    struct report report;
    int64_t from;
    int64_t left; /* batches, or records with --records */
    bool is_json;
    bool has_records;
    bool is_damaged;
};

static void json_batch(struct cli_json *j, const struct log_walk_item *item, const char *kind)
{
    const struct batch_header *h = &item->header;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"offset", h->base_offset},
        {"last_offset", batch_last_offset(h)},
        {"pos", item->pos},
        {"size", item->end - item->pos},
        {"leader_epoch", h->leader_epoch},
        {"crc", h->crc},
        {"timestamp", h->base_timestamp},
        {"max_timestamp", h->max_timestamp},
        {"producer_id", h->producer_id},
        {"producer_epoch", h->producer_epoch},
        {"sequence", h->base_sequence},
        {"record_count", h->record_count},
    };
    const char *codec = codec_name(batch_codec(h));

    cli_json_key(j, "kind");
    cli_json_text(j, kind);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cli_json_key(j, numbers[i].name);
        cli_json_i64(j, numbers[i].value);
    }
    cli_json_key(j, "codec");
    cli_json_text(j, codec != NULL ? codec : "unknown");
    cli_json_key(j, "transactional");
    cli_json_bool(j, batch_is_transactional(h));
    cli_json_key(j, "control");
    cli_json_bool(j, batch_is_control(h));
    cli_json_key(j, "log_append_time");
    cli_json_bool(j, batch_is_log_append_time(h));
}

static bool is_message(const struct dump *d)
{
    return d->log.view.format == LOG_FORMAT_MESSAGE;
}

static enum err text_batch(struct dump *d, const struct log_walk_item *item)
{
    const struct batch_header *h = &item->header;
    const char *codec = codec_name(batch_codec(h));
    char time[CLI_TIME_SIZE];
    enum err e;

    cli_time_print(h->max_timestamp, time);
    if (is_message(d))
        e = buf_printf(&d->out, "offset %lld pos %lld size %lld time %s", (long long)h->base_offset,
                       (long long)item->pos, (long long)(item->end - item->pos), time);
    else
        e = buf_printf(&d->out, "offset %lld..%lld pos %lld size %lld epoch %d time %s records %d",
                       (long long)h->base_offset, (long long)batch_last_offset(h),
                       (long long)item->pos, (long long)(item->end - item->pos), h->leader_epoch,
                       time, h->record_count);
    if (e == E_OK && batch_codec(h) != CODEC_NONE)
        e = buf_printf(&d->out, " codec %s", codec != NULL ? codec : "unknown");
    if (e == E_OK && batch_has_producer(h))
        e = buf_printf(&d->out, " producer %lld epoch %d sequence %d", (long long)h->producer_id,
                       h->producer_epoch, h->base_sequence);
    if (e == E_OK)
        e = buf_printf(&d->out, "%s%s\n", batch_is_transactional(h) ? " transactional" : "",
                       batch_is_control(h) ? " control" : "");
    return e;
}

/* The records of the batch. */
static enum err add_records(struct dump *d, const struct log_walk_item *item, struct cli_json *j)
{
    struct record_view view;
    enum err e = cli_frame_read(&d->frame, &d->walk, item);

    while (e == E_OK && d->left > 0 && cli_frame_next(&d->frame, &view)) {
        if (view.offset < d->from)
            continue;
        d->left--;
        if (!d->is_json) {
            e = cli_log_record_text(&view, &d->out);
            continue;
        }
        cli_json_open(j, '{');
        cli_log_record_json(j, &view);
        cli_json_close(j, '}');
    }
    return e == E_OK && d->left > 0 ? cli_frame_done(&d->frame) : e;
}

static enum err dump_batch(struct dump *d, const struct log_walk_item *item)
{
    struct cli_json j = cli_json_init(&d->out);
    enum err bad = E_OK; /* the checksum is right and the content is not */
    enum err e = E_OK;

    if (d->is_json) {
        cli_json_open(&j, '{');
        json_batch(&j, item, is_message(d) ? "message" : "batch");
    } else {
        e = text_batch(d, item);
    }
    if (d->has_records && e == E_OK) {
        if (d->is_json) {
            cli_json_key(&j, "records");
            cli_json_open(&j, '[');
        }
        bad = add_records(d, item, &j);
        if (bad != E_OK && !cli_frame_is_wrong(bad))
            e = bad;
        if (d->is_json)
            cli_json_close(&j, ']');
    } else {
        d->left--;
    }
    if (e == E_OK && bad != E_OK && !d->is_json)
        e = buf_printf(&d->out, "  the records cannot be read: %s\n", err_text(bad));
    d->is_damaged |= bad != E_OK;
    if (!d->is_json)
        return e;
    cli_json_key(&j, "error");
    if (bad != E_OK)
        cli_json_text(&j, err_text(bad));
    else
        cli_json_null(&j);
    cli_json_close(&j, '}');
    if (e == E_OK)
        e = cli_json_done(&j);
    return e == E_OK ? buf_append(&d->out, "\n", 1) : e;
}

static enum err dump_wrong(struct dump *d, const struct log_walk_item *item)
{
    int64_t base = log_view_segment_at(&d->log.view, item->segment)->base_offset;
    struct cli_json j;
    enum err e;

    d->is_damaged = true;
    if (!d->is_json)
        return buf_printf(&d->out, "%s offset %lld..%lld pos %lld size %lld in %020lld.log: %s\n",
                          cli_log_kind_text(item->kind), (long long)item->offset,
                          (long long)item->offset_end - 1, (long long)item->pos,
                          (long long)(item->end - item->pos), (long long)base, item->why);
    j = cli_json_init(&d->out);
    cli_json_open(&j, '{');
    cli_json_key(&j, "kind");
    cli_json_text(&j, cli_log_kind_text(item->kind));
    cli_json_key(&j, "offset");
    cli_json_i64(&j, item->offset);
    cli_json_key(&j, "last_offset");
    cli_json_i64(&j, item->offset_end - 1);
    cli_json_key(&j, "pos");
    cli_json_i64(&j, item->pos);
    cli_json_key(&j, "size");
    cli_json_i64(&j, item->end - item->pos);
    cli_json_key(&j, "error");
    cli_json_text(&j, item->why);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(&d->out, "\n", 1) : e;
}

static enum err dump_all(struct dump *d)
{
    struct log_walk_item item;
    enum err e = log_walk_init(&d->walk, &d->log.view, cli_log_segment_of(&d->log.view, d->from));

    if (e != E_OK)
        return e;
    while (d->left > 0 && e == E_OK) {
        e = log_walk_next(&d->walk, &item);
        if (e != E_OK)
            break;
        if (item.offset_end <= d->from && item.kind != LOG_WALK_TORN)
            continue;
        if (item.kind == LOG_WALK_BATCH)
            e = dump_batch(d, &item);
        else
            e = dump_wrong(d, &item);
        if (e == E_OK && d->out.size >= OUTPUT_CHUNK)
            e = cli_log_print(d->cli, &d->out, &d->report);
    }
    log_walk_release(&d->walk);
    if (e == E_OK || e == E_NOT_FOUND)
        e = cli_log_print(d->cli, &d->out, &d->report);
    return e;
}

static int dump_run(struct cli *cli)
{
    struct dump d = {.cli = cli,
                     .left = INT64_MAX,
                     .is_json = cli_args_has(cli->args, "json"),
                     .has_records = cli_args_has(cli->args, "records")};
    struct cli_range offsets = {0, INT64_MAX}, counts = {1, INT64_MAX};
    enum err e;

    if (cli_args_i64(cli->args, "offset", offsets, &d.from, &d.report) != E_OK ||
        cli_args_i64(cli->args, "count", counts, &d.left, &d.report) != E_OK)
        return cli_usage_error(cli, &d.report);
    e = cli_log_open(cli_args_word(cli->args, 0), &d.log, &d.report);
    if (e != E_OK)
        return cli_fail(cli, &d.report);
    buf_init(&d.out, OUTPUT_MAX);
    cli_frame_init(&d.frame);
    e = dump_all(&d);
    buf_release(&d.out);
    cli_frame_release(&d.frame);
    cli_log_close(&d.log);
    if (e != E_OK && e != E_NOT_FOUND && e != E_CLOSED) {
        if (d.report.text[0] == 0)
            report_set(&d.report, "%s: %s", cli_args_word(cli->args, 0), err_text(e));
        return cli_fail(cli, &d.report);
    }
    return d.is_damaged ? CLI_DAMAGED : CLI_DONE;
}

static const struct cli_option OPTIONS[] = {
    {"offset", 'o', "N", "begin with the batch that holds it"},
    {"count", 'n', "N", "stop after so many batches, or records with --records"},
    {"records", 'r', NULL, "also what is in the batches"},
    {"json", 'j', NULL, "one JSON object a line"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_dump = {
    .noun = "log",
    .verb = "dump",
    .arguments = "DIR",
    .words_min = 1,
    .words_max = 1,
    .summary = "print the batches of a log from its files",
    .notes = "DIR is a partition's directory. Nothing is changed or locked. Damage is a line of\n"
             "its own; exit code 3 says that there was some.\n",
    .options = OPTIONS,
    .run = dump_run,
};
