#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "os/file.h"

static void put(struct os_dir *dir, const char *name, const char *text)
{
    struct os_file *file;

    assert_int_equal(os_file_open(dir, name, OS_FILE_NEW, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, text, strlen(text)), E_OK);
    os_file_unref(file);
}

static void assert_holds(struct os_dir *dir, const char *name, const char *text)
{
    struct buf bytes;

    buf_init(&bytes, 1000);
    assert_int_equal(os_dir_read_file(dir, name, &bytes), E_OK);
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.at, text, bytes.size);
    buf_release(&bytes);
}

static bool note(void *ctx, const char *name, bool is_dir)
{
    assert_int_equal(buf_printf(ctx, "%s%s ", name, is_dir ? "/" : ""), E_OK);
    return strcmp(name, "stop") != 0;
}

static void assert_list(struct os_dir *dir, const char *names)
{
    struct buf text;

    buf_init(&text, 1000);
    assert_int_equal(os_dir_list(dir, note, &text), E_OK);
    assert_true(slice_equal_text(buf_slice(&text), names));
    buf_release(&text);
}

static void parents_are_made(void **state)
{
    struct folder *f = *state;
    struct os_dir *dir = NULL;
    char path[100];

    snprintf(path, sizeof(path), "%s//a/b/../c/", f->name);
    assert_int_equal(os_dir_open(f->os, path, false, &dir), E_NOT_FOUND);
    assert_null(dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(os_dir_open(f->os, path, true, &dir), E_OK);
        os_dir_close(dir);
    }
    assert_list(f->dir, "a/ ");
    assert_int_equal(os_dir_open_in(f->dir, "a", false, &dir), E_OK);
    assert_list(dir, "b/ c/ ");
    os_dir_close(dir);
    os_dir_close(NULL);
    put(f->dir, "file", "x");
    snprintf(path, sizeof(path), "%s/file/a", f->name);
    assert_int_equal(os_dir_open(f->os, path, true, &dir), E_INVAL);
    assert_int_equal(os_dir_open_in(f->dir, "file", true, &dir), E_INVAL);
    assert_int_equal(os_dir_open_in(f->dir, "none", false, &dir), E_NOT_FOUND);
    assert_int_equal(os_dir_open_in(f->dir, "none/deeper", true, &dir), E_NOT_FOUND);
}

static void names_too_long_are_refused(void **state)
{
    struct folder *f = *state;
    struct os_dir *dir = NULL;
    struct os_file *file = NULL;
    char name[300];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(os_dir_open(f->os, name, true, &dir), E_INVAL);
    assert_int_equal(os_dir_open_in(f->dir, name, true, &dir), E_INVAL);
    assert_int_equal(os_file_open(f->dir, name, OS_FILE_NEW, &file), E_INVAL);
    name[253] = '\0'; /* is one, but has no room for .tmp */
    assert_int_equal(os_dir_replace_file(f->dir, name, slice_of("x", 1)), E_INVAL);
}

static void lists_are_in_name_order(void **state)
{
    struct folder *f = *state;
    struct os_dir *dir;

    assert_list(f->dir, "");
    put(f->dir, "b", "");
    put(f->dir, "a10", "");
    put(f->dir, "a2", "");
    assert_int_equal(os_dir_open_in(f->dir, "a3", true, &dir), E_OK);
    assert_int_equal(chdir(f->name), 0);
    assert_int_equal(symlink("a3", "link"), 0);
    assert_int_equal(chdir(".."), 0);
    assert_list(f->dir, "a10 a2 a3/ b link/ ");
    put(f->dir, "stop", "");
    put(f->dir, "zzz", "");
    assert_list(f->dir, "a10 a2 a3/ b link/ stop ");
    os_dir_close(dir);
}

static void renames_replace(void **state)
{
    struct folder *f = *state;
    struct os_dir *dir;

    put(f->dir, "a", "new");
    put(f->dir, "b", "old");
    assert_int_equal(os_dir_rename(f->dir, "a", "b"), E_OK);
    assert_holds(f->dir, "b", "new");
    assert_int_equal(os_dir_rename(f->dir, "a", "b"), E_NOT_FOUND);
    assert_int_equal(os_dir_open_in(f->dir, "folder", true, &dir), E_OK);
    assert_int_equal(os_dir_rename(f->dir, "folder", "moved"), E_OK);
    put(dir, "inside", "x");
    assert_int_equal(os_dir_sync(f->dir), E_OK);
    assert_list(f->dir, "b moved/ ");
    assert_int_equal(os_dir_rename(f->dir, "b", "moved"), E_INVAL);
    os_dir_close(dir);
}

static void removing_a_tree_stays_in_it(void **state)
{
    struct folder *f = *state;
    struct os_dir *tree;
    struct os_dir *inner;
    struct os_dir *keep;

    assert_int_equal(os_dir_open_in(f->dir, "keep", true, &keep), E_OK);
    put(keep, "me", "here");
    assert_int_equal(os_dir_open_in(f->dir, "tree", true, &tree), E_OK);
    put(tree, "file", "x");
    assert_int_equal(os_dir_open_in(tree, "inner", true, &inner), E_OK);
    put(inner, "file", "x");
    assert_int_equal(chdir(f->name), 0);
    assert_int_equal(symlink("../keep", "tree/link"), 0);
    assert_int_equal(chdir(".."), 0);
    os_dir_close(inner);
    os_dir_close(tree);
    assert_int_equal(os_dir_remove_file(f->dir, "tree"), E_INVAL);
    assert_int_equal(os_dir_remove_tree(f->dir, "tree"), E_OK);
    assert_int_equal(os_dir_remove_tree(f->dir, "tree"), E_NOT_FOUND);
    assert_holds(keep, "me", "here");
    assert_int_equal(os_dir_remove_tree(keep, "me"), E_INVAL);
    assert_int_equal(os_dir_remove_file(keep, "me"), E_OK);
    assert_int_equal(os_dir_remove_file(keep, "me"), E_NOT_FOUND);
    os_dir_close(keep);
}

