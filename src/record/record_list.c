#include "record/record_list.h"

#include <assert.h>

struct item {
    size_t key_end;
    size_t value_end;
    bool is_tombstone;
};

void record_list_init(struct record_list *list, size_t size_max)
{
    buf_init(&list->bytes, size_max);
    vec_init(&list->items, sizeof(struct item), size_max);
    list->key_end = 0;
}

void record_list_release(struct record_list *list)
{
    buf_release(&list->bytes);
    vec_release(&list->items);
}

void record_list_clear(struct record_list *list)
{
    record_list_cut(list, 0);
}

size_t record_list_count(const struct record_list *list)
{
    return list->items.count;
}

static size_t end_of(const struct record_list *list, size_t count)
{
    const struct item *last;

    if (count == 0)
        return 0;
    last = vec_at(&list->items, count - 1);
    return last->value_end;
}

struct record_pair record_list_at(const struct record_list *list, size_t index)
{
    const struct item *item = vec_at(&list->items, index);
    const uint8_t *key = list->bytes.at + end_of(list, index);
    const uint8_t *value = list->bytes.at + item->key_end;

    return (struct record_pair){
        .key = slice_of(key, (size_t)(value - key)),
        .value = slice_of(item->is_tombstone ? NULL : value, item->value_end - item->key_end)};
}

void record_list_key_end(struct record_list *list)
{
    list->key_end = list->bytes.size;
}

enum err record_list_seal(struct record_list *list, bool is_tombstone)
{
    struct item item = {list->key_end, list->bytes.size, is_tombstone};
    enum err e = vec_push(&list->items, &item);

    assert(item.key_end >= end_of(list, list->items.count - (e == E_OK ? 1 : 0)));
    if (e != E_OK)
        record_list_cut(list, list->items.count);
    return e;
}

void record_list_cut(struct record_list *list, size_t count)
{
    assert(count <= list->items.count);
    list->bytes.size = end_of(list, count);
    list->items.count = count;
}
