#include "config/reference.h"

#include <string.h>

#include "config/table.h"

static const char INTRODUCTION[] =
    "# Settings\n"
    "\n"
    "This page is printed from the table in `src/config/entries.h`.\n"
    "\n"
    "`dlogd` needs no setting at all. Where a name is Kafka's, so is the meaning. Each setting is\n"
    "taken from the first of these places that has it:\n"
    "\n"
    "1. for a topic or a group: its own override; for a dynamic setting: what was set in the "
    "cluster, for\n"
    "   this broker before for all brokers;\n"
    "2. the command line: `--set name=value`;\n"
    "3. the environment: `DLOG_LOG_RETENTION_MS=1000` is `log.retention.ms=1000`\n"
    "   (`DLOG_TEST_` is left to the tests);\n"
    "4. the file given to `dlogd`, in the form of a Java `.properties` file;\n"
    "5. the default.\n"
    "\n"
    "A name that nobody knows and a value out of range are errors, found before anything is\n"
    "touched. A name that Kafka knows and DistributedLog does not use is one warning.\n"
    "\n";

/* "a|b" or a range, as the cell of a markdown table. */
static enum err print_values(struct buf *out, const struct config_entry *entry)
{
    enum err e = E_OK;

    if (entry->choices != NULL) {
        e = buf_append(out, "`", 1);
        for (const char *c = entry->choices; *c != '\0' && e == E_OK; c++)
            e = *c == '|' ? buf_printf(out, "`, `") : buf_append(out, c, 1);
        return e == E_OK ? buf_append(out, "`", 1) : e;
    }
    switch (entry->type) {
    case CONFIG_BOOL:
        return buf_printf(out, "`true`, `false`");
    case CONFIG_INT:
    case CONFIG_LONG:
    case CONFIG_DOUBLE:
        if (entry->max == (entry->type == CONFIG_INT ? INT32_MAX : INT64_MAX))
            return buf_printf(out, "%lld and up", (long long)entry->min);
        return buf_printf(out, "%lld to %lld", (long long)entry->min, (long long)entry->max);
    case CONFIG_STRING:
    case CONFIG_PASSWORD:
    case CONFIG_ENUM:
    case CONFIG_LIST:
        break;
    case CONFIG_LISTENER_LIST:
        return buf_printf(out, "`NAME://host:port,...`");
    }
    return E_OK;
}

static enum err print_default(struct buf *out, const struct config_entry *entry)
{
    if (entry->text == NULL)
        return buf_printf(out, "unset");
    if (entry->text[0] == '\0')
        return buf_printf(out, "empty");
    return buf_printf(out, "`%s`", entry->text);
}

static enum err print_broker(struct buf *out, const struct config_entry *entry)
{
    enum err e = buf_printf(out, "| `%s` | %s | ", entry->name, config_type_name(entry->type));

    if (e == E_OK)
        e = print_default(out, entry);
    if (e == E_OK)
        e = buf_printf(out, " | ");
    if (e == E_OK)
        e = print_values(out, entry);
    if (e == E_OK)
        e = buf_printf(out, " | %s | %s |\n", (entry->scope & CONFIG_DYNAMIC) != 0 ? "yes" : "",
                       entry->documentation);
    return e;
}

static enum err print_topic(struct buf *out, const struct config_entry *entry)
{
    enum err e = buf_printf(out, "| `%s` | %s | ", entry->name, config_type_name(entry->type));

    if (e == E_OK && entry->broker_id != CONFIG_NONE)
        e = buf_printf(out, "`%s`", config_entry(entry->broker_id).name);
    else if (e == E_OK)
        e = print_default(out, entry);
    if (e == E_OK)
        e = buf_printf(out, " | ");
    if (e == E_OK)
        e = print_values(out, entry);
    return e == E_OK ? buf_printf(out, " | %s |\n", entry->documentation) : e;
}

static enum err print_range(struct buf *out, enum config_id from, enum config_id to, enum err e)
{
    for (enum config_id id = from; id < to && e == E_OK; id++) {
        struct config_entry entry = config_entry(id);

        e = print_topic(out, &entry);
    }
    return e;
}

enum err config_print_reference(struct buf *out)
{
    enum err e = buf_append(out, INTRODUCTION, strlen(INTRODUCTION));

    if (e == E_OK)
        e = buf_printf(out, "## Settings of a broker\n\n"
                            "| name | type | default | values | dynamic | |\n"
                            "|---|---|---|---|---|---|\n");
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST && e == E_OK; id++) {
        struct config_entry entry = config_entry(id);

        e = print_broker(out, &entry);
    }
    if (e == E_OK)
        e = buf_printf(out, "\n## Settings of a topic\n\n"
                            "All of them are dynamic. The default is the value of a setting of "
                            "the broker.\n\n"
                            "| name | type | default | values | |\n"
                            "|---|---|---|---|---|\n");
    e = print_range(out, CONFIG_TOPIC_FIRST, CONFIG_GROUP_FIRST, e);
    if (e == E_OK)
        e = buf_printf(out, "\n## Settings of a group\n\n"
                            "Of the protocol of KIP-848, and all dynamic: "
                            "`kafka-configs.sh --entity-type groups`.\n\n"
                            "| name | type | default | values | |\n"
                            "|---|---|---|---|---|\n");
    return print_range(out, CONFIG_GROUP_FIRST, CONFIG_COUNT, e);
}

enum err config_print_help(struct buf *out)
{
    enum err e = E_OK;

    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST && e == E_OK; id++) {
        struct config_entry entry = config_entry(id);

        e = buf_printf(out, "  %s=%s\n      %s\n", entry.name, entry.text == NULL ? "" : entry.text,
                       entry.documentation);
    }
    return e;
}
