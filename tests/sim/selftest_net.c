#include "unit.h"

#include "base/hash.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "os/os.h"
#include "selftest.h"

/*
 * A server that echoes, and a client that sends numbered words and checks that
 * they come back in order. The client connects again whenever it loses the server.
 */
enum { WORD_SIZE = 8, WORDS_PER_SEND = 50 };

struct talk {
    struct sim_world *world;
    struct sim_node *server;
    struct sim_node *client;
    struct loop *client_loop;
    struct conn *conn;
    struct loop_timer again;
    uint64_t sent;     /* words on this connection */
    uint64_t returned; /* words back on this connection */
    uint64_t total;
    uint64_t closes;
    enum err why;
    uint64_t goal;
};

static const struct conn_options options = {.receive_bytes_max = 64 << 10};

/* Server, all of it in the node's memory. */

static size_t echo(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    size_t whole = size / WORD_SIZE * WORD_SIZE;

    conn_send_copy(conn, slice_of(at, whole));
    conn_expect(conn, WORD_SIZE);
    return whole;
}

static void ignore_close(struct conn *conn, void *ctx, enum err why)
{
}

static const struct conn_events echo_events = {.on_data = echo, .on_close = ignore_close};

static void on_accept(void *ctx, struct net_socket *socket, const char *peer)
{
    const struct conn_handler handler = {.events = &echo_events};
    struct conn *conn;

    assert_memory_equal(peer, "10.0.0.2:", 9);
    assert_int_equal(conn_open(ctx, socket, &options, handler, &conn), E_OK);
}

static void server_main(void *ctx, struct os *os)
{
    const struct net_endpoint at = {.host = "10.0.0.1", .port = 9092};
    struct listener_options accepting = {.on_accept = on_accept};
    struct listener *listener;
    struct loop *loop;

    assert_int_equal(loop_open(os, &loop), E_OK);
    accepting.ctx = loop;
    assert_int_equal(listener_open(loop, &at, &accepting, &listener), E_OK);
    assert_int_equal(listener_open(loop, &at, &accepting, &listener), E_BUSY);
    loop_run(loop);
}

/* Client. */

static void send_words(struct talk *t)
{
    for (int i = 0; i < WORDS_PER_SEND; i++) {
        uint64_t word = t->sent++;

        conn_send_copy(t->conn, slice_of(&word, sizeof(word)));
    }
}

static void on_connected(struct conn *conn, void *ctx)
{
    struct talk *t = ctx;

    t->sent = 0;
    t->returned = 0;
    send_words(t);
}

static size_t on_words(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct talk *t = ctx;
    size_t done = 0;

    while (size - done >= WORD_SIZE) {
        uint64_t word;

        memcpy(&word, at + done, sizeof(word));
        assert_int_equal(word, t->returned);
        t->returned++;
        t->total++;
        done += WORD_SIZE;
    }
    if (t->total >= t->goal)
        loop_stop(t->client_loop);
    else if (t->returned == t->sent)
        send_words(t);
    return done;
}

static void on_close(struct conn *conn, void *ctx, enum err why)
{
    struct talk *t = ctx;

    t->conn = NULL;
    t->closes++;
    t->why = why;
    loop_timer_start(t->client_loop, &t->again, loop_now_ms(t->client_loop) + 100);
}

static const struct conn_events client_events = {
    .on_data = on_words, .on_connected = on_connected, .on_close = on_close};

static void connect_again(struct loop_timer *timer)
{
    const struct net_endpoint to = {.host = "10.0.0.1", .port = 9092};
    struct talk *t = LIST_ENTRY(timer, struct talk, again);
    const struct conn_handler handler = {&client_events, t};

    assert_int_equal(conn_connect(t->client_loop, &to, &options, handler, &t->conn), E_OK);
    assert_string_equal(conn_peer(t->conn), "10.0.0.1:9092");
}

static void client_main(void *ctx, struct os *os)
{
    struct talk *t = ctx;

    assert_int_equal(loop_open(os, &t->client_loop), E_OK);
    t->again.fire = connect_again;
    connect_again(&t->again);
    loop_run(t->client_loop);
    if (t->conn != NULL)
        conn_close(t->conn);
    loop_close(t->client_loop);
}

static struct talk talk_start(uint64_t seed, uint64_t goal)
{
    struct talk t = {.world = sim_world_new(seed), .goal = goal};

    t.server = sim_node_new(t.world, "10.0.0.1");
    t.client = sim_node_new(t.world, "10.0.0.2");
    return t;
}

static void talk_run(struct talk *t)
{
    sim_node_start(t->server, server_main, NULL);
    sim_node_start(t->client, client_main, t);
}

static bool is_over(void *ctx)
{
    return !sim_node_is_up(((struct talk *)ctx)->client);
}

