#!/usr/bin/python3
"""Settings changed while the broker runs: they take effect, and are there after a restart.

    test_configs.py PROGRAM
"""
import sys, time

from common import Tap, arguments, broker, require
from lib import message, wire
from lib.wire import Connection, frame

NONE, TOO_LARGE, INVALID_CONFIG, INVALID_REQUEST, INVALID_RECORD = 0, 10, 40, 42, 87
TOPIC, BROKER, GROUP = 2, 4, 32
SET, DELETE = 0, 1
TIMEOUT_S = 30

def ask(node, name, version, **values):
    with Connection(node.port) as connection:
        connection.send(frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def create(node, name):
    ask(node, "create_topics", 5, timeout_ms=10000, validate_only=False, topics=[
        {"name": name, "num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []}])

def alter(node, kind, name, want=NONE, **settings):
    """None takes a setting back."""
    answer = ask(node, "incremental_alter_configs", 1, validate_only=False, resources=[
        {"resource_type": kind, "resource_name": name, "configs": [
            {"name": key.replace("_", "."), "config_operation": DELETE if value is None else SET, "value": value}
            for key, value in settings.items()]}])
    found = answer["responses"][0]
    require(found["error_code"] == want, f"{name} {settings}: {found}")

def value(node, kind, name, setting):
    answer = ask(node, "describe_configs", 4, resources=[
        {"resource_type": kind, "resource_name": name, "configuration_keys": [setting]}])
    found = answer["results"][0]["configs"][0]
    return found["value"], found["config_source"]

def produce(node, topic, data, at_ms=None):
    records = wire.batch([data], now_ms=at_ms)
    answer = ask(node, "produce", 9, acks=-1, timeout_ms=5000, topic_data=[
        {"name": topic, "partition_data": [{"index": 0, "records": records}]}])
    part = answer["responses"][0]["partition_responses"][0]
    return part["error_code"], part["log_append_time_ms"]

def offset(node, topic, timestamp):
    answer = ask(node, "list_offsets", 7, replica_id=-1, topics=[
        {"name": topic, "partitions": [{"partition_index": 0, "timestamp": timestamp}]}])
    return answer["topics"][0]["partitions"][0]["offset"]

def until(condition, what):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        require(time.monotonic() < end, what)
        time.sleep(0.05)

def topics_change(node):
    create(node, "t")
    until(lambda: produce(node, "t", b"x" * 5000)[0] == NONE, "large")
    alter(node, TOPIC, "t", max_message_bytes="2000")
    until(lambda: produce(node, "t", b"x" * 5000)[0] == TOO_LARGE, "too large now")
    until(lambda: value(node, TOPIC, "t", "max.message.bytes") == ("2000", 1), "described")
    alter(node, TOPIC, "t", max_message_bytes=None)
    until(lambda: produce(node, "t", b"x" * 5000)[0] == NONE, "as before")
    alter(node, TOPIC, "t", message_timestamp_type="LogAppendTime")
    until(lambda: produce(node, "t", b"v", at_ms=1)[1] > 1, "the broker's time")
    alter(node, TOPIC, "t", message_timestamp_type=None, cleanup_policy="compact")
    until(lambda: produce(node, "t", b"v")[0] == INVALID_RECORD, "no key in a compacted topic")

def retention_follows(node):
    create(node, "r")
    alter(node, TOPIC, "r", segment_bytes="1048576")
    for _ in range(4):
        require(produce(node, "r", b"x" * 700000)[0] == NONE, "fill")
    require(offset(node, "r", -2) == 0, "all there")
    alter(node, TOPIC, "r", retention_bytes="1000000", file_delete_delay_ms="0")
    until(lambda: offset(node, "r", -2) > 0, "old segments go")
    require(offset(node, "r", -1) == 4, "the newest stay")

def brokers_change(node):
    create(node, "b")
    alter(node, BROKER, "", message_max_bytes="3000")
    until(lambda: value(node, BROKER, "1", "message.max.bytes") == ("3000", 3), "of all brokers")
    until(lambda: produce(node, "b", b"x" * 4000)[0] == TOO_LARGE, "of all brokers, in force")
    alter(node, BROKER, "1", message_max_bytes="6000")
    until(lambda: value(node, BROKER, "1", "message.max.bytes") == ("6000", 2), "of this broker")
    until(lambda: produce(node, "b", b"x" * 4000)[0] == NONE, "of this broker, in force")
    until(lambda: value(node, TOPIC, "b", "max.message.bytes") == ("6000", 2), "seen from the topic")
    alter(node, BROKER, "1", INVALID_REQUEST, shards="2")
    alter(node, BROKER, "1", INVALID_REQUEST, message_max_bytes="many")
    node.stop()
    node.start()
    until(lambda: value(node, BROKER, "1", "message.max.bytes") == ("6000", 2), "after a restart")
    until(lambda: produce(node, "b", b"x" * 7000)[0] == TOO_LARGE, "after a restart, in force")
    alter(node, BROKER, "1", message_max_bytes=None)
    alter(node, BROKER, "", message_max_bytes=None)
    until(lambda: produce(node, "b", b"x" * 7000)[0] == NONE, "as before")

def groups_have_settings(node):
    alter(node, GROUP, "g", consumer_session_timeout_ms="50000")
    until(lambda: value(node, GROUP, "g", "consumer.session.timeout.ms") == ("50000", 8), "its own")
    until(lambda: value(node, GROUP, "h", "consumer.session.timeout.ms") == ("45000", 5), "of another")
    alter(node, GROUP, "g", INVALID_CONFIG, consumer_session_timeout_ms="50")
    alter(node, GROUP, "g", INVALID_CONFIG, nonsense="50")

def replaced_and_validated(node):
    create(node, "v")
    alter(node, TOPIC, "v", retention_ms="5", segment_ms="6")
    def replace(validate_only):
        answer = ask(node, "alter_configs", 2, validate_only=validate_only, resources=[
            {"resource_type": TOPIC, "resource_name": "v", "configs": [{"name": "retention.ms", "value": "7"}]}])
        require(answer["responses"][0]["error_code"] == NONE, f"{answer}")
    replace(True)
    until(lambda: value(node, TOPIC, "v", "segment.ms") == ("6", 1), "only validated")
    replace(False)
    until(lambda: value(node, TOPIC, "v", "segment.ms")[1] == 5, "what was not named is gone")
    until(lambda: value(node, TOPIC, "v", "retention.ms") == ("7", 1), "what was named")

def main():
    args = arguments(__doc__)
    points = Tap()
    with broker(args, {"shards": 2, "log.retention.check.interval.ms": 100}) as node:
        for point in (topics_change, retention_follows, brokers_change, groups_have_settings,
                      replaced_and_validated):
            points.run(point.__name__.replace("_", " "), point, node)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
