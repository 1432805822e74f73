#pragma once

/*
 * One error type for the whole program. Functions that can fail return
 * `enum err`; E_OK is zero. Kafka's codes are another type, `enum wire_error`
 * in wire/error.h, and exist only at the wire.
 */

#define ERR_MAP(X)                                        \
    X(E_NOMEM, "out of memory")                           \
    X(E_INVAL, "invalid argument")                        \
    X(E_TRUNCATED, "input ends too early")                \
    X(E_TOO_BIG, "exceeds a configured limit")            \
    X(E_CORRUPT, "data is corrupt")                       \
    X(E_UNSUPPORTED, "not supported")                     \
    X(E_IO, "input/output error")                         \
    X(E_NO_SPACE, "no space left on device")              \
    X(E_NOT_FOUND, "not found")                           \
    X(E_EXISTS, "exists already")                         \
    X(E_DENIED, "permission denied")                      \
    X(E_BUSY, "in use by another process")                \
    X(E_AGAIN, "not possible right now")                  \
    X(E_CLOSED, "closed")                                 \
    X(E_BROKEN, "refused after an earlier write failure") \
    X(E_TIMEOUT, "timed out")                             \
    X(E_CANCELLED, "cancelled")                           \
    X(E_OUT_OF_RANGE, "offset out of range")              \
    X(E_DUPLICATE, "sequence was appended before")        \
    X(E_OUT_OF_ORDER, "sequence out of order")            \
    X(E_FENCED, "fenced by a newer epoch")                \
    X(E_TOO_MANY_FILES, "too many open files")            \
    X(E_NOT_LEADER, "not the leader")

enum err {
    E_OK = 0,
#define X(code, text) code,
    ERR_MAP(X)
#undef X
};

#define NODISCARD __attribute__((warn_unused_result))

/* Static text for `e`; never NULL. */
const char *err_text(enum err e);

/* Static name for `e`, such as "E_CORRUPT"; never NULL. */
const char *err_name(enum err e);
