/*
 * Produces through librdkafka and says how long it took: batches as a real client
 * makes them.
 *
 *     rdkafka_produce (--port P | --mock) [--records N] [--record BYTES] [--partitions N]
 *                     [--linger MS] [--topic NAME]
 *
 * acks=all, five requests in flight (librdkafka's own limit of an ordered producer).
 * Record i goes to partition i % N. --mock sends to the broker that librdkafka has
 * inside for tests, which keeps nothing: the most that this client can do.
 * One record to each partition before the clock starts; then one line of JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { FLUSH_MS = 60000, POLL_EVERY = 256, QUEUE_FULL_MS = 10 };

struct run {
    const char *port; /* NULL: the mock */
    const char *topic;
    const char *linger_ms;
    long records;
    long record_size;
    int32_t partitions;
    long failed;
    long done;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "rdkafka_produce: %s: %s\n", what, why);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *ctx)
{
    struct run *run = ctx;

    (void)client;
    run->done++;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        run->failed++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static rd_kafka_t *client_open(struct run *run)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;
    char text[256];

    if (run->port != NULL) {
        snprintf(text, sizeof(text), "127.0.0.1:%s", run->port);
        set(conf, "bootstrap.servers", text);
    } else {
        set(conf, "test.mock.num.brokers", "1");
        set(conf, "log_level", "0"); /* it says on each run that it is a mock */
    }
    set(conf, "acks", "all");
    set(conf, "linger.ms", run->linger_ms);
    set(conf, "max.in.flight.requests.per.connection", "5");
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "1048576");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, run);
    client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (client == NULL)
        die("client", text);
    if (run->port == NULL &&
        rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster(client), run->topic,
                                   run->partitions, 1) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("mock", run->topic);
    return client;
}

static void produce(struct run *run, rd_kafka_t *client, rd_kafka_topic_t *topic, long count,
                    char *value)
{
    for (long i = 0; i < count;) {
        if (rd_kafka_produce(topic, (int32_t)(i % run->partitions), 0, value,
                             (size_t)run->record_size, NULL, 0, NULL) == 0) {
            i++;
            if (i % POLL_EVERY == 0)
                rd_kafka_poll(client, 0);
        } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(client, QUEUE_FULL_MS);
        } else {
            die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    if (rd_kafka_flush(client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("flush", "timed out");
}

static void measure(struct run *run)
{
    rd_kafka_t *client = client_open(run);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, run->topic, NULL);
    char *value = malloc((size_t)run->record_size);
    double start, cpu;

    if (topic == NULL || value == NULL)
        die("topic", run->topic);
    for (long i = 0; i < run->record_size; i++)
        value[i] = (char)('a' + i * 13 % 26);
    produce(run, client, topic, run->partitions, value);
    start = now_s();
    cpu = cpu_s();
    produce(run, client, topic, run->records, value);
    start = now_s() - start;
    cpu = cpu_s() - cpu;
    if (run->failed > 0 || run->done != run->records + run->partitions)
        die("delivery", "not every record was acknowledged");
    printf("{\"seconds\": %.6f, \"records\": %ld, \"bytes\": %ld, \"cpu_seconds\": %.3f}\n", start,
           run->records, run->records * run->record_size, cpu);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    free(value);
}

static long number(const char *text, long most)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (*end != '\0' || v < 1 || v > most)
        die("not a number in range", text);
    return v;
}

static const struct option OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},       {"mock", no_argument, NULL, 'm'},
    {"records", required_argument, NULL, 'n'},    {"record", required_argument, NULL, 'r'},
    {"partitions", required_argument, NULL, 'P'}, {"linger", required_argument, NULL, 'l'},
    {"topic", required_argument, NULL, 't'},      {NULL, 0, NULL, 0}};

int main(int count, char **args)
{
    struct run run = {.topic = "bench",
                      .linger_ms = "5",
                      .records = 1000000,
                      .record_size = 100,
                      .partitions = 1};
    int option;

    while ((option = getopt_long(count, args, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'p':
            run.port = optarg;
            break;
        case 'm':
            run.port = NULL;
            break;
        case 'n':
            run.records = number(optarg, 1000000000);
            break;
        case 'r':
            run.record_size = number(optarg, 1 << 20);
            break;
        case 'P':
            run.partitions = (int32_t)number(optarg, 10000);
            break;
        case 'l':
            run.linger_ms = optarg;
            break;
        case 't':
            run.topic = optarg;
            break;
        default:
            return 2;
        }
    }
    measure(&run);
    return 0;
}
