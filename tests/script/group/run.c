/*
 * Run a transcript of group/: lines of events, each followed by what came of it.
 *
 *     script-group FILE      compare; with DLOG_TEST_UPDATE=1 rewrite the file
 *
 * WHO is a name for the client that asks and waits for the answer. M1, M2, ... are member ids in
 * the order in which they were given out; others are what they are; - is empty, of groups, too.
 *
 *     options NAME=VALUE...         min_session max_session delay max_size metadata retention
 *     join WHO GROUP MEMBER [version=N] [instance=I] [session=MS] [rebalance=MS] [type=T]
 *                           [protocols=NAME:METADATA,...]
 *     sync WHO GROUP MEMBER GENERATION [instance=I] [type=T] [protocol=P] [MEMBER=ASSIGNMENT]...
 *     heartbeat WHO GROUP MEMBER GENERATION [instance=I]
 *     leave WHO GROUP MEMBER[/INSTANCE]... [version=N]
 *     commit WHO GROUP MEMBER GENERATION [instance=I] [retention=MS] TOPIC-N=OFFSET[:METADATA]...
 *     commit-txn WHO GROUP MEMBER GENERATION PRODUCER TOPIC-N=OFFSET[:METADATA]...
 *     marker PRODUCER commit|abort  the end of a transaction comes in the log
 *     fetch GROUP [stable] [TOPIC-N]...      without partitions: all
 *     delete WHO GROUP
 *     delete-offsets WHO GROUP TOPIC-N...
 *     delete-topic TOPIC
 *     pass MS                       time passes, and what is due happens
 *     retention MS                  wall time passes, then unused offsets go
 *     gone WHO                      the connection is gone
 *     refuse                        the records of the next event are not appended
 *     reload                        everything is forgotten and read from the log again
 *     list [STATE]... | describe GROUP
 *
 * Answers start with "> ".
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "group/group.h"
#include "wire/describe_groups.h"
#include "wire/group_metadata_key.h"
#include "wire/group_metadata_value.h"
#include "wire/heartbeat.h"
#include "wire/join_group.h"
#include "wire/leave_group.h"
#include "wire/list_groups.h"
#include "wire/offset_commit.h"
#include "wire/offset_commit_key.h"
#include "wire/offset_commit_value.h"
#include "wire/offset_delete.h"
#include "wire/offset_fetch.h"
#include "wire/sync_group.h"
#include "wire/txn_offset_commit.h"

enum {
    WORDS_MAX = 32,
    NAMES_MAX = 64,
    TEXT_MAX = 1 << 20,
    ARENA_MAX = 1 << 24,
    RECORDS_MAX = 4096,
    WALL_START = 1000000,
};

struct logged {
    struct slice key;
    struct slice value;
    int64_t producer_id;
    bool is_marker;
    bool is_commit;
};

struct run {
    struct groups *groups;
    struct group_options options;
    struct arena arena; /* of the whole run: it is small */
    struct group_update update;
    struct slice members[NAMES_MAX];
    int member_count;
    char *who[NAMES_MAX]; /* token - 1 */
    int who_count;
    struct logged log[RECORDS_MAX];
    int log_count;
    int64_t now_ms;
    bool refuses;
    char *words[WORDS_MAX];
    int count;
    char *out;
    size_t size;
};

#define SLICE(s) (int)(s).size, (const char *)(s).at

static void put(struct run *r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    r->size += (size_t)vsnprintf(r->out + r->size, TEXT_MAX - r->size, format, arguments);
    va_end(arguments);
    if (r->size >= TEXT_MAX)
        abort();
}

static void must(enum err e)
{
    if (e != E_OK) {
        fprintf(stderr, "unexpected %s\n", err_name(e));
        abort();
    }
}

static void *room(struct run *r, size_t count, size_t size)
{
    void *at = arena_alloc_array(&r->arena, count + 1, size);

    if (at == NULL)
        abort();
    return at;
}

