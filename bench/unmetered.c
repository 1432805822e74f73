/*
 * A meter that counts nothing, in the place of src/broker/meter.c and src/replica/stats.c: a dlogd
 * with it is what metrics on the way of a request are measured against (run.py --only metering).
 */
#include "broker/meter.h"
#include "replica/partition.h"

void meter_release(struct meter *meter)
{
}

int64_t meter_request(struct meter *meter, const struct request *req, struct os *os)
{
    return 0;
}

void meter_produced(struct meter *meter, struct meter_topic *topic, size_t bytes, int32_t records)
{
}

void meter_fetched(struct meter *meter, struct meter_topic *topic, size_t bytes)
{
}

const struct meter_api *meter_api(const struct meter *meter, int16_t api_key)
{
    return NULL;
}

int64_t replica_stats_now_ns(struct os *os)
{
    return 0;
}

void replica_stats_synced(struct replica_stats *stats, int64_t ns, size_t appends)
{
}

void replica_stats_add(struct replica_stats *sum, const struct replica_stats *from)
{
}
