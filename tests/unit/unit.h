#pragma once

/*
 * What every unit test includes: cmocka with the headers it forgets.
 *
 * A file tests/unit/<module>/test_<file>.c ends with
 *
 *     TESTS(test_<file>, cmocka_unit_test(a_case), cmocka_unit_test(another_case));
 *
 * and its name goes into tests/unit/<module>/meson.build. Standard output belongs to TAP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TESTS(table, ...)                   \
    extern const struct CMUnitTest table[]; \
    const struct CMUnitTest table[] = {__VA_ARGS__, {.name = NULL}}

/* Run all cases of `count` tables as one group; returns the number that failed. */
static inline int unit_run(const char *module, const struct CMUnitTest *const *tables, size_t count)
{
    struct CMUnitTest *all = NULL;
    size_t size = 0;
    int failed;

    for (size_t i = 0; i < count; i++) {
        for (const struct CMUnitTest *t = tables[i]; t->name != NULL; t++) {
            all = realloc(all, (size + 1) * sizeof(*all));
            if (all == NULL)
                abort();
            all[size++] = *t;
        }
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER")); /* a pattern; NULL: all */
    failed = _cmocka_run_group_tests(module, all, size, NULL, NULL);
    free(all);
    return failed;
}
