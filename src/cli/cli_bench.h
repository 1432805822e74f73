#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "base/report.h"

struct cli;

/*
 * Bench: what the three benchmarks share: the pace, the numbers, and how they are told. Thread:
 * one.
 */
struct cli_bench {
    struct cli *cli;
    int64_t began_ns;
    int64_t told_ns;
    int64_t records;
    int64_t bytes;
    int64_t failed;
    bool has_latency;
    struct hist us;
    int64_t told_records; /* at the last line */
};

int64_t cli_bench_now_ns(void);

void cli_bench_begin(struct cli_bench *b, struct cli *cli);
void cli_bench_count(struct cli_bench *b, int64_t bytes);
void cli_bench_latency(struct cli_bench *b, int64_t ns);

/* A line that the next one replaces, on a terminal, twice a second. */
void cli_bench_tell(struct cli_bench *b);

/* The result; the exit code. `what` is "produced". */
int cli_bench_print(struct cli_bench *b, const char *what);
