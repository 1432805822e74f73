#!/usr/bin/env python3
"""compare: the same requests to Apache Kafka and to dlogd; the answers are compared field by field.

    tests/compat/compare.py build/dlogd [CASE...] [--show]

A case is a sequence of requests. What differs by nature (ids, times, ports, texts) is masked; what
differs by intent stands in EXPECTED with its reason; anything else fails. --show prints both
answers. Output is TAP; without the jars of the oracle all is skipped.
"""
import argparse, fnmatch, os, struct, sys, time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from compat import cache, oracle        # noqa: E402
from lib import message, node, tap, wire    # noqa: E402

UNKNOWN_ID = bytes(range(16))
CLOSED, SILENT, PATIENCE_S = "closed", "silent", 5

# Fields that no two brokers share; of texts only whether there is one.
MASKED = {"port", "host", "cluster_id", "log_append_time_ms", "throttle_time_ms", "producer_id",
          "timestamp", "broker_epoch", "documentation", "finalized_features_epoch", "rack",
          "node_endpoints", "max_timestamp"}
TEXTS = {"error_message", "batch_index_error_message"}

class Side:
    """One broker, and what the case remembers of it."""
    def __init__(self, port):
        self.port, self.ids = port, {}

    def call(self, name, version=None, **values):
        version = message.version_last(name) if version is None else version
        with wire.Connection(self.port, timeout_s=PATIENCE_S) as connection:
            connection.send(wire.frame(message.encode(name, version, values)))
            try:
                return message.decode(name, version, connection.answer())
            except TimeoutError:
                return SILENT
            except OSError:
                return CLOSED

    def raw(self, name, version, body, answer_version):
        with wire.Connection(self.port, timeout_s=PATIENCE_S) as connection:
            connection.send(wire.frame(body))
            try:
                return message.decode(name, answer_version, connection.answer())
            except TimeoutError:
                return SILENT
            except OSError:
                return CLOSED

    def topic(self, name, partitions=1, **values):
        answer = self.call("create_topics", 7, timeout_ms=10000, topics=[
            {"name": name, "num_partitions": partitions, "replication_factor": 1, **values}])
        self.ids[name] = answer["topics"][0]["topic_id"]
        for _ in range(100):    # until it is led
            found = self.call("metadata", 12, topics=[{"name": name}], allow_auto_topic_creation=False)
            parts = found["topics"][0]["partitions"]
            if len(parts) == partitions and not any(p["error_code"] for p in parts):
                time.sleep(0.2)
                return answer
            time.sleep(0.05)
        raise AssertionError(f"topic {name} is not led")

    def produce(self, name, records, version=9, acks=-1, index=0, **values):
        return self.call("produce", version, acks=acks, timeout_ms=5000, topic_data=[
            {"name": name, "partition_data": [{"index": index, "records": records}]}], **values)

    def fetch(self, name, offset, version=12, index=0, epoch=-1, **values):
        return self.call("fetch", version, **{"max_wait_ms": 0, "min_bytes": 1, "topics": [
            {"topic": name, "topic_id": self.ids.get(name, UNKNOWN_ID), "partitions": [
                {"partition": index, "fetch_offset": offset, "partition_max_bytes": 1 << 20,
                 "current_leader_epoch": epoch}]}], **values})

    def offset(self, name, timestamp, version=10, index=0, epoch=-1):
        return self.call("list_offsets", version, replica_id=-1, timeout_ms=5000, topics=[
            {"name": name, "partitions": [{"partition_index": index, "timestamp": timestamp,
                                           "current_leader_epoch": epoch}]}])

def records(count=1, at_ms=None, **values):
    return wire.batch([b"v%d" % i for i in range(count)], now_ms=at_ms or int(time.time() * 1000), **values)

# Cases: generators of (label, answer).

def api_versions(side):
    for version in range(5):
        yield f"v{version}", side.call("api_versions", version, client_software_name="a",
                                       client_software_version="1")
    header = struct.pack(">hhih", 18, 99, 1, -1) + b"\0"
    yield "v99", side.raw("api_versions", 99, header, 0)
    yield "bad name", side.call("api_versions", 3, client_software_name="a b", client_software_version="1")

