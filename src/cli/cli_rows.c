#include "cli/cli_rows.h"

#include <assert.h>
#include <stdio.h>

#include "cli/cli.h"

enum { OUTPUT_MAX = 1 << 30, IDS_TEXT_SIZE = 1024 };

void cli_rows_init(struct cli_rows *r, const struct cli *cli, const struct cli_column *columns,
                   size_t count)
{
    assert(count <= CLI_TABLE_COLUMNS_MAX);
    *r = (struct cli_rows){.cli = cli, .columns = columns, .count = count};
    r->is_json = cli_args_has(cli->args, "json");
    for (size_t i = 0; i < count; i++)
        r->titles[i] = columns[i].title;
    buf_init(&r->text, OUTPUT_MAX);
    r->json = cli_json_init(&r->text);
    cli_table_init(&r->table, r->titles, count);
    if (r->is_json)
        cli_json_open(&r->json, '[');
}

static void begin(struct cli_rows *r)
{
    if (!r->is_json)
        return;
    if (r->at == 0)
        cli_json_open(&r->json, '{');
    cli_json_key(&r->json, r->columns[r->at].key);
}

static void end(struct cli_rows *r)
{
    r->at = (r->at + 1) % r->count;
    if (r->is_json && r->at == 0)
        cli_json_close(&r->json, '}');
}

void cli_rows_slice(struct cli_rows *r, struct slice text)
{
    begin(r);
    if (r->is_json)
        cli_json_string(&r->json, text);
    else
        cli_table_cell(&r->table, "%.*s", text.at == NULL ? 1 : (int)text.size,
                       text.at == NULL ? "-" : (const char *)text.at);
    end(r);
}

void cli_rows_text(struct cli_rows *r, const char *text)
{
    cli_rows_slice(r, slice_of_text(text));
}

void cli_rows_i64(struct cli_rows *r, int64_t value)
{
    begin(r);
    if (r->is_json)
        cli_json_i64(&r->json, value);
    else
        cli_table_cell(&r->table, "%lld", (long long)value);
    end(r);
}

void cli_rows_none(struct cli_rows *r)
{
    begin(r);
    if (r->is_json)
        cli_json_null(&r->json);
    else
        cli_table_cell(&r->table, "-");
    end(r);
}

static void ids_cell(struct cli_rows *r, const int32_t *ids, int32_t count)
{
    char text[IDS_TEXT_SIZE] = "-";
    size_t size = 0;

    for (int32_t i = 0; i < count && size + 16 < sizeof(text); i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%d", i == 0 ? "" : ",",
                                 (int)ids[i]);
    cli_table_cell(&r->table, "%s", text);
}

void cli_rows_ids(struct cli_rows *r, const int32_t *ids, int32_t count)
{
    begin(r);
    if (r->is_json) {
        cli_json_open(&r->json, '[');
        for (int32_t i = 0; i < count; i++)
            cli_json_i64(&r->json, ids[i]);
        cli_json_close(&r->json, ']');
    } else {
        ids_cell(r, ids, count);
    }
    end(r);
}

void cli_rows_release(struct cli_rows *r)
{
    cli_table_release(&r->table);
    buf_release(&r->text);
}

int cli_rows_print(struct cli_rows *r)
{
    struct report report = {0};
    enum err e;

    assert(r->at == 0);
    if (r->is_json) {
        cli_json_close(&r->json, ']');
        e = cli_json_done(&r->json);
        if (e == E_OK)
            e = buf_append(&r->text, "\n", 1);
    } else {
        e = cli_table_print(&r->table, 0, r->cli->colour, &r->text);
    }
    if (e != E_OK)
        report_set(&report, "print: %s", err_text(e));
    else
        fwrite(r->text.at, 1, r->text.size, r->cli->out);
    cli_rows_release(r);
    return e == E_OK ? CLI_DONE : cli_fail(r->cli, &report);
}
