#!/usr/bin/python3
"""dlog log: dump and verify on the directories of a real broker, whole, damaged, and in use.

    test_log_tools.py PROGRAM --dlog DLOG
"""
import hashlib, json, os, random, shutil, stat, subprocess, sys, tempfile, time, urllib.request

from common import Skip, Tap, arguments, broker, port_free, require, wire

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

def main():
    args = arguments(__doc__, lambda parser: parser.add_argument("--dlog", required=True))
    points = Tap()
    with tempfile.TemporaryDirectory(prefix="dlog-test-") as folder:
        tool = Tool(args.dlog, folder)
        points.run("fill", fill, args, tool)
        for test in (whole, records, bits, lost, indexes, foreign_files, no_log, denied, read_only, closed_pipe,
                     repair, repair_refused):
            points.run(test.__name__.replace("_", " "), test, tool)
        points.run("scrub", scrub, args, tool)
        points.run("repair in use", repair_in_use, args, tool)
    return points.done()

sys.exit(main())
