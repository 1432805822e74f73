#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_rows.h"
#include "cli/cmd.h"
#include "wire/describe_configs.h"
#include "wire/incremental_alter_configs.h"

/*
 * dlog config describe, alter; dlog topic alter.
 */
enum {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_GROUP = 32,
    SOURCE_DEFAULT = 5,
    OP_SET = 0,
    OP_DELETE = 1,
    OP_APPEND = 2,
    OP_SUBTRACT = 3,
    NAME_MAX_SIZE = 256,
};

struct resource {
    int8_t type;
    struct slice name;
};

/* "topic orders", "broker 1", "broker" (all of them), "group billing". */
static enum err resource_read(const struct cli *cli, struct resource *out, struct report *report)
{
    const char *kind = cli_args_word(cli->args, 0);
    const char *name = cli_args_word_count(cli->args) > 1 ? cli_args_word(cli->args, 1) : "";

    if (strcmp(kind, "topic") == 0)
        out->type = RESOURCE_TOPIC;
    else if (strcmp(kind, "broker") == 0)
        out->type = RESOURCE_BROKER;
    else if (strcmp(kind, "group") == 0)
        out->type = RESOURCE_GROUP;
    else
        report_set(report, "'%s' has no settings: say topic NAME, broker [ID] or group NAME", kind);
    out->name = slice_of_text(name);
    if (report->text[0] == 0 && name[0] == 0 && out->type != RESOURCE_BROKER)
        report_set(report, "%s: NAME is missing", kind);
    return report->text[0] == 0 ? E_OK : E_INVAL;
}

/* ---- describe ---- */

static const struct cli_option DESCRIBE_OPTIONS[] = {
    {"all", 'a', NULL, "also those that are at their default"},
    {"doc", 'd', NULL, "say what each is for"},
    {"json", 'j', NULL, "an array of objects"},
    {NULL, 0, NULL, NULL},
};

static const char *source_text(int8_t source)
{
    static const char *const TEXTS[] = {"?",       "topic",  "broker", "cluster", "start",
                                        "default", "logger", "group",  "group"};

    return source > 0 && source <= 8 ? TEXTS[source] : TEXTS[0];
}

static int by_name(const void *a, const void *b)
{
    const struct wire_describe_configs_response_describe_configs_resource_result *left = a;
    const struct wire_describe_configs_response_describe_configs_resource_result *right = b;
    size_t size = left->name.size < right->name.size ? left->name.size : right->name.size;
    int order = memcmp(left->name.at, right->name.at, size);

    return order != 0 ? order
                      : (left->name.size > right->name.size) - (left->name.size < right->name.size);
}

static int describe_print(const struct cli *cli,
                          const struct wire_describe_configs_response_describe_configs_result *got)
{
    static const struct cli_column COLUMNS[] = {
        {"SETTING", "name"}, {"VALUE", "value"}, {"SET BY", "source"}, {"IS", "documentation"}};
    bool has_doc = cli_args_has(cli->args, "doc");
    bool is_all = cli_args_has(cli->args, "all");
    struct cli_rows rows;

    cli_rows_init(&rows, cli, COLUMNS, has_doc ? 4 : 3);
    if (got->configs_count > 0)
        qsort(got->configs, (size_t)got->configs_count, sizeof(*got->configs), by_name);
    for (int32_t i = 0; i < got->configs_count; i++) {
        const struct wire_describe_configs_response_describe_configs_resource_result *c =
            &got->configs[i];

        if (!is_all && c->config_source == SOURCE_DEFAULT)
            continue;
        cli_rows_slice(&rows, c->name);
        cli_rows_slice(&rows, c->is_sensitive ? slice_of_text("(secret)") : c->value);
        cli_rows_text(&rows, source_text(c->config_source));
        if (has_doc)
            cli_rows_slice(&rows, c->documentation);
    }
    return cli_rows_print(&rows);
}

static int describe_run(struct cli *cli)
{
    struct wire_describe_configs_request_describe_configs_resource one;
    struct wire_describe_configs_request in;
    struct wire_describe_configs_response out;
    struct resource resource = {0};
    struct report report = {0};
    struct cli_link *link = NULL;
    int code = CLI_FAILED;
    enum err e = resource_read(cli, &resource, &report);

    if (e == E_OK)
        e = cli_link_open(cli, &link, &report);
    wire_describe_configs_request_init(&in);
    wire_describe_configs_request_describe_configs_resource_init(&one);
    one.resource_type = resource.type;
    one.resource_name = resource.name;
    one.configuration_keys_count = -1;
    in.resources = &one;
    in.resources_count = 1;
    in.include_documentation = cli_args_has(cli->args, "doc");
    if (e == E_OK)
        e = CLI_LINK_CALL(link, describe_configs, DESCRIBE_CONFIGS, &in, &out, &report);
    if (e == E_OK && out.results_count != 1)
        e = cli_link_broken(link, &report);
    if (e == E_OK)
        e = cli_link_error(out.results[0].error_code, out.results[0].error_message,
                           "describe the settings", &report);
    if (e == E_OK)
        code = describe_print(cli, &out.results[0]);
    else
        code = cli_failed(cli, e, &report);
    cli_link_close(link);
    return code;
}

const struct cli_command cli_config_describe = {
    .noun = "config",
    .verb = "describe",
    .arguments = "topic|broker|group [NAME]",
    .words_min = 1,
    .words_max = 2,
    .summary = "show settings and who set them",
    .notes = "SET BY is topic or group (its own), broker (this one, while it runs), cluster (all\n"
             "brokers, while they run), start (file, environment or --set of dlogd) or default.\n"
             "`broker` without a number shows what is set for all brokers.\n\n"
             "Examples:\n"
             "  dlog config describe topic orders --all\n"
             "  dlog config describe broker 1 --doc\n",
    .options = DESCRIBE_OPTIONS,
    .run = describe_run,
};

