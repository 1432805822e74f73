/*
 * group_commit [DIR]: four threads append 1,000 records each, all durable, and learn by a callback
 * when. Many appends share one sync of the disk: the last line says how many there were.
 *
 *     cc -pthread group_commit.c $(pkg-config --cflags --libs dlog) -o group_commit
 */
#include <dlog.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, EACH = 1000 };

struct producer {
    struct dlog *log;
    pthread_t thread;
    long acknowledged; /* written by callbacks only; they run on one thread */
    int result;
};

static void on_durable(void *ctx, int err, int64_t offset)
{
    struct producer *p = (struct producer *)ctx;

    (void)offset;
    if (err == DLOG_OK)
        p->acknowledged++;
}

static void *produce(void *ctx)
{
    struct producer *p = (struct producer *)ctx;

    for (int i = 0; i < EACH && p->result == DLOG_OK; i++) {
        struct dlog_record record;

        memset(&record, 0, sizeof(record));
        record.value = &i; /* copied before the call returns */
        record.value_size = sizeof(i);
        p->result = dlog_append_async(p->log, &record, on_durable, p, NULL);
        if (p->result == DLOG_E_AGAIN) { /* too many in flight: let them land, and try again */
            p->result = dlog_sync(p->log);
            i--;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct producer producers[THREADS];
    struct dlog_stats stats;
    struct dlog *log;
    long acknowledged = 0;
    int e = dlog_open_dir(argc > 1 ? argv[1] : "group-log", NULL, &log);

    for (int i = 0; i < THREADS && e == DLOG_OK; i++) {
        memset(&producers[i], 0, sizeof(producers[i]));
        producers[i].log = log;
        if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS && e == DLOG_OK; i++)
        pthread_join(producers[i].thread, NULL);
    stats.size = sizeof(stats);
    if (e == DLOG_OK)
        e = dlog_sync(log);
    if (e == DLOG_OK)
        e = dlog_stats(log, &stats);
    if (e == DLOG_OK)
        e = dlog_close(log); /* after it every callback was called */
    if (e != DLOG_OK) {
        fprintf(stderr, "group_commit: %s\n", dlog_strerror(e));
        return 1;
    }
    for (int i = 0; i < THREADS; i++)
        acknowledged += producers[i].acknowledged;
    printf("%ld durable\n", acknowledged);
    fprintf(stderr, "with %lld syncs\n", (long long)stats.syncs);
    return 0;
}
