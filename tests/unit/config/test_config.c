#include "config/config.h"

#include "config/topic.h"
#include "unit.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static void set(struct config *c, const char *name, const char *value, enum config_source source)
{
    struct report r = {0};

    if (config_set(c, text(name), text(value), source, &r) != E_OK)
        fail_msg("%s", r.text);
}

/* Expect config_set to refuse, with this text. */
static void refused(const char *name, const char *value, const char *expected)
{
    struct config *c = config_new();
    struct report r = {0};

    assert_int_equal(config_set(c, text(name), text(value), CONFIG_SOURCE_FILE, &r), E_INVAL);
    assert_string_equal(r.text, expected);
    config_free(c);
}

static void defaults_are_valid(void **state)
{
    struct config *c = config_new();
    struct report r = {0};

    assert_non_null(c);
    assert_int_equal(config_check(c, &r), E_OK);
    assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 1 << 30);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 168 * 3600000ll);
    assert_string_equal(config_text(c, CONFIG_LOG_RETENTION_MS), "604800000");
    assert_true(config_bool(c, CONFIG_AUTO_CREATE_TOPICS));
    assert_int_equal(config_choice(c, CONFIG_LOG_DURABILITY), CONFIG_DURABILITY_ALWAYS);
    assert_int_equal(config_choice(c, CONFIG_LOG_CLEANUP_POLICY), CONFIG_CLEANUP_DELETE);
    assert_true(config_f64(c, CONFIG_LOG_MIN_DIRTY_RATIO) == 0.5);
    assert_null(config_text(c, CONFIG_LOG_DIRS));
    assert_string_equal(config_warning(c), "");
    config_free(c);
    config_free(NULL);
}

static void precedence_ignores_the_order_of_calls(void **state)
{
    struct config *c = config_new();

    set(c, "shards", "4", CONFIG_SOURCE_ARGUMENT);
    set(c, "shards", "3", CONFIG_SOURCE_ENV);
    set(c, "shards", "2", CONFIG_SOURCE_FILE);
    assert_int_equal(config_i64(c, CONFIG_SHARDS), 4);
    assert_int_equal(config_source(c, CONFIG_SHARDS), CONFIG_SOURCE_ARGUMENT);
    config_unset(c, text("shards"), CONFIG_SOURCE_ARGUMENT);
    assert_int_equal(config_i64(c, CONFIG_SHARDS), 3);
    config_unset_all(c, CONFIG_SOURCE_ENV);
    assert_int_equal(config_i64(c, CONFIG_SHARDS), 2);
    assert_string_equal(config_source_text(c, CONFIG_SHARDS, CONFIG_SOURCE_DEFAULT), "1");
    config_free(c);
}

static void names_are_known_unused_or_refused(void **state)
{
    struct config *c = config_new();

    refused("log.retention.m", "1",
            "unknown setting 'log.retention.m', did you mean "
            "'log.retention.ms'?");
    refused("retention.ms", "1",
            "unknown setting 'retention.ms', did you mean "
            "'log.retention.ms'?");
    refused("qwertyuiop", "1", "unknown setting 'qwertyuiop'");
    refused("a\nb", "1", "unknown setting 'a?b'");
    refused("", "1", "unknown setting ''");
    set(c, "num.network.threads", "3", CONFIG_SOURCE_FILE);
    set(c, "ssl.keystore.location", "/x", CONFIG_SOURCE_FILE);
    set(c, "num.network.threads", "4", CONFIG_SOURCE_ENV);
    assert_string_equal(config_warning(c), "known to Kafka and not used here: "
                                           "num.network.threads, ssl.keystore.location");
    set(c, "broker.id", "7", CONFIG_SOURCE_FILE);
    assert_int_equal(config_i64(c, CONFIG_NODE_ID), 7);
    config_free(c);
}

