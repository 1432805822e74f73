#!/usr/bin/python3
"""dlog log: dump and verify on the directories of a real broker, whole, damaged, and in use.

    test_log_tools.py PROGRAM --dlog DLOG
"""
import base64, hashlib, json, os, random, shutil, stat, subprocess, sys, time, urllib.request

from common import Skip, Tap, arguments, broker, port_free, require, wire
from lib.folder import temporary

DONE, FAILED, USAGE, DAMAGED = 0, 1, 2, 3
TIMEOUT_S = 60
RECORDS = 3000
SETTINGS = {"log.segment.bytes": "20000", "log.index.interval.bytes": "1000"}

class Tool:
    def __init__(self, program, folder):
        self.program = os.path.abspath(program)
        self.folder = folder
        self.whole = os.path.join(folder, "whole")      # a data directory as a broker left it
        self.log = os.path.join(self.whole, "orders-0")
        self.copies = 0

    def run(self, *words, code=DONE, data=None, **options):
        """Standard output as bytes; with a code other than 0, both as text."""
        ended = subprocess.run([self.program, "log", *words], input=data or b"", capture_output=True,
                               timeout=TIMEOUT_S, **options)
        require(ended.returncode == code, f"dlog log {' '.join(words)}: exit code {ended.returncode}, not {code}: "
                f"{ended.stdout[:500]!r} {ended.stderr.decode()[:500]}")
        return ended.stdout if code == DONE else (ended.stdout + ended.stderr).decode()

    def copy(self):
        """A log of its own to break, alone in a data directory."""
        self.copies += 1
        path = os.path.join(self.folder, f"copy{self.copies}", "orders-0")
        shutil.copytree(self.log, path)
        return path

    def verify(self, path, code=DAMAGED):
        text = self.run("verify", "--json", path, code=code)
        return json.loads(text.splitlines()[0])

def flip(path, pos, bit=0):
    with open(path, "r+b") as file:
        file.seek(pos)
        byte = file.read(1)[0]
        file.seek(pos)
        file.write(bytes([byte ^ 1 << bit]))

def segments(log):
    return sorted(name for name in os.listdir(log) if name.endswith(".log"))

def print_of(path):
    """Names, bytes and times of everything below `path`."""
    found = []
    for folder, _, names in sorted(os.walk(path)):
        for name in sorted(names):
            full = os.path.join(folder, name)
            status = os.stat(full)
            with open(full, "rb") as file:
                found.append((full, status.st_size, status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest()))
        found.append((folder, os.stat(folder).st_mtime_ns))
    return found

def fill(args, tool):
    """A broker's data after an orderly stop, in many segments."""
    with broker(args, SETTINGS) as node:
        dlog = [tool.program, "-b", node.bootstrap]
        subprocess.run([*dlog, "topic", "create", "orders", "-p", "1"], check=True, capture_output=True)
        for first in range(0, RECORDS, 100):
            lines = "".join(f"key{i}:value {i} {'x' * (i % 40)}\n" for i in range(first, first + 100))
            subprocess.run([*dlog, "produce", "orders", "--key-separator", ":", "-H", "h=1"], check=True,
                           input=lines.encode(), capture_output=True)
        live = tool.run("verify", "-j", os.path.join(node.data, "orders-0"))
        require(json.loads(live)["end_offset"] == RECORDS, "verify while the broker runs")
        require(len(tool.run("dump", os.path.join(node.data, "orders-0")).splitlines()) == 30, "dump meanwhile")
        node.stop()
        shutil.copytree(node.data, tool.whole)
        node.start()
    require(len(segments(tool.log)) > 5, f"{segments(tool.log)}")

def whole(tool):
    before = print_of(tool.whole)
    result = tool.verify(tool.log, code=DONE)
    require(result["right"] and result["end_offset"] == RECORDS and result["batches"] == 30, f"{result}")
    require(result["segments"] == len(segments(tool.log)), f"{result}")
    lines = tool.run("verify", tool.whole).decode().splitlines()
    require([line.split(": ")[1] for line in lines] == ["right", "right"], f"{lines}")
    require(tool.run("verify", tool.log, tool.log).count(b"right") == 2, "twice")
    batches = [json.loads(line) for line in tool.run("dump", "-j", tool.log).splitlines()]
    require([b["offset"] for b in batches] == list(range(0, RECORDS, 100)), f"{batches[:3]}")
    require(sum(b["size"] for b in batches) == result["bytes"], "sizes")
    require(print_of(tool.whole) == before, "something was changed")

