#!/usr/bin/python3
"""Lines in, the same lines out: through kcat, after a restart, and after kill -9 in mid-load.

    test_bytes.py PROGRAM [--lines N] [--shards 1,4] [--kills N]

With n shards the topics have n partitions, all of them loaded at once. A record counts as
acknowledged when librdkafka's delivery callback said so; it must then be there, at the offset that
was acknowledged, in the order it was sent, and with idempotence exactly once.
"""
import hashlib, os, random, subprocess, sys, time

import confluent_kafka as ck

from common import Tap, arguments, broker, require, wire
from lib.folder import temporary

KCAT_BASE_TIMEOUT_S = 60
LINES_PER_S_LEAST = 20_000      # a floor for the time-outs, not an aim
LOAD_S = 0.8                    # between two kills
RECORD_SIZE = 100
WAIT_S = 90

def file_make(path, lines, seed):
    """Lines of all lengths, some of them empty after their number; returns their SHA-256."""
    rng = random.Random(seed)
    pool = bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz 0123456789\xc3\xa4") for _ in range(70_000))
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for first in range(0, lines, 10_000):
            block = bytearray()
            for i in range(first, min(first + 10_000, lines)):
                at = rng.randrange(69_000)
                block += b"%d %s\n" % (i, pool[at:at + rng.randrange(120)])
            file.write(block)
            digest.update(block)
    return digest.hexdigest()

def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

def all_end_well(processes, timeout_s):
    end = time.monotonic() + timeout_s
    for process in processes:
        try:
            code = process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            for other in processes:
                other.kill()
            raise AssertionError(f"kcat still runs after {timeout_s:.0f} s") from None
        require(code == 0, f"kcat ended with {code}")

