#pragma once

#include <stdint.h>

/*
 * The lines of the settings table; see table.h. Values that Kafka has under the same name
 * mean the same here. X(id, name, type, default, min, max, choices, scope, documentation).
 */

/* clang-format off */
#define CONFIG_B  CONFIG_BROKER
#define CONFIG_BD (CONFIG_BROKER | CONFIG_DYNAMIC)

#define CONFIG_BROKER_ENTRIES(X) CONFIG_NODE_ENTRIES(X) CONFIG_NET_ENTRIES(X) \
    CONFIG_LOG_ENTRIES(X) CONFIG_STATE_ENTRIES(X) CONFIG_GROUP_ENTRIES(X)

/* Who the node is and what it runs. */
#define CONFIG_NODE_ENTRIES(X) \
X(NODE_ID, "node.id", CONFIG_INT, "-1", -1, INT32_MAX, NULL, CONFIG_B, \
  "Number of this node; -1: that of meta.properties, else 1 alone and the next free one when " \
  "joining.") \
X(PROCESS_ROLES, "process.roles", CONFIG_LIST, "broker,controller", 0, 0, "broker|controller", \
  CONFIG_B, \
  "Roles of this process.") \
X(BROKER_RACK, "broker.rack", CONFIG_STRING, NULL, 0, 0, NULL, CONFIG_B, \
  "Rack of this broker, told to clients and used to spread replicas.") \
X(QUORUM_BOOTSTRAP, "controller.quorum.bootstrap.servers", CONFIG_LISTENER_LIST, "", 0, 0, NULL, \
  CONFIG_B, \
  "host:port of nodes of the cluster to join; empty: this node is a cluster of its own.") \
X(BROKER_SESSION_MS, "broker.session.timeout.ms", CONFIG_INT, "1500", 100, INT32_MAX, NULL, \
  CONFIG_B, \
  "A broker that sends no heartbeat for so long is fenced.") \
X(BROKER_HEARTBEAT_MS, "broker.heartbeat.interval.ms", CONFIG_INT, "300", 10, INT32_MAX, NULL, \
  CONFIG_B, \
  "Time between heartbeats of a broker.") \
X(QUORUM_FETCH_MS, "controller.quorum.fetch.timeout.ms", CONFIG_INT, "1000", 10, INT32_MAX, \
  NULL, CONFIG_B, \
  "A voter that hears nothing from the leader for so long starts an election.") \
X(QUORUM_ELECTION_MS, "controller.quorum.election.timeout.ms", CONFIG_INT, "500", 10, INT32_MAX, \
  NULL, CONFIG_B, \
  "An election that is undecided for so long starts again.") \
X(SHARDS, "shards", CONFIG_INT, "1", 1, 64, NULL, CONFIG_B, \
  "Threads that serve connections and partitions.") \
X(TRACE_LEVEL, "trace.level", CONFIG_ENUM, "info", 0, 0, "debug|info|warn|error", CONFIG_BD, \
  "Least level of the diagnostic lines that are written.") \
X(TRACE_COMPONENTS, "trace.component.levels", CONFIG_LIST, "", 0, 0, NULL, CONFIG_BD, \
  "Levels of single components, such as storage:debug,net:warn.") \
X(TRACE_FORMAT, "trace.format", CONFIG_ENUM, "logfmt", 0, 0, "logfmt|json", CONFIG_B, \
  "Form of the diagnostic lines.") \
X(AUTO_CREATE_TOPICS, "auto.create.topics.enable", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_B, \
  "Create a topic when a client first asks for it.") \
X(DELETE_TOPIC, "delete.topic.enable", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_B, \
  "Allow topics to be deleted.") \
X(NUM_PARTITIONS, "num.partitions", CONFIG_INT, "1", 1, 100000, NULL, CONFIG_B, \
  "Partitions of a topic that is created without a count.") \
X(DEFAULT_REPLICATION, "default.replication.factor", CONFIG_INT, "-1", -1, 32767, NULL, \
  CONFIG_B, \
  "Replicas of a topic that is created without a count; -1: three, or as many as there are " \
  "nodes.")