/* Names */

static const char *member_name(struct run *r, struct slice id)
{
    static char text[16];
    int i = 0;

    if (id.size == 0)
        return "-";
    if (memchr(id.at, '-', id.size) == NULL) { /* one that a transcript made up */
        slice_to_text(id, text, sizeof(text));
        return text;
    }
    while (i < r->member_count && !slice_equal(r->members[i], id))
        i++;
    if (i == r->member_count) {
        if (i == NAMES_MAX)
            abort();
        r->members[r->member_count++] = arena_copy(&r->arena, id);
    }
    snprintf(text, sizeof(text), "M%d", i + 1);
    return text;
}

static struct slice member_id(struct run *r, const char *name)
{
    int number = name[0] == 'M' ? (int)strtol(name + 1, NULL, 10) : 0;

    if (strcmp(name, "-") == 0)
        return slice_of("", 0);
    return number >= 1 && number <= r->member_count ? r->members[number - 1] : slice_of_text(name);
}

static struct slice group_id(const char *word)
{
    return slice_of_text(strcmp(word, "-") == 0 ? "" : word);
}

static uint64_t token_of(struct run *r, const char *who)
{
    if (r->who_count == NAMES_MAX)
        abort();
    r->who[r->who_count++] = strdup(who);
    return (uint64_t)r->who_count;
}

/* The value of NAME=VALUE among the words; `other` when it is not there. */
static const char *option(struct run *r, const char *name, const char *other)
{
    size_t size = strlen(name);

    for (int i = 1; i < r->count; i++) {
        if (strncmp(r->words[i], name, size) == 0 && r->words[i][size] == '=')
            return r->words[i] + size + 1;
    }
    return other;
}

static int64_t number(struct run *r, const char *name, int64_t other)
{
    const char *text = option(r, name, NULL);

    return text == NULL ? other : strtoll(text, NULL, 10);
}

static struct slice text_option(struct run *r, const char *name)
{
    return slice_of_text(option(r, name, NULL));
}

static struct group_call call_of(struct run *r, int16_t version)
{
    return (struct group_call){.token = token_of(r, r->words[1]),
                               .now_ms = r->now_ms,
                               .wall_ms = WALL_START + r->now_ms,
                               .version = version,
                               .client_id = slice_of_text(r->words[1]),
                               .client_host = slice_of_text("/127.0.0.1")};
}

/* TOPIC-N with =OFFSET:METADATA behind it, or not. */
struct place {
    struct slice topic;
    int32_t partition;
    int64_t offset;
    struct slice metadata;
};

static int places_of(struct run *r, int from, struct place places[WORDS_MAX])
{
    int count = 0;

    for (int i = from; i < r->count; i++) {
        char *word = r->words[i];
        char *equal = strchr(word, '=');
        char *dash, *colon;

        if (equal != NULL)
            *equal = 0;
        dash = strrchr(word, '-');
        if (dash == NULL) { /* an option */
            if (equal != NULL)
                *equal = '=';
            continue;
        }
        places[count] = (struct place){.topic = slice_of(word, (size_t)(dash - word)),
                                       .partition = (int32_t)strtol(dash + 1, NULL, 10)};
        if (equal != NULL) {
            places[count].offset = strtoll(equal + 1, &colon, 10);
            if (*colon == ':')
                places[count].metadata = slice_of_text(colon + 1);
        }
        count++;
    }
    return count;
}

/* Replies */

static void put_join(struct run *r, const struct wire_join_group_response *in)
{
    put(r, "join %s", wire_error_name(in->error_code));
    if (in->error_code != 0) {
        put(r, " member=%s", member_name(r, in->member_id));
        return;
    }
    put(r, " generation=%d protocol=%.*s", (int)in->generation_id, SLICE(in->protocol_name));
    put(r, " leader=%s", member_name(r, in->leader));
    put(r, " member=%s%s", member_name(r, in->member_id),
        in->skip_assignment ? " skip_assignment" : "");
    for (int32_t i = 0; i < in->members_count; i++) {
        put(r, " %s", member_name(r, in->members[i].member_id));
        if (in->members[i].group_instance_id.at != NULL)
            put(r, "/%.*s", SLICE(in->members[i].group_instance_id));
        put(r, "=%.*s", SLICE(in->members[i].metadata));
    }
}

