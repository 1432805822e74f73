/*
 * Run a transcript of txn/: lines of events, each followed by what came of it.
 *
 *     script-txn FILE        compare; with DLOG_TEST_UPDATE=1 rewrite the file
 *
 * ID is a transactional id, - the empty one; PRODUCER a producer id: those that are given out
 * begin at 1000. A marker that an update holds is out until `marked` says what became of it.
 *
 *     options NAME=VALUE...               max_timeout expiration
 *     init ID [PRODUCER EPOCH] [timeout=MS] [no-id] [wait]
 *     add ID PRODUCER EPOCH TOPIC-N... [wait]
 *     verify ID PRODUCER EPOCH TOPIC-N...
 *     commit ID PRODUCER EPOCH [version=N] [no-id]       EndTxn; of version 4 unless it says so
 *     abort ID PRODUCER EPOCH [version=N] [no-id]
 *     marked ID TOPIC-N... [failed|gone]  those are written; or not; or need it no more
 *     pass MS                             time passes, and what is due happens
 *     expire-ids MS                       wall time passes, then unused ids go
 *     refuse                              the records of the next event are not appended
 *     reload [MS]                         after a crash the log is read again, so much later
 *     epoch ID EPOCH                      a record comes in the log that says this epoch
 *     list [STATE...] [producer=N] [duration=MS]
 *     describe ID
 *
 * Answers start with "> ".
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "txn/txn.h"
#include "wire/describe_transactions.h"
#include "wire/end_txn.h"
#include "wire/init_producer_id.h"
#include "wire/list_transactions.h"
#include "wire/transaction_log_key.h"
#include "wire/transaction_log_value.h"

enum {
    WORDS_MAX = 32,
    TEXT_MAX = 1 << 20,
    ARENA_MAX = 1 << 26,
    RECORDS_MAX = 4096,
    OUT_MAX = 256,
    WALL_START = 1000000,
    FIRST_ID = 1000,
};

struct logged {
    struct slice key;
    struct slice value;
};

struct run {
    struct txns *txns;
    struct txn_options options;
    struct arena arena; /* of the whole run: it is small */
    struct txn_update update;
    struct logged log[RECORDS_MAX];
    int log_count;
    struct txn_marker out[OUT_MAX]; /* markers on their way */
    int out_count;
    int64_t now_ms;
    int64_t wall_ms;
    int64_t next_id;
    bool refuses;
    char *words[WORDS_MAX];
    int count;
    char *text;
    size_t size;
};

#define SLICE(s) (int)(s).size, (const char *)(s).at

