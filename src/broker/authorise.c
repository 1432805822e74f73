#include "broker/authorise_priv.h"

bool authorise(const struct request *req, enum authorise_operation operation,
               enum authorise_resource resource, struct slice name)
{
    return true;
}
