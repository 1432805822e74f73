#include "broker/meter.h"

#include "base/mem.h"
#include "broker/request_priv.h"
#include "os/os.h"

enum { NS_PER_US = 1000 };

void meter_release(struct meter *meter)
{
    for (size_t i = 0; i < METER_APIS; i++)
        mem_free(atomic_exchange_explicit(&meter->apis[i], NULL, memory_order_relaxed));
}

/* NULL when memory is out: then the request is counted with the next one that has some. */
static struct meter_api *api_of(struct meter *meter, int16_t key)
{
    struct meter_api *api = atomic_load_explicit(&meter->apis[key], memory_order_relaxed);

    if (api != NULL)
        return api;
    api = mem_alloc_zero(sizeof(*api));
    /* Whoever reads the pointer sees the zeroes. */
    atomic_store_explicit(&meter->apis[key], api, memory_order_release);
    return api;
}

int64_t meter_request(struct meter *meter, const struct request *req, struct os *os)
{
    struct meter_api *api = api_of(meter, req->api->key);
    int64_t ns = os_mono_ns(os) - req->arrived_ns;
    int16_t error = req->error_code;

    if (api == NULL)
        return ns;
    if (error != 0)
        counter_add(&api->errors[error > 0 && error < METER_ERRORS ? error : METER_ERRORS - 1], 1);
    hist_record(&api->us, (uint64_t)ns / NS_PER_US);
    return ns;
}

void meter_produced(struct meter *meter, struct meter_topic *topic, size_t bytes, int32_t records)
{
    if (records > 0)
        counter_add(&meter->bytes_in, bytes);
    if (topic == NULL)
        return;
    if (records > 0) {
        topic->produced_records += (uint32_t)records;
        topic->produced_bytes += bytes;
    } else {
        topic->produce_failures++;
    }
}

void meter_fetched(struct meter *meter, struct meter_topic *topic, size_t bytes)
{
    counter_add(&meter->bytes_out, bytes);
    if (topic != NULL)
        topic->fetched_bytes += bytes;
}

const struct meter_api *meter_api(const struct meter *meter, int16_t api_key)
{
    if (api_key < 0 || api_key >= METER_APIS)
        return NULL;
    return atomic_load_explicit(&meter->apis[api_key], memory_order_acquire);
}