def metadata(side):
    side.topic("md", 2)
    for version in (0, 1, 4, 7, 9, 12, 13):
        yield f"one v{version}", side.call("metadata", version, topics=[{"name": "md"}])
    no = {"allow_auto_topic_creation": False}
    for name in ("nope", "a b", "", ".", "..", "x" * 250):
        yield f"name {name[:8]!r}", side.call("metadata", 12, topics=[{"name": name}], **no)
    yield "none", side.call("metadata", 12, topics=[], **no)
    yield "unknown id", side.call("metadata", 12, topics=[{"name": None, "topic_id": UNKNOWN_ID}], **no)
    yield "by id", side.call("metadata", 12, topics=[{"name": None, "topic_id": side.ids["md"]}], **no)
    yield "operations", side.call("metadata", 10, topics=[{"name": "md"}], **no,
                                  include_cluster_authorized_operations=True,
                                  include_topic_authorized_operations=True)
    yield "twice", side.call("metadata", 12, topics=[{"name": "md"}, {"name": "md"}], **no)
    yield "id in v10", side.call("metadata", 10, topics=[{"name": "md", "topic_id": side.ids["md"]}], **no)

def create_topics(side):
    side.topic("ct")
    def create(label, validate=False, version=7, **values):
        topic = {"name": "ct-" + label.replace(" ", "-"), "num_partitions": 1, "replication_factor": 1, **values}
        return label, side.call("create_topics", version, timeout_ms=10000, validate_only=validate, topics=[topic])
    yield create("exists", name="ct")
    for label, name in (("blank", "a b"), ("empty", ""), ("dot", "."), ("long", "x" * 250), ("umlaut", "ä")):
        yield create("name " + label, name=name)
    yield create("collision", name="c.t")
    yield create("collision 2", name="c_t")
    yield create("no partitions", num_partitions=0)
    yield create("minus two", num_partitions=-2)
    yield create("defaults", num_partitions=-1, replication_factor=-1)
    yield create("replicas", replication_factor=2)
    yield create("no replicas", replication_factor=0)
    yield create("unknown setting", configs=[{"name": "nope", "value": "1"}])
    yield create("bad value", configs=[{"name": "retention.ms", "value": "x"}])
    yield create("null value", configs=[{"name": "retention.ms", "value": None}])
    yield create("out of range", configs=[{"name": "max.message.bytes", "value": "-1"}])
    yield create("bad policy", configs=[{"name": "cleanup.policy", "value": "keep"}])
    yield create("validate", validate=True)
    yield create("validate existing", validate=True, name="ct")
    assigned = [{"partition_index": 0, "broker_ids": [1]}]
    yield create("assigned", num_partitions=-1, replication_factor=-1, assignments=assigned)
    yield create("assigned and count", assignments=assigned)
    yield create("assigned gap", num_partitions=-1, replication_factor=-1,
                 assignments=[{"partition_index": 1, "broker_ids": [1]}])
    yield create("assigned unknown", num_partitions=-1, replication_factor=-1,
                 assignments=[{"partition_index": 0, "broker_ids": [77]}])
    yield create("assigned twice", num_partitions=-1, replication_factor=-1,
                 assignments=[{"partition_index": 0, "broker_ids": [1, 1]}])
    two = {"name": "ct-two", "num_partitions": 1, "replication_factor": 1}
    yield "twice", side.call("create_topics", 7, timeout_ms=10000, topics=[two, two])
    yield create("old", version=2)

def delete_topics(side):
    side.topic("dt")
    yield "unknown", side.call("delete_topics", 5, topic_names=["nope"], timeout_ms=5000)
    yield "unknown v6", side.call("delete_topics", 6, topics=[{"name": "nope"}], timeout_ms=5000)
    yield "unknown id", side.call("delete_topics", 6, topics=[{"name": None, "topic_id": UNKNOWN_ID}], timeout_ms=5000)
    yield "zero id", side.call("delete_topics", 6, topics=[{"name": None}], timeout_ms=5000)
    yield "both", side.call("delete_topics", 6, topics=[{"name": "dt", "topic_id": side.ids["dt"]}], timeout_ms=5000)
    yield "twice", side.call("delete_topics", 6, topics=[{"name": "dt"}, {"name": "dt"}], timeout_ms=5000)
    yield "by id", side.call("delete_topics", 6, topics=[{"name": None, "topic_id": side.ids["dt"]}], timeout_ms=5000)

