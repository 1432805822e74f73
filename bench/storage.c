/*
 * storage DIR [--pairs N] [--seconds S] [--only TEXT] [--open GIB]: what libdlog does in a second,
 * as a ratio to a bare file and to the stores that were installed when this was built (RocksDB,
 * LMDB, SQLite, Redis Streams), on the same records.
 *
 * A row runs libdlog and the other in turn, each for S seconds (0.3), who is first changing with
 * each of N pairs (3); the first pair is thrown away and the median of the ratios printed. --open
 * fills a log with so many GiB instead, kills the writer, and opens the log again.
 */
#include "storage.h"

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dlog.h"

enum { GROUP_MAX = 100, THREADS_MAX = 256, PAIRS_MAX = 101, READ_COUNT = 300000 };

static uint8_t value[1024];

double storage_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void storage_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1); /* NOLINT(concurrency-mt-unsafe): nothing to clean up */
}

static void must(int e, const char *what)
{
    if (e != DLOG_OK)
        storage_die(what, dlog_strerror(e));
}

/* ---- libdlog ---- */

static void *open_log(const char *dir, enum dlog_durability durability)
{
    struct dlog_options options;
    char path[STORAGE_PATH_SIZE];
    struct dlog *log;

    snprintf(path, sizeof(path), "%s/dlog", dir);
    dlog_options_init(&options, sizeof(options));
    options.durability = durability;
    must(dlog_open_dir(path, &options, &log), "open");
    return log;
}

static void *dlog_peer_open(const char *dir, bool is_durable)
{
    return open_log(dir, is_durable ? DLOG_DURABILITY_ALWAYS : DLOG_DURABILITY_OS);
}

static void dlog_peer_append(void *store, const struct storage_batch *batch)
{
    struct dlog_record records[GROUP_MAX];

    memset(records, 0, sizeof(records[0]) * (size_t)batch->count);
    for (int i = 0; i < batch->count; i++) {
        records[i].value = batch->value;
        records[i].value_size = batch->size;
    }
    if (batch->count == 1)
        must(dlog_append(store, records, NULL), "append");
    else
        must(dlog_append_batch(store, records, (size_t)batch->count, NULL), "append");
}

static void dlog_peer_close(void *store)
{
    must(dlog_close(store), "close");
}

static int64_t dlog_peer_read_all(void *store)
{
    struct dlog_reader *reader;
    struct dlog_record record;
    int64_t count = 0;

    must(dlog_reader_open(store, DLOG_FROM_START, NULL, &reader), "reader");
    while (dlog_reader_next(reader, 0, &record) == DLOG_OK)
        count++;
    dlog_reader_close(reader);
    return count;
}

static void dlog_peer_read_at(void *store, int64_t number)
{
    static struct dlog_reader *reader;
    static void *of;
    struct dlog_reader_options options;
    struct dlog_record record;

    if (of != store) {
        dlog_reader_options_init(&options, sizeof(options));
        options.buffer_bytes = 4096;
        must(dlog_reader_open(store, DLOG_FROM_START, &options, &reader), "reader");
        of = store;
    }
    must(dlog_reader_seek(reader, number), "seek");
    must(dlog_reader_next(reader, 0, &record), "next");
    if (record.offset != number)
        storage_die("libdlog", "another record");
}

const struct storage_peer storage_dlog = {
    "libdlog",       dlog_peer_open,     dlog_peer_append,
    dlog_peer_close, dlog_peer_read_all, dlog_peer_read_at,
};

/* ---- rows ---- */

struct row {
    bool is_durable;
    int size;
    int group;
    int threads;
};

static const struct row rows[] = {
    {true, 100, 1, 1},     {true, 100, 1, 16},  {true, 100, 1, 256},  {true, 100, 100, 1},
    {true, 100, 100, 16},  {true, 1024, 1, 1},  {true, 1024, 1, 16},  {true, 1024, 100, 1},
    {true, 1024, 100, 16}, {false, 100, 1, 1},  {false, 100, 1, 16},  {false, 100, 100, 1},
    {false, 100, 100, 16}, {false, 1024, 1, 1}, {false, 1024, 1, 16}, {false, 1024, 100, 1},
};

