#include <stdio.h>

#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_json.h"
#include "cli/cli_rows.h"
#include "cli/cmd.h"
#include "wire/describe_cluster.h"
#include "wire/describe_log_dirs.h"
#include "wire/describe_quorum.h"
#include "wire/error.h"
#include "wire/metadata.h"

/*
 * dlog cluster status, brokers, quorum: what there is, what is wrong with it, and what to do.
 */
enum { LOG_DIRS_SIZED = 4, WARN_PERCENT = 80, OUTPUT_MAX = 1 << 24 };

static const struct cli_option JSON_OPTIONS[] = {
    {"json", 'j', NULL, "for programs"},
    {NULL, 0, NULL, NULL},
};

static enum err cluster_ask(struct cli_link *link, struct wire_describe_cluster_response *out,
                            struct report *report)
{
    struct wire_describe_cluster_request in;
    enum err e;

    wire_describe_cluster_request_init(&in);
    in.include_fenced_brokers = true;
    e = CLI_LINK_CALL(link, describe_cluster, DESCRIBE_CLUSTER, &in, out, report);
    return e == E_OK
               ? cli_link_error(out->error_code, out->error_message, "describe the cluster", report)
               : e;
}

/* ---- brokers ---- */

static int brokers_run(struct cli *cli)
{
    static const struct cli_column COLUMNS[] = {{">ID", "id"},      {"ADDRESS", "host"},
                                                {">PORT", "port"},  {"RACK", "rack"},
                                                {"STATE", "state"}, {"ROLE", "role"}};
    struct wire_describe_cluster_response out;
    struct cli_link *link = NULL;
    struct report report = {0};
    struct cli_rows rows;
    enum err e = cli_link_open(cli, &link, &report);

    if (e == E_OK)
        e = cluster_ask(link, &out, &report);
    if (e != E_OK) {
        cli_link_close(link);
        return cli_failed(cli, e, &report);
    }
    cli_rows_init(&rows, cli, COLUMNS, 6);
    for (int32_t i = 0; i < out.brokers_count; i++) {
        cli_rows_i64(&rows, out.brokers[i].broker_id);
        cli_rows_slice(&rows, out.brokers[i].host);
        cli_rows_i64(&rows, out.brokers[i].port);
        cli_rows_slice(&rows, out.brokers[i].rack);
        cli_rows_text(&rows, out.brokers[i].is_fenced ? "fenced" : "active");
        cli_rows_text(&rows, out.brokers[i].broker_id == out.controller_id ? "controller" : "");
    }
    cli_link_close(link);
    return cli_rows_print(&rows);
}

const struct cli_command cli_cluster_brokers = {
    .noun = "cluster",
    .verb = "brokers",
    .arguments = "",
    .summary = "list the brokers",
    .options = JSON_OPTIONS,
    .run = brokers_run,
};

/* ---- quorum ---- */

static void replica_print(struct cli_rows *rows, const char *role,
                          const struct wire_describe_quorum_response_partition_data *p,
                          const struct wire_describe_quorum_response_replica_state *r)
{
    int64_t lag = p->high_watermark - r->log_end_offset;

    cli_rows_i64(rows, r->replica_id);
    cli_rows_text(rows, r->replica_id == p->leader_id ? "leader" : role);
    cli_rows_i64(rows, r->log_end_offset);
    cli_rows_i64(rows, lag > 0 ? lag : 0);
    cli_rows_i64(rows, p->leader_epoch);
}

static int quorum_run(struct cli *cli)
{
    static const struct cli_column COLUMNS[] = {
        {">ID", "id"}, {"ROLE", "role"}, {">END", "end"}, {">LAG", "lag"}, {">EPOCH", "epoch"}};
    struct wire_describe_quorum_request_partition_data part = {.partition_index = 0};
    struct wire_describe_quorum_request_topic_data topic = {.topic_name =
                                                                slice_of_text("__cluster_metadata"),
                                                            .partitions = &part,
                                                            .partitions_count = 1};
    struct wire_describe_quorum_request in = {.topics = &topic, .topics_count = 1};
    const struct wire_describe_quorum_response_partition_data *p;
    struct wire_describe_quorum_response out;
    struct cli_link *link = NULL;
    struct report report = {0};
    struct cli_rows rows;
    enum err e = cli_link_open(cli, &link, &report);

    if (e == E_OK)
        e = CLI_LINK_CALL(link, describe_quorum, DESCRIBE_QUORUM, &in, &out, &report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, out.error_message, "describe the quorum", &report);
    if (e == E_OK && (out.topics_count != 1 || out.topics[0].partitions_count != 1))
        e = cli_link_broken(link, &report);
    if (e != E_OK) {
        cli_link_close(link);
        return cli_failed(cli, e, &report);
    }
    p = &out.topics[0].partitions[0];
    cli_rows_init(&rows, cli, COLUMNS, 5);
    for (int32_t i = 0; i < p->current_voters_count; i++)
        replica_print(&rows, "voter", p, &p->current_voters[i]);
    for (int32_t i = 0; i < p->observers_count; i++)
        replica_print(&rows, "observer", p, &p->observers[i]);
    cli_link_close(link);
    return cli_rows_print(&rows);
}