def create_partitions(side):
    side.topic("cp", 2)
    def grow(label, validate=False, **values):
        topic = {"name": "cp", "count": 3, "assignments": None, **values}
        return label, side.call("create_partitions", 3, timeout_ms=5000, validate_only=validate, topics=[topic])
    yield grow("unknown", name="nope")
    yield grow("fewer", count=1)
    yield grow("same", count=2)
    yield grow("zero", count=0)
    yield grow("validate", validate=True)
    yield grow("assigned wrong", assignments=[{"broker_ids": [77]}])
    yield grow("assigned count", assignments=[{"broker_ids": [1]}, {"broker_ids": [1]}])
    yield grow("grow")
    one = {"name": "cp", "count": 9, "assignments": None}
    yield "twice", side.call("create_partitions", 3, timeout_ms=5000, topics=[one, one])

def produce(side):
    side.topic("pr", 2)
    side.topic("compacted", configs=[{"name": "cleanup.policy", "value": "compact"}])
    now = int(time.time() * 1000)
    yield "plain", side.produce("pr", records(2))
    for version in (3, 7, 8, 9, 12):
        yield f"v{version}", side.produce("pr", records(), version)
    yield "unknown topic", side.produce("nope", records())
    yield "unknown partition", side.produce("pr", records(), index=7)
    yield "negative partition", side.produce("pr", records(), index=-1)
    yield "acks 2", side.produce("pr", records(), acks=2)
    yield "acks -2", side.produce("pr", records(), acks=-2)
    yield "acks 0 unknown", side.produce("nope", records(), acks=0)
    yield "empty", side.produce("pr", b"")
    yield "null", side.produce("pr", None)
    yield "short", side.produce("pr", b"short")
    yield "two batches", side.produce("pr", records() + records())
    yield "crc", side.produce("pr", records(crc_delta=1))
    yield "length", side.produce("pr", records(length_delta=5))
    yield "magic 1", side.produce("pr", records(magic=1))
    yield "magic 3", side.produce("pr", records(magic=3))
    yield "count", side.produce("pr", records(count=5))
    yield "codec 5", side.produce("pr", wire.batch([b"v"], codec=5))
    yield "codec broken", side.produce("pr", wire.batch([b"v"], codec=1))
    yield "zstd in v3", side.produce("pr", wire.batch([b"v"], codec=4), 3)
    yield "control", side.produce("pr", wire.batch([b"v"], codec=0x20, producer_id=5, producer_epoch=0, base_sequence=0))
    yield "too large", side.produce("pr", wire.batch([b"v" * (1 << 20)]))
    yield "no key", side.produce("compacted", records())
    yield "future", side.produce("pr", records(at_ms=now + 10 ** 8))
    yield "no time", side.produce("pr", wire.batch([b"v"], now_ms=-1))
    def one(sequence, epoch=0, producer=4000, count=1):
        return records(count, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)
    yield "sequence 0", side.produce("pr", one(0), index=1)
    yield "sequence 1", side.produce("pr", one(1), index=1)
    yield "duplicate", side.produce("pr", one(1), index=1)
    yield "gap", side.produce("pr", one(5), index=1)
    yield "epoch 2 gap", side.produce("pr", one(5, 2), index=1)
    yield "epoch 2", side.produce("pr", one(0, 2), index=1)
    yield "epoch 1", side.produce("pr", one(0, 1), index=1)
    yield "unknown producer", side.produce("pr", one(7, 0, 4001), index=1)
    yield "no sequence", side.produce("pr", one(-1, 0, 4002), index=1)
    yield "transactional", side.produce("pr", wire.batch([b"v"], codec=0x10, producer_id=5, producer_epoch=0, base_sequence=0))
    yield "unknown id", side.call("produce", 13, acks=-1, timeout_ms=5000, topic_data=[
        {"topic_id": UNKNOWN_ID, "partition_data": [{"index": 0, "records": records()}]}])
    yield "by id", side.call("produce", 13, acks=-1, timeout_ms=5000, topic_data=[
        {"topic_id": side.ids["pr"], "partition_data": [{"index": 0, "records": records()}]}])

