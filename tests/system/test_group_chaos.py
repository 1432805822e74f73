#!/usr/bin/python3
"""Members of one group join, leave, crash and stall while the broker is killed and started again.

    test_group_chaos.py PROGRAM [--seconds N] [--members N] [--partitions N] [--seed N] [--shards N]

Every member is a process of its own, this file again, which says on its standard output what it
reads, commits and owns. What must hold:

    every record is read at least once
    a committed offset, as the broker tells it, never goes back
    once it is quiet, every partition is owned, by one member, within a bounded time
"""
import json, random, signal, subprocess, sys, threading, time

import confluent_kafka as ck

from common import Node, Tap, arguments, require
from lib import message
from lib.wire import Connection, frame

GROUP, TOPIC = "chaos", "chaos"
SESSION_MS, REBALANCE_MS = 6000, 8000
STALL_S = 8                             # longer than a session
SETTLE_S = 60                           # session, rebalance, and the clients' own back-off
TIMEOUT_S = 60

# ---- a member

def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()

def member(bootstrap, strategy):
    """Until SIGTERM. Each message read is told before it is committed."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False,
                            "auto.offset.reset": "earliest", "session.timeout.ms": SESSION_MS,
                            "max.poll.interval.ms": REBALANCE_MS, "heartbeat.interval.ms": 300,
                            "partition.assignment.strategy": strategy, "reconnect.backoff.max.ms": 500,
                            "log_level": 0})
    consumer.subscribe([TOPIC])
    owned = None
    while not stop.is_set():
        messages = [m for m in consumer.consume(200, 0.1) if m.error() is None]
        if messages:
            say(read=[(m.partition(), m.offset()) for m in messages])
            try:
                consumer.commit(asynchronous=False)
            except ck.KafkaException:
                pass                    # the group went on, or the broker is away: read again
        now = sorted(p.partition for p in consumer.assignment())
        if now != owned:
            owned = now
            say(owns=owned)
    consumer.close()

class Member:
    def __init__(self, node, strategy):
        self.process = subprocess.Popen([sys.executable, __file__, "--member", node.bootstrap, strategy],
                                        stdout=subprocess.PIPE, text=True)
        self.read, self.owns, self.is_stalled = set(), [], False
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            try:
                what = json.loads(line)
            except ValueError:
                return                  # killed within a line
            self.read.update(map(tuple, what.get("read", [])))
            self.owns = what.get("owns", self.owns)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Wait for the end; what it has read stays."""
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("a member did not stop") from None
        self.thread.join(TIMEOUT_S)

# ---- the broker

class Watch:
    """Asks for the committed offsets again and again."""
    def __init__(self, node, partitions):
        self.node, self.partitions, self.highest = node, partitions, {}
        self.answers, self.wrong, self.is_over = 0, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def ask(self):
        values = {"groups": [{"group_id": GROUP, "topics": [{"name": TOPIC, "partition_indexes":
                                                            list(range(self.partitions))}]}]}
        with Connection(self.node.port, timeout_s=5) as connection:
            connection.send(frame(message.encode("offset_fetch", 8, values)))
            group = message.decode("offset_fetch", 8, connection.answer())["groups"][0]
        if group["error_code"] != 0:
            return                      # is loading
        for p in group["topics"][0]["partitions"]:
            index, offset = p["partition_index"], p["committed_offset"]
            if offset < self.highest.get(index, -1):
                self.wrong.append(f"partition {index} went from {self.highest[index]} to {offset}")
            self.highest[index] = offset
        self.answers += 1

    def run(self):
        while not self.is_over:
            try:
                self.ask()
            except OSError:
                pass                    # killed just now
            time.sleep(0.05)

    def stop(self):
        self.is_over = True
        self.thread.join(TIMEOUT_S)

class Feed:
    """Produces without end; what was acknowledged has to be read."""
    def __init__(self, node, partitions):
        self.acknowledged, self.is_over = set(), False
        self.producer = ck.Producer({"bootstrap.servers": node.bootstrap, "linger.ms": 5, "log_level": 0,
                                     "reconnect.backoff.max.ms": 500, "message.timeout.ms": 120000})
        self.partitions = partitions
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def delivered(self, error, m):
        if error is None:
            self.acknowledged.add((m.partition(), m.offset()))

    def run(self):
        count = 0
        while not self.is_over:
            self.producer.produce(TOPIC, b"%d" % count, partition=count % self.partitions,
                                  on_delivery=self.delivered)
            count += 1
            self.producer.poll(0)
            time.sleep(0.002)
        self.left = self.producer.flush(TIMEOUT_S)

    def stop(self):
        self.is_over = True
        self.thread.join(2 * TIMEOUT_S)
        require(self.left == 0, f"{self.left} messages were never acknowledged")

def create(node, partitions):
    topic = {"name": TOPIC, "num_partitions": partitions, "replication_factor": 1, "assignments": [], "configs": []}
    with Connection(node.port) as connection:
        connection.send(frame(message.encode("create_topics", 5, {"topics": [topic], "timeout_ms": 10000,
                                                                  "validate_only": False})))
        created = message.decode("create_topics", 5, connection.answer())
    require(created["topics"][0]["error_code"] == 0, f"{created}")

# ---- the chaos

