#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/cli_client.h"
#include "cli/cli_json.h"
#include "cli/cli_table.h"
#include "cli/cmd.h"

/*
 * dlog topic create, list, delete. `describe` has its own file.
 */
enum {
    ADMIN_MS = 30000, /* for the broker to do it */
    ADMIN_WAIT_MS = 35000 /* for us to wait */,
    TEXT_MAX = 512,
    NAME_MAX_SIZE = 256,
    PARTITIONS_MAX = 1000000,
    OUTPUT_MAX = 1 << 30,
};

/* Open a client and make sure that a broker answers; for commands that only ask. */
static enum err admin_open(const struct cli *cli, struct cli_metadata_query query,
                           struct cli_client **client_out,
                           const struct rd_kafka_metadata **metadata_out, struct report *report)
{
    struct cli_client_options options = {.role = CLI_CONSUMER};
    struct cli_client *client;
    enum err e = cli_client_open(cli, &options, &client, report);

    if (e != E_OK)
        return e;
    e = cli_client_metadata(client, query, metadata_out, report);
    if (e != E_OK) {
        cli_client_close(client);
        return e;
    }
    *client_out = client;
    return E_OK;
}

static enum err admin_connect(const struct cli *cli, struct cli_client **client_out,
                              struct report *report)
{
    const struct rd_kafka_metadata *metadata;
    enum err e =
        admin_open(cli, (struct cli_metadata_query){.all = false}, client_out, &metadata, report);

    if (e == E_OK)
        rd_kafka_metadata_destroy(metadata);
    return e;
}

static int failed(const struct cli *cli, enum err e, const struct report *report)
{
    return e == E_INVAL ? cli_usage_error(cli, report) : cli_fail(cli, report);
}

static enum err print_buf(const struct cli *cli, const struct buf *text, struct report *report)
{
    fwrite(text->at, 1, text->size, cli->out);
    return cli_out_flush(cli, report) == E_IO ? E_IO : E_OK;
}

/* Wait for an admin answer and hand out its event, to be destroyed; or say why there is none. */
static enum err admin_wait(const struct cli *cli, rd_kafka_queue_t *queue,
                           rd_kafka_event_t **event_out, struct report *report)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_WAIT_MS);

    if (event == NULL) {
        report_set(report, "%s: no answer in time", cli->broker);
        return E_TIMEOUT;
    }
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "%s: %s", cli->broker, rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
        return E_IO;
    }
    *event_out = event;
    return E_OK;
}

static rd_kafka_AdminOptions_t *admin_options(struct cli_client *client, rd_kafka_admin_op_t op)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(cli_client_handle(client), op);
    char text[TEXT_MAX];

    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, text, sizeof(text));
    rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_MS, text, sizeof(text));
    return options;
}

/* Say how each topic fared: `done` in a line on standard output. Returns the exit code. */
static int results_print(const struct cli *cli, const rd_kafka_topic_result_t **results,
                         size_t count, const char *verb, const char *done)
{
    bool accept = cli_args_has(cli->args, "if-not-exists");
    int code = CLI_DONE;

    for (size_t i = 0; i < count; i++) {
        const char *name = rd_kafka_topic_result_name(results[i]);
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
        const char *said = rd_kafka_topic_result_error_string(results[i]);
        struct report report = {0};

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            fprintf(cli->out, "%s %s\n", done, name);
        } else if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && accept) {
            fprintf(cli->out, "exists %s\n", name);
        } else {
            /* the broker's own words know more, except where they lack advice */
            if (said == NULL || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ||
                error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
                said = cli_client_error_text(error);
            report_set(&report, "cannot %s topic %s: %s", verb, name, said);
            code = cli_fail(cli, &report);
        }
    }
    return code;
}

/* create */

static const struct cli_option CREATE_OPTIONS[] = {
    {"partitions", 'p', "N", "how many (default: what the broker is set to)"},
    {"replication", 'r', "N", "copies of each (default: what the broker is set to)"},
    {"config", 'c', "NAME=VALUE", "a setting of the topic; may repeat"},
    {"if-not-exists", 0, NULL, "a topic that exists is no error"},
    {NULL, 0, NULL, NULL},
};

/* The settings of --config into `topic`. */
static enum err create_settings(const struct cli *cli, rd_kafka_NewTopic_t *topic,
                                struct report *report)
{
    char name[NAME_MAX_SIZE];
    const char *given;
    const char *value;
    size_t at = 0;

