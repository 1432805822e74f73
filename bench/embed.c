/*
 * embed DIR [PAIRS]: what appends through libdlog cost, against the least that can do the same:
 * bare write(2) of the same bytes, and fdatasync. And against SQLite (WAL, synchronous=FULL) where
 * it is installed. Records of 100 B; medians of the ratios of PAIRS alternating pairs (default 7),
 * the first pair thrown away.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dlog.h"

#if HAS_SQLITE
#include <sqlite3.h>
#endif

enum { VALUE_SIZE = 100, PAIRS_MAX = 101, PATH_SIZE = 300 };

/* One thing to measure: `count` records, a sync after each `group`, 0: never. */
struct row {
    const char *name;
    int64_t count;
    int64_t group;
};

static const struct row rows[] = {
    {"not synced, a record a call", 2000000, 0},
    {"durable, 100 a sync", 50000, 100},
    {"durable, 1 a sync", 2000, 1},
};

static uint8_t value[VALUE_SIZE];

static void die(const char *what)
{
    perror(what);
    exit(1); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int e, const char *what)
{
    if (e == DLOG_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, dlog_strerror(e));
    exit(1); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static double run_raw(const char *dir, const struct row *row)
{
    char path[PATH_SIZE];
    double begin;
    int fd;

    snprintf(path, sizeof(path), "%s/raw", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        die(path);
    begin = now();
    for (int64_t i = 1; i <= row->count; i++) {
        if (write(fd, value, sizeof(value)) != sizeof(value))
            die("write");
        if (row->group > 0 && i % row->group == 0 && fdatasync(fd) != 0)
            die("fdatasync");
    }
    begin = now() - begin;
    close(fd);
    unlink(path);
    return (double)row->count / begin;
}

static double run_dlog(const char *dir, const struct row *row)
{
    struct dlog_record records[100];
    struct dlog_options options;
    struct dlog_env *env;
    struct dlog *log;
    double begin;

    memset(records, 0, sizeof(records));
    for (int i = 0; i < 100; i++) {
        records[i].value = value;
        records[i].value_size = sizeof(value);
    }
    dlog_options_init(&options, sizeof(options));
    if (row->group == 0)
        options.durability = DLOG_DURABILITY_OS;
    must(dlog_env_open(dir, NULL, &env), "open");
    must(dlog_open(env, "log", &options, &log), "open log");
    begin = now();
    if (row->group <= 1) {
        for (int64_t i = 0; i < row->count; i++)
            must(dlog_append(log, records, NULL), "append");
    } else {
        for (int64_t i = 0; i < row->count; i += row->group)
            must(dlog_append_batch(log, records, (size_t)row->group, NULL), "append");
    }
    if (row->group == 0) /* the last batch counts, too */
        must(dlog_flush(log), "flush");
    begin = now() - begin;
    must(dlog_close(log), "close");
    must(dlog_delete(env, "log"), "delete");
    must(dlog_env_close(env), "close");
    return (double)row->count / begin;
}

#if HAS_SQLITE
static void sql(sqlite3 *db, const char *text)
{
    char *error = NULL;

    if (sqlite3_exec(db, text, NULL, NULL, &error) == SQLITE_OK)
        return;
    fprintf(stderr, "sqlite: %s: %s\n", text, error);
    exit(1); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static double run_sqlite(const char *dir, const struct row *row)
{
    int64_t group = row->group == 0 ? 1 : row->group;
    int64_t count = row->group == 0 ? row->count / 20 : row->count;
    char path[PATH_SIZE];
    sqlite3_stmt *insert;
    sqlite3 *db;
    double begin;

    snprintf(path, sizeof(path), "%s/sqlite", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(path);
    sql(db, "pragma journal_mode=wal");
    sql(db, row->group == 0 ? "pragma synchronous=off" : "pragma synchronous=full");
    sql(db, "create table log (id integer primary key, value blob)");
    if (sqlite3_prepare_v2(db, "insert into log (value) values (?)", -1, &insert, NULL) !=
        SQLITE_OK)
        die("prepare");
    begin = now();
    for (int64_t i = 0; i < count; i += group) {
        sql(db, "begin");
        for (int64_t k = 0; k < group; k++) {
            sqlite3_bind_blob(insert, 1, value, sizeof(value), SQLITE_STATIC);
            if (sqlite3_step(insert) != SQLITE_DONE)
                die("insert");
            sqlite3_reset(insert);
        }
        sql(db, "commit");
    }
    begin = now() - begin;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    unlink(path);
    return (double)count / begin;
}
#endif

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

typedef double run_fn(const char *dir, const struct row *row);

/* dlog against `other`, who goes first in every second pair. */
static void measure(const char *dir, const struct row *row, const char *name, run_fn *other,
                    int pairs)
{
    double ratios[PAIRS_MAX], ours = 0, theirs = 0;

    for (int i = -1; i < pairs; i++) {
        bool is_first = i % 2 == 0;

        if (is_first)
            ours = run_dlog(dir, row);
        theirs = other(dir, row);
        if (!is_first)
            ours = run_dlog(dir, row);
        if (i >= 0)
            ratios[i] = ours / theirs;
    }
    qsort(ratios, (size_t)pairs, sizeof(ratios[0]), compare);
    printf("%-28s %-8s %6.2f (%.2f to %.2f)   last: %.0f against %.0f records/s\n", row->name, name,
           ratios[pairs / 2], ratios[0], ratios[pairs - 1], ours, theirs);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int pairs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;

    if (argc < 2 || pairs < 1 || pairs > PAIRS_MAX) {
        fprintf(stderr, "usage: embed DIR [PAIRS]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        measure(argv[1], &rows[i], "raw", run_raw, pairs);
#if HAS_SQLITE
        measure(argv[1], &rows[i], "sqlite", run_sqlite, pairs);
#endif
    }
    return 0;
}
