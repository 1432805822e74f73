#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/writer.h"
#include "meta/image_priv.h"

/*
 * Client quotas: values of an entity, which is one to META_QUOTA_PARTS_MAX names of different
 * types. The key of an entity in the image's map holds its parts by rising type:
 *
 *     type length u16, type, 1 and name length u16, name    or    type length u16, type, 0
 */
enum { KEY_SIZE_MAX = META_QUOTA_PARTS_MAX * 2 * 65536 };

/* Copy the parts in the order of their types. E_CORRUPT: one type twice, or too many. */
static enum err parts_sort(const struct meta_quota_part *parts, int32_t count,
                           struct meta_quota_part *sorted_out)
{
    if (count < 1 || count > META_QUOTA_PARTS_MAX)
        return E_CORRUPT;
    for (int32_t i = 0; i < count; i++) {
        int32_t at = i;

        if (parts[i].type.size > UINT16_MAX || parts[i].name.size > UINT16_MAX)
            return E_CORRUPT;
        for (; at > 0 && slice_compare(sorted_out[at - 1].type, parts[i].type) >= 0; at--) {
            if (slice_equal(sorted_out[at - 1].type, parts[i].type))
                return E_CORRUPT;
            sorted_out[at] = sorted_out[at - 1];
        }
        sorted_out[at] = parts[i];
    }
    return E_OK;
}

/* The key, in `key` which the caller releases. */
static enum err key_make(const struct meta_quota_part *sorted, int32_t count, struct buf *key)
{
    struct writer w = writer_init(key);

    for (int32_t i = 0; i < count; i++) {
        writer_u16(&w, (uint16_t)sorted[i].type.size);
        writer_bytes(&w, sorted[i].type.at, sorted[i].type.size);
        writer_i8(&w, sorted[i].name.at != NULL);
        if (sorted[i].name.at == NULL)
            continue;
        writer_u16(&w, (uint16_t)sorted[i].name.size);
        writer_bytes(&w, sorted[i].name.at, sorted[i].name.size);
    }
    return writer_done(&w);
}

static void quota_free(struct meta_quota *quota)
{
    if (quota == NULL)
        return;
    for (int32_t i = 0; i < quota->part_count; i++) {
        meta_text_free(quota->parts[i].type);
        meta_text_free(quota->parts[i].name);
    }
    for (int32_t i = 0; i < quota->value_count; i++)
        meta_text_free(quota->values[i].key);
    mem_free(quota->values);
    mem_free(quota);
}

static struct meta_quota *quota_new(const struct meta_quota_part *sorted, int32_t count)
{
    struct meta_quota *quota = mem_alloc_zero(sizeof(*quota));
    bool is_whole = quota != NULL;

    for (int32_t i = 0; i < count && is_whole; i++) {
        quota->part_count++;
        quota->parts[i].type = meta_text_copy(sorted[i].type);
        if (sorted[i].name.at != NULL)
            quota->parts[i].name = meta_text_copy(sorted[i].name);
        is_whole = quota->parts[i].type.at != NULL &&
                   (quota->parts[i].name.at != NULL) == (sorted[i].name.at != NULL);
    }
    if (is_whole)
        return quota;
    quota_free(quota);
    return NULL;
}

/* Where the key is among the values, or would go. */
static int32_t value_position(const struct meta_quota *quota, struct slice key)
{
    int32_t at = 0;

    while (at < quota->value_count && slice_compare(quota->values[at].key, key) < 0)
        at++;
    return at;
}

static bool has_value(const struct meta_quota *quota, int32_t at, struct slice key)
{
    return at < quota->value_count && slice_equal(quota->values[at].key, key);
}

static enum err value_set(struct meta_quota *quota, const struct meta_quota_value *value)
{
    int32_t at = value_position(quota, value->key);
    struct meta_quota_value *grown;
    struct slice key;