def fetch(side):
    side.topic("fe")
    at_ms = int(time.time()) // 3600 * 3600 * 1000      # the same for both brokers
    for _ in range(3):
        side.produce("fe", records(2, at_ms=at_ms))
    for version in (4, 7, 11, 12, 13, 16, 17):
        yield f"v{version}", side.fetch("fe", 2, version)
    for offset in (-1, 6, 7, 100, 1 << 62):
        yield f"offset {offset}", side.fetch("fe", offset)
    yield "inside a batch", side.fetch("fe", 3)
    yield "unknown topic", side.fetch("nope", 0)
    yield "unknown id", side.fetch("nope", 0, 13)
    yield "unknown partition", side.fetch("fe", 0, index=4)
    yield "unknown partition by id", side.fetch("fe", 0, 13, index=4)
    yield "epoch ahead", side.fetch("fe", 0, epoch=9)
    yield "epoch right", side.fetch("fe", 0, epoch=0)
    yield "one byte", side.fetch("fe", 0, max_bytes=1)
    yield "zero bytes", side.fetch("fe", 0, max_bytes=0)
    yield "nothing", side.call("fetch", 12, max_wait_ms=0, topics=[])
    yield "session unknown", side.fetch("fe", 0, session_id=77, session_epoch=1)
    yield "epoch without session", side.fetch("fe", 0, session_id=0, session_epoch=5)
    yield "full with unknown session", side.fetch("fe", 0, session_id=77, session_epoch=0)
    yield "final with unknown session", side.fetch("fe", 0, session_id=77, session_epoch=-1)
    yield "full of nothing", side.call("fetch", 12, max_wait_ms=0, topics=[], session_epoch=0)
    first = side.fetch("fe", 0, 13, session_epoch=0)
    yield "session", first
    session = first["session_id"]
    def again(label, epoch, version=13, **values):
        return label, side.call("fetch", version, **{"max_wait_ms": 0, "session_id": session,
                                                     "session_epoch": epoch, "topics": [], **values})
    part = {"partition": 0, "partition_max_bytes": 1 << 20}
    yield again("session 1", 1)
    yield again("session 2 at the end", 2, topics=[{"topic_id": side.ids["fe"], "partitions": [{**part, "fetch_offset": 6}]}])
    yield again("session 3 nothing new", 3)
    yield again("session 3 again", 3)
    yield again("session by name", 4, 12)
    yield again("session 4 error", 4, topics=[{"topic_id": side.ids["fe"], "partitions": [{**part, "fetch_offset": 99}]}])
    yield again("session 5 forget", 5, forgotten_topics_data=[{"topic_id": side.ids["fe"], "partitions": [0]}])
    yield again("session 6 gone", 6)
    yield "isolation", side.fetch("fe", 0, isolation_level=1)
    yield "diverging", side.call("fetch", 12, max_wait_ms=0, topics=[{"topic": "fe", "partitions": [
        {**part, "fetch_offset": 4, "last_fetched_epoch": 7}]}])

def list_offsets(side):
    side.topic("lo")
    for timestamp in (-1, -2, -3, -4, -5, 0):
        yield f"empty {timestamp}", side.offset("lo", timestamp)
    for at_ms in (1000, 3000, 2000):
        side.produce("lo", wire.batch([b"a", b"b"], now_ms=1700000000000 + at_ms))
    for timestamp in (-1, -2, -3, -4, -5, -6, -7, -99, 0, 1700000000000 + 1500, 1800000000000):
        yield f"{timestamp}", side.offset("lo", timestamp)
    for version in (1, 2, 4, 6, 7, 8, 9, 11):
        for timestamp in (-2, -3, -4, -5, -6):
            yield f"v{version} {timestamp}", side.offset("lo", timestamp, version)
    yield "unknown topic", side.offset("nope", -1)
    yield "unknown partition", side.offset("lo", -1, index=3)
    yield "epoch ahead", side.offset("lo", -1, epoch=9)
    one = {"partition_index": 0, "timestamp": -1}
    yield "twice", side.call("list_offsets", 10, replica_id=-1, topics=[{"name": "lo", "partitions": [one, one]}])

def configs(side):
    side.topic("dc", configs=[{"name": "retention.ms", "value": "1000"}])
    def describe(label, kind, name, keys=None, **values):
        return label, side.call("describe_configs", 4, resources=[
            {"resource_type": kind, "resource_name": name, "configuration_keys": keys}], **values)
    yield describe("names", 2, "dc")
    yield describe("one", 2, "dc", ["retention.ms"], include_synonyms=True)
    yield describe("none", 2, "dc", [])
    yield describe("unknown setting", 2, "dc", ["nope"])
    yield describe("unknown topic", 2, "nope")
    yield describe("bad topic", 2, "a b")
    yield describe("empty topic", 2, "")
    yield describe("defaults of brokers", 4, "")
    yield describe("other broker", 4, "7")
    yield describe("no number", 4, "x")
    yield describe("unknown kind", 99, "x")
    yield describe("kind 0", 0, "x")

