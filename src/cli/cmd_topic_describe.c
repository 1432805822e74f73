#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/cli_client.h"
#include "cli/cli_json.h"
#include "cli/cli_table.h"
#include "cli/cmd.h"

/*
 * dlog topic describe: partitions with their offsets, and the settings that differ from the
 * default.
 */
enum { SETTINGS_MS = 15000, OUTPUT_MAX = 1 << 30, IDS_MAX = 256 };

/* Everything about one topic; released by view_release. */
struct view {
    const struct rd_kafka_metadata *metadata;
    const struct rd_kafka_metadata_topic *topic;
    rd_kafka_topic_partition_list_t *starts; /* of partitions that have a leader */
    rd_kafka_topic_partition_list_t *ends;
    rd_kafka_event_t *settings_event; /* keeps `settings` */
    const rd_kafka_ConfigEntry_t **settings;
    size_t setting_count;
};

static void view_release(struct view *v)
{
    if (v->starts != NULL)
        rd_kafka_topic_partition_list_destroy(v->starts);
    if (v->ends != NULL)
        rd_kafka_topic_partition_list_destroy(v->ends);
    if (v->settings_event != NULL)
        rd_kafka_event_destroy(v->settings_event);
    if (v->metadata != NULL)
        rd_kafka_metadata_destroy(v->metadata);
}

static enum err view_offsets(struct view *v, struct cli_client *client, struct report *report)
{
    enum err e;

    v->starts = rd_kafka_topic_partition_list_new(v->topic->partition_cnt);
    v->ends = rd_kafka_topic_partition_list_new(v->topic->partition_cnt);
    for (int i = 0; i < v->topic->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *p = &v->topic->partitions[i];

        if (p->leader < 0)
            continue;
        rd_kafka_topic_partition_list_add(v->starts, v->topic->topic, p->id)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_topic_partition_list_add(v->ends, v->topic->topic, p->id)->offset =
            RD_KAFKA_OFFSET_END;
    }
    e = cli_client_offsets(client, v->starts, report);
    return e == E_OK ? cli_client_offsets(client, v->ends, report) : e;
}

/* The answer of DescribeConfigs for one topic, inside `event`. */
static enum err settings_take(struct view *v, rd_kafka_event_t *event, struct report *report)
{
    const rd_kafka_DescribeConfigs_result_t *result;
    const rd_kafka_ConfigResource_t **resources;
    rd_kafka_resp_err_t code;
    size_t count = 0;

    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "settings of %s: %s", v->topic->topic,
                   event == NULL ? "no answer in time" : rd_kafka_event_error_string(event));
        return E_IO;
    }
    result = rd_kafka_event_DescribeConfigs_result(event);
    resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count == 0)
        return E_OK;
    code = rd_kafka_ConfigResource_error(resources[0]);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "settings of %s: %s", v->topic->topic, cli_client_error_text(code));
        return E_IO;
    }
    v->settings = rd_kafka_ConfigResource_configs(resources[0], &v->setting_count);
    return E_OK;
}

static enum err view_settings(struct view *v, struct cli_client *client, struct report *report)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, v->topic->topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cli_client_handle(client));

    rd_kafka_DescribeConfigs(cli_client_handle(client), &resource, 1, NULL, queue);
    v->settings_event = rd_kafka_queue_poll(queue, SETTINGS_MS);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return settings_take(v, v->settings_event, report);
}

static enum err view_fill(struct view *v, struct cli_client *client, const char *name,
                          struct report *report)
{
    struct cli_metadata_query query = {.topic = name};
    enum err e = cli_client_metadata(client, query, &v->metadata, report);

    if (e != E_OK)
        return e;
    v->topic = &v->metadata->topics[0];
    e = view_offsets(v, client, report);
    return e == E_OK ? view_settings(v, client, report) : e;
}

