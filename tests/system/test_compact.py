#!/usr/bin/python3
"""Compaction of a real broker, seen by kcat.

    test_compact.py PROGRAM

A topic with cleanup.policy=compact and small segments is filled with updates of few keys while the
broker compacts in the background; some way in it is killed and started again. At the end a consumer
from the beginning finds the last value of each key, offsets that rise, and nearly nothing else.
"""
import os, subprocess, sys, time

from confluent_kafka.admin import AdminClient, NewTopic

from common import Tap, arguments, broker, require

TIMEOUT_S = 60
KEYS = 50
ROUNDS = 12
UPDATES = 2000         # of each round
SETTINGS = {"log.cleaner.backoff.ms": 50, "log.retention.check.interval.ms": 1000}
TOPIC_SETTINGS = {"cleanup.policy": "compact", "segment.bytes": 16384, "min.cleanable.dirty.ratio": "0.2",
                  "delete.retention.ms": 0}

def kcat(node, *words, data=None):
    ended = subprocess.run(["kcat", "-b", node.bootstrap, "-q", *words], input=data, capture_output=True,
                           timeout=TIMEOUT_S)
    require(ended.returncode == 0, f"kcat {' '.join(words)}: {ended.stderr.decode()[:500]}")
    return ended.stdout

def create(node, topic, settings):
    admin = AdminClient({"bootstrap.servers": node.bootstrap})
    made = admin.create_topics([NewTopic(topic, 1, config={k: str(v) for k, v in settings.items()})])
    made[topic].result(TIMEOUT_S)

def update(node, topic, wanted, number):
    """UPDATES of random looking keys; every 7th deletes one."""
    lines = []
    for i in range(UPDATES):
        key = f"key-{(i * 7919 + number) % KEYS}"
        value = f"value-{number}-{i}"
        if i % 7 == 0:
            lines.append(f"{key}:")
            wanted[key] = None
        else:
            lines.append(f"{key}:{value}")
            wanted[key] = value
    kcat(node, "-P", "-t", topic, "-K:", "-Z", "-X", "linger.ms=1", "-X", "batch.num.messages=20",
         data="\n".join(lines).encode() + b"\n")

def consume(node, topic):
    """(offset, key, value) of all records."""
    out = kcat(node, "-C", "-t", topic, "-e", "-o", "beginning", "-Z", "-f", "%o %k %s\n")
    records = []
    for line in out.decode().splitlines():
        offset, key, value = line.split(" ")
        records.append((int(offset), key, None if value == "NULL" else value))
    return records

def check(records, wanted):
    offsets = [offset for offset, _, _ in records]
    require(offsets == sorted(set(offsets)), "offsets do not rise")
    last = {}
    for _, key, value in records:
        last[key] = value
    for key, value in wanted.items():
        require(last.get(key) == value, f"{key} is {last.get(key)}, not {value}")

def compacts_while_it_is_written(args):
    wanted = {}
    with broker(args, SETTINGS) as node:
        create(node, "state", TOPIC_SETTINGS)
        for number in range(ROUNDS):
            update(node, "state", wanted, number)
            if number % 3 == 1:
                node.kill()
                node.start()
                check(consume(node, "state"), wanted)
        until = time.monotonic() + TIMEOUT_S
        while len(consume(node, "state")) > ROUNDS * UPDATES // 10 and time.monotonic() < until:
            time.sleep(0.2)
        records = consume(node, "state")
        check(records, wanted)
        require(len(records) < ROUNDS * UPDATES // 10, f"{len(records)} records are left")
        folder = os.path.join(node.data, "state-0")
        left = [name for name in os.listdir(folder) if name.endswith(".cleaned")]
        node.stop()
        node.start()
        check(consume(node, "state"), wanted)
        require(len(left) < 20, f"{left}")

def compresses_again(args):
    """compression.type of a topic that keeps everything: all records stay, the files get small."""
    with broker(args, SETTINGS) as node:
        create(node, "plain", {"segment.bytes": 65536, "compression.type": "zstd"})
        lines = "".join(f"{i} the same words again and again\n" for i in range(20000)).encode()
        kcat(node, "-P", "-t", "plain", "-X", "batch.num.messages=500", data=lines)
        folder = os.path.join(node.data, "plain-0")
        size = lambda: sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
                           if name.endswith(".log"))
        until = time.monotonic() + TIMEOUT_S
        while size() > len(lines) // 3 and time.monotonic() < until:
            time.sleep(0.2)
        require(size() <= len(lines) // 3, f"{size()} bytes")
        require(kcat(node, "-C", "-t", "plain", "-e") == lines, "other records")
        node.kill()
        node.start()
        require(kcat(node, "-C", "-t", "plain", "-e") == lines, "other records after a crash")

def main():
    args = arguments(__doc__)
    points = Tap()
    points.run("compacts while it is written, and through kill -9", compacts_while_it_is_written, args)
    points.run("compresses again what came uncompressed", compresses_again, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
