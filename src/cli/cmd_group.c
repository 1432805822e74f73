#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_rows.h"
#include "cli/cmd.h"
#include "wire/delete_groups.h"
#include "wire/error.h"
#include "wire/list_groups.h"
#include "wire/metadata.h"

/*
 * dlog group list, delete. `describe` and `reset-offsets` have files of their own.
 */

/* ---- list ---- */

static const struct cli_option LIST_OPTIONS[] = {
    {"json", 'j', NULL, "an array of objects"},
    {NULL, 0, NULL, NULL},
};

static int by_id(const void *a, const void *b)
{
    const struct wire_list_groups_response_listed_group *left = a;
    const struct wire_list_groups_response_listed_group *right = b;
    size_t size =
        left->group_id.size < right->group_id.size ? left->group_id.size : right->group_id.size;
    int order = memcmp(left->group_id.at, right->group_id.at, size);

    return order != 0 ? order
                      : (left->group_id.size > right->group_id.size) -
                            (left->group_id.size < right->group_id.size);
}

/* The groups that one broker coordinates. */
static enum err list_broker(struct cli_link *link, struct cli_rows *rows, struct report *report)
{
    struct wire_list_groups_request in;
    struct wire_list_groups_response out;
    enum err e;

    wire_list_groups_request_init(&in);
    e = CLI_LINK_CALL(link, list_groups, LIST_GROUPS, &in, &out, report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, slice_of(NULL, 0), "list the groups", report);
    if (e != E_OK)
        return e;
    if (out.groups_count > 0)
        qsort(out.groups, (size_t)out.groups_count, sizeof(*out.groups), by_id);
    for (int32_t i = 0; i < out.groups_count; i++) {
        cli_rows_slice(rows, out.groups[i].group_id);
        cli_rows_slice(rows, out.groups[i].group_state);
        cli_rows_slice(rows, out.groups[i].group_type);
        cli_rows_slice(rows, out.groups[i].protocol_type);
    }
    return E_OK;
}

static int list_run(struct cli *cli)
{
    static const struct cli_column COLUMNS[] = {
        {"GROUP", "group"}, {"STATE", "state"}, {"TYPE", "type"}, {"PROTOCOL", "protocol"}};
    const struct wire_metadata_response *metadata;
    struct cli_link *link = NULL;
    struct report report = {0};
    struct cli_rows rows;
    enum err e;

    cli_rows_init(&rows, cli, COLUMNS, 4);
    e = cli_link_open(cli, &link, &report);
    if (e == E_OK)
        e = cli_cluster_metadata(link, &(struct slice){0}, 0, &metadata, &report);
    for (int32_t i = 0; e == E_OK && i < metadata->brokers_count; i++) {
        struct cli_link *to = NULL;

        if (metadata->brokers_count > 1)
            e = cli_link_open_at(cli, metadata->brokers[i].host, metadata->brokers[i].port, &to,
                                 &report);
        if (e == E_OK)
            e = list_broker(to == NULL ? link : to, &rows, &report);
        cli_link_close(to);
    }
    cli_link_close(link);
    if (e == E_OK)
        return cli_rows_print(&rows);
    cli_rows_release(&rows);
    return cli_failed(cli, e, &report);
}

const struct cli_command cli_group_list = {
    .noun = "group",
    .verb = "list",
    .arguments = "",
    .summary = "list consumer groups",
    .options = LIST_OPTIONS,
    .run = list_run,
};

/* ---- delete ---- */

static const struct cli_option DELETE_OPTIONS[] = {
    {NULL, 0, NULL, NULL},
};

static enum err delete_one(struct cli *cli, struct cli_link *link, const char *name,
                           struct report *report)
{
    struct slice names[] = {slice_of_text(name)};
    struct wire_delete_groups_request in;
    struct wire_delete_groups_response out;
    struct cli_link *to = NULL;
    char what[300];
    enum err e = cli_cluster_coordinator(cli, link, names[0], &to, report);

    wire_delete_groups_request_init(&in);
    in.groups_names = names;
    in.groups_names_count = 1;
    if (e == E_OK)
        e = CLI_LINK_CALL(to, delete_groups, DELETE_GROUPS, &in, &out, report);
    if (e == E_OK && out.results_count != 1)
        e = cli_link_broken(to, report);
    snprintf(what, sizeof(what), "delete group %s", name);
    if (e == E_OK && out.results[0].error_code == WIRE_ERROR_NON_EMPTY_GROUP)
        e = cli_link_error(out.results[0].error_code,
                           slice_of_text("it has members: stop its consumers first"), what, report);
    else if (e == E_OK)
        e = cli_link_error(out.results[0].error_code, slice_of(NULL, 0), what, report);
    cli_link_close(to);
    return e;
}

static int delete_run(struct cli *cli)
{
    struct cli_link *link = NULL;
    struct report report = {0};
    int code = CLI_DONE;

    if (cli_link_open(cli, &link, &report) != E_OK)
        return cli_fail(cli, &report);
    for (int i = 0; i < cli_args_word_count(cli->args); i++) {
        const char *name = cli_args_word(cli->args, i);
        struct report why = {0};
        enum err e = delete_one(cli, link, name, &why);

        if (e == E_OK)
            fprintf(cli->out, "deleted %s\n", name);
        else
            code = cli_failed(cli, e, &why);
    }
    cli_link_close(link);
    return code;
}

const struct cli_command cli_group_delete = {
    .noun = "group",
    .verb = "delete",
    .arguments = "GROUP...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "delete groups without members, with their offsets",
    .options = DELETE_OPTIONS,
    .run = delete_run,
};