/* Doors. */
#define CONFIG_NET_ENTRIES(X) \
X(LISTENERS, "listeners", CONFIG_LISTENER_LIST, \
  "PLAINTEXT://127.0.0.1:9092,PLAINTEXT://[::1]:9092", 0, 0, NULL, CONFIG_B, \
  "Where Kafka clients connect: NAME://host:port; an empty host is every address.") \
X(ADVERTISED_LISTENERS, "advertised.listeners", CONFIG_LISTENER_LIST, NULL, 0, 0, NULL, \
  CONFIG_B, \
  "What clients are told to connect to; unset: the listeners, with localhost for loopback.") \
X(HTTP_LISTENERS, "http.listeners", CONFIG_LISTENER_LIST, "127.0.0.1:9644,[::1]:9644", 0, 0, \
  NULL, CONFIG_B, \
  "Where HTTP is served (metrics, health); empty: nowhere.") \
X(METRICS_NAMES, "metrics.names.max", CONFIG_INT, "1000", 0, 1000000, NULL, CONFIG_B, \
  "Topics, and pairs of group and topic, that /metrics names; more are only counted.") \
X(GRPC_LISTENERS, "grpc.listeners", CONFIG_LISTENER_LIST, "127.0.0.1:9095,[::1]:9095", 0, 0, \
  NULL, CONFIG_B, \
  "Where gRPC is served; empty: nowhere.") \
X(SOCKET_REQUEST_MAX, "socket.request.max.bytes", CONFIG_INT, "104857600", 1024, INT32_MAX, \
  NULL, CONFIG_B, \
  "Largest request; a larger one closes the connection.") \
X(QUEUED_REQUEST_BYTES, "queued.max.request.bytes", CONFIG_LONG, "-1", -1, INT64_MAX, NULL, \
  CONFIG_B, \
  "Bytes of requests held at once by all connections; -1: a share of the memory.") \
X(REQUEST_SLOW_MS, "request.slow.ms", CONFIG_LONG, "1000", -1, INT64_MAX, NULL, CONFIG_BD, \
  "A request that takes longer, other than on purpose, is traced with its phases; -1: none.") \
X(MAX_CONNECTIONS, "max.connections", CONFIG_INT, "2147483647", 0, INT32_MAX, NULL, CONFIG_BD, \
  "Connections at once.") \
X(MAX_CONNECTIONS_PER_IP, "max.connections.per.ip", CONFIG_INT, "2147483647", 0, INT32_MAX, \
  NULL, CONFIG_BD, \
  "Connections at once from one address.") \
X(CONNECTIONS_IDLE_MS, "connections.max.idle.ms", CONFIG_LONG, "600000", -1, INT64_MAX, NULL, \
  CONFIG_B, \
  "A connection without a request for so long is closed; -1: never.") \
X(SOCKET_BACKLOG, "socket.listen.backlog.size", CONFIG_INT, "1024", 1, 65535, NULL, CONFIG_B, \
  "Connections that may wait to be accepted.") \
X(SOCKET_SEND_BUFFER, "socket.send.buffer.bytes", CONFIG_INT, "-1", -1, INT32_MAX, NULL, \
  CONFIG_B, \
  "SO_SNDBUF of connections; -1: the system decides.") \
X(SOCKET_RECEIVE_BUFFER, "socket.receive.buffer.bytes", CONFIG_INT, "-1", -1, INT32_MAX, NULL, \
  CONFIG_B, \
  "SO_RCVBUF of connections; -1: the system decides.") \
X(FETCH_MAX_BYTES, "fetch.max.bytes", CONFIG_INT, "57671680", 1024, INT32_MAX, NULL, CONFIG_B, \
  "Most bytes in one fetch answer, whatever the client asks for.") \
X(FETCH_SESSION_SLOTS, "max.incremental.fetch.session.cache.slots", CONFIG_INT, "1000", 0, \
  1000000, NULL, CONFIG_B, \
  "Incremental fetch sessions kept at once.") \
X(REQUEST_PARTITIONS_MAX, "max.request.partition.size.limit", CONFIG_INT, "2000", 1, INT32_MAX, \
  NULL, CONFIG_B, \
  "Most partitions in one answer of DescribeTopicPartitions.")