static void put_leave(struct run *r, const struct wire_leave_group_response *in)
{
    put(r, "leave %s", wire_error_name(in->error_code));
    for (int32_t i = 0; i < in->members_count; i++)
        put(r, " %s:%s", member_name(r, in->members[i].member_id),
            wire_error_name(in->members[i].error_code));
}

static void put_commit(struct run *r, const struct wire_offset_commit_response *in)
{
    put(r, "commit");
    for (int32_t i = 0; i < in->topics_count; i++)
        put(r, " %.*s-%d:%s", SLICE(in->topics[i].name),
            (int)in->topics[i].partitions[0].partition_index,
            wire_error_name(in->topics[i].partitions[0].error_code));
}

static void put_commit_txn(struct run *r, const struct wire_txn_offset_commit_response *in)
{
    put(r, "commit-txn");
    for (int32_t i = 0; i < in->topics_count; i++)
        put(r, " %.*s-%d:%s", SLICE(in->topics[i].name),
            (int)in->topics[i].partitions[0].partition_index,
            wire_error_name(in->topics[i].partitions[0].error_code));
}

static void put_delete_offsets(struct run *r, const struct wire_offset_delete_response *in)
{
    put(r, "delete-offsets %s", wire_error_name(in->error_code));
    for (int32_t i = 0; i < in->topics_count; i++)
        put(r, " %.*s-%d:%s", SLICE(in->topics[i].name),
            (int)in->topics[i].partitions[0].partition_index,
            wire_error_name(in->topics[i].partitions[0].error_code));
}

static void put_reply(struct run *r, const struct group_reply *reply)
{
    put(r, "> %s: ", r->who[reply->token - 1]);
    switch (reply->kind) {
    case GROUP_REPLY_JOIN:
        put_join(r, reply->response.join);
        break;
    case GROUP_REPLY_SYNC:
        put(r, "sync %s", wire_error_name(reply->response.sync->error_code));
        if (reply->response.sync->error_code == 0)
            put(r, " %.*s", SLICE(reply->response.sync->assignment));
        break;
    case GROUP_REPLY_HEARTBEAT:
        put(r, "heartbeat %s", wire_error_name((int16_t)reply->error));
        break;
    case GROUP_REPLY_LEAVE:
        put_leave(r, reply->response.leave);
        break;
    case GROUP_REPLY_OFFSET_COMMIT:
        put_commit(r, reply->response.offset_commit);
        break;
    case GROUP_REPLY_TXN_OFFSET_COMMIT:
        put_commit_txn(r, reply->response.txn_offset_commit);
        break;
    case GROUP_REPLY_OFFSET_DELETE:
        put_delete_offsets(r, reply->response.offset_delete);
        break;
    case GROUP_REPLY_DELETE:
        put(r, "delete %s", wire_error_name((int16_t)reply->error));
        break;
    }
    put(r, "\n");
}

/* Records */

