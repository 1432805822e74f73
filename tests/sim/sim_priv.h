#pragma once

#include <ucontext.h>

#include "base/heap.h"
#include "base/list.h"
#include "mem/mem.h"
#include "sim.h"

struct sim_end;
struct sim_inode;

/*
 * Event: embedded in its owner, at most once in the queue. Ordered by time; what
 * happens at one time is ordered by a draw.
 */
struct sim_event {
    struct heap_node node;
    void (*fire)(struct sim_event *event);
};

/* Start it, or move it. */
void sim_event_at(struct sim_world *world, struct sim_event *event, int64_t at_ns);
void sim_event_stop(struct sim_world *world, struct sim_event *event);
bool sim_event_is_set(const struct sim_event *event);

/* When it fires. */
int64_t sim_event_time(const struct sim_event *event);

/*
 * The machine that code under test holds. One per life of a node; os.h's struct.
 */
struct os {
    struct sim_node *node;
};

/*
 * Thread: a coroutine with its own stack.
 *
 *   READY    its event is set: it goes on at that time, whatever happens
 *   WAITING  sim_thread_wake() lets it go on; at the latest its event does
 *   RUNNING  it is world->current
 *   DONE     its function returned; its stack is given back
 */
enum sim_thread_state { SIM_READY, SIM_WAITING, SIM_RUNNING, SIM_DONE };

struct sim_thread {
    struct sim_event event;
    struct list_node node_entry; /* in node->threads */
    struct sim_node *node;
    enum sim_thread_state state;
    bool is_signalled; /* a wake came while it was not WAITING */
    ucontext_t context;
    void *stack;
    void *fake_stack; /* of the address sanitizer */
    void (*run)(void *ctx);
    void *ctx;
    int64_t spent_ns; /* time it used since it went on; passes when it stops */
    struct sim_thread *joiner;
    struct sim_mem *mem_owner;
};

/* A new thread of `node` that is about to start. */
struct sim_thread *sim_thread_new(struct sim_node *node, void (*run)(void *ctx), void *ctx);

/* The one that runs; NULL outside of nodes. */
struct sim_thread *sim_thread_current(const struct sim_world *world);

/* The running thread goes on after `ns`. Outside of threads it returns at once. */
void sim_thread_sleep(struct sim_world *world, int64_t ns);

/* The running thread goes on when woken, at `at_ns` at the latest. */
void sim_thread_wait(struct sim_world *world, int64_t at_ns);
void sim_thread_wake(struct sim_thread *thread);

/* The running thread used `ns`: its own clock shows it at once, the world when it stops. */
void sim_thread_spend(struct sim_world *world, int64_t ns);

/* Free a thread that does not run. */
void sim_thread_free(struct sim_thread *thread);

/* Give the spare stacks back. */
void sim_threads_close(struct sim_world *world);

struct sim_world {
    struct rng rng;
    int64_t now_ns;
    struct heap events;
    struct list_node nodes;
    uint64_t trace_hash;
    FILE *trace_out;
    struct sim_thread *current;
    ucontext_t context; /* of the scheduler */
    void *fake_stack;
    const void *stack_bottom; /* of the scheduler, as the address sanitizer told */
    size_t stack_size;
    struct list_node spare_stacks;
    struct list_node calls; /* of sim_after */
    struct list_node cuts;
    struct list_node links;
    struct sim_net_faults net;
};

struct sim_disk {
    struct list_node inodes;
    struct sim_inode *root;
    struct sim_disk_faults faults;
    uint64_t call_count;
    uint64_t crash_at; /* of call_count; 0: not */
    int handle_count;
    int64_t used_bytes;
    int64_t sync_failed_ns;
};

struct sim_node {
    struct list_node entry; /* in world->nodes */
    struct sim_world *world;
    char host[SIM_HOST_SIZE];
    int id;
    int lives;
    bool is_up;
    bool is_dying; /* the running thread asked for its end */
    bool is_power_lost;
    int64_t paused_until_ns;
    int64_t wall_offset_ms;
    struct os os;
    struct sim_mem mem;
    size_t leaked_bytes;
    struct list_node threads;
    struct sim_disk disk;
    struct list_node ends;      /* of connections */
    struct list_node listeners; /* in node memory */
    uint16_t next_port;
    void (*run)(void *ctx, struct os *os);
    void *ctx;
};

/* From inside of a running thread: it never returns. */
void sim_node_die(struct sim_node *node, bool is_power_lost);

/* What the parts do when a life ends. */
void sim_disk_open(struct sim_node *node);
void sim_disk_close(struct sim_node *node);
void sim_disk_end_life(struct sim_node *node, bool is_power_lost);
void sim_net_end_life(struct sim_node *node, bool is_power_lost);
void sim_net_close(struct sim_world *world);
