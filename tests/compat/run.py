#!/usr/bin/python3
"""run: real clients against a broker; every record must come back byte for byte.

    tests/compat/run.py [CLIENT...] (--dlogd PATH | --broker HOST:PORT | --oracle)
                        [--full] [--json FILE] [--set name=value]...

Without names: all clients and the files (files.py); "debian" and "registry" name the two kinds. With --dlogd each client
gets a node of its own in a fresh folder; --oracle is an Apache Kafka broker instead, against
which every point has to pass too. For each compression type that a client knows it writes
records (keys, headers, timestamps, null and empty values), reads them back by assignment, and
librdkafka reads them as well. --full writes more and lets every client read what every other
wrote. A client that cannot be had is a skipped point with the reason, and counted.

Output is TAP; FILE gets a line of JSON per client in the form of meson's test log.

A client is a program with these commands (records.py has the form of FILE and of the output):
    produce BOOTSTRAP TOPIC CODEC FILE [idempotent]    ends when all is acknowledged
    consume BOOTSTRAP TOPIC COUNT [GROUP]              prints COUNT records, by assignment or as a
                                                       member of GROUP, which commits and leaves
    admin BOOTSTRAP    version
"""
import argparse, json, os, subprocess, sys, time
from dataclasses import dataclass, field
from typing import Callable

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from compat import cache, files, oracle, records # noqa: E402
from lib import message, node, tap, wire                 # noqa: E402
from lib.folder import temporary      # noqa: E402

PYTHON = "/usr/bin/python3"     # Debian's, which has Debian's client packages
CLIENTS_DIR = os.path.join(HERE, "clients")
COMMAND_TIMEOUT_S = 120
ALL = ("none", "gzip", "snappy", "lz4", "zstd")

@dataclass
class Client:
    name: str
    kind: str                               # debian or registry
    setup: Callable[[], list]               # returns the command; raises cache.Unavailable
    codecs: tuple = ALL
    consumes: bool = True                   # by assignment
    groups: bool = True                     # as a member of a group
    idempotent: bool = True                 # has a switch for it; those without have it always on, or never
    admin: bool = False
    records: Callable = records.binary
    limits: dict = field(default_factory=dict)

def script(name):
    return os.path.join(CLIENTS_DIR, name)

def debian_python(module, package, path):
    def setup():
        done = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True)
        if done.returncode:
            raise cache.Unavailable(f"Debian package {package} is not installed")
        return [PYTHON, script(path)]
    return setup

def kcat_setup():
    cache.need("kcat", "kcat")
    return [PYTHON, script("kcat.py")]

def confluent_newest():
    return [cache.venv("confluent", ["confluent-kafka==2.16.1"]), script("confluent.py")]

def java_setup():
    source = script("java")
    files = [os.path.join(source, name) for name in ("pom.xml", "Client.java")]
    jars = cache.maven("java", cache.read(files[0]))
    def build(folder):
        subprocess.run([cache.need("javac", "default-jdk-headless"), "-Xlint:all", "-Werror", "-cp", os.path.join(jars, "*"), "-d",
                        folder, files[1]], check=True, timeout=COMMAND_TIMEOUT_S)
    classes = cache.make("java-classes", cache.read(*files), build)
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
            f"{classes}:{os.path.join(jars, '*')}", "Client"]

def node_setup(name, version_min):
    def setup():
        text = subprocess.run([cache.need("node", "nodejs"), "--version"], capture_output=True, text=True).stdout
        version = tuple(int(part) for part in text.strip()[1:].split(".")[:3])
        if version < version_min:
            raise cache.Unavailable(f"node is {text.strip()}, needed is {'.'.join(map(str, version_min))}")
        folder = cache.npm(name, script(name))
        return ["node", os.path.join(folder, "client.mjs")]
    return setup