/* The offset of `partition`, or -1 if it could not be had. */
static int64_t offset_find(const rd_kafka_topic_partition_list_t *list, int32_t partition)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition == partition && list->elems[i].err == 0)
            return list->elems[i].offset;
    }
    return -1;
}

static bool setting_is_shown(const rd_kafka_ConfigEntry_t *entry)
{
    return !rd_kafka_ConfigEntry_is_default(entry) &&
           rd_kafka_ConfigEntry_source(entry) != RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG;
}

static void json_ids(struct cli_json *j, const char *key, const int32_t *ids, int count)
{
    cli_json_key(j, key);
    cli_json_open(j, '[');
    for (int i = 0; i < count; i++)
        cli_json_i64(j, ids[i]);
    cli_json_close(j, ']');
}

static void json_offset(struct cli_json *j, const char *key, int64_t offset)
{
    cli_json_key(j, key);
    if (offset < 0)
        cli_json_null(j);
    else
        cli_json_i64(j, offset);
}

static void json_partition(struct cli_json *j, const struct view *v,
                           const struct rd_kafka_metadata_partition *p)
{
    cli_json_open(j, '{');
    cli_json_key(j, "partition");
    cli_json_i64(j, p->id);
    cli_json_key(j, "leader");
    if (p->leader < 0)
        cli_json_null(j);
    else
        cli_json_i64(j, p->leader);
    json_ids(j, "replicas", p->replicas, p->replica_cnt);
    json_ids(j, "isr", p->isrs, p->isr_cnt);
    json_offset(j, "start_offset", offset_find(v->starts, p->id));
    json_offset(j, "end_offset", offset_find(v->ends, p->id));
    cli_json_close(j, '}');
}

static void view_json(const struct view *v, struct cli_json *j)
{
    cli_json_open(j, '{');
    cli_json_key(j, "name");
    cli_json_text(j, v->topic->topic);
    cli_json_key(j, "partitions");
    cli_json_open(j, '[');
    for (int i = 0; i < v->topic->partition_cnt; i++)
        json_partition(j, v, &v->topic->partitions[i]);
    cli_json_close(j, ']');
    cli_json_key(j, "settings");
    cli_json_open(j, '{');
    for (size_t i = 0; i < v->setting_count; i++) {
        if (!setting_is_shown(v->settings[i]))
            continue;
        cli_json_key(j, rd_kafka_ConfigEntry_name(v->settings[i]));
        cli_json_text(j, rd_kafka_ConfigEntry_value(v->settings[i]));
    }
    cli_json_close(j, '}');
    cli_json_close(j, '}');
}

static void cell_ids(struct cli_table *table, const int32_t *ids, int count)
{
    char text[IDS_MAX] = "";
    size_t size = 0;

    for (int i = 0; i < count && size < sizeof(text); i++)
        size +=
            (size_t)snprintf(text + size, sizeof(text) - size, "%s%d", i > 0 ? "," : "", ids[i]);
    cli_table_cell(table, "%s", text);
}

static void cell_number(struct cli_table *table, int64_t number)
{
    if (number < 0)
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%" PRId64, number);
}

static enum err view_partitions(const struct cli *cli, const struct view *v, struct buf *out)
{
    static const char *const TITLES[] = {">PARTITION", ">LEADER", "REPLICAS",
                                         "ISR",        ">START",  ">END"};
    struct cli_table table;
    enum err e;

    cli_table_init(&table, TITLES, 6);
    for (int i = 0; i < v->topic->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *p = &v->topic->partitions[i];

        cli_table_cell(&table, "%d", p->id);
        cell_number(&table, p->leader);
        cell_ids(&table, p->replicas, p->replica_cnt);
        cell_ids(&table, p->isrs, p->isr_cnt);
        cell_number(&table, offset_find(v->starts, p->id));
        cell_number(&table, offset_find(v->ends, p->id));
    }
    e = cli_table_print(&table, 2, cli->colour, out);
    cli_table_release(&table);
    return e;
}

