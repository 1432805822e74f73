#pragma once

struct cli;
struct cli_command;

/*
 * The commands, one file per noun: cmd_<noun>.c. cli.c lists them.
 */
extern const struct cli_command cli_topic_create;
extern const struct cli_command cli_topic_list;
extern const struct cli_command cli_topic_describe;
extern const struct cli_command cli_topic_delete;
extern const struct cli_command cli_topic_adopt;
extern const struct cli_command cli_topic_alter;
extern const struct cli_command cli_topic_add_partitions;
extern const struct cli_command cli_group_list;
extern const struct cli_command cli_group_describe;
extern const struct cli_command cli_group_reset_offsets;
extern const struct cli_command cli_group_delete;
extern const struct cli_command cli_config_describe;
extern const struct cli_command cli_config_alter;
extern const struct cli_command cli_cluster_status;
extern const struct cli_command cli_cluster_brokers;
extern const struct cli_command cli_cluster_quorum;
extern const struct cli_command cli_cluster_elect;
extern const struct cli_command cli_cluster_reassign;
extern const struct cli_command cli_probe;
extern const struct cli_command cli_bench_produce;
extern const struct cli_command cli_bench_consume;
extern const struct cli_command cli_bench_latency_command;
extern const struct cli_command cli_backup_create_command;
extern const struct cli_command cli_backup_verify_command;
extern const struct cli_command cli_backup_restore_command;
extern const struct cli_command cli_completion;
extern const struct cli_command cli_produce;
extern const struct cli_command cli_consume;
extern const struct cli_command cli_log_convert;
extern const struct cli_command cli_log_dump;
extern const struct cli_command cli_log_export;
extern const struct cli_command cli_log_import;
extern const struct cli_command cli_log_repair;
extern const struct cli_command cli_log_verify;

/* dlog consume with --group. */
int cli_consume_group(struct cli *cli);