def records(tool):
    found = []
    for line in tool.run("dump", "-j", "-r", tool.log).splitlines():
        found += json.loads(line)["records"]
    for i, record in enumerate(found):
        require((record["offset"], record["key"], record["value"]) ==
                (i, f"key{i}", f"value {i} {'x' * (i % 40)}"), f"{record}")
        require(record["headers"] == [{"name": "h", "value": "1"}], f"{record}")
    require(len(found) == RECORDS, f"{len(found)} records")
    text = tool.run("dump", "-r", "-o", "1234", "-n", "2", tool.log).decode().splitlines()
    require(len(text) == 3 and text[0].startswith("offset 1200..1299 "), f"{text}")
    require("key=key1234 value=value 1234 " in text[1] and text[2].startswith("  1235 "), f"{text}")
    require(len(tool.run("dump", "-o", "1234", "-n", "2", tool.log).splitlines()) == 2, "two batches")
    require(tool.run("dump", "-o", "999999", tool.log) == b"", "behind the end")

def bits(tool):
    """Every flipped bit is found where it is, and the rest is dumped."""
    draw = random.Random(7)
    log = tool.copy()
    for i in range(150):
        name = draw.choice(segments(log))
        path = os.path.join(log, name)
        size = os.path.getsize(path)
        if size == 0:
            continue
        pos = draw.randrange(min(size, 61)) if i % 3 == 0 else draw.randrange(size)
        bit = draw.randrange(8)
        flip(path, pos, bit)
        result = tool.verify(log)
        [wrong] = result["ranges"]
        require(wrong["file"] == name and wrong["pos"] <= pos < wrong["end"], f"bit {bit} of {name} at {pos}: {wrong}")
        require(wrong["kind"] == "damage" and wrong["offset_end"] - wrong["offset"] == 100, f"{wrong}")
        if i % 10 == 0:
            lines = [json.loads(line) for line in tool.run("dump", "-j", log, code=DAMAGED).splitlines()]
            require([line["kind"] for line in lines].count("damage") == 1 and len(lines) == 30, f"{lines}")
            require([line["offset"] for line in lines] == list(range(0, RECORDS, 100)), "order")
        flip(path, pos, bit)
    tool.verify(log, code=DONE)

def lost(tool):
    log = tool.copy()
    names = segments(log)
    base = [int(name[:20]) for name in names] + [RECORDS]
    for i in (0, 2, len(names) - 2):
        path = os.path.join(log, names[i])
        os.rename(path, path + ".aside")
        [wrong] = tool.verify(log)["ranges"]
        require((wrong["kind"], wrong["offset"], wrong["offset_end"]) == ("lost", base[i], base[i + 1]), f"{wrong}")
        require("lost offset" in tool.run("dump", log, code=DAMAGED), "dump")
        os.rename(path + ".aside", path)
    path = os.path.join(log, names[1])
    os.truncate(path, os.path.getsize(path) - 1)
    wrong = tool.verify(log)["ranges"]
    require(wrong[0]["offset_end"] == base[2] and wrong[-1]["end"] == os.path.getsize(path), f"{wrong}")
    text = tool.run("verify", log, code=DAMAGED)
    require("DAMAGED" in text and names[1] in text, text)

def indexes(tool):
    log = tool.copy()
    name = segments(log)[1]
    for suffix in (".index", ".timeindex"):
        path = os.path.join(log, name[:20] + suffix)
        require(os.path.getsize(path) > 0, f"{suffix} is empty")
        flip(path, 3)
        result = tool.verify(log)
        require(result["ranges"] == [] and [f["file"] for f in result["files"]] == [name[:20] + suffix], f"{result}")
        flip(path, 3)
    tool.verify(log, code=DONE)