static void put_group_record(struct run *r, struct reader *key, struct slice value)
{
    struct reader in = reader_init(value.at, value.size);
    struct wire_group_metadata_key k;
    struct wire_group_metadata_value v;
    int16_t version;

    must(wire_group_metadata_key_decode(key, 0, &r->arena, &k));
    put(r, "> record group %.*s", SLICE(k.group));
    if (value.at == NULL) {
        put(r, " gone\n");
        return;
    }
    version = reader_i16(&in);
    must(wire_group_metadata_value_decode(&in, version, &r->arena, &v));
    put(r, " v%d type=%.*s generation=%d", version, SLICE(v.protocol_type), (int)v.generation);
    if (v.protocol.at != NULL)
        put(r, " protocol=%.*s", SLICE(v.protocol));
    if (v.leader.at != NULL)
        put(r, " leader=%s", member_name(r, v.leader));
    for (int32_t i = 0; i < v.members_count; i++) {
        put(r, " %s", member_name(r, v.members[i].member_id));
        if (v.members[i].group_instance_id.at != NULL)
            put(r, "/%.*s", SLICE(v.members[i].group_instance_id));
        put(r, "=%.*s", SLICE(v.members[i].assignment));
    }
    put(r, "\n");
}

static void put_offset_record(struct run *r, struct reader *key, struct slice value)
{
    struct reader in = reader_init(value.at, value.size);
    struct wire_offset_commit_key k;
    struct wire_offset_commit_value v;
    int16_t version;

    must(wire_offset_commit_key_decode(key, 0, &r->arena, &k));
    put(r, "> record offset %.*s %.*s-%d", SLICE(k.group), SLICE(k.topic), (int)k.partition);
    if (value.at == NULL) {
        put(r, " gone\n");
        return;
    }
    version = reader_i16(&in);
    must(wire_offset_commit_value_decode(&in, version, &r->arena, &v));
    put(r, " v%d %lld", version, (long long)v.offset);
    if (v.metadata.size > 0)
        put(r, " metadata=%.*s", SLICE(v.metadata));
    put(r, "\n");
}

static void apply(struct run *r, const struct logged *l, int offset)
{
    struct group_record record = {
        .key = l->key, .value = l->value, .offset = offset, .producer_id = l->producer_id};

    if (l->is_marker)
        must(groups_apply_marker(r->groups, l->producer_id, l->is_commit));
    else
        must(groups_apply(r->groups, &record));
}

static void append(struct run *r, const struct logged *l)
{
    if (r->log_count == RECORDS_MAX)
        abort();
    r->log[r->log_count] = *l;
    apply(r, l, r->log_count++);
}

static void append_records(struct run *r)
{
    for (size_t i = 0; i < record_list_count(&r->update.records); i++) {
        struct record_pair pair = record_list_at(&r->update.records, i);
        struct logged l = {.key = arena_copy(&r->arena, pair.key),
                           .value = arena_copy(&r->arena, pair.value),
                           .producer_id = r->update.producer_id};
        struct reader key = reader_init(l.key.at, l.key.size);

        if (pair.value.at == NULL)
            l.value = (struct slice){0};
        if (reader_i16(&key) == WIRE_GROUP_METADATA_KEY_KEY)
            put_group_record(r, &key, l.value);
        else
            put_offset_record(r, &key, l.value);
        append(r, &l);
    }
}

/* What the host does with an update. */
static void finish(struct run *r, enum err e)
{
    bool is_refused = r->refuses && record_list_count(&r->update.records) > 0;
    struct slice group_id = r->update.group_id;

    if (e != E_OK)
        put(r, "> %s\n", err_name(e));
    if (is_refused) {
        put(r, "> refused, %d replies become errors\n", (int)r->update.replies.count);
        vec_clear(&r->update.replies);
        record_list_clear(&r->update.records);
        r->refuses = false;
        must(groups_refused(r->groups, group_id, r->now_ms, &r->update));
    }
    append_records(r);
    for (size_t i = 0; i < r->update.replies.count; i++)
        put_reply(r, vec_at(&r->update.replies, i));
    group_update_release(&r->update);
    group_update_init(&r->update, &r->arena);
}

/* Events */

