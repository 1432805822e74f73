/*
 * Records of __transaction_state: a byte for the size of a value (255: a tombstone), then the
 * value, again and again for one of four transactional ids. Whatever the machine took it can list,
 * describe and bring to an end: no transaction stays open, none stays undecided.
 */
#include "txn/txn.h"

#include "base/reader.h"
#include "wire/describe_transactions.h"
#include "wire/list_transactions.h"

#include "fuzz.h"

enum { ARENA_MAX = 64 << 20, ROUNDS_MAX = 64, IDS = 4, LIST_MAX = 64, TOMBSTONE = 255 };

static void look(const struct txns *txns)
{
    struct wire_list_transactions_request request;
    struct vec list;

    wire_list_transactions_request_init(&request);
    vec_init(&list, sizeof(struct txn_listed), LIST_MAX);
    FUZZ_CHECK(txns_list(txns, &request, 1, &list) == E_OK);
    FUZZ_CHECK(list.count == txns_count(txns));
    for (size_t i = 0; i < list.count; i++) {
        const struct txn_listed *listed = vec_at(&list, i);
        struct wire_describe_transactions_response_transaction_state out;
        struct arena arena;

        arena_init(&arena, ARENA_MAX);
        FUZZ_CHECK(txn_describe(txns, listed->transactional_id, &arena, &out) == E_OK);
        FUZZ_CHECK(out.error_code == 0 && out.producer_id == listed->producer_id);
        arena_release(&arena);
    }
    vec_release(&list);
}

static void apply_update(struct txns *txns, const struct txn_update *update)
{
    for (size_t i = 0; i < record_list_count(&update->records); i++) {
        struct record_pair pair = record_list_at(&update->records, i);

        FUZZ_CHECK(txns_apply(txns, pair.key, pair.value) == E_OK);
    }
}

/* All markers of an update are written at once. */
static void mark_all(struct txns *txns, const struct txn_call *call, const struct txn_update *given)
{
    for (size_t i = 0; i < given->markers.count; i++) {
        const struct txn_marked marked = {vec_at(&given->markers, i), TXN_MARK_WRITTEN};
        struct txn_update update;
        struct arena arena;

        arena_init(&arena, ARENA_MAX);
        txn_update_init(&update, &arena);
        FUZZ_CHECK(txn_marked(txns, call, &marked, 1, &update) == E_OK);
        apply_update(txns, &update);
        txn_update_release(&update);
        arena_release(&arena);
    }
}

static void end_all(struct txns *txns)
{
    struct txn_call call = {.now_ms = INT32_MAX, .wall_ms = INT32_MAX, .free_id = -1};
    int rounds = 0;

    txns_loaded(txns, 0, 0);
    while (txns_deadline_ms(txns) != INT64_MAX) {
        struct txn_update update;
        struct arena arena;

        FUZZ_CHECK(rounds++ < ROUNDS_MAX);
        arena_init(&arena, ARENA_MAX);
        txn_update_init(&update, &arena);
        FUZZ_CHECK(txns_expire(txns, &call, &update) == E_OK);
        apply_update(txns, &update);
        mark_all(txns, &call, &update);
        txn_update_release(&update);
        arena_release(&arena);
        call.now_ms += 1000 * 1000;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct txn_options options = {.max_timeout_ms = INT32_MAX, .id_expiration_ms = 1};
    struct reader r = reader_init(bytes, size);
    struct txns *txns;
    uint8_t key[] = {0, 0, 0, 1, 'a'};

    FUZZ_CHECK(txns_new(&options, 1, &txns) == E_OK);
    for (int i = 0; reader_left(&r) > 1; i++) {
        size_t want = (uint8_t)reader_i8(&r);
        struct slice value = {0};
        size_t count = txns_count(txns);

        key[4] = (uint8_t)('a' + i % IDS);
        if (want != TOMBSTONE)
            value = reader_slice(&r, want < reader_left(&r) ? want : reader_left(&r));
        if (txns_apply(txns, slice_of(key, sizeof(key)), value) != E_OK)
            FUZZ_CHECK(txns_count(txns) == count);
    }
    look(txns);
    end_all(txns);
    look(txns);
    txns_free(txns);
    return 0;
}