class Chaos:
    def __init__(self, args, node, strategy):
        self.args, self.node, self.strategy = args, node, strategy
        self.rng = random.Random(args.seed)
        self.members, self.ended, self.counts = [], [], {}

    def live(self):
        return [m for m in self.members if not m.is_stalled]

    def join(self):
        if len(self.members) < self.args.members:
            self.members.append(Member(self.node, self.strategy))

    def take(self):
        one = self.rng.choice(self.live())
        self.members.remove(one)
        self.ended.append(one)
        return one

    def leave(self):
        if len(self.live()) > 1:
            self.take().end()

    def crash(self):
        if len(self.live()) > 1:
            self.take().end(signal.SIGKILL)

    def stall(self):
        if len(self.live()) > 1:
            one = self.rng.choice(self.live())
            one.is_stalled = True
            one.send(signal.SIGSTOP)
            one.until = time.monotonic() + STALL_S

    def restart(self):
        self.node.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.node.start()

    def wake(self, everybody=False):
        for one in self.members:
            if one.is_stalled and (everybody or time.monotonic() >= one.until):
                one.is_stalled = False
                one.send(signal.SIGCONT)

    def run(self):
        steps = [self.join] * 4 + [self.leave, self.crash, self.stall, self.restart]
        for _ in range(max(2, self.args.members // 2)):
            self.join()
        until = time.monotonic() + self.args.seconds
        while time.monotonic() < until:
            step = self.rng.choice(steps)
            self.counts[step.__name__] = self.counts.get(step.__name__, 0) + 1
            step()
            self.wake()
            time.sleep(self.rng.uniform(0.1, 1.0))
        self.wake(everybody=True)

    def read(self):
        return set().union(*(m.read for m in self.members + self.ended))

    def settled(self):
        """Does every partition have one owner?"""
        owned = sorted(p for m in self.members for p in m.owns)
        return owned == list(range(self.args.partitions))

    def settle(self, wanted):
        began = time.monotonic()
        while time.monotonic() - began < SETTLE_S:
            if self.settled() and wanted <= self.read():
                return time.monotonic() - began
            time.sleep(0.1)
        owners = [m.owns for m in self.members]
        missing = sorted(wanted - self.read())
        raise AssertionError(f"not settled after {SETTLE_S} s: owners {owners}; {len(missing)} records were never "
                             f"read, such as {missing[:3]}")

    def end(self):
        for one in self.members:
            try:
                one.end(signal.SIGKILL)
            except AssertionError:
                pass

def nothing_is_lost(args, strategy):
    settings = {"shards": str(args.shards), "group.initial.rebalance.delay.ms": "100"}
    with Node(args.program, settings=settings) as node:
        create(node, args.partitions)
        chaos = Chaos(args, node, strategy)
        feed, watch = Feed(node, args.partitions), Watch(node, args.partitions)
        try:
            chaos.run()
            feed.stop()
            took = chaos.settle(feed.acknowledged)
            time.sleep(2)               # and it stays like that
            require(chaos.settled(), f"owned by {[m.owns for m in chaos.members]}")
        finally:
            chaos.end()
            watch.stop()
        require(watch.wrong == [], f"committed offsets went back: {watch.wrong[:3]}")
        require(watch.answers > 0, "the broker never told of the offsets")
        print(f"# seed {args.seed}: {chaos.counts}, {len(feed.acknowledged)} records, settled in {took:.1f} s, "
              f"{watch.answers} looks at the offsets")

# ---- a coordinator that goes away

def a_wait_ends_with_its_coordinator(args):
    """The topic of the groups is deleted while a member waits for its generation."""
    protocol = [{"name": "range", "metadata": b"m"}]
    join = {"group_id": "waits", "session_timeout_ms": 10000, "rebalance_timeout_ms": 60000, "member_id": "",
            "protocol_type": "consumer", "protocols": protocol}
    settings = {"shards": str(args.shards), "group.initial.rebalance.delay.ms": "30000"}
    with Node(args.program, settings=settings) as node, Connection(node.port, timeout_s=10) as waits, \
         Connection(node.port) as other:
        until, error = time.monotonic() + 10, 15
        while error != 0 and time.monotonic() < until:
            other.send(frame(message.encode("find_coordinator", 3, {"key": "waits", "key_type": 0})))
            error = message.decode("find_coordinator", 3, other.answer())["error_code"]
        require(error == 0, f"no coordinator: error {error}")
        time.sleep(0.5)                 # it is loaded
        waits.send(frame(message.encode("join_group", 3, join)))
        time.sleep(0.5)
        other.send(frame(message.encode("delete_topics", 3, {"topic_names": ["__consumer_offsets"],
                                                             "timeout_ms": 5000})))
        deleted = message.decode("delete_topics", 3, other.answer())["responses"]
        require(deleted[0]["error_code"] == 0, f"{deleted}")
        answer = message.decode("join_group", 3, waits.answer())
        require(answer["error_code"] == 16, f"not NOT_COORDINATOR: {answer}")

def options(parser):
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--strategy", default="range")
    parser.add_argument("--seed", type=int, default=None)

def main():
    if sys.argv[1:2] == ["--member"]:
        return member(*sys.argv[2:])
    args = arguments(__doc__, options)
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 30)
    points = Tap()
    points.run("a wait ends with its coordinator", a_wait_ends_with_its_coordinator, args)
    points.run(f"nothing is lost: {args.strategy}", nothing_is_lost, args, args.strategy)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