def alter_configs(side):
    side.topic("ac", configs=[{"name": "retention.ms", "value": "1000"}])
    def alter(label, kind, name, *changes, validate=False):
        return label, side.call("incremental_alter_configs", 1, validate_only=validate, resources=[
            {"resource_type": kind, "resource_name": name, "configs": [
                {"name": key, "config_operation": operation, "value": value}
                for key, operation, value in changes]}])
    def replace(label, kind, name, validate=False, **settings):
        return label, side.call("alter_configs", 2, validate_only=validate, resources=[
            {"resource_type": kind, "resource_name": name, "configs": [
                {"name": key.replace("_", "."), "value": value} for key, value in settings.items()]}])
    def describe(label, kind, name, *keys):
        time.sleep(0.3)     # until it is known everywhere
        return label, side.call("describe_configs", 4, include_synonyms=True, resources=[
            {"resource_type": kind, "resource_name": name, "configuration_keys": keys or None}])
    yield alter("set", 2, "ac", ("retention.ms", 0, "2000"), ("max.message.bytes", 0, "3000"))
    yield describe("after set", 2, "ac", "retention.ms", "max.message.bytes")
    yield alter("delete", 2, "ac", ("retention.ms", 1, None))
    yield alter("delete what is not set", 2, "ac", ("retention.ms", 1, None), ("flush.ms", 1, ""))
    yield alter("append", 2, "ac", ("cleanup.policy", 2, "compact"))
    yield alter("append twice", 2, "ac", ("cleanup.policy", 2, "compact"))
    yield describe("after append", 2, "ac", "cleanup.policy", "retention.ms")
    yield alter("subtract", 2, "ac", ("cleanup.policy", 3, "delete"))
    yield describe("after subtract", 2, "ac", "cleanup.policy")
    yield alter("append to a number", 2, "ac", ("retention.ms", 2, "1"))
    yield alter("unknown", 2, "ac", ("nope", 0, "1"))
    yield alter("delete unknown", 2, "ac", ("nope", 1, None))
    yield alter("bad value", 2, "ac", ("retention.ms", 0, "x"))
    yield alter("null", 2, "ac", ("retention.ms", 0, None))
    yield alter("operation", 2, "ac", ("retention.ms", 9, "1"))
    yield alter("key twice", 2, "ac", ("retention.ms", 0, "1"), ("retention.ms", 0, "2"))
    yield alter("half wrong", 2, "ac", ("segment.ms", 0, "7"), ("retention.ms", 0, "x"))
    yield describe("after half wrong", 2, "ac", "segment.ms")
    yield alter("validate", 2, "ac", ("segment.ms", 0, "7"), validate=True)
    yield describe("after validate", 2, "ac", "segment.ms")
    yield alter("unknown topic", 2, "nope", ("retention.ms", 0, "1"))
    yield alter("empty topic", 2, "", ("retention.ms", 0, "1"))
    yield alter("nothing", 2, "ac")
    yield replace("replace", 2, "ac", retention_ms="5000", segment_ms="6000")
    yield describe("after replace", 2, "ac", "retention.ms", "segment.ms", "cleanup.policy", "max.message.bytes")
    yield replace("replace by null", 2, "ac", retention_ms=None)
    yield replace("replace unknown", 2, "nope", retention_ms="1")
    yield alter("broker", 4, "1", ("log.retention.ms", 0, "77000"))
    yield describe("after broker", 4, "1", "log.retention.ms")
    yield alter("brokers", 4, "", ("log.retention.ms", 0, "78000"), ("message.max.bytes", 0, "5000"))
    yield describe("after brokers", 4, "1", "log.retention.ms", "message.max.bytes")
    yield describe("brokers' own", 4, "")
    yield describe("seen from the topic", 2, "ac", "max.message.bytes")
    yield alter("broker, read-only", 4, "1", ("log.retention.check.interval.ms", 0, "5"))
    yield alter("broker, unknown id", 4, "9", ("log.retention.ms", 0, "5"))
    yield alter("broker, no id", 4, "x", ("log.retention.ms", 0, "5"))
    yield alter("broker, bad value", 4, "1", ("log.retention.ms", 0, "x"))
    yield alter("broker, back", 4, "1", ("log.retention.ms", 1, None))
    yield alter("brokers, back", 4, "", ("log.retention.ms", 1, None), ("message.max.bytes", 1, None))
    yield describe("after back", 4, "1", "log.retention.ms", "message.max.bytes")
    yield alter("group", 32, "ag", ("consumer.session.timeout.ms", 0, "50000"))
    yield describe("after group", 32, "ag", "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms")
    yield alter("group, too short", 32, "ag", ("consumer.session.timeout.ms", 0, "1000"))
    yield alter("group, too long", 32, "ag", ("consumer.heartbeat.interval.ms", 0, "60000"))
    yield alter("group, both", 32, "ag", ("consumer.heartbeat.interval.ms", 0, "15000"),
                ("consumer.session.timeout.ms", 0, "45000"))
    yield alter("group, unknown", 32, "ag", ("retention.ms", 0, "60000"))
    yield alter("group, bad value", 32, "ag", ("consumer.session.timeout.ms", 0, "x"))
    yield alter("group, empty", 32, "", ("consumer.session.timeout.ms", 0, "50000"))
    yield alter("group, delete", 32, "ag", ("consumer.session.timeout.ms", 1, None))
    yield describe("after delete", 32, "ag", "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms")
    yield describe("group without", 32, "other", "consumer.session.timeout.ms")
    yield describe("empty group", 32, "")
    yield alter("kind", 99, "x", ("a", 0, "1"))

