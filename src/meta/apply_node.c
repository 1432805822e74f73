#include "meta/apply_priv.h"
#include "wire/broker_registration_change_record.h"
#include "wire/fence_broker_record.h"
#include "wire/register_broker_record.h"
#include "wire/register_controller_record.h"
#include "wire/unfence_broker_record.h"
#include "wire/unregister_broker_record.h"

/* Brokers and controllers. */

static enum err broker_changed(struct meta_apply *a, int32_t id)
{
    return meta_apply_changed(a,
                              (struct meta_change){.kind = META_BROKER_CHANGED, .broker_id = id});
}

enum err meta_apply_register_broker(struct meta_apply *a)
{
    struct wire_register_broker_record m;
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX];
    struct meta_feature_range features[META_FEATURES_MAX];
    struct meta_broker broker = {.endpoints = endpoints, .features = features};
    enum err e = wire_register_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.broker_id < 0 || m.end_points_count > META_ENDPOINTS_MAX ||
        m.features_count > META_FEATURES_MAX || m.log_dirs_count > META_LOG_DIRS_MAX)
        return meta_apply_refuse(a, "a broker with a negative id, or with too many endpoints, "
                                    "features or directories");
    for (int32_t i = 0; i < m.end_points_count; i++)
        endpoints[i] =
            (struct meta_endpoint){m.end_points[i].name, m.end_points[i].host, m.end_points[i].port,
                                   m.end_points[i].security_protocol};
    for (int32_t i = 0; i < m.features_count; i++)
        features[i] =
            (struct meta_feature_range){m.features[i].name, m.features[i].min_supported_version,
                                        m.features[i].max_supported_version};
    broker.id = m.broker_id;
    broker.epoch = m.broker_epoch;
    broker.incarnation_id = m.incarnation_id;
    broker.endpoint_count = m.end_points_count;
    broker.feature_count = m.features_count;
    broker.rack = m.rack;
    broker.log_dirs = m.log_dirs;
    broker.log_dir_count = m.log_dirs_count;
    broker.is_fenced = m.fenced;
    broker.is_in_controlled_shutdown = m.in_controlled_shutdown;
    e = broker_changed(a, m.broker_id);
    return e != E_OK ? e : meta_image_put_broker(a->image, &broker);
}

/* The broker of that id in that epoch, noted as changed; NULL: *e says why not. */
static struct meta_broker *broker_find(struct meta_apply *a, int32_t id, int64_t epoch, enum err *e)
{
    struct meta_broker *broker = meta_image_mutable_broker(a->image, id);

    if (broker == NULL || broker->epoch != epoch)
        *e = meta_apply_refuse(a, "the broker is not registered, or in another epoch");
    else
        *e = broker_changed(a, id);
    return *e == E_OK ? broker : NULL;
}

enum err meta_apply_unregister_broker(struct meta_apply *a)
{
    struct wire_unregister_broker_record m;
    enum err e = wire_unregister_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && broker_find(a, m.broker_id, m.broker_epoch, &e) != NULL)
        meta_image_remove_broker(a->image, m.broker_id);
    return e;
}

enum err meta_apply_fence_broker(struct meta_apply *a)
{
    struct wire_fence_broker_record m;
    struct meta_broker *broker = NULL;
    enum err e = wire_fence_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        broker = broker_find(a, m.id, m.epoch, &e);
    if (broker != NULL)
        broker->is_fenced = true;
    return e;
}

enum err meta_apply_unfence_broker(struct meta_apply *a)
{
    struct wire_unfence_broker_record m;
    struct meta_broker *broker = NULL;
    enum err e = wire_unfence_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        broker = broker_find(a, m.id, m.epoch, &e);
    if (broker != NULL)
        broker->is_fenced = false;
    return e;
}

enum err meta_apply_broker_change(struct meta_apply *a)
{
    enum { FENCE = 1, UNFENCE = -1, IN_CONTROLLED_SHUTDOWN = 1 };
    struct wire_broker_registration_change_record m;
    struct meta_broker *broker;
    enum err e =
        wire_broker_registration_change_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && m.log_dirs_count > META_LOG_DIRS_MAX)
        return meta_apply_refuse(a, "a broker with too many directories");
    if (e != E_OK)
        return e;
    broker = broker_find(a, m.broker_id, m.broker_epoch, &e);
    if (broker != NULL && m.log_dirs_count > 0)
        e = meta_broker_set_directories(broker, m.log_dirs, m.log_dirs_count);
    if (broker == NULL || e != E_OK)
        return e;
    if (m.fenced == FENCE || m.fenced == UNFENCE)
        broker->is_fenced = m.fenced == FENCE;
    if (m.in_controlled_shutdown == IN_CONTROLLED_SHUTDOWN)
        broker->is_in_controlled_shutdown = true;
    return E_OK;
}

enum err meta_apply_register_controller(struct meta_apply *a)
{
    struct wire_register_controller_record m;
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX];
    struct meta_feature_range features[META_FEATURES_MAX];
    struct meta_controller controller = {.endpoints = endpoints, .features = features};
    enum err e = wire_register_controller_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.controller_id < 0 || m.end_points_count > META_ENDPOINTS_MAX ||
        m.features_count > META_FEATURES_MAX)
        return meta_apply_refuse(a, "a controller with a negative id, or with too many endpoints "
                                    "or features");
    for (int32_t i = 0; i < m.end_points_count; i++)
        endpoints[i] =
            (struct meta_endpoint){m.end_points[i].name, m.end_points[i].host, m.end_points[i].port,
                                   m.end_points[i].security_protocol};
    for (int32_t i = 0; i < m.features_count; i++)
        features[i] =
            (struct meta_feature_range){m.features[i].name, m.features[i].min_supported_version,
                                        m.features[i].max_supported_version};
    controller.id = m.controller_id;
    controller.incarnation_id = m.incarnation_id;
    controller.endpoint_count = m.end_points_count;
    controller.feature_count = m.features_count;
    e = meta_apply_changed(
        a, (struct meta_change){.kind = META_CONTROLLER_CHANGED, .broker_id = m.controller_id});
    return e != E_OK ? e : meta_image_put_controller(a->image, &controller);
}
