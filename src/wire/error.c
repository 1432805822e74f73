#include "wire/error.h"

const char *wire_error_name(int16_t code)
{
    switch (code) {
#define X(name, code, text) \
    case code:              \
        return #name;
        WIRE_ERROR_MAP(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

const char *wire_error_text(int16_t code)
{
    switch (code) {
#define X(name, code, text) \
    case code:              \
        return text;
        WIRE_ERROR_MAP(X)
#undef X
    default:
        return "an error code that this build does not know";
    }
}

enum wire_error wire_error_of(enum err e)
{
    switch (e) {
    case E_OK:
        return WIRE_ERROR_NONE;
    case E_NOMEM:
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    case E_INVAL:
    case E_TRUNCATED:
        return WIRE_ERROR_INVALID_REQUEST;
    case E_TOO_BIG:
        return WIRE_ERROR_MESSAGE_TOO_LARGE;
    case E_CORRUPT:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    case E_UNSUPPORTED:
        return WIRE_ERROR_UNSUPPORTED_VERSION;
    case E_IO:
    case E_NO_SPACE: /* retriable: space may come back */
    case E_BUSY:
    case E_BROKEN:
    case E_TOO_MANY_FILES:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    case E_NOT_FOUND:
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case E_EXISTS:
        return WIRE_ERROR_TOPIC_ALREADY_EXISTS;
    case E_DENIED:
        return WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    case E_AGAIN:
    case E_TIMEOUT:
    case E_CANCELLED:
        return WIRE_ERROR_REQUEST_TIMED_OUT;
    case E_CLOSED: /* going away: makes clients look for the leader again */
    case E_NOT_LEADER:
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    case E_OUT_OF_RANGE:
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    case E_DUPLICATE:
        return WIRE_ERROR_DUPLICATE_SEQUENCE_NUMBER;
    case E_OUT_OF_ORDER:
        return WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case E_FENCED:
        return WIRE_ERROR_INVALID_PRODUCER_EPOCH;
    }
    return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
}
