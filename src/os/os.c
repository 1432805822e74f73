#include "os/os.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include "base/mem.h"
#include "os/os_priv.h"

static const int64_t NS_PER_S = 1000000000;
static const int64_t NS_PER_MS = 1000000;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);

    assert(failed == 0);
    (void)failed;
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

enum err os_open(struct os **os_out)
{
    struct os *os = mem_alloc_zero(sizeof(*os));

    if (os == NULL)
        return E_NOMEM;
    *os_out = os;
    return E_OK;
}

void os_close(struct os *os)
{
    if (os == NULL)
        return;
    assert(atomic_load(&os->handle_count) == 0);
    mem_free(os);
}

int64_t os_wall_ms(struct os *os)
{
    return clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t os_mono_ms(struct os *os)
{
    return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int64_t os_mono_ns(struct os *os)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t os_files_max(struct os *os)
{
    enum { FILES_MAX = 1 << 20, FILES_DEFAULT = 1024 };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return FILES_DEFAULT;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit more = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            limit = more;
    }
    return limit.rlim_cur < FILES_MAX ? (int64_t)limit.rlim_cur : FILES_MAX;
}

void os_random(struct os *os, void *bytes_out, size_t size)
{
    uint8_t *at = bytes_out;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* no randomness: ids would collide, better none */
        }
        at += got;
        size -= (size_t)got;
    }
}