def foreign_files(tool):
    """What is nobody's is left alone and disturbs nobody."""
    log = tool.copy()
    for name in ("notes.txt", "00000000000000000000.log.bak", "x.log", "core"):
        with open(os.path.join(log, name), "w") as file:
            file.write("mine")
    os.mkdir(os.path.join(log, "00000000000000000007.log.d"))
    tool.verify(log, code=DONE)

def no_log(tool):
    empty = os.path.join(tool.folder, "empty")
    os.mkdir(empty)
    for verb in ("dump", "verify"):
        said = tool.run(verb, empty, code=FAILED)
        require("not a log" in said and "DATA/TOPIC-PARTITION" in said, said)
        said = tool.run(verb, os.path.join(tool.folder, "nowhere"), code=FAILED)
        require("there is no such directory" in said, said)
        require("DIR" in tool.run(verb, code=USAGE), "no directory given")
        require(b"Exit codes" in tool.run(verb, "--help") or verb == "dump", "help")
    require("--count 0" in tool.run("dump", tool.log, "-n", "0", code=USAGE), "count 0")

def denied(tool):
    if os.geteuid() == 0:
        raise Skip("root may read everything")
    log = tool.copy()
    path = os.path.join(log, segments(log)[1])
    os.chmod(path, 0)
    said = tool.run("verify", log, code=FAILED)
    require(segments(log)[1] in said and "permission denied" in said and "run this as" in said, said)
    os.chmod(path, stat.S_IRUSR)

def read_only(tool):
    """A directory that nobody may write to."""
    log = tool.copy()
    os.chmod(log, 0o555)
    try:
        tool.verify(log, code=DONE)
        tool.run("dump", log)
    finally:
        os.chmod(log, 0o755)

