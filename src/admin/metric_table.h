#pragma once

/*
 * Every metric, in the order of /metrics and of docs/metrics.md, which is made from here:
 * X(ID, name, type, labels, help). A metric whose labels are "" is one number.
 */

/* clang-format off */
#define METRIC_TABLE(G, X) \
G("The node") \
X(BUILD_INFO, "dlog_build_info", GAUGE, "version,node_id,cluster_id", \
  "Always 1; the labels say what runs.") \
X(READY, "dlog_ready", GAUGE, "", "1 once the broker can serve, as /readyz.") \
X(START_SECONDS, "dlog_start_seconds", GAUGE, "", \
  "From opening the data to being ready, recovery included; absent before.") \
X(PROCESS_START, "process_start_time_seconds", GAUGE, "", "When the process began, since 1970.") \
X(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, "", "User and system time of the process.") \
X(PROCESS_RESIDENT, "process_resident_memory_bytes", GAUGE, "", "Memory of the process in RAM.") \
X(PROCESS_FDS, "process_open_fds", GAUGE, "", "Open descriptors.") \
X(PROCESS_MAX_FDS, "process_max_fds", GAUGE, "", "Descriptors that the process may have.") \
X(HEAP, "dlog_heap_bytes", GAUGE, "", "Memory that the allocator has given out.") \
X(MEMORY, "dlog_memory_bytes", GAUGE, "owner", \
  "Memory by who holds it: receive (bytes from clients, not yet a request), request, answer (not" \
  " taken by clients yet), scratch (decompression).") \
X(LOOP_BUSY, "dlog_loop_busy_seconds_total", COUNTER, "loop", \
  "Time that a loop worked; its rate is the saturation of the thread.") \
G("Requests") \
X(REQUESTS, "dlog_requests_total", COUNTER, "api", "Requests answered.") \
X(REQUEST_ERRORS, "dlog_request_errors_total", COUNTER, "api,error", \
  "Requests with an error in the answer, by the first one.") \
X(REQUEST_SECONDS, "dlog_request_duration_seconds", HISTOGRAM, "api", \
  "From the turn of the loop that read a request to its answer; a fetch includes its long poll.") \
X(REQUESTS_UNDER_WAY, "dlog_requests_under_way", GAUGE, "", \
  "Requests that wait for their answer, long polls too.") \
X(CONNECTIONS, "dlog_connections", GAUGE, "", "Open client connections.") \
X(CONNECTIONS_OPENED, "dlog_connections_opened_total", COUNTER, "", "Accepted since start.") \
X(CONNECTIONS_REFUSED, "dlog_connections_refused_total", COUNTER, "", \
  "Closed because of max.connections, max.connections.per.ip, a stop, or want of memory.") \
X(CONNECTIONS_DROPPED, "dlog_connections_dropped_total", COUNTER, "", \
  "Ended by the broker: no request, an API that is not served, acks=0 that failed.") \
X(FETCH_SESSIONS, "dlog_fetch_sessions", GAUGE, "", "Incremental fetch sessions (KIP-227).") \
X(PRODUCED_BYTES, "dlog_produced_bytes_total", COUNTER, "", "Bytes of record batches accepted.") \
X(FETCHED_BYTES, "dlog_fetched_bytes_total", COUNTER, "", "Bytes of record batches sent.") \
X(THROTTLED, "dlog_producer_throttle_seconds_total", COUNTER, "", \
  "Pauses that producers were told because a disk gets full.") \
G("Topics") \
X(TOPIC_PRODUCED_RECORDS, "dlog_topic_produced_records_total", COUNTER, "topic", \
  "Records accepted from clients.") \
X(TOPIC_PRODUCED_BYTES, "dlog_topic_produced_bytes_total", COUNTER, "topic", \
  "Bytes of record batches accepted from clients.") \
X(TOPIC_PRODUCE_FAILURES, "dlog_topic_produce_failures_total", COUNTER, "topic", \
  "Batches of clients refused.") \
X(TOPIC_FETCHED_BYTES, "dlog_topic_fetched_bytes_total", COUNTER, "topic", \
  "Bytes of record batches sent.") \
X(TOPIC_PARTITIONS, "dlog_topic_partitions", GAUGE, "topic", "Partitions of the topic.") \
X(TOPIC_LOG_BYTES, "dlog_topic_log_size_bytes", GAUGE, "topic", "Size of its logs on this node.") \
X(NAMES_LEFT_OUT, "dlog_metrics_names_left_out", GAUGE, "", \
  "Topics, and pairs of group and topic, not named because of metrics.names.max.") \
G("Partitions and the cluster") \
X(PARTITIONS, "dlog_partitions", GAUGE, "state", \
  "Partitions on this node: open, waiting (to be opened or in recovery), offline (their log" \
  " cannot be opened).") \
