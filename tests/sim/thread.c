#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim_priv.h"

/*
 * Coroutines on ucontext. A thread of a crashed node is simply never resumed: its
 * stack is given back as it is.
 */

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_SIZE = 1 << 20, GUARD_SIZE = 1 << 12, START_NS_MAX = 50000, WAKE_NS_MAX = 20000 };

/* The spare stacks are linked through their own highest bytes. */
static struct list_node *stack_link(void *stack)
{
    return (struct list_node *)(void *)((char *)stack + STACK_SIZE) - 1;
}

static void *stack_take(struct sim_world *world)
{
    struct list_node *link = list_pop_front(&world->spare_stacks);
    void *stack;

    if (link != NULL)
        return (char *)(link + 1) - STACK_SIZE;
    stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, GUARD_SIZE, PROT_NONE) != 0)
        abort();
    return stack;
}

static void stack_give(struct sim_world *world, void *stack)
{
#if HAS_ASAN
    __asan_unpoison_memory_region((char *)stack + GUARD_SIZE, STACK_SIZE - GUARD_SIZE);
#endif
    list_init(stack_link(stack));
    list_push_back(&world->spare_stacks, stack_link(stack));
}

static void to_scheduler(struct sim_thread *thread, bool is_last)
{
    struct sim_world *world = thread->node->world;

    thread->mem_owner = sim_mem_switch(NULL);
#if HAS_ASAN
    __sanitizer_start_switch_fiber(is_last ? NULL : &thread->fake_stack, world->stack_bottom,
                                   world->stack_size);
#endif
    if (swapcontext(&thread->context, &world->context) != 0)
        abort();
#if HAS_ASAN
    __sanitizer_finish_switch_fiber(thread->fake_stack, &world->stack_bottom, &world->stack_size);
#endif
    sim_mem_switch(thread->mem_owner);
}

static void thread_main(unsigned int high, unsigned int low)
{
    struct sim_thread *thread = (struct sim_thread *)((uintptr_t)high << 32 | low);

#if HAS_ASAN
    __sanitizer_finish_switch_fiber(NULL, &thread->node->world->stack_bottom,
                                    &thread->node->world->stack_size);
#endif
    sim_mem_switch(thread->mem_owner);
    thread->run(thread->ctx);
    thread->state = SIM_DONE;
    if (thread->joiner != NULL)
        sim_thread_wake(thread->joiner);
    to_scheduler(thread, true);
    abort(); /* a thread that is done is never resumed */
}

static void thread_resume(struct sim_event *event)
{
    struct sim_thread *thread = LIST_ENTRY(event, struct sim_thread, event);
    struct sim_node *node = thread->node;
    struct sim_world *world = node->world;

    if (node->paused_until_ns > world->now_ns) {
        sim_event_at(world, event, node->paused_until_ns);
        return;
    }
    thread->state = SIM_RUNNING;
    thread->spent_ns = 0;
    world->current = thread;
#if HAS_ASAN
    __sanitizer_start_switch_fiber(&world->fake_stack, thread->stack, STACK_SIZE);
#endif
    if (swapcontext(&world->context, &thread->context) != 0)
        abort();
#if HAS_ASAN
    __sanitizer_finish_switch_fiber(world->fake_stack, NULL, NULL);
#endif
    world->current = NULL;
    if (node->is_dying) {
        if (node->is_power_lost)
            sim_node_crash(node);
        else
            sim_node_kill(node);
    } else if (thread->state == SIM_DONE) {
        stack_give(world, thread->stack);
        thread->stack = NULL;
    }
}

struct sim_thread *sim_thread_new(struct sim_node *node, void (*run)(void *ctx), void *ctx)
{
    struct sim_world *world = node->world;
    struct sim_thread *thread = sim_alloc(sizeof(*thread));
    uintptr_t self = (uintptr_t)thread;
    union {
        void (*with_args)(unsigned int high, unsigned int low);
        void (*plain)(void);
    } entry = {.with_args = thread_main};

    thread->event.fire = thread_resume;
    thread->node = node;
    thread->run = run;
    thread->ctx = ctx;
    thread->mem_owner = &node->mem;
    thread->stack = stack_take(world);
    if (getcontext(&thread->context) != 0)
        abort();
    thread->context.uc_stack.ss_sp = thread->stack;
    thread->context.uc_stack.ss_size = STACK_SIZE - sizeof(struct list_node);
    thread->context.uc_link = NULL;
    makecontext(&thread->context, entry.plain, 2, (unsigned int)(self >> 32), (unsigned int)self);
    list_push_back(&node->threads, &thread->node_entry);
    sim_event_at(world, &thread->event,
                 world->now_ns + (int64_t)rng_below(&world->rng, START_NS_MAX));
    return thread;
}

struct sim_thread *sim_thread_current(const struct sim_world *world)
{
    return world->current;
}

void sim_thread_sleep(struct sim_world *world, int64_t ns)
{
    struct sim_thread *thread = world->current;

    if (thread == NULL)
        return;
    thread->state = SIM_READY;
    sim_event_at(world, &thread->event, world->now_ns + thread->spent_ns + ns);
    to_scheduler(thread, false);
}

void sim_thread_wait(struct sim_world *world, int64_t at_ns)
{
    struct sim_thread *thread = world->current;

    if (thread->is_signalled) {
        thread->is_signalled = false;
        sim_thread_sleep(world, (int64_t)rng_below(&world->rng, WAKE_NS_MAX));
        return;
    }
    thread->state = SIM_WAITING;
    if (at_ns < INT64_MAX) {
        int64_t earliest = world->now_ns + thread->spent_ns;

        sim_event_at(world, &thread->event, at_ns > earliest ? at_ns : earliest);
    }
    to_scheduler(thread, false);
}

void sim_thread_wake(struct sim_thread *thread)
{
    struct sim_world *world = thread->node->world;

    if (thread->state != SIM_WAITING) {
        thread->is_signalled = true;
        return;
    }
    thread->state = SIM_READY;
    sim_event_at(world, &thread->event,
                 world->now_ns + thread->spent_ns + (int64_t)rng_below(&world->rng, WAKE_NS_MAX));
}

void sim_thread_spend(struct sim_world *world, int64_t ns)
{
    if (world->current != NULL)
        world->current->spent_ns += ns;
}

void sim_thread_free(struct sim_thread *thread)
{
    struct sim_world *world = thread->node->world;

    sim_event_stop(world, &thread->event);
    list_remove(&thread->node_entry);
    if (thread->stack != NULL)
        stack_give(world, thread->stack);
    sim_free(thread);
}

void sim_threads_close(struct sim_world *world)
{
    struct list_node *link;

    while ((link = list_pop_front(&world->spare_stacks)) != NULL)
        munmap((char *)(link + 1) - STACK_SIZE, STACK_SIZE);
}

void sim_node_die(struct sim_node *node, bool is_power_lost)
{
    struct sim_thread *thread = node->world->current;

    node->is_dying = true;
    node->is_power_lost = is_power_lost;
    to_scheduler(thread, true);
    abort();
}