    if (has_value(quota, at, value->key)) {
        quota->values[at].value = value->value;
        return E_OK;
    }
    if (quota->value_count == META_CONFIGS_MAX)
        return E_TOO_BIG;
    key = meta_text_copy(value->key);
    if (key.at == NULL)
        return E_NOMEM;
    grown = mem_realloc(quota->values, ((size_t)quota->value_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        meta_text_free(key);
        return E_NOMEM;
    }
    quota->values = grown;
    memmove(grown + at + 1, grown + at, (size_t)(quota->value_count - at) * sizeof(*grown));
    grown[at] = (struct meta_quota_value){.key = key, .value = value->value};
    quota->value_count++;
    return E_OK;
}

static void value_unset(struct meta_quota *quota, struct slice key)
{
    int32_t at = value_position(quota, key);

    if (!has_value(quota, at, key))
        return;
    meta_text_free(quota->values[at].key);
    quota->value_count--;
    memmove(quota->values + at, quota->values + at + 1,
            (size_t)(quota->value_count - at) * sizeof(*quota->values));
}

/* The entity, made when there is none. */
static enum err quota_get(struct meta_image *image, struct slice key,
                          const struct meta_quota_part *sorted, int32_t count,
                          struct meta_quota **quota_out)
{
    struct meta_quota *quota = map_slice_find(&image->quotas, key);
    enum err e;

    if (quota == NULL) {
        if (image->quotas.count >= META_KEPT_MAX)
            return E_TOO_BIG;
        quota = quota_new(sorted, count);
        if (quota == NULL)
            return E_NOMEM;
        e = map_slice_put(&image->quotas, key, quota);
        if (e != E_OK) {
            quota_free(quota);
            return e;
        }
    }
    *quota_out = quota;
    return E_OK;
}

/* An entity without values is none. */
static void drop_empty(struct meta_image *image, struct slice key, struct meta_quota *quota)
{
    if (quota == NULL || quota->value_count > 0)
        return;
    map_slice_remove(&image->quotas, key);
    quota_free(quota);
}

enum err meta_image_set_quota(struct meta_image *image, const struct meta_quota_part *parts,
                              int32_t count, const struct meta_quota_value *value)
{
    struct meta_quota_part sorted[META_QUOTA_PARTS_MAX];
    struct meta_quota *quota = NULL;
    struct buf key;
    enum err e = parts_sort(parts, count, sorted);

    if (e != E_OK)
        return e;
    buf_init(&key, KEY_SIZE_MAX);
    e = key_make(sorted, count, &key);
    if (e == E_OK)
        e = quota_get(image, buf_slice(&key), sorted, count, &quota);
    if (e == E_OK)
        e = value_set(quota, value);
    drop_empty(image, buf_slice(&key), quota);
    buf_release(&key);
    return e;
}

enum err meta_image_unset_quota(struct meta_image *image, const struct meta_quota_part *parts,
                                int32_t count, struct slice key)
{
    struct meta_quota_part sorted[META_QUOTA_PARTS_MAX];
    struct meta_quota *quota;
    struct buf entity;
    enum err e = parts_sort(parts, count, sorted);

    if (e != E_OK)
        return e;
    buf_init(&entity, KEY_SIZE_MAX);
    e = key_make(sorted, count, &entity);
    if (e == E_OK) {
        quota = map_slice_find(&image->quotas, buf_slice(&entity));
        if (quota != NULL)
            value_unset(quota, key);
        drop_empty(image, buf_slice(&entity), quota);
    }
    buf_release(&entity);
    return e;
}

void meta_quotas_release(struct meta_image *image)
{
    struct map_iter it = {0};
    struct meta_quota *quota;

    while ((quota = map_slice_next(&image->quotas, &it, NULL)) != NULL)
        quota_free(quota);
    map_slice_release(&image->quotas);
}

const struct meta_quota *meta_image_next_quota(const struct meta_image *image, struct map_iter *it)
{
    return map_slice_next(&image->quotas, it, NULL);
}

const struct meta_quota *meta_image_quota(const struct meta_image *image,
                                          const struct meta_quota_part *parts, int32_t count)
{
    struct meta_quota_part sorted[META_QUOTA_PARTS_MAX];
    const struct meta_quota *quota = NULL;
    struct buf key;

    if (parts_sort(parts, count, sorted) != E_OK)
        return NULL;
    buf_init(&key, KEY_SIZE_MAX);
    if (key_make(sorted, count, &key) == E_OK)
        quota = map_slice_find(&image->quotas, buf_slice(&key));
    buf_release(&key);
    return quota;
}
