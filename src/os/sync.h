#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Mutex, condition, and the name of a thread: for embed/, whose callers bring threads of their
 * own. The rest of the program shares nothing between threads and has no use for these, so a
 * simulation has none.
 *
 * The bodies are open so that they can stand inside of other structures; they stay where they were
 * initialised. Nothing here can fail but by a mistake of ours, which aborts.
 */
struct os_mutex {
    pthread_mutex_t inner;
};

struct os_cond {
    pthread_cond_t inner;
};

void os_mutex_init(struct os_mutex *mutex);
void os_mutex_release(struct os_mutex *mutex); /* nobody holds it */
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

void os_cond_init(struct os_cond *cond);
void os_cond_release(struct os_cond *cond); /* nobody waits */

/* Gives `mutex` back while it waits. May also return for no reason. */
void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex);

/* The same until os_mono_ms() is `mono_ms`; false: it is. INT64_MAX: for ever. */
bool os_cond_wait_until(struct os_cond *cond, struct os_mutex *mutex, int64_t mono_ms);

void os_cond_signal(struct os_cond *cond);    /* one of those who wait */
void os_cond_broadcast(struct os_cond *cond); /* all of them */

/* Differs between all threads that are running. */
uintptr_t os_thread_self(void);