    while ((given = cli_args_next(cli->args, "config", &at)) != NULL) {
        if (cli_args_pair(given, sizeof(name), name, &value) != E_OK ||
            rd_kafka_NewTopic_set_config(topic, name, value) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            report_set(report, "--config %s: must be NAME=VALUE", given);
            return E_INVAL;
        }
    }
    return E_OK;
}

/* One rd_kafka_NewTopic_t for each name into `topics`. */
static enum err create_topics(const struct cli *cli, struct vec *topics, struct report *report)
{
    struct cli_range range = {1, PARTITIONS_MAX};
    int64_t partitions = -1; /* the broker's default */
    int64_t replication = -1;
    char text[TEXT_MAX];
    enum err e;

    e = cli_args_i64(cli->args, "partitions", range, &partitions, report);
    range.max = INT16_MAX;
    if (e == E_OK)
        e = cli_args_i64(cli->args, "replication", range, &replication, report);
    for (int i = 0; e == E_OK && i < cli_args_word_count(cli->args); i++) {
        const char *name = cli_args_word(cli->args, i);
        rd_kafka_NewTopic_t *topic =
            rd_kafka_NewTopic_new(name, (int)partitions, (int)replication, text, sizeof(text));

        if (topic == NULL) {
            report_set(report, "topic '%s': %s", name, text);
            return E_INVAL;
        }
        e = vec_push(topics, &topic);
        if (e == E_OK)
            e = create_settings(cli, topic, report);
    }
    return e;
}

static enum err create_send(const struct cli *cli, struct cli_client *client, struct vec *topics,
                            int *code_out, struct report *report)
{
    rd_kafka_AdminOptions_t *options = admin_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cli_client_handle(client));
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event = NULL;
    size_t count;
    enum err e;

    rd_kafka_CreateTopics(cli_client_handle(client), topics->at, topics->count, options, queue);
    e = admin_wait(cli, queue, &event, report);
    if (e == E_OK) {
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        *code_out = results_print(cli, results, count, "create", "created");
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return e;
}

static int create_run(struct cli *cli)
{
    struct cli_client *client = NULL;
    struct report report = {0};
    struct vec topics;
    int code = CLI_DONE;
    enum err e;

    vec_init(&topics, sizeof(rd_kafka_NewTopic_t *), CLI_ARGS_MAX);
    e = create_topics(cli, &topics, &report);
    if (e == E_OK)
        e = admin_connect(cli, &client, &report);
    if (e == E_OK)
        e = create_send(cli, client, &topics, &code, &report);
    rd_kafka_NewTopic_destroy_array(topics.at, topics.count);
    vec_release(&topics);
    cli_client_close(client);
    return e == E_OK ? code : failed(cli, e, &report);
}

const struct cli_command cli_topic_create = {
    .noun = "topic",
    .verb = "create",
    .arguments = "NAME...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "create topics",
    .notes = "Example:\n"
             "  dlog topic create orders --partitions 6 --config retention.ms=86400000\n",
    .options = CREATE_OPTIONS,
    .run = create_run,
};

/* list */

static const struct cli_option LIST_OPTIONS[] = {
    {"json", 'j', NULL, "an array of objects with name, partitions, replication"},
    {NULL, 0, NULL, NULL},
};

static int by_name(const void *a, const void *b)
{
    const struct rd_kafka_metadata_topic *left = *(const struct rd_kafka_metadata_topic *const *)a;
    const struct rd_kafka_metadata_topic *right = *(const struct rd_kafka_metadata_topic *const *)b;

    return strcmp(left->topic, right->topic);
}

static int replication(const struct rd_kafka_metadata_topic *topic)
{
    return topic->partition_cnt > 0 ? topic->partitions[0].replica_cnt : 0;
}

static enum err list_json(const struct vec *topics, struct buf *out)
{
    struct cli_json j = cli_json_init(out);
    enum err e;

    cli_json_open(&j, '[');
    for (size_t i = 0; i < topics->count; i++) {
        const struct rd_kafka_metadata_topic *topic =
            *(const struct rd_kafka_metadata_topic **)vec_at(topics, i);

        cli_json_open(&j, '{');
        cli_json_key(&j, "name");
        cli_json_text(&j, topic->topic);
        cli_json_key(&j, "partitions");
        cli_json_i64(&j, topic->partition_cnt);
        cli_json_key(&j, "replication");
        cli_json_i64(&j, replication(topic));
        cli_json_close(&j, '}');
    }
    cli_json_close(&j, ']');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(out, "\n", 1) : e;
}

