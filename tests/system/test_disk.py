#!/usr/bin/python3
"""A disk that gets full: a broker whose data lie on a small file system of their own.

    test_disk.py PROGRAM

Needs root, to mount a tmpfs; without it every point says that it was skipped.
"""
import os, subprocess, sys, time, urllib.request

import confluent_kafka as ck

from common import Node, Tap, arguments, port_free, require, wire
from lib import folder, message

MIB = 1 << 20
DISK_MIB, RESERVE_MIB = 48, 8
TIMEOUT_S = 60
NOT_ENOUGH_REPLICAS = 19
VALUE = os.urandom(64 << 10)

class SmallDisk:
    """A tmpfs for the time of a with statement."""
    def __enter__(self):
        self.path = folder.make("disk")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "dlogd-test", self.path],
                                 capture_output=True)
        self.is_mounted = mounted.returncode == 0
        self.why = mounted.stderr.decode().strip()
        return self

    def __exit__(self, *_):
        if self.is_mounted:
            subprocess.run(["umount", self.path], check=True)
        os.rmdir(self.path)

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

def ask(node, name, version, **values):
    with wire.Connection(node.port, timeout_s=TIMEOUT_S) as connection:
        connection.send(wire.frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def create(node, topic, configs=()):
    made = ask(node, "create_topics", 5, timeout_ms=10000, validate_only=False, topics=[
        {"name": topic, "num_partitions": 1, "replication_factor": 1, "assignments": [],
         "configs": [{"name": name, "value": value} for name, value in configs]}])
    require(made["topics"][0]["error_code"] == 0, f"{made}")
    with wire.Connection(node.port) as connection:
        connection.topic_ready(topic)

def produce(node, topic, values):
    """The answer for the one partition, and for how long to leave the broker alone."""
    answer = ask(node, "produce", 9, acks=-1, timeout_ms=5000, topic_data=[
        {"name": topic, "partition_data": [{"index": 0, "records": wire.batch(values)}]}])
    return answer["responses"][0]["partition_responses"][0], answer["throttle_time_ms"]

def metric(node, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{node.http}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    values = [float(line.split()[-1]) for line in lines if line.startswith(name + "{")]
    require(len(values) == 1, f"{name}: {values}")
    return values[0]

def wait_for(what, condition):
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        require(time.monotonic() < until, f"never: {what}")
        time.sleep(0.1)

def fill(node, topic):
    """Produce until it is refused; the values that were acknowledged."""
    acknowledged = []
    for i in range(DISK_MIB * 16 * 2):
        value = b"%08d" % i + VALUE
        result, _ = produce(node, topic, [value])
        if result["error_code"] != 0:
            return acknowledged, result
        acknowledged.append(value)
    raise AssertionError(f"{len(acknowledged)} values of 64 KiB on a disk of {DISK_MIB} MiB")

def consume(node, topic, group, count):
    consumer = ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                            "enable.auto.commit": False})
    consumer.subscribe([topic])
    got, until = [], time.monotonic() + TIMEOUT_S
    while len(got) < count and time.monotonic() < until:
        got += [m.value() for m in consumer.consume(100, 1) if m.error() is None]
    consumer.commit(asynchronous=False)
    committed = consumer.committed([ck.TopicPartition(topic, 0)], timeout=TIMEOUT_S)[0].offset
    consumer.close()
    return got, committed

def is_refused_before_the_reserve(node, disk, state):
    create(node, "big", [("segment.bytes", str(MIB))])
    create(node, "other")
    state["big"], result = fill(node, "big")
    require(result["error_code"] == NOT_ENOUGH_REPLICAS, f"{result}")
    require("disk is full" in result["error_message"], f"{result}")
    require(disk.free() > (RESERVE_MIB - 1) * MIB, f"{disk.free()} bytes are left")
    require(len(state["big"]) * len(VALUE) > (DISK_MIB - RESERVE_MIB - 4) * MIB, f"only {len(state['big'])} fitted")
    _, throttle_ms = produce(node, "big", [VALUE])
    require(throttle_ms > 0, "producers are not told to wait")
    require(node.alive(), "the broker has ended")

def is_told(node, _, state):
    wait_for("the level in the metrics", lambda: metric(node, "dlog_disk_level") == 3)
    require(metric(node, "dlog_disk_size_bytes") == DISK_MIB * MIB, "size")
    wait_for("the traces", lambda: "event=disk_level" in node.output(1 << 20)
             and "disk=full" in node.output(1 << 20))

def all_else_goes_on(node, disk, state):
    got, committed = consume(node, "big", "readers", len(state["big"]))
    require(got == state["big"], f"{len(got)} of {len(state['big'])} values, or others")
    require(committed == len(got), f"committed {committed} of {len(got)}")
    create(node, "while-full")
    result, _ = produce(node, "while-full", [VALUE])
    require(result["error_code"] == NOT_ENOUGH_REPLICAS, f"{result}")

def a_restart_finds_it_all(node, disk, state):
    node.kill()
    node.start()
    result, _ = produce(node, "big", [VALUE])
    require(result["error_code"] == NOT_ENOUGH_REPLICAS, f"{result}")
    got, committed = consume(node, "big", "readers-2", len(state["big"]))
    require((got, committed) == (state["big"], len(got)), f"{len(got)} of {len(state['big'])} values")

