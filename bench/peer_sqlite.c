/* SQLite: WAL; one connection, which threads take in turn. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage.h"

struct lite {
    pthread_mutex_t lock;
    sqlite3 *db;
    sqlite3_stmt *insert;
    sqlite3_stmt *all;
    sqlite3_stmt *one;
};

static void lite_run(struct lite *l, const char *text)
{
    if (sqlite3_exec(l->db, text, NULL, NULL, NULL) != SQLITE_OK)
        storage_die("sqlite", sqlite3_errmsg(l->db));
}

static sqlite3_stmt *lite_prepare(struct lite *l, const char *text)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(l->db, text, -1, &statement, NULL) != SQLITE_OK)
        storage_die("sqlite", sqlite3_errmsg(l->db));
    return statement;
}

static void *lite_open(const char *dir, bool is_durable)
{
    struct lite *l = storage_alloc(sizeof(*l));
    char path[STORAGE_PATH_SIZE];

    snprintf(path, sizeof(path), "%s/sqlite", dir);
    pthread_mutex_init(&l->lock, NULL);
    if (sqlite3_open(path, &l->db) != SQLITE_OK)
        storage_die(path, "cannot be opened");
    lite_run(l, "pragma journal_mode=wal");
    lite_run(l, is_durable ? "pragma synchronous=full" : "pragma synchronous=off");
    lite_run(l, "create table log (id integer primary key, value blob)");
    l->insert = lite_prepare(l, "insert into log (value) values (?)");
    l->all = lite_prepare(l, "select value from log order by id");
    l->one = lite_prepare(l, "select value from log where id = ?");
    return l;
}

static void lite_append(void *store, const struct storage_batch *batch)
{
    struct lite *l = store;

    pthread_mutex_lock(&l->lock);
    lite_run(l, "begin");
    for (int i = 0; i < batch->count; i++) {
        sqlite3_bind_blob(l->insert, 1, batch->value, (int)batch->size, SQLITE_STATIC);
        if (sqlite3_step(l->insert) != SQLITE_DONE)
            storage_die("sqlite", sqlite3_errmsg(l->db));
        sqlite3_reset(l->insert);
    }
    lite_run(l, "commit");
    pthread_mutex_unlock(&l->lock);
}

static int64_t lite_read_all(void *store)
{
    struct lite *l = store;
    int64_t count = 0;

    while (sqlite3_step(l->all) == SQLITE_ROW)
        count += sqlite3_column_blob(l->all, 0) != NULL;
    sqlite3_reset(l->all);
    return count;
}

static void lite_read_at(void *store, int64_t number)
{
    struct lite *l = store;

    sqlite3_bind_int64(l->one, 1, number + 1);
    if (sqlite3_step(l->one) != SQLITE_ROW)
        storage_die("sqlite", "a record is missing");
    sqlite3_reset(l->one);
}

static void lite_close(void *store)
{
    struct lite *l = store;

    sqlite3_finalize(l->insert);
    sqlite3_finalize(l->all);
    sqlite3_finalize(l->one);
    sqlite3_close(l->db);
    free(l);
}

const struct storage_peer storage_sqlite = {
    "SQLite", lite_open, lite_append, lite_close, lite_read_all, lite_read_at,
};
