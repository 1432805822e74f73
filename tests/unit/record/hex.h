#pragma once

#include "unit.h"

#include "base/buf.h"

/* Append the bytes that `hex` spells; spaces are skipped. */
static inline void hex_append(struct buf *b, const char *hex)
{
    while (*hex != 0) {
        char two[3] = {0};
        uint8_t byte;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        two[0] = hex[0];
        two[1] = hex[1];
        byte = (uint8_t)strtoul(two, NULL, 16);
        assert_int_equal(buf_append(b, &byte, 1), E_OK);
        hex += 2;
    }
}
