#pragma once

#include <stdint.h>

#include "trial.h"

/* Workloads: what a log is put through, each a mix of calls drawn from a seed. */
enum { WORK_COUNT_MAX = 32 };

int work_count(void);
const char *work_name(int i);

/* The number of the workload; -1 when there is none of that name. */
int work_find(const char *name);

/* Run it through a trial; returns what was tried. */
struct trial_count work_run(int i, uint64_t seed, const struct trial_options *options);
