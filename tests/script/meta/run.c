/*
 * Run a transcript of meta/: lines of events, each followed by what came of it.
 *
 *     script-meta FILE      compare; with DLOG_TEST_UPDATE=1 rewrite the file
 *
 * Events; several items of one request are separated by " ; ":
 *
 *     bootstrap
 *     register ID [fenced]
 *     create|validate NAME [partitions=N] [replication=N] [assign=1,2/2,3] [SETTING=VALUE]...
 *     delete NAME | delete id=T1
 *     grow NAME COUNT [assign=1,2]
 *     alter|replace topic|broker NAME CHANGE...
 *           a CHANGE is set:SETTING=VALUE, delete:SETTING, append:... or subtract:...
 *     ids   a block of producer ids
 *     show  the image
 *
 * Answers start with "> ". Topic ids are shown as T1, T2, ... by appearance.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/control.h"
#include "meta/image.h"
#include "wire/broker_registration_change_record.h"
#include "wire/config_record.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/feature_level_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/register_broker_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"

enum { ITEMS_MAX = 16, WORDS_MAX = 32, IDS_MAX = 256, TEXT_MAX = 1 << 20, OFFSET_STEP = 10 };

struct item {
    char *words[WORDS_MAX];
    int count;
};

/* A word that the event cannot do without. */
static char *word_at(const struct item *item, int at)
{
    if (at >= item->count) {
        fprintf(stderr, "%s: word %d is missing\n", item->count > 0 ? item->words[0] : "?", at);
        abort();
    }
    return item->words[at];
}

struct run {
    struct meta_image *image;
    struct arena arena;
    struct rng rng;
    struct meta_records records;
    struct uuid ids[IDS_MAX];
    int id_count;
    int64_t offset;
    char *out;
    size_t size;
};

static void put(struct run *r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    r->size += (size_t)vsnprintf(r->out + r->size, TEXT_MAX - r->size, format, arguments);
    va_end(arguments);
    if (r->size >= TEXT_MAX)
        abort();
}

static int id_number(struct run *r, struct uuid id)
{
    for (int i = 0; i < r->id_count; i++) {
        if (uuid_equal(r->ids[i], id))
            return i + 1;
    }
    if (r->id_count == IDS_MAX)
        abort();
    r->ids[r->id_count++] = id;
    return r->id_count;
}

static struct uuid id_of(struct run *r, const char *text)
{
    int number = (int)strtol(text + 1, NULL, 10);

    if (text[0] == 'T' && number >= 1 && number <= r->id_count)
        return r->ids[number - 1];
    return (struct uuid){{9, 9, 9}};
}

static void put_ids(struct run *r, const char *name, const int32_t *at, int32_t count)
{
    put(r, " %s=[", name);
    for (int32_t i = 0; i < count; i++)
        put(r, "%s%d", i > 0 ? "," : "", (int)at[i]);
    put(r, "]");
}

static void put_set(struct run *r, const char *name, const struct meta_partition *p,
                    enum meta_set set)
{
    struct meta_ids ids = meta_partition_ids(p, set);

    put_ids(r, name, ids.at, ids.count);
}

#define SLICE(s) (int)(s).size, (const char *)(s).at

/* Records */

static void put_topic_record(struct run *r, struct reader *in, int16_t version)
{
    struct wire_topic_record m;

    if (wire_topic_record_decode(in, version, &r->arena, &m) != E_OK)
        abort();
    put(r, " name=%.*s id=T%d", SLICE(m.name), id_number(r, m.topic_id));
}

static void put_partition_record(struct run *r, struct reader *in, int16_t version)
{
    struct wire_partition_record m;

    if (wire_partition_record_decode(in, version, &r->arena, &m) != E_OK)
        abort();
    put(r, " id=T%d index=%d", id_number(r, m.topic_id), (int)m.partition_id);
    put_ids(r, "replicas", m.replicas, m.replicas_count);
    put_ids(r, "isr", m.isr, m.isr_count);
    put(r, " leader=%d leader_epoch=%d partition_epoch=%d", (int)m.leader, (int)m.leader_epoch,
        (int)m.partition_epoch);
}

static void put_config_record(struct run *r, struct reader *in, int16_t version)
{
    struct wire_config_record m;

    if (wire_config_record_decode(in, version, &r->arena, &m) != E_OK)
        abort();
    put(r, " type=%d resource=%.*s name=%.*s", m.resource_type, SLICE(m.resource_name),
        SLICE(m.name));
    if (m.value.at == NULL)
        put(r, " value=null");
    else
        put(r, " value=%.*s", SLICE(m.value));
}