/* The log; most of them are defaults of topics. */
#define CONFIG_LOG_ENTRIES(X) \
X(LOG_DIRS, "log.dirs", CONFIG_LIST, NULL, 0, 0, NULL, CONFIG_B, \
  "Where data is kept; unset: log.dir, else $STATE_DIRECTORY, else ./dlog-data.") \
X(LOG_DIR, "log.dir", CONFIG_STRING, NULL, 0, 0, NULL, CONFIG_B, \
  "Stands in for log.dirs.") \
X(LOG_DURABILITY, "log.durability", CONFIG_ENUM, "always", 0, 0, "always|interval|os", \
  CONFIG_BD, \
  "When data is synced: before it is acknowledged, every flush.messages or flush.ms, or by " \
  "the system.") \
X(LOG_FLUSH_MESSAGES, "log.flush.interval.messages", CONFIG_LONG, "9223372036854775807", 1, \
  INT64_MAX, NULL, CONFIG_BD, \
  "With durability interval: sync a partition after so many records.") \
X(LOG_FLUSH_MS, "log.flush.interval.ms", CONFIG_LONG, NULL, 0, INT64_MAX, NULL, CONFIG_BD, \
  "With durability interval: sync a partition after so long; unset: " \
  "log.flush.scheduler.interval.ms.") \
X(LOG_FLUSH_SCHEDULER_MS, "log.flush.scheduler.interval.ms", CONFIG_LONG, "9223372036854775807", \
  0, INT64_MAX, NULL, CONFIG_B, \
  "Stands in for log.flush.interval.ms.") \
X(LOG_CHECKPOINT_MS, "log.flush.offset.checkpoint.interval.ms", CONFIG_INT, "60000", 1, \
  INT32_MAX, NULL, CONFIG_B, \
  "Time between recovery checkpoints.") \
X(LOG_START_CHECKPOINT_MS, "log.flush.start.offset.checkpoint.interval.ms", CONFIG_INT, "60000", \
  1, INT32_MAX, NULL, CONFIG_B, \
  "Time between checkpoints of the log start offsets.") \
X(LOG_SCRUB_MS, "log.scrub.interval.ms", CONFIG_LONG, "604800000", 0, INT64_MAX, NULL, CONFIG_B, \
  "Sealed segments are read again and checked this often; 0: never.") \
X(LOG_SCRUB_RATE, "log.scrub.bytes.per.second", CONFIG_LONG, "16777216", 1024, INT64_MAX, NULL, \
  CONFIG_B, \
  "How fast each shard does that.") \
X(DISK_WARN_PERCENT, "disk.warn.percent", CONFIG_INT, "80", 1, 100, NULL, CONFIG_B, \
  "From so full a disk on: warn, and run retention and compaction at once.") \
X(DISK_THROTTLE_PERCENT, "disk.throttle.percent", CONFIG_INT, "95", 1, 100, NULL, CONFIG_B, \
  "From so full a disk on: slow producers down; 100: never.") \
X(DISK_RESERVE_BYTES, "disk.reserve.bytes", CONFIG_LONG, "67108864", 0, INT64_MAX, NULL, \
  CONFIG_B, \
  "Produce is refused before less than this is free; 0: no reserve.") \
X(DISK_BALLAST_BYTES, "disk.ballast.bytes", CONFIG_LONG, "16777216", 0, INT64_MAX, NULL, CONFIG_B, \
  "A file that is given up when the reserve is used up, too; at most a quarter of it. 0: none.") \
X(MESSAGE_MAX_BYTES, "message.max.bytes", CONFIG_INT, "1048588", 0, INT32_MAX, NULL, CONFIG_BD, \
  "Largest record batch, after compression.") \
X(LOG_VALIDATE_COMPRESSED, "log.validate.compressed", CONFIG_BOOL, "true", 0, 0, NULL, \
  CONFIG_BD, \
  "Decompress produced batches to check every record.") \
X(LOG_SEGMENT_BYTES, "log.segment.bytes", CONFIG_INT, "1073741824", 1024, INT32_MAX, NULL, \
  CONFIG_BD, \
  "Largest segment file.") \