def a_producer_waits_for_space(node, disk, state):
    """An idempotent producer that began on the full disk goes on by itself once a topic is deleted."""
    producer = ck.Producer({"bootstrap.servers": node.bootstrap, "enable.idempotence": True, "linger.ms": 0})
    errors = []
    for i in range(50):
        producer.produce("other", b"%d" % i + VALUE, on_delivery=lambda e, m: errors.append(e))
    producer.flush(3)
    require(errors == [], f"{errors}")
    deleted = ask(node, "delete_topics", 5, topic_names=["big"], timeout_ms=10000)
    require(deleted["responses"][0]["error_code"] == 0, f"{deleted}")
    require(producer.flush(TIMEOUT_S) == 0, "not all were delivered")
    require(errors == [None] * 50, f"{errors}")
    got, _ = consume(node, "other", "others", 50)
    require(got == [b"%d" % i + VALUE for i in range(50)], f"{len(got)} values, or in another order")
    wait_for("the level is ok", lambda: metric(node, "dlog_disk_level") == 0)

def retention_makes_space(node, disk, state):
    """The next check of retention is five minutes away; a disk that gets full does not wait for it."""
    create(node, "short", [("segment.bytes", str(MIB)), ("retention.bytes", str(8 * MIB))])
    for i in range(DISK_MIB * 16 * 3 // 2):
        until = time.monotonic() + TIMEOUT_S
        while produce(node, "short", [VALUE])[0]["error_code"] != 0:
            require(time.monotonic() < until, f"no space after {i}")
    require(node.alive(), "the broker has ended")

def deleted_records_end_it(node, disk, state):
    create(node, "cut", [("segment.bytes", str(MIB))])
    acknowledged, _ = fill(node, "cut")
    cut = ask(node, "delete_records", 2, timeout_ms=10000, topics=[
        {"name": "cut", "partitions": [{"partition_index": 0, "offset": len(acknowledged) - 10}]}])
    require(cut["topics"][0]["partitions"][0]["error_code"] == 0, f"{cut}")
    wait_for("space again", lambda: produce(node, "cut", [VALUE])[0]["error_code"] == 0)

def the_last_byte_is_used(node, disk, state):
    """By somebody else: the ballast is given up, so a node starts, serves reads and deletes."""
    ballast, fill = os.path.join(disk.path, "data", "dlog.ballast"), os.path.join(disk.path, "fill")
    expected, _ = consume(node, "cut", "cutters", 10)
    wait_for("the level is ok", lambda: metric(node, "dlog_disk_level") == 0)
    wait_for("a ballast", lambda: os.path.exists(ballast) and os.path.getsize(ballast) == RESERVE_MIB * MIB // 4)
    node.kill()
    with open(fill, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    require(disk.free() == 0, f"{disk.free()} bytes are left")
    node.start()
    require(not os.path.exists(ballast), "the ballast is there")
    got, _ = consume(node, "cut", "cutters-2", 10)
    require(got == expected and len(got) >= 10, f"{len(got)} values")
    deleted = ask(node, "delete_topics", 5, topic_names=["short"], timeout_ms=10000)
    require(deleted["responses"][0]["error_code"] == 0, f"{deleted}")
    os.remove(fill)
    wait_for("space again", lambda: produce(node, "cut", [VALUE])[0]["error_code"] == 0)

def many_connections(args):
    with Node(args.program, {"max.connections.per.ip": "3"}) as node:
        def answers():
            try:
                connection = wire.Connection(node.port)
                connection.api_versions()
            except OSError:
                return None
            return connection
        wait_for("the first of the test has left", lambda: answers().close() is None)
        held = []
        wait_for("three", lambda: len(held) == 3 or held.append(answers()) or None in held)
        held = [c for c in held if c is not None]
        require(answers() is None, "a fourth is served")
        other = wire.Connection(node.port, host="::1")
        other.api_versions()
        held.pop().close()
        wait_for("one has left", lambda: (held.append(answers()), held[-1] is not None or held.pop())[1] is True)
        require(answers() is None, "a fourth is served")
        require("max.connections.per.ip" in node.output(1 << 20), "nothing is told of it")

POINTS = [
    ("produce is refused before the reserve is used", is_refused_before_the_reserve),
    ("metrics and traces tell of it", is_told),
    ("reads, group commits and metadata go on", all_else_goes_on),
    ("a kill and a start lose nothing and change nothing", a_restart_finds_it_all),
    ("a producer goes on when a topic is deleted", a_producer_waits_for_space),
    ("retention runs before the disk is full", retention_makes_space),
    ("deleted records end a full disk", deleted_records_end_it),
    ("a node starts when the last byte is used", the_last_byte_is_used),
]

def main():
    args = arguments(__doc__)
    points = Tap()
    with SmallDisk() as disk:
        if not disk.is_mounted:
            for name, _ in POINTS:
                points.skip(name, f"no file system of its own (root is needed): {disk.why}")
        else:
            http = port_free()
            node = Node(args.program, {"log.dirs": os.path.join(disk.path, "data"), "shards": "2",
                                       "http.listeners": f"127.0.0.1:{http}", "offsets.topic.num.partitions": "2",
                                       "disk.reserve.bytes": str(RESERVE_MIB * MIB)})
            node.http, state = http, {}
            with node:
                for name, point in POINTS:
                    points.run(name, point, node, disk, state)
    points.run("one address has so many connections", many_connections, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
