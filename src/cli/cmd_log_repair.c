#include "base/mem.h"
#include "cli/cli_log.h"
#include "cli/cmd.h"
#include "os/dir.h"
#include "os/os.h"
#include "storage/log.h"
#include "storage/log_repair.h"

/*
 * dlog log repair: damaged ranges of a log are taken from another copy of it. The log is opened,
 * so no broker may have it; the copy is only looked at.
 */
enum { PIECE_BYTES = 4 << 20, OUTPUT_MAX = 1 << 26 };

/* The other copy, walked forward; it begins anew when an earlier offset is asked for. */
struct copy {
    struct cli_log log;
    struct log_walk walk;
    struct log_walk_item item; /* the next one, when has_item */
    bool is_walking;
    bool has_item;
};

struct repair {
    struct cli *cli;
    struct copy copy;
    struct cli_progress progress;
    struct os *os;
    struct log_root *root;
    struct log *log;
    struct buf out;
    struct report report;
    int repaired;
    int left;
};

static void copy_stop(struct copy *c)
{
    if (c->is_walking)
        log_walk_release(&c->walk);
    c->is_walking = false;
    c->has_item = false;
}

/* Make the item the first one that reaches past `offset`. */
static enum err copy_seek(struct copy *c, int64_t offset)
{
    enum err e = E_OK;

    if (!c->has_item || c->item.offset > offset)
        copy_stop(c);
    if (!c->is_walking) {
        e = log_walk_init(&c->walk, &c->log.view, cli_log_segment_of(&c->log.view, offset));
        c->is_walking = e == E_OK;
    }
    while (e == E_OK && (!c->has_item || c->item.offset_end <= offset)) {
        e = log_walk_next(&c->walk, &c->item);
        c->has_item = e == E_OK;
    }
    return e;
}

static enum err copy_read(void *ctx, int64_t offset, int64_t end, struct buf *out)
{
    struct copy *c = ctx;
    enum err e = copy_seek(c, offset);

    while (e == E_OK && c->item.kind == LOG_WALK_BATCH && c->item.offset < end &&
           out->size < PIECE_BYTES) {
        e = log_walk_read(&c->walk, &c->item, out);
        if (e == E_OK)
            e = copy_seek(c, c->item.offset_end);
    }
    if (e == E_NOT_FOUND && out->size > 0)
        return E_OK; /* that was the last batch */
    if (e == E_OK && out->size == 0 && (c->item.kind != LOG_WALK_BATCH || !c->log.view.has_gaps))
        return E_NOT_FOUND;
    return e;
}

static bool progress(void *ctx, int64_t done, int64_t total)
{
    cli_progress_tell(ctx, done, total);
    return true;
}

static enum err find_damage(struct repair *r, struct log_verify_result *found)
{
    struct log_verify_options options = {
        .progress = progress, .ctx = &r->progress, .is_uncached = true};
    enum err e = log_verify(r->log, &options, found);

    cli_progress_end(&r->progress);
    if (e != E_OK)
        report_set(&r->report, "verify: %s", err_text(e));
    return e;
}

static enum err say_json(struct repair *r, const struct log_verify_range *range, const char *error)
{
    struct cli_json j = cli_json_init(&r->out);
    enum err e;

    cli_json_open(&j, '{');
    cli_json_key(&j, "offset");
    cli_json_i64(&j, range->offset);
    cli_json_key(&j, "offset_end");
    cli_json_i64(&j, range->offset_end);
    cli_json_key(&j, "repaired");
    cli_json_bool(&j, error == NULL);
    cli_json_key(&j, "error");
    if (error == NULL)
        cli_json_null(&j);
    else
        cli_json_text(&j, error);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(&r->out, "\n", 1) : e;
}

static enum err say(struct repair *r, const struct log_verify_range *range, enum err e,
                    const struct report *why)
{
    const char *error = why->text[0] != 0 ? why->text : err_text(e);

    if (cli_args_has(r->cli->args, "json"))
        return say_json(r, range, e == E_OK ? NULL : error);
    if (e == E_OK)
        return buf_printf(&r->out, "repaired offsets %lld to %lld\n", (long long)range->offset,
                          (long long)range->offset_end - 1);
    fprintf(r->cli->err, "dlog: offsets %lld to %lld: %s\n", (long long)range->offset,
            (long long)range->offset_end - 1, error);
    return E_OK;
}

