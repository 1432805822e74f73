#!/usr/bin/python3
"""files: our files are Apache Kafka's, by its own tool and its own broker, both ways.

    tests/compat/files.py build/dlogd        (build/dlog stands beside it)

Ours are read by DumpLogSegments and served by an Apache Kafka broker; its are opened by dlogd,
after a clean stop byte for byte with the same indexes and snapshots, and adopted, also after
kill -9. run.py runs the same as "files".
"""
import os, re, shutil, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from compat import cache, oracle    # noqa: E402
from lib import node, tap, wire     # noqa: E402
from lib.folder import temporary      # noqa: E402

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SEGMENT_BYTES = 1048576     # the least that Kafka 4 takes
COUNT = 3000
WAIT_S = 120

def client():
    try:
        import confluent_kafka
    except ImportError:
        raise cache.Unavailable("Debian package python3-confluent-kafka is not installed") from None
    return confluent_kafka

def value_of(i, what):
    """Compressible by half, so that every codec makes several segments."""
    return f"{what} {i} ".encode() + os.urandom(450).hex().encode()

def write(bootstrap, topic, codec, what, count=COUNT, keys=0, transactional_id=None, end="commit"):
    """Writes COUNT records, idempotently; in a transaction that ends with END, or does not."""
    settings = {"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True, "linger.ms": 5,
                "batch.size": 16384}
    if transactional_id:
        settings["transactional.id"] = transactional_id
    producer = client().Producer(settings)
    errors = []
    if transactional_id:
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
    for i in range(count):
        producer.produce(topic, value_of(i, what), str(i % keys if keys else i).encode(), 0,
                         headers=[("number", str(i).encode()), ("nothing", b"")],
                         on_delivery=lambda error, _: errors.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(WAIT_S) == 0 and not errors, f"{topic}: {errors[:1]}"
    if transactional_id and end == "commit":
        producer.commit_transaction(WAIT_S)
    elif transactional_id and end == "abort":
        producer.abort_transaction(WAIT_S)
    return producer     # an open transaction stays open while somebody holds it

def read(bootstrap, topic, isolation="read_uncommitted"):
    """[(offset, key, value, headers, timestamp)] to the end that ISOLATION may see."""
    ck = client()
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False,
                            "check.crcs": True, "isolation.level": isolation, "enable.partition.eof": True})
    consumer.assign([ck.TopicPartition(topic, 0, ck.OFFSET_BEGINNING)])
    found, end = [], time.monotonic() + WAIT_S
    while True:
        assert time.monotonic() < end, f"{topic}: no end after {len(found)} records"
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == ck.KafkaError._PARTITION_EOF, message.error()
            break
        found.append((message.offset(), message.key(), message.value(), message.headers(), message.timestamp()))
    consumer.close()
    return found

def committed(records):
    """What a read_committed reader has to see: the values say how their transactions ended."""
    return [record for record in records if not record[2].startswith((b"aborted", b"open"))]

def files(folder, *suffixes):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(suffixes)]

def content(path):
    with open(path, "rb") as file:
        return file.read()

def snapshot(path):
    """The entries of a .snapshot. Kafka's are in the order of a hash table, ours by id."""
    data = content(path)
    assert data[:2] == b"\0\1" and len(data) == 10 + 46 * int.from_bytes(data[6:10], "big"), f"{path}: {data[:10]}"
    return sorted(data[i:i + 46] for i in range(10, len(data), 46))

