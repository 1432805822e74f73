#!/usr/bin/python3
"""DeleteRecords and OffsetForLeaderEpoch by raw requests, and what a client reads afterwards.

    test_records.py PROGRAM
"""
import subprocess, sys

from common import Tap, arguments, broker, require
from lib import message
from lib.wire import Connection, frame

NONE, OFFSET_OUT_OF_RANGE, UNKNOWN, POLICY, UNKNOWN_EPOCH = 0, 1, 3, 44, 75

def ask(node, name, version, **values):
    with Connection(node.port) as connection:
        connection.send(frame(message.encode(name, version, values)))
        return message.decode(name, version, connection.answer())

def kcat(node, *words, data=None):
    ended = subprocess.run(["kcat", "-b", node.bootstrap, *words], input=data, capture_output=True, timeout=30)
    require(ended.returncode == 0, ended.stderr.decode())
    return ended.stdout.split()

def create(node, name, **configs):
    ask(node, "create_topics", 5, timeout_ms=10000, validate_only=False, topics=[
        {"name": name, "num_partitions": 1, "replication_factor": 1, "assignments": [],
         "configs": [{"name": n.replace("_", "."), "value": v} for n, v in configs.items()]}])

def delete(node, topic, offset, partition=0):
    answer = ask(node, "delete_records", 2, timeout_ms=10000, topics=[
        {"name": topic, "partitions": [{"partition_index": partition, "offset": offset}]}])
    result = answer["topics"][0]["partitions"][0]
    return result["error_code"], result["low_watermark"]

def records_are_deleted(node, is_oracle):
    lines = [b"%d" % i for i in range(100)]
    create(node, "cut")
    kcat(node, "-P", "-t", "cut", data=b"\n".join(lines) + b"\n")
    for offset, want in ((10, (NONE, 10)), (5, (NONE, 10)), (101, (OFFSET_OUT_OF_RANGE, -1)),
                         (-2, (OFFSET_OUT_OF_RANGE, -1))):
        require(delete(node, "cut", offset) == want, f"delete before {offset}: {delete(node, 'cut', offset)}")
    require(kcat(node, "-C", "-t", "cut", "-e", "-q", "-o", "beginning") == lines[10:], "what is left")
    if not is_oracle:
        node.kill()
        node.start()
    require(kcat(node, "-C", "-t", "cut", "-e", "-q", "-o", "beginning") == lines[10:], "after a restart")
    require(delete(node, "cut", -1) == (NONE, 100), "all")
    require(kcat(node, "-C", "-t", "cut", "-e", "-q", "-o", "beginning") == [], "nothing is left")

def refusals(node):
    create(node, "compacted", cleanup_policy="compact")
    require(delete(node, "compacted", 0)[0] == POLICY, "a compacted topic")
    require(delete(node, "nobody", 0)[0] == UNKNOWN, "no such topic")
    require(delete(node, "cut", 0, partition=7)[0] == UNKNOWN, "no such partition")

def epochs(node):
    def end(epoch, current=-1, topic="cut"):
        answer = ask(node, "offset_for_leader_epoch", 4, replica_id=-1, topics=[
            {"topic": topic, "partitions": [{"partition": 0, "current_leader_epoch": current, "leader_epoch": epoch}]}])
        result = answer["topics"][0]["partitions"][0]
        return result["error_code"], result["leader_epoch"], result["end_offset"]

    require(end(0) == (NONE, 0, 100), f"{end(0)}")
    require(end(9) == (NONE, -1, -1), f"an epoch to come: {end(9)}")
    require(end(0, current=5)[0] == UNKNOWN_EPOCH, f"{end(0, current=5)}")
    require(end(0, topic="nobody")[0] == UNKNOWN, "no such topic")

def main():
    args = arguments(__doc__)
    points = Tap()
    with broker(args) as node:
        points.run("records are deleted, durably", records_are_deleted, node, args.oracle)
        points.run("what may not be deleted", refusals, node)
        points.run("where a leader epoch ends", epochs, node)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
