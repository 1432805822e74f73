#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hist.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_json.h"
#include "cli/cli_stop.h"
#include "cli/cmd.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/record.h"
#include "wire/create_topics.h"
#include "wire/error.h"
#include "wire/fetch.h"
#include "wire/metadata.h"
#include "wire/produce.h"

/*
 * dlog probe: the canary. Writes known records, one after the other, reads each back, and at the
 * end all of them again. Whoever acknowledged a record that is not there afterwards has lost it.
 */
enum {
    PRODUCE_VERSION_MAX = 9,
    FETCH_VERSION_MAX = 12,
    CREATE_VERSION_MAX = 6,
    ACK_MS = 30 * 1000,
    READ_MS = 10 * 1000, /* until a record that was acknowledged can be read */
    FETCH_WAIT_MS = 500,
    FETCH_BYTES = 1 << 20,
    VALUE_MAX = 64,
    BATCH_MAX = 4096,
    KEPT_MAX = 1000 * 1000, /* records that are read again at the end */
    TOPIC_TRIES = 50,
    TOPIC_WAIT_MS = 100,
    TEXT_MAX = 1 << 20,
    PROBES_DEFAULT = 10,
    INTERVAL_DEFAULT_MS = 100,
    NS_PER_US = 1000,
};

static const char TOPIC_DEFAULT[] = "dlog-probe";

static const struct cli_option OPTIONS[] = {
    {"topic", 't', "NAME", "topic to write to; made if it is not there (default dlog-probe)"},
    {"count", 'n', "N", "records to write (default 10; 0: until stopped)"},
    {"interval", 'i', "MS", "time between two (default 100)"},
    {"metrics", 'm', "FILE", "keep the numbers there for Prometheus' textfile collector"},
    {"json", 'j', NULL, "one JSON object"},
    {NULL, 0, NULL, NULL},
};

/* One record that was acknowledged. */
struct kept {
    int32_t partition;
    int64_t offset;
    int64_t number;
};

struct probe {
    struct cli *cli;
    const char *topic;
    int64_t count;
    int64_t interval_ms;
    struct cli_link *link; /* to whom we asked for the topic */
    struct cli_link *leader;
    int32_t leader_partition; /* -1: not connected */
    int32_t partition_count;
    struct cli_stop stop;
    uint64_t run; /* tells this run's records from those of others */
    struct vec kept;

    int64_t written;
    int64_t failed; /* not acknowledged */
    int64_t late;   /* acknowledged, and not readable within READ_MS */
    int64_t lost;   /* and not there at the end, or another record in its place */
    int64_t success_wall_ms;
    struct hist ack_us;
    struct hist read_us; /* from sending to having read it back */
    char why[200];       /* of the last failure */
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void value_write(const struct probe *p, int64_t number, char value_out[VALUE_MAX])
{
    snprintf(value_out, VALUE_MAX, "dlog-probe %016" PRIx64 " %" PRId64, p->run, number);
}

/* ---- the topic ---- */

static enum err topic_create(struct probe *p, struct report *report)
{
    struct wire_create_topics_request_creatable_topic one;
    struct wire_create_topics_request in;
    struct wire_create_topics_response out;
    enum err e;

    wire_create_topics_request_init(&in);
    wire_create_topics_request_creatable_topic_init(&one);
    one.name = slice_of_text(p->topic);
    one.num_partitions = -1;
    one.replication_factor = -1;
    in.topics = &one;
    in.topics_count = 1;
    in.timeout_ms = ACK_MS;
    e = CLI_LINK_CALL_UP_TO(p->link, create_topics, CREATE_TOPICS, CREATE_VERSION_MAX, &in, &out,
                            report);
    if (e == E_OK && out.topics_count == 1 &&
        out.topics[0].error_code != WIRE_ERROR_TOPIC_ALREADY_EXISTS)
        e = cli_link_error(out.topics[0].error_code, out.topics[0].error_message,
                           "create the topic of the probe", report);
    return e;
}

static enum err topic_find(struct probe *p, struct report *report)
{
    const struct wire_metadata_response_metadata_response_topic *topic;
    struct report missing = {0};
    enum err e = cli_cluster_topic(p->link, p->topic, &topic, &missing);