CLIENTS = [
    Client("kcat", "debian", kcat_setup, records=records.text, groups=False),
    Client("confluent-kafka-debian", "debian",
           debian_python("confluent_kafka", "python3-confluent-kafka", "confluent.py"), admin=True),
    Client("kafka-python-debian", "debian", debian_python("kafka", "python3-kafka", "kafka_python.py"),
           idempotent=False, limits={"null_header": False, "null_record": False}),
    Client("confluent-kafka", "registry", confluent_newest, admin=True),
    Client("java", "registry", java_setup, admin=True),
    Client("franz-go", "registry", lambda: [cache.go("franz-go", script("franz-go"), (1, 21))]),
    Client("sarama", "registry", lambda: [cache.go("sarama", script("sarama"), (1, 21))], groups=False),
    Client("kafkajs", "registry", node_setup("kafkajs", (14,)), codecs=("none", "gzip", "snappy"), consumes=False,
           limits={"null_header": False, "duplicate_header": False}),
    Client("platformatic", "registry", node_setup("platformatic", (20, 19, 4)),
           codecs=("none", "gzip", "snappy", "lz4"), consumes=False,
           limits={"null_header": False, "duplicate_header": False}),
]
READER = CLIENTS[1]     # reads what clients wrote that cannot read by assignment

