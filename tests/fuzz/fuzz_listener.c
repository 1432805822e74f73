/* Lists of listeners: what is accepted is complete text within its limits. */
#include "config/listener.h"

#include <string.h>

#include "base/buf.h"

#include "fuzz.h"

static void check(const struct config_listener *l)
{
    FUZZ_CHECK(memchr(l->name, 0, sizeof(l->name)) != NULL);
    FUZZ_CHECK(memchr(l->host, 0, sizeof(l->host)) != NULL);
    FUZZ_CHECK(strpbrk(l->host, "[],") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct config_listener one, many[CONFIG_LISTENERS_MAX];
    struct report report = {0};
    struct buf text;
    size_t count = 0;

    if (config_listener_parse(slice_of(bytes, size), &one, &report) == E_OK)
        check(&one);
    else
        FUZZ_CHECK(report.text[0] != 0);
    buf_init(&text, size + 1);
    FUZZ_CHECK(buf_append(&text, bytes, size) == E_OK && buf_append(&text, "", 1) == E_OK);
    if (config_listeners_parse((const char *)text.at, many, &count, &report) == E_OK) {
        FUZZ_CHECK(count <= CONFIG_LISTENERS_MAX);
        for (size_t i = 0; i < count; i++)
            check(&many[i]);
    }
    buf_release(&text);
    return 0;
}