static void run_join(struct run *r)
{
    struct wire_join_group_request in;
    struct group_call call = call_of(r, (int16_t)number(r, "version", 9));
    char *protocols = strdup(option(r, "protocols", "range:subscription"));
    char *rest = protocols;

    wire_join_group_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.member_id = member_id(r, r->words[3]);
    in.group_instance_id = text_option(r, "instance");
    in.session_timeout_ms = (int32_t)number(r, "session", 10000);
    in.rebalance_timeout_ms = (int32_t)number(r, "rebalance", 60000);
    in.protocol_type = slice_of_text(option(r, "type", "consumer"));
    in.protocols = room(r, WORDS_MAX, sizeof(*in.protocols));
    for (char *word = strsep(&rest, ","); word != NULL && *word != 0; word = strsep(&rest, ",")) {
        char *colon = strchr(word, ':');

        *colon = 0;
        in.protocols[in.protocols_count].name = arena_copy(&r->arena, slice_of_text(word));
        in.protocols[in.protocols_count++].metadata =
            arena_copy(&r->arena, slice_of_text(colon + 1));
    }
    free(protocols);
    finish(r, group_join(r->groups, &call, &in, &r->update));
}

static void run_sync(struct run *r)
{
    struct wire_sync_group_request in;
    struct group_call call = call_of(r, 5);

    wire_sync_group_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.member_id = member_id(r, r->words[3]);
    in.generation_id = (int32_t)strtol(r->words[4], NULL, 10);
    in.group_instance_id = text_option(r, "instance");
    in.protocol_type = text_option(r, "type");
    in.protocol_name = text_option(r, "protocol");
    in.assignments = room(r, WORDS_MAX, sizeof(*in.assignments));
    for (int i = 5; i < r->count; i++) {
        char *equal = strchr(r->words[i], '=');

        if (r->words[i][0] != 'M' || equal == NULL)
            continue;
        *equal = 0;
        in.assignments[in.assignments_count].member_id = member_id(r, r->words[i]);
        in.assignments[in.assignments_count++].assignment = slice_of_text(equal + 1);
    }
    finish(r, group_sync(r->groups, &call, &in, &r->update));
}

static void run_heartbeat(struct run *r)
{
    struct wire_heartbeat_request in;
    struct group_call call = call_of(r, 4);

    wire_heartbeat_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.member_id = member_id(r, r->words[3]);
    in.generation_id = (int32_t)strtol(r->words[4], NULL, 10);
    in.group_instance_id = text_option(r, "instance");
    finish(r, group_heartbeat(r->groups, &call, &in, &r->update));
}

static void run_leave(struct run *r)
{
    struct wire_leave_group_request in;
    struct group_call call = call_of(r, (int16_t)number(r, "version", 5));

    wire_leave_group_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.members = room(r, WORDS_MAX, sizeof(*in.members));
    for (int i = 3; i < r->count; i++) {
        char *slash = strchr(r->words[i], '/');

        if (strchr(r->words[i], '=') != NULL)
            continue;
        if (slash != NULL)
            *slash = 0;
        in.members[in.members_count].member_id = member_id(r, r->words[i]);
        in.members[in.members_count++].group_instance_id =
            slice_of_text(slash == NULL ? NULL : slash + 1);
    }
    if (call.version < 3) {
        in.member_id = in.members[0].member_id;
        in.members_count = 0;
    }
    finish(r, group_leave(r->groups, &call, &in, &r->update));
}

static void run_commit(struct run *r)
{
    static const enum wire_error none[WORDS_MAX];
    struct wire_offset_commit_request in;
    struct group_call call = call_of(r, 9);
    struct place places[WORDS_MAX];
    int count = places_of(r, 5, places);

    wire_offset_commit_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.member_id = member_id(r, r->words[3]);
    in.generation_id_or_member_epoch = (int32_t)strtol(r->words[4], NULL, 10);
    in.group_instance_id = text_option(r, "instance");
    in.retention_time_ms = number(r, "retention", -1);
    in.topics = room(r, (size_t)count, sizeof(*in.topics));
    in.topics_count = count;
    for (int i = 0; i < count; i++) {
        wire_offset_commit_request_offset_commit_request_topic_init(&in.topics[i]);
        in.topics[i].name = places[i].topic;
        in.topics[i].partitions = room(r, 1, sizeof(*in.topics[i].partitions));
        in.topics[i].partitions_count = 1;
        in.topics[i].partitions[0].partition_index = places[i].partition;
        in.topics[i].partitions[0].committed_offset = places[i].offset;
        in.topics[i].partitions[0].committed_leader_epoch = -1;
        in.topics[i].partitions[0].committed_metadata = places[i].metadata;
    }
    finish(r, group_commit(r->groups, &call, &in, none, &r->update));
}