static void put(struct run *r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    r->size += (size_t)vsnprintf(r->text + r->size, TEXT_MAX - r->size, format, arguments);
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

static struct slice id_of(const char *word)
{
    return slice_of_text(strcmp(word, "-") == 0 ? "" : word);
}

static bool has_word(const struct run *r, const char *word)
{
    for (int i = 1; i < r->count; i++) {
        if (strcmp(r->words[i], word) == 0)
            return true;
    }
    return false;
}

/* The number of NAME=NUMBER among the words; `other` when it is not there. */
static int64_t number(const struct run *r, const char *name, int64_t other)
{
    size_t size = strlen(name);

    for (int i = 1; i < r->count; i++) {
        if (strncmp(r->words[i], name, size) == 0 && r->words[i][size] == '=')
            return strtoll(r->words[i] + size + 1, NULL, 10);
    }
    return other;
}

static int64_t word_number(const struct run *r, int index)
{
    return index < r->count ? strtoll(r->words[index], NULL, 10) : -1;
}

static struct txn_call call_of(const struct run *r, int16_t version)
{
    return (struct txn_call){.now_ms = r->now_ms,
                             .wall_ms = r->wall_ms,
                             .version = version,
                             .may_wait = has_word(r, "wait"),
                             .free_id = -1};
}

/* TOPIC-N among the words from `from` on, each as a topic of its own. */
static int32_t topics_of(struct run *r, int from, struct txn_topic topics[WORDS_MAX])
{
    int32_t count = 0;

    for (int i = from; i < r->count; i++) {
        char *dash = strrchr(r->words[i], '-');
        int32_t *index = arena_alloc(&r->arena, sizeof(*index));

        if (dash == NULL || index == NULL)
            continue;
        *index = (int32_t)strtol(dash + 1, NULL, 10);
        topics[count++] =
            (struct txn_topic){slice_of(r->words[i], (size_t)(dash - r->words[i])), index, 1};
    }
    return count;
}

/* Records */

static void put_value(struct run *r, const struct wire_transaction_log_value *v)
{
    static const char *const names[] = {"Empty",        "Ongoing",        "PrepareCommit",
                                        "PrepareAbort", "CompleteCommit", "CompleteAbort"};

    put(r, " %s producer=%lld epoch=%d", names[v->transaction_status], (long long)v->producer_id,
        v->producer_epoch);
    if (v->last_producer_epoch >= 0)
        put(r, " last=%d", v->last_producer_epoch);
    if (v->previous_producer_id >= 0)
        put(r, " previous=%lld", (long long)v->previous_producer_id);
    if (v->next_producer_id >= 0)
        put(r, " next=%lld", (long long)v->next_producer_id);
    if (v->client_transaction_version > 0)
        put(r, " v%d", v->client_transaction_version);
    if (v->transaction_status == 0)
        put(r, " timeout=%d", (int)v->transaction_timeout_ms);
    for (int32_t t = 0; t < v->transaction_partitions_count; t++) {
        for (int32_t i = 0; i < v->transaction_partitions[t].partition_ids_count; i++)
            put(r, " %.*s-%d", SLICE(v->transaction_partitions[t].topic),
                (int)v->transaction_partitions[t].partition_ids[i]);
    }
}

static void put_record(struct run *r, const struct logged *l)
{
    struct reader key = reader_init(l->key.at, l->key.size);
    struct reader in = reader_init(l->value.at, l->value.size);
    struct wire_transaction_log_value v;
    struct wire_transaction_log_key k;

    reader_i16(&key);
    must(wire_transaction_log_key_decode(&key, 0, &r->arena, &k));
    put(r, "> record %.*s", SLICE(k.transactional_id));
    if (l->value.at == NULL) {
        put(r, " gone\n");
        return;
    }
    must(wire_transaction_log_value_decode(&in, reader_i16(&in), &r->arena, &v));
    put_value(r, &v);
    put(r, "\n");
}

static void append_records(struct run *r)
{
    for (size_t i = 0; i < record_list_count(&r->update.records); i++) {
        struct record_pair pair = record_list_at(&r->update.records, i);
        struct logged *l = &r->log[r->log_count++];

        if (r->log_count == RECORDS_MAX)
            abort();
        l->key = arena_copy(&r->arena, pair.key);
        l->value = pair.value.at == NULL ? pair.value : arena_copy(&r->arena, pair.value);
        put_record(r, l);
        must(txns_apply(r->txns, l->key, l->value));
    }
}

/* Markers and replies */

static void send_markers(struct run *r)
{
    for (size_t i = 0; i < r->update.markers.count; i++) {
        const struct txn_marker *m = vec_at(&r->update.markers, i);

        put(r, "> marker %.*s %.*s-%d %s producer=%lld epoch=%d%s\n", SLICE(m->transactional_id),
            SLICE(m->topic), (int)m->partition, m->is_commit ? "commit" : "abort",
            (long long)m->producer_id, m->producer_epoch, m->version >= 2 ? " v2" : "");
        if (r->out_count == OUT_MAX)
            abort();
        r->out[r->out_count++] = *m;
    }
}

static void put_reply(struct run *r)
{
    const struct txn_reply *reply = &r->update.reply;

    if (r->update.needs_id)
        put(r, "> needs a producer id\n");
    if (r->update.must_wait)
        put(r, "> waits\n");
    if (reply->kind == TXN_REPLY_NONE)
        return;
    put(r, "> %s", wire_error_name((int16_t)reply->error));
    if (reply->producer_id >= 0)
        put(r, " producer=%lld epoch=%d", (long long)reply->producer_id, reply->producer_epoch);
    put(r, "\n");
}

/* What the host does with an update. */
static void finish(struct run *r, enum err e)
{
    bool is_refused = r->refuses && record_list_count(&r->update.records) > 0;

    if (e != E_OK)
        put(r, "> %s\n", err_name(e));
    if (is_refused)
        put(r, "> refused\n");
    if (!is_refused && e == E_OK) {
        append_records(r);
        put_reply(r);
        send_markers(r);
    }
    r->refuses = r->refuses && !is_refused;
    txn_update_release(&r->update);
    txn_update_init(&r->update, &r->arena);
}

/* Events */

/* The host has ids at hand, and asks again with one. */
static bool give_id(struct run *r, struct txn_call *call)
{
    if (!r->update.needs_id || has_word(r, "no-id"))
        return false;
    txn_update_release(&r->update);
    txn_update_init(&r->update, &r->arena);
    call->free_id = r->next_id++;
    return true;
}

static void run_init(struct run *r)
{
    bool is_named = r->count > 3 && strchr(r->words[3], '=') == NULL;
    struct txn_call call = call_of(r, 5);
    struct wire_init_producer_id_request in;
    enum err e;

    wire_init_producer_id_request_init(&in);
    in.transactional_id = id_of(r->words[1]);
    in.transaction_timeout_ms = (int32_t)number(r, "timeout", 60000);
    if (is_named) {
        in.producer_id = word_number(r, 2);
        in.producer_epoch = (int16_t)word_number(r, 3);
    }
    e = txn_init(r->txns, &call, &in, &r->update);
    if (e == E_OK && give_id(r, &call))
        e = txn_init(r->txns, &call, &in, &r->update);
    finish(r, e);
}

static void put_errors(struct run *r, const struct txn_add *add)
{
    if (r->update.reply.errors == NULL)
        return;
    for (int32_t i = 0; i < add->topic_count; i++)
        put(r, "> %.*s-%d %s\n", SLICE(add->topics[i].name), (int)add->topics[i].partitions[0],
            wire_error_name((int16_t)r->update.reply.errors[i]));
}

static void run_add(struct run *r)
{
    struct txn_topic topics[WORDS_MAX];
    struct txn_call call = call_of(r, 5);
    struct txn_add add = {.transactional_id = id_of(r->words[1]),
                          .producer_id = word_number(r, 2),
                          .producer_epoch = (int16_t)word_number(r, 3),
                          .is_verify = strcmp(r->words[0], "verify") == 0,
                          .topics = topics,
                          .topic_count = topics_of(r, 4, topics)};
    enum err e = txn_add(r->txns, &call, &add, &r->update);

    put_errors(r, &add);
    finish(r, e);
}

static void run_end(struct run *r)
{
    struct txn_call call = call_of(r, (int16_t)number(r, "version", 4));
    struct wire_end_txn_request in = {.transactional_id = id_of(r->words[1]),
                                      .producer_id = word_number(r, 2),
                                      .producer_epoch = (int16_t)word_number(r, 3),
                                      .committed = strcmp(r->words[0], "commit") == 0};
    enum err e = txn_end(r->txns, &call, &in, &r->update);

    if (e == E_OK && give_id(r, &call))
        e = txn_end(r->txns, &call, &in, &r->update);
    finish(r, e);
}

/* The marker of that partition that is out; it is not, afterwards. */
static bool take_out(struct run *r, struct slice id, const struct txn_topic *topic,
                     struct txn_marker *marker_out)
{
    for (int i = 0; i < r->out_count; i++) {
        if (!slice_equal(r->out[i].transactional_id, id) ||
            !slice_equal(r->out[i].topic, topic->name) ||
            r->out[i].partition != topic->partitions[0])
            continue;
        *marker_out = r->out[i];
        r->out[i] = r->out[--r->out_count];
        return true;
    }
    put(r, "> no such marker is out\n");
    return false;
}

static void run_marked(struct run *r)
{
    struct txn_topic topics[WORDS_MAX];
    struct txn_marker markers[WORDS_MAX];
    struct txn_marked marked[WORDS_MAX];
    struct txn_call call = call_of(r, 0);
    int32_t topic_count = topics_of(r, 2, topics);
    size_t count = 0;

    for (int32_t i = 0; i < topic_count; i++) {
        if (!take_out(r, slice_of_text(r->words[1]), &topics[i], &markers[count]))
            continue;
        marked[count].marker = &markers[count];
        marked[count++].mark = has_word(r, "failed") ? TXN_MARK_FAILED
                               : has_word(r, "gone") ? TXN_MARK_GONE
                                                     : TXN_MARK_WRITTEN;
    }
    finish(r, txn_marked(r->txns, &call, marked, count, &r->update));
}

static void run_pass(struct run *r)
{
    int64_t until_ms = r->now_ms + word_number(r, 1);

    while (txns_deadline_ms(r->txns) <= until_ms) {
        int64_t due_ms = txns_deadline_ms(r->txns);
        struct txn_call call;

        if (due_ms > r->now_ms) {
            r->wall_ms += due_ms - r->now_ms;
            r->now_ms = due_ms;
        }
        call = call_of(r, 0);
        finish(r, txns_expire(r->txns, &call, &r->update));
    }
    r->wall_ms += until_ms - r->now_ms;
    r->now_ms = until_ms;
}

static void run_expire_ids(struct run *r)
{
    bool is_done = false;

    r->wall_ms += word_number(r, 1);
    while (!is_done) {
        struct txn_call call = call_of(r, 0);

        finish(r, txns_expire_ids(r->txns, &call, &r->update, &is_done));
    }
}

static void run_refuse(struct run *r)
{
    r->refuses = true;
}

static void run_reload(struct run *r)
{
    txns_free(r->txns);
    must(txns_new(&r->options, 1, &r->txns));
    for (int i = 0; i < r->log_count; i++)
        must(txns_apply(r->txns, r->log[i].key, r->log[i].value));
    r->out_count = 0;
    r->now_ms += 1;
    r->wall_ms += r->count > 1 ? word_number(r, 1) : 1;
    txns_loaded(r->txns, r->now_ms, r->wall_ms);
}

/* So that nobody has to end 32,766 transactions. */
static void run_epoch(struct run *r)
{
    struct slice id = slice_of_text(r->words[1]);

    for (int i = r->log_count; i-- > 0;) {
        struct reader in = reader_init(r->log[i].value.at, r->log[i].value.size);
        struct reader key = reader_init(r->log[i].key.at, r->log[i].key.size);
        struct wire_transaction_log_key k;
        struct wire_transaction_log_value v;
        struct writer w;
        struct buf bytes;

        reader_i16(&key);
        must(wire_transaction_log_key_decode(&key, 0, &r->arena, &k));
        if (!slice_equal(k.transactional_id, id))
            continue;
        must(wire_transaction_log_value_decode(&in, reader_i16(&in), &r->arena, &v));
        v.producer_epoch = (int16_t)word_number(r, 2);
        buf_init(&bytes, TEXT_MAX);
        w = writer_init(&bytes);
        writer_i16(&w, 1);
        wire_transaction_log_value_encode(&w, 1, &v);
        must(writer_done(&w));
        r->log[r->log_count].key = r->log[i].key;
        r->log[r->log_count].value = arena_copy(&r->arena, buf_slice(&bytes));
        must(txns_apply(r->txns, r->log[i].key, r->log[r->log_count].value));
        r->log_count++;
        buf_release(&bytes);
        return;
    }
}

static void run_options(struct run *r)
{
    r->options.max_timeout_ms = (int32_t)number(r, "max_timeout", 900000);
    r->options.id_expiration_ms = number(r, "expiration", 604800000);
    txns_free(r->txns);
    must(txns_new(&r->options, 1, &r->txns));
    txns_loaded(r->txns, r->now_ms, r->wall_ms);
    r->log_count = 0;
    r->out_count = 0;
}

/* Questions */

static int by_id(const void *a, const void *b)
{
    const struct txn_listed *x = a, *y = b;

    return slice_compare(x->transactional_id, y->transactional_id);
}

static void run_list(struct run *r)
{
    struct wire_list_transactions_request in;
    struct slice states[WORDS_MAX];
    int64_t producer = number(r, "producer", -1);
    struct vec list;

    wire_list_transactions_request_init(&in);
    in.state_filters = states;
    for (int i = 1; i < r->count; i++) {
        if (strchr(r->words[i], '=') == NULL)
            states[in.state_filters_count++] = slice_of_text(r->words[i]);
    }
    in.producer_id_filters = &producer;
    in.producer_id_filters_count = producer >= 0;
    in.duration_filter = number(r, "duration", -1);
    vec_init(&list, sizeof(struct txn_listed), RECORDS_MAX);
    must(txns_list(r->txns, &in, r->wall_ms, &list));
    if (list.count > 1)
        qsort(list.at, list.count, sizeof(struct txn_listed), by_id);
    for (int i = 1; i < r->count; i++) {
        if (strchr(r->words[i], '=') == NULL && !txn_is_state_name(slice_of_text(r->words[i])))
            put(r, "> unknown state %s\n", r->words[i]);
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct txn_listed *l = vec_at(&list, i);

        put(r, "> %.*s producer=%lld %s\n", SLICE(l->transactional_id), (long long)l->producer_id,
            l->state);
    }
    vec_release(&list);
}

static void run_describe(struct run *r)
{
    struct wire_describe_transactions_response_transaction_state out;

    must(txn_describe(r->txns, id_of(r->words[1]), &r->arena, &out));
    put(r, "> %s", wire_error_name(out.error_code));
    if (out.error_code == 0)
        put(r, " %.*s producer=%lld epoch=%d timeout=%d start=%lld", SLICE(out.transaction_state),
            (long long)out.producer_id, out.producer_epoch, (int)out.transaction_timeout_ms,
            (long long)out.transaction_start_time_ms);
    for (int32_t t = 0; t < out.topics_count; t++) {
        for (int32_t i = 0; i < out.topics[t].partitions_count; i++)
            put(r, " %.*s-%d", SLICE(out.topics[t].topic), (int)out.topics[t].partitions[i]);
    }
    put(r, "\n");
}

static void run_event(struct run *r)
{
    static const struct {
        const char *name;
        int words_min;
        void (*run)(struct run *r);
    } events[] = {
        {"options", 1, run_options}, {"init", 2, run_init},
        {"add", 4, run_add},         {"verify", 4, run_add},
        {"commit", 4, run_end},      {"abort", 4, run_end},
        {"marked", 2, run_marked},   {"pass", 2, run_pass},
        {"refuse", 1, run_refuse},   {"expire-ids", 2, run_expire_ids},
        {"reload", 1, run_reload},   {"epoch", 3, run_epoch},
        {"list", 1, run_list},       {"describe", 2, run_describe},
    };

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(r->words[0], events[i].name) == 0 && r->count >= events[i].words_min) {
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
        fprintf(stderr, "usage: script-txn FILE\n");
        return 2;
    }
    text = read_file(argv[1]);
    copy = rest = strdup(text);
    r.text = calloc(1, TEXT_MAX);
    r.wall_ms = WALL_START;
    r.next_id = FIRST_ID;
    arena_init(&r.arena, ARENA_MAX);
    txn_update_init(&r.update, &r.arena);
    run_options(&r);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '>' || (line[0] == 0 && rest == NULL))
            continue;
        run_line(&r, line);
    }
    result = compare(argv[1], text, r.text);
    txns_free(r.txns);
    txn_update_release(&r.update);
    arena_release(&r.arena);
    free(r.text);
    free(copy);
    free(text);
    return result;
}
