#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "embed/embed_priv.h"

enum { TRACE_LINE_MAX = 1200 };

static const char *const TEXTS[] = {
    [DLOG_OK] = "no error",
    [DLOG_E_NOMEM] = "out of memory",
    [DLOG_E_INVAL] = "invalid argument",
    [DLOG_E_NOT_FOUND] = "there is no such log or directory",
    [DLOG_E_EXISTS] = "the log exists already",
    [DLOG_E_BUSY] = "open already, in this process or another",
    [DLOG_E_DENIED] = "permission denied",
    [DLOG_E_IO] = "input/output error",
    [DLOG_E_NO_SPACE] = "no space left on the disk",
    [DLOG_E_CORRUPT] = "data on the disk is damaged",
    [DLOG_E_UNSUPPORTED] = "a format or an option that this version does not know",
    [DLOG_E_TOO_BIG] = "exceeds a limit",
    [DLOG_E_OUT_OF_RANGE] = "the offset is not in the log",
    [DLOG_E_END] = "the reader is at the end of the log",
    [DLOG_E_CLOSED] = "the log was closed",
    [DLOG_E_BROKEN] = "refused after an earlier failure of the disk",
    [DLOG_E_AGAIN] = "not possible right now",
    [DLOG_E_TOO_MANY_FILES] = "too many open files",
    [DLOG_E_FORKED] = "opened by the parent of this process",
    [DLOG_E_WOKEN] = "woken by the program",
};

const char *dlog_strerror(int err)
{
    if (err < 0 || (size_t)err >= sizeof(TEXTS) / sizeof(TEXTS[0]))
        return "unknown error";
    return TEXTS[err];
}

const char *dlog_version(void)
{
    return DLOG_VERSION;
}

int embed_err(enum err e)
{
    switch (e) {
    case E_OK:
        return DLOG_OK;
    case E_NOMEM:
        return DLOG_E_NOMEM;
    case E_INVAL:
        return DLOG_E_INVAL;
    case E_TRUNCATED:
    case E_CORRUPT:
        return DLOG_E_CORRUPT;
    case E_TOO_BIG:
        return DLOG_E_TOO_BIG;
    case E_UNSUPPORTED:
        return DLOG_E_UNSUPPORTED;
    case E_NO_SPACE:
        return DLOG_E_NO_SPACE;
    case E_NOT_FOUND:
        return DLOG_E_NOT_FOUND;
    case E_EXISTS:
        return DLOG_E_EXISTS;
    case E_DENIED:
        return DLOG_E_DENIED;
    case E_BUSY:
        return DLOG_E_BUSY;
    case E_AGAIN:
        return DLOG_E_AGAIN;
    case E_CLOSED:
        return DLOG_E_CLOSED;
    case E_BROKEN:
        return DLOG_E_BROKEN;
    case E_TIMEOUT:
        return DLOG_E_END;
    case E_CANCELLED:
        return DLOG_E_WOKEN;
    case E_OUT_OF_RANGE:
        return DLOG_E_OUT_OF_RANGE;
    case E_TOO_MANY_FILES:
        return DLOG_E_TOO_MANY_FILES;
    default: /* of the protocol and of producers: nothing here makes them */
        return DLOG_E_IO;
    }
}

int embed_tell(char *report, size_t size, enum err e, const struct report *text)
{
    const char *told = e == E_OK ? "" : text->text[0] != '\0' ? text->text : err_text(e);

    if (report != NULL && size > 0)
        snprintf(report, size, "%s", told);
    return embed_err(e);
}

void embed_trace(const struct dlog_env *env, enum dlog_level level, const char *format, ...)
{
    char line[TRACE_LINE_MAX];
    va_list args;

    if (env->trace == NULL || level > env->trace_level)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    env->trace(env->trace_ctx, level, line);
}
