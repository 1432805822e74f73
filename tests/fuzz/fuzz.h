#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a fuzzer calls. A finding is an abort or a sanitizer's report; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Stop here: the program under test broke a promise. */
#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)
