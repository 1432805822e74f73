"""wire: Kafka frames by hand, for what no decent client would send.

Only what the tests need: ApiVersions, Metadata, Produce, Fetch and ListOffsets in one old, not
flexible version each, record batches (magic 2), and raw bytes. Errors of the socket are OSError;
a connection that the peer closed is Closed, which is one.
"""
import socket, struct, time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS = 0, 1, 2, 3, 18, 19
FRAME_SIZE_MAX = 64 * 1024 * 1024

class Closed(OSError):
    """The peer closed the connection."""

def crc32c_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table

CRC32C_TABLE = crc32c_table()

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF

def varint(number):
    """Zigzag."""
    return uvarint((number << 1) ^ (number >> 63))

def uvarint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">h", len(data)) + data

def record(offset_delta, value, key=None):
    body = b"\0" + varint(0) + varint(offset_delta)
    body += varint(-1) if key is None else varint(len(key)) + key
    body += varint(-1) if value is None else varint(len(value)) + value
    body += varint(0)
    return varint(len(body)) + body

def batch(values, count=None, length_delta=0, crc_delta=0, magic=2, codec=0, producer_id=-1,
          producer_epoch=-1, base_sequence=-1, now_ms=None):
    """A record batch of VALUES; the named arguments make it lie."""
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    count_true = len(values)
    count = count_true if count is None else count
    tail = struct.pack(">hiqqqhii", codec, count - 1, now_ms, now_ms, producer_id, producer_epoch,
                       base_sequence, count)
    tail += b"".join(record(i, value) for i, value in enumerate(values))
    crc = (crc32c(tail) + crc_delta) & 0xFFFFFFFF
    return struct.pack(">qiibI", 0, len(tail) + 9 + length_delta, -1, magic, crc) + tail

def batch_codecs(data):
    """The codec ids of the whole batches in DATA."""
    codecs, pos = set(), 0
    while pos + 23 <= len(data):
        codecs.add(struct.unpack_from(">h", data, pos + 21)[0] & 7)
        pos += 12 + struct.unpack_from(">i", data, pos + 8)[0]
    return codecs

def header(key, version, correlation_id=1, client_id="raw"):
    return struct.pack(">hhi", key, version, correlation_id) + string(client_id)

def frame(body):
    return struct.pack(">i", len(body)) + body

def produce_body(topic, records, partition=0, acks=-1, timeout_ms=5000):
    """Version 3."""
    return (struct.pack(">hhi", -1, acks, timeout_ms) + struct.pack(">i", 1) + string(topic)
            + struct.pack(">iii", 1, partition, len(records)) + records)

class Fields:
    """Reads big-endian fields off an answer."""
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, size):
        if self.pos + size > len(self.data):
            raise AssertionError(f"answer ends at {len(self.data)}, wanted {self.pos + size}")
        self.pos += size
        return self.data[self.pos - size:self.pos]

    def number(self, code):
        return struct.unpack(">" + code, self.take(struct.calcsize(">" + code)))[0]

    def i8(self): return self.number("b")
    def i16(self): return self.number("h")
    def i32(self): return self.number("i")
    def i64(self): return self.number("q")

    def string(self):
        size = self.i16()
        return None if size < 0 else self.take(size).decode()

    def left(self):
        return len(self.data) - self.pos

class Connection:
    def __init__(self, port, host="127.0.0.1", timeout_s=10):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise Closed(f"closed after {len(data)} of {size} bytes")
            data += part
        return bytes(data)

    def answer(self):
        """The bytes of the next frame, correlation id first."""
        size = struct.unpack(">i", self.receive(4))[0]
        assert 4 <= size <= FRAME_SIZE_MAX, f"frame of {size} bytes"
        return self.receive(size)

    def is_closed_within(self, timeout_s):
        """True once the peer closes or resets; what it sends before is thrown away."""
        end = time.monotonic() + timeout_s
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return True
            except socket.timeout:
                return False
            except OSError:
                return True

    def call(self, key, version, body=b""):
        self.correlation_id += 1
        self.send(frame(header(key, version, self.correlation_id) + body))
        fields = Fields(self.answer())
        got = fields.i32()
        assert got == self.correlation_id, f"correlation id {got}, sent {self.correlation_id}"
        return fields

    def api_versions(self, version=0):
        """(error, {key: (min, max)}) of a not flexible version."""
        fields = self.call(API_VERSIONS, version)
        return self.api_versions_read(fields)

    @staticmethod
    def api_versions_read(fields):
        error = fields.i16()
        keys = {}
        for _ in range(fields.i32()):
            key, low, high = fields.i16(), fields.i16(), fields.i16()
            keys[key] = (low, high)
        return error, keys

    def metadata(self, topic, create=False):
        """(topic error, {partition: (error, leader)}) from version 4."""
        fields = self.call(METADATA, 4, struct.pack(">i", 1) + string(topic) + bytes([create]))
        fields.i32()
        for _ in range(fields.i32()):
            fields.i32(), fields.string(), fields.i32(), fields.string()
        fields.string(), fields.i32()
        topics = {}
        for _ in range(fields.i32()):
            error, name = fields.i16(), fields.string()
            fields.i8()
            partitions = {}
            for _ in range(fields.i32()):
                partition_error, index, leader = fields.i16(), fields.i32(), fields.i32()
                for _ in range(2):
                    for _ in range(fields.i32()):
                        fields.i32()
                partitions[index] = (partition_error, leader)
            topics[name] = (error, partitions)
        return topics[topic]

    def topic_ready(self, topic, timeout_s=20):
        """Creates TOPIC by asking for it; returns how many partitions it has once all have a leader."""
        end = time.monotonic() + timeout_s
        while True:
            error, partitions = self.metadata(topic, create=True)
            if error == 0 and partitions and all(e == 0 and leader >= 0 for e, leader in partitions.values()):
                errors = [self.end_offset(topic, p)[0] for p in partitions]
                if not any(errors):
                    return len(partitions)
                error = max(errors)
            assert time.monotonic() < end, f"topic {topic} not ready: error {error}, {partitions}"
            time.sleep(0.05)

    def produce(self, topic, records, partition=0, acks=-1):
        """(error, base offset) from version 3."""
        fields = self.call(PRODUCE, 3, produce_body(topic, records, partition, acks))
        assert fields.i32() == 1
        fields.string()
        assert fields.i32() == 1
        fields.i32()
        return fields.i16(), fields.i64()

    def fetch(self, topic, offset, partition=0, max_wait_ms=100, size_max=1 << 20):
        """(error, high watermark, record bytes) from version 4."""
        body = struct.pack(">iiiib", -1, max_wait_ms, 1, size_max, 0) + struct.pack(">i", 1) + string(topic)
        body += struct.pack(">iiqi", 1, partition, offset, size_max)
        fields = self.call(FETCH, 4, body)
        fields.i32()
        if fields.i32() == 0:
            return 0, -1, b""
        fields.string()
        assert fields.i32() == 1
        fields.i32()
        error, high_watermark = fields.i16(), fields.i64()
        fields.i64()
        for _ in range(max(0, fields.i32())):
            fields.take(16)
        size = fields.i32()
        return error, high_watermark, fields.take(max(0, size))

    def end_offset(self, topic, partition=0, timestamp=-1):
        """(error, offset) from ListOffsets version 1."""
        body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">iiq", 1, partition, timestamp)
        fields = self.call(LIST_OFFSETS, 1, body)
        assert fields.i32() == 1
        fields.string()
        assert fields.i32() == 1
        fields.i32()
        error = fields.i16()
        fields.i64()
        return error, fields.i64()
