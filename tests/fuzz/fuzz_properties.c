/* .properties files: the walk over names and values, and a whole configuration from it. */
#include "config/properties.h"

#include "config/config.h"

#include "fuzz.h"

static void walk(struct slice text)
{
    struct config_properties p = config_properties_init(text);
    struct buf name, value;
    size_t line = 0;
    enum err e;

    buf_init(&name, text.size + 1);
    buf_init(&value, text.size + 1);
    while ((e = config_properties_next(&p, &name, &value)) == E_OK) {
        FUZZ_CHECK(p.line > line && p.line <= text.size + 1);
        FUZZ_CHECK(name.size + value.size <= text.size);
        line = p.line;
    }
    FUZZ_CHECK(e == E_NOT_FOUND || e == E_INVAL);
    buf_release(&name);
    buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice text = slice_of(bytes, size);
    struct config *config = config_new();
    struct report report = {0};

    FUZZ_CHECK(config != NULL);
    walk(text);
    if (config_parse_properties(config, text, "fuzz.properties", &report) != E_OK)
        FUZZ_CHECK(report.text[0] != 0);
    report = (struct report){0};
    if (config_check(config, &report) != E_OK)
        FUZZ_CHECK(report.text[0] != 0);
    config_free(config);
    return 0;
}
