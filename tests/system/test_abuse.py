#!/usr/bin/python3
"""Bad input over raw sockets: the right error or a closed connection, never more.

    test_abuse.py PROGRAM

One node takes all of it. After each point the process lives, its memory stays within RSS_GROWTH_MAX
of where it started, and another client, connected since before, produces and fetches.
"""
import os, random, resource, socket, struct, sys, time

from common import Oracle, Tap, arguments, broker, require, wire

MIB = 1 << 20
RSS_GROWTH_MAX = 96 * MIB       # for everything together; the largest request may be 100 MiB
CLOSE_WITHIN_S = 5
IDLE_CONNECTIONS = 2000
FILES_MAX = 20_000
MESSAGE_MAX = 1048588           # Kafka's default of message.max.bytes

CORRUPT_MESSAGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TOPIC = 2, 3, 10, 17
UNSUPPORTED_VERSION, UNSUPPORTED_FORMAT, UNSUPPORTED_COMPRESSION, INVALID_RECORD = 35, 43, 76, 87

def is_oracle(node):
    return isinstance(node, Oracle)

class Witness:
    """The well-behaved client that must not notice anything."""
    def __init__(self, node):
        self.port, self.count = node.port, 0
        self.connection = wire.Connection(node.port)
        self.connection.topic_ready("witness")

    def look(self):
        value = b"witness %d" % self.count
        error, offset = self.connection.produce("witness", wire.batch([value]))
        require((error, offset) == (0, self.count), f"produce: error {error}, offset {offset}")
        error, _, data = self.connection.fetch("witness", offset)
        require(error == 0 and value in data, f"fetch: error {error}, {len(data)} bytes")
        self.count += 1
        with wire.Connection(self.port) as newcomer:
            require(newcomer.api_versions()[0] == 0, "a new connection is not served")

def expect_closed(port, data, finish=False):
    """DATA must get the connection closed by the peer."""
    with wire.Connection(port) as connection:
        try:
            connection.send(data)
            if finish:
                connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return              # closed while we were still sending
        require(connection.is_closed_within(CLOSE_WITHIN_S), f"not closed within {CLOSE_WITHIN_S} s")

def random_bytes(node):
    rng = random.Random(1)
    for _ in range(30):
        expect_closed(node.port, struct.pack(">I", rng.randrange(0x20000000, 1 << 32)) + rng.randbytes(4096))
    for _ in range(30):         # frames of the right size, full of anything
        expect_closed(node.port, wire.frame(b"\x7f" + rng.randbytes(rng.randrange(20, 4096))))

def random_bodies(node):
    """A right header and then anything: an error or a closed connection, whatever it means."""
    rng = random.Random(2)
    with wire.Connection(node.port) as connection:
        keys = connection.api_versions()[1]
    for key, (low, high) in sorted(keys.items()):
        if key == wire.CREATE_TOPICS:
            continue            # random bytes that made a topic would not be wrong
        for _ in range(6):
            version = rng.randrange(low, high + 1)
            with wire.Connection(node.port) as connection:
                connection.send(wire.frame(wire.header(key, version) + b"\0" + rng.randbytes(rng.randrange(200))))
                connection.socket.shutdown(socket.SHUT_WR)
                require(connection.is_closed_within(CLOSE_WITHIN_S), f"key {key} version {version}: not closed")