def closed_pipe(tool):
    reader = subprocess.Popen([tool.program, "log", "dump", "-r", tool.log], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    reader.stdout.read(10)
    reader.stdout.close()
    said = reader.stderr.read().decode()
    code = reader.wait(TIMEOUT_S)
    reader.stderr.close()
    require(said == "" and code == DONE, f"exit code {code}: {said}")

def repair(tool):
    """Damage of all kinds, then every byte as it was."""
    draw = random.Random(9)
    for i in range(6):
        log = tool.copy()
        names = segments(log)
        for name in draw.sample(names[:-1], 3):
            flip(os.path.join(log, name), draw.randrange(os.path.getsize(os.path.join(log, name))))
        if i % 3 == 1:
            path = os.path.join(log, names[-2])
            os.truncate(path, draw.randrange(os.path.getsize(path)))
        wrong = len(tool.verify(log)["ranges"])
        require(wrong >= 3, f"{wrong} ranges")
        if i == 5:
            said = [json.loads(line) for line in tool.run("repair", log, "--from", tool.log, "-j").splitlines()]
            require(all(range["repaired"] and range["error"] is None for range in said), f"{said}")
            said = [f"repaired offsets {range['offset']}" for range in said]
        else:
            said = tool.run("repair", log, "--from", tool.log).decode().splitlines()
        require(len(said) >= 3 and all(line.startswith("repaired offsets ") for line in said), f"{said}")
        tool.verify(log, code=DONE)
        require(tool.run("repair", log, "--from", tool.log) == b"nothing to repair\n", "again")
        for name in names:
            with open(os.path.join(log, name), "rb") as mended, open(os.path.join(tool.log, name), "rb") as good:
                require(mended.read() == good.read(), f"{name} has other bytes")

def repair_refused(tool):
    log, copy = tool.copy(), tool.copy()
    name = segments(log)[1]
    for path in (log, copy):
        flip(os.path.join(path, name), 100)
    said = tool.run("repair", log, "--from", copy, code=DAMAGED)
    require("the copy does not have offset" in said, said)
    said = json.loads(tool.run("repair", log, "--from", copy, "--json", code=DAMAGED))
    require(not said["repaired"] and "the copy does not have offset" in said["error"] and
            said["offset_end"] - said["offset"] == 100, f"{said}")
    require("--from DIR is missing" in tool.run("repair", log, code=USAGE), "from")
    nowhere = os.path.join(tool.folder, "nowhere", "orders-0")
    require("no such directory" in tool.run("repair", nowhere, "--from", copy, code=FAILED), "nowhere")
    require(not os.path.exists(nowhere), "it was created")

def repair_in_use(args, tool):
    with broker(args, SETTINGS) as node:
        node.stop()
        shutil.rmtree(node.data)
        shutil.copytree(tool.whole, node.data)
        node.start()
        log = os.path.join(node.data, "orders-0")
        said = tool.run("repair", log, "--from", tool.log, code=FAILED)
        require("another process has it open" in said and "stop the broker first" in said, said)

def scrub(args, tool):
    """A running broker finds what rots below it, says so, and no longer serves it."""
    port = port_free()
    with broker(args, {**SETTINGS, "log.scrub.interval.ms": "200", "http.listeners": f"127.0.0.1:{port}"}) as node:
        node.stop()
        shutil.rmtree(node.data)
        shutil.copytree(tool.whole, node.data)
        node.start()
        dlog = [tool.program, "-b", node.bootstrap]
        consume = [*dlog, "consume", "orders", "-n", "150"]
        require(subprocess.run(consume, capture_output=True, timeout=TIMEOUT_S).returncode == 0, "consume")
        log = os.path.join(node.data, "orders-0")
        flip(os.path.join(log, segments(log)[0]), 5000)
        for _ in range(200):
            if "damage_found" in node.output():
                break
            time.sleep(0.05)
        require("event=damage_found topic=orders partition=0 ranges=1" in node.output().replace("  ", " "), node.output())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
            metrics = answer.read().decode()
        require("\ndlog_damaged_ranges_total 1\n" in metrics, "not counted")
        with wire.Connection(node.port) as connection:
            connection.api_versions()       # it lives
        require("damage " in open(os.path.join(log, "dlog.checkpoint")).read(), "not marked")
        node.kill()
        node.start()
        require("damage " in open(os.path.join(log, "dlog.checkpoint")).read(), "forgotten")
        require(node.output().count("event=damage_found") == 1, "found again")

# Keys and values of all kinds: text, bytes, what JSON must escape, empty, null.
KINDS = [b"text", b"", b"\xff\x00\x80", "\u00e9\u20ac\U0001f600".encode(), b"\"\\\n\x01\x7f\x00", None]

def line_of(timestamp, key, value, headers=()):
    def member(name, what):
        try:
            return {name: what if what is None else what.decode()}
        except UnicodeDecodeError:
            return {name + "_base64": base64.b64encode(what).decode()}
    return {"timestamp": timestamp, **member("key", key), **member("value", value),
            "headers": [{**member("name", name), **member("value", what)} for name, what in headers]}

def lines_of(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()

def exported(tool, log, *words, code=DONE):
    """Objects without their offset, which is where they stand."""
    text = tool.run("export", log, *words, code=code)
    found = [json.loads(line) for line in text.splitlines() if line[:1] in (b"{", "{")]
    offsets = [record.pop("offset") for record in found]
    return offsets, found

def export_import(tool):
    path = os.path.join(tool.folder, "imported", "t-0")
    records = [line_of(1767225600000 + i, key, value, [(b"a", b"1"), (b"\xfe", None), (b"a", key)][:i % 4])
               for i, (key, value) in enumerate((k, v) for k in KINDS for v in KINDS)]
    records += [line_of(timestamp, b"k", b"v") for timestamp in (-1, 0, 1 << 60, 5)]
    said = tool.run("import", path, data=lines_of(records))
    require(f"imported {len(records)} records, offsets 0 to {len(records) - 1}".encode() in said, f"{said}")
    offsets, found = exported(tool, path)
    require(offsets == list(range(len(records))) and found == records, f"{found}")
    for codec in ("gzip", "snappy", "lz4", "zstd"):    # appended to it, from its own export
        tool.run("import", path, "-z", codec, data=tool.run("export", path, "-n", str(len(records))))
    require(exported(tool, path)[1] == records * 5, "appended")
    require(tool.verify(path, code=DONE)["batches"] >= 5, "batches")
    offsets, found = exported(tool, path, "-o", "7", "-n", "3")
    require(offsets == [7, 8, 9] and found == records[7:10], f"{found}")
    large = [line_of(1, b"k", bytes([65 + i]) * 700000) for i in range(3)]
    tool.run("import", path, "-z", "zstd", data=lines_of(large))
    require(exported(tool, path, "-o", str(5 * len(records)))[1] == large, "large ones")

def export_of_a_broker(tool):
    """The log of a broker comes back, and what is damaged is left out with a word."""
    copy = os.path.join(tool.folder, "again", "orders-0")
    before = print_of(tool.whole)
    text = tool.run("export", tool.log)
    require(print_of(tool.whole) == before, "something was changed")
    tool.run("import", copy, data=text)
    require(tool.run("export", copy) == text and len(text.splitlines()) == RECORDS, "another one")
    log = tool.copy()
    flip(os.path.join(log, segments(log)[1]), 70)
    said = tool.run("export", log, code=DAMAGED)
    require("left out" in said and said.count("\n") == RECORDS - 100 + 1, said[-200:])

def import_refused(tool):
    path = os.path.join(tool.folder, "refused", "t-0")
    said = tool.run("import", path, data=b'{"key":"a"}\n'[:8], code=FAILED)
    require("line 1: not JSON" in said and "nothing was imported" in said, said)
    require(not os.path.exists(path), "an empty log was left")
    good = lines_of([line_of(i, b"k", b"v") for i in range(4)])
    said = tool.run("import", path, data=good + b'{"vaule":"x"}\n' + good, code=FAILED)
    require('line 5: "vaule"' in said and "4 records before it are in the log, offsets 0 to 3" in said, said)
    require(exported(tool, path)[0] == [0, 1, 2, 3], "what was said")
    said = tool.run("import", path, data=b"\n", code=FAILED)
    require("line 1: " in said and exported(tool, path)[0] == [0, 1, 2, 3], said)
    require("--format" in tool.run("import", path, "--format", "x", code=USAGE), "format")
    require("--compression" in tool.run("import", path, "-z", "x", code=USAGE), "codec")
    said = tool.run("import", path, "--format", "message", data=good, code=FAILED)
    require("in the format batch" in said, said)
    other = os.path.join(tool.folder, "refused", "notes")
    os.mkdir(other)
    require("not a log" in tool.run("import", other, data=good, code=FAILED) and os.listdir(other) == [], "not a log")
    require("DATA/TOPIC-PARTITION" in tool.run("import", ".", data=good, code=FAILED), "no name")
    for line, what in ((line_of(0, b"k", None), "null values"), (line_of(0, b"k", b"v", [(b"a", b"")]), "headers")):
        said = tool.run("import", path + "m", "--format", "message", data=good + lines_of([line]), code=FAILED)
        require("line 5" in said and what in said, said)

def messages(tool):
    """A log of messages through all the tools; a broker is another test."""
    log = os.path.join(tool.folder, "messages", "events-0")
    records = [line_of(1767225600000 + i, KINDS[i % 6], KINDS[i % 5] * 50) for i in range(1000)]
    for i, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        tool.run("import", log, "--format", "message", "-z", codec, data=lines_of(records[i * 200:i * 200 + 200]))
    result = tool.verify(log, code=DONE)
    require(result["end_offset"] == 1000 and result["batches"] == 1000, f"{result}")
    frames = [json.loads(line) for line in tool.run("dump", "-j", "-r", log).splitlines()]
    require([frame["offset"] for frame in frames] == list(range(1000)), "offsets by place")
    require({frame["kind"] for frame in frames} == {"message"}, "kind")
    require([frame["codec"] for frame in frames[::200]] == ["none", "gzip", "snappy", "lz4", "zstd"], "codecs")
    require(all(frame["records"][0]["timestamp"] == 1767225600000 + i for i, frame in enumerate(frames)), "records")
    text = tool.run("dump", log, "-o", "250", "-n", "2").decode().splitlines()
    require(len(text) == 2 and text[0].startswith("offset 250 pos ") and text[0].endswith(" codec gzip"), f"{text}")
    require(exported(tool, log) == (list(range(1000)), records), "export")
    return log, records

def convert(tool):
    log, records = messages(tool)
    before = print_of(log)
    target = os.path.join(tool.folder, "converted", "events-0")
    result = json.loads(tool.run("convert", log, target + "/", "-z", "zstd", "--json"))
    require((result["start_offset"], result["end_offset"], result["records"], result["skipped_offsets"]) ==
            (0, 1000, 1000, 0), f"{result}")
    require(print_of(log) == before, "the source was changed")
    require(exported(tool, target) == (list(range(1000)), records), "other records")
    result = tool.verify(target, code=DONE)
    require(result["batches"] < 1000, f"{result}")
    require("it exists" in tool.run("convert", log, target, code=FAILED), "twice")
    require("in batches already" in tool.run("convert", target, target + "2", code=FAILED), "batches")
    require(sorted(os.listdir(os.path.dirname(target))) == [".lock", "events-0"], "left over")

def messages_in_segments(tool):
    """Records of three months: a segment is at most a week."""
    log = os.path.join(tool.folder, "segments", "events-0")
    records = [line_of(1767225600000 + i // 100 * 30 * 86400000, b"k", b"%d" % i) for i in range(300)]
    for i in range(0, 300, 100):
        tool.run("import", log, "--format", "message", data=lines_of(records[i:i + 100]))
    require([int(name[:20]) for name in segments(log)] == [0, 100, 200], f"{segments(log)}")
    return log, records

def convert_damaged(tool):
    log, records = messages_in_segments(tool)
    names = segments(log)
    flip(os.path.join(log, names[1]), 30)      # a length: nobody knows where the next message is
    flip(os.path.join(log, names[2]), 27)      # a value
    target = os.path.join(tool.folder, "skipped", "events-0")
    os.makedirs(target + ".converting/rest-of-another-try")
    said = tool.run("convert", log, target, code=DAMAGED)
    first = next(i for i in range(100, 200) if f"damage at offsets {i} to 199:" in said)
    require(first < 103 and "--skip-damage" in said, said)
    require(os.listdir(os.path.dirname(target)) == [".lock"], "left over")
    said = tool.run("convert", log, target, "--skip-damage", code=DAMAGED)
    require(f"offsets {first} to 199 left out" in said, said)
    offsets, found = exported(tool, target)
    require(offsets == list(range(first)) + list(range(201, 300)), f"{offsets}")
    require(found == [records[offset] for offset in offsets], "offsets moved")
    tool.verify(target, code=DONE)

def convert_for_a_broker(args, tool):
    """What a library wrote as messages, read by kcat from a broker."""
    if not shutil.which("kcat"):
        raise Skip("kcat is not installed")
    log = os.path.join(tool.folder, "messages", "events-0")
    target = os.path.join(tool.folder, "served", "events-0")
    tool.run("convert", log, target, "-z", "lz4")
    with broker(args) as node:
        subprocess.run([tool.program, "-b", node.bootstrap, "topic", "adopt", target, "--topic", "events"],
                       check=True, capture_output=True, timeout=TIMEOUT_S)
        said = subprocess.run(["kcat", "-b", node.bootstrap, "-C", "-t", "events", "-e", "-q", "-u", "-f", "%o %T %S %K|"],
                              check=True, capture_output=True, timeout=TIMEOUT_S).stdout.decode()
    found = [tuple(map(int, record.split())) for record in said.split("|")[:-1]]
    size = lambda what: -1 if what is None else len(what)
    require(found == [(i, 1767225600000 + i, 50 * size(KINDS[i % 5]), size(KINDS[i % 6])) for i in range(1000)],
            f"{found[:10]}")

def main():
    args = arguments(__doc__, lambda parser: parser.add_argument("--dlog", required=True))
    points = Tap()
    with temporary("log-tools") as folder:
        tool = Tool(args.dlog, folder)
        points.run("fill", fill, args, tool)
        for test in (whole, records, bits, lost, indexes, foreign_files, no_log, denied, read_only, closed_pipe,
                     repair, repair_refused, export_import, export_of_a_broker, import_refused, convert,
                     convert_damaged):
            points.run(test.__name__.replace("_", " "), test, tool)
        points.run("convert for a broker", convert_for_a_broker, args, tool)
        points.run("scrub", scrub, args, tool)
        points.run("repair in use", repair_in_use, args, tool)
    return points.done()

sys.exit(main())
