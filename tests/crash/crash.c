#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "work.h"

/*
 * crash-states: what the log engine finds after a crash, for every crash there could be.
 *
 *     crash-states [-v] [--draws N] [--nested N] [--seconds N] [WORKLOAD [SEED [COUNT]]]
 *     crash-states -v --at BOUNDARY STATE WORKLOAD SEED     one state again
 *
 * Without a workload all of them; with --seconds one seed after the other until the
 * processor time is used up. tests/crash/README.md says what is tried and what must hold.
 */
enum { SEEDS = 1, DRAWS = 40, NESTED_OF = 8 };

struct request {
    struct trial_options options;
    int workload; /* -1: all */
    uint64_t seed;
    uint64_t count;
    double seconds; /* 0: no limit */
};

static double used_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int usage(void)
{
    fprintf(stderr, "usage: crash-states [-v] [--draws N] [--nested N] [--seconds N]"
                    " [--at BOUNDARY STATE] [WORKLOAD [SEED [COUNT]]]\nworkloads:");
    for (int i = 0; i < work_count(); i++)
        fprintf(stderr, " %s", work_name(i));
    fprintf(stderr, "\n");
    return 2;
}

static bool parse(struct request *r, int argc, char **argv)
{
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "-v") == 0) {
            r->options.is_verbose = true;
        } else if (strcmp(argv[at], "--at") == 0 && at + 2 < argc) {
            r->options.only_boundary = strtoll(argv[++at], NULL, 10);
            r->options.only_state = (int)strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--draws") == 0 && at + 1 < argc) {
            r->options.draws = (int)strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--nested") == 0 && at + 1 < argc) {
            r->options.nested_of = (int)strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--seconds") == 0 && at + 1 < argc) {
            r->seconds = strtod(argv[++at], NULL);
        } else {
            return false;
        }
    }
    if (at < argc && strcmp(argv[at], "all") != 0) {
        r->workload = work_find(argv[at]);
        if (r->workload < 0)
            return false;
    }
    if (at + 1 < argc)
        r->seed = strtoull(argv[at + 1], NULL, 10);
    if (at + 2 < argc)
        r->count = strtoull(argv[at + 2], NULL, 10);
    return true;
}

struct total {
    struct trial_count counts[WORK_COUNT_MAX];
    double seconds[WORK_COUNT_MAX];
};

static void run_seed(const struct request *r, struct total *total, uint64_t seed)
{
    for (int i = 0; i < work_count(); i++) {
        double begin = used_seconds();
        struct trial_count count;

        if ((r->workload >= 0 && r->workload != i) || (r->seconds > 0 && begin > r->seconds))
            continue;
        count = work_run(i, seed, &r->options);
        total->counts[i].boundaries += count.boundaries;
        total->counts[i].states += count.states;
        total->counts[i].nested += count.nested;
        total->seconds[i] += used_seconds() - begin;
    }
}

static void print(const struct total *total)
{
    struct trial_count all = {0};
    double seconds = 0;

    printf("%-20s %10s %10s %10s %8s\n", "workload", "boundaries", "states", "nested", "seconds");
    for (int i = 0; i < work_count(); i++) {
        const struct trial_count *c = &total->counts[i];

        if (c->boundaries == 0)
            continue;
        printf("%-20s %10lld %10lld %10lld %8.1f\n", work_name(i), (long long)c->boundaries,
               (long long)c->states, (long long)c->nested, total->seconds[i]);
        all.boundaries += c->boundaries;
        all.states += c->states;
        all.nested += c->nested;
        seconds += total->seconds[i];
    }
    printf("%-20s %10lld %10lld %10lld %8.1f\n", "all", (long long)all.boundaries,
           (long long)all.states, (long long)all.nested, seconds);
}

int main(int argc, char **argv)
{
    struct request r = {
        .options = {.draws = DRAWS, .nested_of = NESTED_OF, .only_boundary = -1, .only_state = -1},
        .workload = -1,
        .seed = 1,
        .count = SEEDS};
    struct total total = {0};

    if (!parse(&r, argc, argv))
        return usage();
    r.options.disks = trial_set_new();
    for (uint64_t i = 0; r.seconds > 0 ? used_seconds() < r.seconds : i < r.count; i++)
        run_seed(&r, &total, r.seed + i);
    print(&total);
    trial_set_free(r.options.disks);
    return 0;
}