static void put_register_record(struct run *r, struct reader *in, int16_t version)
{
    struct wire_register_broker_record m;

    if (wire_register_broker_record_decode(in, version, &r->arena, &m) != E_OK)
        abort();
    put(r, " broker=%d epoch=%lld fenced=%d", (int)m.broker_id, (long long)m.broker_epoch,
        m.fenced);
    for (int32_t i = 0; i < m.end_points_count; i++)
        put(r, " %.*s://%.*s:%u", SLICE(m.end_points[i].name), SLICE(m.end_points[i].host),
            m.end_points[i].port);
}

static void put_other_record(struct run *r, struct reader *in, struct wire_metadata_frame frame)
{
    struct wire_remove_topic_record removed;
    struct wire_producer_ids_record ids;
    struct wire_feature_level_record feature;
    struct wire_broker_registration_change_record change;
    enum err e = E_OK;

    if (frame.key == WIRE_METADATA_REMOVE_TOPIC_RECORD) {
        e = wire_remove_topic_record_decode(in, frame.version, &r->arena, &removed);
        put(r, " id=T%d", id_number(r, removed.topic_id));
    } else if (frame.key == WIRE_METADATA_PRODUCER_IDS_RECORD) {
        e = wire_producer_ids_record_decode(in, frame.version, &r->arena, &ids);
        put(r, " broker=%d next=%lld", (int)ids.broker_id, (long long)ids.next_producer_id);
    } else if (frame.key == WIRE_METADATA_FEATURE_LEVEL_RECORD) {
        e = wire_feature_level_record_decode(in, frame.version, &r->arena, &feature);
        put(r, " %.*s=%d", SLICE(feature.name), feature.feature_level);
    } else if (frame.key == WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD) {
        e = wire_broker_registration_change_record_decode(in, frame.version, &r->arena, &change);
        put(r, " broker=%d epoch=%lld fenced=%d", (int)change.broker_id,
            (long long)change.broker_epoch, change.fenced);
    }
    if (e != E_OK)
        abort();
}

static void put_record(struct run *r, struct slice value)
{
    struct reader in = reader_init(value.at, value.size);
    struct wire_metadata_frame frame;

    if (wire_metadata_frame_decode(&in, &frame) != E_OK)
        abort();
    put(r, "> record %s v%d", wire_metadata_key_name(frame.key), frame.version);
    if (frame.key == WIRE_METADATA_TOPIC_RECORD)
        put_topic_record(r, &in, frame.version);
    else if (frame.key == WIRE_METADATA_PARTITION_RECORD)
        put_partition_record(r, &in, frame.version);
    else if (frame.key == WIRE_METADATA_CONFIG_RECORD)
        put_config_record(r, &in, frame.version);
    else if (frame.key == WIRE_METADATA_REGISTER_BROKER_RECORD)
        put_register_record(r, &in, frame.version);
    else
        put_other_record(r, &in, frame);
    put(r, "\n");
    if (reader_done(&in) != E_OK)
        abort();
}

static void apply_records(struct run *r)
{
    struct report report = {{0}};

    for (size_t i = 0; i < meta_records_count(&r->records); i++) {
        struct slice value = meta_records_at(&r->records, i);

        put_record(r, value);
        if (meta_image_apply(r->image, value, NULL, &report) != E_OK)
            put(r, "> apply failed: %s\n", report.text);
    }
    meta_records_clear(&r->records);
    r->offset += OFFSET_STEP;
}

/* Answers */

static void put_result(struct run *r, struct slice name, struct meta_result result)
{
    put(r, "> %.*s: %s", SLICE(name), wire_error_name(result.error));
    if (result.message != NULL)
        put(r, " \"%s\"", result.message);
}

static void put_topic_results(struct run *r, const struct meta_topic_result *results, int count)
{
    for (int i = 0; i < count; i++) {
        put_result(r, results[i].name, results[i].result);
        if (results[i].result.error == WIRE_ERROR_NONE && results[i].partition_count >= 0)
            put(r, " partitions=%d replication=%d", (int)results[i].partition_count,
                results[i].replication_factor);
        put(r, "\n");
    }
}

/* Events */

static const char *after(const char *word, const char *prefix)
{
    size_t size = strlen(prefix);

    return strncmp(word, prefix, size) == 0 ? word + size : NULL;
}

