#!/usr/bin/python3
"""dlog against a real broker: what it prints, what it stores, and how it fails.

    test_cli.py PROGRAM --dlog DLOG
"""
import json, os, random, signal, subprocess, sys, tempfile, time

import confluent_kafka as ck

from common import Tap, arguments, broker, port_free, require

DONE, FAILED, USAGE = 0, 1, 2
TIMEOUT_S = 60
LINES = 200_000
INSTRUMENTED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ
RSS_MAX = (1000 if INSTRUMENTED else 160) << 20     # produce and consume, whatever the size of the input

class Cli:
    """dlog with the address of one broker."""
    def __init__(self, program, bootstrap):
        self.program = os.path.abspath(program)
        self.environment = {**os.environ, "DLOG_BROKER": bootstrap, "LC_ALL": "C.UTF-8"}

    def start(self, *words, **options):
        return subprocess.Popen([self.program, *words], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=options.pop("stdin", subprocess.DEVNULL), **options)

    def run(self, *words, code=DONE, data=None):
        """Standard output as bytes; with a code other than 0, standard error as text."""
        ended = subprocess.run([self.program, *words], env=self.environment, input=data or b"",
                               capture_output=True, timeout=TIMEOUT_S)
        require(ended.returncode == code, f"dlog {' '.join(words)}: exit code {ended.returncode}, not {code}: "
                f"{ended.stdout[:500]!r} {ended.stderr.decode()[:500]}")
        return ended.stdout if code == DONE else ended.stderr.decode()

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def records(self, *words):
        return [json.loads(line) for line in self.run("consume", *words, "--json").splitlines()]

def topics(cli, node):
    require(cli.run("topic", "create", "orders", "-p", "3", "-c", "retention.ms=86400000",
                    "--config=max.message.bytes=2000000") == b"created orders\n", "create")
    require(cli.run("topic", "create", "a", "b", "--partitions", "1").split() == b"created a created b".split(), "two")
    listed = {topic["name"]: topic for topic in cli.json("topic", "list")}
    require(listed["orders"] == {"name": "orders", "partitions": 3, "replication": 1}, f"{listed}")
    require({"a", "b"} <= set(listed), f"{listed}")
    table = cli.run("topic", "list").decode().splitlines()
    require(table[0].split() == ["NAME", "PARTITIONS", "REPLICATION"], table[0])
    require(["orders", "3", "1"] in [line.split() for line in table], f"{table}")
    require("\x1b" not in "".join(table), "colour where there is no terminal")

def describe(cli, node):
    [orders] = cli.json("topic", "describe", "orders")
    require([p["partition"] for p in orders["partitions"]] == [0, 1, 2], f"{orders}")
    for p in orders["partitions"]:
        require(p["replicas"] == p["isr"] == [p["leader"]], f"{p}")
        require((p["start_offset"], p["end_offset"]) == (0, 0), f"{p}")
    for name, value in (("retention.ms", "86400000"), ("max.message.bytes", "2000000")):
        require(orders["settings"].get(name) == value, f"{orders['settings']}")
    text = cli.run("topic", "describe", "orders", "a").decode()
    for word in ("orders: 3 partitions", "retention.ms", "86400000", "a: 1 partition\n"):
        require(word in text, text)

def delete(cli, node):
    require(cli.run("topic", "delete", "a", "b").split() == b"deleted a deleted b".split(), "delete")
    require(not {"a", "b"} & {topic["name"] for topic in cli.json("topic", "list")}, "still there")
    said = cli.run("topic", "delete", "a", code=FAILED)
    require("cannot delete topic a: it does not exist" in said, said)

