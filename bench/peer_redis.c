/* Redis Streams: a server of its own on a socket in the directory; a pipeline per batch. */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage.h"

struct redis {
    struct storage_counter counter;
    pid_t server;
    char socket[STORAGE_PATH_SIZE];
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
    struct redis *r = storage_alloc(sizeof(*r));

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

const struct storage_peer storage_redis = {
    "Redis Streams", redis_open, redis_append, redis_close, NULL, NULL,
};
