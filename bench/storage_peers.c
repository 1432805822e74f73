/* What libdlog is compared with, of what was there when this was built, and what they share. */
#include <stdlib.h>

#include "storage.h"

int64_t storage_take(struct storage_counter *c, int count)
{
    int64_t first;

    pthread_mutex_lock(&c->lock);
    first = c->next;
    c->next += count;
    pthread_mutex_unlock(&c->lock);
    return first;
}

void *storage_alloc(size_t size)
{
    void *at = calloc(1, size);

    if (at == NULL)
        storage_die("memory", "out of it");
    return at;
}

void storage_key(int64_t number, char key[8])
{
    for (int i = 0; i < 8; i++)
        key[i] = (char)(number >> (56 - 8 * i));
}

const struct storage_peer *const storage_peers[] = {
    &storage_raw,
#if HAS_ROCKSDB
    &storage_rocksdb,
#endif
#if HAS_LMDB
    &storage_lmdb,
#endif
#if HAS_SQLITE
    &storage_sqlite,
#endif
#if HAS_REDIS
    &storage_redis,
#endif
    NULL,
};
