#include "cli/cli_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/cli.h"

enum {
    CONTACT_MS_MAX = 10000, /* for the first answer */
    DOWN_MS = 1500, /* until no connection counts as nobody there; localhost is two addresses */
    TOPIC_MS_MAX = 5000, /* for a topic to be created */
    TRY_MS = 250,
    OFFSETS_MS_MAX = 15000,
    PROPERTY_NAME_MAX = 128,
    TEXT_MAX = 512,
};

struct cli_client {
    const struct cli *cli;
    rd_kafka_t *handle;
    struct cli_client_options options;
    bool contacted; /* a broker answered once */
    bool warned;    /* that contact was lost */
    bool down;
    rd_kafka_resp_err_t reason_code; /* the last connection error */
    char reason[TEXT_MAX];
};

static const struct cli_property COMMON[] = {
    {"client.id", "dlog"},
    {"log.connection.close", "false"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.connection.setup.timeout.ms", "5000"},
};

const char *cli_client_error_text(rd_kafka_resp_err_t code)
{
    const char *text;

    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return "it exists already (--if-not-exists accepts that)";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "it does not exist; `dlog topic list` shows what there is";
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return "there is no such partition";
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
        return "the replication factor does not suit the number of brokers";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return "larger than the topic's max.message.bytes";
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        return "not acknowledged in time";
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return "no answer in time";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return "the connection failed";
    default:
        text = rd_kafka_err2str(code);
        if (strncmp(text, "Broker: ", 8) == 0)
            return text + 8;
        return strncmp(text, "Local: ", 7) == 0 ? text + 7 : text;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_error(rd_kafka_t *handle, int code, const char *text, void *opaque)
{
    struct cli_client *client = opaque;
    char fatal[TEXT_MAX];

    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        client->down = true;
        if (client->contacted && !client->warned)
            fprintf(client->cli->err, "dlog: lost contact with %s; trying again\n",
                    client->cli->broker);
        client->warned = client->warned || client->contacted;
        return;
    }
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(handle, fatal, sizeof(fatal));
        fprintf(client->cli->err, "dlog: cannot go on: %s\n", fatal);
        return;
    }
    client->reason_code = code;
    snprintf(client->reason, sizeof(client->reason), "%s", text);
    if (client->cli->verbose)
        fprintf(client->cli->err, "dlog: %s\n", text);
}

static void on_log(const rd_kafka_t *handle, int level, const char *where, const char *text)
{
    const struct cli_client *client = rd_kafka_opaque(handle);

    if (client->cli->verbose)
        fprintf(client->cli->err, "dlog: librdkafka %s: %s\n", where, text);
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct cli_client *client = opaque;

    client->options.on_delivery(client->options.ctx, message);
}

static enum err set(rd_kafka_conf_t *conf, const char *name, const char *value,
                    struct report *report)
{
    char text[TEXT_MAX];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return E_OK;
    report_set(report, "property %s=%s: %s", name, value, text);
    return E_INVAL;
}

/* -X name=value, given last and therefore strongest. */
static enum err set_given(const struct cli_args *args, rd_kafka_conf_t *conf, struct report *report)
{
    char name[PROPERTY_NAME_MAX];
    const char *value;
    const char *given;
    enum err e = E_OK;
    size_t at = 0;

    while (e == E_OK && (given = cli_args_next(args, "client-property", &at)) != NULL) {
        if (cli_args_pair(given, sizeof(name), name, &value) != E_OK) {
            report_set(report, "-X %s: must be NAME=VALUE", given);
            return E_INVAL;
        }
        e = set(conf, name, value, report);
    }
    return e;
}

static enum err conf_fill(struct cli_client *client, rd_kafka_conf_t *conf, struct report *report)
{
    const struct cli_client_options *options = &client->options;
    enum err e = E_OK;

    for (size_t i = 0; e == E_OK && i < sizeof(COMMON) / sizeof(COMMON[0]); i++)
        e = set(conf, COMMON[i].name, COMMON[i].value, report);
    if (e == E_OK)
        e = set(conf, "bootstrap.servers", client->cli->broker, report);
    for (size_t i = 0; e == E_OK && i < options->property_count; i++)
        e = set(conf, options->properties[i].name, options->properties[i].value, report);
    if (e == E_OK)
        e = set_given(client->cli->args, conf, report);
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (options->on_delivery != NULL)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return e;
}

enum err cli_client_open(const struct cli *cli, const struct cli_client_options *options,
                         struct cli_client **client_out, struct report *report)
{
    struct cli_client *client = mem_must_alloc(sizeof(*client));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[TEXT_MAX];
    enum err e;

    client->cli = cli;
    client->options = *options;
    e = conf_fill(client, conf, report);
    if (e == E_OK) {
        client->handle =
            rd_kafka_new(options->role == CLI_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
                         conf, text, sizeof(text));
        if (client->handle == NULL) {
            report_set(report, "broker %s: %s", cli->broker, text);
            e = E_INVAL;
        }
    }
    if (e != E_OK) {
        rd_kafka_conf_destroy(conf);
        mem_free(client);
        return e;
    }
    *client_out = client;
    return E_OK;
}

