/* A bare file: write, and fdatasync. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage.h"

enum { READ_SIZE = 1 << 20 };

struct raw {
    pthread_mutex_t lock;
    int fd;
    bool is_durable;
    size_t size; /* of a record */
};

static void *raw_open(const char *dir, bool is_durable)
{
    struct raw *raw = storage_alloc(sizeof(*raw));
    char path[STORAGE_PATH_SIZE];

    snprintf(path, sizeof(path), "%s/raw", dir);
    pthread_mutex_init(&raw->lock, NULL);
    raw->is_durable = is_durable;
    raw->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (raw->fd < 0)
        storage_die(path, "cannot be opened");
    return raw;
}

static void raw_append(void *store, const struct storage_batch *batch)
{
    struct raw *raw = store;

    pthread_mutex_lock(&raw->lock);
    raw->size = batch->size;
    for (int i = 0; i < batch->count; i++) {
        if (write(raw->fd, batch->value, batch->size) != (ssize_t)batch->size)
            storage_die("raw", "short write");
    }
    if (raw->is_durable && fdatasync(raw->fd) != 0)
        storage_die("raw", "fdatasync");
    pthread_mutex_unlock(&raw->lock);
}

static int64_t raw_read_all(void *store)
{
    static uint8_t bytes[READ_SIZE];
    struct raw *raw = store;
    int64_t pos = 0;
    ssize_t got;

    while ((got = pread(raw->fd, bytes, sizeof(bytes), pos)) > 0)
        pos += got;
    return pos / (int64_t)raw->size;
}

static void raw_read_at(void *store, int64_t number)
{
    static uint8_t bytes[READ_SIZE];
    struct raw *raw = store;

    if (pread(raw->fd, bytes, raw->size, number * (int64_t)raw->size) != (ssize_t)raw->size)
        storage_die("raw", "short read");
}

static void raw_close(void *store)
{
    struct raw *raw = store;

    close(raw->fd);
    free(raw);
}

const struct storage_peer storage_raw = {
    "bare file", raw_open, raw_append, raw_close, raw_read_all, raw_read_at,
};
