#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli), as in iSCSI, record batches and messages (RFC 3720, appendix B.4).
 * The bytes "123456789" give 0xe3069283; no bytes give 0.
 *
 *     crc32c_of("ab", 2) == crc32c_add(crc32c_of("a", 1), "b", 1)
 */
uint32_t crc32c_of(const void *bytes, size_t size);

/* The CRC of everything that gave `crc` followed by these bytes; start from 0. */
uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t size);