def http_request(node):
    expect_closed(node.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lost\r\n\r\n")

def huge_frame(node):
    for size in (0x7FFFFFFF, 0x7FFFFFF0, 0x40000000):
        expect_closed(node.port, struct.pack(">i", size) + b"\0" * 1000)

def negative_size(node):
    for size in (-1, -2, -(1 << 31)):
        expect_closed(node.port, struct.pack(">i", size) + b"\0" * 100)

def tiny_frame(node):
    for size in range(0, 8):
        expect_closed(node.port, struct.pack(">i", size) + b"\0" * size)

def bytes_after_metadata(node):
    """What librdkafka 2.16 sends when it asks for all topics, and Kafka answers."""
    with wire.Connection(node.port) as connection:
        connection.call(wire.METADATA, 13, b"\0" + bytes.fromhex("00000000010000"))
        connection.call(wire.METADATA, 4, struct.pack(">i", 0) + b"\0" + b"more")

def truncated(node):
    whole = wire.frame(wire.header(wire.METADATA, 4) + struct.pack(">i", 1) + wire.string("witness") + b"\0")
    for size in (1, 3, 4, 5, 10, len(whole) - 1):
        expect_closed(node.port, whole[:size], finish=True)
    for size in range(4, len(whole) - 4, 3):    # the frame is whole, what it says is not
        body = whole[4:4 + size]
        expect_closed(node.port, wire.frame(body))

def unknown_api(node):
    for key in (999, 32767, -1):
        expect_closed(node.port, wire.frame(wire.header(key, 0)))

def unknown_version(node):
    for key, version in ((wire.METADATA, 99), (wire.PRODUCE, 2), (wire.FETCH, 0), (wire.FETCH, -1),
                         (wire.LIST_OFFSETS, 1000)):
        expect_closed(node.port, wire.frame(wire.header(key, version)) )

def api_versions_unknown(node):
    with wire.Connection(node.port) as connection:
        software = b"\0" + wire.uvarint(4) + b"raw" + wire.uvarint(2) + b"1" + b"\0"
        for version in (99, 32767):
            fields = connection.call(wire.API_VERSIONS, version, software)  # header v0: no tagged fields
            error, keys = connection.api_versions_read(fields)
            require(error == UNSUPPORTED_VERSION, f"error {error}")
            require(wire.API_VERSIONS in keys, f"does not say which versions there are: {keys}")
            require(fields.left() == 0, f"{fields.left()} bytes after a v0 body")
            require(connection.api_versions()[0] == 0, "the same connection is not served any more")

def tagged_fields(node):
    # Apache Kafka takes 2^31 for a negative number and that for none: it gets one less.
    count = wire.uvarint((1 << 31) - is_oracle(node))
    header = wire.header(wire.API_VERSIONS, 3)
    expect_closed(node.port, wire.frame(header + count))
    expect_closed(node.port, wire.frame(header + count + b"\0\xff\xff\xff\xff\x07" + b"\0" * 100))
    software = wire.uvarint(4) + b"raw" + wire.uvarint(2) + b"1"
    expect_closed(node.port, wire.frame(header + b"\0" + software + count))
    expect_closed(node.port, wire.frame(wire.header(wire.METADATA, 12) + count))
    expect_closed(node.port, wire.frame(wire.header(wire.PRODUCE, 9) + b"\xff" * 10))

def array_counts(node):
    """2^31 - 1 elements announced, none there."""
    for count in (0x7FFFFFFF, 0x10000000, 100_000, -2):
        expect_closed(node.port, wire.frame(wire.header(wire.METADATA, 4) + struct.pack(">i", count)), finish=True)
        body = struct.pack(">hhii", -1, -1, 1000, count)
        expect_closed(node.port, wire.frame(wire.header(wire.PRODUCE, 3) + body), finish=True)
    big = wire.uvarint(0xFFFFFFFF)
    expect_closed(node.port, wire.frame(wire.header(wire.METADATA, 12) + b"\0" + big), finish=True)

def announced_not_sent(node):
    """Three hundred frames of almost 100 MiB announced: memory is for what arrived."""
    before = node.rss_bytes()
    connections = [wire.Connection(node.port) for _ in range(300)]
    try:
        for connection in connections:
            connection.send(struct.pack(">i", 99 * MIB) + wire.header(wire.PRODUCE, 3) + b"\0" * 1000)
        time.sleep(1)
        return before, node.rss_bytes()
    finally:
        for connection in connections:
            connection.close()

def bad_batches(node):
    good = [b"some", b"values"]
    damaged = {CORRUPT_MESSAGE, INVALID_RECORD} | ({-1} if is_oracle(node) else set())
    cases = [("crc", {"crc_delta": 1}, {CORRUPT_MESSAGE}),
             ("length one more", {"length_delta": 1}, damaged), ("length one less", {"length_delta": -1}, damaged),
             ("length huge", {"length_delta": 1 << 30}, damaged), ("length negative", {"length_delta": -(1 << 30)}, damaged),
             ("count one more", {"count": 3}, damaged), ("count one less", {"count": 1}, damaged),
             ("count huge", {"count": 0x7FFFFFFF}, damaged), ("count zero", {"count": 0}, damaged),
             ("count negative", {"count": -5}, damaged),
             ("magic 1", {"magic": 1}, damaged | {UNSUPPORTED_FORMAT}),
             ("magic 3", {"magic": 3}, damaged | {UNSUPPORTED_FORMAT}),
             ("codec 7", {"codec": 7}, damaged | {UNSUPPORTED_COMPRESSION}),
             ("not gzip", {"codec": 1}, damaged | {UNSUPPORTED_COMPRESSION}),
             ("not zstd", {"codec": 4}, damaged | {UNSUPPORTED_COMPRESSION})]
    with wire.Connection(node.port) as connection:
        connection.topic_ready("batches")
        for name, lie, allowed in cases:
            error, _ = connection.produce("batches", wire.batch(good, **lie))
            require(error in allowed, f"{name}: error {error}, not one of {sorted(allowed)}")
        error, _ = connection.produce("batches", wire.batch(good)[:40])
        require(error in damaged, f"a batch that ends early: error {error}")
        error, _ = connection.produce("batches", b"\0" * 12)
        require(error in damaged, f"no batch at all: error {error}")
        error, offset = connection.end_offset("batches")
        require((error, offset) == (0, 0), f"something of it was stored: end offset {offset}")
        require(connection.produce("batches", wire.batch(good)) == (0, 0), "a good batch is refused")

def too_large(node):
    with wire.Connection(node.port) as connection:
        connection.topic_ready("large")
        error, _ = connection.produce("large", wire.batch([b"x" * MESSAGE_MAX], now_ms=0))
        require(error == MESSAGE_TOO_LARGE, f"error {error}")
        require(connection.end_offset("large") == (0, 0), "it was stored")

def topic_names(node):
    bad = ["", ".", "..", "a/b", "../evil", "/etc/evil", "a b", "a\0b", "a\nb", "caf\u00e9", "x" * 250, b"\xff\xfe"]
    with wire.Connection(node.port) as connection:
        for name in bad:
            try:
                fields = connection.call(wire.METADATA, 4, struct.pack(">i", 1) + wire.string(name) + b"\1")
            except OSError:
                require(isinstance(name, bytes), f"{name!r}: closed")   # not UTF-8: may close
                connection.close()
                connection.__init__(node.port)
                continue
            fields.i32()
            for _ in range(fields.i32()):
                fields.i32(), fields.string(), fields.i32(), fields.string()
            fields.string(), fields.i32(), fields.i32()
            error = fields.i16()
            require(error == INVALID_TOPIC, f"{name!r}: error {error}")
        for name in bad[:-1]:
            error, _ = connection.produce(name, wire.batch([b"x"]))
            require(error in (UNKNOWN_TOPIC, INVALID_TOPIC), f"produce to {name!r}: error {error}")
    inside = os.listdir(node.data)
    require(not [entry for entry in inside if "evil" in entry or entry.startswith("x" * 200)], str(inside))
    require(not os.path.exists(os.path.join(os.path.dirname(node.data), "evil-0")), "a topic left the data folder")

def never_reads(node, witness):
    """Asks for a great deal, many times over, and takes nothing."""
    with wire.Connection(node.port) as connection:
        connection.topic_ready("plenty")
        block = wire.batch([b"p" * 900_000])
        for _ in range(20):
            require(connection.produce("plenty", block)[0] == 0, "produce")
    body = struct.pack(">iiiib", -1, 100, 1, 50 * MIB, 0) + struct.pack(">i", 1) + wire.string("plenty")
    body += struct.pack(">iiqi", 1, 0, 0, 50 * MIB)
    request = wire.frame(wire.header(wire.FETCH, 4) + body)
    sockets = []
    for _ in range(5):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", node.port))
        one.setblocking(False)
        sockets.append(one)
    sent, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        for one in sockets:
            try:
                sent += one.send(request * 200)
            except OSError:
                pass
        witness.look()
    for one in sockets:
        one.close()
    return sent

def idle_connections(node, witness):
    sockets = []
    try:
        for i in range(IDLE_CONNECTIONS):
            sockets.append(socket.create_connection(("127.0.0.1", node.port), timeout=10))
            if i % 500 == 0:
                witness.look()
        for one in sockets[::10]:       # some have said something, some half of something
            one.sendall(wire.frame(wire.header(wire.API_VERSIONS, 0))[:random.Random(len(sockets)).choice((3, 9, 17))])
        witness.look()
        require(sockets[-1].send(wire.frame(wire.header(wire.API_VERSIONS, 0))) > 0 and sockets[-1].recv(4),
                "the last of them is not served")
    finally:
        for one in sockets:
            one.close()

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    points = Tap()
    with broker(args, {"num.partitions": 1}) as node:
        witness = Witness(node)
        witness.look()
        start = node.rss_bytes()
        def point(name, function, *more):
            def run():
                value = function(node, *more)
                require(node.alive(), "the process ended")
                witness.look()
                grown = node.rss_bytes() - start
                require(args.oracle or grown < RSS_GROWTH_MAX, f"memory grew by {grown / MIB:.1f} MiB")
                return value
            value = points.run(name, run)
            if node.alive():
                points.note(f"resident: {node.rss_bytes() / MIB:.1f} MiB")
            return value
        point("random bytes", random_bytes)
        point("random bodies behind a right header", random_bodies)
        point("an HTTP request", http_request)
        point("a frame of 2 GiB", huge_frame)
        point("a negative size", negative_size)
        point("frames too small for a header", tiny_frame)
        point("bytes after a request for metadata", bytes_after_metadata)
        point("truncated requests", truncated)
        point("an unknown API", unknown_api)
        point("unknown versions", unknown_version)
        point("ApiVersions of an unknown version", api_versions_unknown)
        point("2^31 tagged fields", tagged_fields)
        point("array counts that lie", array_counts)
        # Apache Kafka allocates what is announced and is out of memory after this one.
        rss = None if args.oracle else point("300 large frames announced", announced_not_sent)
        if rss:
            points.point(rss[1] - rss[0] < 32 * MIB, f"memory for them: {(rss[1] - rss[0]) / MIB:.1f} MiB")
        point("batches that lie", bad_batches)
        point("a batch larger than max.message.bytes", too_large)
        point("bad topic names", topic_names)
        point("clients that never read", never_reads, witness)
        point(f"{IDLE_CONNECTIONS} idle connections", idle_connections, witness)
        points.run("a clean stop after all that", node.stop)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
