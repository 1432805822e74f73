#include "os/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { MS_PER_S = 1000, NS_PER_MS = 1000000 };

/* The pthread calls used here fail only when misused. */
static void must(int error)
{
    if (error != 0)
        abort();
}

void os_mutex_init(struct os_mutex *mutex)
{
    must(pthread_mutex_init(&mutex->inner, NULL));
}

void os_mutex_release(struct os_mutex *mutex)
{
    must(pthread_mutex_destroy(&mutex->inner));
}

void os_mutex_lock(struct os_mutex *mutex)
{
    must(pthread_mutex_lock(&mutex->inner));
}

void os_mutex_unlock(struct os_mutex *mutex)
{
    must(pthread_mutex_unlock(&mutex->inner));
}

void os_cond_init(struct os_cond *cond)
{
    pthread_condattr_t attributes;

    must(pthread_condattr_init(&attributes));
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must(pthread_cond_init(&cond->inner, &attributes));
    must(pthread_condattr_destroy(&attributes));
}

void os_cond_release(struct os_cond *cond)
{
    must(pthread_cond_destroy(&cond->inner));
}

void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex)
{
    must(pthread_cond_wait(&cond->inner, &mutex->inner));
}

bool os_cond_wait_until(struct os_cond *cond, struct os_mutex *mutex, int64_t mono_ms)
{
    struct timespec at;
    int error;

    if (mono_ms == INT64_MAX) {
        os_cond_wait(cond, mutex);
        return true;
    }
    if (mono_ms < 0)
        mono_ms = 0;
    at.tv_sec = (time_t)(mono_ms / MS_PER_S);
    at.tv_nsec = (long)(mono_ms % MS_PER_S) * NS_PER_MS;
    error = pthread_cond_timedwait(&cond->inner, &mutex->inner, &at);
    if (error == ETIMEDOUT)
        return false;
    must(error);
    return true;
}

void os_cond_signal(struct os_cond *cond)
{
    must(pthread_cond_signal(&cond->inner));
}

void os_cond_broadcast(struct os_cond *cond)
{
    must(pthread_cond_broadcast(&cond->inner));
}

uintptr_t os_thread_self(void)
{
    return (uintptr_t)pthread_self();
}