static void values_out_of_range_are_refused(void **state)
{
    refused("shards", "65", "setting shards: value 65 is not in [1, 64]");
    refused("shards", "99999999999999999999",
            "setting shards: value 99999999999999999999 is not "
            "in [1, 64]");
    refused("shards", "two", "setting shards: value two is not a whole number");
    refused("shards", "", "setting shards: value  is not a whole number");
    refused("log.durability", "never",
            "setting log.durability: value never is not one of always, interval, os");
    refused("log.cleanup.policy", "delete,burn",
            "setting log.cleanup.policy: value burn is not one of compact, delete");
    refused("auto.create.topics.enable", "yes",
            "setting auto.create.topics.enable: value yes is not true or false");
    refused("log.cleaner.min.cleanable.ratio", "1.5",
            "setting log.cleaner.min.cleanable.ratio: value 1.5 is not in [0, 1]");
    refused("listeners", "PLAINTEXT://:70000",
            "setting listeners: listener PLAINTEXT://:70000: the port is not in [0, 65535]");
}

static void stand_ins_count_until_the_real_one_is_set(void **state)
{
    struct config *c = config_new();

    set(c, "log.retention.hours", "1", CONFIG_SOURCE_ENV);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 3600000);
    assert_int_equal(config_source(c, CONFIG_LOG_RETENTION_MS), CONFIG_SOURCE_ENV);
    set(c, "log.retention.minutes", "2", CONFIG_SOURCE_FILE);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 120000);
    assert_string_equal(config_text(c, CONFIG_LOG_RETENTION_MS), "120000");
    set(c, "log.retention.ms", "3", CONFIG_SOURCE_FILE);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 3);
    config_unset(c, text("log.retention.ms"), CONFIG_SOURCE_FILE);
    set(c, "log.retention.minutes", "-1", CONFIG_SOURCE_FILE);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), -1);
    set(c, "log.dir", "/a", CONFIG_SOURCE_FILE);
    assert_string_equal(config_text(c, CONFIG_LOG_DIRS), "/a");
    set(c, "log.dirs", " /b , /c ", CONFIG_SOURCE_FILE);
    assert_string_equal(config_text(c, CONFIG_LOG_DIRS), "/b , /c");
    assert_int_equal(config_i64(c, CONFIG_LOG_FLUSH_MS), INT64_MAX);
    config_free(c);
}

static void the_environment_and_the_command_line(void **state)
{
    struct config *c = config_new();
    struct report r = {0};

    assert_int_equal(config_set_env(c, text("DLOG_LOG_RETENTION_MS=1000"), &r), E_OK);
    assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 1000);
    assert_int_equal(config_set_env(c, text("DLOG_TEST_ANYTHING=1"), &r), E_OK);
    assert_int_equal(config_set_env(c, text("PATH=/bin"), &r), E_OK);
    assert_int_equal(config_set_env(c, text("DLOG_SHARD=2"), &r), E_INVAL);
    assert_string_equal(r.text, "unknown setting 'shard', did you mean 'shards'? "
                                "(from environment DLOG_SHARD)");
    assert_int_equal(config_set_argument(c, text("shards=0"), &r), E_INVAL);
    assert_string_equal(r.text, "setting shards: value 0 is not in [1, 64] (from --set)");
    assert_int_equal(config_set_argument(c, text("shards"), &r), E_INVAL);
    assert_string_equal(r.text, "--set wants name=value");
    assert_int_equal(config_set_argument(c, text("broker.rack=a=b"), &r), E_OK);
    assert_string_equal(config_text(c, CONFIG_BROKER_RACK), "a=b");
    config_free(c);
}

static void only_dynamic_settings_change_in_the_cluster(void **state)
{
    struct config *c = config_new();
    struct report r = {0};

    assert_int_equal(config_set(c, text("shards"), text("2"), CONFIG_SOURCE_DYNAMIC, &r), E_DENIED);
    set(c, "log.segment.bytes", "2048", CONFIG_SOURCE_ARGUMENT);
    set(c, "log.segment.bytes", "4096", CONFIG_SOURCE_DYNAMIC_DEFAULT);
    assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 4096);
    config_unset_all(c, CONFIG_SOURCE_DYNAMIC_DEFAULT);
    assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 2048);
    config_free(c);
}

