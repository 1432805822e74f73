#include <stdio.h>

#include "cli/cli.h"
#include "cli/cli_group.h"
#include "cli/cli_rows.h"
#include "cli/cmd.h"

/*
 * dlog group describe: members, what each has, and how far behind the group is.
 */

static const struct cli_option OPTIONS[] = {
    {"json", 'j', NULL, "an array of objects, one a partition"},
    {NULL, 0, NULL, NULL},
};

static int64_t lag_of(const struct cli_group_part *p)
{
    int64_t from = p->committed >= 0 ? p->committed : p->start;

    return p->end < 0 || from < 0 ? -1 : p->end > from ? p->end - from : 0;
}

static void head_print(const struct cli *cli, const struct cli_group *g)
{
    int64_t lag = 0;

    for (size_t i = 0; i < g->part_count; i++)
        lag += lag_of(&g->parts[i]) > 0 ? lag_of(&g->parts[i]) : 0;
    fprintf(cli->out, "%.*s: %.*s, %.*s%s%.*s, %d member%s, %lld behind\n", (int)g->id.size,
            (const char *)g->id.at, (int)g->state.size, (const char *)g->state.at,
            (int)g->type.size, (const char *)g->type.at, g->assignor.size > 0 ? " by " : "",
            (int)g->assignor.size, (const char *)g->assignor.at, (int)g->member_count,
            g->member_count == 1 ? "" : "s", (long long)lag);
}

static void number(struct cli_rows *rows, int64_t value)
{
    if (value < 0)
        cli_rows_none(rows);
    else
        cli_rows_i64(rows, value);
}

static void part_print(struct cli_rows *rows, const struct cli_group *g,
                       const struct cli_group_part *p)
{
    const struct cli_group_member nobody = {.id = {0}};
    const struct cli_group_member *m = p->member < 0 ? &nobody : &g->members[p->member];

    cli_rows_slice(rows, g->id);
    cli_rows_slice(rows, p->topic);
    cli_rows_i64(rows, p->partition);
    number(rows, p->committed);
    number(rows, p->end);
    number(rows, lag_of(p));
    cli_rows_slice(rows, m->instance_id.at != NULL ? m->instance_id : m->id);
    cli_rows_slice(rows, m->client_id);
    cli_rows_slice(rows, m->host);
}

/* A member that has nothing is told, too. */
static void idle_print(const struct cli *cli, const struct cli_group *g)
{
    for (int32_t i = 0; i < g->member_count; i++) {
        bool is_idle = true;

        for (size_t k = 0; k < g->part_count; k++)
            is_idle = is_idle && g->parts[k].member != i;
        if (is_idle)
            fprintf(cli->out, "member %.*s (%.*s, %.*s) has no partition\n",
                    (int)g->members[i].id.size, (const char *)g->members[i].id.at,
                    (int)g->members[i].client_id.size, (const char *)g->members[i].client_id.at,
                    (int)g->members[i].host.size, (const char *)g->members[i].host.at);
    }
}

static int run(struct cli *cli)
{
    static const struct cli_column COLUMNS[] = {
        {"GROUP", "group"},          {"TOPIC", "topic"},   {">PARTITION", "partition"},
        {">COMMITTED", "committed"}, {">END", "end"},      {">LAG", "lag"},
        {"MEMBER", "member"},        {"CLIENT", "client"}, {"HOST", "host"}};
    bool is_json = cli_args_has(cli->args, "json");
    struct cli_link *link = NULL;
    struct report report = {0};
    struct cli_rows rows;
    enum err e = cli_link_open(cli, &link, &report);

    cli_rows_init(&rows, cli, COLUMNS, 9);
    for (int i = 0; e == E_OK && i < cli_args_word_count(cli->args); i++) {
        struct cli_group group;

        e = cli_group_open(cli, link, cli_args_word(cli->args, i), &group, &report);
        if (e != E_OK)
            break;
        if (!group.exists) {
            report_set(&report, "group %s does not exist; `dlog group list` shows what there is",
                       cli_args_word(cli->args, i));
            e = E_NOT_FOUND;
        }
        if (e == E_OK && !is_json) {
            head_print(cli, &group);
            idle_print(cli, &group);
        }
        for (size_t k = 0; k < group.part_count; k++)
            part_print(&rows, &group, &group.parts[k]);
        cli_group_close(&group);
    }
    cli_link_close(link);
    if (e == E_OK)
        return cli_rows_print(&rows);
    cli_rows_release(&rows);
    return cli_failed(cli, e, &report);
}

const struct cli_command cli_group_describe = {
    .noun = "group",
    .verb = "describe",
    .arguments = "GROUP...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "show members, offsets and lag of groups",
    .notes =
        "LAG is END less COMMITTED, or less the begin of the log where nothing is committed.\n",
    .options = OPTIONS,
    .run = run,
};