void cli_client_close(struct cli_client *client)
{
    if (client == NULL)
        return;
    if (client->options.role == CLI_PRODUCER)
        rd_kafka_purge(client->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy_flags(client->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    mem_free(client);
}

rd_kafka_t *cli_client_handle(const struct cli_client *client)
{
    return client->handle;
}

bool cli_client_is_down(const struct cli_client *client)
{
    return client->down;
}

void cli_client_is_up(struct cli_client *client)
{
    client->down = false;
}

static enum err unreachable(const struct cli_client *client, struct report *report)
{
    const char *broker = client->cli->broker;

    if (client->reason_code == RD_KAFKA_RESP_ERR__RESOLVE)
        report_set(report, "cannot reach %s: the host name does not resolve; check --broker",
                   broker);
    else if (client->reason[0] == 0 || strstr(client->reason, "refused") != NULL)
        report_set(report,
                   "cannot reach %s: is dlogd running? start it with `dlogd` or pass --broker",
                   broker);
    else
        report_set(report, "cannot reach %s: is it a Kafka listener, and --broker right? (%s)",
                   broker, client->reason);
    return E_TIMEOUT;
}

/* Is it time to say that nobody is there? */
static bool is_hopeless(const struct cli_client *client, int64_t waited_ms)
{
    if (waited_ms >= CONTACT_MS_MAX)
        return true;
    return waited_ms >= DOWN_MS && client->down;
}

/* What the answer says about the one topic asked for. */
static enum err topic_check(const struct rd_kafka_metadata *metadata, const char *topic,
                            struct report *report)
{
    rd_kafka_resp_err_t code =
        metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return E_OK;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        report_set(report, "topic %s does not exist; create it with `dlog topic create %s`", topic,
                   topic);
        return E_NOT_FOUND;
    }
    report_set(report, "topic %s: %s", topic, cli_client_error_text(code));
    return E_IO;
}

/* One question, answered or not within TRY_MS. */
static rd_kafka_resp_err_t ask(struct cli_client *client, struct cli_metadata_query query,
                               rd_kafka_topic_t *topic,
                               const struct rd_kafka_metadata **metadata_out)
{
    rd_kafka_resp_err_t code;

    code = rd_kafka_metadata(client->handle, query.all, topic, metadata_out, TRY_MS);
    rd_kafka_poll(client->handle, 0);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        client->contacted = true;
        client->down = false;
    }
    return code;
}

static enum err ask_until_done(struct cli_client *client, struct cli_metadata_query query,
                               rd_kafka_topic_t *topic,
                               const struct rd_kafka_metadata **metadata_out, struct report *report)
{
    int64_t began_ms = now_ms();

    for (;;) {
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t code = ask(client, query, topic, &metadata);
        int64_t waited_ms = now_ms() - began_ms;
        enum err e = E_OK;

        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (query.topic != NULL)
                e = topic_check(metadata, query.topic, report);
            if (e == E_OK) {
                *metadata_out = metadata;
                return E_OK;
            }
            rd_kafka_metadata_destroy(metadata);
            if (e != E_NOT_FOUND || client->options.role != CLI_PRODUCER ||
                waited_ms > TOPIC_MS_MAX)
                return e;
            rd_kafka_poll(client->handle, TRY_MS / 4);
        } else if (code != RD_KAFKA_RESP_ERR__TRANSPORT && code != RD_KAFKA_RESP_ERR__TIMED_OUT) {
            report_set(report, "ask %s for metadata: %s", client->cli->broker,
                       cli_client_error_text(code));
            return E_IO;
        } else if (is_hopeless(client, waited_ms)) {
            return unreachable(client, report);
        }
    }
}

enum err cli_client_metadata(struct cli_client *client, struct cli_metadata_query query,
                             const struct rd_kafka_metadata **metadata_out, struct report *report)
{
    rd_kafka_topic_t *topic = NULL;
    enum err e;

    if (query.topic != NULL) {
        topic = rd_kafka_topic_new(client->handle, query.topic, NULL);
        if (topic == NULL) {
            report_set(report, "topic '%s': not a topic name", query.topic);
            return E_IO;
        }
    }
    e = ask_until_done(client, query, topic, metadata_out, report);
    if (topic != NULL)
        rd_kafka_topic_destroy(topic);
    return e;
}

enum err cli_client_offsets(struct cli_client *client, rd_kafka_topic_partition_list_t *list,
                            struct report *report)
{
    rd_kafka_resp_err_t code;

    if (list->cnt == 0)
        return E_OK;
    code = rd_kafka_offsets_for_times(client->handle, list, OFFSETS_MS_MAX);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return E_OK;
    report_set(report, "ask %s for offsets: %s", client->cli->broker, cli_client_error_text(code));
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT ? E_TIMEOUT : E_IO;
}
