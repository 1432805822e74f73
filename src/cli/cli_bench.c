#include "cli/cli_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/cli_json.h"

enum { TELL_NS = 500 * 1000 * 1000, NS_PER_S = 1000000000, TEXT_MAX = 1 << 16 };

int64_t cli_bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void cli_bench_begin(struct cli_bench *b, struct cli *cli)
{
    memset(b, 0, sizeof(*b));
    b->cli = cli;
    b->began_ns = cli_bench_now_ns();
    b->told_ns = b->began_ns;
}

void cli_bench_count(struct cli_bench *b, int64_t bytes)
{
    b->records++;
    b->bytes += bytes;
}

void cli_bench_latency(struct cli_bench *b, int64_t ns)
{
    b->has_latency = true;
    hist_record(&b->us, ns < 0 ? 0 : (uint64_t)ns / 1000);
}

void cli_bench_tell(struct cli_bench *b)
{
    int64_t now_ns;
    double seconds;

    if (!b->cli->err_terminal)
        return;
    now_ns = cli_bench_now_ns();
    if (now_ns - b->told_ns < TELL_NS)
        return;
    seconds = (double)(now_ns - b->told_ns) / NS_PER_S;
    fprintf(b->cli->err, "\r%" PRId64 " records, %.0f records/s", b->records,
            (double)(b->records - b->told_records) / seconds);
    if (b->has_latency)
        fprintf(b->cli->err, ", p99 %.2f ms", (double)hist_percentile(&b->us, 99) / 1e3);
    fprintf(b->cli->err, "\x1b[K");
    fflush(b->cli->err);
    b->told_ns = now_ns;
    b->told_records = b->records;
}

static const double PERCENTS[] = {50, 90, 99, 99.9, 100};
static const char *const NAMES[] = {"p50", "p90", "p99", "p99.9", "max"};
static const char *const KEYS[] = {"p50_us", "p90_us", "p99_us", "p999_us", "max_us"};

static void print_text(const struct cli_bench *b, const char *what, double seconds)
{
    FILE *out = b->cli->out;

    fprintf(out, "%s %" PRId64 " records in %.2f s: %.0f records/s, %.2f MB/s\n", what, b->records,
            seconds, (double)b->records / seconds, (double)b->bytes / seconds / 1e6);
    if (b->failed > 0)
        fprintf(out, "%" PRId64 " failed\n", b->failed);
    if (!b->has_latency)
        return;
    fprintf(out, "latency ");
    for (size_t i = 0; i < 5; i++)
        fprintf(out, " %s %.3f ms", NAMES[i], (double)hist_percentile(&b->us, PERCENTS[i]) / 1e3);
    fprintf(out, "\n");
}

static enum err print_json(const struct cli_bench *b, double seconds)
{
    struct buf text;
    struct cli_json j;
    enum err e;

    buf_init(&text, TEXT_MAX);
    j = cli_json_init(&text);
    cli_json_open(&j, '{');
    cli_json_key(&j, "records");
    cli_json_i64(&j, b->records);
    cli_json_key(&j, "bytes");
    cli_json_i64(&j, b->bytes);
    cli_json_key(&j, "failed");
    cli_json_i64(&j, b->failed);
    cli_json_key(&j, "ms");
    cli_json_i64(&j, (int64_t)(seconds * 1e3));
    cli_json_key(&j, "records_per_second");
    cli_json_i64(&j, (int64_t)((double)b->records / seconds));
    cli_json_key(&j, "bytes_per_second");
    cli_json_i64(&j, (int64_t)((double)b->bytes / seconds));
    for (size_t i = 0; i < 5 && b->has_latency; i++) {
        cli_json_key(&j, KEYS[i]);
        cli_json_i64(&j, (int64_t)hist_percentile(&b->us, PERCENTS[i]));
    }
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    if (e == E_OK)
        fprintf(b->cli->out, "%.*s\n", (int)text.size, (const char *)text.at);
    buf_release(&text);
    return e;
}

int cli_bench_print(struct cli_bench *b, const char *what)
{
    double seconds = (double)(cli_bench_now_ns() - b->began_ns) / NS_PER_S;
    struct report report = {0};

    if (b->cli->err_terminal)
        fprintf(b->cli->err, "\r\x1b[K");
    if (cli_args_has(b->cli->args, "json")) {
        enum err e = print_json(b, seconds);

        if (e != E_OK)
            return cli_failed(b->cli, e, &report);
    } else {
        print_text(b, what, seconds);
    }
    return b->failed == 0 ? CLI_DONE : CLI_FAILED;
}