X(LOG_ROLL_MS, "log.roll.ms", CONFIG_LONG, NULL, 1, INT64_MAX, NULL, CONFIG_BD, \
  "A segment older than this is closed and a new one begun; unset: log.roll.hours.") \
X(LOG_ROLL_HOURS, "log.roll.hours", CONFIG_INT, "168", 1, INT32_MAX, NULL, CONFIG_B, \
  "Stands in for log.roll.ms.") \
X(LOG_ROLL_JITTER_MS, "log.roll.jitter.ms", CONFIG_LONG, NULL, 0, INT64_MAX, NULL, CONFIG_BD, \
  "Up to so much is taken off log.roll.ms at random; unset: log.roll.jitter.hours.") \
X(LOG_ROLL_JITTER_HOURS, "log.roll.jitter.hours", CONFIG_INT, "0", 0, INT32_MAX, NULL, CONFIG_B, \
  "Stands in for log.roll.jitter.ms.") \
X(LOG_RETENTION_MS, "log.retention.ms", CONFIG_LONG, NULL, -1, INT64_MAX, NULL, CONFIG_BD, \
  "Segments whose records are all older are deleted; -1: never; unset: log.retention.minutes.") \
X(LOG_RETENTION_MINUTES, "log.retention.minutes", CONFIG_INT, NULL, -1, INT32_MAX, NULL, \
  CONFIG_B, \
  "Stands in for log.retention.ms; unset: log.retention.hours.") \
X(LOG_RETENTION_HOURS, "log.retention.hours", CONFIG_INT, "168", -1, INT32_MAX, NULL, CONFIG_B, \
  "Stands in for log.retention.minutes.") \
X(LOG_RETENTION_BYTES, "log.retention.bytes", CONFIG_LONG, "-1", -1, INT64_MAX, NULL, CONFIG_BD, \
  "Oldest segments are deleted while the partition is larger than this; -1: never.") \
X(LOG_OPEN_FILES, "log.open.files.max", CONFIG_INT, "-1", -1, INT32_MAX, NULL, CONFIG_B, \
  "Files that logs keep open; those used longest ago are closed. -1: half of what the system " \
  "lets this process have, the other half is for connections.") \
X(RECOVERY_THREADS, "num.recovery.threads.per.data.dir", CONFIG_INT, "2", 1, 32, NULL, CONFIG_B, \
  "Logs of each of log.dirs that are opened, and recovered, at once at start.") \
X(LOG_RETENTION_CHECK_MS, "log.retention.check.interval.ms", CONFIG_LONG, "300000", 1, \
  INT64_MAX, NULL, CONFIG_B, \
  "Time between looks for segments to delete.") \
X(LOG_CLEANUP_POLICY, "log.cleanup.policy", CONFIG_LIST, "delete", 0, 0, "compact|delete", \
  CONFIG_BD, \
  "delete: by retention; compact: keep the last record of each key; or both.") \
X(CLEANER_ENABLE, "log.cleaner.enable", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_B, \
  "Compact, and compress again, in the background.") \
X(CLEANER_THREADS, "log.cleaner.threads", CONFIG_INT, "1", 1, 64, NULL, CONFIG_B, \
  "Threads that compact.") \
X(CLEANER_MAP_BYTES, "log.cleaner.dedupe.buffer.size", CONFIG_LONG, "134217728", 1048576, \
  INT64_MAX, NULL, CONFIG_B, \
  "Memory for the keys of logs that are being compacted, shared by the shards.") \
X(CLEANER_BYTES_PER_SECOND, "log.cleaner.io.max.bytes.per.second", CONFIG_DOUBLE, \
  "9223372036854775807", 1, INT64_MAX, NULL, CONFIG_B, \
  "Most bytes that compaction reads and writes in a second, shared by the shards.") \
X(CLEANER_BACKOFF_MS, "log.cleaner.backoff.ms", CONFIG_LONG, "15000", 1, INT32_MAX, NULL, \
  CONFIG_B, \
  "Time between looks for logs to compact when there was none.") \
