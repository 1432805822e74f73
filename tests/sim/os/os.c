#include "os/os.h"

#include <assert.h>

#include "sim_priv.h"

/* 2026-01-01, where every world begins. */
static const int64_t WALL_START_MS = 1767225600000;

/* The machine whose code is running, which is the one that memory is counted for. */
enum err os_open(struct os **os_out)
{
    struct sim_mem *mem = sim_mem_current();

    assert(mem != NULL);
    *os_out = &LIST_ENTRY(mem, struct sim_node, mem)->os;
    return E_OK;
}

void os_close(struct os *os)
{
}

int64_t os_mono_ns(struct os *os)
{
    const struct sim_world *world = os->node->world;

    return world->now_ns + (world->current == NULL ? 0 : world->current->spent_ns);
}

int64_t os_mono_ms(struct os *os)
{
    return os_mono_ns(os) / SIM_MS;
}

int64_t os_wall_ms(struct os *os)
{
    return WALL_START_MS + os_mono_ms(os) + os->node->wall_offset_ms;
}

int64_t os_files_max(struct os *os)
{
    enum { FILES_MAX = 1024 };
    int max = os->node->disk.faults.handles_max;

    return max > 0 ? max : FILES_MAX;
}

void os_usage(struct os *os, struct os_usage *usage_out)
{
    *usage_out = (struct os_usage){0};
}

void os_random(struct os *os, void *bytes_out, size_t size)
{
    rng_bytes(&os->node->world->rng, bytes_out, size);
}
