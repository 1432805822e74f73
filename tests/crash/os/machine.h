#pragma once

#include "os/os.h"

struct disk;

/* The machine that code under test holds, in place of os_open(): it has a disk and nothing else. */
struct os {
    struct disk *disk;
};

struct os_dir {
    struct disk *disk;
    int inode;
};

/* Switched on; os_close() ends it, the disk stays. */
struct os *machine_on(struct disk *disk);
