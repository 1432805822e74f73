#include <stdio.h>

#include "admin/metrics.h"
#include "unit.h"

enum { PAGE_SIZE_MAX = 256 * 1024 };

/* docs/metrics.md is what the table prints; DLOG_TEST_UPDATE=1 writes it anew. */
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
    snprintf(path, sizeof(path), "%s/docs/metrics.md", source);
    buf_init(&page, PAGE_SIZE_MAX);
    assert_int_equal(metrics_print_reference(&page), E_OK);
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
        fail_msg("docs/metrics.md is out of date; run this test with DLOG_TEST_UPDATE=1");
    buf_release(&page);
}

static void a_full_buf_is_an_error(void **state)
{
    struct buf out;

    buf_init(&out, 1000);
    assert_int_equal(metrics_print_reference(&out), E_TOO_BIG);
    buf_release(&out);
}

TESTS(test_reference, cmocka_unit_test(the_page_is_that_of_the_table),
      cmocka_unit_test(a_full_buf_is_an_error));
