#include "replica/manager.h"
