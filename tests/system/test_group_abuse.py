#!/usr/bin/python3
"""Requests of groups that are malformed, out of place or too many: an answer or a closed connection.

    test_group_abuse.py PROGRAM [--joins N] [--groups N]

One node takes all of it; after each point a well-behaved client joins a group of its own.
"""
import random, sys, time

from common import Node, Tap, arguments, require
from lib import message
from lib.wire import Connection, frame

APIS = ("join_group", "sync_group", "heartbeat", "leave_group", "offset_commit", "offset_fetch", "offset_delete",
        "list_groups", "describe_groups", "delete_groups", "find_coordinator")
ODD = {"session_timeout_ms": (0, -1, 2**31 - 1, 10000), "rebalance_timeout_ms": (-1, -2**31, 2**31 - 1),
       "generation_id": (-1, 0, 2**31 - 1), "generation_id_or_member_epoch": (-1, 7),
       "retention_time_ms": (-1, 2**63 - 1, -2**63), "partition_index": (-1, 0, 2**31 - 1),
       "committed_offset": (-1, 2**63 - 1), "group_id": ("", "odd", "g" * 32767), "member_id": ("", "m" * 32767, "x")}
LOAD_MAX_S = 5.0                        # a loaded machine; measured it is far below a second

def exchange(node, name, version, **values):
    with Connection(node.port) as connection:
        connection.send(frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def join(node, group, **values):
    """A JoinGroup that has everything; v3 needs no second round."""
    return {"group_id": group, "session_timeout_ms": 10000, "rebalance_timeout_ms": 10000, "member_id": "",
            "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b"m"}], **values}

def witness(node):
    joined = exchange(node, "join_group", 3, **join(node, "witness"))
    require(joined["error_code"] == 0, f"{joined}")
    left = exchange(node, "leave_group", 2, group_id="witness", member_id=joined["member_id"])
    require(left["error_code"] == 0, f"{left}")

def versions(name):
    first, last = message.table(name)["request"].versions
    return range(first, last + 1)

def pour(node, frames):
    """Each is answered, or its connection closed; neither takes long."""
    for data in frames:
        with Connection(node.port, timeout_s=5) as connection:
            connection.send(data)
            connection.socket.shutdown(1)
            while True:
                try:
                    if not connection.socket.recv(65536):
                        break
                except ConnectionError:
                    break

def pick(rng, field):
    """A value for FIELD of a request: odd ones for what has limits, small ones for the others."""
    if field.array:
        return [fill(rng, field.struct.fields) if field.struct else pick_one(rng, field) for _ in range(rng.randrange(3))]
    return fill(rng, field.struct.fields) if field.struct else pick_one(rng, field)

def pick_one(rng, field):
    if field.name in ODD:
        return rng.choice(ODD[field.name])
    if field.base == "string":
        return rng.choice(("", "range", "consumer", "t", "\u00e4" * 200))
    if field.base in ("bytes", "records"):
        return rng.choice((b"", b"\0" * 7, rng.randbytes(300)))
    if field.base == "uuid":
        return rng.randbytes(16)
    if field.base == "bool":
        return rng.random() < 0.5
    return rng.choice((0, 1, -1))

def fill(rng, fields):
    return {f.name: pick(rng, f) for f in fields}

def out_of_place(node):
    """Every API in every version, with values that make sense alone but not together."""
    rng = random.Random(2)
    for name in APIS:
        for version in versions(name):
            pour(node, (frame(message.encode(name, version, fill(rng, message.table(name)["request"].root.fields)))
                        for _ in range(8)))

def malformed(node):
    """Valid ones, cut short and with a byte changed."""
    rng = random.Random(3)
    for name in APIS:
        for version in versions(name):
            body = message.encode(name, version, fill(rng, message.table(name)["request"].root.fields))
            frames = [frame(body[:rng.randrange(8, len(body) + 1)]) for _ in range(4)]
            for _ in range(8):
                at = rng.randrange(8, len(body))
                frames.append(frame(body[:at] + rng.choice((b"\xff", b"\x7f", b"\x80", b"\0")) + body[at + 1:]))
            pour(node, frames)

def joins_without_waiting(node, count):
    """Each member that is gone before its answer leaves nothing but its session."""
    data = frame(message.encode("join_group", 3, join(node, "hasty", session_timeout_ms=6000)))
    for _ in range(count):
        with Connection(node.port) as connection:
            connection.send(data)
    listed = {g["group_id"] for g in exchange(node, "list_groups", 4)["groups"]}
    require("hasty" in listed, f"{len(listed)} groups")

def grow(node, groups):
    """A member and 20 offsets each; bytes of memory for one such group."""
    before = node.rss_bytes()
    topics = [{"name": "kept", "partitions": [{"partition_index": i, "committed_offset": i} for i in range(20)]}]
    with Connection(node.port, timeout_s=30) as connection:
        for i in range(groups):
            connection.send(frame(message.encode("offset_commit", 7, {
                "group_id": f"many-{i}", "generation_id_or_member_epoch": -1, "topics": topics})))
            answer = message.decode("offset_commit", 7, connection.answer())
            require(all(p["error_code"] == 0 for p in answer["topics"][0]["partitions"]), f"{answer}")
    between = node.rss_bytes()
    members = [Connection(node.port, timeout_s=30) for _ in range(groups)]
    try:
        for i, connection in enumerate(members):
            connection.send(frame(message.encode("join_group", 3, join(node, f"many-{i}", session_timeout_ms=60000))))
        for i, connection in enumerate(members):
            joined = message.decode("join_group", 3, connection.answer())
            require(joined["error_code"] == 0, f"{joined}")
            synced = {"group_id": f"many-{i}", "generation_id": 1, "member_id": joined["member_id"],
                      "assignments": [{"member_id": joined["member_id"], "assignment": b"all"}]}
            connection.send(frame(message.encode("sync_group", 3, synced)))
            require(message.decode("sync_group", 3, connection.answer())["error_code"] == 0, "sync")
    finally:
        for connection in members:
            connection.close()
    return between - before, node.rss_bytes() - between

def many_groups(node, groups, points):
    offsets, members = grow(node, groups)
    points.note(f"{groups} groups: {offsets / groups:.0f} bytes for a group of 20 offsets, "
                f"{members / groups:.0f} more with a member and its connection")
    node.kill()
    node.start()
    began, error = time.monotonic(), 14
    while error == 14 and time.monotonic() - began < LOAD_MAX_S:
        listed = exchange(node, "list_groups", 4)
        error = listed["error_code"]
    took = time.monotonic() - began
    points.note(f"{groups} groups with {20 * groups} offsets loaded within {1000 * (took + node.started_s):.0f} ms "
                "of starting the process")
    require(error == 0, f"not loaded within {LOAD_MAX_S} s")
    states = [g["group_state"] for g in listed["groups"] if g["group_id"].startswith("many-")]
    require(states == ["Stable"] * groups, f"{len(states)} groups: {set(states)}")
    fetched = exchange(node, "offset_fetch", 8, groups=[{"group_id": f"many-{groups - 1}", "topics": None}])
    require(len(fetched["groups"][0]["topics"][0]["partitions"]) == 20, f"{fetched}")

def options(parser):
    parser.add_argument("--joins", type=int, default=5000)
    parser.add_argument("--groups", type=int, default=1000)

def main():
    args = arguments(__doc__, options)
    points = Tap()
    settings = {"shards": "2", "group.initial.rebalance.delay.ms": "100", "num.partitions": "20"}
    with Node(args.program, settings=settings) as node:
        until = time.monotonic() + 20
        while exchange(node, "find_coordinator", 3, key="witness", key_type=0)["error_code"] != 0:
            require(time.monotonic() < until, "no coordinator")
        with Connection(node.port) as connection:
            connection.topic_ready("kept")
        time.sleep(1)                   # all coordinators are loaded
        start = node.rss_bytes()
        for name, function, more in (("requests out of place", out_of_place, ()), ("malformed requests", malformed, ()),
                                     ("joins whose connection closes", joins_without_waiting, (args.joins,))):
            points.run(name, function, node, *more)
            points.run("another group does not notice", witness, node)
        points.note(f"memory grew by {(node.rss_bytes() - start) / 1024:.0f} KiB")
        points.run("many groups, and loading them", many_groups, node, args.groups, points)
        points.run("another group does not notice", witness, node)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
