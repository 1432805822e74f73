#include "cli/cli_frame.h"
#include "cli/cli_log.h"
#include "cli/cmd.h"
#include "record/batch.h"

/*
 * dlog log export: the records of a log as lines of JSON, as `dlog log import` reads them. Results
 * hold records only; what is damaged is told on standard error.
 */
enum { OUTPUT_MAX = 1 << 30, OUTPUT_CHUNK = 1 << 16 };

struct export
{
    struct cli *cli;
    struct cli_log log;
    struct log_walk walk;
    struct cli_frame frame;
    struct buf out;
    struct report report;
    int64_t from;
    int64_t left;
    bool is_damaged;
};

static enum err add_line(struct export *x, const struct record_view *record)
{
    struct cli_json j = cli_json_init(&x->out);
    enum err e;

    cli_json_open(&j, '{');
    cli_log_record_json(&j, record);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(&x->out, "\n", 1) : e;
}

/* A tail that a broker is writing at this moment is not torn. */
static void tell_wrong(struct export *x, const struct log_walk_item *item, const char *why)
{
    if (item->kind == LOG_WALK_TORN && cli_log_is_live(&x->log))
        return;
    x->is_damaged = true;
    fprintf(x->cli->err, "dlog: %s: %s, offsets %lld to %lld left out: %s\n", x->log.path,
            item->kind == LOG_WALK_BATCH ? "damage" : cli_log_kind_text(item->kind),
            (long long)item->offset, (long long)item->offset_end - 1, why);
}

static enum err export_frame(struct export *x, const struct log_walk_item *item)
{
    enum err e = cli_frame_read(&x->frame, &x->walk, item);
    struct record_view record;
    enum err wrong;

    while (e == E_OK && x->left > 0 && cli_frame_next(&x->frame, &record)) {
        if (record.offset < x->from)
            continue;
        x->left--;
        e = add_line(x, &record);
        if (e != E_OK)
            return e;
    }
    wrong = e == E_OK && x->left > 0 ? cli_frame_done(&x->frame) : e;
    if (!cli_frame_is_wrong(wrong))
        return wrong;
    tell_wrong(x, item, "the records cannot be read");
    return E_OK;
}

static enum err export_item(struct export *x, const struct log_walk_item *item)
{
    if (item->kind != LOG_WALK_BATCH) {
        tell_wrong(x, item, item->why);
        return E_OK;
    }
    if (batch_is_control(&item->header) && x->log.view.format == LOG_FORMAT_BATCH)
        return E_OK; /* a marker is no record of anybody */
    return export_frame(x, item);
}

static enum err export_all(struct export *x)
{
    struct log_walk_item item;
    enum err e;

    if (x->from < x->log.view.start_offset)
        x->from = x->log.view.start_offset;
    e = log_walk_init(&x->walk, &x->log.view, cli_log_segment_of(&x->log.view, x->from));
    if (e != E_OK)
        return e;
    while (x->left > 0 && e == E_OK) {
        e = log_walk_next(&x->walk, &item);
        if (e != E_OK || (item.offset_end <= x->from && item.kind != LOG_WALK_TORN))
            continue;
        e = export_item(x, &item);
        if (e == E_OK && x->out.size >= OUTPUT_CHUNK)
            e = cli_log_print(x->cli, &x->out, &x->report);
    }
    log_walk_release(&x->walk);
    if (e == E_OK || e == E_NOT_FOUND)
        e = cli_log_print(x->cli, &x->out, &x->report);
    return e;
}

static int export_run(struct cli *cli)
{
    struct export x = {.cli = cli, .left = INT64_MAX};
    struct cli_range offsets = {0, INT64_MAX}, counts = {1, INT64_MAX};
    const char *path = cli_args_word(cli->args, 0);
    enum err e;

    if (cli_args_i64(cli->args, "offset", offsets, &x.from, &x.report) != E_OK ||
        cli_args_i64(cli->args, "count", counts, &x.left, &x.report) != E_OK)
        return cli_usage_error(cli, &x.report);
    e = cli_log_open(path, &x.log, &x.report);
    if (e != E_OK)
        return cli_fail(cli, &x.report);
    buf_init(&x.out, OUTPUT_MAX);
    cli_frame_init(&x.frame);
    e = export_all(&x);
    buf_release(&x.out);
    cli_frame_release(&x.frame);
    cli_log_close(&x.log);
    if (e != E_OK && e != E_CLOSED) {
        if (x.report.text[0] == 0)
            report_set(&x.report, "%s: %s", path, err_text(e));
        return cli_fail(cli, &x.report);
    }
    return x.is_damaged ? CLI_DAMAGED : CLI_DONE;
}

static const struct cli_option OPTIONS[] = {
    {"offset", 'o', "N", "begin with the first record at or after offset N"},
    {"count", 'n', "N", "stop after so many records"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_export = {
    .noun = "log",
    .verb = "export",
    .arguments = "DIR",
    .words_min = 1,
    .words_max = 1,
    .summary = "print the records of a log as lines of JSON, from its files",
    .notes = "DIR is a partition's directory. Nothing is changed or locked. Bytes that are not\n"
             "UTF-8 are in base64, as key_base64 and so on. Exit code 3: damage, told on standard\n"
             "error, left records out.\n",
    .options = OPTIONS,
    .run = export_run,
};
