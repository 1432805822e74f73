#include "config/reference.h"

#include <stdio.h>

#include "config/table.h"
#include "unit.h"

enum { PAGE_SIZE_MAX = 256 * 1024 };

/* docs/configuration.md is what the table prints; DLOG_TEST_UPDATE=1 writes it anew. */
static void the_page_is_that_of_the_table(void **state)
{
    const char *source = getenv("DLOG_TEST_SOURCE");
    static char found[PAGE_SIZE_MAX];
    char path[1000];
    struct buf page;
    size_t size;
    FILE *file;

    if (source == NULL)
        skip();
    snprintf(path, sizeof(path), "%s/docs/configuration.md", source);
    buf_init(&page, PAGE_SIZE_MAX);
    assert_int_equal(config_print_reference(&page), E_OK);
    if (getenv("DLOG_TEST_UPDATE") != NULL) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(page.at, 1, page.size, file), page.size);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(found, 1, sizeof(found), file);
    fclose(file);
    if (!slice_equal(buf_slice(&page), slice_of(found, size)))
        fail_msg("docs/configuration.md is out of date; run this test with DLOG_TEST_UPDATE=1");
    buf_release(&page);
}

static void help_names_every_setting(void **state)
{
    struct buf out;

    buf_init(&out, PAGE_SIZE_MAX);
    assert_int_equal(config_print_help(&out), E_OK);
    assert_int_equal(buf_append(&out, "", 1), E_OK);
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST; id++)
        assert_non_null(strstr((char *)out.at, config_entry(id).name));
    buf_release(&out);
}

static void a_full_buf_is_an_error(void **state)
{
    struct buf out;
    size_t size;

    buf_init(&out, PAGE_SIZE_MAX);
    assert_int_equal(config_print_reference(&out), E_OK);
    size = out.size;
    buf_release(&out);
    for (size_t max = 0; max < size; max += 97) {
        buf_init(&out, max);
        assert_int_equal(config_print_reference(&out), E_TOO_BIG);
        buf_release(&out);
    }
}

TESTS(test_reference, cmocka_unit_test(the_page_is_that_of_the_table),
      cmocka_unit_test(help_names_every_setting), cmocka_unit_test(a_full_buf_is_an_error));
