#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * Kafka's error codes, as they travel in the fields named ErrorCode. They
 * exist only at the wire; the rest of the program has `enum err`.
 */

/* clang-format off */
#define WIRE_ERROR_MAP(X) \
    X(UNKNOWN_SERVER_ERROR, -1, "the server failed in an unexpected way") \
    X(NONE, 0, "no error") \
    X(OFFSET_OUT_OF_RANGE, 1, "the offset is outside the range of offsets that the server keeps") \
    X(CORRUPT_MESSAGE, 2, "the message failed its checksum, size or format check") \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, "this server does not host this topic or partition") \
    X(INVALID_FETCH_SIZE, 4, "the fetch size is invalid") \
    X(LEADER_NOT_AVAILABLE, 5, "there is no leader for this partition yet") \
    X(NOT_LEADER_OR_FOLLOWER, 6, "this broker is neither leader nor follower of the partition") \
    X(REQUEST_TIMED_OUT, 7, "the request timed out") \
    X(BROKER_NOT_AVAILABLE, 8, "the broker is not available") \
    X(REPLICA_NOT_AVAILABLE, 9, "the replica is not available") \
    X(MESSAGE_TOO_LARGE, 10, "the message is larger than the server accepts") \
    X(STALE_CONTROLLER_EPOCH, 11, "the controller moved to another broker") \
    X(OFFSET_METADATA_TOO_LARGE, 12, "the metadata of the offset is too large") \
    X(NETWORK_EXCEPTION, 13, "the connection was lost before an answer came") \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, "the coordinator is loading and cannot answer yet") \
    X(COORDINATOR_NOT_AVAILABLE, 15, "the coordinator is not available") \
    X(NOT_COORDINATOR, 16, "this is not the right coordinator") \
    X(INVALID_TOPIC_EXCEPTION, 17, \
        "the topic name is invalid, or the topic may not be written to") \
    X(RECORD_LIST_TOO_LARGE, 18, "the record batch is larger than a segment") \
    X(NOT_ENOUGH_REPLICAS, 19, "fewer replicas are in sync than required") \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, "written, but to fewer replicas than required") \
    X(INVALID_REQUIRED_ACKS, 21, "acks must be -1, 0 or 1") \
    X(ILLEGAL_GENERATION, 22, "the generation of the group is not the current one") \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, "the member's protocols do not match those of the group") \
    X(INVALID_GROUP_ID, 24, "the group id is invalid") \
    X(UNKNOWN_MEMBER_ID, 25, "the coordinator does not know this member") \
    X(INVALID_SESSION_TIMEOUT, 26, "the session time-out is outside the allowed range") \
    X(REBALANCE_IN_PROGRESS, 27, "the group is rebalancing, so a rejoin is needed") \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, "the offset data is too large to commit") \
    X(TOPIC_AUTHORIZATION_FAILED, 29, "not authorized to access the topic") \
    X(GROUP_AUTHORIZATION_FAILED, 30, "not authorized to access the group") \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, "not authorized for the cluster") \
    X(INVALID_TIMESTAMP, 32, "the timestamp is outside the allowed range") \
    X(UNSUPPORTED_SASL_MECHANISM, 33, "the server does not support this SASL mechanism") \
    X(ILLEGAL_SASL_STATE, 34, "the request is not valid in this SASL state") \
    X(UNSUPPORTED_VERSION, 35, "the version of the API is not supported") \
    X(TOPIC_ALREADY_EXISTS, 36, "the topic exists already") \
    X(INVALID_PARTITIONS, 37, "the number of partitions is invalid") \
    X(INVALID_REPLICATION_FACTOR, 38, "the replication factor is invalid") \
    X(INVALID_REPLICA_ASSIGNMENT, 39, "the replica assignment is invalid") \
    X(INVALID_CONFIG, 40, "the configuration is invalid") \
    X(NOT_CONTROLLER, 41, "this is not the controller") \
    X(INVALID_REQUEST, 42, "the request is malformed or contradicts itself") \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, "the message format does not support this operation") \
    X(POLICY_VIOLATION, 44, "the request violates a policy") \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, "the producer's sequence number is out of order") \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, "the producer's sequence number was used before") \
    X(INVALID_PRODUCER_EPOCH, 47, "the producer's epoch is older than the current one") \
    X(INVALID_TXN_STATE, 48, "the transaction is not in a state that allows this") \
    X(INVALID_PRODUCER_ID_MAPPING, 49, "the producer id does not belong to this transactional id") \
    X(INVALID_TRANSACTION_TIMEOUT, 50, \
        "the transaction time-out is larger than the broker allows") \
    X(CONCURRENT_TRANSACTIONS, 51, "another operation on this transaction is in progress") \
    X(TRANSACTION_COORDINATOR_FENCED, 52, "the transaction coordinator is fenced by a newer one") \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, "not authorized to use this transactional id") \
    X(SECURITY_DISABLED, 54, "security features are disabled") \
    X(OPERATION_NOT_ATTEMPTED, 55, \
        "the operation was not attempted, because of an error elsewhere in the request") \
    X(KAFKA_STORAGE_ERROR, 56, "the log directory failed") \
    X(LOG_DIR_NOT_FOUND, 57, "the log directory does not exist") \
    X(SASL_AUTHENTICATION_FAILED, 58, "SASL authentication failed") \
    X(UNKNOWN_PRODUCER_ID, 59, "the broker has no state for this producer id") \
    X(REASSIGNMENT_IN_PROGRESS, 60, "a reassignment of the partition is in progress") \
    X(DELEGATION_TOKEN_AUTH_DISABLED, 61, "delegation tokens are disabled") \
    X(DELEGATION_TOKEN_NOT_FOUND, 62, "the delegation token does not exist") \
    X(DELEGATION_TOKEN_OWNER_MISMATCH, 63, "the principal does not own the delegation token") \
    X(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64, \
        "delegation tokens are not allowed on this connection") \
    X(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, "not authorized to use delegation tokens") \
    X(DELEGATION_TOKEN_EXPIRED, 66, "the delegation token has expired") \
    X(INVALID_PRINCIPAL_TYPE, 67, "the type of the principal is not supported") \
    X(NON_EMPTY_GROUP, 68, "the group is not empty") \
    X(GROUP_ID_NOT_FOUND, 69, "the group does not exist") \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, "the fetch session does not exist") \
    X(INVALID_FETCH_SESSION_EPOCH, 71, "the epoch of the fetch session is invalid") \
    X(LISTENER_NOT_FOUND, 72, "the leader has no listener of the requested name") \
    X(TOPIC_DELETION_DISABLED, 73, "deleting topics is disabled") \
    X(FENCED_LEADER_EPOCH, 74, "the leader epoch is older than the broker's") \
    X(UNKNOWN_LEADER_EPOCH, 75, "the leader epoch is newer than the broker's") \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, "the client does not support this compression type") \
    X(STALE_BROKER_EPOCH, 77, "the broker epoch has changed") \
    X(OFFSET_NOT_AVAILABLE, 78, \
        "the high watermark has not caught up, so offsets cannot be listed") \
    X(MEMBER_ID_REQUIRED, 79, "the member must rejoin with the id it was given") \
    X(PREFERRED_LEADER_NOT_AVAILABLE, 80, "the preferred leader is not available") \
    X(GROUP_MAX_SIZE_REACHED, 81, "the group has reached its maximum size") \
    X(FENCED_INSTANCE_ID, 82, "another member uses this instance id") \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, "no eligible leader is available") \
    X(ELECTION_NOT_NEEDED, 84, "no election is needed") \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, "no reassignment is in progress") \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, "the group is subscribed to the topic") \
    X(INVALID_RECORD, 87, "the broker refused a record") \
    X(UNSTABLE_OFFSET_COMMIT, 88, "there are transactional offsets not yet decided") \
    X(THROTTLING_QUOTA_EXCEEDED, 89, "the quota was exceeded") \
    X(PRODUCER_FENCED, 90, "a newer producer uses the same transactional id") \
    X(RESOURCE_NOT_FOUND, 91, "the resource does not exist") \
    X(DUPLICATE_RESOURCE, 92, "the resource is named twice") \
    X(UNACCEPTABLE_CREDENTIAL, 93, "the credential does not meet the requirements") \
    X(INCONSISTENT_VOTER_SET, 94, "the voter sets of sender and receiver differ") \
    X(INVALID_UPDATE_VERSION, 95, "the feature update version is invalid") \
    X(FEATURE_UPDATE_FAILED, 96, "the feature update failed") \
    X(PRINCIPAL_DESERIALIZATION_FAILURE, 97, "the forwarded principal cannot be read") \
    X(SNAPSHOT_NOT_FOUND, 98, "the snapshot does not exist") \
    X(POSITION_OUT_OF_RANGE, 99, "the position is outside the snapshot") \
    X(UNKNOWN_TOPIC_ID, 100, "the topic id is unknown") \
    X(DUPLICATE_BROKER_REGISTRATION, 101, "the broker id is registered already") \
    X(BROKER_ID_NOT_REGISTERED, 102, "the broker id is not registered") \
    X(INCONSISTENT_TOPIC_ID, 103, "the topic id does not match the broker's") \
    X(INCONSISTENT_CLUSTER_ID, 104, "the cluster id does not match the broker's") \
    X(TRANSACTIONAL_ID_NOT_FOUND, 105, "the transactional id does not exist") \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, "the fetch session mixes topic ids and names") \
    X(INELIGIBLE_REPLICA, 107, "the replica may not join the in-sync replicas") \
    X(NEW_LEADER_ELECTED, 108, "a new leader was elected meanwhile") \
    X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, "the offset was moved to tiered storage") \
    X(FENCED_MEMBER_EPOCH, 110, "the member epoch is fenced") \
    X(UNRELEASED_INSTANCE_ID, 111, "another member has not released the instance id") \
    X(UNSUPPORTED_ASSIGNOR, 112, "the assignor is not supported") \
    X(STALE_MEMBER_EPOCH, 113, "the member epoch is stale") \
    X(MISMATCHED_ENDPOINT_TYPE, 114, "the endpoint is of the wrong type") \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, "the type of endpoint is not supported") \
    X(UNKNOWN_CONTROLLER_ID, 116, "the controller id is unknown") \
    X(UNKNOWN_SUBSCRIPTION_ID, 117, "the telemetry subscription is unknown") \
    X(TELEMETRY_TOO_LARGE, 118, "the telemetry is larger than the server accepts") \
    X(INVALID_REGISTRATION, 119, "the registration is invalid") \
    X(TRANSACTION_ABORTABLE, 120, "the transaction must be aborted") \
    X(INVALID_RECORD_STATE, 121, "the record is not in a state that allows this") \
    X(SHARE_SESSION_NOT_FOUND, 122, "the share session does not exist") \
    X(INVALID_SHARE_SESSION_EPOCH, 123, "the epoch of the share session is invalid") \
    X(FENCED_STATE_EPOCH, 124, "the state epoch is fenced") \
    X(INVALID_VOTER_KEY, 125, "the voter key does not match") \
    X(DUPLICATE_VOTER, 126, "the voter exists already") \
    X(VOTER_NOT_FOUND, 127, "the voter does not exist") \
    X(INVALID_REGULAR_EXPRESSION, 128, "the regular expression is invalid") \
    X(REBOOTSTRAP_REQUIRED, 129, "the client must bootstrap its metadata again") \
    X(STREAMS_INVALID_TOPOLOGY, 130, "the topology is invalid") \
    X(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, "the topology epoch is invalid") \
    X(STREAMS_TOPOLOGY_FENCED, 132, "the topology epoch is fenced") \
    X(SHARE_SESSION_LIMIT_REACHED, 133, "the limit of share sessions is reached")
/* clang-format on */

enum wire_error {
#define X(name, code, text) WIRE_ERROR_##name = code,
    WIRE_ERROR_MAP(X)
#undef X
};

/* "OFFSET_OUT_OF_RANGE"; never NULL, "UNKNOWN" for a code not in the list. */
const char *wire_error_name(int16_t code);

/* A short sentence; never NULL. */
const char *wire_error_text(int16_t code);

/*
 * The code for an error of ours where no handler knows better. A handler that
 * does (E_DENIED for a topic, E_FENCED by a leader epoch) says so itself.
 */
enum wire_error wire_error_of(enum err e);