    if (e == E_NOT_FOUND) {
        e = topic_create(p, report);
        for (int i = 0; i < TOPIC_TRIES && e == E_OK; i++) {
            e = cli_cluster_topic(p->link, p->topic, &topic, &missing);
            if (e != E_NOT_FOUND)
                break;
            cli_sleep_ms(TOPIC_WAIT_MS);
            e = i + 1 < TOPIC_TRIES ? E_OK : e;
        }
    }
    if (e != E_OK && report->text[0] == 0)
        *report = missing;
    if (e == E_OK)
        p->partition_count = topic->partitions_count;
    return e;
}

/* A link to the leader of that partition, new after a failure. */
static enum err leader_find(struct probe *p, int32_t partition, struct report *report)
{
    struct slice names[] = {slice_of_text(p->topic)};
    const struct wire_metadata_response *m;
    int32_t id = -1;
    enum err e = E_OK;

    if (p->leader != NULL && p->leader_partition == partition)
        return E_OK;
    cli_link_close(p->leader);
    p->leader = NULL;
    if (p->link == NULL)
        e = cli_link_open(p->cli, &p->link, report);
    if (e == E_OK) {
        cli_link_forget(p->link);
        e = cli_cluster_metadata(p->link, names, 1, &m, report);
        if (e != E_OK) {
            cli_link_close(p->link);
            p->link = NULL;
        }
    }
    for (int32_t i = 0; e == E_OK && m->topics_count == 1 && i < m->topics[0].partitions_count; i++)
        if (m->topics[0].partitions[i].partition_index == partition)
            id = m->topics[0].partitions[i].leader_id;
    for (int32_t i = 0; e == E_OK && i < m->brokers_count; i++) {
        if (m->brokers[i].node_id == id) {
            p->leader_partition = partition;
            return cli_link_open_at(p->cli, m->brokers[i].host, m->brokers[i].port, &p->leader,
                                    report);
        }
    }
    if (e == E_OK) {
        report_set(report, "%s/%d has no leader", p->topic, (int)partition);
        e = E_NOT_FOUND;
    }
    return e;
}

static void leader_drop(struct probe *p)
{
    cli_link_close(p->leader);
    p->leader = NULL;
}

/* ---- one record ---- */

static enum err batch_make(const char *value, struct buf *out)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    struct record_draft draft = {.timestamp_ms = clock_ns(CLOCK_REALTIME) / 1000000,
                                 .value = slice_of_text(value)};
    enum err e;

    batch_builder_init(&builder, &options);
    e = batch_builder_add(&builder, &draft);
    if (e == E_OK)
        e = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return e;
}

static enum err record_write(struct probe *p, int32_t partition, const char *value,
                             int64_t *offset_out, struct report *report)
{
    struct wire_produce_request_partition_produce_data part;
    struct wire_produce_request_topic_produce_data topic;
    struct wire_produce_request in;
    struct wire_produce_response out;
    struct buf batch;
    enum err e;

    buf_init(&batch, BATCH_MAX);
    e = batch_make(value, &batch);
    wire_produce_request_init(&in);
    wire_produce_request_topic_produce_data_init(&topic);
    wire_produce_request_partition_produce_data_init(&part);
    part.index = partition;
    part.records = (struct wire_records){.at = batch.at, .size = (int32_t)batch.size};
    topic.name = slice_of_text(p->topic);
    topic.partition_data = &part;
    topic.partition_data_count = 1;
    in.acks = -1;
    in.timeout_ms = ACK_MS;
    in.topic_data = &topic;
    in.topic_data_count = 1;
    if (e == E_OK)
        e = CLI_LINK_CALL_UP_TO(p->leader, produce, PRODUCE, PRODUCE_VERSION_MAX, &in, &out,
                                report);
    buf_release(&batch);
    if (e == E_OK && (out.responses_count != 1 || out.responses[0].partition_responses_count != 1))
        e = cli_link_broken(p->leader, report);
    if (e == E_OK)
        e = cli_link_error(out.responses[0].partition_responses[0].error_code,
                           out.responses[0].partition_responses[0].error_message, "write", report);
    if (e == E_OK)
        *offset_out = out.responses[0].partition_responses[0].base_offset;
    return e;
}

/* Is the record at `offset` in these batches, and that value? */
static bool is_there(struct wire_records records, int64_t offset, const char *value)
{
    struct batch_iter it =
        batch_iter_init(slice_of(records.at, records.size < 0 ? 0 : (size_t)records.size));
    struct batch_view batch;
    struct buf unpack;
    bool is_found = false;

    buf_init(&unpack, FETCH_BYTES);
    while (!is_found && batch_iter_next(&it, &batch)) {
        struct record_view record;
        struct record_iter in;

        if (record_iter_init(&in, batch.bytes, &unpack) != E_OK)
            break;
        while (!is_found && record_iter_next(&in, &record))
            is_found = record.offset == offset && slice_equal_text(record.value, value);
    }
    buf_release(&unpack);
    return is_found;
}

