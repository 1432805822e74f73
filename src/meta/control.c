#include "meta/control.h"
