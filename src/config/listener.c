#include "config/listener.h"

#include <stdbool.h>
#include <string.h>

#include "base/parse.h"
#include "config/config.h"
#include "config/value.h"

static enum err refuse(struct slice item, const char *complaint, struct report *report)
{
    char shown[CONFIG_SHOW_SIZE];

    config_show(item, shown);
    report_set(report, "listener %s: %s", shown, complaint);
    return E_INVAL;
}

static bool is_name_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool all_are(struct slice s, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < s.size; i++) {
        if (!is(s.at[i]))
            return false;
    }
    return true;
}

static bool is_ipv6_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f') || c == ':' ||
           c == '.' || c == '%';
}

/* Take NAME:// from the front of `rest`. */
static enum err name_take(struct slice *rest, struct slice *name_out)
{
    *name_out = slice_of(rest->at, 0);
    for (size_t i = 0; i + 3 <= rest->size; i++) {
        if (memcmp(rest->at + i, "://", 3) != 0)
            continue;
        *name_out = slice_of(rest->at, i);
        *rest = slice_of(rest->at + i + 3, rest->size - i - 3);
        if (i == 0 || i >= CONFIG_LISTENER_NAME_SIZE || !all_are(*name_out, is_name_char))
            return E_INVAL;
        break;
    }
    return E_OK;
}

/* host:port or [host]:port */
static enum err address_split(struct slice text, struct slice *host_out, struct slice *port_out)
{
    size_t colon = text.size;
    struct slice host;

    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return E_INVAL;
    *port_out = slice_of(text.at + colon, text.size - colon);
    host = slice_of(text.at, colon - 1);
    if (host.size > 0 && host.at[0] == '[') {
        if (host.size < 3 || host.at[host.size - 1] != ']')
            return E_INVAL;
        host = slice_of(host.at + 1, host.size - 2);
        if (!all_are(host, is_ipv6_char))
            return E_INVAL;
    } else if (!all_are(host, is_name_char)) {
        return E_INVAL;
    }
    *host_out = host;
    return E_OK;
}

enum err config_listener_parse(struct slice item, struct config_listener *listener_out,
                               struct report *report)
{
    struct slice rest = config_trim(item);
    struct slice name;
    struct slice host;
    struct slice port;
    uint64_t number;

    if (name_take(&rest, &name) != E_OK)
        return refuse(item, "the name in front of :// is not of letters, digits and _", report);
    if (address_split(rest, &host, &port) != E_OK || host.size >= CONFIG_LISTENER_HOST_SIZE)
        return refuse(item, "not NAME://host:port, with an IPv6 address in brackets", report);
    if (parse_u64(port, &number) != E_OK || number > UINT16_MAX)
        return refuse(item, "the port is not in [0, 65535]", report);
    slice_to_text(name, listener_out->name, sizeof(listener_out->name));
    slice_to_text(host, listener_out->host, sizeof(listener_out->host));
    listener_out->port = (uint16_t)number;
    return E_OK;
}

static bool is_same(const struct config_listener *a, const struct config_listener *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port;
}

enum err config_listeners_parse(const char *text, struct config_listener *listeners_out,
                                size_t *count_out, struct report *report)
{
    struct config_listener one;
    struct slice item;
    size_t count = 0;
    size_t pos = 0;

    while (config_list_next(text, &pos, &item)) {
        enum err e = config_listener_parse(item, &one, report);

        if (e != E_OK)
            return e;
        for (size_t i = 0; i < count; i++) {
            if (is_same(&listeners_out[i], &one))
                return refuse(item, "occurs twice", report);
        }
        if (count == CONFIG_LISTENERS_MAX) {
            report_set(report, "more than %d listeners", CONFIG_LISTENERS_MAX);
            return E_TOO_BIG;
        }
        listeners_out[count++] = one;
    }
    *count_out = count;
    return E_OK;
}
