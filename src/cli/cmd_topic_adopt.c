#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cli.h"
#include "cli/cli_adopt.h"
#include "cli/cli_client.h"
#include "cli/cmd.h"

/*
 * dlog topic adopt: a log directory becomes a partition of a new topic.
 *
 *   ask (topic is new, data directory) -> stage all -> place all -> create -> look
 *
 * Up to "create" a failure takes everything back; the sources are only read.
 */
enum {
    WAIT_MS = 35000,
    TEXT_MAX = 512,
    NAME_MAX_SIZE = 300,
    TOPIC_SIZE_MAX = 249,
    LOOK_MS = 20000,
    LOOK_PAUSE_MS = 100,
    PARTITION_MAX = 1000000,
    PATH_SIZE = 4096
};

struct adopt {
    struct cli *cli;
    const char *topic;
    int64_t first;      /* partition of the first directory */
    int64_t partitions; /* of the topic */
    char path[PATH_SIZE];
    struct cli_client *client;
    struct cli_adopt files;
    struct cli_adopted *logs; /* of each directory */
    int count;
    int placed_count;
};

static const struct cli_option ADOPT_OPTIONS[] = {
    {"topic", 't', "NAME", "the topic, which must not exist yet"},
    {"partition", 0, "N", "partition of the first directory (default 0)"},
    {"partitions", 'p', "N", "of the topic (default: as many as directories need)"},
    {"config", 'c', "NAME=VALUE", "a setting of the topic; may repeat"},
    {"log-dir", 0, "PATH", "the broker's data directory (default: the first of its log.dirs)"},
    {NULL, 0, NULL, NULL},
};

static void partition_name(const struct adopt *a, int i, char name_out[NAME_MAX_SIZE])
{
    snprintf(name_out, NAME_MAX_SIZE, "%s-%d", a->topic, (int)a->first + i);
}

/* As the broker will: the name becomes that of a directory before the broker sees it. */
static bool topic_is_valid(const char *topic)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(topic);

    return size > 0 && size <= TOPIC_SIZE_MAX && strspn(topic, legal) == size &&
           strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
}

static enum err adopt_args(struct adopt *a, struct report *report)
{
    struct cli_range range = {0, PARTITION_MAX - CLI_ARGS_MAX};
    enum err e;

    a->topic = cli_args_get(a->cli->args, "topic");
    a->count = cli_args_word_count(a->cli->args);
    if (a->topic == NULL || !topic_is_valid(a->topic)) {
        report_set(report, a->topic == NULL ? "say the topic with --topic NAME"
                                            : "--topic: only letters, digits, '.', '_' and '-'");
        return E_INVAL;
    }
    e = cli_args_i64(a->cli->args, "partition", range, &a->first, report);
    range.min = a->partitions = a->first + a->count;
    range.max = PARTITION_MAX;
    return e == E_OK ? cli_args_i64(a->cli->args, "partitions", range, &a->partitions, report) : e;
}

/* An admin answer, to be destroyed; or say why there is none. */
static enum err wait_for(const struct adopt *a, rd_kafka_queue_t *queue,
                         rd_kafka_event_t **event_out, struct report *report)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);

    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *event_out = event;
        return E_OK;
    }
    report_set(report, "%s: %s", a->cli->broker,
               event == NULL ? "no answer in time" : rd_kafka_event_error_string(event));
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return event == NULL ? E_TIMEOUT : E_IO;
}

/* The first of log.dirs in the answer of DescribeConfigs. */
static enum err take_log_dir(struct adopt *a, rd_kafka_event_t *event, struct report *report)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigEntry_t **entries = NULL;
    const rd_kafka_ConfigResource_t **resources;
    size_t count = 0, entry_count = 0;

    resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count > 0)
        entries = rd_kafka_ConfigResource_configs(resources[0], &entry_count);
    for (int pass = 0; pass < 2; pass++) {
        const char *name = pass == 0 ? "log.dirs" : "log.dir";

        for (size_t i = 0; i < entry_count; i++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);

            if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) != 0 || value == NULL ||
                value[0] == 0)
                continue;
            snprintf(a->path, sizeof(a->path), "%.*s", (int)strcspn(value, ","), value);
            return E_OK;
        }
    }
    report_set(report, "%s does not say where its records are; say --log-dir", a->cli->broker);
    return E_NOT_FOUND;
}

static enum err ask_log_dir(struct adopt *a, int32_t broker_id, struct report *report)
{
    const char *given = cli_args_get(a->cli->args, "log-dir");
    rd_kafka_ConfigResource_t *resource;
    rd_kafka_event_t *event = NULL;
    rd_kafka_queue_t *queue;
    char id[16];
    enum err e;

    if (given != NULL) {
        snprintf(a->path, sizeof(a->path), "%s", given);
        return E_OK;
    }
    snprintf(id, sizeof(id), "%d", (int)broker_id);
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, id);
    queue = rd_kafka_queue_new(cli_client_handle(a->client));
    rd_kafka_DescribeConfigs(cli_client_handle(a->client), &resource, 1, NULL, queue);
    e = wait_for(a, queue, &event, report);
    if (e == E_OK) {
        e = take_log_dir(a, event, report);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return e;
}

