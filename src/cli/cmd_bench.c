#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cli_bench.h"
#include "cli/cli_client.h"
#include "cli/cli_stop.h"
#include "cli/cmd.h"

/*
 * dlog bench produce, consume, latency: through librdkafka, as a program would.
 */
enum {
    SIZE_MAX_BYTES = 10 * 1000 * 1000,
    POLL_EVERY = 256,
    WAIT_MS = 100,
    BATCH_COUNT = 1000,
    RECORDS_DEFAULT = 1000 * 1000,
    SIZE_DEFAULT = 100,
    RATE_DEFAULT = 1000,
    SECONDS_DEFAULT = 10,
    STAMP_SIZE = 8,
    NS_PER_S = 1000000000,
    NS_PER_MS = 1000000,
};

static const struct cli_property PRODUCING[] = {
    {"linger.ms", "5"},
    {"queue.buffering.max.messages", "250000"},
    {"queue.buffering.max.kbytes", "131072"},
    {"batch.num.messages", "50000"},
    {"message.max.bytes", "134217728"},
};
static const struct cli_property AT_ONCE[] = {{"linger.ms", "0"}};
static const struct cli_property CONSUMING[] = {
    {"enable.partition.eof", "true"},       {"auto.offset.reset", "error"},
    {"enable.auto.commit", "false"},        {"queued.min.messages", "300000"},
    {"fetch.message.max.bytes", "2097152"}, {"fetch.wait.max.ms", "10"},
};

struct run {
    struct cli *cli;
    struct cli_client *client;
    rd_kafka_topic_t *topic;
    struct cli_stop stop;
    struct cli_bench bench;
    int64_t records;
    int64_t size;
    int64_t rate; /* a second; 0: as fast as it goes */
    int64_t seconds;
    uint8_t *value;
    int64_t done; /* delivery reports */
};

/* ---- what is common ---- */

static enum err numbers_read(struct run *r, struct report *report)
{
    const struct cli_args *args = r->cli->args;
    enum err e =
        cli_args_i64(args, "records", (struct cli_range){1, INT64_MAX}, &r->records, report);

    if (e == E_OK)
        e = cli_args_i64(args, "size", (struct cli_range){STAMP_SIZE, SIZE_MAX_BYTES}, &r->size,
                         report);
    if (e == E_OK)
        e = cli_args_i64(args, "rate", (struct cli_range){0, 100 * 1000 * 1000}, &r->rate, report);
    if (e == E_OK)
        e = cli_args_i64(args, "seconds", (struct cli_range){1, 86400}, &r->seconds, report);
    return e;
}

static struct run *run_new(struct cli *cli)
{
    struct run *r = mem_must_alloc(sizeof(*r));

    r->cli = cli;
    r->stop.descriptor = -1;
    r->records = RECORDS_DEFAULT;
    r->size = SIZE_DEFAULT;
    return r;
}

static void run_free(struct run *r)
{
    if (r->topic != NULL)
        rd_kafka_topic_destroy(r->topic);
    cli_client_close(r->client);
    cli_stop_close(&r->stop);
    mem_free(r->value);
    mem_free(r);
}

/* Open a client and find the topic. */
static enum err run_open(struct run *r, const struct cli_client_options *options,
                         struct report *report)
{
    struct cli_metadata_query query = {.topic = cli_args_word(r->cli->args, 0)};
    const struct rd_kafka_metadata *metadata;
    enum err e = cli_client_open(r->cli, options, &r->client, report);

    if (e == E_OK)
        e = cli_client_metadata(r->client, query, &metadata, report);
    if (e != E_OK)
        return e;
    rd_kafka_metadata_destroy(metadata);
    r->topic = rd_kafka_topic_new(cli_client_handle(r->client), query.topic, NULL);
    return cli_stop_open(&r->stop);
}

static int run_end(struct run *r, enum err e, const char *what, struct report *report)
{
    int code = e == E_OK ? cli_bench_print(&r->bench, what) : cli_failed(r->cli, e, report);

    run_free(r);
    return code;
}

/* ---- produce ---- */

