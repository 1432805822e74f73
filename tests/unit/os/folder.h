#pragma once

#include "os/dir.h"
#include "os/os.h"
#include "unit.h"

/* A fresh folder under the working folder, which is the build folder; gone after the test. */
struct folder {
    struct os *os;
    struct os_dir *above;
    struct os_dir *dir;
    char name[64];
};

int folder_open(void **state);
int folder_close(void **state);

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_open, folder_close)
