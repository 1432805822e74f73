#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Os: the machine as one node sees it: its clocks, randomness and disks.
 *
 * With net/ this is the seam: every file, clock, thread and random number of
 * the program goes through these headers. src/os implements them with system
 * calls, tests/sim/os with a seeded clock and a disk that forgets; which one is
 * chosen at link time. A process may hold many (a simulation holds one a node).
 *
 * Thread:   every function may be called from any thread.
 * Lifetime: os_open() .. os_close(), after everything opened through it: files,
 *           directories, locks, threads and pools are counted, and one left open
 *           is a mistake of ours that os_close asserts.
 */
struct os;

/* The real machine. A simulated node gets its `os` from the simulator instead. */
NODISCARD enum err os_open(struct os **os_out);
void os_close(struct os *os);

/* Wall clock, ms since 1970; may jump. For timestamps of records only. */
int64_t os_wall_ms(struct os *os);

/* Monotonic clock; never goes back. For everything that measures or waits. */
int64_t os_mono_ms(struct os *os);
int64_t os_mono_ns(struct os *os);

/* How many files and connections this process may have open, after asking for as many as it may. */
int64_t os_files_max(struct os *os);

/* What this process uses; 0 where the system does not say, and in a simulation. */
struct os_usage {
    int64_t resident_bytes;
    int64_t heap_bytes; /* in use, of the allocator */
    int64_t cpu_us;     /* user and system */
    int64_t files;      /* open descriptors */
    int64_t start_wall_ms;
};

void os_usage(struct os *os, struct os_usage *usage_out);

/* Unpredictable bytes in the real world, seeded ones in a simulation. */
void os_random(struct os *os, void *bytes_out, size_t size);
