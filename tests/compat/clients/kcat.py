#!/usr/bin/env python3
"""kcat: the same commands as confluent.py, of which it knows lines of text only."""
import os, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import records      # noqa: E402

WAIT_S = 60

def kcat(*args, stdin=b""):
    done = subprocess.run(["kcat", *args], input=stdin, capture_output=True, timeout=WAIT_S)
    sys.stderr.write(done.stderr.decode(errors="replace"))
    assert done.returncode == 0, f"kcat {' '.join(args)} ended with {done.returncode}"
    return done.stdout

def produce(bootstrap, topic, codec, path, mode=""):
    sent = records.file_read(path)
    headers = [part for name, value in sent[0].headers for part in ("-H", f"{name}={value.decode()}")]
    for partition in range(records.PARTITIONS):
        lines = b"".join(r.key + b"\t" + (r.value or b"") + b"\n" for r in sent if r.partition == partition)
        kcat("-P", "-b", bootstrap, "-t", topic, "-p", str(partition), "-z", codec, "-K", "\\t", "-Z", "-E", *headers,
             "-X", "linger.ms=20", "-X", f"enable.idempotence={'true' if mode == 'idempotent' else 'false'}",
             stdin=lines)

def number_take(data, pos):
    end = data.index(b"\n", pos)
    return int(data[pos:end]), end + 1

def consume(bootstrap, topic, count):
    for partition in range(records.PARTITIONS):
        data = kcat("-C", "-b", bootstrap, "-t", topic, "-p", str(partition), "-o", "beginning", "-e", "-q",
                    "-X", "check.crcs=true", "-f", "%p\\n%o\\n%T\\n%K\\n%S\\n%k%s%h\\n")
        pos = 0
        while pos < len(data):
            numbers = []
            for _ in range(5):
                number, pos = number_take(data, pos)
                numbers.append(number)
            index, offset, timestamp, key_size, value_size = numbers
            key = data[pos:pos + key_size] if key_size >= 0 else None
            pos += max(key_size, 0)
            value = data[pos:pos + value_size] if value_size >= 0 else None
            pos += max(value_size, 0)
            end = data.index(b"\n", pos)
            headers = tuple((name.decode(), content) for name, content in
                            (pair.split(b"=", 1) for pair in data[pos:end].split(b",") if pair))
            pos = end + 1
            print(records.encode(records.Record(index, timestamp, key, value, headers, offset), True))

def version():
    lines = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout.splitlines()
    print(next(line for line in lines if line.startswith("Version")))

if __name__ == "__main__":
    {"produce": produce, "consume": consume, "version": version}[sys.argv[1]](*sys.argv[2:])
