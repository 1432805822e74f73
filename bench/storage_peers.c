/* What libdlog is compared with: a bare file, and the stores that were there when this was built.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage.h"

#if HAS_ROCKSDB
#include <rocksdb/c.h>
#endif
#if HAS_LMDB
#include <lmdb.h>
#endif
#if HAS_SQLITE
#include <sqlite3.h>
#endif
#if HAS_HIREDIS
#include <hiredis/hiredis.h>
#endif

enum { PATH_SIZE = 300, READ_SIZE = 1 << 20 };

/* The number of the next record, where the store does not count by itself. */
struct counter {
    pthread_mutex_t lock;
    int64_t next;
};

static int64_t take(struct counter *c, int count)
{
    int64_t first;

    pthread_mutex_lock(&c->lock);
    first = c->next;
    c->next += count;
    pthread_mutex_unlock(&c->lock);
    return first;
}

static void *must_alloc(size_t size)
{
    void *at = calloc(1, size);

    if (at == NULL)
        storage_die("memory", "out of it");
    return at;
}

/* Big-endian, so that the order of keys is that of numbers. */
static void encode(int64_t number, char key[8])
{
    for (int i = 0; i < 8; i++)
        key[i] = (char)(number >> (56 - 8 * i));
}

/* ---- a bare file: write, and fdatasync ---- */

struct raw {
    pthread_mutex_t lock;
    int fd;
    bool is_durable;
    size_t size; /* of a record */
};

static void *raw_open(const char *dir, bool is_durable)
{
    struct raw *raw = must_alloc(sizeof(*raw));
    char path[PATH_SIZE];

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

static const struct storage_peer raw_peer = {
    "bare file", raw_open, raw_append, raw_close, raw_read_all, raw_read_at,
};

/* ---- RocksDB: its write-ahead log ---- */

#if HAS_ROCKSDB
struct rocks {
    struct counter counter;
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
    struct rocks *r = must_alloc(sizeof(*r));
    char path[PATH_SIZE];
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
    int64_t first = take(&r->counter, batch->count);
    rocksdb_writebatch_t *records = rocksdb_writebatch_create();
    char *error = NULL;
    char key[8];

    for (int i = 0; i < batch->count; i++) {
        encode(first + i, key);
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

    encode(number, key);
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

static const struct storage_peer rocks_peer = {
    "RocksDB", rocks_open, rocks_append, rocks_close, rocks_read_all, rocks_read_at,
};
#endif

/* ---- LMDB ---- */

#if HAS_LMDB
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
    struct lmdb *l = must_alloc(sizeof(*l));
    char path[PATH_SIZE];
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

        encode(l->next++, key);
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

    encode(number, key);
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

static const struct storage_peer lmdb_peer = {
    "LMDB", lmdb_open, lmdb_append, lmdb_close, lmdb_read_all, lmdb_read_at,
};
#endif

/* ---- SQLite: WAL; one connection, which threads take in turn ---- */

#if HAS_SQLITE
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
    struct lite *l = must_alloc(sizeof(*l));
    char path[PATH_SIZE];

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

static const struct storage_peer lite_peer = {
    "SQLite", lite_open, lite_append, lite_close, lite_read_all, lite_read_at,
};
#endif

/* ---- Redis Streams: a server of its own on a socket in the directory; a pipeline per batch ----
 */

#if HAS_HIREDIS
struct redis {
    struct counter counter;
    pid_t server;
    char socket[PATH_SIZE];
    pthread_key_t connection; /* of each thread */
};

static void redis_hang_up(void *connection)
{
    redisFree(connection);
}

static redisContext *redis_connection(struct redis *r)
{
    redisContext *c = pthread_getspecific(r->connection);

    for (int i = 0; c == NULL && i < 500; i++) {
        c = redisConnectUnix(r->socket);
        if (c != NULL && c->err == 0) {
            pthread_setspecific(r->connection, c);
            return c;
        }
        redisFree(c);
        c = NULL;
        usleep(10 * 1000);
    }
    if (c == NULL)
        storage_die("redis", "does not answer");
    return c;
}

static void *redis_open(const char *dir, bool is_durable)
{
    struct redis *r = must_alloc(sizeof(*r));

    snprintf(r->socket, sizeof(r->socket), "%s/redis.sock", dir);
    pthread_mutex_init(&r->counter.lock, NULL);
    r->counter.next = 1; /* 0-0 is no id */
    pthread_key_create(&r->connection, redis_hang_up);
    r->server = fork();
    if (r->server == 0) {
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", r->socket, "--dir",
               dir, "--save", "", "--appendonly", is_durable ? "yes" : "no", "--appendfsync",
               "always", "--loglevel", "warning", "--logfile", "redis.log", (char *)NULL);
        _exit(127);
    }
    redis_connection(r);
    return r;
}

static void redis_reply(redisContext *c)
{
    redisReply *reply = NULL;

    if (redisGetReply(c, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
        storage_die("redis", c->errstr);
    freeReplyObject(reply);
}

static void redis_append(void *store, const struct storage_batch *batch)
{
    struct redis *r = store;
    redisContext *c = redis_connection(r);

    for (int i = 0; i < batch->count; i++)
        redisAppendCommand(c, "XADD log * v %b", batch->value, batch->size);
    for (int i = 0; i < batch->count; i++)
        redis_reply(c);
}

static void redis_close(void *store)
{
    struct redis *r = store;
    redisContext *c = pthread_getspecific(r->connection);

    pthread_setspecific(r->connection, NULL);
    redisFree(c);
    kill(r->server, SIGKILL);
    waitpid(r->server, NULL, 0);
    pthread_key_delete(r->connection);
    free(r);
}

static const struct storage_peer redis_peer = {
    "Redis Streams", redis_open, redis_append, redis_close, NULL, NULL,
};
#endif

const struct storage_peer *const storage_peers[] = {
    &raw_peer,
#if HAS_ROCKSDB
    &rocks_peer,
#endif
#if HAS_LMDB
    &lmdb_peer,
#endif
#if HAS_SQLITE
    &lite_peer,
#endif
#if HAS_HIREDIS
    &redis_peer,
#endif
    NULL,
};
