#include "meta/image.h"
