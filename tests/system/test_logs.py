#!/usr/bin/python3
"""What a node writes about itself: slow requests with their phases, who changed what, levels, limits, the form.

    test_logs.py PROGRAM
"""
import json, sys, time

from common import Node, Tap, arguments, require, wire
from lib import message
from lib.wire import Connection, frame

TIMEOUT_S = 30
LINES_MAX = 10      # from one place in ten seconds

def events(node, name=None):
    """The events that NODE has written, as dictionaries; it writes JSON."""
    found = []
    with open(node.output_path, encoding="utf-8") as output:
        for line in output:
            if line.startswith("{"):
                event = json.loads(line)
                if name is None or event["event"] == name:
                    found.append(event)
    return found

def wait_for(what, condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        require(time.monotonic() < end, f"{what}: not within {TIMEOUT_S} s")
        time.sleep(0.02)

def ask(node, name, version, **values):
    with Connection(node.port) as connection:
        connection.send(frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def logger(args, **settings):
    return Node(args.program, settings={"trace.format": "json", **settings})

def life(args):
    with logger(args) as node:
        [ready] = events(node, "ready")
        require(ready["component"] == "main" and ready["node_id"] == 1 and ready["ms"] >= 0 and ready["cluster_id"], f"{ready}")
        node.stop()
        require(events(node, "stopping"), "not told that it stops")
        for event in events(node):
            require({"ts", "level", "component", "event"} <= set(event), f"{event}")

def slow(args):
    with logger(args, **{"request.slow.ms": 0}) as node:
        with Connection(node.port) as connection:
            connection.topic_ready("t")
            require(connection.produce("t", wire.batch([b"x"])) == (0, 0), "produce")
            connection.fetch("t", 1, max_wait_ms=200)       # waits on purpose
        wait_for("a slow produce", lambda: [e for e in events(node, "slow_request") if e.get("api") == "Produce"])
        for event in events(node, "slow_request"):
            if "suppressed" in event:
                continue
            require(event["api"] != "Fetch" or event["total_us"] < 200_000, f"a long poll counts as slow: {event}")
            rest = event["total_us"] - event["wait_us"] - event["line_us"] - event["turn_us"]
            require(abs(rest) <= 3, f"the phases are not the whole: {event}")
            require(event["client_id"] == "raw" and event["peer"].startswith("127.0.0.1:"), f"{event}")
        [produce] = [e for e in events(node, "slow_request") if e.get("api") == "Produce"]
        require(0 < produce["sync_us"] <= produce["total_us"], f"{produce}")
    with logger(args) as node:
        with Connection(node.port) as connection:
            connection.fetch("t", 0) if connection.topic_ready("t") == 0 else connection.api_versions()
        require(not events(node, "slow_request"), "slow at once")

def audit(args):
    with logger(args) as node:
        topic = {"num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []}
        ask(node, "create_topics", 5, topics=[{"name": "a", **topic}, {"name": "b", **topic}], timeout_ms=9000,
            validate_only=False)
        ask(node, "create_topics", 5, topics=[{"name": "a", **topic}], timeout_ms=9000, validate_only=False)
        ask(node, "create_topics", 5, topics=[{"name": "n" * 200 + str(i), **topic} for i in range(10)], timeout_ms=9000,
            validate_only=True)
        ask(node, "delete_groups", 1, groups_names=["nobody"])
        ask(node, "metadata", 4, topics=None, allow_auto_topic_creation=False)     # no action
        wait_for("audit lines", lambda: len(events(node, "admin_action")) >= 4)
        first, again, many, group = events(node, "admin_action")
        require((first["api"], first["resources"], first["error"]) == ("CreateTopics", "topic:a,topic:b", "NONE"), f"{first}")
        require(first["component"] == "audit" and first["peer"].startswith("127.0.0.1:"), f"{first}")
        require(again["error"] == "TOPIC_ALREADY_EXISTS", f"{again}")
        require(many["more"] > 0 and many["resources"].count("topic:") + many["more"] == 10, f"{many}")
        require((group["api"], group["resources"]) == ("DeleteGroups", "group:nobody"), f"{group}")
    with logger(args, **{"trace.level": "error", "trace.component.levels": "audit:info"}) as node:
        ask(node, "delete_groups", 1, groups_names=["nobody"])
        wait_for("the audit line", lambda: events(node))
        require({e["component"] for e in events(node)} == {"audit"}, f"{events(node)}")

def limits(args):
    """Ten lines from one place, then silence; another place has its own ten."""
    with logger(args) as node:
        for _ in range(3 * LINES_MAX):
            with Connection(node.port) as connection:
                connection.send(b"\x7f\xff\xff\xff")
                require(connection.is_closed_within(10), "still open")
        wait_for("the lines", lambda: len(events(node, "connection_dropped")) >= LINES_MAX)
        require(len(events(node, "connection_dropped")) == LINES_MAX, f"{len(events(node, 'connection_dropped'))} lines")
        with Connection(node.port) as connection:
            connection.api_versions()

def levels(args):
    with logger(args, **{"trace.component.levels": "broker:error"}) as node:
        with Connection(node.port) as connection:
            connection.send(b"\x7f\xff\xff\xff")
            require(connection.is_closed_within(10), "still open")
        require(not events(node, "connection_dropped") and events(node, "ready"), "the level of a component")

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__)
    points = Tap()
    for name, test in (("ready and stopping", life), ("slow requests and their phases", slow), ("audit", audit),
                       ("limits of one place", limits), ("levels", levels)):
        points.run(name, test, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