X(LOG_DELETE_RETENTION_MS, "log.cleaner.delete.retention.ms", CONFIG_LONG, "86400000", 0, \
  INT64_MAX, NULL, CONFIG_BD, \
  "Compaction keeps tombstones and transaction markers for so long.") \
X(LOG_MIN_DIRTY_RATIO, "log.cleaner.min.cleanable.ratio", CONFIG_DOUBLE, "0.5", 0, 1, NULL, \
  CONFIG_BD, \
  "Compact when so large a part of the log was never compacted.") \
X(LOG_MIN_COMPACTION_LAG_MS, "log.cleaner.min.compaction.lag.ms", CONFIG_LONG, "0", 0, \
  INT64_MAX, NULL, CONFIG_BD, \
  "Records younger than this are not compacted.") \
X(LOG_MAX_COMPACTION_LAG_MS, "log.cleaner.max.compaction.lag.ms", CONFIG_LONG, \
  "9223372036854775807", 1, INT64_MAX, NULL, CONFIG_BD, \
  "A record that is not compacted for so long makes its log be compacted.") \
X(LOG_INDEX_SIZE_MAX, "log.index.size.max.bytes", CONFIG_INT, "10485760", 64, INT32_MAX, NULL, \
  CONFIG_BD, \
  "Largest offset index; a full one closes the segment.") \
X(LOG_INDEX_INTERVAL, "log.index.interval.bytes", CONFIG_INT, "4096", 0, INT32_MAX, NULL, \
  CONFIG_BD, \
  "Bytes of log between two index entries.") \
X(LOG_DELETE_DELAY_MS, "log.segment.delete.delay.ms", CONFIG_LONG, "60000", 0, INT64_MAX, NULL, \
  CONFIG_BD, \
  "Time between taking a segment out of the log and removing its files.") \
X(LOG_PREALLOCATE, "log.preallocate", CONFIG_BOOL, "false", 0, 0, NULL, CONFIG_BD, \
  "Allocate a segment's file whole when it is created.") \
X(COMPRESSION_TYPE, "compression.type", CONFIG_ENUM, "producer", 0, 0, \
  "uncompressed|zstd|lz4|snappy|gzip|producer", CONFIG_BD, \
  "Compression of what is stored; producer: as it came.") \
X(COMPRESSION_GZIP_LEVEL, "compression.gzip.level", CONFIG_INT, "-1", -1, 9, NULL, CONFIG_BD, \
  "Level when the broker compresses with gzip; -1: the library's.") \
X(COMPRESSION_LZ4_LEVEL, "compression.lz4.level", CONFIG_INT, "9", 1, 17, NULL, CONFIG_BD, \
  "Level when the broker compresses with lz4.") \
X(COMPRESSION_ZSTD_LEVEL, "compression.zstd.level", CONFIG_INT, "3", -131072, 22, NULL, \
  CONFIG_BD, \
  "Level when the broker compresses with zstd.") \
X(TIMESTAMP_TYPE, "log.message.timestamp.type", CONFIG_ENUM, "CreateTime", 0, 0, \
  "CreateTime|LogAppendTime", CONFIG_BD, \
  "Whose clock timestamps come from: the producer's or the broker's.") \
X(TIMESTAMP_BEFORE_MS, "log.message.timestamp.before.max.ms", CONFIG_LONG, \
  "9223372036854775807", 0, INT64_MAX, NULL, CONFIG_BD, \
  "A record may be stamped at most so long before the broker's time.") \
X(TIMESTAMP_AFTER_MS, "log.message.timestamp.after.max.ms", CONFIG_LONG, "3600000", 0, \
  INT64_MAX, NULL, CONFIG_BD, \
  "A record may be stamped at most so long after the broker's time.") \
X(MIN_ISR, "min.insync.replicas", CONFIG_INT, "-1", -1, 32767, NULL, CONFIG_BD, \
  "In-sync replicas that acks=all needs; -1: half of the replicas, and one.") \
X(UNCLEAN_ELECTION, "unclean.leader.election.enable", CONFIG_BOOL, "false", 0, 0, NULL, \
  CONFIG_BD, \
  "Let a replica lead that may lack acknowledged records.")

