#include <stdlib.h>
#include <string.h>

#include "cli/cli_log.h"
#include "cli/cli_table.h"
#include "cli/cmd.h"
#include "os/dir.h"
#include "os/os.h"
#include "storage/log_verify.h"

/*
 * dlog log verify: read logs as they are on disk and say what is wrong with them. A data directory
 * stands for all the logs in it.
 */
enum { OUTPUT_MAX = 1 << 30, LOGS_MAX = 1 << 20, NAME_SIZE = 32, PATH_SIZE = 4096 };

struct verify_run {
    struct cli *cli;
    struct buf out;
    struct report report;
    struct cli_progress progress;
    int64_t damaged; /* logs */
    int64_t right;
};

static void segment_text(int64_t base_offset, char text_out[NAME_SIZE])
{
    snprintf(text_out, NAME_SIZE, "%020lld.log", (long long)base_offset);
}

static void json_ranges(struct cli_json *j, const struct log_verify_result *result)
{
    cli_json_key(j, "ranges");
    cli_json_open(j, '[');
    for (size_t i = 0; i < result->ranges.count; i++) {
        const struct log_verify_range *r = log_verify_range_at(result, i);
        char name[NAME_SIZE];

        segment_text(r->segment, name);
        cli_json_open(j, '{');
        cli_json_key(j, "kind");
        cli_json_text(j, cli_log_kind_text(r->kind));
        cli_json_key(j, "file");
        cli_json_text(j, name);
        cli_json_key(j, "pos");
        cli_json_i64(j, r->pos);
        cli_json_key(j, "end");
        cli_json_i64(j, r->end);
        cli_json_key(j, "offset");
        cli_json_i64(j, r->offset);
        cli_json_key(j, "offset_end");
        cli_json_i64(j, r->offset_end);
        cli_json_key(j, "why");
        cli_json_text(j, r->why);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static void json_files(struct cli_json *j, const struct log_verify_result *result)
{
    cli_json_key(j, "files");
    cli_json_open(j, '[');
    for (size_t i = 0; i < result->files.count; i++) {
        const struct log_verify_file *f = vec_at(&result->files, i);

        cli_json_open(j, '{');
        cli_json_key(j, "file");
        cli_json_text(j, f->name);
        cli_json_key(j, "entry");
        if (f->entry < 0)
            cli_json_null(j);
        else
            cli_json_i64(j, f->entry);
        cli_json_key(j, "why");
        cli_json_text(j, f->why);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static enum err print_json(struct verify_run *run, const char *path,
                           const struct log_verify_result *result)
{
    struct cli_json j = cli_json_init(&run->out);
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"start_offset", result->start_offset},
                   {"end_offset", result->end_offset},
                   {"segments", result->segments},
                   {"batches", result->batches},
                   {"bytes", result->bytes},
                   {"wrong_ranges", result->range_count},
                   {"wrong_files", result->file_count}};
    enum err e;

    cli_json_open(&j, '{');
    cli_json_key(&j, "log");
    cli_json_text(&j, path);
    cli_json_key(&j, "right");
    cli_json_bool(&j, log_verify_is_right(result));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cli_json_key(&j, numbers[i].name);
        cli_json_i64(&j, numbers[i].value);
    }
    json_ranges(&j, result);
    json_files(&j, result);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(&run->out, "\n", 1) : e;
}

static enum err print_ranges(struct verify_run *run, const struct log_verify_result *result)
{
    static const char *const TITLES[] = {"KIND", "FILE", ">POS", ">END", ">OFFSETS", "WHY"};
    struct cli_table t;
    enum err e;

    cli_table_init(&t, TITLES, sizeof(TITLES) / sizeof(TITLES[0]));
    for (size_t i = 0; i < result->ranges.count; i++) {
        const struct log_verify_range *r = log_verify_range_at(result, i);
        char name[NAME_SIZE];

        segment_text(r->segment, name);
        cli_table_cell(&t, "%s", cli_log_kind_text(r->kind));
        cli_table_cell(&t, "%s", name);
        cli_table_cell(&t, "%lld", (long long)r->pos);
        cli_table_cell(&t, "%lld", (long long)r->end);
        if (r->offset_end > r->offset)
            cli_table_cell(&t, "%lld..%lld", (long long)r->offset, (long long)r->offset_end - 1);
        else
            cli_table_cell(&t, "-");
        cli_table_cell(&t, "%s", r->why);
    }
    e = result->ranges.count == 0 ? E_OK : cli_table_print(&t, 2, run->cli->colour, &run->out);
    cli_table_release(&t);
    return e;
}

static enum err print_text(struct verify_run *run, const char *path,
                           const struct log_verify_result *result)
{
    enum err e = buf_printf(
        &run->out, "%s: %s: offsets %lld to %lld, %lld batches, %lld bytes, %lld segment%s\n", path,
        log_verify_is_right(result) ? "right" : "DAMAGED", (long long)result->start_offset,
        (long long)result->end_offset, (long long)result->batches, (long long)result->bytes,
        (long long)result->segments, result->segments == 1 ? "" : "s");

    if (e == E_OK)
        e = print_ranges(run, result);
    for (size_t i = 0; i < result->files.count && e == E_OK; i++) {
        const struct log_verify_file *f = vec_at(&result->files, i);

        e = buf_printf(&run->out, "  %s: ", f->name);
        if (e == E_OK && f->entry >= 0)
            e = buf_printf(&run->out, "entry %lld: ", (long long)f->entry);
        if (e == E_OK)
            e = buf_printf(&run->out, "%s\n", f->why);
    }
    if (e == E_OK && result->range_count > (int64_t)result->ranges.count)
        e = buf_printf(&run->out, "  and %lld more\n",
                       (long long)result->range_count - (long long)result->ranges.count);
    return e;
}

static bool progress(void *ctx, int64_t done, int64_t total)
{
    struct verify_run *run = ctx;

    cli_progress_tell(&run->progress, done, total);
    return true;
}

/* A tail that a broker is writing at this moment is not torn: look again at what it is now. */
static bool is_only_moving(const struct cli_log *l, const struct log_verify_result *result)
{
    return result->range_count == 1 && log_verify_range_at(result, 0)->kind == LOG_WALK_TORN &&
           cli_log_is_live(l);
}

static enum err verify_log(struct verify_run *run, struct cli_log *l)
{
    struct log_verify_options options = {
        .progress = progress,
        .ctx = run,
        .is_uncached = !cli_args_has(run->cli->args, "cached"),
    };
    struct log_verify_result result;
    enum err e;

    run->progress = (struct cli_progress){.cli = run->cli, .os = l->os, .what = l->path};
    e = log_verify_view(&l->view, &options, &result);
    cli_progress_end(&run->progress);
    if (e != E_OK) {
        report_set(&run->report, "%s: %s", l->path, err_text(e));
        return e;
    }
    if (is_only_moving(l, &result)) {
        vec_clear(&result.ranges);
        result.range_count = 0;
    }
    if (log_verify_is_right(&result))
        run->right++;
    else
        run->damaged++;
    e = cli_args_has(run->cli->args, "json") ? print_json(run, l->path, &result)
                                             : print_text(run, l->path, &result);
    log_verify_release(&result);
    return e == E_OK ? cli_log_print(run->cli, &run->out, &run->report) : e;
}

struct children {
    struct vec names; /* of char *, owned */
    enum err err;
};

static bool see(void *ctx, const char *name, bool is_dir)
{
    struct children *c = ctx;
    char *copy;

    if (!is_dir || name[0] == '.' || strcmp(name, "lost+found") == 0)
        return true;
    copy = strdup(name);
    c->err = copy == NULL ? E_NOMEM : vec_push(&c->names, &copy);
    if (c->err != E_OK)
        free(copy);
    return c->err == E_OK;
}

/* Every log in a data directory; false: there is none. */
static enum err verify_children(struct verify_run *run, const char *path, bool *found_out)
{
    struct children c = {.err = E_OK};
    struct os_dir *dir = NULL;
    struct os *os = NULL;
    enum err e = os_open(&os);

    *found_out = false;
    vec_init(&c.names, sizeof(char *), LOGS_MAX);
    if (e == E_OK)
        e = os_dir_open(os, path, false, &dir);
    if (e == E_OK)
        e = os_dir_list(dir, see, &c);
    if (e == E_OK)
        e = c.err;
    for (size_t i = 0; i < c.names.count; i++) {
        char *name = *(char **)vec_at(&c.names, i);
        char child[PATH_SIZE];
        struct cli_log l;

        snprintf(child, sizeof(child), "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/",
                 name);
        free(name);
        if (e != E_OK)
            continue;
        e = cli_log_open(child, &l, &run->report);
        if (e == E_OK) {
            *found_out = true;
            e = verify_log(run, &l);
            cli_log_close(&l);
        } else if (e == E_NOT_FOUND) {
            e = E_OK;
        }
    }
    vec_release(&c.names);
    os_dir_close(dir);
    os_close(os);
    return e;
}

static enum err verify_path(struct verify_run *run, const char *path)
{
    struct report report = {0};
    struct cli_log l;
    bool found;
    enum err e = cli_log_open(path, &l, &report);

    if (e == E_OK) {
        e = verify_log(run, &l);
        cli_log_close(&l);
        return e;
    }
    if (e == E_NOT_FOUND && path[0] != 0 && verify_children(run, path, &found) == E_OK && found)
        return E_OK;
    if (run->report.text[0] == 0 || e != E_NOT_FOUND)
        run->report = report;
    return e;
}

static int verify_run(struct cli *cli)
{
    struct verify_run run = {.cli = cli};
    enum err e = E_OK;

    buf_init(&run.out, OUTPUT_MAX);
    for (int i = 0; i < cli_args_word_count(cli->args) && e == E_OK; i++)
        e = verify_path(&run, cli_args_word(cli->args, i));
    buf_release(&run.out);
    if (e == E_CLOSED)
        return run.damaged > 0 ? CLI_DAMAGED : CLI_DONE;
    if (e != E_OK) {
        if (run.report.text[0] == 0)
            report_set(&run.report, "%s", err_text(e));
        return cli_fail(cli, &run.report);
    }
    return run.damaged > 0 ? CLI_DAMAGED : CLI_DONE;
}

static const struct cli_option OPTIONS[] = {
    {"json", 'j', NULL, "one JSON object a line for each log"},
    {"cached", 0, NULL, "trust what memory holds of the files: faster, says less"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_verify = {
    .noun = "log",
    .verb = "verify",
    .arguments = "DIR...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "read logs from their files and say what is wrong with them",
    .notes = "DIR is a partition's directory, or a data directory for all logs in it. Nothing is\n"
             "changed or locked. Exit codes: 0 all is right, 3 found damage.\n",
    .options = OPTIONS,
    .run = verify_run,
};
