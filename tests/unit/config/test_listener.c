#include "config/listener.h"

#include "unit.h"

static void check(const char *text, const char *name, const char *host, uint16_t port)
{
    struct config_listener l;
    struct report r = {0};

    if (config_listener_parse(slice_of_text(text), &l, &r) != E_OK)
        fail_msg("%s", r.text);
    assert_string_equal(l.name, name);
    assert_string_equal(l.host, host);
    assert_int_equal(l.port, port);
}

static void addresses_are_read(void **state)
{
    check("PLAINTEXT://127.0.0.1:9092", "PLAINTEXT", "127.0.0.1", 9092);
    check(" PLAINTEXT://[::1]:9092 ", "PLAINTEXT", "::1", 9092);
    check("PLAINTEXT://:0", "PLAINTEXT", "", 0);
    check("a-b_C.1://host.example-1:65535", "a-b_C.1", "host.example-1", 65535);
    check("[fe80::1%25]:1", "", "fe80::1%25", 1);
    check("localhost:9644", "", "localhost", 9644);
}

static void nonsense_is_refused(void **state)
{
    static const char *const BAD[] = {
        "",          "x",           ":",        "x:",          "x:-1",      "x:65536", "://x:1",
        "A B://x:1", "x y:1",       "::1:9092", "[::1]",       "[::1:9092", "[]:9092", "[x]:1",
        "x:1x",      "A://B://x:1", "A:/x:1",   "[::1]x:9092", "x]:9092"};
    struct config_listener l;
    struct report r;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        r = (struct report){0};
        assert_int_equal(config_listener_parse(slice_of_text(BAD[i]), &l, &r), E_INVAL);
        assert_true(strlen(r.text) > 0);
    }
}

static void lists_are_bounded_and_without_doubles(void **state)
{
    struct config_listener l[CONFIG_LISTENERS_MAX];
    char text[CONFIG_LISTENERS_MAX * 8 + 16] = "";
    size_t count = 99;

    assert_int_equal(config_listeners_parse(NULL, l, &count, NULL), E_OK);
    assert_int_equal(count, 0);
    assert_int_equal(config_listeners_parse("A://x:1, A://y:1,", l, &count, NULL), E_OK);
    assert_int_equal(count, 2);
    assert_int_equal(config_listeners_parse("A://x:1,A://x:1", l, &count, NULL), E_INVAL);
    assert_int_equal(config_listeners_parse("A://x:1,junk", l, &count, NULL), E_INVAL);
    for (size_t i = 0; i < CONFIG_LISTENERS_MAX + 1; i++) {
        const char item[] = {'h', ':', (char)('1' + i / 10), (char)('0' + i % 10), ','};

        memcpy(text + i * sizeof(item), item, sizeof(item));
    }
    assert_int_equal(config_listeners_parse(text, l, &count, NULL), E_TOO_BIG);
}

TESTS(test_listener, cmocka_unit_test(addresses_are_read), cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(lists_are_bounded_and_without_doubles));