def keys_and_headers(cli, node):
    data = "".join(f"key{i}:välue {i}\n" for i in range(500)) + ":empty key\nno key\n\n"
    cli.run("produce", "orders", "--key-separator", ":", "-H", "h=1", "-H", "h=2", "-H", "e=", data=data.encode())
    records = cli.records("orders")
    require(len(records) == 503, f"{len(records)} records")
    sent = {(f"key{i}", f"välue {i}") for i in range(500)} | {("", "empty key"), (None, "no key"), (None, "")}
    require({(r["key"], r["value"]) for r in records} == sent, "other records than sent")
    headers = [{"name": "h", "value": "1"}, {"name": "h", "value": "2"}, {"name": "e", "value": ""}]
    require(all(r["headers"] == headers for r in records), f"{records[0]}")
    require(all(abs(r["timestamp"] / 1000 - time.time()) < 600 for r in records), f"{records[0]}")
    for partition in range(3):      # per partition: every offset, in order
        offsets = [r["offset"] for r in records if r["partition"] == partition]
        require(offsets == list(range(len(offsets))), f"partition {partition}: {offsets[:5]}")
    ends = {p["partition"]: p["end_offset"] for p in cli.json("topic", "describe", "orders")[0]["partitions"]}
    require(sum(ends.values()) == 503, f"{ends}")

def murmur2(cli, node):
    """As Java's partitioner: these are the values of Utils.murmur2 in its own test."""
    known = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
             "a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971}
    cli.run("topic", "create", "murmur2", "-p", "7")
    cli.run("produce", "murmur2", "-K", "=", data="".join(f"{key}=\n" for key in known).encode())
    for record in cli.records("murmur2"):
        expected = (known[record["key"]] & 0x7FFFFFFF) % 7
        require(record["partition"] == expected, f"{record['key']} in {record['partition']}, not {expected}")

def places(cli, node):
    cli.run("topic", "create", "places", "-p", "2")
    cli.run("produce", "places", "-p", "1", data=b"".join(b"%d\n" % i for i in range(10)))
    between_ms = int(time.time() * 1000) + 1
    time.sleep(0.05)
    cli.run("produce", "places", "-p", "1", data=b"10\n11\n")
    for words, expected in (((), range(12)), (("--from", "start"), range(12)), (("--from", "end"), ()),
                            (("--from", "7"), range(7, 12)), (("-o", "-3"), range(9, 12)), (("-o", "-99"), range(12)),
                            (("-o", f"@{between_ms}"), (10, 11)), (("-o", "@-1h"), range(12)),
                            (("-o", "@2100-01-01"), ()), (("-n", "4"), range(4)), (("-p", "0"), ()),
                            (("-p", "1", "-o", "12"), ())):
        got = cli.run("consume", "places", *words).split()
        require(got == [b"%d" % i for i in expected], f"{words}: {got}")
    got = cli.run("consume", "places", "-n", "1", "--format", r"%t %p %o %K %V %h|\x41\t%%")
    require(got == b"places 1 0 -1 1 |A\t%", f"{got}")

def bytes_of_any_kind(cli, node):
    cli.run("topic", "create", "bytes", "-p", "1")
    values = [bytes([i]) * 3 for i in range(256) if i != 10] + [b"", b"\r", b"a\0b", b"x" * 700_000]
    cli.run("produce", "bytes", data=b"\n".join(values))        # the last line lacks its newline
    require(cli.run("consume", "bytes") == b"".join(value + b"\n" for value in values), "other bytes")
    records = cli.records("bytes")
    require(records[0x41]["value"] == "BBB" and records[0xFF - 1]["value_base64"] == "////", f"{records[0xFE]}")

def compression(cli, node):
    cli.run("topic", "create", "packed", "-p", "1")
    line = b"the same again and again " * 20
    for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
        cli.run("produce", "packed", "-z", kind, data=b"%s %s\n" % (kind.encode(), line) * 50)
    got = cli.run("consume", "packed").splitlines()
    kinds = {row.split()[0] for row in got}
    require(len(got) == 250 and kinds == {b"none", b"gzip", b"snappy", b"lz4", b"zstd"}, f"{len(got)} of {kinds}")
    for acks in ("0", "1", "all"):
        cli.run("produce", "packed", "--acks", acks, data=b"x\n")
    cli.run("produce", "packed", "--idempotent", "false", data=b"x\n")