static const char *source_text(const rd_kafka_ConfigEntry_t *entry)
{
    switch ((int)rd_kafka_ConfigEntry_source(entry)) {
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG:
        return "topic";
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG:
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER_CONFIG:
    case RD_KAFKA_CONFIG_SOURCE_STATIC_BROKER_CONFIG:
        return "broker";
    default:
        return "-";
    }
}

static enum err view_table(const struct cli *cli, const struct view *v, struct buf *out)
{
    static const char *const TITLES[] = {"SETTING", "VALUE", "SET ON"};
    struct cli_table table;
    size_t shown = 0;
    enum err e;

    cli_table_init(&table, TITLES, 3);
    for (size_t i = 0; i < v->setting_count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(v->settings[i]);

        if (!setting_is_shown(v->settings[i]))
            continue;
        cli_table_cell(&table, "%s", rd_kafka_ConfigEntry_name(v->settings[i]));
        cli_table_cell(&table, "%s", value != NULL ? value : "-");
        cli_table_cell(&table, "%s", source_text(v->settings[i]));
        shown++;
    }
    e = buf_printf(out, "%s: %d partition%s\n", v->topic->topic, v->topic->partition_cnt,
                   v->topic->partition_cnt == 1 ? "" : "s");
    if (e == E_OK)
        e = view_partitions(cli, v, out);
    if (e == E_OK && shown > 0)
        e = buf_append(out, "\n", 1);
    if (e == E_OK && shown > 0)
        e = cli_table_print(&table, 2, cli->colour, out);
    cli_table_release(&table);
    return e;
}

/* All topics into `out`; those that fail are reported and leave CLI_FAILED in `*code_out`. */
static enum err describe_all(const struct cli *cli, struct cli_client *client, struct buf *out,
                             int *code_out)
{
    bool json = cli_args_has(cli->args, "json");
    struct cli_json j = cli_json_init(out);
    enum err e = E_OK;

    if (json)
        cli_json_open(&j, '[');
    for (int i = 0; e == E_OK && i < cli_args_word_count(cli->args); i++) {
        struct view v = {.setting_count = 0};
        struct report report = {0};
        enum err filled = view_fill(&v, client, cli_args_word(cli->args, i), &report);

        if (filled != E_OK)
            *code_out = cli_fail(cli, &report);
        else if (json)
            view_json(&v, &j);
        else if (out->size > 0)
            e = buf_append(out, "\n", 1);
        if (e == E_OK && filled == E_OK && !json)
            e = view_table(cli, &v, out);
        view_release(&v);
        if (filled == E_TIMEOUT)
            break; /* the others would wait as long */
    }
    if (!json)
        return e;
    cli_json_close(&j, ']');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(out, "\n", 1) : e;
}

static int describe_run(struct cli *cli)
{
    struct cli_client_options options = {.role = CLI_CONSUMER};
    struct cli_client *client;
    struct report report = {0};
    struct buf text;
    int code = CLI_DONE;
    enum err e;

    if (cli_client_open(cli, &options, &client, &report) != E_OK)
        return cli_usage_error(cli, &report);
    buf_init(&text, OUTPUT_MAX);
    e = describe_all(cli, client, &text, &code);
    if (e != E_OK) {
        report_set(&report, "description: %s", err_text(e));
        code = cli_fail(cli, &report);
    } else {
        fwrite(text.at, 1, text.size, cli->out);
    }
    buf_release(&text);
    cli_client_close(client);
    return code;
}

static const struct cli_option DESCRIBE_OPTIONS[] = {
    {"json", 'j', NULL, "an array of objects with name, partitions, settings"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command cli_topic_describe = {
    .noun = "topic",
    .verb = "describe",
    .arguments = "NAME...",
    .words_min = 1,
    .words_max = CLI_ARGS_MAX,
    .summary = "show partitions, offsets and settings that differ from the default",
    .options = DESCRIBE_OPTIONS,
    .run = describe_run,
};