/* The first contact: the topic is new, and there is one broker, which has everything. */
static enum err ask(struct adopt *a, struct report *report)
{
    static const struct cli_property properties[] = {{"isolation.level", "read_uncommitted"}};
    struct cli_client_options options = {
        .role = CLI_CONSUMER, .properties = properties, .property_count = 1};
    const struct rd_kafka_metadata *metadata;
    int32_t broker_id;
    enum err e = cli_client_open(a->cli, &options, &a->client, report);

    if (e == E_OK)
        e = cli_client_metadata(a->client, (struct cli_metadata_query){.all = true}, &metadata,
                                report);
    if (e != E_OK)
        return e;
    broker_id = metadata->broker_cnt > 0 ? metadata->brokers[0].id : -1;
    for (int i = 0; i < metadata->topic_cnt && e == E_OK; i++) {
        if (strcmp(metadata->topics[i].topic, a->topic) == 0)
            e = E_EXISTS;
    }
    if (e == E_EXISTS)
        report_set(report,
                   "topic %s exists already; adopt makes a new one: choose another name, or "
                   "delete it first",
                   a->topic);
    if (e == E_OK && metadata->broker_cnt != 1) {
        report_set(report, "the cluster has %d brokers; adopt works with one only",
                   metadata->broker_cnt);
        e = E_UNSUPPORTED;
    }
    rd_kafka_metadata_destroy(metadata);
    return e == E_OK ? ask_log_dir(a, broker_id, report) : e;
}

/* The user's settings; without theirs, nothing old is deleted as soon as it is adopted. */
static enum err topic_settings(const struct adopt *a, rd_kafka_NewTopic_t *topic,
                               struct report *report)
{
    char name[NAME_MAX_SIZE];
    bool has_retention = false;
    const char *given, *value;
    size_t at = 0;

    while ((given = cli_args_next(a->cli->args, "config", &at)) != NULL) {
        if (cli_args_pair(given, sizeof(name), name, &value) != E_OK ||
            rd_kafka_NewTopic_set_config(topic, name, value) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            report_set(report, "--config %s: must be NAME=VALUE", given);
            return E_INVAL;
        }
        has_retention |= strcmp(name, "retention.ms") == 0;
    }
    if (!has_retention)
        rd_kafka_NewTopic_set_config(topic, "retention.ms", "-1");
    return E_OK;
}

/* E_EXISTS: the broker said no, and nothing was created by us. */
static enum err take_created(const struct adopt *a, rd_kafka_event_t *event, struct report *report)
{
    const rd_kafka_topic_result_t **results;
    rd_kafka_resp_err_t code;
    const char *said;
    size_t count;

    results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    code = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return E_OK;
    said = count == 1 ? rd_kafka_topic_result_error_string(results[0]) : NULL;
    report_set(report, "cannot create topic %s: %s", a->topic,
               said != NULL ? said : cli_client_error_text(code));
    return code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ? E_TIMEOUT : E_EXISTS;
}

static enum err create_topic(struct adopt *a, rd_kafka_NewTopic_t *topic, bool is_trial,
                             struct report *report)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(cli_client_handle(a->client), RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cli_client_handle(a->client));
    rd_kafka_event_t *event = NULL;
    char text[TEXT_MAX];
    enum err e;

    rd_kafka_AdminOptions_set_validate_only(options, is_trial, text, sizeof(text));
    rd_kafka_CreateTopics(cli_client_handle(a->client), &topic, 1, options, queue);
    e = wait_for(a, queue, &event, report);
    if (e == E_OK) {
        e = take_created(a, event, report);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return e;
}

static enum err stage_and_place(struct adopt *a, struct report *report)
{
    char name[NAME_MAX_SIZE];
    enum err e = cli_adopt_open(a->cli, a->path, &a->files, report);

    for (int i = 0; i < a->count && e == E_OK; i++) {
        partition_name(a, i, name);
        e = cli_adopt_stage(&a->files, cli_args_word(a->cli->args, i), name, &a->logs[i], report);
    }
    for (int i = 0; i < a->count && e == E_OK; i++) {
        partition_name(a, i, name);
        e = cli_adopt_place(&a->files, name, report);
        a->placed_count += e == E_OK;
    }
    return e;
}

static void take_back(struct adopt *a)
{
    char name[NAME_MAX_SIZE];

    while (a->placed_count > 0) {
        partition_name(a, --a->placed_count, name);
        cli_adopt_take_back(&a->files, name);
    }
}

/* Does the broker serve what was placed, from its first to its last offset? */
static bool is_served(const struct adopt *a, rd_kafka_topic_partition_list_t *starts,
                      rd_kafka_topic_partition_list_t *ends)
{
    for (int i = 0; i < a->count; i++) {
        if (starts->elems[i].err != 0 || ends->elems[i].err != 0 ||
            starts->elems[i].offset != a->logs[i].start_offset ||
            ends->elems[i].offset != a->logs[i].end_offset)
            return false;
    }
    return true;
}

static enum err look(struct adopt *a, struct report *report)
{
    bool is_right = false;