def other_clients(cli, node):
    """What dlog wrote, others read, and the other way round."""
    producer = ck.Producer({"bootstrap.servers": node.bootstrap})
    producer.produce("shared", b"from python", b"k", headers=[("n", None), ("v", b"\xff")])
    producer.produce("shared", None, b"tombstone")
    require(producer.flush(30) == 0, "not delivered")
    first, second = cli.records("shared")
    require(first["headers"] == [{"name": "n", "value": None}, {"name": "v", "value_base64": "/w=="}], f"{first}")
    require(second["value"] is None and second["key"] == "tombstone", f"{second}")
    cli.run("produce", "shared", "-p", "0", "-k", "K", "-H", "x=y", data=b"from dlog\n")
    consumer = ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": "unused",
                            "enable.auto.commit": False})
    try:
        consumer.assign([ck.TopicPartition("shared", 0, 2)])
        message = consumer.poll(30)
        require(message and not message.error(), f"{message and message.error()}")
        require((message.key(), message.value(), message.headers()) == (b"K", b"from dlog", [("x", b"y")]), "record")
    finally:
        consumer.close()

def many_lines(cli, node):
    rng = random.Random(7)
    with tempfile.NamedTemporaryFile() as file:
        lines = [b"%d %s" % (i, b"v" * rng.randrange(150)) for i in range(LINES)]
        file.write(b"\n".join(lines) + b"\n")
        file.flush()
        cli.run("topic", "create", "many", "-p", "1")
        said = subprocess.run([cli.program, "produce", "many", "--file", file.name, "-v"], env=cli.environment,
                              capture_output=True, timeout=TIMEOUT_S, text=True)
        require(said.returncode == 0 and f"{LINES} records" in said.stderr, said.stderr)
    require(cli.run("consume", "many") == b"\n".join(lines) + b"\n", "other lines than produced")

def memory(cli, node):
    """An endless producer and a consumer whose output nobody takes stay small."""
    cli.run("topic", "create", "endless", "-p", "1")
    source = subprocess.Popen(["yes", "y" * 60], stdout=subprocess.PIPE)
    producer = cli.start("produce", "endless", stdin=source.stdout)
    source.stdout.close()
    try:
        time.sleep(2)
        consumer = cli.start("consume", "endless")
        try:
            time.sleep(2)
            for process in (producer, consumer):
                require(process.poll() is None, f"ended: {process.returncode}")
                with open(f"/proc/{process.pid}/status") as status:
                    kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
                require(kib << 10 < RSS_MAX, f"{' '.join(process.args[1:])}: {kib} KiB")
        finally:
            consumer.kill()
            consumer.communicate()
        producer.send_signal(signal.SIGINT)
        _, said = producer.communicate(timeout=TIMEOUT_S)
        require(producer.returncode == FAILED and b"interrupted after" in said, f"{producer.returncode} {said}")
    finally:
        for process in (source, producer):
            process.kill()
            process.wait()

def closed_pipe(cli, node):
    reader = cli.start("consume", "many")
    require(reader.stdout.readline().startswith(b"0 "), "first line")
    reader.stdout.close()
    said = reader.stderr.read()
    require(reader.wait(TIMEOUT_S) == DONE and said == b"", f"{reader.returncode} {said}")
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([cli.program, "consume", "many"], env=cli.environment, stdout=full,
                               stderr=subprocess.PIPE, timeout=TIMEOUT_S)
    require(ended.returncode == FAILED and b"No space left" in ended.stderr, f"{ended}")

def follow(cli, node):
    cli.run("topic", "create", "live", "-p", "2")
    reader = cli.start("consume", "live", "--follow")
    writer = cli.start("produce", "live", stdin=subprocess.PIPE)
    try:
        for i in range(5):          # line by line: what is typed arrives, not only what ends
            writer.stdin.write(b"%d\n" % i)
            writer.stdin.flush()
            require(reader.stdout.readline() == b"%d\n" % i, f"line {i}")
        writer.stdin.close()
        require(writer.wait(TIMEOUT_S) == DONE, f"{writer.stderr.read()}")
        reader.send_signal(signal.SIGTERM)
        require(reader.wait(TIMEOUT_S) == DONE and reader.stderr.read() == b"", "end of --follow")
    finally:
        for process in (reader, writer):
            process.kill()
            process.wait()

def auto_create(cli, node):
    cli.run("produce", "made-by-produce", data=b"x\n")
    require(cli.run("consume", "made-by-produce") == b"x\n", "record")
    cli.run("consume", "not-made-by-consume", code=FAILED)
    cli.run("topic", "describe", "not-made-by-describe", code=FAILED)
    names = {topic["name"] for topic in cli.json("topic", "list")}
    require("made-by-produce" in names and not names & {"not-made-by-consume", "not-made-by-describe"}, f"{names}")