/* One fetch. E_NOT_FOUND: nothing there yet. */
static enum err record_read(struct probe *p, int32_t partition, int64_t offset, const char *value,
                            struct report *report)
{
    struct wire_fetch_request_fetch_partition part;
    struct wire_fetch_request_fetch_topic topic;
    struct wire_fetch_request in;
    struct wire_fetch_response out;
    const struct wire_fetch_response_partition_data *got;
    enum err e;

    wire_fetch_request_init(&in);
    wire_fetch_request_fetch_topic_init(&topic);
    wire_fetch_request_fetch_partition_init(&part);
    part.partition = partition;
    part.fetch_offset = offset;
    part.partition_max_bytes = FETCH_BYTES;
    topic.topic = slice_of_text(p->topic);
    topic.partitions = &part;
    topic.partitions_count = 1;
    in.replica_id = -1;
    in.max_wait_ms = FETCH_WAIT_MS;
    in.min_bytes = 1;
    in.max_bytes = FETCH_BYTES;
    in.session_epoch = -1;
    in.topics = &topic;
    in.topics_count = 1;
    e = CLI_LINK_CALL_UP_TO(p->leader, fetch, FETCH, FETCH_VERSION_MAX, &in, &out, report);
    if (e != E_OK)
        return e;
    if (out.responses_count != 1 || out.responses[0].partitions_count != 1)
        return E_NOT_FOUND;
    got = &out.responses[0].partitions[0];
    if (got->error_code == WIRE_ERROR_OFFSET_OUT_OF_RANGE) {
        report_set(report, "the log ends before an offset that was acknowledged");
        return E_OUT_OF_RANGE;
    }
    e = cli_link_error(got->error_code, slice_of(NULL, 0), "read", report);
    if (e != E_OK)
        return e;
    if (got->records.size <= 0)
        return E_NOT_FOUND;
    return is_there(got->records, offset, value) ? E_OK : E_CORRUPT;
}

/* Until it is there, or too long. */
static enum err record_await(struct probe *p, const struct kept *kept, const char *value,
                             struct report *report)
{
    /* Once one is lost, nobody waits for the others. */
    int64_t wait_ms = p->lost > 0 ? 0 : READ_MS;
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + wait_ms * 1000000;
    enum err e;

    do {
        struct report why = {0};

        e = leader_find(p, kept->partition, &why);
        if (e == E_OK)
            e = record_read(p, kept->partition, kept->offset, value, &why);
        if (e != E_OK && e != E_NOT_FOUND && e != E_CORRUPT) {
            leader_drop(p);
            cli_sleep_ms(TOPIC_WAIT_MS);
        }
        *report = why;
    } while (e != E_OK && e != E_CORRUPT && clock_ns(CLOCK_MONOTONIC) < until_ns &&
             !cli_stop_is_asked(&p->stop));
    return e;
}

static void failed(struct probe *p, const struct report *report)
{
    snprintf(p->why, sizeof(p->why), "%.190s", report->text);
    if (p->cli->verbose)
        fprintf(p->cli->err, "dlog: %s\n", report->text);
    leader_drop(p);
}

static void probe_once(struct probe *p, int64_t number)
{
    struct kept kept = {.partition = (int32_t)(number % p->partition_count), .number = number};
    int64_t began_ns = clock_ns(CLOCK_MONOTONIC);
    struct report report = {0};
    char value[VALUE_MAX];
    enum err e = leader_find(p, kept.partition, &report);

    value_write(p, number, value);
    if (e == E_OK)
        e = record_write(p, kept.partition, value, &kept.offset, &report);
    if (e != E_OK) {
        p->failed++;
        failed(p, &report);
        return;
    }
    p->written++;
    hist_record(&p->ack_us, (uint64_t)(clock_ns(CLOCK_MONOTONIC) - began_ns) / NS_PER_US);
    e = p->kept.count < KEPT_MAX ? vec_push(&p->kept, &kept) : E_OK;
    if (e == E_OK)
        e = record_await(p, &kept, value, &report);
    if (e != E_OK) {
        p->late++;
        failed(p, &report);
        return;
    }
    hist_record(&p->read_us, (uint64_t)(clock_ns(CLOCK_MONOTONIC) - began_ns) / NS_PER_US);
    p->success_wall_ms = clock_ns(CLOCK_REALTIME) / 1000000;
    cli_link_forget(p->leader);
}

