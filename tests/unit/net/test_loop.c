#include "net/loop.h"

#include <signal.h>

#include "os/thread.h"
#include "rig.h"

struct mark {
    struct loop_timer timer;
    struct loop_task task;
    struct loop_hook hook;
    char *order; /* where it leaves its letter */
    char letter;
    int rounds; /* for the hook: how often it asks for another */
    struct loop *loop;
};

static void leave(struct mark *m)
{
    m->order[strlen(m->order)] = m->letter;
}

static void timer_fires(struct loop_timer *timer)
{
    leave(LIST_ENTRY(timer, struct mark, timer));
}

static void task_runs(struct loop_task *task)
{
    leave(LIST_ENTRY(task, struct mark, task));
}

static bool hook_runs(struct loop_hook *hook)
{
    struct mark *m = LIST_ENTRY(hook, struct mark, hook);

    leave(m);
    return m->rounds-- > 0;
}

static struct mark mark(struct rig *rig, char *order, char letter)
{
    return (struct mark){.timer = {.fire = timer_fires},
                         .task = {.run = task_runs},
                         .hook = {.run = hook_runs},
                         .order = order,
                         .letter = letter,
                         .loop = rig->loop};
}

static void a_turn_has_its_order(void **state)
{
    struct rig *rig = *state;
    char order[16] = "";
    struct mark t = mark(rig, order, 't'), p = mark(rig, order, 'p'), h = mark(rig, order, 'h');

    loop_hook_add(rig->loop, &h.hook);
    loop_timer_start(rig->loop, &t.timer, 0);
    loop_post(rig->loop, &p.task);
    loop_turn(rig->loop);
    assert_string_equal(order, "pth");
    loop_hook_remove(rig->loop, &h.hook);
    loop_turn(rig->loop);
    assert_string_equal(order, "pth");
}

static void timers_fire_by_time(void **state)
{
    struct rig *rig = *state;
    char order[16] = "";
    struct mark a = mark(rig, order, 'a'), b = mark(rig, order, 'b'), c = mark(rig, order, 'c'),
                d = mark(rig, order, 'd');
    int64_t now_ms = loop_now_ms(rig->loop);

    loop_timer_start(rig->loop, &c.timer, now_ms + 30);
    loop_timer_start(rig->loop, &a.timer, now_ms + 10);
    loop_timer_start(rig->loop, &b.timer, now_ms + 100);
    loop_timer_start(rig->loop, &b.timer, now_ms + 20); /* moved */
    loop_timer_start(rig->loop, &d.timer, now_ms + 15);
    loop_timer_stop(rig->loop, &d.timer);
    assert_true(b.timer.is_started && !d.timer.is_started);
    RIG_UNTIL(rig, strlen(order) == 3);
    assert_string_equal(order, "abc");
    assert_true(loop_now_ms(rig->loop) >= now_ms + 30);
    assert_false(b.timer.is_started);
}

static void restarts(struct loop_timer *timer)
{
    struct mark *m = LIST_ENTRY(timer, struct mark, timer);

    leave(m);
    loop_timer_start(m->loop, timer, 0);
}

static void a_timer_that_restarts_itself_starves_nobody(void **state)
{
    struct rig *rig = *state;
    char order[16] = "";
    struct mark a = mark(rig, order, 'a'), b = mark(rig, order, 'b');

    a.timer.fire = restarts;
    loop_timer_start(rig->loop, &a.timer, 0);
    loop_timer_start(rig->loop, &b.timer, 0);
    loop_turn(rig->loop);
    assert_string_equal(order, "ab");
    loop_turn(rig->loop);
    assert_string_equal(order, "aba");
    loop_timer_stop(rig->loop, &a.timer);
}