def failures(cli, node):
    for words, said in ((("consume", "nope"), "topic nope does not exist; create it with `dlog topic create nope`"),
                        (("topic", "describe", "nope"), "topic nope does not exist"),
                        (("consume", "orders", "-p", "3"), "topic orders has no partition 3: there are 3, from 0"),
                        (("produce", "orders", "-p", "3"), "topic orders has no partition 3: there are 3, from 0"),
                        (("produce", "orders", "-f", "/no/such/file"), "cannot read /no/such/file: No such file"),
                        (("consume", "orders", "-p", "0", "-o", "99999"), "orders/0 has no offset 99999"),
                        (("topic", "create", "orders"), "cannot create topic orders: it exists already"),
                        (("topic", "create", "x", "-r", "3"), "cannot create topic x"),
                        (("topic", "create", "x", "-c", "no.such=1"), "no.such"),
                        (("topic", "create", "bad name"), "cannot create topic bad name")):
        text = cli.run(*words, code=FAILED)
        require(said in text and text.startswith("dlog: "), f"{words}: {text}")
    require(cli.run("topic", "create", "orders", "--if-not-exists") == b"exists orders\n", "--if-not-exists")

def too_large(cli, node):
    cli.run("topic", "create", "small", "-p", "1", "-c", "max.message.bytes=1000")
    data = b"ok\n" + b"x" * 2000 + b"\nok\n"
    said = cli.run("produce", "small", "-X", "batch.num.messages=1", data=data, code=FAILED)
    require("1 of 3 records were not delivered to small: 1 larger than the topic's max.message.bytes (it is line 2)"
            in said, said)
    require(cli.run("consume", "small") == b"ok\nok\n", "the others")

def usage(cli, node):
    for words in ((), ("topic",), ("nope",), ("topic", "create"), ("topic", "list", "x"), ("produce",),
                  ("produce", "t", "--nope"), ("consume", "t", "--from", "x"), ("produce", "t", "--acks", "7"),
                  ("topic", "create", "t", "--partitions", "many"), ("topic", "list", "-X", "a.b=c")):
        require("dlog" in cli.run(*words, code=USAGE), f"{words}")
    for words in (("--help",), ("topic", "--help"), ("topic", "create", "--help"), ("consume", "-h"), ("--version",)):
        require(b"dlog" in cli.run(*words), f"{words}")

def nobody_there(cli, node):
    port = port_free()
    for words in (("topic", "list"), ("topic", "describe", "a", "b"), ("produce", "a"), ("consume", "a")):
        began = time.monotonic()
        said = cli.run(*words, "--broker", f"localhost:{port}", code=FAILED)
        require(said == f"dlog: cannot reach localhost:{port}: is dlogd running? start it with `dlogd` or pass "
                "--broker\n", said)
        require(time.monotonic() - began < 8, "slow to say so")

def restart(cli, node):
    """A broker that goes away and comes back while records are on their way costs none."""
    cli.run("topic", "create", "restart", "-p", "1")
    writer = cli.start("produce", "restart", stdin=subprocess.PIPE)
    try:
        for i in range(3000):
            writer.stdin.write(b"%d\n" % i)
            if i == 1500:
                writer.stdin.flush()
                node.kill()
                node.start()
        writer.stdin.close()
        code = writer.wait(TIMEOUT_S)
        require(code == DONE, f"exit code {code}: {writer.stderr.read()}")
    finally:
        writer.kill()
        writer.wait()
    got = cli.run("consume", "restart").split()
    require(got == [b"%d" % i for i in range(3000)], f"{len(got)} records")

def main():
    args = arguments(__doc__, lambda parser: parser.add_argument("--dlog", required=True))
    points = Tap()
    with broker(args) as node:
        cli = Cli(args.dlog, node.bootstrap)
        for test in (usage, nobody_there, topics, describe, delete, keys_and_headers, murmur2, places,
                     bytes_of_any_kind, compression, other_clients, many_lines, memory, closed_pipe, follow,
                     auto_create, failures, too_large):
            points.run(test.__name__.replace("_", " "), test, cli, node)
        if not args.oracle:
            points.run("restart", restart, cli, node)
    return points.done()

sys.exit(main())