static int32_t *parse_ids(struct run *r, const char *text, int32_t *count_out)
{
    int32_t *ids = arena_alloc_array(&r->arena, 64, sizeof(*ids));
    char *end;

    for (*count_out = 0; *text != 0 && *text != '/' && *count_out < 64; text = end) {
        ids[(*count_out)++] = (int32_t)strtol(text, &end, 10);
        if (*end == ',')
            end++;
    }
    return ids;
}

static struct wire_create_topics_request_creatable_replica_assignment *parse_assign(
    struct run *r, const char *text, int32_t *count_out)
{
    struct wire_create_topics_request_creatable_replica_assignment *all =
        arena_alloc_array(&r->arena, 64, sizeof(*all));

    *count_out = 0;
    while (text != NULL && *count_out < 64) {
        struct wire_create_topics_request_creatable_replica_assignment *a = &all[*count_out];

        a->partition_index = *count_out;
        a->broker_ids = parse_ids(r, text, &a->broker_ids_count);
        ++*count_out;
        text = strchr(text, '/');
        text = text == NULL ? NULL : text + 1;
    }
    return all;
}

static struct wire_create_topics_request_creatable_topic parse_create(struct run *r,
                                                                      const struct item *item)
{
    struct wire_create_topics_request_creatable_topic t = {
        .name = slice_of_text(item->count > 1 ? word_at(item, 1) : ""),
        .num_partitions = -1,
        .replication_factor = -1};

    t.configs = arena_alloc_array(&r->arena, WORDS_MAX, sizeof(*t.configs));
    for (int i = 2; i < item->count; i++) {
        const char *value;

        if ((value = after(item->words[i], "partitions=")) != NULL) {
            t.num_partitions = (int32_t)strtol(value, NULL, 10);
        } else if ((value = after(item->words[i], "replication=")) != NULL) {
            t.replication_factor = (int16_t)strtol(value, NULL, 10);
        } else if ((value = after(item->words[i], "assign=")) != NULL) {
            t.assignments = parse_assign(r, value, &t.assignments_count);
        } else {
            char *equals = strchr(item->words[i], '=');

            t.configs[t.configs_count].name =
                equals == NULL ? slice_of_text(item->words[i])
                               : slice_of(item->words[i], (size_t)(equals - item->words[i]));
            t.configs[t.configs_count++].value = slice_of_text(equals == NULL ? NULL : equals + 1);
        }
    }
    return t;
}

static void do_create(struct run *r, struct meta_control *c, struct item *items, int count,
                      bool validate)
{
    struct wire_create_topics_request_creatable_topic topics[ITEMS_MAX];
    struct wire_create_topics_request request = {
        .topics = topics, .topics_count = count, .validate_only = validate};
    struct meta_topic_result *results;

    for (int i = 0; i < count; i++)
        topics[i] = parse_create(r, &items[i]);
    if (meta_create_topics(c, &request, &results) != E_OK)
        abort();
    put_topic_results(r, results, count);
}

static void do_delete(struct run *r, struct meta_control *c, struct item *items, int count)
{
    struct wire_delete_topics_request_delete_topic_state states[ITEMS_MAX] = {{.name = {0}}};
    struct wire_delete_topics_request request = {.topics = states, .topics_count = count};
    struct meta_topic_result *results;

    for (int i = 0; i < count; i++) {
        for (int w = 1; w < items[i].count; w++) {
            const char *id = after(word_at(&items[i], w), "id=");

            if (id != NULL)
                states[i].topic_id = id_of(r, id);
            else
                states[i].name = slice_of_text(word_at(&items[i], w));
        }
    }
    if (meta_delete_topics(c, &request, &results) != E_OK)
        abort();
    put_topic_results(r, results, count);
}

static void do_grow(struct run *r, struct meta_control *c, struct item *items, int count)
{
    struct wire_create_partitions_request_create_partitions_topic topics[ITEMS_MAX];
    struct wire_create_partitions_request_create_partitions_assignment assigned[ITEMS_MAX];
    struct wire_create_partitions_request request = {.topics = topics, .topics_count = count};
    struct meta_topic_result *results;

    for (int i = 0; i < count; i++) {
        wire_create_partitions_request_create_partitions_topic_init(&topics[i]);
        topics[i].name = slice_of_text(word_at(&items[i], 1));
        topics[i].count = (int32_t)strtol(word_at(&items[i], 2), NULL, 10);
        topics[i].assignments_count = -1;
        if (items[i].count > 3) {
            assigned[i].broker_ids = parse_ids(r, after(word_at(&items[i], 3), "assign="),
                                               &assigned[i].broker_ids_count);
            topics[i].assignments = &assigned[i];
            topics[i].assignments_count = 1;
        }
    }
    if (meta_create_partitions(c, &request, &results) != E_OK)
        abort();
    put_topic_results(r, results, count);
}