def command_run(command, name, *args, env=None):
    done = subprocess.run([*command, name, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=COMMAND_TIMEOUT_S, env=env)
    if done.returncode:
        tail = (done.stderr or done.stdout).decode(errors="replace")[-2500:]
        raise AssertionError(f"{name} ended with {done.returncode}:\n{tail}")
    return done.stdout.decode()

class Run:
    """One client against one broker."""
    def __init__(self, client, command, broker, options, points, readers, folder):
        self.client, self.command, self.broker = client, command, broker
        self.options, self.points, self.readers = options, points, readers
        self.folder = folder
        self.topics = {}        # topic: what was written to it

    def produce(self, codec, mode=""):
        count = 3000 if self.options.full else 300
        sent = self.client.records(count, f"{self.client.name} {codec} {mode}", **self.client.limits)
        path = os.path.join(self.folder, "records")
        records.file_write(path, sent)
        host, port = self.broker.bootstrap.rsplit(":", 1)
        topic = f"{self.client.name}-{codec}{mode and '-'}{mode}-{time.time_ns()}"
        with wire.Connection(int(port), host) as connection:
            partitions = connection.topic_ready(topic)
        assert partitions == records.PARTITIONS, f"{partitions} partitions instead of {records.PARTITIONS}"
        command_run(self.command, "produce", self.broker.bootstrap, topic, codec, path, *filter(None, [mode]))
        self.codec_check(topic, codec)
        self.topics[topic] = sent
        return topic

    def codec_check(self, topic, codec):
        """The client really compressed: what was stored says so."""
        host, port = self.broker.bootstrap.rsplit(":", 1)
        found = set()
        with wire.Connection(int(port), host) as connection:
            for partition in range(records.PARTITIONS):
                error, _, data = connection.fetch(topic, 0, partition, size_max=4 << 20)
                assert error == 0, f"fetch of partition {partition}: error {error}"
                found |= wire.batch_codecs(data)
        assert ALL.index(codec) in found, f"no batch of codec {ALL.index(codec)}, only {found}"

    def consume(self, topic, command):
        sent = self.topics[topic]
        output = command_run(command, "consume", self.broker.bootstrap, topic, str(len(sent)))
        records.compare(sent, [records.decode(line, True) for line in output.splitlines()])

    def consume_in_group(self, topic):
        """What was read through a group is what was written, and all of it is committed."""
        sent, group = self.topics[topic], f"group-{topic}"
        output = command_run(self.command, "consume", self.broker.bootstrap, topic, str(len(sent)), group)
        records.compare(sent, [records.decode(line, True) for line in output.splitlines()])
        host, port = self.broker.bootstrap.rsplit(":", 1)
        with wire.Connection(int(port), host) as connection:
            connection.send(wire.frame(message.encode("offset_fetch", 8, {
                "groups": [{"group_id": group, "topics": None}], "require_stable": True})))
            answer = message.decode("offset_fetch", 8, connection.answer())
        committed = sum(p["committed_offset"] for t in answer["groups"][0]["topics"] for p in t["partitions"])
        assert committed == len(sent), f"{committed} of {len(sent)} committed: {answer}"

    def codec_points(self, codec, mode=""):
        name = f"{self.client.name}: {codec}{mode and ', '}{mode}"
        topic = self.points.run(f"{name}: produce", self.produce, codec, mode)
        if topic is None:
            return
        if self.client.consumes:
            self.points.run(f"{name}: consume", self.consume, topic, self.command)
        if self.client.groups and codec == self.client.codecs[0] and not mode:
            self.points.run(f"{name}: consume in a group", self.consume_in_group, topic)
        for reader, command in self.readers.items():
            if reader != self.client.name:
                self.points.run(f"{name}: {reader} reads it", self.consume, topic, command)

    def all(self):
        for codec in self.client.codecs:
            self.codec_points(codec)
        if self.client.idempotent:
            self.codec_points("none", "idempotent")
        if self.client.admin:
            self.points.run(f"{self.client.name}: administration", command_run, self.command, "admin", self.broker.bootstrap)

class Given:
    """A broker that someone else runs."""
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

def broker_of(options):
    settings = {"num.partitions": records.PARTITIONS, "auto.create.topics.enable": "true"}
    settings.update(item.split("=", 1) for item in options.set)
    if options.broker:
        return Given(options.broker)
    if options.oracle:
        return oracle.Oracle(settings=settings)
    return node.Node(options.dlogd, settings=settings)

def client_run(client, options, broker, readers, points):
    """The client's line for the result file."""
    began, first = time.monotonic(), len(points.lines)
    before = points.count, points.failed, points.skipped
    try:
        command = client.setup()
        points.note(f"{client.name}: {command_run(command, 'version').strip()}")
    except cache.Unavailable as why:
        command = None
        points.skip(client.name, why)
        print(f"SKIPPED {client.name}: {why}", file=sys.stderr, flush=True)
    except Exception as error:
        command = None
        points.point(False, f"{client.name}: set-up", str(error))
    if command:
        try:
            with broker or broker_of(options) as target, temporary("compat") as folder:
                Run(client, command, target, options, points, readers, folder).all()
                if isinstance(target, node.Node):
                    points.run(f"{client.name}: the node stops cleanly", target.stop)
        except Exception as error:
            points.point(False, f"{client.name}: broker", str(error))
    count, failed, skipped = (a - b for a, b in zip((points.count, points.failed, points.skipped), before))
    return {"name": f"compat {client.name}", "duration": round(time.monotonic() - began, 1),
            "result": "FAIL" if failed else "SKIP" if skipped == count else "OK",
            "stdout": "\n".join(points.lines[first:]) + "\n"}

def clients_of(names):
    chosen = [c for c in CLIENTS if not names or c.name in names or c.kind in names]
    unknown = set(names) - {c.name for c in CLIENTS} - {"debian", "registry", "files"}
    if unknown or not (chosen or "files" in names):
        sys.exit(f"unknown client {', '.join(unknown)}; there are files, {', '.join(c.name for c in CLIENTS)}")
    return chosen

def files_run(options, points):
    """Log directories that go from us to Apache Kafka and back; its line for the result file."""
    began, first = time.monotonic(), len(points.lines)
    failed = points.failed
    files.run(points, options.dlogd)
    return {"name": "compat files", "duration": round(time.monotonic() - began, 1),
            "result": "FAIL" if points.failed > failed else "OK",
            "stdout": "\n".join(points.lines[first:]) + "\n"}

def readers_of(options):
    """Who reads what another client wrote: librdkafka, with --full everyone who can."""
    readers = {}
    for client in CLIENTS if options.full else [READER]:
        # kcat prints header bytes raw, so it reads only what kcat wrote.
        if client.consumes and client.name != "kcat":
            try:
                readers[client.name] = client.setup()
            except cache.Unavailable as why:
                print(f"# {client.name} reads nothing: {why}", file=sys.stderr, flush=True)
    return readers

def main():
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clients", nargs="*")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--dlogd")
    where.add_argument("--broker")
    where.add_argument("--oracle", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    os.makedirs(cache.FOLDER, exist_ok=True)
    clients, readers = clients_of(options.clients), readers_of(options)
    points = tap.Tap()
    if options.oracle:      # one for all: it needs ten seconds to start
        with broker_of(options) as running:
            broker = Given(running.bootstrap)
            lines = [client_run(client, options, broker, readers, points) for client in clients]
    else:
        lines = [client_run(client, options, None, readers, points) for client in clients]
    if options.dlogd and (not options.clients or "files" in options.clients or "registry" in options.clients):
        lines.append(files_run(options, points))
    status = points.done()
    for line in lines:
        print(f"# {line['result']:4} {line['name']} in {line['duration']} s")
    print(f"# compat: {points.count - points.failed - points.skipped} passed, {points.failed} failed, "
          f"{points.skipped} skipped")
    if options.json:
        with open(options.json, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    return status

if __name__ == "__main__":
    sys.exit(main())
