#pragma once

#include "model.h"
#include "settle.h"

/*
 * Trial: one run of a workload, and at each change of its disk the states that a crash
 * could leave, each mounted, recovered and checked:
 *
 *   1. what model.h promises holds, nothing counts as damaged, nothing leaks
 *   2. recovering again changes not one byte, and finds the same
 *   3. a crash right after recovery loses nothing of what recovery showed
 *   4. a crash in the midst of recovery (sampled) is no worse than the first
 *   5. appends go on, and a stop in order leaves nothing to scan
 *
 * The first failure prints a line and ends the process.
 */
struct trial_set; /* of disks that were seen */
struct trial_set *trial_set_new(void);
void trial_set_free(struct trial_set *set);

struct trial_options {
    struct trial_set *disks; /* of all trials together: each is counted once */
    int draws;               /* of states, at each boundary */
    int nested_of;           /* of so many states one has its recovery crashed */
    bool is_verbose;
    int64_t only_boundary; /* -1: all */
    int only_state;        /* -1: all */
    bool is_late;          /* disk.h: a canary */
};

struct trial_count {
    int64_t boundaries;
    int64_t states; /* that no trial had before */
    int64_t nested; /* the same, in the midst of recovery */
};

struct trial;

struct trial *trial_new(const char *workload, uint64_t seed, const struct trial_options *options,
                        struct model *model);
void trial_free(struct trial *t);

/* The disk of the machine that runs the workload; its changes are the boundaries. */
struct disk *trial_disk(struct trial *t);

/* The workload itself found something wrong. */
__attribute__((format(printf, 2, 3), noreturn)) void trial_fail(const struct trial *t,
                                                                const char *format, ...);

/* One more boundary, after the last call. */
void trial_end(struct trial *t);
struct trial_count trial_count(const struct trial *t);
