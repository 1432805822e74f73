/*
 * Writes the batches of segment files to other files and syncs them: what keeping
 * the same bytes in the same pieces costs without a log.
 *
 *     file_sync FOLDER BATCHES SEGMENT...
 *
 * Reads the segments into memory; then, to one file per segment, writes their
 * batches as they are, in turn one of each, and after every BATCHES of them calls
 * fdatasync on each file written since the last time. One line of JSON.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 256, PREFIX_SIZE = 12, SIZE_POS = 8 };

struct copy {
    uint8_t *bytes;
    size_t size;
    size_t pos;
    int fd;
    bool is_dirty;
};

struct total {
    long batches;
    long syncs;
    size_t bytes;
};

static void die(const char *what)
{
    fprintf(stderr, "file_sync: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void copy_open(struct copy *copy, const char *folder, int index, const char *from)
{
    char path[4096];
    struct stat about;
    int fd = open(from, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &about) != 0)
        die(from);
    *copy = (struct copy){.size = (size_t)about.st_size};
    copy->bytes = malloc(copy->size + 1);
    if (copy->bytes == NULL)
        die("memory");
    for (size_t got = 0; got < copy->size;) {
        ssize_t n = pread(fd, copy->bytes + got, copy->size - got, (off_t)got);

        if (n <= 0)
            die(from);
        got += (size_t)n;
    }
    close(fd);
    snprintf(path, sizeof(path), "%s/%d.log", folder, index);
    copy->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (copy->fd < 0)
        die(path);
}

/* The next batch, or 0: what follows is not one (the zeros that are written ahead). */
static size_t next_size(const struct copy *copy)
{
    uint32_t length;

    if (copy->size - copy->pos < PREFIX_SIZE)
        return 0;
    memcpy(&length, copy->bytes + copy->pos + SIZE_POS, sizeof(length));
    length = be32toh(length);
    if (length == 0 || length > copy->size - copy->pos - PREFIX_SIZE)
        return 0;
    return PREFIX_SIZE + (size_t)length;
}

static void sync_all(struct copy *copies, int count, struct total *total)
{
    for (int i = 0; i < count; i++) {
        if (!copies[i].is_dirty)
            continue;
        if (fdatasync(copies[i].fd) != 0)
            die("fdatasync");
        copies[i].is_dirty = false;
        total->syncs++;
    }
}

static void run(struct copy *copies, int count, long batches_per_sync, struct total *total)
{
    bool is_more = true;

    while (is_more) {
        is_more = false;
        for (int i = 0; i < count; i++) {
            struct copy *copy = &copies[i];
            size_t size = next_size(copy);

            if (size == 0)
                continue;
            if (pwrite(copy->fd, copy->bytes + copy->pos, size, (off_t)copy->pos) != (ssize_t)size)
                die("write");
            copy->pos += size;
            copy->is_dirty = true;
            is_more = true;
            total->bytes += size;
            if (++total->batches % batches_per_sync == 0)
                sync_all(copies, count, total);
        }
    }
    sync_all(copies, count, total);
}

int main(int count, char **args)
{
    static struct copy copies[FILES_MAX];
    struct total total = {0};
    long batches_per_sync = count > 3 ? strtol(args[2], NULL, 10) : 0;
    int files = count - 3;
    double start;

    if (batches_per_sync < 1 || files > FILES_MAX) {
        fprintf(stderr, "usage: file_sync FOLDER BATCHES SEGMENT...\n");
        return 2;
    }
    for (int i = 0; i < files; i++)
        copy_open(&copies[i], args[1], i, args[3 + i]);
    start = now_s();
    run(copies, files, batches_per_sync, &total);
    printf("{\"seconds\": %.6f, \"bytes\": %zu, \"batches\": %ld, \"syncs\": %ld}\n",
           now_s() - start, total.bytes, total.batches, total.syncs);
    return 0;
}
