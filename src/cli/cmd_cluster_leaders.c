#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_rows.h"
#include "cli/cmd.h"
#include "wire/alter_partition_reassignments.h"
#include "wire/elect_leaders.h"
#include "wire/error.h"
#include "wire/list_partition_reassignments.h"

/*
 * dlog cluster elect, reassign: who leads a partition, and where it is kept.
 */
enum { TIMEOUT_MS = 30 * 1000, REPLICAS_MAX = 64, PREFERRED = 0, UNCLEAN = 1 };

/* "orders:3" cut; false when it is not of that form. `rest_out` is behind the number. */
static bool place_cut(const char *text, struct slice *topic_out, int32_t *index_out,
                      const char **rest_out)
{
    const char *colon = strrchr(text, ':');
    char *end;
    long index;

    if (colon == NULL || colon == text)
        return false;
    index = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || index < 0 || index > INT32_MAX)
        return false;
    *topic_out = slice_of(text, (size_t)(colon - text));
    *index_out = (int32_t)index;
    *rest_out = end;
    return true;
}

/* ---- elect ---- */

static const struct cli_option ELECT_OPTIONS[] = {
    {"unclean", 0, NULL, "also a replica that lacks acknowledged records: LOSES DATA"},
    {"json", 'j', NULL, "an array of objects"},
    {NULL, 0, NULL, NULL},
};

static enum err elect_fill(const struct cli *cli, struct cli_link *link,
                           struct wire_elect_leaders_request *in, struct report *report)
{
    size_t count = (size_t)cli_args_word_count(cli->args);
    struct arena *arena = cli_link_arena(link);
    int32_t *indexes = arena_alloc_array(arena, count + 1, sizeof(*indexes));

    in->topic_partitions = arena_alloc_array(arena, count + 1, sizeof(*in->topic_partitions));
    if (in->topic_partitions == NULL || indexes == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *text = cli_args_word(cli->args, (int)i);
        const char *rest;

        wire_elect_leaders_request_topic_partitions_init(&in->topic_partitions[i]);
        if (!place_cut(text, &in->topic_partitions[i].topic, &indexes[i], &rest) || *rest != 0) {
            report_set(report, "'%s' is not of the form TOPIC:PARTITION", text);
            return E_INVAL;
        }
        in->topic_partitions[i].partitions = &indexes[i];
        in->topic_partitions[i].partitions_count = 1;
    }
    in->topic_partitions_count = count == 0 ? -1 : (int32_t)count;
    return E_OK;
}

static int elect_print(const struct cli *cli, const struct wire_elect_leaders_response *out)
{
    static const struct cli_column COLUMNS[] = {
        {"TOPIC", "topic"}, {">PARTITION", "partition"}, {"RESULT", "result"}};
    struct cli_rows rows;
    int code = CLI_DONE;
    int printed;

    cli_rows_init(&rows, cli, COLUMNS, 3);
    for (int32_t t = 0; t < out->replica_election_results_count; t++) {
        const struct wire_elect_leaders_response_replica_election_result *topic =
            &out->replica_election_results[t];

        for (int32_t i = 0; i < topic->partition_result_count; i++) {
            int16_t error = topic->partition_result[i].error_code;

            cli_rows_slice(&rows, topic->topic);
            cli_rows_i64(&rows, topic->partition_result[i].partition_id);
            cli_rows_text(&rows, error == 0 ? "elected" : wire_error_text(error));
            if (error != WIRE_ERROR_NONE && error != WIRE_ERROR_ELECTION_NOT_NEEDED)
                code = CLI_FAILED;
        }
    }
    printed = cli_rows_print(&rows);
    return printed == CLI_DONE ? code : printed;
}

