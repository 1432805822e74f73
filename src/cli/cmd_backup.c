#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cli_backup.h"
#include "cli/cli_json.h"
#include "cli/cmd.h"

/*
 * dlog backup create, verify, restore.
 */
enum { OUTPUT_MAX = 1 << 20 };

static const char DATA_DEFAULT[] = "dlog-data";

static const struct cli_option DATA_OPTIONS[] = {
    {"data", 'd', "DIR", "a data directory, as in log.dirs; may repeat (default dlog-data)"},
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_option VERIFY_OPTIONS[] = {
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

static enum err data_read(const struct cli *cli, struct cli_backup_data *data_out,
                          struct report *report)
{
    const char *given;
    size_t at = 0;

    data_out->count = 0;
    while ((given = cli_args_next(cli->args, "data", &at)) != NULL) {
        if (data_out->count == CLI_BACKUP_DIRS_MAX) {
            report_set(report, "more than %d data directories", CLI_BACKUP_DIRS_MAX);
            return E_INVAL;
        }
        data_out->dirs[data_out->count++] = given;
    }
    if (data_out->count == 0)
        data_out->dirs[data_out->count++] = DATA_DEFAULT;
    return E_OK;
}

static enum err result_print(const struct cli *cli, const char *done,
                             const struct cli_backup_result *r, int64_t bad)
{
    struct buf text;
    struct cli_json j;
    enum err e;

    if (!cli_args_has(cli->args, "json")) {
        fprintf(cli->out, "%s %lld files, %lld bytes", done, (long long)r->files,
                (long long)r->bytes);
        if (bad > 0)
            fprintf(cli->out, ", %lld DAMAGED", (long long)bad);
        fprintf(cli->out, "\n");
        return E_OK;
    }
    buf_init(&text, OUTPUT_MAX);
    j = cli_json_init(&text);
    cli_json_open(&j, '{');
    cli_json_key(&j, "files");
    cli_json_i64(&j, r->files);
    cli_json_key(&j, "bytes");
    cli_json_i64(&j, r->bytes);
    cli_json_key(&j, "damaged");
    cli_json_i64(&j, bad);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    if (e == E_OK)
        fprintf(cli->out, "%.*s\n", (int)text.size, (const char *)text.at);
    buf_release(&text);
    return e;
}

static int create_run(struct cli *cli)
{
    struct cli_backup_data data;
    struct cli_backup_result result = {0};
    struct report report = {0};
    enum err e = data_read(cli, &data, &report);

    if (e == E_OK)
        e = cli_backup_create(cli, &data, cli_args_word(cli->args, 0), &result, &report);
    if (e == E_OK)
        e = result_print(cli, "saved", &result, 0);
    if (e == E_OK && result.again > 0 && cli->verbose)
        fprintf(cli->err, "dlog: %lld logs changed meanwhile and were copied again\n",
                (long long)result.again);
    return e == E_OK ? CLI_DONE : cli_failed(cli, e, &report);
}

const struct cli_command cli_backup_create_command = {
    .noun = "backup",
    .verb = "create",
    .arguments = "DEST",
    .words_min = 1,
    .words_max = 1,
    .summary = "copy a broker's data while it runs: records, metadata, groups",
    .notes =
        "Run it on the machine of the broker, as a user that may read its data. The copy is as\n"
        "after a crash at that moment: a broker that opens it recovers it by itself.\n\n"
        "Example:\n"
        "  dlog backup create /backup/2026-05-01 --data /var/lib/distributedlog\n",
    .options = DATA_OPTIONS,
    .run = create_run,
};

static int verify_run(struct cli *cli)
{
    struct cli_backup_result result = {0};
    struct report report = {0};
    int64_t bad = 0;
    enum err e = cli_backup_verify(cli, cli_args_word(cli->args, 0), &bad, &result, &report);

    if (e == E_OK)
        e = result_print(cli, "verified", &result, bad);
    if (e == E_CORRUPT) {
        cli_fail(cli, &report);
        return CLI_DAMAGED;
    }
    if (e != E_OK)
        return cli_failed(cli, e, &report);
    return bad > 0 ? CLI_DAMAGED : CLI_DONE;
}

const struct cli_command cli_backup_verify_command = {
    .noun = "backup",
    .verb = "verify",
    .arguments = "DEST",
    .words_min = 1,
    .words_max = 1,
    .summary = "check every file of a backup against its checksum",
    .notes = "Exit codes: 0 all is right, 3 found damage. `dlog log verify DEST/0` looks into the "
             "logs.\n",
    .options = VERIFY_OPTIONS,
    .run = verify_run,
};

static int restore_run(struct cli *cli)
{
    struct cli_backup_data data;
    struct cli_backup_result result = {0};
    struct report report = {0};
    enum err e = data_read(cli, &data, &report);

    if (e == E_OK)
        e = cli_backup_restore(cli, cli_args_word(cli->args, 0), &data, &result, &report);
    if (e == E_OK)
        e = result_print(cli, "restored", &result, 0);
    if (e == E_CORRUPT) {
        cli_fail(cli, &report);
        return CLI_DAMAGED;
    }
    return e == E_OK ? CLI_DONE : cli_failed(cli, e, &report);
}

const struct cli_command cli_backup_restore_command = {
    .noun = "backup",
    .verb = "restore",
    .arguments = "DEST",
    .words_min = 1,
    .words_max = 1,
    .summary = "put a backup into data directories that are empty",
    .notes =
        "Then start dlogd on them. It is the same node of the same cluster: never run both.\n\n"
        "Example:\n"
        "  dlog backup restore /backup/2026-05-01 --data /var/lib/distributedlog\n",
    .options = DATA_OPTIONS,
    .run = restore_run,
};
