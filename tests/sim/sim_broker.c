#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim_broker_version.h"
#include "sim_broker_world.h"

/*
 * sim-broker SEED [COUNT]           COUNT worlds from SEED on
 *            --seed N | --seeds N   one, or N of them from 1 on
 *            --file FILE            those that FILE lists, one a line, # comments
 *            --jobs N               processes at once
 *            --twice                each one again, and compare
 *            -v                     the broker's own traces and a line per world
 *            --trace                every event, to compare with diff
 *
 * A world that fails is one line with its seed and how to see it again. Exit code 1.
 */
enum { JOBS_MAX = 64, HANG_SECONDS = 300, FAILURES_MAX = 10, LINE_SIZE = 256 };

struct run {
    uint64_t first;
    uint64_t count;
    const char *file;
    int jobs;
    bool is_twice;
    struct broker_run_options options;
};

/* For the signal handlers: what runs. */
static uint64_t current_seed;

static void say_failed(uint64_t seed, const char *text)
{
    printf("sim-broker: seed %llu FAILED: %s; commit %s; replay: make sim SEED=%llu\n",
           (unsigned long long)seed, text, SIM_BROKER_COMMIT, (unsigned long long)seed);
    fflush(stdout);
}

static void on_signal(int number)
{
    say_failed(current_seed, number == SIGALRM ? "it never ends" : "the program was killed");
    _exit(1);
}

static void signals_set(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    static char stack[64 << 10]; /* code under test may have used up its own */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

static bool seed_run(const struct run *run, uint64_t seed)
{
    struct broker_run_options options = run->options;
    struct broker_result result;
    struct broker_result again;

    current_seed = seed;
    options.seed = seed;
    alarm(HANG_SECONDS);
    broker_world_run(&options, &result);
    if (run->is_twice && result.text[0] == '\0') {
        broker_world_run(&options, &again);
        if (again.trace_hash != result.trace_hash)
            snprintf(result.text, sizeof(result.text), "two runs of it differ");
    }
    alarm(0);
    if (run->options.is_verbose || (run->count == 1 && run->file == NULL))
        printf("seed %llu: trace %016llx, %lld records, %d lives, %.1f virtual seconds, %zu KiB\n",
               (unsigned long long)seed, (unsigned long long)result.trace_hash,
               (long long)result.record_count, result.lives, (double)result.virtual_ns / 1e9,
               result.memory_peak >> 10);
    if (result.text[0] == '\0')
        return true;
    say_failed(seed, result.text);
    return false;
}

/* Every jobs-th seed, from number `job` on. */
static int share_run(const struct run *run, int job)
{
    int failures = 0;

    for (uint64_t i = (uint64_t)job; i < run->count && failures < FAILURES_MAX;
         i += (uint64_t)run->jobs)
        failures += seed_run(run, run->first + i) ? 0 : 1;
    return failures > 0 ? 1 : 0;
}

static int file_run(struct run *run)
{
    FILE *in = fopen(run->file, "r");
    char line[LINE_SIZE];
    int failures = 0;

    if (in == NULL) {
        fprintf(stderr, "sim-broker: cannot read %s\n", run->file);
        return 2;
    }
    run->count = 0;
    while (fgets(line, sizeof(line), in) != NULL) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);

        if (end == line)
            continue;
        failures += seed_run(run, seed) ? 0 : 1;
        run->count++;
    }
    fclose(in);
    printf("sim-broker: %llu seeds of %s, %d failed\n", (unsigned long long)run->count, run->file,
           failures);
    return failures > 0 ? 1 : 0;
}

static int range_run(const struct run *run)
{
    struct tms unused;
    clock_t start = times(&unused); /* wall time: in ticks, but not a call of the seam */
    double seconds;
    int status;
    int code = 0;

    fflush(stdout);
    for (int job = 1; job < run->jobs; job++) {
        if (fork() == 0)
            _exit(share_run(run, job));
    }
    code = share_run(run, 0);
    while (wait(&status) > 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            code = 1;
    }
    seconds = (double)(times(&unused) - start) / (double)sysconf(_SC_CLK_TCK);
    if (run->count > 1)
        printf("sim-broker: %llu seeds from %llu on in %.1f s, %.0f seeds per hour, %s\n",
               (unsigned long long)run->count, (unsigned long long)run->first, seconds,
               (double)run->count * 3600 / (seconds > 0 ? seconds : 1),
               code == 0 ? "all good" : "FAILED");
    return code;
}

static int usage(void)
{
    fputs("usage: sim-broker SEED [COUNT] | --seed N | --seeds N | --file FILE\n"
          "                  [--jobs N] [--twice] [-v] [--trace]\n",
          stderr);
    return 2;
}

/* The option at argv[*at], with its value. */
static bool option_read(struct run *run, char **argv, int *at)
{
    const char *name = argv[*at];

    if (strcmp(name, "-v") == 0) {
        run->options.is_verbose = true;
    } else if (strcmp(name, "--trace") == 0) {
        run->options.shows_trace = true;
    } else if (strcmp(name, "--twice") == 0) {
        run->is_twice = true;
    } else if (argv[*at + 1] == NULL) {
        return false;
    } else if (strcmp(name, "--seed") == 0) {
        run->first = strtoull(argv[++*at], NULL, 10);
    } else if (strcmp(name, "--seeds") == 0) {
        run->count = strtoull(argv[++*at], NULL, 10);
    } else if (strcmp(name, "--jobs") == 0) {
        run->jobs = (int)strtol(argv[++*at], NULL, 10);
    } else if (strcmp(name, "--file") == 0) {
        run->file = argv[++*at];
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct run run = {.first = 1, .count = 1, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
    int numbers = 0;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] >= '0' && argv[i][0] <= '9' && numbers < 2)
            *(numbers++ == 0 ? &run.first : &run.count) = strtoull(argv[i], NULL, 10);
        else if (!option_read(&run, argv, &i))
            return usage();
    }
    if (argc < 2 || run.jobs < 1 || run.count < 1)
        return usage();
    if (run.jobs > JOBS_MAX)
        run.jobs = JOBS_MAX;
    if ((uint64_t)run.jobs > run.count)
        run.jobs = (int)run.count;
    signals_set();
    return run.file != NULL ? file_run(&run) : range_run(&run);
}
