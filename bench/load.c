/*
 * Load generator: N connections, D requests in flight on each, one thread.
 *
 *     load --port P --kind KIND [--connections N] [--depth D] [--requests N] [--seconds S]
 *          [--batch BYTES] [--record BYTES] [--topic NAME] [--partitions N] [--acks N]
 *          [--file-size BYTES] [--idle]
 *
 * KIND: raw-produce raw-fetch raw-echo produce fetch api-versions metadata. Stops after
 * --requests answers or --seconds, whichever is first, and prints one line of
 * JSON. --idle opens the connections, says so, and waits for its input to end.
 * raw-fetch starts over at the end of --file-size bytes; fetch at the end of
 * the partition.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_frames.h"

enum {
    CONNS_MAX = 16384,
    DEPTH_MAX = 1024,
    ANSWER_MAX = 16 << 20,
    SAMPLES_MAX = 1 << 22,
    RETRIES_MAX = 200
};

struct flight {
    int64_t sent_ns;
};

struct peer {
    int fd;
    int32_t partition;
    struct buf request; /* reused as long as its position does not change */
    int64_t pos;
    size_t sent; /* of the request that is leaving */
    bool is_blocked;
    struct flight flights[DEPTH_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint8_t *in;
    size_t in_size;
    size_t in_capacity;
};

struct load {
    struct load_plan plan;
    struct sockaddr_in to;
    int epoll;
    size_t connections;
    size_t depth;
    uint64_t requests_max;
    int64_t until_ns;
    int64_t file_size;
    bool is_idle;
    struct peer *peers;

    uint64_t started;
    uint64_t answers;
    uint64_t bytes;
    uint64_t records;
    uint32_t *samples_ns;
    size_t sample_count;
};

static const char *const KINDS[LOAD_KINDS] = {"raw-produce", "raw-fetch",    "raw-echo", "produce",
                                              "fetch",       "api-versions", "metadata"};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int dial(const struct load *load)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)&load->to, sizeof(load->to)) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* One request and its answer, blocking: for what comes before the load. */
static size_t ask(int fd, const struct buf *request, uint8_t *answer, size_t max)
{
    uint8_t head[4];
    size_t size, got = 0;

    if (send(fd, request->at, request->size, MSG_NOSIGNAL) != (ssize_t)request->size ||
        recv(fd, head, 4, MSG_WAITALL) != 4)
        die("first request");
    size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (size > max)
        die("first answer");
    while (got < size) {
        ssize_t n = recv(fd, answer + got, size - got, 0);

        if (n <= 0)
            die("first answer");
        got += (size_t)n;
    }
    return size;
}

/* Create the topic, and produce once to each partition until that works. */
static void prepare(struct load *load)
{
    struct load_answer answer = {.error = -1};
    uint8_t *bytes = malloc(ANSWER_MAX);
    struct buf request;
    int fd = dial(load);

    if (bytes == NULL)
        die("memory");
    buf_init(&request, ANSWER_MAX);
    load_frames_metadata(&load->plan, &request);
    ask(fd, &request, bytes, ANSWER_MAX);
    for (int32_t p = 0; p < load->plan.partitions; p++) {
        for (int try = 0; try < RETRIES_MAX; try++) {
            size_t size;

            buf_clear(&request);
            load_frames_request(&load->plan, p, 0, &request);
            size = ask(fd, &request, bytes, ANSWER_MAX);
            if (load_frames_answer(&load->plan, 0, bytes, size, &answer) && answer.error == 0)
                break;
            usleep(20000);
        }
        if (answer.error != 0) {
            fprintf(stderr, "load: partition %d answers error %d\n", (int)p, answer.error);
            exit(1);
        }
    }
    buf_release(&request);
    free(bytes);
    close(fd);
}

static void update_interest(const struct load *load, struct peer *peer, bool is_blocked)
{
    struct epoll_event event = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0), .data.ptr = peer};

    if (peer->is_blocked == is_blocked)
        return;
    peer->is_blocked = is_blocked;
    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, peer->fd, &event) != 0)
        die("epoll_ctl");
}

static void make_request(struct load *load, struct peer *peer)
{
    buf_clear(&peer->request);
    load_frames_request(&load->plan, peer->partition, peer->pos, &peer->request);
}

