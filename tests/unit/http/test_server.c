#include "http/server.h"

#include "net/rig.h"

struct site {
    struct rig *rig;
    struct http_server *server;
    struct http_reply *kept[4];
    size_t kept_count;
    struct slice body;
};

static void hello(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    http_reply_send_text(reply, HTTP_OK, "hello");
}

static void keep(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct site *site = ctx;

    site->kept[site->kept_count++] = reply;
}

static void post(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct buf body;

    buf_init(&body, 1 << 20);
    assert_int_equal(buf_append(&body, request->body.at, request->body.size), E_OK);
    http_reply_send(reply, HTTP_OK, "application/octet-stream", &body);
    assert_null(body.at);
}

static const struct http_route ROUTES[] = {{"GET", "/hello", hello},
                                           {"GET", "/later", keep},
                                           {"POST", "/post", post},
                                           {"GET", "/post", hello},
                                           {"GET", "/all/*", hello}};

static int site_setup(void **state)
{
    struct net_endpoint at = {.host = "127.0.0.1"};
    struct site *site = mem_must_alloc(sizeof(*site));
    struct http_options options = {.routes = ROUTES,
                                   .route_count = sizeof(ROUTES) / sizeof(ROUTES[0]),
                                   .ctx = site,
                                   .connections_max = 3};
    void *rig;

    rig_setup(&rig);
    site->rig = rig;
    assert_int_equal(http_server_open(site->rig->loop, &at, &options, &site->server), E_OK);
    *state = site;
    return 0;
}

static int site_teardown(void **state)
{
    struct site *site = *state;
    void *rig = site->rig;

    http_server_close(site->server);
    rig_teardown(&rig);
    mem_free(site);
    return 0;
}

static int dial(struct site *site)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(site->server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    rig_turns(site->rig, 3);
    return fd;
}

static void expect_text(struct site *site, int fd, const char *text)
{
    char got[4096] = "";

    assert_true(strlen(text) < sizeof(got));
    rig_hear(site->rig, fd, got, strlen(text));
    assert_string_equal(got, text);
}

#define HELLO                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n" \
    "Cache-Control: no-store\r\n"

static void say_text(int fd, const char *text)
{
    rig_say(fd, text, strlen(text));
}

static void answers_in_order_on_one_connection(void **state)
{
    struct site *site = *state;
    int fd = dial(site);

    say_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /all/x HTTP/1.1\r\nHost: a\r\n\r\n"
                 "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                 "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect_text(site, fd, HELLO "\r\nhello" HELLO "\r\n");
    RIG_UNTIL(site->rig, site->kept_count == 1);
    rig_turns(site->rig, 5);
    assert_int_equal(site->kept_count, 1); /* the second waits for the answer to the first */
    http_reply_send_text(site->kept[0], HTTP_OK, "hello");
    RIG_UNTIL(site->rig, site->kept_count == 2);
    http_reply_begin(site->kept[1], HTTP_OK, "text/event-stream");
    http_reply_write(site->kept[1], slice_of_text("0123456789abcdef!"));
    expect_text(site, fd,
                HELLO "\r\nhelloHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Transfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n"
                      "11\r\n0123456789abcdef!\r\n");
    http_reply_end(site->kept[1]);
    expect_text(site, fd, "0\r\n\r\n" HELLO "Connection: close\r\n\r\nhello");
    rig_hear_end(site->rig, fd);
    close(fd);
}

static void takes_bodies(void **state)
{
    struct site *site = *state;
    int fd = dial(site);
    char body[5000];

    memset(body, 'b', sizeof(body));
    say_text(fd, "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n"
                 "Expect: 100-continue\r\n\r\n");
    expect_text(site, fd, "HTTP/1.1 100 Continue\r\n\r\n");
    rig_say(fd, body, 3000);
    rig_turns(site->rig, 3);
    rig_say(fd, body, 2000);
    expect_text(site, fd,
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                "Content-Length: 5000\r\nCache-Control: no-store\r\n\r\n");
    rig_hear(site->rig, fd, body, 5000);
    assert_int_equal(body[4999], 'b');
    close(fd);
}

static void refuses_with_the_right_status(void **state)
{
    static const char *const CASES[][2] = {
        {"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
        {"PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n"},
        {"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxxx",
         "HTTP/1.1 413 Content Too Large\r\n"},
        {"\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"}};
    struct site *site = *state;

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int fd = dial(site);

        say_text(fd, CASES[i][0]);
        expect_text(site, fd, CASES[i][1]);
        close(fd);
        rig_turns(site->rig, 5);
    }
}

static void names_what_is_allowed(void **state)
{
    struct site *site = *state;
    int fd = dial(site);

    say_text(fd, "DELETE /post HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(site, fd,
                "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Length: 18\r\nAllow: POST, GET, HEAD\r\n");
    close(fd);
}

static void a_late_answer_to_nobody_is_dropped(void **state)
{
    struct site *site = *state;
    struct linger now = {.l_onoff = 1};
    int fd = dial(site);

    say_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(site->rig, site->kept_count == 1);
    assert_true(http_reply_is_open(site->kept[0]));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    RIG_UNTIL(site->rig, !http_reply_is_open(site->kept[0]));
    http_reply_send_text(site->kept[0], HTTP_OK, "hello");
}

static void closing_the_server_outlives_a_pending_reply(void **state)
{
    struct site *site = *state;
    int fd = dial(site);

    say_text(fd, "GET /later HTTP/1.0\r\n\r\n");
    RIG_UNTIL(site->rig, site->kept_count == 1);
    http_server_close(site->server);
    site->server = NULL;
    rig_turns(site->rig, 2);
    assert_false(http_reply_is_open(site->kept[0]));
    http_reply_begin(site->kept[0], HTTP_OK, "text/plain");
    http_reply_write(site->kept[0], slice_of_text("x"));
    assert_int_equal(http_reply_queued_bytes(site->kept[0]), 0);
    http_reply_end(site->kept[0]);
    close(fd);
}

static void bounds_its_connections(void **state)
{
    struct site *site = *state;
    int fds[4];

    for (int i = 0; i < 4; i++)
        fds[i] = dial(site);
    rig_hear_end(site->rig, fds[3]);
    say_text(fds[2], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(site, fds[2], HELLO);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

#define SITE_TEST(name) cmocka_unit_test_setup_teardown(name, site_setup, site_teardown)

TESTS(test_server, SITE_TEST(answers_in_order_on_one_connection), SITE_TEST(takes_bodies),
      SITE_TEST(refuses_with_the_right_status), SITE_TEST(names_what_is_allowed),
      SITE_TEST(a_late_answer_to_nobody_is_dropped),
      SITE_TEST(closing_the_server_outlives_a_pending_reply), SITE_TEST(bounds_its_connections));