/* Producers, transactions and the two topics that keep coordinators' state. */
#define CONFIG_STATE_ENTRIES(X) \
X(PRODUCER_ID_EXPIRATION_MS, "producer.id.expiration.ms", CONFIG_INT, "86400000", 1, INT32_MAX, \
  NULL, CONFIG_BD, \
  "A producer that is silent for so long is forgotten.") \
X(PRODUCER_ID_CHECK_MS, "producer.id.expiration.check.interval.ms", CONFIG_INT, "600000", 1, \
  INT32_MAX, NULL, CONFIG_B, \
  "Time between looks for producers to forget.") \
X(TXN_ID_EXPIRATION_MS, "transactional.id.expiration.ms", CONFIG_INT, "604800000", 1, INT32_MAX, \
  NULL, CONFIG_B, \
  "A transactional id without a transaction for so long is forgotten.") \
X(TXN_MAX_TIMEOUT_MS, "transaction.max.timeout.ms", CONFIG_INT, "900000", 1, INT32_MAX, NULL, \
  CONFIG_B, \
  "Longest time-out that a producer may ask for.") \
X(TXN_TOPIC_PARTITIONS, "transaction.state.log.num.partitions", CONFIG_INT, "50", 1, 10000, \
  NULL, CONFIG_B, \
  "Partitions of __transaction_state.") \
X(TXN_TOPIC_REPLICATION, "transaction.state.log.replication.factor", CONFIG_INT, "-1", -1, \
  32767, NULL, CONFIG_B, \
  "Replicas of __transaction_state; -1: three, or as many as there are nodes.") \
X(OFFSETS_TOPIC_PARTITIONS, "offsets.topic.num.partitions", CONFIG_INT, "50", 1, 10000, NULL, \
  CONFIG_B, \
  "Partitions of __consumer_offsets.") \
X(OFFSETS_TOPIC_REPLICATION, "offsets.topic.replication.factor", CONFIG_INT, "-1", -1, 32767, \
  NULL, CONFIG_B, \
  "Replicas of __consumer_offsets; -1: three, or as many as there are nodes.") \
X(OFFSETS_RETENTION_MINUTES, "offsets.retention.minutes", CONFIG_INT, "10080", 1, INT32_MAX, \
  NULL, CONFIG_B, \
  "Offsets of a group that is empty for so long are forgotten.") \
X(OFFSETS_RETENTION_CHECK_MS, "offsets.retention.check.interval.ms", CONFIG_LONG, "600000", 1, \
  INT64_MAX, NULL, CONFIG_B, \
  "Time between looks for offsets to forget.") \
X(OFFSETS_TOPIC_SEGMENT, "offsets.topic.segment.bytes", CONFIG_INT, "104857600", 1048576, \
  INT32_MAX, NULL, CONFIG_B, \
  "Segments of __consumer_offsets, kept small so that it is compacted soon.") \
X(OFFSET_METADATA_MAX, "offset.metadata.max.bytes", CONFIG_INT, "4096", 0, 1048576, NULL, \
  CONFIG_B, \
  "Largest metadata that may be committed with an offset.") \
X(TXN_TOPIC_SEGMENT, "transaction.state.log.segment.bytes", CONFIG_INT, "104857600", 1048576, \
  INT32_MAX, NULL, CONFIG_B, \
  "Segments of __transaction_state, kept small so that it is compacted soon.")

/* Groups; those with consumer in their names are about the protocol of KIP-848. */
#define CONFIG_GROUP_ENTRIES(X) \
X(GROUP_MIN_SESSION_MS, "group.min.session.timeout.ms", CONFIG_INT, "6000", 1, INT32_MAX, NULL, \
  CONFIG_B, \
  "Shortest session time-out that a member of a classic group may ask for.") \
X(GROUP_MAX_SESSION_MS, "group.max.session.timeout.ms", CONFIG_INT, "1800000", 1, INT32_MAX, \
  NULL, CONFIG_B, \
  "Longest session time-out that a member of a classic group may ask for.") \
