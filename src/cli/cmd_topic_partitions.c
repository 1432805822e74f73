#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cmd.h"
#include "wire/create_partitions.h"
#include "wire/metadata.h"

/*
 * dlog topic add-partitions.
 */
enum { TIMEOUT_MS = 30 * 1000, PARTITIONS_MAX = 100000 };

static const struct cli_option OPTIONS[] = {
    {"count", 'n', "N", "how many more (default 1)"},
    {"dry-run", 0, NULL, "only check"},
    {NULL, 0, NULL, NULL},
};

static enum err add(struct cli *cli, struct cli_link *link, int64_t more, int32_t *total_out,
                    struct report *report)
{
    const struct wire_metadata_response_metadata_response_topic *topic;
    struct wire_create_partitions_request_create_partitions_topic one;
    struct wire_create_partitions_request in;
    struct wire_create_partitions_response out;
    enum err e = cli_cluster_topic(link, cli_args_word(cli->args, 0), &topic, report);

    if (e != E_OK)
        return e;
    wire_create_partitions_request_init(&in);
    wire_create_partitions_request_create_partitions_topic_init(&one);
    one.name = topic->name;
    one.count = topic->partitions_count + (int32_t)more;
    one.assignments_count = -1;
    in.topics = &one;
    in.topics_count = 1;
    in.timeout_ms = TIMEOUT_MS;
    in.validate_only = cli_args_has(cli->args, "dry-run");
    e = CLI_LINK_CALL(link, create_partitions, CREATE_PARTITIONS, &in, &out, report);
    if (e == E_OK && out.results_count != 1)
        e = cli_link_broken(link, report);
    if (e == E_OK)
        e = cli_link_error(out.results[0].error_code, out.results[0].error_message,
                           "add partitions", report);
    *total_out = one.count;
    return e;
}

static int run(struct cli *cli)
{
    struct cli_range range = {1, PARTITIONS_MAX};
    struct cli_link *link = NULL;
    struct report report = {0};
    int64_t more = 1;
    int32_t total = 0;
    enum err e = cli_args_i64(cli->args, "count", range, &more, &report);

    if (e == E_OK)
        e = cli_link_open(cli, &link, &report);
    if (e == E_OK)
        e = add(cli, link, more, &total, &report);
    cli_link_close(link);
    if (e != E_OK)
        return cli_failed(cli, e, &report);
    fprintf(cli->out, "%s %s %d partitions\n", cli_args_word(cli->args, 0),
            cli_args_has(cli->args, "dry-run") ? "would have" : "has", (int)total);
    return CLI_DONE;
}

const struct cli_command cli_topic_add_partitions = {
    .noun = "topic",
    .verb = "add-partitions",
    .arguments = "NAME",
    .words_min = 1,
    .words_max = 1,
    .summary = "give a topic more partitions",
    .notes =
        "Keys then go to other partitions than before: their old records stay where they are.\n"
        "Partitions cannot be taken away again.\n",
    .options = OPTIONS,
    .run = run,
};
