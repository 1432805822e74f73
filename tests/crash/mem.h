#pragma once

#include <stddef.h>

/* Allocations through base/mem.h that are not freed yet. */
size_t crash_mem_alive(void);
