#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"

/*
 * Config_listener: one item of listeners, advertised.listeners, http.listeners.
 *
 *     PLAINTEXT://127.0.0.1:9092    name PLAINTEXT
 *     [::1]:9644                    name "", host ::1
 *     PLAINTEXT://:9092             host "": all addresses
 */
enum { CONFIG_LISTENER_NAME_SIZE = 64, CONFIG_LISTENER_HOST_SIZE = 256, CONFIG_LISTENERS_MAX = 32 };

struct config_listener {
    char name[CONFIG_LISTENER_NAME_SIZE];
    char host[CONFIG_LISTENER_HOST_SIZE]; /* without brackets */
    uint16_t port;                        /* 0: the system picks one */
};

/* E_INVAL: not of that form; the report says why. */
NODISCARD enum err config_listener_parse(struct slice item, struct config_listener *listener_out,
                                         struct report *report);

/*
 * A comma-separated list into `listeners_out`, which has room for CONFIG_LISTENERS_MAX.
 * `text` may be NULL or empty. A name may occur for several addresses.
 *
 *   E_INVAL    an item is not of the form, or occurs twice
 *   E_TOO_BIG  more than CONFIG_LISTENERS_MAX
 */
NODISCARD enum err config_listeners_parse(const char *text, struct config_listener *listeners_out,
                                          size_t *count_out, struct report *report);
