#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORAGE_PATH_SIZE = 300 };

/*
 * A store of records that can be appended to and read in order, for comparison: libdlog, a bare
 * file, and what Debian has of others. A failure ends the program.
 */
struct storage_batch {
    const uint8_t *value; /* every record is this */
    size_t size;
    int count; /* records that become durable together */
};

struct storage_peer {
    const char *name;

    /* A new store in the empty directory. Durable: append() returns when the records are synced. */
    void *(*open)(const char *dir, bool is_durable);
    void (*append)(void *store, const struct storage_batch *batch); /* from any thread */
    void (*close)(void *store);

    /* Every record once, in order; NULL: not compared. Returns how many there were. */
    int64_t (*read_all)(void *store);
    void (*read_at)(void *store, int64_t number); /* the record with that number, from 0 */
};

extern const struct storage_peer storage_dlog;
extern const struct storage_peer storage_raw;
extern const struct storage_peer storage_rocksdb;
extern const struct storage_peer storage_lmdb;
extern const struct storage_peer storage_sqlite;
extern const struct storage_peer storage_redis;
extern const struct storage_peer *const storage_peers[]; /* but libdlog; ends with NULL */

/* The number of the next record, where a store does not count by itself. */
struct storage_counter {
    pthread_mutex_t lock;
    int64_t next;
};

int64_t storage_take(struct storage_counter *c, int count); /* the first of so many numbers */
void storage_key(int64_t number, char key[8]); /* big-endian: keys have the order of numbers */
void *storage_alloc(size_t size);              /* zeros */
double storage_now(void);                      /* seconds */
void storage_die(const char *what, const char *why);