static int elect_run(struct cli *cli)
{
    struct wire_elect_leaders_request in;
    struct wire_elect_leaders_response out;
    struct cli_link *link = NULL;
    struct report report = {0};
    enum err e = cli_link_open(cli, &link, &report);
    int code;

    wire_elect_leaders_request_init(&in);
    in.election_type = cli_args_has(cli->args, "unclean") ? UNCLEAN : PREFERRED;
    in.timeout_ms = TIMEOUT_MS;
    if (e == E_OK && in.election_type == UNCLEAN && cli_args_word_count(cli->args) == 0) {
        report_set(&report, "--unclean needs to be told which: TOPIC:PARTITION...");
        e = E_INVAL;
    }
    if (e == E_OK)
        e = elect_fill(cli, link, &in, &report);
    if (e == E_OK)
        e = CLI_LINK_CALL(link, elect_leaders, ELECT_LEADERS, &in, &out, &report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, slice_of(NULL, 0), "elect leaders", &report);
    code = e == E_OK ? elect_print(cli, &out) : cli_failed(cli, e, &report);
    cli_link_close(link);
    return code;
}

const struct cli_command cli_cluster_elect = {
    .noun = "cluster",
    .verb = "elect",
    .arguments = "[TOPIC:PARTITION...]",
    .words_max = CLI_ARGS_MAX,
    .summary = "let the preferred replicas lead again",
    .notes = "Without arguments: of all partitions.\n",
    .options = ELECT_OPTIONS,
    .run = elect_run,
};

/* ---- reassign ---- */

static const struct cli_option REASSIGN_OPTIONS[] = {
    {"cancel", 0, NULL, "stop moving these partitions"},
    {"json", 'j', NULL, "an array of objects, when listing"},
    {NULL, 0, NULL, NULL},
};

static int reassign_list(struct cli *cli, struct cli_link *link, struct report *report)
{
    static const struct cli_column COLUMNS[] = {{"TOPIC", "topic"},
                                                {">PARTITION", "partition"},
                                                {"REPLICAS", "replicas"},
                                                {"ADDING", "adding"},
                                                {"REMOVING", "removing"}};
    struct wire_list_partition_reassignments_request in;
    struct wire_list_partition_reassignments_response out;
    struct cli_rows rows;
    enum err e;

    wire_list_partition_reassignments_request_init(&in);
    in.timeout_ms = TIMEOUT_MS;
    in.topics_count = -1;
    e = CLI_LINK_CALL(link, list_partition_reassignments, LIST_PARTITION_REASSIGNMENTS, &in, &out,
                      report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, out.error_message, "list reassignments", report);
    if (e != E_OK)
        return cli_failed(cli, e, report);
    cli_rows_init(&rows, cli, COLUMNS, 5);
    for (int32_t t = 0; t < out.topics_count; t++) {
        for (int32_t i = 0; i < out.topics[t].partitions_count; i++) {
            const struct wire_list_partition_reassignments_response_ongoing_partition_reassignment
                *p = &out.topics[t].partitions[i];

            cli_rows_slice(&rows, out.topics[t].name);
            cli_rows_i64(&rows, p->partition_index);
            cli_rows_ids(&rows, p->replicas, p->replicas_count);
            cli_rows_ids(&rows, p->adding_replicas, p->adding_replicas_count);
            cli_rows_ids(&rows, p->removing_replicas, p->removing_replicas_count);
        }
    }
    return cli_rows_print(&rows);
}

/* "orders:0=1,2,3", or "orders:0" to cancel. */
static enum err reassign_word(
    struct cli_link *link, const char *text, bool is_cancel,
    struct wire_alter_partition_reassignments_request_reassignable_topic *topic,
    struct report *report)
{
    struct arena *arena = cli_link_arena(link);
    int32_t *ids = arena_alloc_array(arena, REPLICAS_MAX, sizeof(*ids));
    const char *rest;

