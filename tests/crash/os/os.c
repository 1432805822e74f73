#include "os/os.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "os/disk.h"
#include "os/machine.h"

/* One machine a disk; see os/machine.h. */
struct os *machine_on(struct disk *disk)
{
    struct os *os = calloc(1, sizeof(*os));

    if (os == NULL)
        abort();
    os->disk = disk;
    return os;
}

void os_close(struct os *os)
{
    assert(os->disk->handle_count == 0);
    free(os);
}

/* A number a call, the same in every run. */
void os_random(struct os *os, void *bytes_out, size_t size)
{
    struct rng rng;

    rng_init(&rng, ++os->disk->random);
    rng_bytes(&rng, bytes_out, size);
}
