#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_client.h"
#include "cli/cli_lines.h"
#include "cli/cli_stop.h"
#include "cli/cmd.h"

/*
 * dlog produce: lines of a file or of standard input become records.
 *
 * Memory is bounded by librdkafka's queue (QUEUE below): when it is full we serve callbacks until
 * there is room. Only failures are called back, so that ten million records cost no ten million
 * callbacks; what is in neither the queue nor the failures was acknowledged.
 */
enum {
    FULL_WAIT_MS = 5,
    FLUSH_WAIT_MS = 100,
    IDLE_WAIT_MS = 100,
    POLL_EVERY = 1024, /* records between two looks at callbacks and signals */
    REASONS_MAX = 8,
    HEADER_NAME_MAX = 256,
    MB = 1000 * 1000,
};

static const struct cli_property QUEUE[] = {
    {"linger.ms", "5"},
    {"queue.buffering.max.messages", "250000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"batch.num.messages", "50000"},
    {"message.max.bytes", "134217728"}, /* the broker knows its limit; a batch stays below 1 MB */
    {"delivery.report.only.error", "true"},
    {"partitioner", "murmur2_random"}, /* a key goes where Java sends it */
};
enum { QUEUE_COUNT = sizeof(QUEUE) / sizeof(QUEUE[0]), PROPERTIES_MAX = QUEUE_COUNT + 4 };

static const struct cli_option OPTIONS[] = {
    {"key", 'k', "K", "the key of every record"},
    {"key-separator", 'K', "S", "the key is what stands before the first S in a line"},
    {"header", 'H', "NAME=VALUE", "a header of every record; may repeat"},
    {"partition", 'p', "N", "send all there (default: by key; without key, spread)"},
    {"file", 'f', "FILE", "read lines from it (default: standard input)"},
    {"compression", 'z', "TYPE", "none, gzip, snappy, lz4 or zstd (default none)"},
    {"acks", 'a', "A", "0, 1 or all (default all)"},
    {"idempotent", 0, "BOOL", "no duplicates after a retry (default true with --acks all)"},
    {"timeout", 't', "SECONDS", "give up on a record after (default 300)"},
    {NULL, 0, NULL, NULL},
};

/* Why records failed, each reason once. */
struct reason {
    rd_kafka_resp_err_t code;
    uint64_t count;
    uint64_t line; /* the first that was seen */
};

struct produce {
    const struct cli *cli;
    struct cli_client *client;
    rd_kafka_topic_t *topic;
    rd_kafka_headers_t *headers; /* or NULL */
    struct cli_stop stop;
    struct cli_lines lines;
    const char *key;
    const char *separator;
    int32_t partition;
    uint64_t record_count; /* handed to librdkafka or refused by it */
    uint64_t record_bytes;
    bool stopped; /* by a signal */
    struct reason reasons[REASONS_MAX];
    size_t reason_count;
    uint64_t failed_count;
};

static void failure_add(struct produce *p, rd_kafka_resp_err_t code, uint64_t line)
{
    size_t i = 0;

    p->failed_count++;
    while (i < p->reason_count && p->reasons[i].code != code)
        i++;
    if (i == p->reason_count) {
        if (i == REASONS_MAX)
            i--; /* the rest counts with the last one */
        else
            p->reasons[p->reason_count++] = (struct reason){.code = code, .line = line};
    }
    p->reasons[i].count++;
    if (line < p->reasons[i].line)
        p->reasons[i].line = line;
}

static void on_delivery(void *ctx, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        failure_add(ctx, message->err, (uint64_t)(uintptr_t)message->_private);
}

/* Options that become properties of librdkafka. */
static enum err properties_fill(const struct cli *cli, struct cli_property *properties,
                                size_t *count_out, struct report *report)
{
    const char *compression = cli_args_get(cli->args, "compression");
    const char *acks = cli_args_get(cli->args, "acks");
    bool all = acks == NULL || strcmp(acks, "all") == 0 || strcmp(acks, "-1") == 0;
    bool idempotent = all;
    size_t count = QUEUE_COUNT;
    enum err e = cli_args_bool(cli->args, "idempotent", &idempotent, report);

    if (e == E_OK && !all && strcmp(acks, "0") != 0 && strcmp(acks, "1") != 0) {
        report_set(report, "--acks %s: must be 0, 1 or all", acks);
        e = E_INVAL;
    }
    if (e == E_OK && idempotent && !all) {
        report_set(report, "--idempotent true needs --acks all");
        e = E_INVAL;
    }
    if (e != E_OK)
        return e;
    memcpy(properties, QUEUE, sizeof(QUEUE));
    properties[count++] = (struct cli_property){"acks", acks != NULL ? acks : "all"};
    properties[count++] =
        (struct cli_property){"enable.idempotence", idempotent ? "true" : "false"};
    if (compression != NULL)
        properties[count++] = (struct cli_property){"compression.type", compression};
    *count_out = count;
    return E_OK;
}

static enum err headers_fill(struct produce *p, struct report *report)
{
    char name[HEADER_NAME_MAX];
    const char *value;
    const char *given;
    size_t at = 0;

    while ((given = cli_args_next(p->cli->args, "header", &at)) != NULL) {
        if (cli_args_pair(given, sizeof(name), name, &value) != E_OK) {
            report_set(report, "--header %s: must be NAME=VALUE", given);
            return E_INVAL;
        }
        if (p->headers == NULL)
            p->headers = rd_kafka_headers_new(4);
        rd_kafka_header_add(p->headers, name, -1, value, -1);
    }
    return E_OK;
}

static enum err options_read(struct produce *p, struct report *report)
{
    const struct cli_args *args = p->cli->args;
    struct cli_range range = {0, INT32_MAX};
    int64_t partition = RD_KAFKA_PARTITION_UA;
    enum err e = cli_args_i64(args, "partition", range, &partition, report);

    p->partition = (int32_t)partition;
    p->key = cli_args_get(args, "key");
    p->separator = cli_args_get(args, "key-separator");
    if (e == E_OK && p->key != NULL && p->separator != NULL) {
        report_set(report, "--key and --key-separator exclude each other");
        e = E_INVAL;
    }
    if (e == E_OK && p->separator != NULL && p->separator[0] == 0) {
        report_set(report, "--key-separator must not be empty");
        e = E_INVAL;
    }
    return e == E_OK ? headers_fill(p, report) : e;
}

/* The descriptor to read lines from. */
static enum err file_open(const struct cli *cli, int *descriptor_out, struct report *report)
{
    const char *name = cli_args_get(cli->args, "file");
    int descriptor = STDIN_FILENO;

    if (name != NULL && strcmp(name, "-") != 0) {
        descriptor = open(name, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            report_set(report, "cannot read %s: %s", name, strerror(errno));
            return E_IO;
        }
    }
    *descriptor_out = descriptor;
    return E_OK;
}

static enum err client_open(struct produce *p, struct report *report)
{
    struct cli_property properties[PROPERTIES_MAX + 1];
    struct cli_client_options options = {
        .role = CLI_PRODUCER,
        .properties = properties,
        .on_delivery = on_delivery,
        .ctx = p,
    };
    struct cli_range range = {1, 1000000};
    int64_t timeout_s = 300;
    char timeout[32];
    enum err e = properties_fill(p->cli, properties, &options.property_count, report);

    if (e == E_OK)
        e = cli_args_i64(p->cli->args, "timeout", range, &timeout_s, report);
    if (e != E_OK)
        return e;
    snprintf(timeout, sizeof(timeout), "%lld000", (long long)timeout_s);
    properties[options.property_count++] = (struct cli_property){"message.timeout.ms", timeout};
    return cli_client_open(p->cli, &options, &p->client, report);
}

/* First contact: the topic exists (the broker may create it) and so does the partition. */
static enum err topic_open(struct produce *p, const char *name, struct report *report)
{
    const struct rd_kafka_metadata *metadata;
    struct cli_metadata_query query = {.topic = name};
    enum err e = cli_client_metadata(p->client, query, &metadata, report);
    int count;

    if (e != E_OK)
        return e;
    count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (p->partition >= count) {
        report_set(report, "topic %s has no partition %d: there are %d, from 0", name, p->partition,
                   count);
        return E_NOT_FOUND;
    }
    p->topic = rd_kafka_topic_new(cli_client_handle(p->client), name, NULL);
    return E_OK;
}

/* Hand one record over; bytes are copied. */
static rd_kafka_resp_err_t hand_over(struct produce *p, struct slice key, struct slice value)
{
    void *opaque = (void *)(uintptr_t)(p->record_count + 1);
    const void *at = value.size > 0 ? (const void *)value.at : "";
    rd_kafka_headers_t *headers;
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;

    if (p->headers == NULL) {
        /* librdkafka takes void * for what it copies */
        if (rd_kafka_produce(p->topic, p->partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)at,
                             value.size, key.at, key.size, opaque) == 0)
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        return rd_kafka_last_error();
    }
    headers = rd_kafka_headers_copy(p->headers);
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = p->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)at, value.size}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.at, key.size}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    error = rd_kafka_produceva(cli_client_handle(p->client), fields,
                               sizeof(fields) / sizeof(fields[0]));
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers); /* taken only on success */
    return code;
}