/* All that were acknowledged, once more. */
static void read_again(struct probe *p)
{
    /* Told one by one up to here. */
    enum { LOST_TOLD = 20 };

    for (size_t i = 0; i < p->kept.count; i++) {
        const struct kept *kept = vec_at(&p->kept, i);
        struct report report = {0};
        char value[VALUE_MAX];

        value_write(p, kept->number, value);
        if (record_await(p, kept, value, &report) != E_OK) {
            if (p->lost++ >= LOST_TOLD)
                continue;
            fprintf(p->cli->err, "dlog: LOST: %s/%d, offset %" PRId64 " was acknowledged\n",
                    p->topic, (int)kept->partition, kept->offset);
        } else {
            cli_link_forget(p->leader);
        }
    }
}

/* ---- results ---- */

static void metric(struct buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    enum err e = buf_printf(out,
                            "# HELP dlog_probe_%s %s\n# TYPE dlog_probe_%s %s\n"
                            "dlog_probe_%s %.9g\n",
                            name, help, name, type, name, value);

    (void)e; /* a line that does not fit is missing; the file stays well-formed */
}

static void metric_hist(struct buf *out, const char *name, const char *help, const struct hist *us)
{
    static const double PERCENTS[] = {50, 99, 99.9};
    enum err e = buf_printf(out, "# HELP dlog_probe_%s %s\n# TYPE dlog_probe_%s summary\n", name,
                            help, name);

    for (size_t i = 0; i < 3 && e == E_OK; i++)
        e = buf_printf(out, "dlog_probe_%s{quantile=\"%g\"} %.6f\n", name, PERCENTS[i] / 100,
                       (double)hist_percentile(us, PERCENTS[i]) / 1e6);
    if (e == E_OK)
        e = buf_printf(out, "dlog_probe_%s_sum %.6f\ndlog_probe_%s_count %" PRIu64 "\n", name,
                       (double)counter_get(&us->sum) / 1e6, name, counter_get(&us->count));
    (void)e; /* as above */
}

/* Whole or not at all: written beside it and renamed. */
static enum err metrics_write(struct probe *p, struct report *report)
{
    const char *path = cli_args_get(p->cli->args, "metrics");
    char beside[1024];
    struct buf out;
    FILE *file;
    bool is_written;

    if (path == NULL)
        return E_OK;
    buf_init(&out, TEXT_MAX);
    metric(&out, "records_total", "counter", "Records acknowledged.", (double)p->written);
    metric(&out, "failures_total", "counter", "Records that were not acknowledged.",
           (double)p->failed);
    metric(&out, "late_total", "counter", "Records acknowledged and not readable in time.",
           (double)p->late);
    metric(&out, "lost_total", "counter", "Records acknowledged and not there at the end.",
           (double)p->lost);
    metric(&out, "last_success_timestamp_seconds", "gauge", "When a record last came back.",
           (double)p->success_wall_ms / 1e3);
    metric_hist(&out, "ack_seconds", "From sending a record to its acknowledgement.", &p->ack_us);
    metric_hist(&out, "read_seconds", "From sending a record to having read it back.", &p->read_us);
    snprintf(beside, sizeof(beside), "%s.tmp", path);
    file = fopen(beside, "w");
    is_written = file != NULL && fwrite(out.at, 1, out.size, file) == out.size;
    is_written = file != NULL && fclose(file) == 0 && is_written && rename(beside, path) == 0;
    buf_release(&out);
    if (!is_written)
        report_set(report, "--metrics %s: cannot be written", path);
    return is_written ? E_OK : E_IO;
}

static double ms(const struct hist *us, double percent)
{
    return (double)hist_percentile(us, percent) / 1e3;
}

static void print_text(const struct probe *p)
{
    fprintf(p->cli->out,
            "%lld acknowledged, %lld failed, %lld late, %lld lost\n"
            "  acknowledged after  p50 %.2f ms  p99 %.2f ms  max %.2f ms\n"
            "  read back after     p50 %.2f ms  p99 %.2f ms  max %.2f ms\n",
            (long long)p->written, (long long)p->failed, (long long)p->late, (long long)p->lost,
            ms(&p->ack_us, 50), ms(&p->ack_us, 99), ms(&p->ack_us, 100), ms(&p->read_us, 50),
            ms(&p->read_us, 99), ms(&p->read_us, 100));
}

