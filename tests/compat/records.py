"""records: the records that every client writes and reads, and the text form they travel in.

One record a line, tab-separated: partition, timestamp in ms, key, value, headers. Bytes are hex,
null is "-", nothing is empty. Headers are name=value joined by commas. What a consumer prints has
the offset in front. Every language can read and write that without a library.
"""
import random, time
from dataclasses import dataclass, replace

PARTITIONS = 3

@dataclass
class Record:
    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    offset: int = -1

def encode_bytes(data):
    return "-" if data is None else data.hex()

def decode_bytes(text):
    return None if text == "-" else bytes.fromhex(text)

def encode(record, with_offset=False):
    headers = ",".join(f"{name}={encode_bytes(value)}" for name, value in record.headers)
    line = "\t".join([str(record.partition), str(record.timestamp), encode_bytes(record.key),
                      encode_bytes(record.value), headers])
    return f"{record.offset}\t{line}" if with_offset else line

def decode(line, with_offset=False):
    fields = line.rstrip("\n").split("\t")
    offset = int(fields.pop(0)) if with_offset else -1
    headers = tuple((name, decode_bytes(value)) for name, value in
                    (pair.split("=", 1) for pair in fields[4].split(",") if pair))
    return Record(int(fields[0]), int(fields[1]), decode_bytes(fields[2]), decode_bytes(fields[3]),
                  headers, offset)

def file_write(path, records):
    with open(path, "w") as file:
        file.writelines(encode(record) + "\n" for record in records)

def file_read(path):
    with open(path) as file:
        return [decode(line) for line in file]

WORDS = b"the quick brown fox jumps over a lazy commit log and comes back byte for byte".split()

def text_of(rng, size):
    out = []
    while sum(map(len, out)) < size:
        out.append(rng.choice(WORDS))
    return b" ".join(out)

def value_of(rng, i):
    if i % 11 == 3:
        return None
    if i % 13 == 5:
        return b""
    if i % 100 == 50:
        return rng.randbytes(100_000) if i % 200 == 50 else text_of(rng, 2_000) * 100
    return rng.randbytes(rng.randrange(1, 2000)) if i % 2 else text_of(rng, rng.randrange(1, 2000))

def headers_of(rng, i, null_header, duplicate_header):
    headers = [(f"h{n}", rng.randbytes(rng.randrange(1, 40))) for n in range(i % 4)]
    if i % 4 == 3:
        if null_header:
            headers.append(("nothing", None))
        if duplicate_header:
            headers.append(("h0", b"again"))
    return tuple(headers)

def binary(count, seed, null_header=True, duplicate_header=True, null_record=True):
    """Every kind of bytes, null and empty ones, headers, timestamps that go back now and then."""
    rng = random.Random(seed)
    base = int(time.time() * 1000) - 3_600_000
    out = []
    for i in range(count):
        value = value_of(rng, i)
        null_key = i % 7 == 2 and (null_record or value is not None)
        out.append(Record(i % PARTITIONS, base + i * 7 - (i % 5) * 100,
                          None if null_key else rng.randbytes(rng.randrange(1, 64)), value,
                          headers_of(rng, i, null_header, duplicate_header)))
    return out

def text(count, seed):
    """What a program that reads lines can send: no timestamp, the same header everywhere."""
    rng = random.Random(seed)
    return [Record(i % PARTITIONS, -1, text_of(rng, 10) + str(i).encode(), text_of(rng, rng.randrange(1, 2000)) if i % 11 else None,
                   (("source", b"line"),)) for i in range(count)]

def short(data):
    if data is None:
        return "null"
    return data.hex() if len(data) <= 32 else f"{data[:24].hex()}... ({len(data)} bytes)"

def describe(record):
    headers = " ".join(f"{name}={short(value)}" for name, value in record.headers)
    return (f"partition {record.partition} offset {record.offset} timestamp {record.timestamp} "
            f"key {short(record.key)} value {short(record.value)} headers {headers}")

def compare(sent, received):
    """Raises AssertionError unless RECEIVED is SENT, in order per partition and without a gap."""
    for partition in range(PARTITIONS):
        want = [r for r in sent if r.partition == partition]
        have = [r for r in received if r.partition == partition]
        for i, (a, b) in enumerate(zip(want, have)):
            a = replace(a, offset=i, timestamp=b.timestamp if a.timestamp < 0 else a.timestamp)
            assert a == b, f"record {i} differs:\n  sent     {describe(a)}\n  received {describe(b)}"
        assert len(want) == len(have), f"partition {partition}: sent {len(want)}, received {len(have)}"
    assert len(sent) == len(received), f"sent {len(sent)}, received {len(received)}"
