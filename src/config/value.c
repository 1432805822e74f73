#include "config/value.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "config/config.h"
#include "config/listener.h"

void config_show(struct slice text, char text_out[CONFIG_SHOW_SIZE])
{
    size_t size = text.size <= 80 ? text.size : 80;

    for (size_t i = 0; i < size; i++)
        text_out[i] = (char)(text.at[i] < 0x20 || text.at[i] == 0x7f ? '?' : text.at[i]);
    memcpy(text_out + size, text.size > size ? "..." : "", text.size > size ? 4 : 1);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

struct slice config_trim(struct slice text)
{
    while (text.size > 0 && is_blank(text.at[0]))
        text = slice_of(text.at + 1, text.size - 1);
    while (text.size > 0 && is_blank(text.at[text.size - 1]))
        text.size--;
    return text;
}

/* Say what the value is not. */
static enum err refuse(struct report *report, const struct config_entry *entry, struct slice text,
                       const char *complaint)
{
    char shown[CONFIG_SHOW_SIZE];

    config_show(text, shown);
    report_set(report, "setting %s: value %s is not %s", entry->name, shown, complaint);
    return E_INVAL;
}

static enum err refuse_range(struct report *report, const struct config_entry *entry,
                             struct slice text)
{
    char range[64];
    struct report r = {0};

    report_set(&r, "in [%lld, %lld]", (long long)entry->min, (long long)entry->max);
    slice_to_text(slice_of_text(r.text), range, sizeof(range));
    return refuse(report, entry, text, range);
}

/* "a|b|c" for people: "one of a, b, c". */
static enum err refuse_choice(struct report *report, const struct config_entry *entry,
                              struct slice text)
{
    struct report r = {0};

    report_set(&r, "one of ");
    for (const char *c = entry->choices; *c != '\0'; c++) {
        if (*c == '|')
            report_append(&r, ", ");
        else
            report_append(&r, "%c", *c);
    }
    return refuse(report, entry, text, r.text);
}

/* The number of `item` among "a|b|c"; -1: none of them. */
static int choice_find(const char *choices, struct slice item)
{
    const char *at = choices;

    for (int number = 0;; number++) {
        const char *end = strchr(at, '|');
        size_t size = end == NULL ? strlen(at) : (size_t)(end - at);

        if (slice_equal(item, slice_of(at, size)))
            return number;
        if (end == NULL)
            return -1;
        at = end + 1;
    }
}

static enum err parse_list(const struct config_entry *entry, const char *text, int64_t *bits_out,
                           struct report *report)
{
    struct slice item;
    size_t pos = 0;
    int64_t bits = 0;

    while (entry->choices != NULL && config_list_next(text, &pos, &item)) {
        int choice = choice_find(entry->choices, item);

        if (choice < 0)
            return refuse_choice(report, entry, item);
        bits |= INT64_C(1) << choice;
    }
    if (entry->choices != NULL && bits == 0)
        return refuse_choice(report, entry, slice_of_text("(empty)"));
    *bits_out = bits;
    return E_OK;
}

static enum err parse_listeners(const struct config_entry *entry, const char *text,
                                struct report *report)
{
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    size_t count;
    enum err e = config_listeners_parse(text, listeners, &count, report);

    if (e != E_OK)
        report_prefix(report, "setting %s", entry->name);
    return e == E_TOO_BIG ? E_INVAL : e;
}

static enum err parse_number(const struct config_entry *entry, struct slice text,
                             struct config_value *v, struct report *report)
{
    enum err e;

    if (entry->type == CONFIG_DOUBLE) {
        e = parse_f64(text, &v->real);
        if (e == E_INVAL)
            return refuse(report, entry, text, "a number");
        if (e != E_OK || v->real < (double)entry->min || v->real > (double)entry->max)
            return refuse_range(report, entry, text);
        return E_OK;
    }
    e = parse_i64(text, &v->number);
    if (e == E_INVAL)
        return refuse(report, entry, text, "a whole number");
    if (e != E_OK || v->number < entry->min || v->number > entry->max)
        return refuse_range(report, entry, text);
    return E_OK;
}

/* `v->text` is there already; fill the rest. */
static enum err interpret(const struct config_entry *entry, struct config_value *v,
                          struct report *report)
{
    struct slice text = slice_of_text(v->text);
    bool yes;
    int choice;

    switch (entry->type) {
    case CONFIG_BOOL:
        if (parse_bool(text, &yes) != E_OK)
            return refuse(report, entry, text, "true or false");
        v->number = yes;
        return E_OK;
    case CONFIG_INT:
    case CONFIG_LONG:
    case CONFIG_DOUBLE:
        return parse_number(entry, text, v, report);
    case CONFIG_ENUM:
        choice = choice_find(entry->choices, text);
        if (choice < 0)
            return refuse_choice(report, entry, text);
        v->number = choice;
        return E_OK;
    case CONFIG_LIST:
        return parse_list(entry, v->text, &v->number, report);
    case CONFIG_LISTENER_LIST:
        return parse_listeners(entry, v->text, report);
    case CONFIG_STRING:
    case CONFIG_PASSWORD:
        break;
    }
    return E_OK;
}

enum err config_value_parse(const struct config_entry *entry, struct slice text,
                            struct config_value *value_out, struct report *report)
{
    struct config_value v = {0};
    enum err e;

    if (entry->type != CONFIG_PASSWORD)
        text = config_trim(text);
    if (text.size > CONFIG_VALUE_SIZE_MAX) {
        report_set(report, "setting %s: value of more than %d bytes", entry->name,
                   CONFIG_VALUE_SIZE_MAX);
        return E_TOO_BIG;
    }
    if (text.size > 0 && memchr(text.at, '\0', text.size) != NULL) {
        report_set(report, "setting %s: value holds a NUL byte", entry->name);
        return E_INVAL;
    }
    v.text = mem_alloc(text.size + 1);
    if (v.text == NULL) {
        report_set(report, "setting %s: out of memory", entry->name);
        return E_NOMEM;
    }
    slice_to_text(text, v.text, text.size + 1);
    e = interpret(entry, &v, report);
    if (e == E_OK && value_out != NULL)
        *value_out = v;
    else
        config_value_release(&v);
    return e;
}

void config_value_release(struct config_value *v)
{
    if (v == NULL)
        return;
    mem_free(v->text);
    *v = (struct config_value){0};
}
