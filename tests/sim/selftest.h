#pragma once

#include "unit.h"

#include "sim.h"

/* Cases of the other files, ended by one without a name. */
extern const struct CMUnitTest selftest_disk[];
extern const struct CMUnitTest selftest_net[];
