#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"
#include "unit.h"

/* What can be wrong at open, and what names can be. */

static void errors_have_texts(void **state)
{
    for (int e = DLOG_OK; e <= DLOG_E_WOKEN; e++) {
        assert_non_null(dlog_strerror(e));
        for (int other = DLOG_OK; other < e; other++)
            assert_string_not_equal(dlog_strerror(e), dlog_strerror(other));
    }
    assert_string_equal(dlog_strerror(-1), "unknown error");
    assert_string_equal(dlog_strerror(9999), "unknown error");
    assert_int_equal(strtol(dlog_version(), NULL, 10), DLOG_VERSION_MAJOR);
}

static void options_are_checked(void **state)
{
    struct dlog_options o;
    struct dlog *log = NULL;
    struct rig r;

    rig_init(&r);
    o = r.options;
    o.size = 0;
    assert_int_equal(dlog_open(r.env, "t", &o, &log), DLOG_E_INVAL);
    o.size = SIZE_MAX;
    assert_int_equal(dlog_open(r.env, "t", &o, &log), DLOG_E_INVAL);
    o = r.options;
    o.flush_ms = 0;
    assert_int_equal(dlog_open(r.env, "t", &o, &log), DLOG_E_INVAL);
    assert_non_null(strstr(r.report, "flush_ms is 0"));
    o = r.options;
    o.durability = (enum dlog_durability)7;
    assert_int_equal(dlog_open(r.env, "t", &o, &log), DLOG_E_INVAL);
    o = r.options;
    o.compression_level = 99;
    assert_int_equal(dlog_open(r.env, "t", &o, &log), DLOG_E_INVAL);
    assert_non_null(strstr(r.report, "compression_level"));
    assert_int_equal(dlog_open(NULL, "t", NULL, &log), DLOG_E_INVAL);
    assert_int_equal(dlog_open(r.env, NULL, NULL, &log), DLOG_E_INVAL);
    assert_int_equal(dlog_open(r.env, "t", NULL, NULL), DLOG_E_INVAL);
    assert_null(log);
    assert_int_equal(dlog_open(r.env, "t", NULL, &log), DLOG_OK);
    o = r.options;
    o.retention_ms = -2;
    assert_int_equal(dlog_set_options(log, &o), DLOG_E_INVAL);
    assert_int_equal(dlog_set_options(log, NULL), DLOG_E_INVAL);
    assert_int_equal(dlog_close(log), DLOG_OK);
    rig_close(&r);
}

/* A program built with another version of the header. */
static void options_of_other_versions_work(void **state)
{
    struct {
        struct dlog_options options;
        int64_t later;
    } newer;
    struct dlog_stats stats = {.size = offsetof(struct dlog_stats, end_offset), .end_offset = -7};
    struct rig r;

    rig_init(&r);
    dlog_options_init(&newer.options, sizeof(newer));
    assert_int_equal(newer.options.size, sizeof(newer));
    assert_int_equal(newer.later, 0);
    newer.options.report = r.report;
    newer.options.report_size = sizeof(r.report);
    newer.later = 1;
    assert_int_equal(dlog_open(r.env, "t", &newer.options, &r.log), DLOG_E_UNSUPPORTED);
    assert_non_null(strstr(r.report, "does not know"));
    newer.later = 0;
    assert_int_equal(dlog_open(r.env, "t", &newer.options, &r.log), DLOG_OK);
    assert_string_equal(r.report, "");
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    r.options.size = offsetof(struct dlog_options, batch_bytes); /* older */
    r.options.batch_bytes = -1;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 3);
    assert_int_equal(dlog_stats(r.log, &stats), DLOG_OK);
    assert_int_equal(stats.durable_offset, 3);
    assert_int_equal(stats.end_offset, -7);
    stats.size = 0;
    assert_int_equal(dlog_stats(r.log, &stats), DLOG_E_INVAL);
    assert_int_equal(dlog_stats(r.log, NULL), DLOG_E_INVAL);
    rig_close(&r);
}

static void names_are_checked(void **state)
{
    static const char *const bad[] = {"", ".", "..", ".x", "a/b", "a b", "\xc3\xa4"};
    char name[300];
    struct rig r;

    rig_init(&r);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(dlog_open(r.env, bad[i], &r.options, &r.log), DLOG_E_INVAL);
        assert_non_null(strstr(r.report, "no log can be called"));
        assert_int_equal(dlog_delete(r.env, bad[i]), DLOG_E_INVAL);
    }
    memset(name, 'x', sizeof(name));
    name[250] = '\0';
    assert_int_equal(dlog_open(r.env, name, &r.options, &r.log), DLOG_E_INVAL);
    name[249] = '\0';
    assert_int_equal(dlog_open(r.env, name, &r.options, &r.log), DLOG_OK);
    rig_close(&r);
}

static void creation_is_as_asked(void **state)
{
    struct rig r;

    rig_init(&r);
    r.options.create = DLOG_CREATE_NEVER;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_E_NOT_FOUND);
    assert_non_null(strstr(r.report, "not to be created"));
    r.options.create = DLOG_CREATE_NEW;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_E_EXISTS);
    r.options.create = DLOG_CREATE_NEVER;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_close(&r);
}

static void a_root_has_one_holder(void **state)
{
    struct dlog_env *other = NULL;
    struct dlog *log = NULL;
    char path[400];
    struct rig r;

    rig_open(&r);
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &other), DLOG_E_BUSY);
    assert_non_null(strstr(r.report, ".lock"));
    assert_int_equal(dlog_open(r.env, "t", &r.options, &log), DLOG_E_BUSY);
    assert_non_null(strstr(r.report, "already"));
    assert_int_equal(dlog_delete(r.env, "t"), DLOG_E_BUSY);
    assert_int_equal(dlog_env_close(r.env), DLOG_E_BUSY);
    /* A log of that root by itself, as well. */
    snprintf(path, sizeof(path), "%s/t", r.path);
    assert_int_equal(dlog_open_dir(path, &r.options, &log), DLOG_E_BUSY);
    assert_non_null(strstr(r.report, "root around it"));
    assert_null(other);
    assert_null(log);
    rig_close(&r);
}

