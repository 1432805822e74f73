#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "os/file.h"

static struct os_file *file_new(struct folder *f)
{
    struct os_file *file = NULL;

    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_NEW, &file), E_OK);
    return file;
}

static void assert_bytes(struct os_file *file, int64_t pos, const char *bytes)
{
    char got[100];
    size_t size = 0;

    assert_int_equal(os_file_read(file, pos, got, sizeof(got), &size), E_OK);
    assert_int_equal(size, strlen(bytes));
    assert_memory_equal(got, bytes, size);
}

static void modes_open_what_they_say(void **state)
{
    struct folder *f = *state;
    struct os_file *file = NULL;

    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_READ, &file), E_NOT_FOUND);
    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_WRITE, &file), E_NOT_FOUND);
    assert_null(file);
    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_CREATE, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, "abc", 3), E_OK);
    os_file_unref(file);
    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_NEW, &file), E_EXISTS);
    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_CREATE, &file), E_OK);
    assert_bytes(file, 0, "abc");
    os_file_unref(file);
    assert_int_equal(os_file_open(f->dir, "file", OS_FILE_READ, &file), E_OK);
    assert_bytes(file, 1, "bc");
    assert_int_not_equal(os_file_write(file, 0, "x", 1), E_OK);
    assert_true((fcntl(os_file_descriptor(file), F_GETFD) & FD_CLOEXEC) != 0);
    os_file_unref(file);
    os_file_unref(NULL);
}

static void a_folder_is_no_file_to_write(void **state)
{
    struct folder *f = *state;
    struct os_file *file = NULL;

    assert_int_equal(os_file_open(f->above, f->name, OS_FILE_WRITE, &file), E_INVAL);
    assert_int_equal(os_file_open(f->above, f->name, OS_FILE_READ, &file), E_OK);
    os_file_unref(file);
}

static void reads_stop_at_the_end(void **state)
{
    struct os_file *file = file_new(*state);
    char bytes[8];
    size_t size = 99;

    assert_int_equal(os_file_write(file, 0, "12345", 5), E_OK);
    assert_int_equal(os_file_read(file, 3, bytes, sizeof(bytes), &size), E_OK);
    assert_int_equal(size, 2);
    assert_int_equal(os_file_read(file, 5, bytes, sizeof(bytes), &size), E_OK);
    assert_int_equal(size, 0);
    assert_int_equal(os_file_read(file, -1, bytes, sizeof(bytes), &size), E_INVAL);
    os_file_will_read(file, 0, 5);
    os_file_forget(file, 0, 5);
    assert_int_equal(os_file_read(file, 0, bytes, sizeof(bytes), &size), E_OK);
    assert_int_equal(size, 5);
    os_file_unref(file);
}

static void slices_are_written_in_order(void **state)
{
    struct slice slices[OS_SLICES_MAX];
    struct os_file *file = file_new(*state);
    char expected[OS_SLICES_MAX * 3 + 1];
    char got[sizeof(expected)];
    size_t size = 0;
    int used = 0;

    for (int i = 0; i < OS_SLICES_MAX; i++) {
        used += snprintf(expected + used, sizeof(expected) - (size_t)used, "%03d", i);
        slices[i] = slice_of(expected + i * 3, 3);
    }
    slices[5].size = 0;
    assert_int_equal(os_file_write_slices(file, 10, slices, OS_SLICES_MAX), E_OK);
    memmove(expected + 15, expected + 18, (OS_SLICES_MAX - 6) * 3);
    assert_int_equal(os_file_read(file, 10, got, sizeof(got), &size), E_OK);
    assert_int_equal(size, (OS_SLICES_MAX - 1) * 3);
    assert_memory_equal(got, expected, size);
    assert_int_equal(os_file_write_slices(file, 0, slices, 0), E_OK);
    os_file_unref(file);
}

static void sizes_change(void **state)
{
    struct os_file *file = file_new(*state);
    uint8_t bytes[10];
    int64_t size = -1;
    size_t got;

    assert_int_equal(os_file_write(file, 0, "1234567890", 10), E_OK);
    assert_int_equal(os_file_zero_fill(file, 4, (3 << 20) + 7), E_OK);
    assert_int_equal(os_file_size(file, &size), E_OK);
    assert_int_equal(size, (3 << 20) + 11);
    assert_int_equal(os_file_read(file, size - 10, bytes, 10, &got), E_OK);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0\0\0", 10);
    assert_int_equal(os_file_truncate(file, 6), E_OK);
    assert_int_equal(os_file_sync(file), E_OK);
    assert_int_equal(os_file_size(file, &size), E_OK);
    assert_int_equal(size, 6);
    assert_int_equal(os_file_read(file, 0, bytes, 10, &got), E_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "1234\0\0", 6);
    assert_int_equal(os_file_truncate(file, -1), E_INVAL);
    os_file_unref(file);
}

static void a_reference_outlives_the_name(void **state)
{
    struct folder *f = *state;
    struct os_file *file = file_new(f);
    struct os_file *other = os_file_ref(file);

    assert_int_equal(os_file_write(file, 0, "still", 5), E_OK);
    os_file_unref(file);
    assert_int_equal(os_dir_remove_file(f->dir, "file"), E_OK);
    assert_bytes(other, 0, "still");
    os_file_unref(other);
}

static void a_full_device_says_so(void **state)
{
    struct folder *f = *state;
    struct os_dir *dev = NULL;
    struct os_file *full = NULL;
    struct slice slice = slice_of("xy", 2);

    assert_int_equal(os_dir_open(f->os, "/dev", false, &dev), E_OK);
    assert_int_equal(os_file_open(dev, "full", OS_FILE_WRITE, &full), E_OK);
    assert_int_equal(os_file_write(full, 0, "x", 1), E_NO_SPACE);
    assert_int_equal(os_file_write_slices(full, 0, &slice, 1), E_NO_SPACE);
    assert_int_equal(os_file_zero_fill(full, 0, 1), E_NO_SPACE);
    assert_int_equal(os_file_sync(full), E_INVAL); /* a device of this kind has none */
    os_file_unref(full);
    os_dir_close(dev);
}

static void short_writes_are_completed(void **state)
{
    struct os_file *file = file_new(*state);
    struct rlimit old;
    struct rlimit small;
    struct slice slices[2] = {slice_of("123456", 6), slice_of("789012", 6)};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    enum err one;
    enum err many;

    /* Past the limit the kernel first takes a part, then refuses: both halves are seen. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    one = os_file_write(file, 0, "123456789012", 12);
    many = os_file_write_slices(file, 0, slices, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(one, E_NO_SPACE);
    assert_int_equal(many, E_NO_SPACE);
    assert_bytes(file, 0, "1234567890");
    os_file_unref(file);
}

TESTS(test_file, folder_test(modes_open_what_they_say), folder_test(a_folder_is_no_file_to_write),
      folder_test(reads_stop_at_the_end), folder_test(slices_are_written_in_order),
      folder_test(sizes_change), folder_test(a_reference_outlives_the_name),
      folder_test(a_full_device_says_so), folder_test(short_writes_are_completed));
