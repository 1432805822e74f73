#include "http/request.h"

#include <stdio.h>

#include "unit.h"

struct refusal {
    const char *text;
    int status; /* 0: accepted */
};

static const struct refusal CASES[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET http://a:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: [::1]:9644\r\nContent-Length: 65536\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nhOST: a\r\nX:\t b c \t\r\n\r\n", 0},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET /\r\nHost: a\r\n\r\n", 400},
    {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nX\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: coffee\r\n\r\n", 417},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
};

static void accepts_and_refuses(void **state)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct http_request r;
        size_t size = 0;
        enum http_status status = 0;
        enum http_parsed parsed =
            http_request_parse(slice_of_text(CASES[i].text), &r, &size, &status);

        if (parsed != (CASES[i].status == 0 ? HTTP_PARSED_DONE : HTTP_PARSED_BAD) ||
            (int)status != CASES[i].status)
            fail_msg("case %zu: %d %d: %s", i, (int)parsed, (int)status, CASES[i].text);
        if (parsed == HTTP_PARSED_DONE)
            assert_int_equal(size, strlen(CASES[i].text));
    }
}

static struct http_request parsed(const char *text)
{
    struct http_request r;
    size_t size;
    enum http_status status;

    assert_int_equal(http_request_parse(slice_of_text(text), &r, &size, &status), HTTP_PARSED_DONE);
    return r;
}

static void reads_its_parts(void **state)
{
    struct http_request r =
        parsed("POST http://h:1/a/b?c=d?e HTTP/1.1\r\nHost: h\r\n"
               "Content-Length: 10\r\nX-Y:  z \r\nExpect: 100-Continue\r\n\r\n");

    assert_true(slice_equal_text(r.method, "POST"));
    assert_true(slice_equal_text(r.path, "/a/b"));
    assert_true(slice_equal_text(r.query, "c=d?e"));
    assert_int_equal(r.body_size, 10);
    assert_true(r.is_1_1 && r.is_kept_alive && r.wants_continue && !r.is_head);
    assert_true(slice_equal_text(http_request_field(&r, "x-y"), "z"));
    assert_null(http_request_field(&r, "x").at);
    assert_null(parsed("GET / HTTP/1.0\r\n\r\n").query.at);
}

static void knows_when_to_close(void **state)
{
    assert_true(parsed("GET / HTTP/1.1\r\nHost:a\r\n\r\n").is_kept_alive);
    assert_false(parsed("GET / HTTP/1.1\r\nHost:a\r\nConnection: x, Close\r\n\r\n").is_kept_alive);
    assert_false(parsed("GET / HTTP/1.0\r\n\r\n").is_kept_alive);
    assert_true(parsed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").is_kept_alive);
}

static void waits_for_the_whole_head(void **state)
{
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http_request r;
    size_t size;
    enum http_status status;

    for (size_t i = 0; i < strlen(text); i++)
        assert_int_equal(http_request_parse(slice_of(text, i), &r, &size, &status),
                         HTTP_PARSED_MORE);
}

static void bounds_the_head(void **state)
{
    static char text[HTTP_HEAD_MAX + 100];
    struct http_request r;
    size_t size, at;
    enum http_status status;

    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    assert_int_equal(http_request_parse(slice_of(text, sizeof(text)), &r, &size, &status),
                     HTTP_PARSED_BAD);
    assert_int_equal(status, HTTP_URI_TOO_LONG);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(http_request_parse(slice_of(text, sizeof(text)), &r, &size, &status),
                     HTTP_PARSED_BAD);
    assert_int_equal(status, HTTP_HEAD_TOO_LARGE);

    at = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "X: y\r\n");
    at += (size_t)snprintf(text + at, sizeof(text) - at, "\r\n");
    assert_int_equal(http_request_parse(slice_of(text, at), &r, &size, &status), HTTP_PARSED_BAD);
    assert_int_equal(status, HTTP_HEAD_TOO_LARGE);
}

TESTS(test_request, cmocka_unit_test(accepts_and_refuses), cmocka_unit_test(reads_its_parts),
      cmocka_unit_test(knows_when_to_close), cmocka_unit_test(waits_for_the_whole_head),
      cmocka_unit_test(bounds_the_head));
