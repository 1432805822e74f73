#include "unit.h"

#include "base/mem.h"
#include "net/loop.h"
#include "os/os.h"
#include "os/thread.h"
#include "selftest.h"

/* World and threads. */

struct order {
    struct sim_world *world;
    int64_t times_ns[100];
    int count;
};

static void note_time(void *ctx)
{
    struct order *order = ctx;

    order->times_ns[order->count++] = sim_now_ns(order->world);
}

static void events_come_in_order(void **state)
{
    struct order order = {.world = sim_world_new(1)};

    for (int i = 0; i < 100; i++)
        sim_after(order.world, rng_between(sim_rng(order.world), 0, SIM_S), note_time, &order);
    sim_run_until(order.world, 2 * SIM_S);
    assert_int_equal(order.count, 100);
    for (int i = 1; i < 100; i++)
        assert_true(order.times_ns[i - 1] <= order.times_ns[i]);
    assert_int_equal(sim_now_ns(order.world), 2 * SIM_S);
    assert_false(sim_step(order.world));
    sim_world_free(order.world);
}

struct timers {
    struct loop *loop;
    struct loop_timer a;
    struct loop_timer b;
    struct loop_task task;
    int64_t fired_ms[10];
    int count;
    int hook_rounds;
    struct loop_hook hook;
};

static void fire_a(struct loop_timer *timer)
{
    struct timers *t = LIST_ENTRY(timer, struct timers, a);

    t->fired_ms[t->count++] = loop_now_ms(t->loop);
    loop_timer_start(t->loop, &t->b, loop_now_ms(t->loop) + 250);
}

static void fire_b(struct loop_timer *timer)
{
    struct timers *t = LIST_ENTRY(timer, struct timers, b);

    t->fired_ms[t->count++] = loop_now_ms(t->loop);
    loop_post(t->loop, &t->task);
}

static void run_task(struct loop_task *task)
{
    loop_stop(LIST_ENTRY(task, struct timers, task)->loop);
}

static bool run_hook(struct loop_hook *hook)
{
    LIST_ENTRY(hook, struct timers, hook)->hook_rounds++;
    return false;
}

static void timers_main(void *ctx, struct os *os)
{
    struct timers *t = ctx;

    assert_int_equal(loop_open(os, &t->loop), E_OK);
    t->a.fire = fire_a;
    t->b.fire = fire_b;
    t->task.run = run_task;
    t->hook.run = run_hook;
    loop_hook_add(t->loop, &t->hook);
    loop_timer_start(t->loop, &t->a, loop_now_ms(t->loop) + 1000);
    loop_run(t->loop);
    loop_hook_remove(t->loop, &t->hook);
    loop_close(t->loop);
}

static void timers_fire_when_due(void **state)
{
    struct sim_world *world = sim_world_new(7);
    struct sim_node *node = sim_node_new(world, "10.0.0.1");
    struct timers t = {0};

    sim_node_start(node, timers_main, &t);
    sim_run_until(world, 10 * SIM_S);
    assert_int_equal(t.count, 2);
    assert_in_range(t.fired_ms[0], 1000, 1001);
    assert_in_range(t.fired_ms[1], t.fired_ms[0] + 250, t.fired_ms[0] + 251);
    assert_in_range(t.hook_rounds, 3, 4);
    assert_false(sim_node_is_up(node));
    assert_int_equal(sim_node_leaked(node), 0);
    sim_world_free(world);
}

struct jobs {
    struct os *os;
    struct os_pool *pool;
    struct os_job jobs[20];
    int run_count;
    int done_count;
    struct os_thread *thread;
    bool is_joined;
};

static struct jobs *jobs_now; /* a job knows only itself */

static void job_run(struct os_job *job)
{
    jobs_now->run_count++;
}

static void job_done(struct os_job *job)
{
    jobs_now->done_count++;
}

static void submit(void *ctx)
{
    struct jobs *j = ctx;

    for (int i = 0; i < 20; i++) {
        j->jobs[i] = (struct os_job){.run = job_run, .done = job_done};
        os_pool_submit(j->pool, &j->jobs[i]);
    }
}

static void jobs_main(void *ctx, struct os *os)
{
    struct jobs *j = ctx;

    assert_int_equal(os_pool_open(os, 3, &j->pool), E_OK);
    assert_int_equal(os_thread_start(os, "other", submit, j, &j->thread), E_OK);
    os_thread_join(j->thread);
    j->is_joined = true;
    os_pool_close(j->pool);
}

static void threads_and_pools_run(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct sim_node *node = sim_node_new(world, "10.0.0.1");
    struct jobs j = {0};

    jobs_now = &j;
    sim_node_start(node, jobs_main, &j);
    while (sim_step(world))
        continue;
    assert_true(j.is_joined);
    assert_int_equal(j.run_count, 20);
    assert_int_equal(j.done_count, 20);
    assert_false(sim_node_is_up(node));
    assert_int_equal(sim_node_leaked(node), 0);
    sim_world_free(world);
}

static void hoard_main(void *ctx, struct os *os)
{
    void **kept = ctx;
    struct loop *loop;

    kept[0] = mem_alloc(1000);
    kept[1] = mem_alloc(10);
    assert_int_equal(loop_open(os, &loop), E_OK);
    loop_run(loop);
}

static void a_crash_takes_all_memory(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct sim_node *node = sim_node_new(world, "10.0.0.1");
    void *kept[2];

    for (int i = 0; i < 3; i++) {
        sim_node_start(node, hoard_main, kept);
        sim_run_until(world, sim_now_ns(world) + SIM_S);
        assert_true(sim_node_memory(node) > 1010);
        sim_node_crash(node);
        assert_int_equal(sim_node_memory(node), 0);
    }
    sim_node_start(node, hoard_main, kept);
    sim_node_fail_allocation(node, 2);
    sim_run_until(world, sim_now_ns(world) + SIM_S);
    assert_non_null(kept[0]);
    assert_null(kept[1]);
    assert_int_equal(sim_node_lives(node), 4);
    sim_world_free(world); /* ends what still runs */
}

struct clocks {
    struct os *os;
    int64_t wall_ms;
    int64_t mono_ms;
};

static void clocks_main(void *ctx, struct os *os)
{
    struct clocks *c = ctx;

    c->os = os;
    c->wall_ms = os_wall_ms(os);
    c->mono_ms = os_mono_ms(os);
    hoard_main((void *[2]){NULL}, os);
}

static void only_the_wall_clock_jumps(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct sim_node *node = sim_node_new(world, "10.0.0.1");
    struct clocks c;

    sim_node_start(node, clocks_main, &c);
    sim_run_until(world, SIM_S);
    sim_node_jump_clock(node, -3600000);
    assert_true(os_wall_ms(c.os) <= c.wall_ms + 1000 - 3600000);
    assert_int_equal(os_mono_ms(c.os), 1000);
    assert_true(c.mono_ms < 1000);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest own[] = {
        cmocka_unit_test(events_come_in_order),      cmocka_unit_test(timers_fire_when_due),
        cmocka_unit_test(threads_and_pools_run),     cmocka_unit_test(a_crash_takes_all_memory),
        cmocka_unit_test(only_the_wall_clock_jumps), {.name = NULL}};
    const struct CMUnitTest *const tables[] = {own, selftest_disk, selftest_net};

    return unit_run("sim", tables, 3);
}
