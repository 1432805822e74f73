#include "os/sync.h"

#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "os/fork.h"
#include "os/thread.h"

struct ball {
    struct os_mutex lock;
    struct os_cond changed;
    int throws; /* guarded by lock */
    uintptr_t other;
};

enum { THROWS = 100 };

static void play(struct ball *ball, int parity)
{
    os_mutex_lock(&ball->lock);
    while (ball->throws < THROWS) {
        if (ball->throws % 2 == parity) {
            ball->throws++;
            os_cond_signal(&ball->changed);
        } else {
            os_cond_wait_until(&ball->changed, &ball->lock, INT64_MAX);
        }
    }
    os_cond_broadcast(&ball->changed);
    os_mutex_unlock(&ball->lock);
}

static void play_odd(void *ctx)
{
    struct ball *ball = ctx;

    ball->other = os_thread_self();
    play(ball, 1);
}

static void two_threads_take_turns(void **state)
{
    struct folder *f = *state;
    struct ball ball = {.throws = 0};
    struct os_thread *thread;

    os_mutex_init(&ball.lock);
    os_cond_init(&ball.changed);
    assert_int_equal(os_thread_start(f->os, "odd", play_odd, &ball, &thread), E_OK);
    play(&ball, 0);
    os_thread_join(thread);
    assert_int_equal(ball.throws, THROWS);
    assert_true(ball.other != os_thread_self());
    os_cond_release(&ball.changed);
    os_mutex_release(&ball.lock);
}

static void waiting_ends_in_time(void **state)
{
    enum { WAIT_MS = 20 };
    struct folder *f = *state;
    int64_t begin = os_mono_ms(f->os);
    struct os_mutex lock;
    struct os_cond cond;

    os_mutex_init(&lock);
    os_cond_init(&cond);
    os_mutex_lock(&lock);
    assert_false(os_cond_wait_until(&cond, &lock, begin - 1));
    assert_false(os_cond_wait_until(&cond, &lock, -5));
    while (os_cond_wait_until(&cond, &lock, begin + WAIT_MS))
        continue;
    assert_true(os_mono_ms(f->os) >= begin + WAIT_MS);
    os_mutex_unlock(&lock);
    os_cond_release(&cond);
    os_mutex_release(&lock);
}

static void a_forked_child_knows(void **state)
{
    struct os_fork_mark *mark;
    int status;
    pid_t child;

    assert_int_equal(os_fork_mark_open(&mark), E_OK);
    assert_false(os_fork_mark_is_child(mark));
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(os_fork_mark_is_child(mark) ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(os_fork_mark_is_child(mark));
    os_fork_mark_close(mark);
    os_fork_mark_close(NULL);
}

/* The child of a fork has the descriptor, too: giving a lock back must not need its end. */
static void a_child_does_not_keep_a_lock(void **state)
{
    struct folder *f = *state;
    struct os_lock *lock;
    int ends[2];
    char byte;
    pid_t child;

    assert_int_equal(os_dir_lock(f->dir, ".lock", &lock), E_OK);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes its end */
    }
    close(ends[0]);
    os_lock_release(lock);
    assert_int_equal(os_dir_lock(f->dir, ".lock", &lock), E_OK);
    os_lock_release(lock);
    close(ends[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

TESTS(test_sync, folder_test(two_threads_take_turns), folder_test(waiting_ends_in_time),
      cmocka_unit_test(a_forked_child_knows), folder_test(a_child_does_not_keep_a_lock));