def copy(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.deleted", "*.swap", "*.cleaned"))

class Dump:
    """Kafka's DumpLogSegments."""
    BAD = re.compile(r"mismatch|non-consecutive|corrupt|not found|exception|error|invalid|failed|out of order", re.I)

    def __init__(self, java):
        self.java = java

    def run(self, paths, *options):
        done = subprocess.run([*self.java("kafka.tools.DumpLogSegments"), *options, "--files", ",".join(paths)],
                              capture_output=True, text=True, timeout=300)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text[-2000:]
        bad = [line for line in text.splitlines()
               if self.BAD.search(line.split("payload:")[0]) and not line.startswith("SLF4J")]
        assert not bad, "\n".join(bad[:10])
        return done.stdout

    def directory(self, folder):
        """Everything in it: no complaint. Offsets of its records, text of its snapshots and transaction indexes."""
        logs = self.run(files(folder, ".log"), "--deep-iteration", "--print-data-log")
        self.run(files(folder, ".index", ".timeindex"))
        self.run(files(folder, ".index", ".timeindex"), "--verify-index-only")
        self.run(files(folder, ".index"), "--index-sanity-check")
        rest = files(folder, ".snapshot", ".txnindex")
        return ([int(n) for n in re.findall(r"^\|? ?offset: (\d+)", logs, re.M)], self.run(rest) if rest else "")

class Files:
    def __init__(self, dlogd, folder):
        self.dlogd, self.dlog = dlogd, os.path.join(os.path.dirname(dlogd), "dlog")
        self.folder = folder
        self.kafka = oracle.Oracle(settings={
            "log.segment.bytes": SEGMENT_BYTES, "auto.create.topics.enable": "true", "num.partitions": 1,
            "log.cleaner.backoff.ms": 200, "log.retention.ms": -1})
        self.dump = Dump(self.kafka.java)
        self.expected = {}      # of Kafka's topics: all records
        self.ours = {}

    def node(self):
        return node.Node(self.dlogd, {"log.segment.bytes": SEGMENT_BYTES, "num.partitions": 1})

    # Ours by their tool, and under their broker

    def ours_are_written(self):
        self.kafka.configure()
        with self.node() as ours:
            for codec in CODECS:
                topic = f"ours-{codec}"
                for part in range(2):
                    write(ours.bootstrap, topic, codec, f"{codec} {part}", COUNT // 2)
                self.ours[topic] = read(ours.bootstrap, topic)
                assert len(self.ours[topic]) == COUNT // 2 * 2
            ours.stop()
            for topic in self.ours:
                copy(f"{ours.data}/{topic}-0", self.path("ours", topic))

    def path(self, kind, topic):
        return os.path.join(self.folder, kind, f"{topic}-0")

    def ours_by_their_tool(self):
        for topic, records in self.ours.items():
            folder = self.path("ours", topic)
            assert len(files(folder, ".log")) > 1, "one segment only"
            assert files(folder, ".window"), "no window: nothing is proven about it"
            offsets, producers = self.dump.directory(folder)
            assert offsets == [record[0] for record in records], f"{topic}: other offsets"
            last = re.findall(r"producerId: (\d+) .*?lastSequence: (\d+) lastOffset: (\d+)",
                              self.dump.run(files(folder, ".snapshot")[-1:]))
            assert len(last) == 2 and max(int(found[2]) for found in last) == len(records) - 1, producers

    def ours_under_their_broker(self):
        """Their broker has stopped cleanly, so it believes our indexes and snapshots."""
        for topic in self.ours:
            with wire.Connection(self.kafka.port) as connection:
                connection.topic_ready(topic)
        self.kafka.stop()
        for topic in self.ours:
            target = os.path.join(self.kafka.data, f"{topic}-0")
            for path in files(target, ""):
                if not path.endswith("partition.metadata"):
                    os.remove(path)
            for path in files(self.path("ours", topic), ""):
                if not path.endswith("partition.metadata"):
                    shutil.copy(path, target)
        self.kafka.start()
        for topic, records in self.ours.items():
            assert read(self.kafka.bootstrap, topic) == records, f"{topic}: other records"
            write(self.kafka.bootstrap, topic, "none", "more", 10)
            assert len(read(self.kafka.bootstrap, topic)) == len(records) + 10
            assert files(os.path.join(self.kafka.data, f"{topic}-0"), ".window"), "Kafka removes our window"

    # Theirs

    def transactions(self):
        for i, (codec, what, end) in enumerate((("none", "committed", "commit"), ("lz4", "aborted", "abort"),
                                                ("zstd", "committed", "commit"), ("none", "aborted", "abort"),
                                                ("gzip", "aborted", "abort"), ("none", "committed", "commit"))):
            # One that is open meanwhile, so that last stable offsets differ from the ends of markers.
            other = write(self.kafka.bootstrap, "txn", "none", "aborted", 5, transactional_id=f"b{i}", end="")
            write(self.kafka.bootstrap, "txn", codec, what, COUNT // 3, transactional_id=f"a{i}", end=end)
            other.abort_transaction(WAIT_S)

    def compacted(self):
        ck = client()
        from confluent_kafka.admin import AdminClient, NewTopic
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": str(SEGMENT_BYTES)}
        for future in admin.create_topics([NewTopic("compacted", 1, 1, config=config)]).values():
            future.result(WAIT_S)
        assert ck.version()
        for _ in range(2):
            write(self.kafka.bootstrap, "compacted", "lz4", "value", COUNT, keys=50)
        end = time.monotonic() + WAIT_S
        while len(read(self.kafka.bootstrap, "compacted")) > COUNT + COUNT // 2:
            assert time.monotonic() < end, "Kafka does not compact"
            time.sleep(1)

    def theirs_are_written(self):
        self.kafka.start()
        for codec in CODECS:
            write(self.kafka.bootstrap, f"theirs-{codec}", codec, codec)
        self.transactions()
        self.compacted()
        self.kafka.stop()       # before anything is read: the cleaner may go on until then
        self.take("clean")
        self.kafka.start()
        for topic in self.topics("clean"):
            self.expected[topic] = read(self.kafka.bootstrap, topic)
            found = read(self.kafka.bootstrap, topic, "read_committed")
            assert found == committed(self.expected[topic]), f"{topic}: Kafka shows something else"

    def take(self, kind):
        for name in sorted(os.listdir(self.kafka.data)):
            if re.fullmatch(r"(theirs-\w+|txn|compacted)-0", name):
                copy(os.path.join(self.kafka.data, name), os.path.join(self.folder, kind, name))

    def topics(self, kind):
        return [name[:-2] for name in sorted(os.listdir(os.path.join(self.folder, kind)))]

    def theirs_byte_for_byte(self):
        """dlogd scans Kafka's .log files and makes the rest anew: the same bytes."""
        topics = self.topics("clean")
        with self.node() as ours:
            for topic in topics:
                with wire.Connection(ours.port) as connection:
                    connection.topic_ready(topic)
            ours.stop()
            for topic in topics:
                for path in files(f"{ours.data}/{topic}-0", ""):
                    if not path.endswith("partition.metadata"):
                        os.remove(path)
                for path in files(self.path("clean", topic), ".log"):
                    shutil.copy(path, f"{ours.data}/{topic}-0")
            ours.start()
            for topic in topics:
                assert read(ours.bootstrap, topic) == self.expected[topic], f"{topic}: other records"
                assert read(ours.bootstrap, topic, "read_committed") == committed(self.expected[topic]), \
                    f"{topic}: other committed records"
            ours.stop()
            for topic in topics:
                self.compare(topic, f"{ours.data}/{topic}-0")
                self.dump_adopted(topic, f"{ours.data}/{topic}-0")

    def compare(self, topic, folder):
        theirs = self.path("clean", topic)
        def names(where, *suffixes):
            return [os.path.basename(path) for path in files(where, *suffixes)]
        assert names(theirs, ".log") == names(folder, ".log"), f"{topic}: {os.listdir(folder)}"
        assert names(theirs, ".txnindex") == names(folder, ".txnindex"), f"{topic}: {os.listdir(folder)}"
        for name in names(theirs, ".log", ".txnindex", ".index", ".timeindex"):
            assert content(f"{theirs}/{name}") == content(f"{folder}/{name}"), f"{topic}-0/{name} differs"
        last = names(theirs, ".snapshot")[-1]
        assert snapshot(f"{theirs}/{last}") == snapshot(f"{folder}/{last}"), f"{topic}-0/{last} differs"

    def theirs_adopted(self, kind):
        with self.node() as ours:
            for topic in self.topics(kind):
                done = subprocess.run([self.dlog, "topic", "adopt", self.path(kind, topic), "--topic", topic,
                                       "--broker", ours.bootstrap], capture_output=True, text=True, timeout=WAIT_S)
                assert done.returncode == 0, done.stderr
            for restart in (False, True):
                if restart:
                    ours.stop()
                    ours.start()
                for topic in self.topics(kind):
                    assert read(ours.bootstrap, topic) == self.expected[topic], f"{topic}: other records"
                    assert read(ours.bootstrap, topic, "read_committed") == committed(self.expected[topic]), \
                        f"{topic}: other committed records"
                    self.expected_more(ours, topic)
            ours.stop()
            for topic in self.topics(kind):
                self.dump_adopted(topic, f"{ours.data}/{topic}-0")

    def dump_adopted(self, topic, folder):
        """Kafka's tool finds timestamps that mismatch in its own compacted files, which ours are equal to."""
        if topic != "compacted":
            self.dump.directory(folder)

    def expected_more(self, ours, topic):
        """It can be appended to; what was written is forgotten again with the node."""
        if topic == "theirs-none":
            before = read(ours.bootstrap, topic)
            write(ours.bootstrap, topic, "none", "more", 10)
            after = read(ours.bootstrap, topic)
            assert after[:len(before)] == before and len(after) == len(before) + 10
            self.expected[topic] = after

    def theirs_killed(self):
        """kill -9: indexes are full of zeroes, a transaction is open."""
        kept = dict(self.expected)
        still_open = write(self.kafka.bootstrap, "txn", "none", "open", 20, transactional_id="c", end="")
        write(self.kafka.bootstrap, "txn", "snappy", "aborted", 20, transactional_id="d", end="abort")
        write(self.kafka.bootstrap, "txn", "snappy", "committed", 20, transactional_id="e")
        for codec in CODECS:
            write(self.kafka.bootstrap, f"theirs-{codec}", codec, "later", COUNT // 10)
        self.expected = {topic: read(self.kafka.bootstrap, topic) for topic in kept}
        self.kafka.kill()
        del still_open
        self.take("killed")
        assert os.path.getsize(files(self.path("killed", "txn"), ".index")[-1]) > SEGMENT_BYTES, "not preallocated"
        self.theirs_adopted("killed")

    def all(self, points):
        points.run("files: dlogd writes every codec", self.ours_are_written)
        points.run("files: Kafka's tool finds nothing wrong with ours", self.ours_by_their_tool)
        if points.run("files: Apache Kafka writes codecs, transactions, a compacted topic",
                      lambda: self.theirs_are_written() or True) is None:
            return
        points.run("files: ours made from Kafka's logs are the same bytes", self.theirs_byte_for_byte)
        points.run("files: Apache Kafka serves ours", self.ours_under_their_broker)
        kept = dict(self.expected)
        points.run("files: Kafka's are adopted after a clean stop", self.theirs_adopted, "clean")
        self.expected = kept
        points.run("files: Kafka's are adopted after kill -9", self.theirs_killed)

def run(points, dlogd):
    """All points; one that is skipped when Kafka or a client cannot be had."""
    try:
        oracle.jars()
        client()
    except cache.Unavailable as why:
        points.skip("files", why)
        return
    with temporary("compat-files") as folder:
        these = Files(os.path.abspath(dlogd), folder)
        try:
            these.all(points)
        finally:
            these.kafka.__exit__()

def main():
    points = tap.Tap()
    run(points, sys.argv[1])
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
