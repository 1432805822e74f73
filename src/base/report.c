#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Write at `pos`; mark a cut. */
static void text_add(char *text, size_t pos, const char *format, va_list args)
{
    int size = vsnprintf(text + pos, REPORT_SIZE - pos, format, args);

    if (size < 0)
        text[pos] = '\0';
    else if ((size_t)size >= REPORT_SIZE - pos)
        memcpy(text + REPORT_SIZE - 4, "...", 4);
}

void report_set(struct report *r, const char *format, ...)
{
    char text[REPORT_SIZE]; /* the arguments may point into the report itself */
    va_list args;

    if (r == NULL)
        return;
    va_start(args, format);
    text_add(text, 0, format, args);
    va_end(args);
    memcpy(r->text, text, strlen(text) + 1);
}

void report_append(struct report *r, const char *format, ...)
{
    va_list args;

    if (r == NULL)
        return;
    va_start(args, format);
    text_add(r->text, strlen(r->text), format, args);
    va_end(args);
}

void report_prefix(struct report *r, const char *format, ...)
{
    char prefix[REPORT_SIZE];
    va_list args;

    if (r == NULL)
        return;
    va_start(args, format);
    text_add(prefix, 0, format, args);
    va_end(args);
    report_set(r, "%s: %s", prefix, r->text);
}
