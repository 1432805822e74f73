#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/os.h"
#include "record/builder.h"
#include "storage/log.h"

/*
 * Thousands of logs in one directory, in one thread:
 *
 *     many_logs create DIR COUNT          make them, each with a topic id and an epoch, and close
 *     many_logs fill DIR COUNT [FILES]    append a record to each and sync it, three rounds, and
 *                                         read each; keep at most FILES descriptors; close
 *     many_logs kill DIR COUNT [FILES]    the same, and end without closing
 *     many_logs open DIR COUNT            open and close
 *
 * Prints one line of JSON: milliseconds of each step, bytes of resident memory a log, descriptors.
 */
enum { ROUNDS = 3, COUNT_MAX = 1000 * 1000, VALUE_SIZE = 100, BATCH_MAX = 4096 };

struct bench {
    struct os *os;
    struct log_root *root;
    struct log_options options;
    struct log_files *files;
    struct log **logs;
    int count;
    bool was_clean;
};

static void check(enum err e, const char *what, const struct report *report)
{
    if (e == E_OK)
        return;
    fprintf(stderr, "many_logs: %s: %s %s\n", what, err_text(e),
            report != NULL ? report->text : "");
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Resident bytes of this process. */
static long long resident(void)
{
    char line[200];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -4; /* . and .. and this one; and the root's lock */

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static void open_all(struct bench *b)
{
    b->was_clean = true;
    for (int i = 0; i < b->count; i++) {
        struct log_recovery recovery;
        struct report report = {{0}};
        char name[32];
        struct log_open open = {b->root, name, &b->options, os_wall_ms(b->os)};

        snprintf(name, sizeof(name), "bench-%d", i);
        check(log_open(&open, &b->logs[i], &recovery, &report), name, &report);
        b->was_clean = b->was_clean && recovery.was_clean;
    }
}

static void own_all(struct bench *b)
{
    for (int i = 0; i < b->count; i++) {
        struct uuid id = {{1, 2, 3}};

        memcpy(id.bytes + 8, &i, sizeof(i));
        check(log_set_topic_id(b->logs[i], id), "set a topic id", NULL);
        check(log_begin_epoch(b->logs[i], 0), "begin an epoch", NULL);
    }
}

static void close_all(struct bench *b)
{
    for (int i = 0; i < b->count; i++)
        log_close(b->logs[i]);
}

static void append_all(struct bench *b, struct buf *batch)
{
    for (int i = 0; i < b->count; i++) {
        struct log_append append = {
            .bytes = batch->at, .size = batch->size, .wall_ms = os_wall_ms(b->os)};
        struct log_appended appended;

        check(log_append(b->logs[i], &append, &appended), "append", NULL);
        check(log_sync(b->logs[i]), "sync", NULL);
    }
}

static void read_all(struct bench *b)
{
    for (int i = 0; i < b->count; i++) {
        struct log_range range;

        check(log_read(b->logs[i], 0, log_end_offset(b->logs[i]), BATCH_MAX, &range), "read", NULL);
        if (range.size == 0)
            check(E_CORRUPT, "nothing to read", NULL);
        log_range_release(&range);
    }
}

static void build(struct buf *batch)
{
    static const uint8_t value[VALUE_SIZE];
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;

    buf_init(batch, BATCH_MAX);
    batch_builder_init(&builder, &options);
    check(batch_builder_add(&builder, &(struct record_draft){.timestamp_ms = 1767225600000,
                                                             .value = slice_of(value, VALUE_SIZE)}),
          "build", NULL);
    check(batch_builder_finish(&builder, batch), "build", NULL);
    batch_builder_release(&builder);
}

/* Times are printed as they come: the first byte is the brace of the line. */
static double step(const char *name, double start)
{
    double now = now_ms();

    printf("\"%s_ms\": %.1f, ", name, now - start);
    fflush(stdout); /* a step can take minutes */
    return now_ms();
}

static double fill(struct bench *b, double at)
{
    struct buf batch;

    build(&batch);
    for (int i = 0; i < ROUNDS; i++) {
        append_all(b, &batch);
        at = step(i == 0 ? "first_append" : i == 1 ? "second_append" : "third_append", at);
    }
    read_all(b);
    at = step("read", at);
    printf("\"descriptors_filled\": %d, ", descriptors());
    buf_release(&batch);
    return at;
}

static void usage(void)
{
    fprintf(stderr, "usage: many_logs create|fill|kill|open DIR COUNT [FILES]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct bench b = {.options = log_options_default()};
    struct report report = {{0}};
    const char *what = argc > 3 ? argv[1] : "";
    bool is_fill = strcmp(what, "fill") == 0 || strcmp(what, "kill") == 0;
    long long before;
    double at;

    b.count = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    if (b.count <= 0 || b.count > COUNT_MAX ||
        (!is_fill && strcmp(what, "create") != 0 && strcmp(what, "open") != 0))
        usage();
    b.logs = calloc((size_t)b.count, sizeof(struct log *));
    check(b.logs == NULL ? E_NOMEM : os_open(&b.os), "begin", NULL);
    check(log_root_open(b.os, argv[2], &b.root, &report), "open root", &report);
    check(log_files_open(argc > 4 ? (int)strtol(argv[4], NULL, 10) : (int)(os_files_max(b.os) / 2),
                         &b.files),
          "files", NULL);
    before = resident();
    at = now_ms();
    open_all(&b);
    printf("{");
    at = step("open", at);
    printf("\"was_clean\": %s, \"bytes_per_log\": %lld, \"descriptors\": %d, ",
           b.was_clean ? "true" : "false", (resident() - before) / b.count, descriptors());
    for (int i = 0; i < b.count; i++)
        log_set_files(b.logs[i], b.files);
    if (strcmp(what, "create") == 0) {
        own_all(&b);
        at = step("own", at);
    }
    if (is_fill)
        at = fill(&b, at);
    if (strcmp(what, "kill") == 0) {
        printf("\"logs\": %d}\n", b.count);
        fflush(stdout);
        _exit(0);
    }
    close_all(&b);
    step("close", at);
    printf("\"logs\": %d}\n", b.count);
    log_files_close(b.files);
    log_root_close(b.root);
    os_close(b.os);
    free(b.logs);
    return 0;
}
