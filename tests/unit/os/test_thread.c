#include "os/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "os/os.h"
#include "unit.h"

struct seen {
    char name[16];
    bool takes_signals;
};

static void look(void *ctx)
{
    struct seen *seen = ctx;
    sigset_t blocked;

    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    seen->takes_signals = sigismember(&blocked, SIGTERM) == 0;
}

static void a_thread_runs_and_ends(void **state)
{
    struct seen seen = {.takes_signals = true};
    struct os_thread *thread = NULL;
    struct os *os;

    assert_int_equal(os_open(&os), E_OK);
    assert_int_equal(os_thread_start(os, "shard-3", look, &seen, &thread), E_OK);
    os_thread_join(thread);
    os_thread_join(NULL);
    assert_false(seen.takes_signals);
    os_close(os);
}

struct work {
    struct os_job job;
    atomic_int *done_count;
    int run_count;
};

static void work_run(struct os_job *job)
{
    LIST_ENTRY(job, struct work, job)->run_count++;
}

static void work_done(struct os_job *job)
{
    atomic_fetch_add(LIST_ENTRY(job, struct work, job)->done_count, 1);
}

static void a_pool_runs_every_job_once(void **state)
{
    enum { WORK_COUNT = 500 };
    static const int thread_counts[] = {1, 4};
    struct work works[WORK_COUNT];
    struct os_pool *pool;
    struct os *os;

    assert_int_equal(os_open(&os), E_OK);
    for (size_t t = 0; t < 2; t++) {
        atomic_int done_count = 0;

        assert_int_equal(os_pool_open(os, thread_counts[t], &pool), E_OK);
        for (int i = 0; i < WORK_COUNT; i++) {
            works[i] = (struct work){.job = {.run = work_run, .done = work_done},
                                     .done_count = &done_count};
            os_pool_submit(pool, &works[i].job);
        }
        os_pool_close(pool);
        assert_int_equal(atomic_load(&done_count), WORK_COUNT);
        for (int i = 0; i < WORK_COUNT; i++)
            assert_int_equal(works[i].run_count, 1);
    }
    os_pool_close(NULL);
    os_close(os);
}

static void a_pool_has_a_sane_size(void **state)
{
    struct os_pool *pool = NULL;
    struct os *os;

    assert_int_equal(os_open(&os), E_OK);
    assert_int_equal(os_pool_open(os, 0, &pool), E_INVAL);
    assert_int_equal(os_pool_open(os, OS_POOL_THREADS_MAX + 1, &pool), E_INVAL);
    assert_null(pool);
    os_close(os);
}

TESTS(test_thread, cmocka_unit_test(a_thread_runs_and_ends),
      cmocka_unit_test(a_pool_runs_every_job_once), cmocka_unit_test(a_pool_has_a_sane_size));
