#include "storage/epoch.h"

#include <stdbool.h>

#include "base/parse.h"
#include "storage/text_priv.h"

void epoch_init(struct epochs *es)
{
    vec_init(&es->entries, sizeof(struct epoch_entry), EPOCH_COUNT_MAX);
}

void epoch_release(struct epochs *es)
{
    vec_release(&es->entries);
}

static struct epoch_entry *entry(const struct epochs *es, size_t i)
{
    return vec_at(&es->entries, i);
}

int32_t epoch_latest(const struct epochs *es)
{
    return es->entries.count == 0 ? -1 : entry(es, es->entries.count - 1)->epoch;
}

enum err epoch_begin(struct epochs *es, int32_t epoch, int64_t start)
{
    struct epoch_entry e = {epoch, start};

    if (epoch <= epoch_latest(es))
        return E_OK;
    epoch_truncate(es, start);
    return vec_push(&es->entries, &e);
}

void epoch_end(const struct epochs *es, int32_t epoch, int64_t end, int32_t *epoch_out,
               int64_t *end_out)
{
    size_t above = 0;

    *epoch_out = -1;
    *end_out = -1;
    if (epoch < 0 || epoch > epoch_latest(es))
        return;
    while (above < es->entries.count && entry(es, above)->epoch <= epoch)
        above++;
    *epoch_out = above == 0 ? epoch : entry(es, above - 1)->epoch;
    *end_out = above == es->entries.count ? end : entry(es, above)->start;
}

int32_t epoch_at(const struct epochs *es, int64_t offset)
{
    size_t i = es->entries.count;

    while (i > 0 && entry(es, i - 1)->start > offset)
        i--;
    return i == 0 ? -1 : entry(es, i - 1)->epoch;
}

void epoch_truncate(struct epochs *es, int64_t offset)
{
    while (es->entries.count > 0 && entry(es, es->entries.count - 1)->start >= offset)
        vec_remove(&es->entries, es->entries.count - 1);
}

void epoch_drop_before(struct epochs *es, int64_t start)
{
    while (es->entries.count > 1 && entry(es, 1)->start <= start)
        vec_remove(&es->entries, 0);
    if (es->entries.count > 0 && entry(es, 0)->start < start)
        entry(es, 0)->start = start;
}

enum err epoch_encode(const struct epochs *es, struct buf *out)
{
    enum err e = buf_printf(out, "0\n%zu\n", es->entries.count);

    for (size_t i = 0; i < es->entries.count && e == E_OK; i++)
        e = buf_printf(out, "%d %lld\n", (int)entry(es, i)->epoch, (long long)entry(es, i)->start);
    return e;
}

static enum err decode_line(struct epochs *es, struct slice line)
{
    struct slice word = text_word(&line);
    struct epoch_entry next;
    int64_t epoch;

    if (parse_i64(word, &epoch) != E_OK || epoch < 0 || epoch > INT32_MAX)
        return E_CORRUPT;
    word = text_word(&line);
    if (parse_i64(word, &next.start) != E_OK || next.start < 0 || line.size != 0)
        return E_CORRUPT;
    next.epoch = (int32_t)epoch;
    if (es->entries.count > 0 &&
        (next.epoch <= epoch_latest(es) || next.start < entry(es, es->entries.count - 1)->start))
        return E_CORRUPT;
    return vec_push(&es->entries, &next);
}

enum err epoch_decode(struct epochs *es, struct slice text)
{
    int64_t version, count;
    enum err e = E_OK;

    vec_clear(&es->entries);
    if (parse_i64(text_line(&text), &version) != E_OK || version != 0 ||
        parse_i64(text_line(&text), &count) != E_OK || count < 0)
        return E_CORRUPT;
    for (int64_t i = 0; i < count && e == E_OK; i++)
        e = text.size == 0 ? E_CORRUPT : decode_line(es, text_line(&text));
    if (e == E_OK && text.size != 0)
        e = E_CORRUPT;
    if (e != E_OK)
        vec_clear(&es->entries);
    return e;
}