def others(side):
    for _ in range(50):     # until the controller has given out its first ids
        if side.call("init_producer_id", 4, transactional_id=None)["error_code"] != 14:
            break
        time.sleep(0.1)
    yield "init", side.call("init_producer_id", 4, transactional_id=None, transaction_timeout_ms=1000)
    yield "init empty", side.call("init_producer_id", 4, transactional_id="", transaction_timeout_ms=1000)
    yield "init again", side.call("init_producer_id", 4, transactional_id=None, producer_id=5, producer_epoch=1)
    yield "init half", side.call("init_producer_id", 4, transactional_id=None, producer_id=5)
    yield "cluster", side.call("describe_cluster", 1, include_cluster_authorized_operations=True)
    yield "cluster controllers", side.call("describe_cluster", 1, endpoint_type=2)
    yield "cluster endpoint", side.call("describe_cluster", 1, endpoint_type=9)
    yield "coordinator type", side.call("find_coordinator", 3, key="g", key_type=9)
    yield "coordinator type v4", side.call("find_coordinator", 4, coordinator_keys=["g"], key_type=9)
    yield "version", side.raw("metadata", 99, struct.pack(">hhih", 3, 99, 1, -1) + b"\0", 12)
    yield "api", side.raw("metadata", 0, struct.pack(">hhih", 999, 0, 1, -1), 12)

CASES = [api_versions, metadata, create_topics, delete_topics, create_partitions, produce, fetch,
         list_offsets, configs, alter_configs, others]

