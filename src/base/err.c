#include "base/err.h"

const char *err_text(enum err e)
{
    switch (e) {
    case E_OK:
        return "success";
#define X(code, text) \
    case code:        \
        return text;
        ERR_MAP(X)
#undef X
    }
    return "unknown error";
}

const char *err_name(enum err e)
{
    switch (e) {
    case E_OK:
        return "E_OK";
#define X(code, text) \
    case code:        \
        return #code;
        ERR_MAP(X)
#undef X
    }
    return "E_UNKNOWN";
}
