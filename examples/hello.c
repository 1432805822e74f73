/*
 * hello [DIR]: append three records to the log DIR (default: hello-log), durably, and print all
 * that it holds. Run it twice and there are six.
 *
 *     cc hello.c $(pkg-config --cflags --libs dlog) -o hello
 */
#include <dlog.h>
#include <stdio.h>
#include <string.h>

static int append_all(struct dlog *log)
{
    static const char *const drinks[] = {"tea", "coffee", "water"};
    int e = DLOG_OK;

    for (int i = 0; i < 3 && e == DLOG_OK; i++) {
        struct dlog_record record;

        memset(&record, 0, sizeof(record)); /* no key, no headers, the time is now */
        record.key = "alice";
        record.key_size = 5;
        record.value = drinks[i];
        record.value_size = strlen(drinks[i]);
        e = dlog_append(log, &record, NULL); /* durable when it returns */
    }
    return e;
}

static int print_all(struct dlog *log)
{
    struct dlog_reader *reader;
    struct dlog_record record;
    int e = dlog_reader_open(log, DLOG_FROM_START, NULL, &reader);

    if (e != DLOG_OK)
        return e;
    while ((e = dlog_reader_next(reader, 0, &record)) == DLOG_OK)
        printf("%lld %.*s=%.*s\n", (long long)record.offset, (int)record.key_size,
               (const char *)record.key, (int)record.value_size, (const char *)record.value);
    dlog_reader_close(reader);
    return e == DLOG_E_END ? DLOG_OK : e;
}

int main(int argc, char **argv)
{
    struct dlog_options options;
    struct dlog *log;
    char why[512];
    int e, closed;

    dlog_options_init(&options, sizeof(options));
    options.report = why;
    options.report_size = sizeof(why);
    e = dlog_open_dir(argc > 1 ? argv[1] : "hello-log", &options, &log);
    if (e != DLOG_OK) {
        fprintf(stderr, "hello: %s\n", why);
        return 1;
    }
    e = append_all(log);
    if (e == DLOG_OK)
        e = print_all(log);
    closed = dlog_close(log);
    if (e == DLOG_OK)
        e = closed;
    if (e != DLOG_OK)
        fprintf(stderr, "hello: %s\n", dlog_strerror(e));
    return e == DLOG_OK ? 0 : 1;
}