static void run_commit_txn(struct run *r)
{
    static const enum wire_error none[WORDS_MAX];
    struct wire_txn_offset_commit_request in;
    struct group_call call = call_of(r, 5);
    struct place places[WORDS_MAX];
    int count = places_of(r, 6, places);

    wire_txn_offset_commit_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.member_id = member_id(r, r->words[3]);
    in.generation_id = (int32_t)strtol(r->words[4], NULL, 10);
    in.producer_id = strtoll(r->words[5], NULL, 10);
    in.topics = room(r, (size_t)count, sizeof(*in.topics));
    in.topics_count = count;
    for (int i = 0; i < count; i++) {
        in.topics[i].name = places[i].topic;
        in.topics[i].partitions = room(r, 1, sizeof(*in.topics[i].partitions));
        in.topics[i].partitions_count = 1;
        in.topics[i].partitions[0].partition_index = places[i].partition;
        in.topics[i].partitions[0].committed_offset = places[i].offset;
        in.topics[i].partitions[0].committed_leader_epoch = -1;
        in.topics[i].partitions[0].committed_metadata = places[i].metadata;
    }
    finish(r, group_commit_txn(r->groups, &call, &in, none, &r->update));
}

static void run_fetch(struct run *r)
{
    struct wire_offset_fetch_request_offset_fetch_request_group in = {.topics_count = -1};
    struct wire_offset_fetch_response_offset_fetch_response_group out;
    bool is_stable = r->count > 2 && strcmp(r->words[2], "stable") == 0;
    struct place places[WORDS_MAX];
    int count = places_of(r, 2, places);

    in.group_id = slice_of_text(r->words[1]);
    if (count > 0) {
        in.topics = room(r, (size_t)count, sizeof(*in.topics));
        in.topics_count = count;
    }
    for (int i = 0; i < count; i++) {
        in.topics[i].name = places[i].topic;
        in.topics[i].partition_indexes = &places[i].partition;
        in.topics[i].partition_indexes_count = 1;
    }
    must(group_fetch_offsets(r->groups, &in, is_stable, &r->arena, &out));
    put(r, "> %s", wire_error_name(out.error_code));
    for (int32_t i = 0; i < out.topics_count; i++) {
        for (int32_t k = 0; k < out.topics[i].partitions_count; k++) {
            put(r, " %.*s-%d=%lld", SLICE(out.topics[i].name),
                (int)out.topics[i].partitions[k].partition_index,
                (long long)out.topics[i].partitions[k].committed_offset);
            if (out.topics[i].partitions[k].metadata.size > 0)
                put(r, ":%.*s", SLICE(out.topics[i].partitions[k].metadata));
            if (out.topics[i].partitions[k].error_code != 0)
                put(r, "(%s)", wire_error_name(out.topics[i].partitions[k].error_code));
        }
    }
    put(r, "\n");
}

static void run_delete_offsets(struct run *r)
{
    struct wire_offset_delete_request in;
    struct group_call call = call_of(r, 0);
    struct place places[WORDS_MAX];
    int count = places_of(r, 3, places);

    wire_offset_delete_request_init(&in);
    in.group_id = group_id(r->words[2]);
    in.topics = room(r, (size_t)count, sizeof(*in.topics));
    in.topics_count = count;
    for (int i = 0; i < count; i++) {
        in.topics[i].name = places[i].topic;
        in.topics[i].partitions = room(r, 1, sizeof(*in.topics[i].partitions));
        in.topics[i].partitions_count = 1;
        in.topics[i].partitions[0].partition_index = places[i].partition;
    }
    finish(r, group_delete_offsets(r->groups, &call, &in, &r->update));
}