static bool is_fatal(const struct produce *p)
{
    return rd_kafka_fatal_error(cli_client_handle(p->client), NULL, 0) !=
           RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void line_produce(struct produce *p, struct slice line)
{
    struct slice key = slice_of_text(p->key);
    struct slice value = line;
    rd_kafka_resp_err_t code;

    if (p->separator != NULL) {
        size_t size = strlen(p->separator);
        const uint8_t *at = memmem(line.at, line.size, p->separator, size);

        if (at != NULL) {
            key = slice_of(line.at, (size_t)(at - line.at));
            value = slice_of(at + size, line.size - key.size - size);
        }
    }
    while ((code = hand_over(p, key, value)) == RD_KAFKA_RESP_ERR__QUEUE_FULL && !p->stopped) {
        rd_kafka_poll(cli_client_handle(p->client), FULL_WAIT_MS);
        p->stopped = cli_stop_is_asked(&p->stop);
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return; /* stopped before this one */
    p->record_count++;
    p->record_bytes += key.size + value.size;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        failure_add(p, code, p->record_count);
    if (p->record_count % POLL_EVERY == 0) {
        rd_kafka_poll(cli_client_handle(p->client), 0);
        p->stopped = p->stopped || cli_stop_is_asked(&p->stop);
    }
}

/* Wait until there is something to read or to stop for; callbacks are served meanwhile. */
static bool wait_readable(struct produce *p)
{
    struct pollfd fds[] = {
        {.fd = p->lines.descriptor, .events = POLLIN},
        {.fd = p->stop.descriptor, .events = POLLIN},
    };

    while (!p->stopped) {
        int count = poll(fds, 2, IDLE_WAIT_MS);

        rd_kafka_poll(cli_client_handle(p->client), 0);
        if (count > 0 && fds[1].revents != 0)
            p->stopped = cli_stop_is_asked(&p->stop);
        else if (count > 0)
            return true;
        else if (is_fatal(p))
            return false;
    }
    return false;
}

static enum err lines_produce(struct produce *p, struct report *report)
{
    const char *file = cli_args_get(p->cli->args, "file");
    struct slice line;
    enum err e = E_OK;

    while (e == E_OK && !p->stopped && !is_fatal(p)) {
        while (!p->stopped && cli_lines_next(&p->lines, &line))
            line_produce(p, line);
        if (p->lines.ended || !wait_readable(p))
            break;
        e = cli_lines_read(&p->lines);
    }
    if (e == E_IO)
        report_set(report, "cannot read %s: %s", file != NULL ? file : "standard input",
                   strerror(errno));
    else if (e != E_OK)
        report_set(report, "line %llu: %s", (unsigned long long)p->record_count + 1, err_text(e));
    return e;
}

/* Until everything is acknowledged or has failed; a second signal gives up. */
static void flush(struct produce *p)
{
    rd_kafka_t *handle = cli_client_handle(p->client);
    int left;

    while (rd_kafka_outq_len(handle) > 0) {
        rd_kafka_flush(handle, FLUSH_WAIT_MS);
        if (cli_stop_is_asked(&p->stop)) {
            p->stopped = true;
            break;
        }
    }
    left = rd_kafka_outq_len(handle);
    for (int i = 0; i < left; i++)
        failure_add(p, RD_KAFKA_RESP_ERR__PURGE_QUEUE, p->record_count);
}

static int failures_print(const struct produce *p)
{
    struct report report = {0};

    report_set(&report, "%llu of %llu records were not delivered to %s",
               (unsigned long long)p->failed_count, (unsigned long long)p->record_count,
               cli_args_word(p->cli->args, 0));
    for (size_t i = 0; i < p->reason_count; i++) {
        const struct reason *reason = &p->reasons[i];
        const char *text = reason->code == RD_KAFKA_RESP_ERR__PURGE_QUEUE
                               ? "interrupted before the answer came"
                               : cli_client_error_text(reason->code);

        report_append(&report, "%s %llu %s (%s line %llu)", i == 0 ? ":" : ",",
                      (unsigned long long)reason->count, text,
                      reason->count > 1 ? "the first is" : "it is",
                      (unsigned long long)reason->line);
    }
    return cli_fail(p->cli, &report);
}

static void summary_print(const struct produce *p, double seconds)
{
    uint64_t good = p->record_count - p->failed_count;

    if (!p->cli->err_terminal && !p->cli->verbose)
        return;
    fprintf(p->cli->err, "dlog: %llu record%s, %.1f MB in %.2f s (%.0f records/s, %.1f MB/s)\n",
            (unsigned long long)good, good == 1 ? "" : "s", (double)p->record_bytes / MB, seconds,
            (double)good / seconds, (double)p->record_bytes / MB / seconds);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Everything after the options are known to be right. */
static int produce_all(struct produce *p, struct report *report)
{
    double began_s = now_s();
    enum err e = cli_stop_open(&p->stop);
    int code = CLI_DONE;

    if (e == E_OK)
        e = lines_produce(p, report);
    else
        report_set(report, "signals: %s", err_text(e));
    flush(p);
    summary_print(p, now_s() - began_s + 1e-9);
    if (e != E_OK)
        code = cli_fail(p->cli, report);
    if (p->failed_count > 0)
        code = failures_print(p);
    else if (is_fatal(p))
        code = CLI_FAILED;
    if (code == CLI_DONE && p->stopped && !isatty(p->lines.descriptor)) {
        report_set(report, "interrupted after %llu records, all delivered",
                   (unsigned long long)p->record_count);
        code = cli_fail(p->cli, report);
    }
    return code;
}

static int produce_run(struct cli *cli)
{
    struct produce p = {.cli = cli, .stop = {.descriptor = -1}, .lines = {.descriptor = -1}};
    struct report report = {0};
    int descriptor = -1;
    int code;
    enum err e;

    e = options_read(&p, &report);
    if (e == E_OK)
        e = file_open(cli, &descriptor, &report);
    cli_lines_init(&p.lines, descriptor);
    if (e == E_OK)
        e = client_open(&p, &report);
    if (e == E_OK)
        e = topic_open(&p, cli_args_word(cli->args, 0), &report);
    if (e == E_INVAL)
        code = cli_usage_error(cli, &report);
    else
        code = e == E_OK ? produce_all(&p, &report) : cli_fail(cli, &report);
    if (p.topic != NULL)
        rd_kafka_topic_destroy(p.topic);
    cli_client_close(p.client);
    if (p.headers != NULL)
        rd_kafka_headers_destroy(p.headers);
    cli_lines_release(&p.lines);
    cli_stop_close(&p.stop);
    if (descriptor > STDIN_FILENO)
        close(descriptor);
    return code;
}

const struct cli_command cli_produce = {
    .verb = "produce",
    .arguments = "TOPIC",
    .words_min = 1,
    .words_max = 1,
    .summary = "send lines of a file or of standard input",
    .notes = "Each line is a record, empty ones too. Exit code 1 if one was not acknowledged.\n\n"
             "Examples:\n"
             "  echo hello | dlog produce greetings\n"
             "  dlog produce orders --file orders.tsv --key-separator $'\\t' -z zstd\n",
    .options = OPTIONS,
    .run = produce_run,
};