static const struct cli_option PRODUCE_OPTIONS[] = {
    {"records", 'n', "N", "how many (default 1000000)"},
    {"size", 's', "BYTES", "of each value (default 100)"},
    {"rate", 'r', "N", "records a second (default: as fast as it goes)"},
    {"acks", 'a', "A", "0, 1 or all (default all)"},
    {"compression", 'z', "TYPE", "none, gzip, snappy, lz4 or zstd (default none)"},
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

static void on_delivery(void *ctx, const rd_kafka_message_t *message)
{
    struct run *r = ctx;
    int64_t sent_ns = (int64_t)(intptr_t)message->_private;

    r->done++;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        r->bench.failed++;
        return;
    }
    cli_bench_count(&r->bench, (int64_t)message->len);
    cli_bench_latency(&r->bench, cli_bench_now_ns() - sent_ns);
}

/* Values that do not compress to nothing, and are the same in every run. */
static void value_fill(uint8_t *value, int64_t size)
{
    uint32_t state = 1;

    for (int64_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        value[i] = (uint8_t)("abcdefghijklmnop"[state >> 28]);
    }
}

/* Wait until record number `i` may go. */
static void pace(struct run *r, int64_t i)
{
    int64_t due_ns;

    if (r->rate == 0)
        return;
    due_ns = r->bench.began_ns + (int64_t)((double)i / (double)r->rate * NS_PER_S);
    while (cli_bench_now_ns() < due_ns && !cli_stop_is_asked(&r->stop)) {
        int64_t left_ms = (due_ns - cli_bench_now_ns()) / NS_PER_MS;

        rd_kafka_poll(cli_client_handle(r->client), left_ms > 0 ? (int)left_ms : 0);
    }
}

static enum err produce_all(struct run *r, struct report *report)
{
    rd_kafka_t *handle = cli_client_handle(r->client);
    int64_t sent = 0;

    while (sent < r->records && !cli_stop_is_asked(&r->stop)) {
        pace(r, sent);
        if (rd_kafka_produce(r->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, r->value,
                             (size_t)r->size, NULL, 0, (void *)(intptr_t)cli_bench_now_ns()) == 0) {
            sent++;
        } else if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            report_set(report, "produce: %s", cli_client_error_text(rd_kafka_last_error()));
            return E_IO;
        } else {
            rd_kafka_poll(handle, 1);
        }
        if (sent % POLL_EVERY == 0) {
            rd_kafka_poll(handle, 0);
            cli_bench_tell(&r->bench);
        }
    }
    while (r->done < sent && !cli_stop_is_asked(&r->stop)) {
        rd_kafka_poll(handle, WAIT_MS);
        cli_bench_tell(&r->bench);
    }
    return E_OK;
}

static int produce_run(struct cli *cli)
{
    enum { FIXED = sizeof(PRODUCING) / sizeof(PRODUCING[0]) };
    struct cli_property properties[FIXED + 2];
    struct cli_client_options options = {.role = CLI_PRODUCER,
                                         .properties = properties,
                                         .property_count = FIXED,
                                         .on_delivery = on_delivery};
    const char *acks = cli_args_get(cli->args, "acks");
    const char *compression = cli_args_get(cli->args, "compression");
    struct run *r = run_new(cli);
    struct report report = {0};
    enum err e = numbers_read(r, &report);

    memcpy(properties, PRODUCING, sizeof(PRODUCING));
    if (acks != NULL)
        properties[options.property_count++] = (struct cli_property){"acks", acks};
    if (compression != NULL)
        properties[options.property_count++] =
            (struct cli_property){"compression.type", compression};
    options.ctx = r;
    r->value = mem_must_alloc((size_t)r->size);
    value_fill(r->value, r->size);
    if (e == E_OK)
        e = run_open(r, &options, &report);
    cli_bench_begin(&r->bench, cli);
    if (e == E_OK)
        e = produce_all(r, &report);
    return run_end(r, e, "produced", &report);
}

const struct cli_command cli_bench_produce = {
    .noun = "bench",
    .verb = "produce",
    .arguments = "TOPIC",
    .words_min = 1,
    .words_max = 1,
    .summary = "write records as fast as it goes, or at a rate",
    .notes = "The latency is from handing a record to the client to its acknowledgement; at full\n"
             "speed most of it is waiting in the client's own queue. See also -X linger.ms=0.\n",
    .options = PRODUCE_OPTIONS,
    .run = produce_run,
};

/* ---- consume ---- */