const struct cli_command cli_cluster_quorum = {
    .noun = "cluster",
    .verb = "quorum",
    .arguments = "",
    .summary = "show who writes the metadata, and how far behind the others are",
    .options = JSON_OPTIONS,
    .run = quorum_run,
};

/* ---- status ---- */

struct status {
    struct cli *cli;
    struct cli_link *link;
    struct wire_describe_cluster_response cluster;
    const struct wire_metadata_response *metadata;
    int64_t partitions;
    int64_t offline;
    int64_t under_replicated;
    int64_t fenced;
    int64_t unreachable;
    int64_t full; /* disks past WARN_PERCENT */
    int64_t failed_dirs;
    struct buf problems; /* a line each */
};

static void problem(struct status *s, const char *what, const char *advice)
{
    enum err e = buf_printf(&s->problems, "  %s\n      %s\n", what, advice);

    (void)e; /* out of memory: the exit code still tells */
}

static void partitions_count(struct status *s)
{
    for (int32_t t = 0; t < s->metadata->topics_count; t++) {
        for (int32_t i = 0; i < s->metadata->topics[t].partitions_count; i++) {
            const struct wire_metadata_response_metadata_response_partition *p =
                &s->metadata->topics[t].partitions[i];

            s->partitions++;
            s->offline += p->leader_id < 0;
            s->under_replicated += p->isr_nodes_count < p->replica_nodes_count;
        }
    }
}

static void dir_check(struct status *s, int32_t broker,
                      const struct wire_describe_log_dirs_response_describe_log_dirs_result *dir)
{
    char text[512];
    int64_t used = dir->total_bytes - dir->usable_bytes;

    if (dir->error_code != WIRE_ERROR_NONE) {
        s->failed_dirs++;
        snprintf(text, sizeof(text), "broker %d: %.*s has failed", (int)broker,
                 (int)dir->log_dir.size, (const char *)dir->log_dir.at);
        problem(s, text,
                "look at its log for the first error, replace the disk, restart the broker");
    } else if (dir->total_bytes > 0 && used > dir->total_bytes / 100 * WARN_PERCENT) {
        s->full++;
        snprintf(text, sizeof(text), "broker %d: the disk of %.*s is %lld %% full", (int)broker,
                 (int)dir->log_dir.size, (const char *)dir->log_dir.at,
                 (long long)(used / (dir->total_bytes / 100)));
        problem(s, text, "shorten retention (dlog topic alter), delete topics, or add space");
    }
}

static void broker_check(struct status *s,
                         const struct wire_describe_cluster_response_describe_cluster_broker *b)
{
    struct wire_describe_log_dirs_request in;
    struct wire_describe_log_dirs_response out;
    struct cli_link *link = NULL;
    struct report report = {0};
    char text[512];
    enum err e;

    if (b->is_fenced) {
        s->fenced++;
        snprintf(text, sizeof(text), "broker %d is fenced", (int)b->broker_id);
        problem(s, text, "is it running, and can it reach the controller? Look at its log");
        return;
    }
    e = cli_link_open_at(s->cli, b->host, b->port, &link, &report);
    if (e != E_OK) {
        s->unreachable++;
        snprintf(text, sizeof(text), "broker %d cannot be reached from here: %.300s",
                 (int)b->broker_id, report.text);
        problem(s, text,
                "if it runs, its advertised.listeners is wrong for clients on this machine");
        return;
    }
    wire_describe_log_dirs_request_init(&in);
    in.topics_count = 0; /* no topics: only the directories */
    if (cli_link_serves(link, WIRE_DESCRIBE_LOG_DIRS_KEY) &&
        CLI_LINK_CALL(link, describe_log_dirs, DESCRIBE_LOG_DIRS, &in, &out, &report) == E_OK) {
        for (int32_t i = 0; i < out.results_count; i++)
            dir_check(s, b->broker_id, &out.results[i]);
    }
    cli_link_close(link);
}