X(GROUP_INITIAL_DELAY_MS, "group.initial.rebalance.delay.ms", CONFIG_INT, "0", 0, INT32_MAX, \
  NULL, CONFIG_B, \
  "How long an empty classic group waits for more members before it begins; Kafka's default " \
  "is 3000.") \
X(GROUP_MAX_SIZE, "group.max.size", CONFIG_INT, "2147483647", 1, INT32_MAX, NULL, CONFIG_B, \
  "Most members of one classic group.") \
X(GROUP_CONSUMER_SESSION_MS, "group.consumer.session.timeout.ms", CONFIG_INT, "45000", 1, \
  INT32_MAX, NULL, CONFIG_B, \
  "A member that sends no heartbeat for so long is out of its consumer group.") \
X(GROUP_CONSUMER_MIN_SESSION_MS, "group.consumer.min.session.timeout.ms", CONFIG_INT, "45000", \
  1, INT32_MAX, NULL, CONFIG_B, \
  "Least consumer.session.timeout.ms of a group.") \
X(GROUP_CONSUMER_MAX_SESSION_MS, "group.consumer.max.session.timeout.ms", CONFIG_INT, "60000", \
  1, INT32_MAX, NULL, CONFIG_B, \
  "Largest consumer.session.timeout.ms of a group.") \
X(GROUP_CONSUMER_HEARTBEAT_MS, "group.consumer.heartbeat.interval.ms", CONFIG_INT, "5000", 1, \
  INT32_MAX, NULL, CONFIG_B, \
  "How often members of consumer groups are told to send heartbeats.") \
X(GROUP_CONSUMER_MIN_HEARTBEAT_MS, "group.consumer.min.heartbeat.interval.ms", CONFIG_INT, \
  "5000", 1, INT32_MAX, NULL, CONFIG_B, \
  "Least consumer.heartbeat.interval.ms of a group.") \
X(GROUP_CONSUMER_MAX_HEARTBEAT_MS, "group.consumer.max.heartbeat.interval.ms", CONFIG_INT, \
  "15000", 1, INT32_MAX, NULL, CONFIG_B, \
  "Largest consumer.heartbeat.interval.ms of a group.") \
X(GROUP_CONSUMER_MAX_SIZE, "group.consumer.max.size", CONFIG_INT, "2147483647", 1, INT32_MAX, \
  NULL, CONFIG_B, \
  "Most members of one consumer group.") \
X(GROUP_CONSUMER_ASSIGNORS, "group.consumer.assignors", CONFIG_LIST, "uniform,range", 0, 0, \
  "uniform|range", CONFIG_B, \
  "Assignors that members may choose; the first is for those who choose none.") \
X(GROUP_CONSUMER_MIGRATION, "group.consumer.migration.policy", CONFIG_ENUM, "bidirectional", 0, \
  0, "disabled|upgrade|downgrade|bidirectional", CONFIG_B, \
  "Whether a classic group becomes a consumer group with its first member of that protocol " \
  "(upgrade), and a classic one again with its last (downgrade).") \
X(GROUP_CONSUMER_REGEX_MS, "group.consumer.regex.refresh.interval.ms", CONFIG_INT, "600000", \
  10000, INT32_MAX, NULL, CONFIG_B, \
  "Regular expressions of consumer groups are matched again at least this often.")

/* Settings of topics that no broker setting is the default of. */
#define CONFIG_TOPIC_OWN_ENTRIES(X) \
X(TOPIC_LEADER_THROTTLED, "leader.replication.throttled.replicas", CONFIG_LIST, "", 0, 0, NULL, \
  CONFIG_TOPIC, \
  "Replicas whose leader is throttled: partition:broker, or * for all.") \
X(TOPIC_FOLLOWER_THROTTLED, "follower.replication.throttled.replicas", CONFIG_LIST, "", 0, 0, \
  NULL, CONFIG_TOPIC, \
  "Replicas whose follower is throttled: partition:broker, or * for all.")