static struct meta_alter parse_alter(const char *word)
{
    static const char *const kinds[] = {"set:", "delete:", "append:", "subtract:"};
    struct meta_alter a = {.kind = META_ALTER_SET};

    for (int k = 0; k < 4; k++) {
        const char *name = after(word, kinds[k]);
        const char *equals;

        if (name == NULL)
            continue;
        equals = strchr(name, '=');
        a.kind = (enum meta_alter_kind)k;
        a.name = equals == NULL ? slice_of_text(name) : slice_of(name, (size_t)(equals - name));
        a.value = slice_of_text(equals == NULL ? NULL : equals + 1);
    }
    return a;
}

static void do_alter(struct run *r, struct meta_control *c, struct item *items, int count,
                     bool replace)
{
    struct meta_alter_resource resources[ITEMS_MAX] = {{.type = 0}};
    struct meta_alter alters[ITEMS_MAX][WORDS_MAX];
    struct meta_alter_configs request = {
        .resources = resources, .resource_count = count, .replace = replace};
    struct meta_result *results;

    for (int i = 0; i < count; i++) {
        int first = 3;

        resources[i].type = strcmp(word_at(&items[i], 1), "topic") == 0    ? META_RESOURCE_TOPIC
                            : strcmp(word_at(&items[i], 1), "broker") == 0 ? META_RESOURCE_BROKER
                            : strcmp(word_at(&items[i], 1), "group") == 0  ? META_RESOURCE_GROUP
                                                                           : 99;
        resources[i].name = slice_of_text(word_at(&items[i], 2));
        if (slice_equal_text(resources[i].name, "default"))
            resources[i].name = slice_of_text("");
        resources[i].alters = alters[i];
        for (int w = first; w < items[i].count; w++)
            alters[i][resources[i].alter_count++] = parse_alter(word_at(&items[i], w));
    }
    if (meta_alter_configs(c, &request, &results) != E_OK)
        abort();
    for (int i = 0; i < count; i++) {
        put_result(r, resources[i].name, results[i]);
        put(r, "\n");
    }
}

static void do_register(struct run *r, struct meta_control *c, const struct item *item)
{
    struct meta_endpoint endpoint = {
        .name = slice_of_text("PLAINTEXT"), .host = slice_of_text("localhost"), .port = 9092};
    struct meta_registration registration = {
        .broker_id = (int32_t)strtol(word_at(item, 1), NULL, 10),
        .broker_epoch = r->offset,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .is_unfenced = item->count < 3,
    };

    if (meta_register_broker(c, &registration) != E_OK)
        abort();
}

static int by_name(const void *a, const void *b)
{
    return slice_compare((*(const struct meta_topic *const *)a)->name,
                         (*(const struct meta_topic *const *)b)->name);
}

static void show_topic(struct run *r, const struct meta_topic *t)
{
    struct meta_configs configs = meta_image_configs(r->image, META_RESOURCE_TOPIC, t->name);

    put(r, "> topic %.*s id=T%d\n", SLICE(t->name), id_number(r, t->id));
    for (int32_t i = 0; i < t->partition_count; i++) {
        put(r, ">   partition %d", (int)i);
        put_set(r, "replicas", &t->partitions[i], META_REPLICAS);
        put_set(r, "isr", &t->partitions[i], META_ISR);
        put(r, " leader=%d\n", (int)t->partitions[i].leader);
    }
    for (size_t i = 0; i < configs.count; i++)
        put(r, ">   %.*s=%.*s\n", SLICE(configs.at[i].name), SLICE(configs.at[i].value));
}

static void show(struct run *r)
{
    const struct meta_topic *topics[IDS_MAX];
    struct map_iter it = {0};
    const struct meta_topic *t;
    size_t count = 0;
    const struct meta_feature *features = meta_image_features(r->image, &count);

    for (size_t i = 0; i < count; i++)
        put(r, "> feature %.*s=%d\n", SLICE(features[i].name), features[i].level);
    for (size_t i = 0; i < meta_image_broker_count(r->image); i++) {
        const struct meta_broker *b = meta_image_broker_at(r->image, i);

        put(r, "> broker %d epoch=%lld%s\n", (int)b->id, (long long)b->epoch,
            b->is_fenced ? " fenced" : "");
    }
    count = 0;
    while ((t = meta_image_next_topic(r->image, &it)) != NULL && count < IDS_MAX)
        topics[count++] = t;
    qsort(topics, count, sizeof(topics[0]), by_name);
    for (size_t i = 0; i < count; i++)
        show_topic(r, topics[i]);
    put(r, "> partitions=%lld next_producer_id=%lld\n",
        (long long)meta_image_partition_count(r->image),
        (long long)meta_image_next_producer_id(r->image));
}

