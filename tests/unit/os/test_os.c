#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "folder.h"
#include "os/errno.h"
#include "os/file.h"

static void clocks_move_on(void **state)
{
    struct os *os;
    int64_t ns;

    assert_int_equal(os_open(&os), E_OK);
    ns = os_mono_ns(os);
    assert_true(os_mono_ns(os) >= ns);
    assert_true(os_mono_ms(os) >= ns / 1000000);
    assert_true(os_wall_ms(os) > 1700000000000);
    os_close(os);
    os_close(NULL);
}

static void random_bytes_differ(void **state)
{
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};
    struct os *os;

    assert_int_equal(os_open(&os), E_OK);
    os_random(os, a, sizeof(a));
    os_random(os, b, sizeof(b));
    os_random(os, b, 0);
    assert_memory_not_equal(a, b, sizeof(a));
    os_close(os);
}

static void errno_has_one_meaning(void **state)
{
    assert_int_equal(os_err_from_errno(ENOENT), E_NOT_FOUND);
    assert_int_equal(os_err_from_errno(EEXIST), E_EXISTS);
    assert_int_equal(os_err_from_errno(EROFS), E_DENIED);
    assert_int_equal(os_err_from_errno(EDQUOT), E_NO_SPACE);
    assert_int_equal(os_err_from_errno(ENFILE), E_TOO_MANY_FILES);
    assert_int_equal(os_err_from_errno(ENOMEM), E_NOMEM);
    assert_int_equal(os_err_from_errno(EAGAIN), E_AGAIN);
    assert_int_equal(os_err_from_errno(EADDRINUSE), E_BUSY);
    assert_int_equal(os_err_from_errno(ECONNRESET), E_CLOSED);
    assert_int_equal(os_err_from_errno(ETIMEDOUT), E_TIMEOUT);
    assert_int_equal(os_err_from_errno(ELOOP), E_INVAL);
    assert_int_equal(os_err_from_errno(EIO), E_IO);
    assert_int_equal(os_err_from_errno(12345), E_IO);
}

static void descriptors_run_out(void **state)
{
    struct folder *f = *state;
    struct rlimit old;
    struct rlimit none;
    struct os_file *file = NULL;
    struct os_dir *dir = NULL;
    struct os_lock *lock = NULL;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(os_file_open(f->dir, "x", OS_FILE_NEW, &file), E_TOO_MANY_FILES);
    assert_int_equal(os_dir_open(f->os, ".", false, &dir), E_TOO_MANY_FILES);
    assert_int_equal(os_dir_open(f->os, "./a/b", true, &dir), E_TOO_MANY_FILES);
    assert_int_equal(os_dir_lock(f->dir, "x", &lock), E_TOO_MANY_FILES);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_null(file);
    assert_null(dir);
    assert_null(lock);
}

int folder_open(void **state)
{
    struct folder *f = test_calloc(1, sizeof(*f));
    uint8_t id[8];
    int used;

    assert_int_equal(os_open(&f->os), E_OK);
    os_random(f->os, id, sizeof(id));
    used = snprintf(f->name, sizeof(f->name), "unit-os.");
    for (size_t i = 0; i < sizeof(id); i++)
        used += snprintf(f->name + used, sizeof(f->name) - (size_t)used, "%02x", id[i]);
    assert_int_equal(os_dir_open(f->os, ".", false, &f->above), E_OK);
    assert_int_equal(os_dir_open_in(f->above, f->name, true, &f->dir), E_OK);
    *state = f;
    return 0;
}

int folder_close(void **state)
{
    struct folder *f = *state;

    os_dir_close(f->dir);
    assert_int_equal(os_dir_remove_tree(f->above, f->name), E_OK);
    os_dir_close(f->above);
    os_close(f->os);
    test_free(f);
    return 0;
}

TESTS(test_os, cmocka_unit_test(clocks_move_on), cmocka_unit_test(random_bytes_differ),
      cmocka_unit_test(errno_has_one_meaning), folder_test(descriptors_run_out));