struct work {
    const struct storage_peer *peer;
    void *store;
    struct storage_batch batch;
    atomic_bool is_over;
    atomic_int_least64_t done;
};

static void *append_until_over(void *argument)
{
    struct work *work = argument;
    int64_t done = 0;

    while (!atomic_load_explicit(&work->is_over, memory_order_relaxed)) {
        work->peer->append(work->store, &work->batch);
        done += work->batch.count;
    }
    atomic_fetch_add(&work->done, done);
    return NULL;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat, (void)type;
    return at->level == 0 ? 0 : remove(path);
}

static void empty(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Records a second; closing counts, because it writes what was only collected. */
static double run_append(const char *dir, const struct storage_peer *peer, const struct row *row,
                         double seconds)
{
    struct work work = {.peer = peer, .batch = {value, (size_t)row->size, row->group}};
    pthread_t threads[THREADS_MAX];
    double begin;

    empty(dir);
    work.store = peer->open(dir, row->is_durable);
    begin = storage_now();
    for (int i = 0; i < row->threads; i++) {
        if (pthread_create(&threads[i], NULL, append_until_over, &work) != 0)
            storage_die("thread", "cannot be started");
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&work.is_over, true);
    for (int i = 0; i < row->threads; i++)
        pthread_join(threads[i], NULL);
    peer->close(work.store);
    return (double)work.done / (storage_now() - begin);
}

static void fill(const struct storage_peer *peer, void *store)
{
    const struct storage_batch batch = {value, 100, GROUP_MAX};

    for (int i = 0; i < READ_COUNT; i += GROUP_MAX)
        peer->append(store, &batch);
}

static double run_read_all(const struct storage_peer *peer, void *store)
{
    double begin = storage_now();
    int64_t count = peer->read_all(store);

    if (count != READ_COUNT)
        storage_die(peer->name, "records are missing");
    return (double)count / (storage_now() - begin);
}

static double run_read_at(const struct storage_peer *peer, void *store)
{
    enum { READS = 20000 };
    double begin = storage_now();
    uint64_t seed = 1;

    for (int i = 0; i < READS; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        peer->read_at(store, (int64_t)((seed >> 33) % READ_COUNT));
    }
    return READS / (storage_now() - begin);
}

/* ---- ratios ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct result {
    double ratios[PAIRS_MAX];
    double ours;
    double theirs;
};

static void print(const char *name, const struct storage_peer *peer, struct result *r, int pairs)
{
    qsort(r->ratios, (size_t)pairs, sizeof(r->ratios[0]), compare);
    printf("%-34s %-14s %7.2f (%.2f to %.2f)   last: %.0f against %.0f a second\n", name,
           peer->name, r->ratios[pairs / 2], r->ratios[0], r->ratios[pairs - 1], r->ours,
           r->theirs);
    fflush(stdout);
}

struct bench {
    const char *dir;
    const char *only;
    int pairs;
    double seconds;
};

static void measure_append(const struct bench *b, const struct row *row)
{
    char name[100];

    snprintf(name, sizeof(name), "append %s %dB x%d, %d thread%s",
             row->is_durable ? "durable" : "os", row->size, row->group, row->threads,
             row->threads > 1 ? "s" : "");
    if (b->only != NULL && strstr(name, b->only) == NULL)
        return;
    for (size_t p = 0; storage_peers[p] != NULL; p++) {
        const struct storage_peer *peer = storage_peers[p];
        struct result r = {0};

        for (int i = -1; i < b->pairs; i++) {
            bool is_first = i % 2 == 0;

            if (is_first)
                r.ours = run_append(b->dir, &storage_dlog, row, b->seconds);
            r.theirs = run_append(b->dir, peer, row, b->seconds);
            if (!is_first)
                r.ours = run_append(b->dir, &storage_dlog, row, b->seconds);
            if (i >= 0)
                r.ratios[i] = r.ours / r.theirs;
        }
        print(name, peer, &r, b->pairs);
    }
}

typedef double read_fn(const struct storage_peer *peer, void *store);

static void measure_read(const struct bench *b, const char *name, read_fn *run)
{
    if (b->only != NULL && strstr(name, b->only) == NULL)
        return;
    for (size_t p = 0; storage_peers[p] != NULL; p++) {
        const struct storage_peer *peer = storage_peers[p];
        struct result r = {0};
        void *ours, *theirs;

        if (peer->read_all == NULL)
            continue;
        empty(b->dir);
        ours = storage_dlog.open(b->dir, false);
        theirs = peer->open(b->dir, false);
        fill(&storage_dlog, ours);
        fill(peer, theirs);
        for (int i = -1; i < b->pairs; i++) {
            r.ours = run(&storage_dlog, ours);
            r.theirs = run(peer, theirs);
            if (i >= 0)
                r.ratios[i] = r.ours / r.theirs;
        }
        print(name, peer, &r, b->pairs);
        peer->close(theirs);
        storage_dlog.close(ours);
    }
}

/* ---- opening after a crash ---- */

static void write_and_die(const char *dir, int64_t gib)
{
    const struct storage_batch batch = {value, sizeof(value), 64};
    int64_t left = (gib << 30) / (int64_t)(sizeof(value) * 64);
    struct dlog *log = open_log(dir, DLOG_DURABILITY_OS);

    while (left-- > 0)
        dlog_peer_append(log, &batch);
    must(dlog_flush(log), "flush");
    raise(SIGKILL);
}

static void measure_open(const struct bench *b, int64_t gib)
{
    struct dlog_stats stats = {.size = sizeof(stats)};
    struct dlog *log;
    double begin;
    pid_t child;

    empty(b->dir);
    child = fork();
    if (child == 0)
        write_and_die(b->dir, gib);
    waitpid(child, NULL, 0);
    begin = storage_now();
    log = open_log(b->dir, DLOG_DURABILITY_ALWAYS);
    begin = storage_now() - begin;
    must(dlog_stats(log, &stats), "stats");
    printf("open %" PRId64 " GiB after kill -9: %.1f ms, %.0f MiB scanned, %" PRId64 " records\n",
           gib, begin * 1e3, (double)stats.recovered_bytes / (1 << 20), stats.end_offset);
    begin = storage_now();
    dlog_peer_close(log);
    log = open_log(b->dir, DLOG_DURABILITY_ALWAYS);
    printf("close and open again: %.1f ms\n", (storage_now() - begin) * 1e3);
    dlog_peer_close(log);
}

int main(int argc, char **argv)
{
    struct bench b = {.pairs = 3, .seconds = 0.3};
    int64_t open_gib = 0;

    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--pairs") == 0)
            b.pairs = (int)strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            b.seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--only") == 0)
            b.only = argv[i + 1];
        else if (strcmp(argv[i], "--open") == 0)
            open_gib = strtoll(argv[i + 1], NULL, 10);
        else
            argc = 0;
    }
    if (argc < 2 || argc % 2 != 0 || b.pairs < 1 || b.pairs > PAIRS_MAX) {
        fprintf(stderr,
                "usage: storage DIR [--pairs N] [--seconds S] [--only TEXT] [--open GIB]\n");
        return 2;
    }
    b.dir = argv[1];
    mkdir(b.dir, 0755); /* it may be there */
    memset(value, 'x', sizeof(value));
    if (open_gib > 0) {
        measure_open(&b, open_gib);
        empty(b.dir);
        return 0;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        measure_append(&b, &rows[i]);
    measure_read(&b, "read all, 100B", run_read_all);
    measure_read(&b, "read one at random, 100B", run_read_at);
    empty(b.dir);
    return 0;
}
