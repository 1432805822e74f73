#include "broker/fetch_session_priv.h"

#include <string.h>

#include "unit.h"
#include "wire/fetch.h"

/* Sessions alone, with a clock of our own. */

static enum wire_error begin(struct fetch_sessions *s, int32_t id, int32_t epoch, int64_t now_ms,
                             struct fetch_session **out)
{
    struct wire_fetch_request_fetch_partition part;
    struct wire_fetch_request_fetch_topic topic;
    struct wire_fetch_request in;

    wire_fetch_request_init(&in);
    wire_fetch_request_fetch_topic_init(&topic);
    wire_fetch_request_fetch_partition_init(&part);
    topic.topic = slice_of_text("t");
    topic.partitions = &part;
    topic.partitions_count = 1;
    in.topics = &topic;
    in.topics_count = 1;
    in.session_id = id;
    in.session_epoch = epoch;
    *out = NULL;
    return fetch_session_begin(s, &in, 12, now_ms, out);
}

static void test_eviction(void **state)
{
    struct fetch_sessions *s = fetch_sessions_new(2, 1);
    struct fetch_session *a, *b, *c;

    assert_int_equal(begin(s, 0, 0, 0, &a), 0);
    assert_int_equal(begin(s, 0, 0, 10, &b), 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(begin(s, 0, 0, FETCH_SESSION_EVICTION_MS - 1, &c), 0);
    assert_null(c);
    assert_int_equal(begin(s, a->id, 1, FETCH_SESSION_EVICTION_MS, &c), 0); /* a is used again */
    assert_ptr_equal(a, c);
    assert_int_equal(begin(s, 0, 0, FETCH_SESSION_EVICTION_MS + 10, &c), 0);
    assert_non_null(c);
    assert_int_equal(fetch_sessions_count(s), 2);
    assert_ptr_equal(fetch_session_find(s, a->id), a);
    fetch_sessions_free(s);
}

static void test_epochs(void **state)
{
    struct fetch_sessions *s = fetch_sessions_new(2, 1);
    struct fetch_session *a, *b;
    int32_t id;

    assert_int_equal(begin(s, 0, 0, 0, &a), 0);
    id = a->id;
    assert_int_equal(begin(s, id, 2, 0, &b), WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(begin(s, id + 1, 1, 0, &b), WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    a->epoch = INT32_MAX;
    assert_int_equal(begin(s, id, INT32_MAX, 0, &b), 0);
    assert_int_equal(a->epoch, 1); /* 0 and -1 mean something else */
    assert_int_equal(begin(s, id, 0, 0, &b), 0);
    assert_true(b != NULL && b->id != id);
    assert_int_equal(fetch_sessions_count(s), 1);
    assert_int_equal(begin(s, b->id, -1, 0, &a), 0);
    assert_null(a);
    assert_int_equal(fetch_sessions_count(s), 0);
    fetch_sessions_free(s);
}

static void test_told(void **state)
{
    struct fetch_sessions *s = fetch_sessions_new(2, 1);
    struct fetch_told told = {.high_watermark = 5, .log_start = 0};
    struct fetch_session *a;
    struct fetch_want *want;

    assert_int_equal(begin(s, 0, 0, 0, &a), 0);
    want = fetch_session_want(a, slice_of_text("t"), (struct uuid){{0}}, 0);
    assert_non_null(want);
    assert_true(fetch_session_tell(a, want, &told));
    assert_false(fetch_session_tell(a, want, &told));
    told.log_start = 1;
    assert_true(fetch_session_tell(a, want, &told));
    told.has_error = true;
    assert_true(fetch_session_tell(a, want, &told));
    assert_true(fetch_session_tell(a, want, &told));
    told.has_error = false;
    assert_true(fetch_session_tell(a, want, &told)); /* the error is gone: that is news */
    assert_false(fetch_session_tell(a, want, &told));
    fetch_sessions_free(s);
}

TESTS(test_session, cmocka_unit_test(test_eviction), cmocka_unit_test(test_epochs),
      cmocka_unit_test(test_told));
