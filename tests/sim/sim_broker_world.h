#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim_broker_check.h"

/*
 * One world: a broker, its clients, what happens to them, and the verdict.
 */
struct broker_result {
    char text[CHECK_TEXT_SIZE]; /* what is wrong; "" */
    uint64_t trace_hash;
    int64_t record_count; /* read back at the end */
    int64_t virtual_ns;
    int lives; /* of the broker */
    size_t memory_peak;
};

struct broker_run_options {
    uint64_t seed;
    bool is_verbose;  /* the broker's traces, on stderr */
    bool shows_trace; /* every event, on stdout */
};

void broker_world_run(const struct broker_run_options *options, struct broker_result *result_out);
