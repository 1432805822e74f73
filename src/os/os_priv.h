#pragma once

#include <stdatomic.h>

#include "os/os.h"

/* Everything opened through an os counts here, so that os_close can insist on order. */
struct os {
    atomic_int handle_count;
};

struct os_dir {
    struct os *os;
    int fd;
};