static void contradictions_are_found(void **state)
{
    struct config *c = config_new();
    struct report r = {0};

    set(c, "disk.warn.percent", "96", CONFIG_SOURCE_FILE);
    assert_int_equal(config_check(c, &r), E_INVAL);
    assert_string_equal(r.text,
                        "setting disk.warn.percent (96) is more than disk.throttle.percent (95)");
    config_unset(c, text("disk.warn.percent"), CONFIG_SOURCE_FILE);
    set(c, "advertised.listeners", "SSL://h:1", CONFIG_SOURCE_FILE);
    assert_int_equal(config_check(c, &r), E_INVAL);
    assert_string_equal(r.text,
                        "setting advertised.listeners: SSL://h:1 has no listener of that name");
    set(c, "advertised.listeners", "PLAINTEXT://:1", CONFIG_SOURCE_FILE);
    assert_int_equal(config_check(c, &r), E_INVAL);
    set(c, "advertised.listeners", "PLAINTEXT://h:1", CONFIG_SOURCE_FILE);
    assert_int_equal(config_check(c, &r), E_OK);
    config_free(c);
}

/* Names are unique within their scope, documented in one line, and defaults fit. */
static void a_copy_has_the_same_values_and_its_own(void **state)
{
    struct config *c = config_new();
    struct config *copy;

    assert_int_equal(
        config_set(c, text("log.retention.hours"), text("1"), CONFIG_SOURCE_FILE, NULL), E_OK);
    assert_int_equal(config_set(c, text("shards"), text("3"), CONFIG_SOURCE_ARGUMENT, NULL), E_OK);
    assert_int_equal(config_copy(c, &copy), E_OK);
    assert_int_equal(
        config_set(c, text("message.max.bytes"), text("9"), CONFIG_SOURCE_DYNAMIC, NULL), E_OK);
    config_unset(c, text("shards"), CONFIG_SOURCE_ARGUMENT);
    assert_int_equal(config_i64(copy, CONFIG_LOG_RETENTION_MS), 3600000);
    assert_int_equal(config_i64(copy, CONFIG_SHARDS), 3);
    assert_int_equal(config_source(copy, CONFIG_SHARDS), CONFIG_SOURCE_ARGUMENT);
    assert_int_equal(config_i64(copy, CONFIG_MESSAGE_MAX_BYTES), 1048588);
    config_free(c);
    assert_string_equal(config_text(copy, CONFIG_LOG_RETENTION_MS), "3600000");
    config_free(copy);
}

static void the_table_is_sound(void **state)
{
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        struct config_entry e = config_entry(id);
        enum config_scope scope = e.scope & (CONFIG_BROKER | CONFIG_TOPIC | CONFIG_GROUP);

        assert_int_equal(e.id, id);
        assert_int_equal(config_find(text(e.name), scope), id);
        assert_false(config_is_unused(text(e.name)));
        assert_true(strlen(e.documentation) > 10);
        assert_null(strchr(e.documentation, '\n'));
        assert_null(strchr(e.documentation, '|'));
        assert_true(e.min <= e.max);
        assert_true(e.type != CONFIG_ENUM || e.choices != NULL);
        assert_int_equal(scope, id >= CONFIG_GROUP_FIRST   ? CONFIG_GROUP
                                : id >= CONFIG_TOPIC_FIRST ? CONFIG_TOPIC
                                                           : CONFIG_BROKER);
    }
}

TESTS(test_config, cmocka_unit_test(defaults_are_valid),
      cmocka_unit_test(precedence_ignores_the_order_of_calls),
      cmocka_unit_test(names_are_known_unused_or_refused),
      cmocka_unit_test(values_out_of_range_are_refused),
      cmocka_unit_test(a_copy_has_the_same_values_and_its_own),
      cmocka_unit_test(stand_ins_count_until_the_real_one_is_set),
      cmocka_unit_test(the_environment_and_the_command_line),
      cmocka_unit_test(only_dynamic_settings_change_in_the_cluster),
      cmocka_unit_test(contradictions_are_found), cmocka_unit_test(the_table_is_sound));
