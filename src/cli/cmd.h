#pragma once

struct cli_command;

/*
 * The commands, one file per noun: cmd_<noun>.c. cli.c lists them.
 */
extern const struct cli_command cli_topic_create;
extern const struct cli_command cli_topic_list;
extern const struct cli_command cli_topic_describe;
extern const struct cli_command cli_topic_delete;
extern const struct cli_command cli_topic_adopt;
extern const struct cli_command cli_produce;
extern const struct cli_command cli_consume;
extern const struct cli_command cli_log_convert;
extern const struct cli_command cli_log_dump;
extern const struct cli_command cli_log_export;
extern const struct cli_command cli_log_import;
extern const struct cli_command cli_log_repair;
extern const struct cli_command cli_log_verify;
