#include "meta/records.h"
