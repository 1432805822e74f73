#include "rig.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/folder.h"
#include "unit.h"

static void note(void *ctx, enum dlog_level level, const char *text)
{
    struct rig *r = ctx;
    size_t size = strlen(r->trace);

    snprintf(r->trace + size, sizeof(r->trace) - size, "%d %s\n", (int)level, text);
}

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    assert_true(test_folder_make("embed", r->path, sizeof(r->path)));
    dlog_options_init(&r->options, sizeof(r->options));
    r->options.report = r->report;
    r->options.report_size = sizeof(r->report);
    dlog_env_options_init(&r->env_options, sizeof(r->env_options));
    r->env_options.report = r->report;
    r->env_options.report_size = sizeof(r->report);
    r->env_options.trace = note;
    r->env_options.trace_ctx = r;
    r->env_options.trace_level = DLOG_LEVEL_INFO;
    assert_int_equal(dlog_env_open(r->path, &r->env_options, &r->env), DLOG_OK);
}

void rig_open(struct rig *r)
{
    rig_init(r);
    assert_int_equal(dlog_open(r->env, "t", &r->options, &r->log), DLOG_OK);
}

void rig_reopen(struct rig *r)
{
    assert_int_equal(dlog_close(r->log), DLOG_OK);
    assert_int_equal(dlog_open(r->env, "t", &r->options, &r->log), DLOG_OK);
}

void rig_close(struct rig *r)
{
    dlog_close(r->log);
    assert_int_equal(dlog_env_close(r->env), DLOG_OK);
    assert_true(test_folder_remove(r->path));
}

struct dlog_record rig_record(const char *text)
{
    struct dlog_record record = {
        .timestamp_ms = RIG_NOW, .value = text, .value_size = strlen(text)};

    return record;
}

void rig_fill(struct rig *r, int count)
{
    for (int i = 0; i < count; i++) {
        char text[32];
        struct dlog_record record;
        int64_t end = dlog_end_offset(r->log);
        int64_t offset;

        snprintf(text, sizeof(text), "%lld", (long long)end);
        record = rig_record(text);
        assert_int_equal(dlog_append(r->log, &record, &offset), DLOG_OK);
        assert_int_equal(offset, end);
    }
}

int64_t rig_count(struct rig *r)
{
    int64_t next = dlog_start_offset(r->log);
    struct dlog_reader *reader;
    struct dlog_record record;
    int e;

    assert_int_equal(dlog_reader_open(r->log, DLOG_FROM_START, NULL, &reader), DLOG_OK);
    while ((e = dlog_reader_next(reader, 0, &record)) == DLOG_OK) {
        assert_int_equal(record.offset, next);
        next++;
        assert_int_equal(dlog_reader_offset(reader), next);
    }
    assert_int_equal(e, DLOG_E_END);
    dlog_reader_close(reader);
    return next - dlog_start_offset(r->log);
}

bool rig_has_file(const struct rig *r, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/t/%s", r->path, name);
    return access(path, F_OK) == 0;
}

void rig_flip(const struct rig *r, const char *name, long pos)
{
    char path[400];
    FILE *file;
    int byte;

    snprintf(path, sizeof(path), "%s/t/%s", r->path, name);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, pos, SEEK_SET), 0);
    byte = fgetc(file);
    assert_true(byte >= 0);
    assert_int_equal(fseek(file, pos, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 0xff, file), byte ^ 0xff);
    assert_int_equal(fclose(file), 0);
}

void rig_sleep_ms(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}