class Lines:
    """One file per partition, written and read by one kcat each, all at once."""
    def __init__(self, folder, partitions, lines):
        self.partitions = range(partitions)
        self.timeout_s = KCAT_BASE_TIMEOUT_S + lines / LINES_PER_S_LEAST
        self.paths = [os.path.join(folder, f"in-{p}") for p in self.partitions]
        self.copies = [os.path.join(folder, f"out-{p}") for p in self.partitions]
        self.digests = [file_make(path, lines // partitions, i) for i, path in enumerate(self.paths)]

    def produce(self, bootstrap, topic):
        all_end_well([subprocess.Popen(["kcat", "-P", "-b", bootstrap, "-t", topic, "-p", str(p), "-l", self.paths[p]],
                                       stdin=subprocess.DEVNULL) for p in self.partitions], self.timeout_s)

    def compare(self, bootstrap, topic):
        files = [open(path, "wb") for path in self.copies]
        all_end_well([subprocess.Popen(["kcat", "-C", "-b", bootstrap, "-t", topic, "-p", str(p), "-o", "beginning",
                                        "-e", "-q", "-X", "check.crcs=true"], stdout=files[p], stdin=subprocess.DEVNULL)
                      for p in self.partitions], self.timeout_s)
        for p, file in enumerate(files):
            file.close()
            if digest_of(self.copies[p]) != self.digests[p]:
                raise AssertionError(f"partition {p}: {difference(self.paths[p], self.copies[p])}")

def difference(path, copy):
    with open(path, "rb") as a, open(copy, "rb") as b:
        for number, line in enumerate(a):
            other = b.readline()
            if line != other:
                return f"line {number} was {line[:60]!r}, came back as {other[:60]!r}"
        return f"more lines came back than the {number + 1} written"

def topic_make(node, topic):
    with wire.Connection(node.port) as connection:
        return connection.topic_ready(topic)

def kcat_points(points, args, shards, folder):
    name = f"{args.lines} lines, {shards} shard{'s' * (shards > 1)}"
    with broker(args, {"shards": shards, "num.partitions": shards}) as node:
        topic_make(node, "lines")
        lines = Lines(folder, shards, args.lines)
        points.run(f"{name}: kcat writes them", lines.produce, node.bootstrap, "lines")
        points.run(f"{name}: kcat reads the same", lines.compare, node.bootstrap, "lines")
        def restart(end):
            end()
            return node.start()
        points.run(f"{name}: restart", restart, node.stop)
        points.run(f"{name}: the same after it", lines.compare, node.bootstrap, "lines")
        points.run(f"{name}: kill -9 and restart", restart, node.kill)
        points.run(f"{name}: the same after that", lines.compare, node.bootstrap, "lines")
        points.run(f"{name}: written once more", lines.produce, node.bootstrap, "again")
        for path, copy in zip(lines.paths, lines.copies):
            os.unlink(path), os.unlink(copy)

class Load:
    """A producer that remembers what was acknowledged; number n goes to partition n % count."""
    def __init__(self, bootstrap, topic, partitions, idempotent):
        self.topic, self.partitions = topic, partitions
        self.sent, self.acked, self.errors = 0, {}, []
        config = {"bootstrap.servers": bootstrap, "enable.idempotence": idempotent, "acks": "all",
                  "message.timeout.ms": WAIT_S * 1000, "linger.ms": 5, "retry.backoff.ms": 50,
                  "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0, "error_cb": lambda error: None}
        if not idempotent:      # the only way to have order without idempotence
            config["max.in.flight.requests.per.connection"] = 1
        self.producer = ck.Producer(config)

    def delivered(self, error, message):
        if error:
            self.errors.append(error)
        else:
            self.acked[number_of(message.value())] = message.offset()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = b"%-*d" % (RECORD_SIZE, self.sent)
                self.producer.produce(self.topic, value, partition=self.sent % self.partitions,
                                      on_delivery=self.delivered)
                self.sent += 1
                if self.sent % 100 == 0:
                    self.producer.poll(0)
            except BufferError:
                self.producer.poll(0.01)

    def finish(self):
        left = self.producer.flush(WAIT_S)
        require(not self.errors, f"not delivered: {self.errors[:1]}")
        require(left == 0 and len(self.acked) == self.sent, f"{self.sent - len(self.acked)} never acknowledged")

def number_of(value):
    return int(value)

def read_all(bootstrap, topic, partition):
    """[(offset, number)] of a partition up to its end."""
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "assigned-only", "check.crcs": True,
                            "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "error"})
    consumer.assign([ck.TopicPartition(topic, partition, 0)])
    out, end = [], time.monotonic() + WAIT_S
    try:
        while True:
            require(time.monotonic() < end, f"partition {partition} has no end")
            for message in consumer.consume(1000, 1):
                if message.error():
                    require(message.error().code() == ck.KafkaError._PARTITION_EOF, str(message.error()))
                    return out
                out.append((message.offset(), number_of(message.value())))
    finally:
        consumer.close()

def check_partition(got, load, partition, idempotent):
    """GOT is everything the partition has, LOAD what was sent and acknowledged."""
    require([offset for offset, _ in got] == list(range(len(got))), "offsets are not 0, 1, 2, ...")
    numbers = [number for _, number in got]
    expected = range(partition, load.sent, load.partitions)
    at = dict(got)
    for number in expected:
        offset = load.acked.get(number, -1)
        require(offset < 0 or at.get(offset) == number,
                f"record {number} was acknowledged at {offset}, where {at.get(offset, 'nothing')} is")
    if idempotent:
        require(numbers == list(expected), f"not each once and in order: {first_wrong(numbers, expected)}")
        return
    once = list(dict.fromkeys(numbers))
    require(once == list(expected), f"lost or out of order: {first_wrong(once, expected)}")

def first_wrong(have, want):
    for i, (a, b) in enumerate(zip(have, want)):
        if a != b:
            return f"at {i} is {a} instead of {b}"
    return f"{len(have)} records instead of {len(want)}"

def kill_load(args, shards, idempotent, points):
    with broker(args, {"shards": shards, "num.partitions": shards}) as node:
        topic_make(node, "load")
        load = Load(node.bootstrap, "load", shards, idempotent)
        load.run(LOAD_S)
        for _ in range(args.kills):
            load.run(LOAD_S)
            node.kill()
            load.run(0.1)
            node.start()
        load.run(LOAD_S)
        load.finish()
        stored = 0
        for partition in range(shards):
            got = read_all(node.bootstrap, "load", partition)
            check_partition(got, load, partition, idempotent)
            stored += len(got)
        points.note(f"{load.sent} records acknowledged, {stored} stored, {args.kills} kills")
        node.stop()

def main():
    sys.stdout.reconfigure(line_buffering=True)
    def add(parser):
        parser.add_argument("--lines", type=int, default=200_000)
        parser.add_argument("--shards", default="1,4")
        parser.add_argument("--kills", type=int, default=3)
    args = arguments(__doc__, add)
    points = Tap()
    for shards in map(int, args.shards.split(",")):
        with temporary("bytes") as folder:
            points.run(f"kcat with {shards} shards: to the end", kcat_points, points, args, shards, folder)
        for idempotent in (True, False):
            name = f"kill -9 in mid-load, {shards} shards, {'idempotent' if idempotent else 'plain'} producer"
            points.run(name, kill_load, args, shards, idempotent, points)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
