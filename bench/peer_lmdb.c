/* LMDB. */
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage.h"

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    int64_t next; /* the write transaction guards it */
};

static void lmdb_check(int e)
{
    if (e != 0)
        storage_die("lmdb", mdb_strerror(e));
}

static void *lmdb_open(const char *dir, bool is_durable)
{
    const size_t map_size = (size_t)16 << 30;
    struct lmdb *l = storage_alloc(sizeof(*l));
    char path[STORAGE_PATH_SIZE];
    MDB_txn *txn;

    snprintf(path, sizeof(path), "%s/lmdb", dir);
    lmdb_check(mdb_env_create(&l->env));
    lmdb_check(mdb_env_set_mapsize(l->env, map_size));
    lmdb_check(mdb_env_set_maxreaders(l->env, 512));
    lmdb_check(mdb_env_open(l->env, path, MDB_NOSUBDIR | (is_durable ? 0 : MDB_NOSYNC), 0644));
    lmdb_check(mdb_txn_begin(l->env, NULL, 0, &txn));
    lmdb_check(mdb_dbi_open(txn, NULL, MDB_CREATE, &l->dbi));
    lmdb_check(mdb_txn_commit(txn));
    return l;
}

static void lmdb_append(void *store, const struct storage_batch *batch)
{
    struct lmdb *l = store;
    MDB_txn *txn;
    char key[8];

    lmdb_check(mdb_txn_begin(l->env, NULL, 0, &txn));
    for (int i = 0; i < batch->count; i++) {
        union {
            const uint8_t *shared;
            void *at;
        } value = {.shared = batch->value};
        MDB_val k = {sizeof(key), key}, v = {batch->size, value.at};

        storage_key(l->next++, key);
        lmdb_check(mdb_put(txn, l->dbi, &k, &v, MDB_APPEND));
    }
    lmdb_check(mdb_txn_commit(txn));
}

static int64_t lmdb_read_all(void *store)
{
    struct lmdb *l = store;
    MDB_cursor *cursor;
    unsigned first = 0;
    int64_t count = 0;
    MDB_txn *txn;
    MDB_val k, v;

    lmdb_check(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn));
    lmdb_check(mdb_cursor_open(txn, l->dbi, &cursor));
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        first += *(const uint8_t *)v.mv_data; /* the page is read */
        count++;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return count + (first == UINT_MAX); /* used, so that it is read */
}

static void lmdb_read_at(void *store, int64_t number)
{
    struct lmdb *l = store;
    char key[8];
    MDB_val k = {sizeof(key), key}, v;
    MDB_txn *txn;

    storage_key(number, key);
    lmdb_check(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn));
    lmdb_check(mdb_get(txn, l->dbi, &k, &v));
    mdb_txn_abort(txn);
}

static void lmdb_close(void *store)
{
    struct lmdb *l = store;

    mdb_env_close(l->env);
    free(l);
}

const struct storage_peer storage_lmdb = {
    "LMDB", lmdb_open, lmdb_append, lmdb_close, lmdb_read_all, lmdb_read_at,
};