static int split(char *line, struct item *items)
{
    char *save = NULL;
    int count = 0;

    items[0].count = 0;
    for (char *word = strtok_r(line, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, ";") == 0) {
            if (++count == ITEMS_MAX)
                abort();
            items[count].count = 0;
            items[count].words[items[count].count++] = word_at(&items[0], 0);
        } else if (items[count].count < WORDS_MAX) {
            items[count].words[items[count].count++] =
                strcmp(word, "''") == 0 ? word + strlen(word) : word;
        }
    }
    return items[0].count == 0 ? 0 : count + 1;
}

static void step(struct run *r, char *line)
{
    struct meta_control c = {
        .image = r->image,
        .arena = &r->arena,
        .rng = &r->rng,
        .default_partitions = 1,
        .default_replication = 3,
        .records = &r->records,
    };
    struct item items[ITEMS_MAX];
    int count = split(line, items);
    const char *event = count == 0 ? "" : word_at(&items[0], 0);
    int64_t first;

    if (strcmp(event, "bootstrap") == 0 && meta_bootstrap(&c) != E_OK)
        abort();
    if (strcmp(event, "register") == 0)
        do_register(r, &c, &items[0]);
    if (strcmp(event, "create") == 0 || strcmp(event, "validate") == 0)
        do_create(r, &c, items, count, strcmp(event, "validate") == 0);
    if (strcmp(event, "delete") == 0)
        do_delete(r, &c, items, count);
    if (strcmp(event, "grow") == 0)
        do_grow(r, &c, items, count);
    if (strcmp(event, "alter") == 0 || strcmp(event, "replace") == 0)
        do_alter(r, &c, items, count, strcmp(event, "replace") == 0);
    if (strcmp(event, "ids") == 0) {
        if (meta_allocate_producer_ids(&c, 1, 0, &first) != E_OK)
            abort();
        put(r, "> first=%lld\n", (long long)first);
    }
    if (strcmp(event, "show") == 0)
        show(r);
    apply_records(r);
    arena_clear(&r->arena);
}

static char *file_read(const char *path)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *file = fopen(path, "r");

    if (text == NULL || file == NULL || fread(text, 1, TEXT_MAX - 1, file) == TEXT_MAX - 1) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    fclose(file);
    return text;
}

static int compare(const char *path, const char *expected, const char *found)
{
    const char *update = getenv("DLOG_TEST_UPDATE");
    FILE *file;
    int line = 1;

    if (strcmp(expected, found) == 0)
        return 0;
    if (update != NULL && strcmp(update, "1") == 0) {
        file = fopen(path, "w");
        if (file == NULL)
            return 1;
        fputs(found, file);
        return fclose(file) == 0 ? 0 : 1;
    }
    while (*expected == *found) {
        line += *expected == '\n';
        expected++;
        found++;
    }
    fprintf(stderr, "%s:%d: differs from here:\n%.300s\nexpected:\n%.300s\n", path, line, found,
            expected);
    return 1;
}

int main(int argc, char **argv)
{
    struct run r = {.out = calloc(1, TEXT_MAX)};
    char *text, *expected, *next;
    int failed;

    if (argc != 2 || r.out == NULL) {
        fprintf(stderr, "usage: script-meta FILE\n");
        free(r.out);
        return 2;
    }
    text = file_read(argv[1]);
    expected = strdup(text);
    if (expected == NULL)
        abort();
    r.image = meta_image_new(1);
    rng_init(&r.rng, 1);
    arena_init(&r.arena, 64 * 1024 * 1024);
    meta_records_init(&r.records);
    for (char *line = text; *line != 0; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != 0)
            *next++ = 0;
        if (line[0] == '>')
            continue; /* what came of it last time */
        put(&r, "%s\n", line);
        if (line[0] != '#' && line[0] != 0)
            step(&r, line);
    }
    failed = compare(argv[1], expected, r.out);
    meta_records_release(&r.records);
    arena_release(&r.arena);
    meta_image_free(r.image);
    free(r.out);
    free(text);
    free(expected);
    return failed;
}