static void a_tree_too_deep_is_refused(void **state)
{
    enum { DEPTH = 66 };
    struct folder *f = *state;
    struct os_dir *dirs[DEPTH];
    struct os_dir *at = f->dir;

    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(os_dir_open_in(at, "d", true, &dirs[i]), E_OK);
        at = dirs[i];
    }
    assert_int_equal(os_dir_remove_tree(f->dir, "d"), E_TOO_BIG);
    for (int i = DEPTH - 1; i > 0; i--) { /* what is left is no deeper than the limit */
        os_dir_close(dirs[i]);
        assert_int_equal(os_dir_remove_tree(dirs[i - 1], "d"), E_OK);
    }
    os_dir_close(dirs[0]);
}

static void whole_files_are_read_up_to_a_limit(void **state)
{
    struct folder *f = *state;
    struct buf bytes;

    put(f->dir, "ten", "1234567890");
    buf_init(&bytes, 12);
    assert_int_equal(buf_append(&bytes, "ab", 2), E_OK);
    assert_int_equal(os_dir_read_file(f->dir, "ten", &bytes), E_OK);
    assert_true(slice_equal_text(buf_slice(&bytes), "ab1234567890"));
    assert_int_equal(os_dir_read_file(f->dir, "ten", &bytes), E_TOO_BIG);
    assert_int_equal(bytes.size, 12);
    bytes.size = 3;
    assert_int_equal(os_dir_read_file(f->dir, "ten", &bytes), E_TOO_BIG);
    assert_int_equal(bytes.size, 3);
    assert_int_equal(os_dir_read_file(f->dir, "none", &bytes), E_NOT_FOUND);
    buf_release(&bytes);
}

static void a_large_file_is_read_whole(void **state)
{
    struct folder *f = *state;
    struct os_file *file;
    struct buf bytes;

    assert_int_equal(os_file_open(f->dir, "large", OS_FILE_NEW, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, "<", 1), E_OK);
    assert_int_equal(os_file_write(file, 200000, ">", 1), E_OK);
    os_file_unref(file);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(os_dir_read_file(f->dir, "large", &bytes), E_OK);
    assert_int_equal(bytes.size, 200001);
    assert_int_equal(bytes.at[0], '<');
    assert_int_equal(bytes.at[200000], '>');
    buf_release(&bytes);
}

static void replacing_leaves_no_trace(void **state)
{
    struct folder *f = *state;

    assert_int_equal(os_dir_replace_file(f->dir, "meta", slice_of("one", 3)), E_OK);
    assert_holds(f->dir, "meta", "one");
    put(f->dir, "meta.tmp", "left by a crash, and longer");
    assert_int_equal(os_dir_replace_file(f->dir, "meta", slice_of("two", 3)), E_OK);
    assert_holds(f->dir, "meta", "two");
    assert_list(f->dir, "meta ");
}

static void replacing_a_folder_fails_clean(void **state)
{
    struct folder *f = *state;
    struct os_dir *dir;

    assert_int_equal(os_dir_open_in(f->dir, "meta", true, &dir), E_OK);
    assert_int_equal(os_dir_replace_file(f->dir, "meta", slice_of("x", 1)), E_INVAL);
    assert_list(f->dir, "meta/ ");
    os_dir_close(dir);
}

static void a_lock_has_one_holder(void **state)
{
    struct folder *f = *state;
    struct os_lock *lock = NULL;
    struct os_lock *other = NULL;

    assert_false(os_dir_is_locked(f->dir, ".lock")); /* and creates none */
    assert_int_equal(os_dir_remove_file(f->dir, ".lock"), E_NOT_FOUND);
    assert_int_equal(os_dir_lock(f->dir, ".lock", &lock), E_OK);
    assert_true(os_dir_is_locked(f->dir, ".lock"));
    assert_int_equal(os_dir_lock(f->dir, ".lock", &other), E_BUSY);
    assert_null(other);
    os_lock_release(lock);
    assert_false(os_dir_is_locked(f->dir, ".lock"));
    assert_int_equal(os_dir_lock(f->dir, ".lock", &other), E_OK);
    os_lock_release(other);
    os_lock_release(NULL);
    assert_int_equal(os_dir_lock(f->above, f->name, &lock), E_INVAL);
}

static void usage_is_told(void **state)
{
    struct folder *f = *state;
    struct os_disk_usage usage = {0};

    assert_int_equal(os_dir_usage(f->dir, &usage), E_OK);
    assert_true(usage.size_bytes > 0);
    assert_true(usage.free_bytes >= 0 && usage.free_bytes <= usage.size_bytes);
}

TESTS(test_dir, folder_test(parents_are_made), folder_test(names_too_long_are_refused),
      folder_test(lists_are_in_name_order), folder_test(renames_replace),
      folder_test(removing_a_tree_stays_in_it), folder_test(a_tree_too_deep_is_refused),
      folder_test(whole_files_are_read_up_to_a_limit), folder_test(a_large_file_is_read_whole),
      folder_test(replacing_leaves_no_trace), folder_test(replacing_a_folder_fails_clean),
      folder_test(a_lock_has_one_holder), folder_test(usage_is_told));