static const struct cli_option CONSUME_OPTIONS[] = {
    {"records", 'n', "N", "stop after so many (default: at the end)"},
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

struct consume {
    struct run *r;
    rd_kafka_queue_t *queue;
    int32_t part_count;
    int32_t end_count;
};

static enum err consume_start(struct consume *c, int64_t offset, struct report *report)
{
    struct cli_metadata_query query = {.topic = cli_args_word(c->r->cli->args, 0)};
    const struct rd_kafka_metadata *metadata;
    enum err e = cli_client_metadata(c->r->client, query, &metadata, report);

    if (e != E_OK)
        return e;
    c->queue = rd_kafka_queue_new(cli_client_handle(c->r->client));
    c->part_count = metadata->topics[0].partition_cnt;
    for (int32_t i = 0; i < c->part_count && e == E_OK; i++) {
        if (rd_kafka_consume_start_queue(c->r->topic, metadata->topics[0].partitions[i].id, offset,
                                         c->queue) != 0) {
            report_set(report, "read: %s", cli_client_error_text(rd_kafka_last_error()));
            e = E_IO;
        }
    }
    rd_kafka_metadata_destroy(metadata);
    return e;
}

static void consume_stop(struct consume *c)
{
    for (int32_t i = 0; c->queue != NULL && i < c->part_count; i++)
        rd_kafka_consume_stop(c->r->topic, i);
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
}

static enum err consume_take(struct consume *c, const rd_kafka_message_t *message,
                             struct report *report)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        c->end_count++;
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "read: %s", rd_kafka_message_errstr(message));
        return E_IO;
    } else {
        cli_bench_count(&c->r->bench, (int64_t)(message->len + message->key_len));
    }
    return E_OK;
}

static enum err consume_all(struct consume *c, struct report *report)
{
    rd_kafka_message_t **messages = mem_must_alloc(BATCH_COUNT * sizeof(rd_kafka_message_t *));
    struct run *r = c->r;
    enum err e = E_OK;

    while (e == E_OK && r->bench.records < r->records && c->end_count < c->part_count &&
           !cli_stop_is_asked(&r->stop)) {
        ssize_t count = rd_kafka_consume_batch_queue(c->queue, WAIT_MS, messages, BATCH_COUNT);

        for (ssize_t i = 0; i < count; i++) {
            if (e == E_OK)
                e = consume_take(c, messages[i], report);
            rd_kafka_message_destroy(messages[i]);
        }
        rd_kafka_poll(cli_client_handle(r->client), 0);
        cli_bench_tell(&r->bench);
    }
    mem_free(messages);
    return e;
}

static int consume_run(struct cli *cli)
{
    struct cli_client_options options = {
        .role = CLI_CONSUMER,
        .properties = CONSUMING,
        .property_count = sizeof(CONSUMING) / sizeof(CONSUMING[0]),
    };
    struct run *r = run_new(cli);
    struct consume c = {.r = r};
    struct report report = {0};
    enum err e;

    r->records = INT64_MAX;
    e = numbers_read(r, &report);
    if (e == E_OK)
        e = run_open(r, &options, &report);
    cli_bench_begin(&r->bench, cli);
    if (e == E_OK)
        e = consume_start(&c, RD_KAFKA_OFFSET_BEGINNING, &report);
    if (e == E_OK)
        e = consume_all(&c, &report);
    consume_stop(&c);
    return run_end(r, e, "consumed", &report);
}

const struct cli_command cli_bench_consume = {
    .noun = "bench",
    .verb = "consume",
    .arguments = "TOPIC",
    .words_min = 1,
    .words_max = 1,
    .summary = "read a topic from its beginning as fast as it goes",
    .options = CONSUME_OPTIONS,
    .run = consume_run,
};

/* ---- latency ---- */