/* ---- alter ---- */

static const struct cli_option ALTER_OPTIONS[] = {
    {"set", 's', "NAME=VALUE", "set; may repeat"},
    {"append", 0, "NAME=VALUE", "add to a list; may repeat"},
    {"remove", 0, "NAME=VALUE", "take out of a list; may repeat"},
    {"unset", 'u', "NAME", "back to the default; may repeat"},
    {"dry-run", 'n', NULL, "only check"},
    {NULL, 0, NULL, NULL},
};

struct alter {
    const struct cli *cli;
    struct resource resource;
    struct wire_incremental_alter_configs_request_alterable_config configs[CLI_ARGS_MAX / 8];
    int32_t count;
};

static enum err alter_add(struct alter *a, const char *option, int8_t operation,
                          struct report *report)
{
    const char *given;
    size_t at = 0;

    while ((given = cli_args_next(a->cli->args, option, &at)) != NULL) {
        struct wire_incremental_alter_configs_request_alterable_config *c = &a->configs[a->count];
        const char *equals = strchr(given, '=');

        if (a->count == (int32_t)(sizeof(a->configs) / sizeof(a->configs[0]))) {
            report_set(report, "more than %d settings at once", (int)a->count);
            return E_TOO_BIG;
        }
        if (operation != OP_DELETE && (equals == NULL || equals == given)) {
            report_set(report, "--%s %s: must be NAME=VALUE", option, given);
            return E_INVAL;
        }
        wire_incremental_alter_configs_request_alterable_config_init(c);
        c->config_operation = operation;
        c->name = operation == OP_DELETE ? slice_of_text(given)
                                         : slice_of(given, (size_t)(equals - given));
        c->value = operation == OP_DELETE ? slice_of(NULL, 0) : slice_of_text(equals + 1);
        a->count++;
    }
    return E_OK;
}

static enum err alter_read(struct alter *a, struct report *report)
{
    enum err e = alter_add(a, "set", OP_SET, report);

    if (e == E_OK)
        e = alter_add(a, "append", OP_APPEND, report);
    if (e == E_OK)
        e = alter_add(a, "remove", OP_SUBTRACT, report);
    if (e == E_OK)
        e = alter_add(a, "unset", OP_DELETE, report);
    if (e == E_OK && a->count == 0) {
        report_set(report, "nothing to change: give --set NAME=VALUE or --unset NAME");
        return E_INVAL;
    }
    return e;
}

static enum err alter_send(struct alter *a, struct cli_link *link, struct report *report)
{
    struct wire_incremental_alter_configs_request_alter_configs_resource one;
    struct wire_incremental_alter_configs_request in;
    struct wire_incremental_alter_configs_response out;
    enum err e;

    wire_incremental_alter_configs_request_init(&in);
    wire_incremental_alter_configs_request_alter_configs_resource_init(&one);
    one.resource_type = a->resource.type;
    one.resource_name = a->resource.name;
    one.configs = a->configs;
    one.configs_count = a->count;
    in.resources = &one;
    in.resources_count = 1;
    in.validate_only = cli_args_has(a->cli->args, "dry-run");
    e = CLI_LINK_CALL(link, incremental_alter_configs, INCREMENTAL_ALTER_CONFIGS, &in, &out,
                      report);
    if (e == E_OK && out.responses_count != 1)
        e = cli_link_broken(link, report);
    if (e == E_OK)
        e = cli_link_error(out.responses[0].error_code, out.responses[0].error_message,
                           "change the settings", report);
    return e;
}

static int alter(struct alter *a, struct report *report)
{
    struct cli_link *link = NULL;
    enum err e = alter_read(a, report);

    if (e == E_OK)
        e = cli_link_open(a->cli, &link, report);
    if (e == E_OK)
        e = alter_send(a, link, report);
    cli_link_close(link);
    if (e != E_OK)
        return cli_failed(a->cli, e, report);
    fprintf(a->cli->out, "%s\n",
            cli_args_has(a->cli->args, "dry-run") ? "would be accepted" : "changed");
    return CLI_DONE;
}

static int alter_run(struct cli *cli)
{
    struct alter a = {.cli = cli};
    struct report report = {0};

    if (resource_read(cli, &a.resource, &report) != E_OK)
        return cli_usage_error(cli, &report);
    return alter(&a, &report);
}

const struct cli_command cli_config_alter = {
    .noun = "config",
    .verb = "alter",
    .arguments = "topic|broker|group [NAME]",
    .words_min = 1,
    .words_max = 2,
    .summary = "change settings while the broker runs",
    .notes = "`broker` without a number changes all brokers.\n\n"
             "Examples:\n"
             "  dlog config alter topic orders --set retention.ms=86400000\n"
             "  dlog config alter broker 1 --set trace.component.levels=storage:debug\n",
    .options = ALTER_OPTIONS,
    .run = alter_run,
};

static int topic_alter_run(struct cli *cli)
{
    struct alter a = {
        .cli = cli,
        .resource = {RESOURCE_TOPIC, slice_of_text(cli_args_word(cli->args, 0))},
    };
    struct report report = {0};

    return alter(&a, &report);
}

const struct cli_command cli_topic_alter = {
    .noun = "topic",
    .verb = "alter",
    .arguments = "NAME",
    .words_min = 1,
    .words_max = 1,
    .summary = "change settings of a topic",
    .notes = "Example:\n"
             "  dlog topic alter orders --set retention.ms=86400000 --unset cleanup.policy\n",
    .options = ALTER_OPTIONS,
    .run = topic_alter_run,
};
