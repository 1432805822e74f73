#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/cli_client.h"
#include "cli/cli_message.h"
#include "cli/cli_stop.h"
#include "cli/cli_time.h"
#include "cli/cmd.h"

/*
 * dlog consume: partitions read by assignment, without a group.
 *
 * Where each partition begins and ends is asked first. Without --follow the end of that moment is
 * where we stop, whatever arrives meanwhile.
 */
enum {
    BATCH_COUNT = 1000,
    BATCH_WAIT_MS = 100,
    LOST_MS_MAX = 30000, /* without a broker, before giving up (never with --follow) */
    OUTPUT_MAX = 1 << 30,
};

static const struct cli_property PROPERTIES[] = {
    {"enable.partition.eof", "true"}, /* tells the end where the last records are not for us */
    {"auto.offset.reset", "error"},   /* never jump unasked */
    {"check.crcs", "true"},
    {"fetch.error.backoff.ms", "50"},
    /* A full queue makes librdkafka sleep for up to a second: small records need a long queue. */
    {"fetch.message.max.bytes", "2097152"},
    {"queued.min.messages", "300000"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
};

static const struct cli_option OPTIONS[] = {
    {"group", 'g', "GROUP", "as a member of this group, which remembers how far it is"},
    {"partition", 'p', "N", "only this one (default: all)"},
    {"from", 'o', "WHERE", "start, end, OFFSET, -COUNT or @TIME (default start)"},
    {"count", 'n', "N", "stop after N records"},
    {"follow", 'f', NULL, "go on waiting for new records at the end"},
    {"exit-at-end", 'e', NULL, "stop at the end (default without --follow)"},
    {"format", 0, "FORMAT", "what to print of a record (default '%v\\n'; see below)"},
    {"json", 'j', NULL, "one JSON object a line"},
    {NULL, 0, NULL, NULL},
};

enum from_kind { FROM_START, FROM_END, FROM_OFFSET, FROM_LAST, FROM_TIME };

struct from {
    enum from_kind kind;
    int64_t value; /* offset, count or ms since 1970 */
};

/* One partition that we read. */
struct part {
    int32_t id;
    bool done;
    int64_t first; /* [first, end) is there, as of our question */
    int64_t end;
    int64_t start; /* where we begin */
};

struct consume {
    const struct cli *cli;
    struct cli_client *client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    const char *name;
    struct cli_stop stop;
    struct vec parts;  /* struct part */
    size_t open_count; /* parts not done */
    struct from from;
    int32_t partition; /* or -1 */
    int64_t count_max; /* or -1 */
    int64_t count;
    bool follow;
    struct cli_message_printing printing;
    struct buf out;
    int64_t heard_ms; /* when something last came */
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum err from_parse(const char *text, struct from *from_out)
{
    struct from from = {.kind = FROM_OFFSET};
    enum err e = E_OK;

    if (text == NULL || strcmp(text, "start") == 0) {
        from.kind = FROM_START;
    } else if (strcmp(text, "end") == 0) {
        from.kind = FROM_END;
    } else if (text[0] == '@') {
        from.kind = FROM_TIME;
        e = cli_time_parse(text + 1, clock_ms(CLOCK_REALTIME), &from.value);
    } else {
        e = parse_i64(slice_of_text(text), &from.value);
        if (e == E_OK && text[0] == '-') {
            from.kind = FROM_LAST;
            e = from.value < 0 && from.value > INT64_MIN ? E_OK : E_INVAL;
            from.value = e == E_OK ? -from.value : 0;
        }
    }
    if (e == E_OK)
        *from_out = from;
    return e;
}

static enum err options_read(struct consume *c, struct report *report)
{
    const struct cli_args *args = c->cli->args;
    struct cli_range partition_range = {0, INT32_MAX};
    struct cli_range count_range = {1, INT64_MAX};
    int64_t partition = -1;
    const char *from = cli_args_get(args, "from");
    enum err e;

    c->count_max = -1;
    c->follow = cli_args_has(args, "follow");
    e = cli_args_i64(args, "partition", partition_range, &partition, report);
    c->partition = (int32_t)partition;
    if (e == E_OK)
        e = cli_args_i64(args, "count", count_range, &c->count_max, report);
    if (e != E_OK)
        return e;
    if (c->follow && cli_args_has(args, "exit-at-end"))
        report_set(report, "--follow and --exit-at-end exclude each other");
    else if (from_parse(from, &c->from) != E_OK)
        report_set(report, "--from %s: must be start, end, an offset, -COUNT or @TIME", from);
    else
        return cli_message_printing_read(args, &c->printing, report);
    return E_INVAL;
}

/* First contact: which partitions there are. */
static enum err parts_find(struct consume *c, struct report *report)
{
    const struct rd_kafka_metadata *metadata;
    struct cli_metadata_query query = {.topic = c->name};
    enum err e = cli_client_metadata(c->client, query, &metadata, report);
    int count;

    if (e != E_OK)
        return e;
    count = metadata->topics[0].partition_cnt;
    for (int i = 0; e == E_OK && i < count; i++) {
        struct part part = {.id = metadata->topics[0].partitions[i].id};

        if (c->partition < 0 || c->partition == part.id)
            e = vec_push(&c->parts, &part);
    }
    rd_kafka_metadata_destroy(metadata);
    if (e == E_OK && c->parts.count == 0) {
        report_set(report, "topic %s has no partition %d: there are %d, from 0", c->name,
                   c->partition, count);
        e = E_NOT_FOUND;
    }
    return e;
}

/* Ask for the offsets at `time` and put each into the int64_t at `field` of its part. */
static enum err parts_ask(struct consume *c, int64_t time, size_t field, struct report *report)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts.count);
    enum err e;

    for (size_t i = 0; i < c->parts.count; i++) {
        const struct part *part = vec_at(&c->parts, i);

        rd_kafka_topic_partition_list_add(list, c->name, part->id)->offset = time;
    }
    e = cli_client_offsets(c->client, list, report);
    for (size_t i = 0; e == E_OK && i < c->parts.count; i++) {
        struct part *part = vec_at(&c->parts, i);
        const rd_kafka_topic_partition_t *answer =
            rd_kafka_topic_partition_list_find(list, c->name, part->id);

        if (answer->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            *(int64_t *)(void *)((char *)part + field) = answer->offset;
        } else {
            report_set(report, "offsets of %s/%d: %s", c->name, part->id,
                       cli_client_error_text(answer->err));
            e = E_IO;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

/* Turn --from into the offset where `part` begins; inside [first, end]. */
static enum err part_place(const struct consume *c, struct part *part, struct report *report)
{
    switch (c->from.kind) {
    case FROM_START:
        part->start = part->first;
        break;
    case FROM_END:
        part->start = part->end;
        break;
    case FROM_LAST:
        part->start = c->from.value < part->end ? part->end - c->from.value : 0;
        break;
    case FROM_TIME:
        if (part->start < 0) /* nothing as young as that */
            part->start = part->end;
        break;
    case FROM_OFFSET:
        part->start = c->from.value;
        if (c->partition < 0 || (part->start >= part->first && part->start <= part->end))
            break;
        report_set(report, "%s/%d has no offset %lld: it holds %lld up to %lld", c->name, part->id,
                   (long long)part->start, (long long)part->first, (long long)part->end);
        return E_OUT_OF_RANGE;
    }
    if (part->start < part->first)
        part->start = part->first;
    if (part->start > part->end)
        part->start = part->end;
    return E_OK;
}

static enum err parts_start(struct consume *c, struct report *report)
{
    enum err e = parts_ask(c, RD_KAFKA_OFFSET_BEGINNING, offsetof(struct part, first), report);

    if (e == E_OK)
        e = parts_ask(c, RD_KAFKA_OFFSET_END, offsetof(struct part, end), report);
    if (e == E_OK && c->from.kind == FROM_TIME)
        e = parts_ask(c, c->from.value, offsetof(struct part, start), report);
    for (size_t i = 0; e == E_OK && i < c->parts.count; i++)
        e = part_place(c, vec_at(&c->parts, i), report);
    c->topic = rd_kafka_topic_new(cli_client_handle(c->client), c->name, NULL);
    c->queue = rd_kafka_queue_new(cli_client_handle(c->client));
    for (size_t i = 0; e == E_OK && i < c->parts.count; i++) {
        struct part *part = vec_at(&c->parts, i);

        part->done = true; /* until it is started */
        if (!c->follow && part->start >= part->end)
            continue;
        if (rd_kafka_consume_start_queue(c->topic, part->id, part->start, c->queue) != 0) {
            report_set(report, "read %s/%d: %s", c->name, part->id,
                       cli_client_error_text(rd_kafka_last_error()));
            e = E_IO;
            break;
        }
        part->done = false;
        c->open_count++;
    }
    return e;
}

static void part_finish(struct consume *c, struct part *part)
{
    if (part->done)
        return;
    part->done = true;
    c->open_count--;
    rd_kafka_consume_stop(c->topic, part->id);
}

static struct part *part_find(const struct consume *c, int32_t id)
{
    for (size_t i = 0; i < c->parts.count; i++) {
        struct part *part = vec_at(&c->parts, i);

        if (part->id == id)
            return part;
    }
    return NULL;
}

/* A record or a notice from one partition. */
static enum err message_take(struct consume *c, const rd_kafka_message_t *message,
                             struct report *report)
{
    struct part *part = part_find(c, message->partition);
    enum err e;

    if (part == NULL || part->done || c->count == c->count_max)
        return E_OK;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (!c->follow && message->offset >= part->end)
            part_finish(c, part);
        return E_OK;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        report_set(report, "read %s/%d: %s", c->name, message->partition,
                   rd_kafka_message_errstr(message));
        return E_IO;
    }
    if (!c->follow && message->offset >= part->end) {
        part_finish(c, part);
        return E_OK;
    }
    e = cli_message_print(message, &c->printing, &c->out);
    if (e != E_OK) {
        report_set(report, "%s/%d, offset %lld: %s", c->name, message->partition,
                   (long long)message->offset, err_text(e));
        return e;
    }
    c->count++;
    if (!c->follow && message->offset + 1 >= part->end)
        part_finish(c, part);
    return E_OK;
}

/* What is ready, taken and passed on. */
static enum err batch_take(struct consume *c, rd_kafka_message_t **messages, struct report *report)
{
    ssize_t count = rd_kafka_consume_batch_queue(c->queue, BATCH_WAIT_MS, messages, BATCH_COUNT);
    enum err e = E_OK;
    enum err flushed;

    for (ssize_t i = 0; i < count; i++) {
        if (e == E_OK)
            e = message_take(c, messages[i], report);
        rd_kafka_message_destroy(messages[i]);
    }
    rd_kafka_poll(cli_client_handle(c->client), 0);
    if (count > 0) {
        c->heard_ms = clock_ms(CLOCK_MONOTONIC);
        cli_client_is_up(c->client);
    }
    fwrite(c->out.at, 1, c->out.size, c->cli->out);
    buf_clear(&c->out);
    flushed = cli_out_flush(c->cli, report); /* also tells of a pipe that was closed */
    return e == E_OK ? flushed : e;
}

static enum err batches_take(struct consume *c, struct report *report)
{
    rd_kafka_message_t **messages = mem_must_alloc(BATCH_COUNT * sizeof(rd_kafka_message_t *));
    enum err e = E_OK;

    c->heard_ms = clock_ms(CLOCK_MONOTONIC);
    while (e == E_OK && c->open_count > 0 && c->count != c->count_max &&
           !cli_stop_is_asked(&c->stop)) {
        e = batch_take(c, messages, report);
        if (e == E_OK && !c->follow && cli_client_is_down(c->client) &&
            clock_ms(CLOCK_MONOTONIC) - c->heard_ms > LOST_MS_MAX) {
            report_set(report, "lost contact with %s after %lld records", c->cli->broker,
                       (long long)c->count);
            e = E_TIMEOUT;
        }
    }
    mem_free(messages);
    return e == E_CLOSED ? E_OK : e;
}

static void consume_release(struct consume *c)
{
    for (size_t i = 0; i < c->parts.count && c->topic != NULL; i++)
        part_finish(c, vec_at(&c->parts, i));
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
    if (c->topic != NULL)
        rd_kafka_topic_destroy(c->topic);
    cli_client_close(c->client);
    cli_stop_close(&c->stop);
    vec_release(&c->parts);
    cli_message_printing_release(&c->printing);
    buf_release(&c->out);
}

static int consume_run(struct cli *cli)
{
    struct cli_client_options options = {
        .role = CLI_CONSUMER,
        .properties = PROPERTIES,
        .property_count = sizeof(PROPERTIES) / sizeof(PROPERTIES[0]),
    };
    struct consume c = {.cli = cli, .stop = {.descriptor = -1}};
    struct report report = {0};
    enum err e;

    if (cli_args_has(cli->args, "group"))
        return cli_consume_group(cli);
    c.name = cli_args_word(cli->args, 0);
    buf_init(&c.out, OUTPUT_MAX);
    vec_init(&c.parts, sizeof(struct part), INT32_MAX);
    cli_message_printing_init(&c.printing);
    e = options_read(&c, &report);
    if (e == E_OK)
        e = cli_client_open(cli, &options, &c.client, &report);
    if (e == E_INVAL) {
        consume_release(&c);
        return cli_usage_error(cli, &report);
    }
    if (e == E_OK)
        e = parts_find(&c, &report);
    if (e == E_OK)
        e = parts_start(&c, &report);
    if (e == E_OK)
        e = cli_stop_open(&c.stop);
    if (e == E_OK)
        e = batches_take(&c, &report);
    if (e == E_OK && cli->verbose)
        fprintf(cli->err, "dlog: %lld records\n", (long long)c.count);
    consume_release(&c);
    return e == E_OK ? CLI_DONE : cli_fail(cli, &report);
}

const struct cli_command cli_consume = {
    .verb = "consume",
    .arguments = "TOPIC",
    .words_min = 1,
    .words_max = 1,
    .summary = "print records",
    .notes = "FORMAT:\n"
             "  %t topic      %p partition  %o offset     %d timestamp, ms since 1970\n"
             "  %k key        %K its size   %v value      %V its size\n"
             "  %h headers    %D timestamp, readable      %%  \\n \\t \\r \\0 \\\\ \\xHH\n"
             "TIME: ms since 1970, 2026-05-01, 2026-05-01T12:00:00Z, or -90s -10m -2h -7d\n\n"
             "Examples:\n"
             "  dlog consume orders --from @-10m --follow\n"
             "  dlog consume orders --partition 0 --from 1000 --count 5 --json\n"
             "  dlog consume orders --group billing --follow\n\n"
             "With --group, --from is start or end, and for partitions of which the group has no\n"
             "offset; what was printed is committed.\n",
    .options = OPTIONS,
    .run = consume_run,
};