static enum err print_json(const struct probe *p)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"acknowledged", p->written},
        {"failed", p->failed},
        {"late", p->late},
        {"lost", p->lost},
        {"ack_p50_us", (int64_t)hist_percentile(&p->ack_us, 50)},
        {"ack_p99_us", (int64_t)hist_percentile(&p->ack_us, 99)},
        {"ack_max_us", (int64_t)hist_percentile(&p->ack_us, 100)},
        {"read_p50_us", (int64_t)hist_percentile(&p->read_us, 50)},
        {"read_p99_us", (int64_t)hist_percentile(&p->read_us, 99)},
        {"read_max_us", (int64_t)hist_percentile(&p->read_us, 100)},
    };
    struct buf text;
    struct cli_json j;
    enum err e;

    buf_init(&text, TEXT_MAX);
    j = cli_json_init(&text);
    cli_json_open(&j, '{');
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cli_json_key(&j, numbers[i].name);
        cli_json_i64(&j, numbers[i].value);
    }
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    if (e == E_OK)
        fprintf(p->cli->out, "%.*s\n", (int)text.size, (const char *)text.at);
    buf_release(&text);
    return e;
}

/* ---- the run ---- */

static enum err run_all(struct probe *p, struct report *report)
{
    enum err e = E_OK;

    for (int64_t i = 0; e == E_OK && (p->count == 0 || i < p->count); i++) {
        if (cli_stop_is_asked(&p->stop))
            break;
        if (i > 0)
            cli_sleep_ms(p->interval_ms);
        probe_once(p, i);
        e = metrics_write(p, report);
        if (p->cli->err_terminal)
            fprintf(p->cli->err, "\r%lld acknowledged, %lld failed, p99 %.2f ms\x1b[K",
                    (long long)p->written, (long long)p->failed, ms(&p->ack_us, 99));
    }
    if (p->cli->err_terminal)
        fprintf(p->cli->err, "\r\x1b[K");
    if (e == E_OK)
        read_again(p);
    return e == E_OK ? metrics_write(p, report) : e;
}

static enum err probe_open(struct probe *p, struct report *report)
{
    struct cli_range count_range = {0, INT64_MAX};
    struct cli_range interval_range = {0, 3600 * 1000};
    enum err e = cli_args_i64(p->cli->args, "count", count_range, &p->count, report);

    if (e == E_OK)
        e = cli_args_i64(p->cli->args, "interval", interval_range, &p->interval_ms, report);
    if (cli_args_get(p->cli->args, "topic") != NULL)
        p->topic = cli_args_get(p->cli->args, "topic");
    p->run = (uint64_t)clock_ns(CLOCK_REALTIME) ^ (uint64_t)getpid() << 48;
    if (e == E_OK)
        e = cli_link_open(p->cli, &p->link, report);
    if (e == E_OK)
        e = topic_find(p, report);
    return e == E_OK ? cli_stop_open(&p->stop) : e;
}

static int result_code(const struct probe *p)
{
    if (p->lost > 0)
        return CLI_DAMAGED;
    return p->failed + p->late > 0 || p->written == 0 ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli)
{
    struct probe *p = mem_must_alloc(sizeof(*p)); /* 8 KB of histograms */
    struct report report = {0};
    int code = CLI_FAILED;
    enum err e;

    p->cli = cli;
    p->topic = TOPIC_DEFAULT;
    p->count = PROBES_DEFAULT;
    p->interval_ms = INTERVAL_DEFAULT_MS;
    p->stop.descriptor = -1;
    vec_init(&p->kept, sizeof(struct kept), KEPT_MAX);
    e = probe_open(p, &report);
    if (e == E_OK)
        e = run_all(p, &report);
    if (e == E_OK && cli_args_has(cli->args, "json"))
        e = print_json(p);
    else if (e == E_OK)
        print_text(p);
    if (e == E_OK && p->why[0] != 0)
        fprintf(cli->err, "dlog: the last failure: %s\n", p->why);
    code = e == E_OK ? result_code(p) : cli_failed(cli, e, &report);
    leader_drop(p);
    cli_link_close(p->link);
    cli_stop_close(&p->stop);
    vec_release(&p->kept);
    mem_free(p);
    return code;
}

const struct cli_command cli_probe = {
    .verb = "probe",
    .arguments = "",
    .summary = "write known records, read them back, tell latency and loss",
    .notes =
        "A canary for a rollout: run it against each broker before the next one is changed. It\n"
        "goes on through restarts and failovers.\n"
        "Exit codes: 0 all came back, 1 some were refused or late, 3 an acknowledged record is\n"
        "lost.\n",
    .options = OPTIONS,
    .run = run,
};
