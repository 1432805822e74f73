#include "base/mem.h"
#include "config/config.h"
#include "config/topic.h"
#include "unit.h"

/*
 * The n-th allocation fails, for n = 1, 2, ... until the work passes untouched. Afterwards
 * nothing is half done and nothing leaks. The linker sends every mem_ call here (--wrap).
 */
void *__real_mem_alloc(size_t size);
void *__real_mem_alloc_zero(size_t size);
void *__real_mem_realloc(void *old, size_t size);
void __real_mem_free(void *p);
void *__wrap_mem_alloc(size_t size);
void *__wrap_mem_alloc_zero(size_t size);
void *__wrap_mem_realloc(void *old, size_t size);
void __wrap_mem_free(void *p);

static size_t fail_at; /* 0: never */
static size_t calls;
static size_t alive;

static bool fails(void)
{
    return ++calls == fail_at;
}

static void *count(void *p)
{
    alive += p != NULL;
    return p;
}

void *__wrap_mem_alloc(size_t size)
{
    return fails() ? NULL : count(__real_mem_alloc(size));
}

void *__wrap_mem_alloc_zero(size_t size)
{
    return fails() ? NULL : count(__real_mem_alloc_zero(size));
}

void *__wrap_mem_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    alive -= old != NULL;
    return count(__real_mem_realloc(old, size));
}

void __wrap_mem_free(void *p)
{
    alive -= p != NULL;
    __real_mem_free(p);
}

/* `work` returns false when an allocation failed. It has released everything either way. */
static void fail_each(bool (*work)(void))
{
    size_t before = alive;
    bool done = false;

    for (fail_at = 1; !done; fail_at++) {
        calls = 0;
        done = work();
        assert_int_equal(alive, before);
        if (!done)
            assert_true(calls >= fail_at);
        assert_true(fail_at < 1000);
    }
    fail_at = 0;
}

static bool use_config(void)
{
    struct config *c = config_new();
    struct config_topic *t = config_topic_new();
    struct report r = {0};
    enum err e = E_NOMEM;

    if (c != NULL && t != NULL) {
        e = config_parse_properties(
            c, slice_of_text("shards=2\nnum.io.threads=1\nshards=3\nbroker.rack=x"), "f", &r);
        assert_true(config_i64(c, CONFIG_SHARDS) <= 3);
        assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 1 << 30);
    }
    if (e == E_OK)
        e = config_topic_set(t, slice_of_text("retention.ms"), slice_of_text("5"), &r);
    assert_true(e == E_OK || e == E_NOMEM);
    config_topic_free(t);
    config_free(c);
    return e == E_OK;
}

static void each_allocation_may_fail(void **state)
{
    fail_each(use_config);
}

TESTS(test_fail, cmocka_unit_test(each_allocation_may_fail));