static void run_pass(struct run *r)
{
    int64_t until = r->now_ms + strtoll(r->words[1], NULL, 10);

    while (groups_deadline_ms(r->groups) <= until) {
        if (groups_deadline_ms(r->groups) > r->now_ms)
            r->now_ms = groups_deadline_ms(r->groups);
        finish(r, groups_expire(r->groups, r->now_ms, WALL_START + r->now_ms, &r->update));
    }
    r->now_ms = until;
}

static void run_retention(struct run *r)
{
    int64_t wall = WALL_START + r->now_ms + strtoll(r->words[1], NULL, 10);
    bool is_done = false;

    while (!is_done)
        finish(r, groups_expire_offsets(r->groups, wall, &r->update, &is_done));
}

static void run_reload(struct run *r)
{
    groups_free(r->groups);
    must(groups_new(&r->options, 2, &r->groups));
    for (int i = 0; i < r->log_count; i++)
        apply(r, &r->log[i], i);
    groups_loaded(r->groups, r->now_ms);
}

static void run_list(struct run *r)
{
    struct wire_list_groups_request in;
    struct slice states[WORDS_MAX];
    struct vec list;

    wire_list_groups_request_init(&in);
    for (int i = 1; i < r->count; i++)
        states[in.states_filter_count++] = slice_of_text(r->words[i]);
    in.states_filter = states;
    vec_init(&list, sizeof(struct group_listed), NAMES_MAX);
    must(groups_list(r->groups, &in, &list));
    for (size_t i = 0; i < list.count; i++) {
        const struct group_listed *g = vec_at(&list, i);

        put(r, "> %.*s type=%s protocol_type=%.*s %s\n", SLICE(g->group_id), g->type,
            SLICE(g->protocol_type), g->state);
    }
    vec_release(&list);
}

static void run_describe(struct run *r)
{
    struct wire_describe_groups_response_described_group g;

    must(group_describe(r->groups, group_id(r->words[1]), 6, &r->arena, &g));
    put(r, "> %s %.*s type=%.*s protocol=%.*s", wire_error_name(g.error_code), SLICE(g.group_state),
        SLICE(g.protocol_type), SLICE(g.protocol_data));
    for (int32_t i = 0; i < g.members_count; i++) {
        put(r, " %s", member_name(r, g.members[i].member_id));
        if (g.members[i].group_instance_id.at != NULL)
            put(r, "/%.*s", SLICE(g.members[i].group_instance_id));
        put(r, "(%.*s%.*s)=%.*s", SLICE(g.members[i].client_id), SLICE(g.members[i].client_host),
            SLICE(g.members[i].member_assignment));
    }
    put(r, "\n");
}

static void run_options(struct run *r)
{
    r->options = (struct group_options){
        .min_session_timeout_ms = (int32_t)number(r, "min_session", 6000),
        .max_session_timeout_ms = (int32_t)number(r, "max_session", 1800000),
        .initial_rebalance_delay_ms = (int32_t)number(r, "delay", 3000),
        .max_size = (int32_t)number(r, "max_size", INT32_MAX),
        .metadata_max_bytes = (int32_t)number(r, "metadata", 4096),
        .offsets_retention_ms = number(r, "retention", 7 * 86400 * 1000LL),
    };
    groups_set_options(r->groups, &r->options);
}

static void run_marker(struct run *r)
{
    struct logged l = {.producer_id = strtoll(r->words[1], NULL, 10),
                       .is_marker = true,
                       .is_commit = strcmp(r->words[2], "commit") == 0};

    append(r, &l);
}

