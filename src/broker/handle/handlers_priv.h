#pragma once

struct request;

/*
 * The handlers: one file per API, each begins with what it does. A handler ends
 * its request exactly once, at once or later (request_priv.h).
 */
void handle_alter_configs(struct request *req);
void handle_api_versions(struct request *req);
void handle_create_partitions(struct request *req);
void handle_create_topics(struct request *req);
void handle_delete_groups(struct request *req);
void handle_delete_records(struct request *req);
void handle_delete_topics(struct request *req);
void handle_describe_cluster(struct request *req);
void handle_describe_configs(struct request *req);
void handle_describe_groups(struct request *req);
void handle_fetch(struct request *req);
void handle_find_coordinator(struct request *req);
void handle_heartbeat(struct request *req);
void handle_incremental_alter_configs(struct request *req);
void handle_init_producer_id(struct request *req);
void handle_join_group(struct request *req);
void handle_leave_group(struct request *req);
void handle_list_groups(struct request *req);
void handle_list_offsets(struct request *req);
void handle_metadata(struct request *req);
void handle_offset_commit(struct request *req);
void handle_offset_delete(struct request *req);
void handle_offset_fetch(struct request *req);
void handle_offset_for_leader_epoch(struct request *req);
void handle_produce(struct request *req);
void handle_sync_group(struct request *req);
