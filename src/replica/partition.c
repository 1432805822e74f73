#include "replica/partition.h"
