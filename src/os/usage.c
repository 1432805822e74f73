#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

enum { FILE_SIZE_MAX = 4096, US_PER_S = 1000000, MS_PER_S = 1000 };

/* A small file of /proc as text; "" when it cannot be read. */
static void proc_read(const char *path, char text_out[FILE_SIZE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text_out, FILE_SIZE_MAX - 1);

    text_out[size < 0 ? 0 : size] = '\0';
    if (fd >= 0)
        close(fd);
}

static int64_t resident_bytes(void)
{
    char text[FILE_SIZE_MAX];
    long long pages = 0;

    proc_read("/proc/self/statm", text);
    if (sscanf(text, "%*s %lld", &pages) != 1)
        return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* Field 22 of /proc/self/stat counts ticks since boot; the name before it may hold anything. */
static int64_t start_wall_ms(struct os *os)
{
    char text[FILE_SIZE_MAX];
    const char *at;
    struct timespec since_boot;
    long long ticks = 0;

    proc_read("/proc/self/stat", text);
    at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at,
               ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
               "%lld",
               &ticks) != 1 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return 0;
    return os_wall_ms(os) - ((int64_t)since_boot.tv_sec * MS_PER_S + since_boot.tv_nsec / 1000000 -
                             (int64_t)ticks * MS_PER_S / sysconf(_SC_CLK_TCK));
}

static int64_t files_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count < 3 ? 0 : count - 3; /* ".", ".." and the one that reads */
}

static int64_t cpu_us(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

void os_usage(struct os *os, struct os_usage *usage_out)
{
    struct mallinfo2 heap = mallinfo2();

    *usage_out = (struct os_usage){
        .resident_bytes = resident_bytes(),
        .heap_bytes = (int64_t)(heap.uordblks + heap.hblkhd),
        .cpu_us = cpu_us(),
        .files = files_count(),
        .start_wall_ms = start_wall_ms(os),
    };
}