static enum err repair_range(struct repair *r, const struct log_verify_range *range)
{
    struct log_repair_source source = {.read = copy_read, .ctx = &r->copy};
    struct log_repaired result;
    struct report why = {0};
    enum err e = log_repair(r->log, range->offset, &source, &result, &why);

    if (e == E_OK)
        r->repaired++;
    else
        r->left++;
    return say(r, range, e, &why);
}

static enum err repair_all(struct repair *r)
{
    struct log_verify_result found;
    struct log_verify_range range;
    enum err e = find_damage(r, &found);
    int64_t offset = 0;
    int marked;

    if (e != E_OK)
        return e;
    e = log_mark_damage(r->log, &found, &marked);
    if (e != E_OK)
        report_set(&r->report, "cannot mark the damage: %s", err_text(e));
    log_verify_release(&found);
    while (e == E_OK && log_find_damage(r->log, offset, &range) == E_OK) {
        offset = range.offset_end;
        e = repair_range(r, &range);
    }
    if (e == E_OK && offset == 0 && !cli_args_has(r->cli->args, "json"))
        e = buf_printf(&r->out, "nothing to repair\n");
    return e;
}

static enum err open_log(struct repair *r, const char *path)
{
    struct log_options options = log_options_default();
    const char *name;
    char *root;
    enum err e = cli_log_split(path, &root, &name, &r->report);

    if (e == E_OK)
        e = os_open(&r->os);
    if (e == E_OK)
        e = log_root_open(r->os, root, &r->root, &r->report);
    if (e == E_BUSY)
        report_append(&r->report, "; stop the broker first");
    if (e == E_OK)
        e = log_open(
            &(struct log_open){
                .root = r->root, .name = name, .options = &options, .wall_ms = os_wall_ms(r->os)},
            &r->log, NULL, &r->report);
    mem_free(root);
    return e;
}

static void repair_release(struct repair *r)
{
    log_close(r->log);
    log_root_close(r->root);
    os_close(r->os);
    buf_release(&r->out);
}

/* Both are logs? Opening would create what is not there. */
static enum err look_at_both(struct repair *r, const char *path, const char *from)
{
    struct cli_log l;
    enum err e = cli_log_open(path, &l, &r->report);

    if (e != E_OK)
        return e;
    cli_log_close(&l);
    return cli_log_open(from, &r->copy.log, &r->report);
}

static int repair_run(struct cli *cli)
{
    struct repair r = {.cli = cli};
    const char *path = cli_args_word(cli->args, 0);
    const char *from = cli_args_get(cli->args, "from");
    enum err e;

    if (from == NULL) {
        report_set(&r.report, "--from DIR is missing: another copy of the log");
        return cli_usage_error(cli, &r.report);
    }
    e = look_at_both(&r, path, from);
    if (e != E_OK)
        return cli_fail(cli, &r.report);
    buf_init(&r.out, OUTPUT_MAX);
    e = open_log(&r, path);
    if (e == E_OK) {
        r.progress = (struct cli_progress){.cli = cli, .os = r.os, .what = path};
        e = repair_all(&r);
    }
    copy_stop(&r.copy);
    cli_log_close(&r.copy.log);
    if (e == E_OK)
        e = cli_log_print(cli, &r.out, &r.report);
    repair_release(&r);
    if (e != E_OK && e != E_CLOSED) {
        if (r.report.text[0] == 0)
            report_set(&r.report, "%s: %s", path, err_text(e));
        return cli_fail(cli, &r.report);
    }
    return r.left > 0 ? CLI_DAMAGED : CLI_DONE;
}

static const struct cli_option OPTIONS[] = {
    {"from", 'f', "DIR", "another copy of the log, on another disk or from a backup"},
    {"json", 'j', NULL, "one JSON object a line for each damaged range"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_log_repair = {
    .noun = "log",
    .verb = "repair",
    .arguments = "DIR",
    .words_min = 1,
    .words_max = 1,
    .summary = "take the damaged ranges of a log from another copy of it",
    .notes =
        "DIR is a partition's directory; no broker may have it open. The copy is not changed.\n"
        "Exit codes: 0 all is whole, 3 some damage is left.\n",
    .options = OPTIONS,
    .run = repair_run,
};