X(PARTITIONS_LEADING, "dlog_partitions_leading", GAUGE, "", "Those of which this node is leader.") \
X(UNDER_REPLICATED, "dlog_under_replicated_partitions", GAUGE, "", \
  "Led here, with fewer replicas in sync than there are.") \
X(LOG_BYTES, "dlog_log_size_bytes", GAUGE, "", "Size of all logs on this node.") \
X(CLUSTER_TOPICS, "dlog_cluster_topics", GAUGE, "", "Topics, as this node knows the metadata.") \
X(CLUSTER_PARTITIONS, "dlog_cluster_partitions", GAUGE, "", "Partitions of all topics.") \
X(CLUSTER_BROKERS, "dlog_cluster_brokers", GAUGE, "", "Brokers registered.") \
X(METADATA_OFFSET, "dlog_metadata_offset", GAUGE, "", \
  "Last offset of the metadata log that was applied.") \
G("Disk") \
X(SYNC_SECONDS, "dlog_sync_duration_seconds", HISTOGRAM, "", "fdatasync of one log.") \
X(SYNCED_APPENDS, "dlog_synced_appends_total", COUNTER, "", \
  "Group commit: appends that syncs made durable; how many a sync, against the count of those.") \
X(SYNC_FAILURES, "dlog_sync_failures_total", COUNTER, "", \
  "Syncs that failed; the directory takes no more writes.") \
X(DISK_SIZE, "dlog_disk_size_bytes", GAUGE, "directory", \
  "The file system that holds a data directory.") \
X(DISK_FREE, "dlog_disk_free_bytes", GAUGE, "directory", "What is free of it for the broker.") \
X(DISK_LEVEL, "dlog_disk_level", GAUGE, "directory", \
  "0 ok, 1 disk.warn.percent, 2 disk.throttle.percent: producers are slowed down, 3 " \
  "disk.reserve.bytes: produce is refused.") \
X(DISK_FAILED, "dlog_disk_failed", GAUGE, "directory", \
  "1 after a failed write or sync: nothing is written there until a restart.") \
X(RETENTION_BYTES, "dlog_retention_deleted_bytes_total", COUNTER, "", \
  "Bytes of segments that retention dropped.") \
X(COMPACTIONS, "dlog_compactions_total", COUNTER, "", "Logs compacted or compressed again.") \
X(COMPACTION_FAILURES, "dlog_compaction_failures_total", COUNTER, "", "Compactions that failed.") \
X(COMPACTION_BEFORE, "dlog_compaction_read_bytes_total", COUNTER, "", \
  "Bytes of the segments that compactions wrote again.") \
X(COMPACTION_AFTER, "dlog_compaction_written_bytes_total", COUNTER, "", "What they became.") \
X(COMPACTION_SECONDS, "dlog_compaction_seconds_total", COUNTER, "", \
  "Time from begin to end of compactions, pauses included.") \
G("Damage and recovery") \
X(CRC_ERRORS, "dlog_crc_errors_total", COUNTER, "", \
  "Batches from producers whose checksum or form is wrong; refused.") \
X(DAMAGED_READS, "dlog_damaged_reads_total", COUNTER, "", \
  "Fetches of a damaged range; answered with an error, never served.") \
X(DAMAGED_RANGES, "dlog_damaged_ranges_total", COUNTER, "", \
  "Damaged ranges that the scrubber found.") \
X(SCRUBBED_BYTES, "dlog_scrubbed_bytes_total", COUNTER, "", \
  "Bytes of sealed segments read again to find damage.") \
X(LOGS_OPENED, "dlog_logs_opened_total", COUNTER, "outcome", \
  "Logs opened: clean (nothing to do), scanned (after a crash, whole), torn (an unfinished write" \
  " was cut), damaged, failed.") \
X(RECOVERED_BYTES, "dlog_recovery_scanned_bytes_total", COUNTER, "", \
  "Bytes that recovery read.") \
X(TORN_BYTES, "dlog_recovery_torn_bytes_total", COUNTER, "", \
  "Bytes of unfinished writes that recovery cut and kept aside.") \
X(REBUILT_INDEXES, "dlog_recovery_rebuilt_indexes_total", COUNTER, "", "Indexes made anew.") \
G("Groups") \
X(GROUPS, "dlog_groups", GAUGE, "state", \
  "Groups that this node coordinates: empty, stable, rebalancing.") \
X(GROUP_LAG, "dlog_group_lag_records", GAUGE, "group,topic", \
  "Records behind the high watermarks, of the partitions that are led here.") \
X(GROUP_LAG_MAX, "dlog_group_lag_max_records", GAUGE, "group,topic", "The same of one partition.")
/* clang-format on */