/* The other way round: a log that is open by itself cannot be opened in its root. */
static void a_lone_log_has_one_holder(void **state)
{
    struct dlog *lone, *log = NULL;
    struct dlog_env *env;
    struct rig r;
    char path[400];

    rig_init(&r);
    snprintf(path, sizeof(path), "%s/above/lone", r.path);
    assert_int_equal(dlog_open_dir(path, NULL, &lone), DLOG_OK);
    assert_int_equal(dlog_open_dir(path, &r.options, &log), DLOG_E_BUSY);
    snprintf(path, sizeof(path), "%s/above", r.path);
    assert_int_equal(dlog_env_open(path, NULL, &env), DLOG_OK);
    assert_int_equal(dlog_open(env, "lone", &r.options, &log), DLOG_E_BUSY);
    assert_int_equal(dlog_close(lone), DLOG_OK);
    assert_int_equal(dlog_open(env, "lone", &r.options, &log), DLOG_OK);
    assert_int_equal(dlog_close(log), DLOG_OK);
    assert_int_equal(dlog_env_close(env), DLOG_OK);
    rig_close(&r);
}

static void a_root_is_opened_as_asked(void **state)
{
    struct dlog_env *env = NULL;
    struct dlog *log = NULL;
    char path[400];
    struct rig r;
    FILE *file;

    rig_init(&r);
    snprintf(path, sizeof(path), "%s/none", r.path);
    r.env_options.must_exist = true;
    assert_int_equal(dlog_env_open(path, &r.env_options, &env), DLOG_E_NOT_FOUND);
    assert_non_null(strstr(r.report, path));
    r.options.create = DLOG_CREATE_NEVER;
    assert_int_equal(dlog_open_dir(path, &r.options, &log), DLOG_E_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(dlog_env_open(path, NULL, &env), DLOG_E_INVAL);
    assert_int_equal(dlog_env_open(NULL, NULL, &env), DLOG_E_INVAL);
    assert_int_equal(dlog_env_open(r.path, NULL, NULL), DLOG_E_INVAL);
    r.env_options.maintain_ms = 0;
    assert_int_equal(dlog_env_open(path, &r.env_options, &env), DLOG_E_INVAL);
    assert_non_null(strstr(r.report, "maintain_ms"));
    assert_int_equal(dlog_open_dir(NULL, NULL, &log), DLOG_E_INVAL);
    assert_int_equal(dlog_env_close(NULL), DLOG_OK);
    assert_int_equal(dlog_close(NULL), DLOG_OK);
    assert_null(env);
    assert_null(log);
    rig_close(&r);
}

static bool see(void *ctx, const char *name)
{
    char *names = ctx;

    snprintf(names + strlen(names), 100, "%s ", name);
    return strcmp(name, "stop") != 0;
}

static void logs_are_listed_and_deleted(void **state)
{
    char names[400] = "";
    struct dlog *log;
    struct rig r;
    char path[400];

    rig_open(&r);
    assert_int_equal(dlog_open(r.env, "b", NULL, &log), DLOG_OK);
    assert_int_equal(dlog_close(log), DLOG_OK);
    snprintf(path, sizeof(path), "%s/no log", r.path);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(dlog_list(r.env, see, names), DLOG_OK);
    assert_string_equal(names, "b t ");
    assert_int_equal(dlog_delete(r.env, "b"), DLOG_OK);
    assert_int_equal(dlog_delete(r.env, "b"), DLOG_E_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/somebodys", r.path);
    assert_int_equal(mkdir(path, 0777), 0); /* not a log: not ours to delete */
    assert_int_equal(dlog_delete(r.env, "somebodys"), DLOG_E_NOT_FOUND);
    names[0] = '\0';
    assert_int_equal(dlog_list(r.env, see, names), DLOG_OK);
    assert_string_equal(names, "t ");
    assert_int_equal(dlog_open(r.env, "stop", NULL, &log), DLOG_OK);
    assert_int_equal(dlog_close(log), DLOG_OK);
    names[0] = '\0';
    assert_int_equal(dlog_list(r.env, see, names), DLOG_OK);
    assert_string_equal(names, "stop ");
    assert_int_equal(dlog_list(NULL, see, names), DLOG_E_INVAL);
    assert_int_equal(dlog_list(r.env, NULL, NULL), DLOG_E_INVAL);
    assert_int_equal(dlog_delete(r.env, NULL), DLOG_E_INVAL);
    rig_close(&r);
}

static void the_trace_tells_what_happens(void **state)
{
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 1);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    r.log = NULL;
    assert_non_null(strstr(r.trace, "2 log t: opened: offsets 0 to 0\n"));
    assert_non_null(strstr(r.trace, "2 log t: closed\n"));
    rig_close(&r);
}

TESTS(test_options, cmocka_unit_test(errors_have_texts), cmocka_unit_test(options_are_checked),
      cmocka_unit_test(options_of_other_versions_work), cmocka_unit_test(names_are_checked),
      cmocka_unit_test(creation_is_as_asked), cmocka_unit_test(a_root_has_one_holder),
      cmocka_unit_test(a_lone_log_has_one_holder), cmocka_unit_test(a_root_is_opened_as_asked),
      cmocka_unit_test(logs_are_listed_and_deleted),
      cmocka_unit_test(the_trace_tells_what_happens));