static enum err list_table(const struct cli *cli, const struct vec *topics, struct buf *out)
{
    static const char *const TITLES[] = {"NAME", ">PARTITIONS", ">REPLICATION"};
    struct cli_table table;
    enum err e;

    cli_table_init(&table, TITLES, 3);
    for (size_t i = 0; i < topics->count; i++) {
        const struct rd_kafka_metadata_topic *topic =
            *(const struct rd_kafka_metadata_topic **)vec_at(topics, i);

        cli_table_cell(&table, "%s", topic->topic);
        cli_table_cell(&table, "%d", topic->partition_cnt);
        cli_table_cell(&table, "%d", replication(topic));
    }
    e = cli_table_print(&table, 0, cli->colour, out);
    cli_table_release(&table);
    return e;
}

static enum err list_print(const struct cli *cli, const struct rd_kafka_metadata *metadata,
                           struct report *report)
{
    struct vec topics;
    struct buf text;
    enum err e = E_OK;

    buf_init(&text, OUTPUT_MAX);
    vec_init(&topics, sizeof(const struct rd_kafka_metadata_topic *), INT32_MAX);
    for (int i = 0; e == E_OK && i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

        e = vec_push(&topics, &topic);
    }
    if (topics.count > 0)
        qsort(topics.at, topics.count, topics.item_size, by_name);
    if (e == E_OK && cli_args_has(cli->args, "json"))
        e = list_json(&topics, &text);
    else if (e == E_OK)
        e = list_table(cli, &topics, &text);
    if (e != E_OK)
        report_set(report, "list of topics: %s", err_text(e));
    else
        e = print_buf(cli, &text, report);
    vec_release(&topics);
    buf_release(&text);
    return e;
}

static int list_run(struct cli *cli)
{
    const struct rd_kafka_metadata *metadata;
    struct cli_client *client;
    struct report report = {0};
    enum err e;

    e = admin_open(cli, (struct cli_metadata_query){.all = true}, &client, &metadata, &report);
    if (e != E_OK)
        return failed(cli, e, &report);
    e = list_print(cli, metadata, &report);
    rd_kafka_metadata_destroy(metadata);
    cli_client_close(client);
    return e == E_OK ? CLI_DONE : cli_fail(cli, &report);
}

const struct cli_command cli_topic_list = {
    .noun = "topic",
    .verb = "list",
    .arguments = "",
    .summary = "list topics",
    .options = LIST_OPTIONS,
    .run = list_run,
};

/* delete */

static const struct cli_option DELETE_OPTIONS[] = {
    {NULL, 0, NULL, NULL},
};

static enum err delete_send(const struct cli *cli, struct cli_client *client, struct vec *topics,
                            int *code_out, struct report *report)
{
    rd_kafka_AdminOptions_t *options = admin_options(client, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cli_client_handle(client));
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event = NULL;
    size_t count;
    enum err e;

    rd_kafka_DeleteTopics(cli_client_handle(client), topics->at, topics->count, options, queue);
    e = admin_wait(cli, queue, &event, report);
    if (e == E_OK) {
        results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
        *code_out = results_print(cli, results, count, "delete", "deleted");
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return e;
}

static int delete_run(struct cli *cli)
{
    struct cli_client *client = NULL;
    struct report report = {0};
    struct vec topics;
    int code = CLI_DONE;
    enum err e = E_OK;

    vec_init(&topics, sizeof(rd_kafka_DeleteTopic_t *), CLI_ARGS_MAX);
    for (int i = 0; e == E_OK && i < cli_args_word_count(cli->args); i++) {
        rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(cli_args_word(cli->args, i));

        e = vec_push(&topics, &topic);
    }
    if (e == E_OK)
        e = admin_connect(cli, &client, &report);
    if (e == E_OK)
        e = delete_send(cli, client, &topics, &code, &report);
    rd_kafka_DeleteTopic_destroy_array(topics.at, topics.count);
    vec_release(&topics);
    cli_client_close(client);
    return e == E_OK ? code : failed(cli, e, &report);
}

const struct cli_command cli_topic_delete = {
    .noun = "topic",
    .verb = "delete",
    .arguments = "NAME...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "delete topics and all their records, without asking",
    .options = DELETE_OPTIONS,
    .run = delete_run,
};