static void run_delete(struct run *r)
{
    struct group_call call = call_of(r, 2);

    finish(r, group_delete(r->groups, &call, group_id(r->words[2]), &r->update));
}

static void run_delete_topic(struct run *r)
{
    bool is_done = false;

    finish(r, groups_delete_topic(r->groups, slice_of_text(r->words[1]), &r->update, &is_done));
    if (!is_done)
        abort(); /* transcripts are small */
}

static void run_gone(struct run *r)
{
    for (int i = r->who_count; i-- > 0;) {
        if (strcmp(r->who[i], r->words[1]) == 0) {
            groups_forget(r->groups, (uint64_t)i + 1);
            return;
        }
    }
    abort();
}

static void run_refuse(struct run *r)
{
    r->refuses = true;
}

static void run_event(struct run *r)
{
    static const struct {
        const char *name;
        void (*run)(struct run *r);
    } events[] = {
        {"options", run_options},
        {"join", run_join},
        {"sync", run_sync},
        {"heartbeat", run_heartbeat},
        {"leave", run_leave},
        {"commit", run_commit},
        {"commit-txn", run_commit_txn},
        {"marker", run_marker},
        {"fetch", run_fetch},
        {"delete", run_delete},
        {"delete-offsets", run_delete_offsets},
        {"delete-topic", run_delete_topic},
        {"pass", run_pass},
        {"retention", run_retention},
        {"gone", run_gone},
        {"refuse", run_refuse},
        {"reload", run_reload},
        {"list", run_list},
        {"describe", run_describe},
    };

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(r->words[0], events[i].name) == 0) {
            events[i].run(r);
            return;
        }
    }
    put(r, "> unknown event\n");
}

static void run_line(struct run *r, const char *line)
{
    char *copy = (char *)(uintptr_t)arena_copy(&r->arena, slice_of_text(line)).at;
    char *rest = copy;

    put(r, "%s\n", line);
    if (line[0] == '#' || line[0] == 0)
        return;
    r->count = 0;
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (*word == 0)
            continue;
        if (r->count == WORDS_MAX)
            abort();
        r->words[r->count++] = word;
    }
    run_event(r);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, TEXT_MAX);

    if (file == NULL || text == NULL || fread(text, 1, TEXT_MAX - 1, file) == TEXT_MAX - 1) {
        fprintf(stderr, "%s: cannot read it\n", path);
        exit(2);
    }
    fclose(file);
    return text;
}

static int compare(const char *path, const char *want, const char *got)
{
    FILE *file;

    if (strcmp(want, got) == 0)
        return 0;
    if (getenv("DLOG_TEST_UPDATE") == NULL) {
        fprintf(stderr, "%s: what came is not what stands there; what came:\n%s", path, got);
        return 1;
    }
    file = fopen(path, "w");
    if (file == NULL || fputs(got, file) < 0 || fclose(file) != 0)
        return 2;
    fprintf(stderr, "%s: rewritten\n", path);
    return 0;
}

int main(int argc, char **argv)
{
    static struct run r;
    char *text, *copy, *rest;
    int result;

    if (argc != 2) {
        fprintf(stderr, "usage: script-group FILE\n");
        return 2;
    }
    text = read_file(argv[1]);
    copy = rest = strdup(text);
    r.out = calloc(1, TEXT_MAX);
    arena_init(&r.arena, ARENA_MAX);
    group_update_init(&r.update, &r.arena);
    must(groups_new(&r.options, 1, &r.groups));
    r.count = 0;
    run_options(&r);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '>' || (line[0] == 0 && rest == NULL))
            continue;
        run_line(&r, line);
    }
    result = compare(argv[1], text, r.out);
    groups_free(r.groups);
    group_update_release(&r.update);
    arena_release(&r.arena);
    for (int i = 0; i < r.who_count; i++)
        free(r.who[i]);
    free(r.out);
    free(copy);
    free(text);
    return result;
}