static void hooks_repeat_while_there_is_work(void **state)
{
    struct rig *rig = *state;
    char order[64] = "";
    struct mark a = mark(rig, order, 'a'), b = mark(rig, order, 'b');

    b.rounds = 2;
    loop_hook_add(rig->loop, &a.hook);
    loop_hook_add(rig->loop, &b.hook);
    loop_turn(rig->loop);
    assert_string_equal(order, "ababab");
    b.rounds = 1000;
    loop_turn(rig->loop);
    assert_int_equal(strlen(order), 6 + 2 * LOOP_HOOK_ROUNDS_MAX);
    loop_hook_remove(rig->loop, &a.hook);
    loop_hook_remove(rig->loop, &b.hook);
}

static void post_from_another_thread(void *ctx)
{
    struct mark *m = ctx;

    usleep(20000); /* the loop is asleep by then */
    for (int i = 0; i < 3; i++)
        loop_post(m[i].loop, &m[i].task);
}

static void stops(struct loop_task *task)
{
    struct mark *m = LIST_ENTRY(task, struct mark, task);

    leave(m);
    loop_stop(m->loop);
}

static void posts_wake_a_sleeping_loop_in_order(void **state)
{
    struct rig *rig = *state;
    char order[16] = "";
    struct mark m[3] = {mark(rig, order, 'a'), mark(rig, order, 'b'), mark(rig, order, 'c')};
    struct os_thread *thread;

    loop_timer_stop(rig->loop, &rig->tick); /* nothing else wakes it */
    m[2].task.run = stops;
    assert_int_equal(os_thread_start(rig->os, "poster", post_from_another_thread, m, &thread),
                     E_OK);
    loop_run(rig->loop);
    assert_string_equal(order, "abc");
    os_thread_join(thread);
}

enum { STORM = 20000 };

struct storm {
    struct loop *loop;
    struct loop_task tasks[STORM];
};

static void storm_runs(struct loop_task *task)
{
    task->run = NULL;
}

static void storm_posts(void *ctx)
{
    struct storm *s = ctx;

    for (int i = 0; i < STORM; i++)
        loop_post(s->loop, &s->tasks[i]);
}

static void no_post_is_lost(void **state)
{
    struct rig *rig = *state;
    struct storm *s = mem_must_alloc(sizeof(*s));
    struct os_thread *thread;

    loop_timer_stop(rig->loop, &rig->tick);
    s->loop = rig->loop;
    for (int i = 0; i < STORM; i++)
        s->tasks[i].run = storm_runs;
    assert_int_equal(os_thread_start(rig->os, "storm", storm_posts, s, &thread), E_OK);
    while (s->tasks[STORM - 1].run != NULL)
        loop_turn(rig->loop); /* would sleep for ever if a wake-up were lost */
    for (int i = 0; i < STORM; i++)
        assert_null(s->tasks[i].run);
    os_thread_join(thread);
    mem_free(s);
}

static void an_idle_loop_sleeps(void **state)
{
    struct rig *rig = *state;
    char order[16] = "";
    struct mark a = mark(rig, order, 'a');
    int64_t before_ms = os_mono_ms(rig->os);

    loop_timer_stop(rig->loop, &rig->tick);
    loop_turn_again(rig->loop);
    loop_turn(rig->loop);
    loop_timer_start(rig->loop, &a.timer, before_ms + 50);
    loop_turn(rig->loop); /* one turn, as long as the timer */
    assert_string_equal(order, "a");
    assert_in_range(os_mono_ms(rig->os) - before_ms, 50, 5000);
    loop_turn_again(rig->loop);
    loop_turn(rig->loop); /* returns at once, or the test hangs */
}

TESTS(test_loop, RIG_TEST(a_turn_has_its_order), RIG_TEST(timers_fire_by_time),
      RIG_TEST(a_timer_that_restarts_itself_starves_nobody),
      RIG_TEST(hooks_repeat_while_there_is_work), RIG_TEST(posts_wake_a_sleeping_loop_in_order),
      RIG_TEST(no_post_is_lost), RIG_TEST(an_idle_loop_sleeps));
