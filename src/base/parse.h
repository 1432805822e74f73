#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * Numbers and booleans from text. The whole slice must be the value: no blanks
 * around it, nothing behind it. Independent of the locale.
 *
 *   E_INVAL    not a value of this type
 *   E_TOO_BIG  does not fit the type
 */

/* Decimal digits with an optional + or -. */
NODISCARD enum err parse_i64(struct slice text, int64_t *value_out);

/* Decimal digits only. */
NODISCARD enum err parse_u64(struct slice text, uint64_t *value_out);

/* true or false, in any case. */
NODISCARD enum err parse_bool(struct slice text, bool *value_out);

/*
 * 12, -0.5, .5, 1e-3. Exact for up to 15 digits and exponents up to 22; beyond
 * that right to a few units in the last place. No infinities, no NaN.
 */
NODISCARD enum err parse_f64(struct slice text, double *value_out);