static void a_stream_keeps_its_order(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct talk t = talk_start(seed, 20000);

        sim_net(t.world)->segment_bytes_max = seed % 2 ? 7 : 100000;
        sim_net(t.world)->window_bytes = seed % 3 ? 256 << 10 : 1000;
        sim_net(t.world)->stall_ppm = 10000;
        talk_run(&t);
        assert_true(sim_run(t.world, is_over, &t, 600 * SIM_S));
        assert_true(t.total >= 20000);
        assert_int_equal(t.closes, 1); /* its own, at the end */
        assert_int_equal(t.why, E_CANCELLED);
        assert_int_equal(sim_node_leaked(t.client), 0);
        sim_world_free(t.world);
    }
}

static void a_crash_is_seen_and_survived(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct talk t = talk_start(seed, 50000);

        talk_run(&t);
        while (!is_over(&t)) {
            int64_t span = rng_between(sim_rng(t.world), SIM_MS, 50 * SIM_MS);

            if (sim_run(t.world, is_over, &t, span))
                break;
            if (rng_chance(sim_rng(t.world), 1, 2))
                sim_node_crash(t.server);
            else
                sim_node_kill(t.server);
            if (sim_run(t.world, is_over, &t, span))
                break;
            sim_node_start(t.server, server_main, NULL);
            sim_run(t.world, is_over, &t, 4 * SIM_S);
        }
        assert_true(t.total >= 50000);
        sim_world_free(t.world);
    }
}

static void a_cut_stops_bytes_until_healed(void **state)
{
    struct talk t = talk_start(9, UINT64_MAX);
    uint64_t before;

    talk_run(&t);
    sim_run_until(t.world, SIM_S);
    sim_net_cut(t.server, t.client); /* one way: words arrive, answers do not */
    sim_run_until(t.world, 2 * SIM_S);
    before = t.total;
    assert_true(before > 0);
    sim_run_until(t.world, 5 * SIM_S);
    assert_int_equal(t.total, before);
    sim_net_heal(t.server, t.client);
    sim_run_until(t.world, 6 * SIM_S);
    assert_true(t.total > before);
    assert_int_equal(t.closes, 0);
    sim_net_cut(t.client, t.server);
    sim_net_cut(t.server, t.client);
    sim_run_until(t.world, 60 * SIM_S); /* long enough for who has bytes to send to give up */
    sim_net_heal_all(t.world);
    sim_run_until(t.world, 61 * SIM_S);
    assert_true(t.closes >= 1);
    assert_true(t.why == E_TIMEOUT || t.why == E_CLOSED);
    before = t.total;
    sim_run_until(t.world, 70 * SIM_S);
    assert_true(t.total > before);
    sim_net_reset(t.client, t.server);
    sim_run_until(t.world, 71 * SIM_S);
    assert_int_equal(t.why, E_CLOSED);
    sim_world_free(t.world);
}

static void a_pause_delays_but_loses_nothing(void **state)
{
    struct talk t = talk_start(4, UINT64_MAX);
    uint64_t before;

    talk_run(&t);
    sim_run_until(t.world, SIM_S);
    sim_node_pause(t.server, 3 * SIM_S);
    sim_run_until(t.world, 2 * SIM_S);
    before = t.total;
    sim_run_until(t.world, 3 * SIM_S);
    assert_int_equal(t.total, before);
    sim_run_until(t.world, 5 * SIM_S);
    assert_true(t.total > before);
    assert_int_equal(t.closes, 0);
    sim_world_free(t.world);
}

static uint64_t noisy_hash(uint64_t seed)
{
    struct talk t = talk_start(seed, UINT64_MAX);
    uint64_t hash;

    sim_net(t.world)->reset_ppm = 5000;
    sim_net(t.world)->stall_ppm = 50000;
    talk_run(&t);
    sim_run_until(t.world, 3 * SIM_S);
    sim_node_crash(t.server);
    sim_run_until(t.world, 4 * SIM_S);
    sim_node_start(t.server, server_main, NULL);
    sim_run_until(t.world, 6 * SIM_S);
    assert_true(t.closes > 0);
    hash = hash_u64(sim_trace_hash(t.world), t.total);
    sim_world_free(t.world);
    return hash;
}

static void same_seed_same_talk(void **state)
{
    for (uint64_t seed = 0; seed < 5; seed++)
        assert_int_equal(noisy_hash(seed), noisy_hash(seed));
    assert_int_not_equal(noisy_hash(1), noisy_hash(2));
}

const struct CMUnitTest selftest_net[] = {cmocka_unit_test(a_stream_keeps_its_order),
                                          cmocka_unit_test(a_crash_is_seen_and_survived),
                                          cmocka_unit_test(a_cut_stops_bytes_until_healed),
                                          cmocka_unit_test(a_pause_delays_but_loses_nothing),
                                          cmocka_unit_test(same_seed_same_talk),
                                          {.name = NULL}};
