#include "cli/cli_time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

enum { MS = 1000, YEAR_MAX = 9999, AGO_MAX = 100000000 };

void cli_time_print(int64_t time_ms, char text_out[CLI_TIME_SIZE])
{
    time_t seconds = (time_t)(time_ms / MS);
    char text[CLI_TIME_SIZE];
    struct tm tm;

    if (time_ms < 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 > YEAR_MAX ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(text_out, CLI_TIME_SIZE, "-");
        return;
    }
    snprintf(text_out, CLI_TIME_SIZE, "%.23s.%03dZ", text, (int)(time_ms % MS));
}

/* -10m */
static enum err parse_ago(const char *text, int64_t now_ms, int64_t *time_ms_out)
{
    static const char UNITS[] = "smhd";
    static const int64_t UNIT_MS[] = {1000, 60 * 1000, 3600 * 1000, (int64_t)24 * 3600 * 1000};
    size_t size = strlen(text);
    const char *unit = size < 3 ? NULL : memchr(UNITS, text[size - 1], sizeof(UNITS) - 1);
    uint64_t count;

    if (unit == NULL || parse_u64(slice_of(text + 1, size - 2), &count) != E_OK || count > AGO_MAX)
        return E_INVAL;
    *time_ms_out = now_ms - (int64_t)count * UNIT_MS[unit - UNITS];
    return E_OK;
}

/* The time must be one that exists: timegm turns the 31st of June into the 1st of July. */
static enum err to_ms(const struct tm *given, int ms, int64_t *time_ms_out)
{
    struct tm tm = *given;
    time_t seconds = timegm(&tm);

    if (tm.tm_mday != given->tm_mday || tm.tm_mon != given->tm_mon ||
        tm.tm_hour != given->tm_hour || tm.tm_min != given->tm_min || tm.tm_sec != given->tm_sec ||
        seconds < 0)
        return E_INVAL;
    *time_ms_out = (int64_t)seconds * MS + ms;
    return E_OK;
}

enum err cli_time_parse(const char *text, int64_t now_ms, int64_t *time_ms_out)
{
    static const char *const FORMS[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};
    uint64_t number;

    if (text[0] == '-')
        return parse_ago(text, now_ms, time_ms_out);
    if (parse_u64(slice_of_text(text), &number) == E_OK) {
        if (number > INT64_MAX)
            return E_INVAL;
        *time_ms_out = (int64_t)number;
        return E_OK;
    }
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
        struct tm tm = {.tm_isdst = 0};
        const char *rest = strptime(text, FORMS[i], &tm);
        int ms = 0;

        if (rest == NULL)
            continue;
        if (i == 2 && rest[0] == '.' && isdigit((unsigned char)rest[1]) &&
            isdigit((unsigned char)rest[2]) && isdigit((unsigned char)rest[3])) {
            ms = (rest[1] - '0') * 100 + (rest[2] - '0') * 10 + (rest[3] - '0');
            rest += 4;
        }
        if (strcmp(rest, "") == 0 || strcmp(rest, "Z") == 0)
            return to_ms(&tm, ms, time_ms_out);
    }
    return E_INVAL;
}