    topic->partitions = arena_alloc(arena, sizeof(*topic->partitions));
    if (ids == NULL || topic->partitions == NULL)
        return E_NOMEM;
    wire_alter_partition_reassignments_request_reassignable_partition_init(topic->partitions);
    topic->partitions_count = 1;
    topic->partitions[0].replicas = ids;
    topic->partitions[0].replicas_count = is_cancel ? -1 : 0;
    if (!place_cut(text, &topic->name, &topic->partitions[0].partition_index, &rest) ||
        (is_cancel ? *rest != 0 : *rest != '='))
        goto malformed;
    while (!is_cancel && *rest != 0) {
        char *end;
        long id = strtol(rest + 1, &end, 10);

        if (end == rest + 1 || id < 0 || id > INT32_MAX || (*end != 0 && *end != ',') ||
            topic->partitions[0].replicas_count == REPLICAS_MAX)
            goto malformed;
        ids[topic->partitions[0].replicas_count++] = (int32_t)id;
        rest = end;
    }
    return E_OK;
malformed:
    report_set(report, "'%s' is not of the form TOPIC:PARTITION%s", text,
               is_cancel ? "" : "=BROKER,BROKER...");
    return E_INVAL;
}

static int reassign_print(const struct cli *cli,
                          const struct wire_alter_partition_reassignments_response *out)
{
    int code = CLI_DONE;

    for (int32_t t = 0; t < out->responses_count; t++) {
        for (int32_t i = 0; i < out->responses[t].partitions_count; i++) {
            struct report report = {0};
            char what[400];

            snprintf(what, sizeof(what), "move %.*s:%d", (int)out->responses[t].name.size,
                     (const char *)out->responses[t].name.at,
                     (int)out->responses[t].partitions[i].partition_index);
            if (cli_link_error(out->responses[t].partitions[i].error_code,
                               out->responses[t].partitions[i].error_message, what,
                               &report) != E_OK)
                code = cli_fail(cli, &report);
        }
    }
    if (code == CLI_DONE)
        fprintf(cli->out, "accepted; `dlog cluster reassign` shows how far it is\n");
    return code;
}

static int reassign_run(struct cli *cli)
{
    struct wire_alter_partition_reassignments_request in;
    struct wire_alter_partition_reassignments_response out;
    int count = cli_args_word_count(cli->args);
    bool is_cancel = cli_args_has(cli->args, "cancel");
    struct cli_link *link = NULL;
    struct report report = {0};
    enum err e = cli_link_open(cli, &link, &report);
    int code;

    wire_alter_partition_reassignments_request_init(&in);
    in.timeout_ms = TIMEOUT_MS;
    if (e == E_OK && count == 0) {
        code = reassign_list(cli, link, &report);
        cli_link_close(link);
        return code;
    }
    if (e == E_OK) {
        in.topics = arena_alloc_array(cli_link_arena(link), (size_t)count, sizeof(*in.topics));
        e = in.topics == NULL ? E_NOMEM : E_OK;
    }
    for (int i = 0; i < count && e == E_OK; i++) {
        wire_alter_partition_reassignments_request_reassignable_topic_init(&in.topics[i]);
        e = reassign_word(link, cli_args_word(cli->args, i), is_cancel, &in.topics[i], &report);
        in.topics_count = i + 1;
    }
    if (e == E_OK)
        e = CLI_LINK_CALL(link, alter_partition_reassignments, ALTER_PARTITION_REASSIGNMENTS, &in,
                          &out, &report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, out.error_message, "reassign", &report);
    code = e == E_OK ? reassign_print(cli, &out) : cli_failed(cli, e, &report);
    cli_link_close(link);
    return code;
}

const struct cli_command cli_cluster_reassign = {
    .noun = "cluster",
    .verb = "reassign",
    .arguments = "[TOPIC:PARTITION=BROKER,...]...",
    .words_max = CLI_ARGS_MAX,
    .summary = "move partitions to other brokers, or show what moves",
    .notes =
        "Without arguments: what is being moved. The first broker becomes the preferred leader.\n\n"
        "Examples:\n"
        "  dlog cluster reassign orders:0=2,3,1 orders:1=3,1,2\n"
        "  dlog cluster reassign orders:0 --cancel\n",
    .options = REASSIGN_OPTIONS,
    .run = reassign_run,
};
