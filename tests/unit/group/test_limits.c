#include <string.h>

#include "group/group.h"
#include "unit.h"
#include "wire/describe_groups.h"
#include "wire/join_group.h"
#include "wire/sync_group.h"

/* What does not fit into a transcript: sizes at their limit, and who owns an answer. */

enum { ARENA_MAX = 256 << 20, DELAY_MS = 0, SESSION_MS = 10000, REBALANCE_MS = 60000 };

struct bench {
    struct groups *groups;
    struct arena arena;
    struct group_update update;
    int64_t now_ms;
    uint64_t token;
};

static void bench_start(struct bench *b)
{
    const struct group_options options = {.min_session_timeout_ms = 1000,
                                          .max_session_timeout_ms = 100000,
                                          .initial_rebalance_delay_ms = DELAY_MS,
                                          .max_size = INT32_MAX,
                                          .metadata_max_bytes = 4096,
                                          .offsets_retention_ms = 1000};

    *b = (struct bench){.now_ms = 1};
    arena_init(&b->arena, ARENA_MAX);
    group_update_init(&b->update, &b->arena);
    assert_int_equal(groups_new(&options, 7, &b->groups), E_OK);
}

static void bench_stop(struct bench *b)
{
    group_update_release(&b->update);
    arena_release(&b->arena);
    groups_free(b->groups);
}

/* The host's part: records to the machine, and the next update is a fresh one. */
static void finish(struct bench *b)
{
    for (size_t i = 0; i < record_list_count(&b->update.records); i++) {
        struct record_pair pair = record_list_at(&b->update.records, i);

        assert_int_equal(groups_apply(b->groups, &(struct group_record){.key = pair.key,
                                                                        .value = pair.value,
                                                                        .producer_id = -1}),
                         E_OK);
    }
    group_update_release(&b->update);
    group_update_init(&b->update, &b->arena);
}

static struct group_call call_of(struct bench *b, int16_t version)
{
    return (struct group_call){.token = ++b->token,
                               .now_ms = b->now_ms,
                               .wall_ms = b->now_ms,
                               .version = version,
                               .client_id = slice_of_text("c"),
                               .client_host = slice_of_text("/h")};
}

static const struct group_reply *reply_to(struct bench *b, uint64_t token)
{
    for (size_t i = 0; i < b->update.replies.count; i++) {
        const struct group_reply *reply = vec_at(&b->update.replies, i);

        if (reply->token == token)
            return reply;
    }
    return NULL;
}

static uint64_t join(struct bench *b, int16_t version, struct slice member_id)
{
    struct wire_join_group_request_join_group_request_protocol protocol = {
        .name = slice_of_text("range"), .metadata = slice_of_text("m")};
    struct group_call call = call_of(b, version);
    struct wire_join_group_request in;

    wire_join_group_request_init(&in);
    in.group_id = slice_of_text("g");
    in.session_timeout_ms = SESSION_MS;
    in.rebalance_timeout_ms = REBALANCE_MS;
    in.member_id = member_id;
    in.protocol_type = slice_of_text("consumer");
    in.protocols = &protocol;
    in.protocols_count = 1;
    assert_int_equal(group_join(b->groups, &call, &in, &b->update), E_OK);
    return call.token;
}

static void pass(struct bench *b, int64_t ms)
{
    b->now_ms += ms;
    while (groups_deadline_ms(b->groups) <= b->now_ms) {
        assert_int_equal(groups_expire(b->groups, b->now_ms, b->now_ms, &b->update), E_OK);
        finish(b);
    }
}

/* One member, the leader of generation 1; its id. */
static struct slice lead(struct bench *b)
{
    uint64_t token = join(b, 3, slice_of_text(""));
    struct slice id;

    b->now_ms++;
    assert_int_equal(groups_expire(b->groups, b->now_ms, b->now_ms, &b->update), E_OK);
    assert_non_null(reply_to(b, token));
    id = reply_to(b, token)->response.join->member_id;
    finish(b);
    return id;
}

static enum err sync_of(struct bench *b, struct slice member_id, struct slice assignment)
{
    struct wire_sync_group_request_sync_group_request_assignment one = {.member_id = member_id,
                                                                        .assignment = assignment};
    struct group_call call = call_of(b, 5);
    struct wire_sync_group_request in;
    enum err e;

    wire_sync_group_request_init(&in);
    in.group_id = slice_of_text("g");
    in.generation_id = 1;
    in.member_id = member_id;
    in.assignments = &one;
    in.assignments_count = 1;
    e = group_sync(b->groups, &call, &in, &b->update);
    if (e != E_OK)
        groups_forget(b->groups, call.token);
    return e;
}

/* A leader whose assignment cannot be written and that says no more does not keep its group. */
static void an_assignment_too_large_is_not_the_end(void **state)
{
    size_t size = GROUP_RECORDS_BYTES_MAX + 1;
    uint8_t *bytes = calloc(1, size);
    struct slice id;
    struct bench b;

    assert_non_null(bytes);
    bench_start(&b);
    id = lead(&b);
    assert_int_equal(sync_of(&b, id, slice_of(bytes, size)), E_TOO_BIG);
    group_update_release(&b.update);
    group_update_init(&b.update, &b.arena);
    pass(&b, SESSION_MS + REBALANCE_MS);
    join(&b, 3, id);
    assert_int_equal(reply_to(&b, b.token)->response.join->error_code,
                     WIRE_ERROR_UNKNOWN_MEMBER_ID);
    bench_stop(&b);
    free(bytes);
}

/* What was described stays as it was when the group goes on. */
static void a_description_is_a_copy(void **state)
{
    struct wire_describe_groups_response_described_group described;
    struct slice id;
    struct bench b;

    bench_start(&b);
    id = lead(&b);
    assert_int_equal(sync_of(&b, id, slice_of_text("all")), E_OK);
    finish(&b);
    assert_int_equal(group_describe(b.groups, slice_of_text("g"), 5, &b.arena, &described), E_OK);
    groups_free(b.groups);
    b.groups = NULL;
    assert_true(slice_equal_text(described.group_state, "Stable"));
    assert_true(slice_equal_text(described.protocol_type, "consumer"));
    assert_true(slice_equal_text(described.protocol_data, "range"));
    assert_int_equal(described.members_count, 1);
    assert_true(slice_equal(described.members[0].member_id, id));
    assert_true(slice_equal_text(described.members[0].client_id, "c"));
    assert_true(slice_equal_text(described.members[0].client_host, "/h"));
    assert_true(slice_equal_text(described.members[0].member_metadata, "m"));
    assert_true(slice_equal_text(described.members[0].member_assignment, "all"));
    bench_stop(&b);
}

/* Ids that nobody comes back for cost a little each, and are gone when their time is up. */
static void ids_never_used_go(void **state)
{
    enum { IDS = 20000 };
    struct bench b;

    bench_start(&b);
    for (int i = 0; i < IDS; i++) {
        join(&b, 9, slice_of_text(""));
        assert_int_equal(reply_to(&b, b.token)->response.join->error_code,
                         WIRE_ERROR_MEMBER_ID_REQUIRED);
        finish(&b);
        arena_release(&b.arena);
        arena_init(&b.arena, ARENA_MAX);
    }
    assert_int_equal(groups_count(b.groups), 1);
    pass(&b, SESSION_MS);
    assert_int_equal(groups_count(b.groups), 0);
    bench_stop(&b);
}

TESTS(test_limits, cmocka_unit_test(an_assignment_too_large_is_not_the_end),
      cmocka_unit_test(a_description_is_a_copy), cmocka_unit_test(ids_never_used_go));
