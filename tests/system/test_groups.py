#!/usr/bin/python3
"""Consumer groups through clients that nobody here wrote, and through raw requests.

    test_groups.py PROGRAM
"""
import subprocess, sys, time

import confluent_kafka as ck

from common import Tap, arguments, broker, require
from lib import message
from lib.wire import Connection, frame

TIMEOUT_S = 60
SESSION = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200, "auto.offset.reset": "earliest"}

def ask(node, name, version, **values):
    """One request on a connection of its own."""
    with Connection(node.port) as connection:
        connection.send(frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def produce(node, topic, values, partitions=1):
    producer = ck.Producer({"bootstrap.servers": node.bootstrap})
    for i, value in enumerate(values):
        producer.produce(topic, value, partition=i % partitions)
    require(producer.flush(TIMEOUT_S) == 0, "produce")

def create(node, topic, partitions):
    ask(node, "create_topics", 5, topics=[{"name": topic, "num_partitions": partitions, "replication_factor": 1,
                                           "assignments": [], "configs": []}], timeout_ms=10000, validate_only=False)

def kcat(node, group, topic):
    ended = subprocess.run(["kcat", "-b", node.bootstrap, "-G", group, "-X", "auto.offset.reset=earliest", "-q", "-e",
                            topic], capture_output=True, timeout=TIMEOUT_S)
    require(ended.returncode == 0, ended.stderr.decode())
    return ended.stdout.split()

def goes_on_where_it_was(node):
    produce(node, "once", [b"%d" % i for i in range(1000)])
    require(kcat(node, "reader", "once") == [b"%d" % i for i in range(1000)], "first read")
    produce(node, "once", [b"more"])
    require(kcat(node, "reader", "once") == [b"more"], "second read")
    require(kcat(node, "other", "once") == [b"%d" % i for i in range(1000)] + [b"more"], "another group")

def survives_a_kill(node):
    produce(node, "kept", [b"%d" % i for i in range(10)])
    consumer = ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": "kept", "enable.auto.commit": False,
                            **SESSION})
    consumer.subscribe(["kept"])
    got = consumer.consume(4, TIMEOUT_S)
    require([m.value() for m in got] == [b"0", b"1", b"2", b"3"], f"{got}")
    consumer.commit(message=got[-1], asynchronous=False)
    node.kill()
    node.start()
    offsets = consumer.committed([ck.TopicPartition("kept", 0)], timeout=TIMEOUT_S)
    require(offsets[0].offset == 4, f"{offsets}")
    consumer.close()
    require(kcat(node, "kept", "kept") == [b"%d" % i for i in range(4, 10)], "after the kill")

def drain(consumers, want, seen):
    """Poll all of them until every value of WANT was seen."""
    until = time.monotonic() + TIMEOUT_S
    while not want <= seen and time.monotonic() < until:
        for consumer in consumers:
            for m in consumer.consume(500, 0.05):
                require(m.error() is None, f"{m.error()}")
                seen.add(m.value())
    require(want <= seen, f"{len(want - seen)} of {len(want)} never came")

def shared_and_taken_over(node, strategy):
    topic = f"shared-{strategy}"
    create(node, topic, 6)
    values = [b"%d" % i for i in range(600)]
    produce(node, topic, values, 6)
    consumers = [ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": topic,
                              "partition.assignment.strategy": strategy, **SESSION}) for _ in range(3)]
    seen = set()
    for consumer in consumers:
        consumer.subscribe([topic])
    drain(consumers, set(values), seen)
    until = time.monotonic() + TIMEOUT_S
    while [len(c.assignment()) for c in consumers] != [2, 2, 2] and time.monotonic() < until:
        for consumer in consumers:
            consumer.poll(0.05)
    require([len(c.assignment()) for c in consumers] == [2, 2, 2], "two partitions for each")
    consumers.pop().close()
    produce(node, topic, [b"late-%d" % i for i in range(60)], 6)
    drain(consumers, {b"late-%d" % i for i in range(60)}, seen)
    described = ask(node, "describe_groups", 5, groups=[topic], include_authorized_operations=False)["groups"][0]
    require((described["group_state"], len(described["members"])) == ("Stable", 2), f"{described}")
    for consumer in consumers:
        consumer.close()

def tools(node):
    listed = {g["group_id"]: g for g in ask(node, "list_groups", 5, states_filter=["Empty"], types_filter=[])["groups"]}
    require({"reader", "kept"} <= set(listed), f"{sorted(listed)}")
    require(listed["reader"]["group_type"] == "classic", f"{listed['reader']}")
    fetched = ask(node, "offset_fetch", 8, require_stable=True,
                  groups=[{"group_id": "reader", "topics": None}, {"group_id": "nobody", "topics": None}])["groups"]
    require(fetched[0]["topics"][0]["partitions"][0]["committed_offset"] == 1001, f"{fetched}")
    require(fetched[1]["topics"] == [], f"{fetched}")
    deleted = ask(node, "delete_groups", 2, groups_names=["reader", "nobody"])["results"]
    require([r["error_code"] for r in deleted] == [0, 69], f"{deleted}")
    gone = ask(node, "describe_groups", 6, groups=["reader"], include_authorized_operations=False)["groups"][0]
    require((gone["error_code"], gone["group_state"]) == (69, "Dead"), f"{gone}")

def main():
    args = arguments(__doc__)
    points = Tap()
    with broker(args, {"shards": "2", "group.min.session.timeout.ms": "1000"}) as node:
        points.run("a group goes on where it was", goes_on_where_it_was, node)
        if not args.oracle:
            points.run("a committed offset survives a kill", survives_a_kill, node)
        for strategy in ("range", "cooperative-sticky"):
            points.run(f"partitions are shared and taken over: {strategy}", shared_and_taken_over, node, strategy)
        points.run("groups are listed, described and deleted", tools, node)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
