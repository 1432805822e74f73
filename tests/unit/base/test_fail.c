#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
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

static bool grow_buf(void)
{
    struct buf b;
    size_t size = 0;
    enum err e = E_OK;

    buf_init(&b, 100000);
    while (size < 5000 && e == E_OK) {
        e = buf_append(&b, "0123456789", 10);
        if (e == E_OK)
            size += 10;
        assert_int_equal(b.size, size);
    }
    if (e == E_OK) {
        e = buf_printf(&b, "%3000d", 1);
        size += e == E_OK ? 3000 : 0;
    }
    for (size_t i = 0; i < size && i < 5000; i++)
        assert_int_equal(b.at[i], '0' + i % 10);
    assert_int_equal(b.size, size);
    assert_true(e == E_OK || e == E_NOMEM);
    buf_shrink(&b, 0); /* may fail, and then nothing happens */
    assert_int_equal(b.size, size);
    buf_release(&b);
    return e == E_OK;
}

static bool grow_vec(void)
{
    struct vec v;
    enum err e = E_OK;
    size_t count_before = 0;

    vec_init(&v, sizeof(size_t), 1000);
    for (size_t i = 0; i < 200 && e == E_OK; i++) {
        count_before = v.count;
        e = vec_push(&v, &i);
    }
    if (e != E_OK)
        assert_int_equal(v.count, count_before);
    for (size_t i = 0; i < v.count; i++)
        assert_int_equal(*(size_t *)vec_at(&v, i), i);
    vec_release(&v);
    return e == E_OK;
}

static bool grow_arena(void)
{
    struct arena a;
    bool ok = true;

    arena_init(&a, 100000);
    for (int i = 0; i < 50 && ok; i++) {
        size_t total = a.total;

        ok = arena_alloc(&a, 300) != NULL && arena_copy(&a, slice_of("abc", 3)).at != NULL;
        assert_true(ok || a.total == total);
    }
    arena_release(&a);
    return ok;
}

static bool grow_map_u64(void)
{
    struct map_u64 m;
    enum err e = E_OK;
    uint64_t key = 0;

    map_u64_init(&m, 1);
    for (; key < 100 && e == E_OK; key++)
        e = map_u64_put(&m, key, &m);
    assert_int_equal(m.count, e == E_OK ? 100 : key - 1);
    for (uint64_t k = 0; k < 100; k++)
        assert_int_equal(map_u64_find(&m, k) != NULL, k < m.count);
    map_u64_release(&m);
    return e == E_OK;
}

static bool grow_map_slice(void)
{
    struct map_slice m;
    enum err e = E_OK;
    uint64_t key = 0;

    map_slice_init(&m, 1);
    for (; key < 50 && e == E_OK; key++) {
        e = map_slice_put(&m, slice_of(&key, sizeof(key)), &m);
        if (e == E_OK) /* replacing needs no memory */
            assert_int_equal(map_slice_put(&m, slice_of(&key, sizeof(key)), &e), E_OK);
    }
    assert_int_equal(m.count, e == E_OK ? 50 : key - 1);
    for (uint64_t k = 0; k < 50; k++)
        assert_int_equal(map_slice_find(&m, slice_of(&k, sizeof(k))) != NULL, k < m.count);
    map_slice_release(&m);
    return e == E_OK;
}

static void each_allocation_may_fail(void **state)
{
    fail_each(grow_buf);
    fail_each(grow_vec);
    fail_each(grow_arena);
    fail_each(grow_map_u64);
    fail_each(grow_map_slice);
}

TESTS(test_fail, cmocka_unit_test(each_allocation_may_fail));