static void status_check(struct status *s)
{
    char text[128];

    partitions_count(s);
    if (s->cluster.controller_id < 0)
        problem(s, "there is no controller",
                "a majority of the voters must run: dlog cluster quorum");
    if (s->offline > 0) {
        snprintf(text, sizeof(text), "%lld partitions have no leader", (long long)s->offline);
        problem(s, text, "start the brokers that hold them: dlog topic describe shows which");
    }
    if (s->under_replicated > 0) {
        snprintf(text, sizeof(text), "%lld partitions lack a replica in sync",
                 (long long)s->under_replicated);
        problem(s, text,
                "a broker is down, slow or catching up; it heals by itself once it is back");
    }
    for (int32_t i = 0; i < s->cluster.brokers_count; i++)
        broker_check(s, &s->cluster.brokers[i]);
}

static void status_print_text(const struct status *s)
{
    FILE *out = s->cli->out;

    fprintf(out,
            "cluster     %.*s\ncontroller  %d\nbrokers     %d, %lld fenced, %lld out of reach\n",
            (int)s->cluster.cluster_id.size, (const char *)s->cluster.cluster_id.at,
            (int)s->cluster.controller_id, (int)s->cluster.brokers_count, (long long)s->fenced,
            (long long)s->unreachable);
    fprintf(out, "topics      %d\npartitions  %lld, %lld without a leader, %lld under-replicated\n",
            (int)s->metadata->topics_count, (long long)s->partitions, (long long)s->offline,
            (long long)s->under_replicated);
    if (s->problems.size == 0)
        fprintf(out, "\nAll is well.\n");
    else
        fprintf(out, "\nWhat is wrong, and what to do:\n%.*s", (int)s->problems.size,
                (const char *)s->problems.at);
}

static enum err status_print_json(const struct status *s)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"controller", s->cluster.controller_id},
                   {"brokers", s->cluster.brokers_count},
                   {"brokers_fenced", s->fenced},
                   {"brokers_unreachable", s->unreachable},
                   {"topics", s->metadata->topics_count},
                   {"partitions", s->partitions},
                   {"partitions_without_leader", s->offline},
                   {"partitions_under_replicated", s->under_replicated},
                   {"disks_filling", s->full},
                   {"directories_failed", s->failed_dirs}};
    struct buf text;
    struct cli_json j;
    enum err e;

    buf_init(&text, OUTPUT_MAX);
    j = cli_json_init(&text);
    cli_json_open(&j, '{');
    cli_json_key(&j, "cluster");
    cli_json_string(&j, s->cluster.cluster_id);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cli_json_key(&j, numbers[i].name);
        cli_json_i64(&j, numbers[i].value);
    }
    cli_json_key(&j, "well");
    cli_json_bool(&j, s->problems.size == 0);
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    if (e == E_OK)
        fprintf(s->cli->out, "%.*s\n", (int)text.size, (const char *)text.at);
    buf_release(&text);
    return e;
}

static int status_run(struct cli *cli)
{
    struct status s = {.cli = cli};
    struct report report = {0};
    enum err e = cli_link_open(cli, &s.link, &report);
    int code = CLI_DONE;

    buf_init(&s.problems, OUTPUT_MAX);
    if (e == E_OK)
        e = cluster_ask(s.link, &s.cluster, &report);
    if (e == E_OK)
        e = cli_cluster_metadata(s.link, NULL, 0, &s.metadata, &report);
    if (e == E_OK) {
        status_check(&s);
        if (cli_args_has(cli->args, "json"))
            e = status_print_json(&s);
        else
            status_print_text(&s);
        code = s.problems.size == 0 ? CLI_DONE : CLI_FAILED;
    }
    buf_release(&s.problems);
    cli_link_close(s.link);
    return e == E_OK ? code : cli_failed(cli, e, &report);
}

const struct cli_command cli_cluster_status = {
    .noun = "cluster",
    .verb = "status",
    .arguments = "",
    .summary = "say at a glance what is wrong and what to do about it",
    .notes = "Exit codes: 0 all is well, 1 something is wrong or nobody answers.\n",
    .options = JSON_OPTIONS,
    .run = status_run,
};