static const struct cli_option LATENCY_OPTIONS[] = {
    {"rate", 'r', "N", "records a second (default 1000)"},
    {"seconds", 0, "N", "how long (default 10)"},
    {"size", 's', "BYTES", "of each value (default 100)"},
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

static void on_sent(void *ctx, const rd_kafka_message_t *message)
{
    struct run *r = ctx;

    r->bench.failed += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void latency_take(struct run *r, const rd_kafka_message_t *message)
{
    int64_t sent_ns;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->len < STAMP_SIZE)
        return;
    memcpy(&sent_ns, message->payload, sizeof(sent_ns));
    if (sent_ns < r->bench.began_ns) /* of another run */
        return;
    cli_bench_count(&r->bench, (int64_t)message->len);
    cli_bench_latency(&r->bench, cli_bench_now_ns() - sent_ns);
}

static void latency_read(struct run *r, rd_kafka_queue_t *queue, int wait_ms)
{
    rd_kafka_message_t *message = rd_kafka_consume_queue(queue, wait_ms);

    while (message != NULL) {
        latency_take(r, message);
        rd_kafka_message_destroy(message);
        message = rd_kafka_consume_queue(queue, 0);
    }
    rd_kafka_poll(cli_client_handle(r->client), 0);
    cli_bench_tell(&r->bench);
}

/* Send at the pace, read meanwhile, and wait for what is on its way. */
static enum err latency_all(struct run *r, struct run *sender, rd_kafka_queue_t *queue,
                            struct report *report)
{
    enum { LAST_MS = 5000 };
    int64_t count = r->rate * r->seconds;
    int64_t end_ns;

    for (int64_t i = 0; i < count && !cli_stop_is_asked(&r->stop); i++) {
        int64_t due_ns = r->bench.began_ns + (int64_t)((double)i / (double)r->rate * NS_PER_S);
        int64_t now_ns;

        while ((now_ns = cli_bench_now_ns()) < due_ns)
            latency_read(r, queue, (int)((due_ns - now_ns) / NS_PER_MS));
        memcpy(sender->value, &now_ns, sizeof(now_ns));
        if (rd_kafka_produce(sender->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                             sender->value, (size_t)r->size, NULL, 0, NULL) != 0) {
            report_set(report, "produce: %s", cli_client_error_text(rd_kafka_last_error()));
            return E_IO;
        }
        rd_kafka_poll(cli_client_handle(sender->client), 0);
        latency_read(r, queue, 0);
    }
    end_ns = cli_bench_now_ns() + (int64_t)LAST_MS * NS_PER_MS;
    while (r->bench.records + sender->bench.failed < count && cli_bench_now_ns() < end_ns &&
           !cli_stop_is_asked(&r->stop)) {
        rd_kafka_poll(cli_client_handle(sender->client), 0);
        latency_read(r, queue, WAIT_MS);
    }
    r->bench.failed = count > r->bench.records ? count - r->bench.records : 0;
    return E_OK;
}

static int latency_run(struct cli *cli)
{
    struct run *r = run_new(cli);
    struct run *sender = run_new(cli);
    struct cli_client_options sending = {.role = CLI_PRODUCER,
                                         .properties = AT_ONCE,
                                         .property_count = 1,
                                         .on_delivery = on_sent,
                                         .ctx = sender};
    struct cli_client_options reading = {
        .role = CLI_CONSUMER,
        .properties = CONSUMING,
        .property_count = sizeof(CONSUMING) / sizeof(CONSUMING[0]),
    };
    struct consume c = {.r = r};
    struct report report = {0};
    enum err e;

    r->rate = RATE_DEFAULT;
    r->seconds = SECONDS_DEFAULT;
    e = numbers_read(r, &report);
    sender->value = mem_must_alloc((size_t)r->size);
    value_fill(sender->value, r->size);
    if (e == E_OK && r->rate == 0) {
        report_set(&report, "--rate 0: must be at least 1");
        e = E_INVAL;
    }
    if (e == E_OK)
        e = run_open(sender, &sending, &report);
    if (e == E_OK)
        e = run_open(r, &reading, &report);
    if (e == E_OK)
        e = consume_start(&c, RD_KAFKA_OFFSET_END, &report);
    cli_bench_begin(&r->bench, cli);
    for (int i = 0; i < 10 && e == E_OK; i++) /* until the end is known where we begin */
        latency_read(r, c.queue, WAIT_MS / 2);
    cli_bench_begin(&r->bench, cli);
    if (e == E_OK)
        e = latency_all(r, sender, c.queue, &report);
    consume_stop(&c);
    run_free(sender);
    return run_end(r, e, "sent and read", &report);
}

const struct cli_command cli_bench_latency_command = {
    .noun = "bench",
    .verb = "latency",
    .arguments = "TOPIC",
    .words_min = 1,
    .words_max = 1,
    .summary = "send at a rate and time each record until it is read",
    .options = LATENCY_OPTIONS,
    .run = latency_run,
};