    for (int waited = 0; waited < LOOK_MS && !is_right; waited += LOOK_PAUSE_MS) {
        rd_kafka_topic_partition_list_t *starts = rd_kafka_topic_partition_list_new(a->count);
        rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(a->count);
        struct report ignored = {{0}};

        for (int i = 0; i < a->count; i++) {
            int32_t index = (int32_t)a->first + i;

            rd_kafka_topic_partition_list_add(starts, a->topic, index)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
            rd_kafka_topic_partition_list_add(ends, a->topic, index)->offset = RD_KAFKA_OFFSET_END;
        }
        is_right = cli_client_offsets(a->client, starts, &ignored) == E_OK &&
                   cli_client_offsets(a->client, ends, &ignored) == E_OK &&
                   is_served(a, starts, ends);
        rd_kafka_topic_partition_list_destroy(starts);
        rd_kafka_topic_partition_list_destroy(ends);
        if (!is_right)
            rd_kafka_poll(cli_client_handle(a->client), LOOK_PAUSE_MS);
    }
    if (is_right)
        return E_OK;
    report_set(report, "topic %s was created, but %s does not serve what is in %s: see its output",
               a->topic, a->cli->broker, a->path);
    return E_IO;
}

static enum err adopt(struct adopt *a, rd_kafka_NewTopic_t *topic, struct report *report)
{
    char name[NAME_MAX_SIZE];
    enum err e = topic_settings(a, topic, report);

    if (e == E_OK)
        e = ask(a, report);
    if (e == E_OK)
        e = create_topic(a, topic, true, report); /* before much is copied */
    if (e == E_OK)
        e = stage_and_place(a, report);
    if (e == E_OK)
        e = create_topic(a, topic, false, report);
    if (e == E_TIMEOUT && a->placed_count == a->count) {
        report_append(report, "; whether it created the topic is not known: look with dlog topic "
                              "describe, and if it did not, try again");
        a->placed_count = 0; /* they may be in use */
    }
    if (e == E_OK) {
        e = look(a, report);
        a->placed_count = 0;
        for (int i = 0; i < a->count; i++) {
            partition_name(a, i, name);
            cli_adopt_settle(&a->files, name);
        }
    }
    take_back(a);
    return e;
}

static enum err print(const struct adopt *a, struct report *report)
{
    char name[NAME_MAX_SIZE];

    for (int i = 0; i < a->count; i++) {
        const struct cli_adopted *l = &a->logs[i];

        partition_name(a, i, name);
        fprintf(a->cli->out,
                "adopted %s as %s: offsets %" PRId64 " to %" PRId64 ", %" PRId64 " bytes\n",
                cli_args_word(a->cli->args, i), name, l->start_offset, l->end_offset, l->bytes);
        if (l->aborted > 0)
            fprintf(a->cli->err, "dlog: %d transactions were open in %s; they are aborted\n",
                    (int)l->aborted, cli_args_word(a->cli->args, i));
        if (l->torn_bytes > 0)
            fprintf(a->cli->err,
                    "dlog: %" PRId64 " bytes at the end of %s were no whole batch; they "
                    "are not in the topic\n",
                    l->torn_bytes, cli_args_word(a->cli->args, i));
    }
    return cli_out_flush(a->cli, report) == E_IO ? E_IO : E_OK;
}

static int adopt_run(struct cli *cli)
{
    struct adopt a = {.cli = cli};
    struct cli_adopted logs[CLI_ARGS_MAX];
    rd_kafka_NewTopic_t *topic = NULL;
    struct report report = {{0}};
    char text[TEXT_MAX];
    bool is_usage;
    enum err e = adopt_args(&a, &report);

    a.logs = logs;
    if (e == E_OK) {
        topic = rd_kafka_NewTopic_new(a.topic, (int)a.partitions, 1, text, sizeof(text));
        e = topic == NULL ? E_INVAL : adopt(&a, topic, &report);
        if (topic == NULL)
            report_set(&report, "topic '%s': %s", a.topic, text);
    }
    is_usage = e == E_INVAL && a.client == NULL;
    cli_adopt_close(&a.files);
    cli_client_close(a.client);
    if (topic != NULL)
        rd_kafka_NewTopic_destroy(topic);
    if (e == E_OK)
        e = print(&a, &report);
    if (is_usage)
        return cli_usage_error(cli, &report);
    return e == E_OK ? CLI_DONE : cli_fail(cli, &report);
}

const struct cli_command cli_topic_adopt = {
    .noun = "topic",
    .verb = "adopt",
    .arguments = "DIR...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "make a topic of logs that a library or an Apache Kafka wrote",
    .notes =
        "DIR is the directory of one log (an Apache Kafka's is DATA/TOPIC-PARTITION), which no "
        "process has open.\n"
        "It is copied to the data directory of the broker, which has to run on this machine; "
        "DIR itself is\nonly read. Several directories become partitions N, N+1, ... Records "
        "are kept for ever unless\n--config retention.ms says otherwise.\n\n"
        "Example:\n"
        "  dlog topic adopt ./mylog --topic events --partition 0\n",
    .options = ADOPT_OPTIONS,
    .run = adopt_run,
};
