#include "config/topic.h"

#include "unit.h"

static void set(struct config_topic *t, const char *name, const char *value)
{
    struct report r = {0};

    if (config_topic_set(t, slice_of_text(name), slice_of_text(value), &r) != E_OK)
        fail_msg("%s", r.text);
}

static void overrides_hide_the_broker(void **state)
{
    struct config *c = config_new();
    struct config_topic *t = config_topic_new();

    assert_int_equal(config_topic_i64(c, NULL, CONFIG_TOPIC_RETENTION_MS), 604800000);
    assert_int_equal(config_topic_source(c, NULL, CONFIG_TOPIC_RETENTION_MS),
                     CONFIG_SOURCE_DEFAULT);
    assert_int_equal(config_set(c, slice_of_text("log.retention.hours"), slice_of_text("1"),
                                CONFIG_SOURCE_FILE, NULL),
                     E_OK);
    assert_int_equal(config_topic_i64(c, t, CONFIG_TOPIC_RETENTION_MS), 3600000);
    assert_int_equal(config_topic_source(c, t, CONFIG_TOPIC_RETENTION_MS), CONFIG_SOURCE_FILE);
    set(t, "retention.ms", "5");
    set(t, "cleanup.policy", "compact, delete");
    set(t, "preallocate", "true");
    set(t, "min.cleanable.dirty.ratio", "0.25");
    set(t, "message.timestamp.type", "LogAppendTime");
    assert_int_equal(config_topic_i64(c, t, CONFIG_TOPIC_RETENTION_MS), 5);
    assert_string_equal(config_topic_text(c, t, CONFIG_TOPIC_RETENTION_MS), "5");
    assert_int_equal(config_topic_source(c, t, CONFIG_TOPIC_RETENTION_MS), CONFIG_SOURCE_TOPIC);
    assert_int_equal(config_topic_choice(c, t, CONFIG_TOPIC_CLEANUP_POLICY),
                     CONFIG_CLEANUP_COMPACT | CONFIG_CLEANUP_DELETE);
    assert_int_equal(config_topic_choice(c, t, CONFIG_TOPIC_TIMESTAMP_TYPE),
                     CONFIG_LOG_APPEND_TIME);
    assert_true(config_topic_bool(c, t, CONFIG_TOPIC_PREALLOCATE));
    assert_true(config_topic_f64(c, t, CONFIG_TOPIC_MIN_DIRTY_RATIO) == 0.25);
    config_topic_unset(t, slice_of_text("retention.ms"));
    config_topic_unset(t, slice_of_text("nothing"));
    assert_int_equal(config_topic_i64(c, t, CONFIG_TOPIC_RETENTION_MS), 3600000);
    assert_string_equal(config_topic_text(c, t, CONFIG_TOPIC_LEADER_THROTTLED), "");
    config_topic_free(t);
    config_topic_free(NULL);
    config_free(c);
}

static enum err group_set(const struct config *c, const char *session, const char *heartbeat,
                          struct report *report)
{
    struct config_topic *g = config_group_new();
    enum err e = E_OK;

    if (session != NULL)
        set(g, "consumer.session.timeout.ms", session);
    if (heartbeat != NULL)
        set(g, "consumer.heartbeat.interval.ms", heartbeat);
    e = config_group_check(c, g, report);
    config_topic_free(g);
    return e;
}

static void groups_stay_within_what_the_broker_allows(void **state)
{
    struct config *c = config_new();
    struct config_topic *g = config_group_new();
    struct report r = {0};

    assert_int_equal(config_topic_i64(c, g, CONFIG_CONSUMER_SESSION_MS), 45000);
    set(g, "consumer.session.timeout.ms", "50000");
    assert_int_equal(config_topic_i64(c, g, CONFIG_CONSUMER_SESSION_MS), 50000);
    assert_int_equal(config_topic_set(g, slice_of_text("retention.ms"), slice_of_text("1"), &r),
                     E_INVAL);
    config_topic_free(g);
    assert_int_equal(group_set(c, NULL, NULL, &r), E_OK);
    assert_int_equal(group_set(c, "60000", "15000", &r), E_OK);
    assert_int_equal(group_set(c, "60001", NULL, &r), E_INVAL);
    assert_non_null(strstr(r.text, "consumer.session.timeout.ms: value 60001"));
    assert_int_equal(group_set(c, NULL, "4999", &r), E_INVAL);
    assert_int_equal(config_set(c, slice_of_text("group.consumer.min.session.timeout.ms"),
                                slice_of_text("10"), CONFIG_SOURCE_FILE, NULL),
                     E_OK);
    assert_int_equal(group_set(c, "5000", NULL, &r), E_INVAL);
    assert_string_equal(r.text, "setting consumer.session.timeout.ms is not more than "
                                "consumer.heartbeat.interval.ms");
    assert_int_equal(group_set(c, "5001", NULL, &r), E_OK);
    config_free(c);
}

/* Without overrides every topic setting has its broker's value, and all are readable. */
static void every_setting_has_a_value(void **state)
{
    struct config *c = config_new();

    for (enum config_id id = CONFIG_TOPIC_FIRST; id < CONFIG_COUNT; id++)
        assert_non_null(config_topic_text(c, NULL, id));
    config_free(c);
}

static void names_and_values_are_checked(void **state)
{
    struct report r = {0};

    assert_int_equal(config_topic_check(slice_of_text("retention.ms"), slice_of_text("x"), &r),
                     E_INVAL);
    assert_string_equal(r.text, "setting retention.ms: value x is not a whole number");
    assert_int_equal(config_topic_check(slice_of_text("retenton.ms"), slice_of_text("1"), &r),
                     E_INVAL);
    assert_string_equal(r.text, "unknown setting 'retenton.ms', did you mean 'retention.ms'?");
    assert_int_equal(config_topic_check(slice_of_text("log.segment.bytes"), slice_of_text("1"), &r),
                     E_INVAL);
    assert_string_equal(r.text,
                        "unknown setting 'log.segment.bytes', did you mean 'segment.bytes'?");
    assert_int_equal(
        config_topic_check(slice_of_text("remote.storage.enable"), slice_of_text("false"), &r),
        E_OK);
    assert_int_equal(config_topic_check(slice_of_text("retention.ms"), slice_of_text("-1"), &r),
                     E_OK);
}

TESTS(test_topic, cmocka_unit_test(overrides_hide_the_broker),
      cmocka_unit_test(groups_stay_within_what_the_broker_allows),
      cmocka_unit_test(every_setting_has_a_value), cmocka_unit_test(names_and_values_are_checked));
