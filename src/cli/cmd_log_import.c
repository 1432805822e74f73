#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_line_record.h"
#include "cli/cli_lines.h"
#include "cli/cli_log_writer.h"
#include "cli/cmd.h"
#include "os/os.h"

/*
 * dlog log import: lines of JSON from standard input into a log, which is created or appended to.
 * A line that is wrong ends it; what stood before is in the log then, and the error says so.
 */
struct import {
    struct cli *cli;
    const char *path;
    struct cli_log_writer_options options;
    struct cli_log_writer writer;
    struct cli_lines lines;
    struct cli_line_record record;
    struct report report; /* what ended it */
    int64_t line;         /* number of the last one that was read, from 1 */
    int64_t count;        /* records added */
};

static enum err import_line(struct import *m, struct slice line)
{
    struct record_draft draft;
    enum err e =
        cli_line_record_parse(&m->record, line, os_wall_ms(m->writer.os), &draft, &m->report);

    if (e == E_OK)
        e = cli_log_writer_add(&m->writer, &draft, &m->report);
    if (e == E_OK)
        m->count++;
    else if (m->report.text[0] == 0)
        report_set(&m->report, "%s", err_text(e));
    return e;
}

static enum err import_all(struct import *m)
{
    struct slice line;
    enum err e = E_OK;

    while (e == E_OK) {
        if (cli_lines_next(&m->lines, &line)) {
            m->line++;
            e = import_line(m, line);
            if (e != E_OK)
                report_prefix(&m->report, "line %lld", (long long)m->line);
            continue;
        }
        if (m->lines.ended)
            break;
        e = cli_lines_read(&m->lines);
        if (e != E_OK)
            report_set(&m->report, "behind line %lld: %s", (long long)m->line,
                       e == E_IO ? strerror(errno) : "the line is too long");
    }
    return e;
}

/* What the log has, whatever happened. */
static int end(struct import *m, enum err failed)
{
    struct cli_log_writer *w = &m->writer;
    struct report why = {0};
    enum err e = cli_log_writer_sync(w, &why);
    int64_t count = log_end_offset(w->log) - w->first;
    int64_t first = w->first;

    if (e != E_OK && failed == E_OK)
        m->report = why;
    if (failed == E_OK)
        failed = e;
    if (failed != E_OK && count == 0)
        cli_log_writer_drop(w);
    else
        cli_log_writer_close(w);
    if (failed != E_OK && count == 0) {
        report_append(&m->report, "; nothing was imported");
        return cli_fail(m->cli, &m->report);
    }
    if (failed != E_OK) {
        report_append(&m->report,
                      "; the %lld records before it are in the log, offsets %lld to %lld%s: leave "
                      "their lines out next time",
                      (long long)count, (long long)first, (long long)(first + count - 1),
                      e == E_OK ? "" : ", perhaps not durably");
        return cli_fail(m->cli, &m->report);
    }
    if (count > 0)
        fprintf(m->cli->out, "%s: imported %lld records, offsets %lld to %lld\n", m->path,
                (long long)count, (long long)first, (long long)(first + count - 1));
    else
        fprintf(m->cli->out, "%s: imported nothing\n", m->path);
    return CLI_DONE;
}

static enum err read_options(const struct cli_args *args, struct cli_log_writer_options *options,
                             struct report *report)
{
    const char *format = cli_args_get(args, "format");
    const char *codec = cli_args_get(args, "compression");

    if (format != NULL) {
        options->has_format = true;
        options->format = strcmp(format, "message") == 0 ? LOG_FORMAT_MESSAGE : LOG_FORMAT_BATCH;
        if (strcmp(format, log_format_text(options->format)) != 0) {
            report_set(report, "--format %s: batch or message", format);
            return E_INVAL;
        }
    }
    if (codec == NULL || codec_parse(slice_of_text(codec), &options->codec) == E_OK)
        return E_OK;
    report_set(report, "--compression %s: none, gzip, snappy, lz4 or zstd", codec);
    return E_INVAL;
}

static int import_run(struct cli *cli)
{
    struct import m = {.cli = cli, .path = cli_args_word(cli->args, 0)};
    enum err e = read_options(cli->args, &m.options, &m.report);
    int code;

    if (e != E_OK)
        return cli_usage_error(cli, &m.report);
    e = cli_log_writer_open(m.path, &m.options, &m.writer, &m.report);
    if (e != E_OK)
        return cli_fail(cli, &m.report);
    cli_lines_init(&m.lines, STDIN_FILENO);
    cli_line_record_init(&m.record);
    e = import_all(&m);
    code = end(&m, e);
    cli_lines_release(&m.lines);
    cli_line_record_release(&m.record);
    return code;
}

static const struct cli_option OPTIONS[] = {
    {"format", 0, "FORMAT", "of a log that is created: batch (default) or message"},
    {"compression", 'z', "CODEC", "none (default), gzip, snappy, lz4 or zstd"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_import = {
    .noun = "log",
    .verb = "import",
    .arguments = "DIR",
    .words_min = 1,
    .words_max = 1,
    .summary = "append lines of JSON from standard input to a log",
    .notes =
        "DIR is a partition's directory; no broker may have it open. Lines are as of `dlog log\n"
        "export`; offsets are assigned anew, timestamps stay. A wrong line ends it with its\n"
        "number; the records before it are in the log.\n",
    .options = OPTIONS,
    .run = import_run,
};
