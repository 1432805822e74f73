#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"
#include "unit.h"

/* The end of logs and of processes. */

static void count_ack(void *ctx, int err, int64_t offset)
{
    atomic_int *counts = ctx;

    atomic_fetch_add(&counts[err == DLOG_OK ? 0 : 1], 1);
}

static void close_ends_what_is_pending(void **state)
{
    static const enum dlog_durability all[] = {DLOG_DURABILITY_ALWAYS, DLOG_DURABILITY_INTERVAL,
                                               DLOG_DURABILITY_OS};

    for (int d = 0; d < 3; d++) {
        struct dlog_record record = rig_record("x");
        atomic_int counts[2] = {0, 0};
        struct rig r;

        rig_init(&r);
        r.options.durability = all[d];
        r.options.flush_ms = 1000000;
        r.options.linger_ms = 1000000;
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        for (int i = 0; i < 500; i++)
            assert_int_equal(dlog_append_async(r.log, &record, count_ack, counts, NULL), DLOG_OK);
        assert_int_equal(dlog_close(r.log), DLOG_OK);
        assert_int_equal(atomic_load(&counts[0]), 500);
        assert_int_equal(atomic_load(&counts[1]), 0);
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        assert_int_equal(rig_count(&r), 500);
        rig_close(&r);
    }
}

static void *append_one(void *ctx)
{
    struct dlog_record record = rig_record("late");

    return dlog_append(ctx, &record, NULL) == DLOG_OK ? ctx : NULL;
}

/* Appends that wait in other threads end before the close does. */
static void close_ends_waiting_threads(void **state)
{
    enum { THREADS = 6 };

    for (int round = 0; round < 8; round++) {
        pthread_t ids[THREADS];
        void *result;
        struct rig r;

        rig_open(&r);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&ids[i], NULL, append_one, r.log), 0);
        while (dlog_end_offset(r.log) < THREADS) /* all have begun */
            sched_yield();
        assert_int_equal(dlog_close(r.log), DLOG_OK);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(ids[i], &result);
            assert_non_null(result);
        }
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        assert_int_equal(rig_count(&r), THREADS);
        rig_close(&r);
    }
}

/* Everything in a child says so and changes nothing. */
static int child_of_fork(struct rig *r, struct dlog_reader *reader)
{
    struct dlog_record record = rig_record("child");
    struct dlog_stats stats = {.size = sizeof(stats)};
    struct dlog *log;
    int64_t offset;

    dlog_reader_wake(reader);
    return dlog_append(r->log, &record, &offset) == DLOG_E_FORKED &&
           dlog_append_batch(r->log, &record, 1, &offset) == DLOG_E_FORKED &&
           dlog_append_async(r->log, &record, count_ack, NULL, NULL) == DLOG_E_FORKED &&
           dlog_flush(r->log) == DLOG_E_FORKED && dlog_sync(r->log) == DLOG_E_FORKED &&
           dlog_trim(r->log, 1) == DLOG_E_FORKED && dlog_stats(r->log, &stats) == DLOG_E_FORKED &&
           dlog_offset_for_time(r->log, 1, &offset) == DLOG_E_FORKED &&
           dlog_set_options(r->log, &r->options) == DLOG_E_FORKED &&
           dlog_open(r->env, "u", &r->options, &log) == DLOG_E_FORKED &&
           dlog_delete(r->env, "u") == DLOG_E_FORKED &&
           dlog_reader_next(reader, 0, &record) == DLOG_E_FORKED &&
           dlog_reader_seek(reader, 0) == DLOG_E_FORKED && dlog_end_offset(r->log) == -1 &&
           dlog_start_offset(r->log) == -1 && dlog_close(r->log) == DLOG_E_FORKED &&
           dlog_env_close(r->env) == DLOG_E_FORKED;
}

static void a_forked_child_changes_nothing(void **state)
{
    struct dlog_reader *reader;
    struct rig r;
    int status;
    pid_t child;

    rig_open(&r);
    rig_fill(&r, 3);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int is_right = child_of_fork(&r, reader);

        dlog_reader_close(reader);
        _exit(is_right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    rig_fill(&r, 3);
    dlog_reader_close(reader);
    rig_reopen(&r);
    assert_int_equal(rig_count(&r), 6);
    rig_close(&r);
}

/* Start embed-killed, which stands below the folder of this program; its output is *from_out. */
static pid_t start_appender(const char *path, enum dlog_format format, int *from_out)
{
    char program[600];
    int ends[2];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    pid_t child;

    assert_true(size > 0);
    program[size] = '\0';
    snprintf(strrchr(program, '/'), 100, "/tests/unit/embed/embed-killed");
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(program, program, path, format == DLOG_FORMAT_MESSAGE ? "2" : "1", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *from_out = ends[0];
    return child;
}

/* kill -9, four times over: what was acknowledged is there, and in order. */
static void kill_and_look(enum dlog_format format)
{
    int64_t acknowledged = -1;
    char path[400];
    struct rig r;

    rig_init(&r);
    snprintf(path, sizeof(path), "%s/killed/log", r.path);
    for (int round = 1; round <= 4; round++) {
        int64_t offset, last = acknowledged;
        int from, status;
        pid_t child = start_appender(path, format, &from);

        while (acknowledged < last + 10 * round) {
            assert_int_equal(read(from, &offset, sizeof(offset)), sizeof(offset));
            assert_true(offset > acknowledged);
            acknowledged = offset;
        }
        assert_int_equal(dlog_open_dir(path, NULL, &r.log), DLOG_E_BUSY); /* another process */
        kill(child, SIGKILL);
        while (read(from, &offset, sizeof(offset)) == sizeof(offset))
            acknowledged = offset;
        close(from);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(dlog_open_dir(path, NULL, &r.log), DLOG_OK);
        assert_true(rig_count(&r) > acknowledged);
        acknowledged = dlog_end_offset(r.log) - 1;
        assert_int_equal(dlog_close(r.log), DLOG_OK);
        r.log = NULL;
    }
    rig_close(&r);
}

static void acknowledged_survives_kill(void **state)
{
    kill_and_look(DLOG_FORMAT_BATCH);
    kill_and_look(DLOG_FORMAT_MESSAGE);
}

TESTS(test_close, cmocka_unit_test(close_ends_what_is_pending),
      cmocka_unit_test(close_ends_waiting_threads),
      cmocka_unit_test(a_forked_child_changes_nothing),
      cmocka_unit_test(acknowledged_survives_kill));
