/* RocksDB: its write-ahead log. */
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage.h"

struct rocks {
    struct storage_counter counter;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    rocksdb_t *db;
};

static void rocks_check(char *error)
{
    if (error != NULL)
        storage_die("rocksdb", error);
}

static void *rocks_open(const char *dir, bool is_durable)
{
    struct rocks *r = storage_alloc(sizeof(*r));
    char path[STORAGE_PATH_SIZE];
    char *error = NULL;

    snprintf(path, sizeof(path), "%s/rocksdb", dir);
    pthread_mutex_init(&r->counter.lock, NULL);
    r->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(r->options, 1);
    r->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->write, is_durable);
    r->read = rocksdb_readoptions_create();
    r->db = rocksdb_open(r->options, path, &error);
    rocks_check(error);
    return r;
}

static void rocks_append(void *store, const struct storage_batch *batch)
{
    struct rocks *r = store;
    int64_t first = storage_take(&r->counter, batch->count);
    rocksdb_writebatch_t *records = rocksdb_writebatch_create();
    char *error = NULL;
    char key[8];

    for (int i = 0; i < batch->count; i++) {
        storage_key(first + i, key);
        rocksdb_writebatch_put(records, key, sizeof(key), (const char *)batch->value, batch->size);
    }
    rocksdb_write(r->db, r->write, records, &error);
    rocks_check(error);
    rocksdb_writebatch_destroy(records);
}

static int64_t rocks_read_all(void *store)
{
    struct rocks *r = store;
    rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
    int64_t count = 0;
    size_t size;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
        count += rocksdb_iter_value(it, &size) != NULL;
    rocksdb_iter_destroy(it);
    return count;
}

static void rocks_read_at(void *store, int64_t number)
{
    struct rocks *r = store;
    char *error = NULL;
    char key[8];
    size_t size;
    char *value;

    storage_key(number, key);
    value = rocksdb_get(r->db, r->read, key, sizeof(key), &size, &error);
    rocks_check(error);
    if (value == NULL)
        storage_die("rocksdb", "a record is missing");
    free(value);
}

static void rocks_close(void *store)
{
    struct rocks *r = store;

    rocksdb_close(r->db);
    rocksdb_readoptions_destroy(r->read);
    rocksdb_writeoptions_destroy(r->write);
    rocksdb_options_destroy(r->options);
    free(r);
}

const struct storage_peer storage_rocksdb = {
    "RocksDB", rocks_open, rocks_append, rocks_close, rocks_read_all, rocks_read_at,
};