/* Settings of topics: T(id, name, the broker setting with type, range and default). */
#define CONFIG_TOPIC_ENTRIES(T) \
T(TOPIC_CLEANUP_POLICY, "cleanup.policy", CONFIG_LOG_CLEANUP_POLICY) \
T(TOPIC_COMPRESSION_TYPE, "compression.type", CONFIG_COMPRESSION_TYPE) \
T(TOPIC_COMPRESSION_GZIP_LEVEL, "compression.gzip.level", CONFIG_COMPRESSION_GZIP_LEVEL) \
T(TOPIC_COMPRESSION_LZ4_LEVEL, "compression.lz4.level", CONFIG_COMPRESSION_LZ4_LEVEL) \
T(TOPIC_COMPRESSION_ZSTD_LEVEL, "compression.zstd.level", CONFIG_COMPRESSION_ZSTD_LEVEL) \
T(TOPIC_DELETE_RETENTION_MS, "delete.retention.ms", CONFIG_LOG_DELETE_RETENTION_MS) \
T(TOPIC_DURABILITY, "durability", CONFIG_LOG_DURABILITY) \
T(TOPIC_DELETE_DELAY_MS, "file.delete.delay.ms", CONFIG_LOG_DELETE_DELAY_MS) \
T(TOPIC_FLUSH_MESSAGES, "flush.messages", CONFIG_LOG_FLUSH_MESSAGES) \
T(TOPIC_FLUSH_MS, "flush.ms", CONFIG_LOG_FLUSH_MS) \
T(TOPIC_INDEX_INTERVAL, "index.interval.bytes", CONFIG_LOG_INDEX_INTERVAL) \
T(TOPIC_MAX_COMPACTION_LAG_MS, "max.compaction.lag.ms", CONFIG_LOG_MAX_COMPACTION_LAG_MS) \
T(TOPIC_MAX_MESSAGE_BYTES, "max.message.bytes", CONFIG_MESSAGE_MAX_BYTES) \
T(TOPIC_TIMESTAMP_AFTER_MS, "message.timestamp.after.max.ms", CONFIG_TIMESTAMP_AFTER_MS) \
T(TOPIC_TIMESTAMP_BEFORE_MS, "message.timestamp.before.max.ms", CONFIG_TIMESTAMP_BEFORE_MS) \
T(TOPIC_TIMESTAMP_TYPE, "message.timestamp.type", CONFIG_TIMESTAMP_TYPE) \
T(TOPIC_MIN_DIRTY_RATIO, "min.cleanable.dirty.ratio", CONFIG_LOG_MIN_DIRTY_RATIO) \
T(TOPIC_MIN_COMPACTION_LAG_MS, "min.compaction.lag.ms", CONFIG_LOG_MIN_COMPACTION_LAG_MS) \
T(TOPIC_MIN_ISR, "min.insync.replicas", CONFIG_MIN_ISR) \
T(TOPIC_PREALLOCATE, "preallocate", CONFIG_LOG_PREALLOCATE) \
T(TOPIC_RETENTION_BYTES, "retention.bytes", CONFIG_LOG_RETENTION_BYTES) \
T(TOPIC_RETENTION_MS, "retention.ms", CONFIG_LOG_RETENTION_MS) \
T(TOPIC_SEGMENT_BYTES, "segment.bytes", CONFIG_LOG_SEGMENT_BYTES) \
T(TOPIC_SEGMENT_INDEX_BYTES, "segment.index.bytes", CONFIG_LOG_INDEX_SIZE_MAX) \
T(TOPIC_SEGMENT_JITTER_MS, "segment.jitter.ms", CONFIG_LOG_ROLL_JITTER_MS) \
T(TOPIC_SEGMENT_MS, "segment.ms", CONFIG_LOG_ROLL_MS) \
T(TOPIC_UNCLEAN_ELECTION, "unclean.leader.election.enable", CONFIG_UNCLEAN_ELECTION)

/* Settings of groups: G(id, name, the broker setting with type, range and default). */
#define CONFIG_GROUP_OWN_ENTRIES(G) \
G(CONSUMER_SESSION_MS, "consumer.session.timeout.ms", CONFIG_GROUP_CONSUMER_SESSION_MS) \
G(CONSUMER_HEARTBEAT_MS, "consumer.heartbeat.interval.ms", CONFIG_GROUP_CONSUMER_HEARTBEAT_MS)
/* clang-format on */
