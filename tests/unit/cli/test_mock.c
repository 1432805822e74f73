#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "lib/folder.h"
#include "run.h"

/*
 * The commands against the cluster that librdkafka can imitate: for what a real broker does only on
 * a bad day. The good days are in tests/system/test_cli.py.
 */
enum { API_PRODUCE = 0, PARTITIONS = 3 };

struct mock {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    char folder[64];
    char file[80]; /* lines to produce */
};

static int setup(void **state)
{
    struct mock *mock = calloc(1, sizeof(*mock));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    int file;

    assert_non_null(mock);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    mock->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(mock->host);
    mock->cluster = rd_kafka_mock_cluster_new(mock->host, 1);
    assert_non_null(mock->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, "t", PARTITIONS, 1), 0);
    assert_true(test_folder_make("cli", mock->folder, sizeof(mock->folder)));
    snprintf(mock->file, sizeof(mock->file), "%s/lines", mock->folder);
    file = open(mock->file, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "a:1\nb:2\n\nplain\nc:5", 18), 18);
    close(file);
    *state = mock;
    return 0;
}

static int teardown(void **state)
{
    struct mock *mock = *state;

    assert_true(test_folder_remove(mock->folder));
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->host);
    free(mock);
    return 0;
}

/* `text` with the mock's address, and its file for produce. */
static struct run run_mock(const struct mock *mock, const char *text)
{
    char whole[512];

    snprintf(whole, sizeof(whole), "--broker %s %s%s%s",
             rd_kafka_mock_cluster_bootstraps(mock->cluster), text,
             strncmp(text, "produce", 7) == 0 ? " --file " : "",
             strncmp(text, "produce", 7) == 0 ? mock->file : "");
    return run_text(whole);
}

static void expect(const struct mock *mock, const char *text, int code, const char *said)
{
    struct run run = run_mock(mock, text);
    const char *where = code == CLI_DONE ? run.out : run.err;

    if (run.code != code || strstr(where, said) == NULL)
        fail_msg("dlog %s: code %d, %s%s", text, run.code, run.out, run.err);
    run_release(&run);
}

static void there_and_back(void **state)
{
    const struct mock *mock = *state;
    struct run run;

    expect(mock, "produce t -p 1 -K : -z lz4", CLI_DONE, "");
    run = run_mock(mock, "consume t --format %p/%o/%k/%v;");
    assert_int_equal(run.code, CLI_DONE);
    assert_string_equal(run.out, "1/0/a/1;1/1/b/2;1/2//;1/3//plain;1/4/c/5;");
    run_release(&run);
    run = run_mock(mock, "consume t -p 1 --from -2 --count 1");
    assert_string_equal(run.out, "plain\n");
    run_release(&run);
    run = run_mock(mock, "consume t -p 1 --from 4");
    assert_string_equal(run.out, "5\n");
    run_release(&run);
    run = run_mock(mock, "consume t --from end");
    assert_int_equal(run.code, CLI_DONE);
    assert_string_equal(run.out, "");
    run_release(&run);
}

static void headers_and_no_idempotence(void **state)
{
    const struct mock *mock = *state;
    struct run run;

    expect(mock, "produce t -p 0 -k key -H a=1 -H a=2 --acks 1 -n", CLI_USAGE, "-n");
    expect(mock, "produce t -p 0 -k key -H a=1 -H a=2 --acks 1", CLI_DONE, "");
    run = run_mock(mock, "consume t -p 0 -n 1 --format %k|%v|%h");
    assert_string_equal(run.out, "key|a:1|a=1,a=2");
    run_release(&run);
}

static void a_failed_record_is_counted_and_explained(void **state)
{
    const struct mock *mock = *state;

    rd_kafka_mock_push_request_errors(mock->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    expect(mock, "produce t -p 0 --idempotent false", CLI_FAILED,
           "5 of 5 records were not delivered to t: 5 Topic authorization failed "
           "(the first is line 1)");
}

static void a_retriable_error_is_retried(void **state)
{
    const struct mock *mock = *state;

    rd_kafka_mock_push_request_errors(mock->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    expect(mock, "produce t -p 0", CLI_DONE, "");
    expect(mock, "consume t -p 0 -n 1 --from 4", CLI_DONE, "c:5\n");
}

static void what_is_not_there(void **state)
{
    const struct mock *mock = *state;

    expect(mock, "produce t -p 3", CLI_FAILED, "topic t has no partition 3: there are 3, from 0");
    expect(mock, "consume t -p 3", CLI_FAILED, "topic t has no partition 3: there are 3, from 0");
    expect(mock, "consume t -p 0 --from 1", CLI_FAILED, "t/0 has no offset 1: it holds 0 up to 0");
}

static void list(void **state)
{
    const struct mock *mock = *state;

    expect(mock, "topic list", CLI_DONE, "NAME  PARTITIONS  REPLICATION\nt              3  ");
    expect(mock, "topic list --json", CLI_DONE, "[{\"name\":\"t\",\"partitions\":3,");
}

TESTS(test_mock, cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
      cmocka_unit_test_setup_teardown(headers_and_no_idempotence, setup, teardown),
      cmocka_unit_test_setup_teardown(a_failed_record_is_counted_and_explained, setup, teardown),
      cmocka_unit_test_setup_teardown(a_retriable_error_is_retried, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_not_there, setup, teardown),
      cmocka_unit_test_setup_teardown(list, setup, teardown));