/* Keep `depth` requests in flight. */
static void pump(struct load *load, struct peer *peer)
{
    while (peer->sent > 0 || (peer->count < load->depth && load->started < load->requests_max)) {
        ssize_t n;

        if (peer->sent == 0) {
            struct flight *f = &peer->flights[(peer->first + peer->count) % DEPTH_MAX];

            f->sent_ns = now_ns();
            peer->count++;
            load->started++;
        }
        n = send(peer->fd, peer->request.at + peer->sent, peer->request.size - peer->sent,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            if (peer->sent == 0) { /* not begun: take it back */
                peer->count--;
                load->started--;
            }
            update_interest(load, peer, true);
            return;
        }
        if (n <= 0)
            die("send");
        peer->sent += (size_t)n;
        if (peer->sent == peer->request.size)
            peer->sent = 0;
    }
    update_interest(load, peer, false);
}

static void take_answer(struct load *load, struct peer *peer, const uint8_t *at, size_t size)
{
    struct load_answer answer;
    int64_t took_ns = now_ns() - peer->flights[peer->first].sent_ns;

    if (!load_frames_answer(&load->plan, peer->pos, at, size, &answer) || answer.error != 0) {
        fprintf(stderr, "load: answer of %zu bytes, error %d\n", size, answer.error);
        exit(1);
    }
    if (load->sample_count < SAMPLES_MAX)
        load->samples_ns[load->sample_count++] =
            took_ns < UINT32_MAX ? (uint32_t)took_ns : UINT32_MAX;
    peer->first = (peer->first + 1) % DEPTH_MAX;
    peer->count--;
    load->answers++;
    load->bytes += answer.bytes;
    load->records += load->plan.kind == LOAD_FETCH ? answer.records : load->plan.records;
    if (load->plan.kind == LOAD_FETCH || load->plan.kind == LOAD_RAW_FETCH) {
        bool is_end = load->plan.kind == LOAD_FETCH
                          ? answer.is_end
                          : answer.next_pos + (int64_t)load->plan.batch_size > load->file_size;

        peer->pos = is_end ? 0 : answer.next_pos;
        make_request(load, peer);
    }
}

static void receive(struct load *load, struct peer *peer)
{
    ssize_t n =
        recv(peer->fd, peer->in + peer->in_size, peer->in_capacity - peer->in_size, MSG_DONTWAIT);
    size_t done = 0;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server closed");
    peer->in_size += (size_t)n;
    while (peer->in_size - done >= 4) {
        const uint8_t *at = peer->in + done;
        size_t size = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];

        if (size + 4 > peer->in_capacity)
            die("answer too large");
        if (peer->in_size - done < 4 + size)
            break;
        take_answer(load, peer, at + 4, size);
        done += 4 + size;
    }
    peer->in_size -= done;
    if (done > 0)
        memmove(peer->in, peer->in + done, peer->in_size);
}

