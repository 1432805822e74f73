/*
 * tail DIR COUNT: one thread appends COUNT lines of standard input to the log DIR, another follows
 * the log and prints each record as it becomes durable, until it has seen COUNT.
 *
 *     seq 5 | ./tail tail-log 5
 *
 *     cc -pthread tail.c $(pkg-config --cflags --libs dlog) -o tail
 */
#include <dlog.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 10000, LINE_MAX_SIZE = 1000 };

struct follower {
    struct dlog_reader *reader;
    long count;
    int result;
};

static void *follow(void *ctx)
{
    struct follower *f = (struct follower *)ctx;
    struct dlog_record record;

    for (long i = 0; i < f->count; i++) {
        f->result = dlog_reader_next(f->reader, WAIT_MS, &record);
        if (f->result != DLOG_OK)
            break;
        printf("%lld %.*s\n", (long long)record.offset, (int)record.value_size,
               (const char *)record.value);
    }
    return NULL;
}

static int append_lines(struct dlog *log, long count)
{
    char line[LINE_MAX_SIZE];
    int e = DLOG_OK;

    while (count-- > 0 && e == DLOG_OK && fgets(line, sizeof(line), stdin) != NULL) {
        struct dlog_record record;

        memset(&record, 0, sizeof(record));
        record.value = line;
        record.value_size = strcspn(line, "\n");
        e = dlog_append(log, &record, NULL);
    }
    return e;
}

static int run(struct dlog *log, long count)
{
    struct dlog_reader_options options;
    struct follower f;
    pthread_t thread;
    int e;

    dlog_reader_options_init(&options, sizeof(options));
    options.durable_only = true; /* print nothing that a loss of power could take back */
    f.count = count;
    f.result = DLOG_OK;
    e = dlog_reader_open(log, DLOG_FROM_END, &options, &f.reader);
    if (e != DLOG_OK)
        return e;
    if (pthread_create(&thread, NULL, follow, &f) != 0) {
        dlog_reader_close(f.reader);
        return DLOG_E_AGAIN;
    }
    e = append_lines(log, count);
    pthread_join(thread, NULL);
    dlog_reader_close(f.reader);
    return e != DLOG_OK ? e : f.result;
}

int main(int argc, char **argv)
{
    struct dlog *log;
    int e;

    if (argc != 3) {
        fprintf(stderr, "usage: tail DIR COUNT\n");
        return 2;
    }
    e = dlog_open_dir(argv[1], NULL, &log);
    if (e == DLOG_OK) {
        e = run(log, strtol(argv[2], NULL, 10));
        dlog_close(log);
    }
    if (e != DLOG_OK)
        fprintf(stderr, "tail: %s\n", dlog_strerror(e));
    return e == DLOG_OK ? 0 : 1;
}
