#include <string.h>

#include "cli/cli.h"
#include "cli/cli_client.h"
#include "cli/cli_message.h"
#include "cli/cli_stop.h"
#include "cli/cmd.h"

/*
 * dlog consume --group: as a member of a consumer group. What was printed is committed: after each
 * second, and at the end, which is when all partitions that are ours have none left (unless
 * --follow).
 */
enum { WAIT_MS = 100, OUTPUT_MAX = 1 << 30 };

struct member {
    struct cli *cli;
    struct cli_client *client;
    struct cli_stop stop;
    struct cli_message_printing printing;
    struct buf out;
    int64_t count;
    int64_t count_max; /* -1: none */
    bool follow;
    rd_kafka_topic_partition_list_t *ends; /* partitions that have none left */
};

static const char *option(const struct cli *cli, const char *name, const char *otherwise)
{
    const char *value = cli_args_get(cli->args, name);

    return value == NULL ? otherwise : value;
}

static enum err options_read(struct member *m, struct report *report)
{
    struct cli_range range = {1, INT64_MAX};
    const char *from = option(m->cli, "from", "start");
    enum err e = cli_args_i64(m->cli->args, "count", range, &m->count_max, report);

    if (e == E_OK)
        e = cli_message_printing_read(m->cli->args, &m->printing, report);
    if (e == E_OK && strcmp(from, "start") != 0 && strcmp(from, "end") != 0)
        report_set(report,
                   "--from %s: with --group it must be start or end; see also "
                   "dlog group reset-offsets",
                   from);
    if (e == E_OK && cli_args_has(m->cli->args, "partition"))
        report_set(report, "--partition and --group exclude each other: the group decides");
    m->follow = cli_args_has(m->cli->args, "follow");
    return e == E_OK && report->text[0] != 0 ? E_INVAL : e;
}

static enum err member_open(struct member *m, struct report *report)
{
    const char *from = option(m->cli, "from", "start");
    const struct cli_property properties[] = {
        {"group.id", option(m->cli, "group", "")},
        {"auto.offset.reset", strcmp(from, "end") == 0 ? "latest" : "earliest"},
        {"enable.partition.eof", "true"},
        {"enable.auto.offset.store", "false"}, /* only what was printed */
        {"auto.commit.interval.ms", "1000"},
        {"check.crcs", "true"},
        {"session.timeout.ms", "10000"},
    };
    struct cli_client_options options = {
        .role = CLI_CONSUMER,
        .properties = properties,
        .property_count = sizeof(properties) / sizeof(properties[0]),
    };
    const struct rd_kafka_metadata *metadata;
    struct cli_metadata_query query = {.topic = cli_args_word(m->cli->args, 0)};
    rd_kafka_topic_partition_list_t *topics;
    rd_kafka_resp_err_t code;
    enum err e = cli_client_open(m->cli, &options, &m->client, report);

    if (e == E_OK)
        e = cli_client_metadata(m->client, query, &metadata, report);
    if (e != E_OK)
        return e;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_poll_set_consumer(cli_client_handle(m->client));
    topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, query.topic, RD_KAFKA_PARTITION_UA);
    code = rd_kafka_subscribe(cli_client_handle(m->client), topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return E_OK;
    report_set(report, "join group %s: %s", properties[0].value, cli_client_error_text(code));
    return E_IO;
}

/* Have all partitions that are ours come to their end? */
static bool is_at_end(struct member *m)
{
    rd_kafka_topic_partition_list_t *ours;
    bool is_end;

    if (rd_kafka_assignment(cli_client_handle(m->client), &ours) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    is_end = ours->cnt > 0;
    for (int i = 0; i < ours->cnt && is_end; i++)
        is_end = rd_kafka_topic_partition_list_find(m->ends, ours->elems[i].topic,
                                                    ours->elems[i].partition) != NULL;
    rd_kafka_topic_partition_list_destroy(ours);
    return is_end;
}

static void end_note(struct member *m, const rd_kafka_message_t *message, bool is_end)
{
    const char *topic = rd_kafka_topic_name(message->rkt);

    if (!is_end)
        rd_kafka_topic_partition_list_del(m->ends, topic, message->partition);
    else if (rd_kafka_topic_partition_list_find(m->ends, topic, message->partition) == NULL)
        rd_kafka_topic_partition_list_add(m->ends, topic, message->partition);
}

static enum err message_take(struct member *m, const rd_kafka_message_t *message,
                             struct report *report)
{
    rd_kafka_topic_partition_list_t *stored;
    enum err e;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        end_note(m, message, true);
        return E_OK;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "read: %s", rd_kafka_message_errstr(message));
        return E_IO;
    }
    end_note(m, message, false);
    e = cli_message_print(message, &m->printing, &m->out);
    if (e != E_OK)
        return e;
    fwrite(m->out.at, 1, m->out.size, m->cli->out);
    buf_clear(&m->out);
    m->count++;
    stored = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(stored, rd_kafka_topic_name(message->rkt), message->partition)
        ->offset = message->offset + 1;
    rd_kafka_offsets_store(cli_client_handle(m->client), stored);
    rd_kafka_topic_partition_list_destroy(stored);
    return E_OK;
}

static enum err messages_take(struct member *m, struct report *report)
{
    enum err e = E_OK;

    while (e == E_OK && m->count != m->count_max && !cli_stop_is_asked(&m->stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(cli_client_handle(m->client), WAIT_MS);

        if (message != NULL) {
            e = message_take(m, message, report);
            rd_kafka_message_destroy(message);
            continue;
        }
        e = cli_out_flush(m->cli, report);
        if (!m->follow && is_at_end(m))
            break;
    }
    if (e == E_OK)
        e = cli_out_flush(m->cli, report);
    return e == E_CLOSED ? E_OK : e;
}

int cli_consume_group(struct cli *cli)
{
    struct member m = {.cli = cli, .count_max = -1, .stop = {.descriptor = -1}};
    struct report report = {0};
    enum err e;

    buf_init(&m.out, OUTPUT_MAX);
    cli_message_printing_init(&m.printing);
    m.ends = rd_kafka_topic_partition_list_new(16);
    e = options_read(&m, &report);
    if (e == E_OK)
        e = member_open(&m, &report);
    if (e == E_OK)
        e = cli_stop_open(&m.stop);
    if (e == E_OK)
        e = messages_take(&m, &report);
    if (m.client != NULL) /* leaves the group, and commits what was printed */
        rd_kafka_consumer_close(cli_client_handle(m.client));
    cli_client_close(m.client);
    cli_stop_close(&m.stop);
    rd_kafka_topic_partition_list_destroy(m.ends);
    cli_message_printing_release(&m.printing);
    buf_release(&m.out);
    return e == E_OK ? CLI_DONE : cli_failed(cli, e, &report);
}
