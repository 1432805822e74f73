#pragma once

#include "config/config.h"
#include "config/value.h"

/* The value that counts, stand-ins included; its text is NULL when unset. */
const struct config_value *config_current(const struct config *c, enum config_id id);

/* Report an unknown name, with the nearest known one. Returns E_INVAL. */
enum err config_refuse_name(struct slice name, enum config_scope scope, struct report *report);
