#include "quorum/quorum.h"