static void open_peers(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->peers = calloc(load->connections, sizeof(*load->peers));
    if (load->epoll < 0 || load->peers == NULL)
        die("memory");
    for (size_t i = 0; i < load->connections; i++) {
        struct peer *peer = &load->peers[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

        peer->fd = dial(load);
        peer->partition = (int32_t)i % load->plan.partitions;
        buf_init(&peer->request, ANSWER_MAX);
        make_request(load, peer);
        if (load->is_idle)
            continue;
        peer->in_capacity = load->plan.batch_size + (1 << 20);
        peer->in = malloc(peer->in_capacity);
        if (peer->in == NULL || epoll_ctl(load->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
            die("peer");
    }
}

/* Every connection has said one thing, and now says nothing. */
static void stay_idle(struct load *load)
{
    uint8_t answer[65536];
    char byte;

    for (size_t i = 0; i < load->connections; i++)
        ask(load->peers[i].fd, &load->peers[i].request, answer, sizeof(answer));
    printf("{\"connections\": %zu}\n", load->connections);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double sample_us(const struct load *load, double share)
{
    size_t i = (size_t)(share * (double)load->sample_count);

    if (load->sample_count == 0)
        return 0;
    return load->samples_ns[i < load->sample_count ? i : load->sample_count - 1] / 1000.0;
}

static void run(struct load *load)
{
    struct epoll_event events[256];
    int64_t start_ns = now_ns();
    double seconds;

    load->until_ns += start_ns;
    for (size_t i = 0; i < load->connections; i++)
        pump(load, &load->peers[i]);
    while (load->answers < load->requests_max && now_ns() < load->until_ns) {
        int count = epoll_wait(load->epoll, events, 256, 100);

        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;

            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
                receive(load, peer);
            pump(load, peer);
        }
    }
    seconds = (double)(now_ns() - start_ns) / 1e9;
    qsort(load->samples_ns, load->sample_count, sizeof(uint32_t), compare_samples);
    printf("{\"kind\": \"%s\", \"seconds\": %.4f, \"answers\": %llu, \"bytes\": %llu, "
           "\"records\": %llu, \"mb_s\": %.1f, \"records_s\": %.0f, \"answers_s\": %.0f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
           KINDS[load->plan.kind], seconds, (unsigned long long)load->answers,
           (unsigned long long)load->bytes, (unsigned long long)load->records,
           (double)load->bytes / seconds / 1e6, (double)load->records / seconds,
           (double)load->answers / seconds, sample_us(load, 0.5), sample_us(load, 0.99),
           sample_us(load, 0.999));
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);

    if (*end != '\0' || v < least || v > most) {
        fprintf(stderr, "load: %s is not in %llu..%llu\n", text, (unsigned long long)least,
                (unsigned long long)most);
        exit(2);
    }
    return v;
}

static enum load_kind kind_of(const char *text)
{
    for (int i = 0; i < LOAD_KINDS; i++) {
        if (strcmp(text, KINDS[i]) == 0)
            return (enum load_kind)i;
    }
    fprintf(stderr, "load: no such kind: %s\n", text);
    exit(2);
}

static const struct option OPTIONS[] = {{"port", required_argument, NULL, 'p'},
                                        {"kind", required_argument, NULL, 'k'},
                                        {"connections", required_argument, NULL, 'c'},
                                        {"depth", required_argument, NULL, 'd'},
                                        {"requests", required_argument, NULL, 'n'},
                                        {"seconds", required_argument, NULL, 's'},
                                        {"batch", required_argument, NULL, 'b'},
                                        {"record", required_argument, NULL, 'r'},
                                        {"topic", required_argument, NULL, 't'},
                                        {"partitions", required_argument, NULL, 'P'},
                                        {"acks", required_argument, NULL, 'a'},
                                        {"file-size", required_argument, NULL, 'f'},
                                        {"idle", no_argument, NULL, 'i'},
                                        {NULL, 0, NULL, 0}};

static void set_option(struct load *load, int option, const char *value)
{
    struct load_plan *plan = &load->plan;

    switch (option) {
    case 'p':
        load->to.sin_port = htons((uint16_t)number(value, 1, 65535));
        return;
    case 'k':
        plan->kind = kind_of(value);
        return;
    case 'c':
        load->connections = number(value, 1, CONNS_MAX);
        return;
    case 'd':
        load->depth = number(value, 1, DEPTH_MAX);
        return;
    case 'n':
        load->requests_max = number(value, 1, UINT32_MAX);
        return;
    case 's':
        load->until_ns = (int64_t)number(value, 1, 600) * 1000000000;
        return;
    case 'b':
        plan->batch_size = number(value, 1, 8 << 20);
        return;
    case 'r':
        plan->record_size = number(value, 1, 1 << 20);
        return;
    case 't':
        plan->topic = value;
        return;
    case 'P':
        plan->partitions = (int32_t)number(value, 1, 10000);
        return;
    case 'a':
        plan->acks = strcmp(value, "all") == 0 ? -1 : (int16_t)number(value, 1, 1);
        return;
    case 'f':
        load->file_size = (int64_t)number(value, 1, INT64_MAX);
        return;
    case 'i':
        load->is_idle = true;
        return;
    default:
        exit(2);
    }
}

int main(int count, char **args)
{
    static struct load load = {.connections = 1,
                               .depth = 1,
                               .requests_max = 1000,
                               .until_ns = 60LL * 1000000000,
                               .file_size = 1,
                               .plan = {.topic = "bench",
                                        .partitions = 1,
                                        .batch_size = 16384,
                                        .record_size = 100,
                                        .acks = -1}};
    int option;

    load.to =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    while ((option = getopt_long(count, args, "", OPTIONS, NULL)) != -1)
        set_option(&load, option, optarg);
    load.samples_ns = malloc(SAMPLES_MAX * sizeof(uint32_t));
    if (load.samples_ns == NULL)
        die("memory");
    if (load.plan.kind == LOAD_FETCH || load.plan.kind == LOAD_RAW_FETCH)
        load.depth = 1; /* a consumer knows its next offset from the answer */
    load_frames_batch(&load.plan);
    if (load.plan.kind == LOAD_PRODUCE)
        prepare(&load);
    open_peers(&load);
    if (load.is_idle)
        stay_idle(&load);
    else
        run(&load);
    return 0;
}