# (case.label:path, why): patterns of fnmatch.
EXPECTED = [
    ("api_versions.v?:/api_keys/*", "an API that is not served is not named"),
    ("api_versions.v99:/api_keys/*", "all APIs are named, so that one round trip is enough"),
    ("api_versions.*:/*_features/metadata.version/*", "the newest version whose records are honoured"),
    ("api_versions.*:/*_features/share.version*", "no share groups"),
    ("api_versions.*:/*_features/streams.version*", "no streams groups"),
    ("api_versions.*:/finalized_features/kraft.version*", "told as other features are"),
    ("*.twice:*", "what is asked twice is answered twice; Kafka merges"),
    ("metadata.id in v10:*", "an id is ignored where Kafka refuses the whole request"),
    ("produce.null:", "INVALID_RECORD instead of a closed connection"),
    ("produce.*:*/log_start_offset", "-1 for what was refused before the log was asked"),
    ("produce.*:*/record_errors/0", "no list of bad records"),
    ("produce.duplicate:*/log_append_time_ms", "-1 unless LogAppendTime, also for a duplicate"),
    ("produce.short:*/error_code", "CORRUPT_MESSAGE"),
    ("produce.length:*/error_code", "CORRUPT_MESSAGE"),
    ("produce.magic 1:*/error_code", "UNSUPPORTED_FOR_MESSAGE_FORMAT says what is wrong"),
    ("produce.codec 5:*/error_code", "UNSUPPORTED_COMPRESSION_TYPE instead of UNKNOWN_SERVER_ERROR"),
    ("produce.codec broken:*/error_code", "INVALID_RECORD instead of UNKNOWN_SERVER_ERROR"),
    ("produce.zstd in v3:*/error_code", "what does not decompress is found first"),
    ("produce.transactional:*/error_code", "no transactions"),
    ("fetch.*:*/aborted_transactions", "null when nothing was asked for, also with an error"),
    ("configs.*:*/configs/local.retention.*", "no tiered storage"),
    ("configs.*:*/configs/remote.*", "no tiered storage"),
    ("configs.*:*/configs/min.insync.replicas*", "ours is -1 (a majority); Kafka sets 1 for the cluster"),
    ("configs.*:*/configs/durability*", "a setting of ours"),
    ("alter_configs.operation:*", "INVALID_REQUEST instead of UNKNOWN_SERVER_ERROR"),
    ("alter_configs.*:*/configs/log.retention.ms/synonyms*", "without the names that stand in for it"),
    ("alter_configs.after back:*/configs/log.retention.ms/value", "the value that stands in for it"),
    ("alter_configs.brokers' own:*/configs/min.insync.replicas*", "as in configs"),
    ("alter_configs.*:*/configs/consumer.*/synonyms*", "the setting of the broker that it stands over"),
    ("create_topics.*:*/configs/local.retention.*", "no tiered storage"),
    ("create_topics.*:*/configs/remote.*", "no tiered storage"),
    ("create_topics.*:*/configs/min.insync.replicas*", "as in configs"),
    ("create_topics.*:*/configs/durability*", "a setting of ours"),
]

def masked(value, name=""):
    if isinstance(value, dict):
        return {key: masked(item, key) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "partition_index" in value[0]:
        return [masked(item, name) for item in sorted(value, key=lambda item: item["partition_index"])]
    if isinstance(value, list):
        items = [masked(item, name) for item in value]
        return sorted(items, key=str) if items and isinstance(items[0], dict) and "name" in items[0] else items
    if name in TEXTS:
        return None
    if name in MASKED and value not in (-1, None):
        return "*"
    if name == "topic_id":
        return "id" if any(value) and value != UNKNOWN_ID else value
    if name == "session_id":
        return value and "*"
    return value

def named(items):
    """A list by the name of its items, where they have one."""
    for key in ("name", "api_key"):
        if items and all(isinstance(item, dict) and key in item for item in items):
            names = [str(item[key]) for item in items]
            if len(set(names)) == len(names):
                return dict(zip(names, items))
    return dict(enumerate(items))

def differences(kafka, ours, path=""):
    if isinstance(kafka, list) and isinstance(ours, list):
        kafka, ours = named(kafka), named(ours)
    if isinstance(kafka, dict) and isinstance(ours, dict):
        for key in [*kafka, *(key for key in ours if key not in kafka)]:
            yield from differences(kafka.get(key, "absent"), ours.get(key, "absent"), f"{path}/{key}")
    elif kafka != ours:
        yield path, kafka, ours

def is_expected(where):
    return any(fnmatch.fnmatchcase(where, pattern) for pattern, _ in EXPECTED)

def case_run(case, kafka, ours, show):
    """The differences of a case, as lines."""
    wrong = []
    for (label, theirs), (_, mine) in zip(case(kafka), case(ours), strict=True):
        if show:
            print(f"# {case.__name__}.{label}\n#   kafka {theirs}\n#   ours  {mine}")
        for path, a, b in differences(masked(theirs), masked(mine)):
            where = f"{case.__name__}.{label}:{path}"
            if not is_expected(where):
                wrong.append(f"{where}: kafka {str(a)[:200]}, ours {str(b)[:200]}")
    assert not wrong, "\n".join(wrong)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dlogd")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    points = tap.Tap()
    os.makedirs(cache.FOLDER, exist_ok=True)
    try:
        oracle.jars()
    except cache.Unavailable as why:
        points.skip("compare with Apache Kafka", why)
        return points.done()
    with oracle.Oracle() as kafka, node.Node(options.dlogd) as ours:
        for case in CASES:
            if not options.cases or case.__name__ in options.cases:
                points.run(f"compare {case.__name__}", case_run, case, Side(kafka.port), Side(ours.port), options.show)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
