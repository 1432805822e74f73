#!/usr/bin/env python3
"""adopt: log directories that become topics, and what is refused without a trace.

    tests/system/test_adopt.py DLOGD --dlog DLOG
"""
import os, shutil, struct, subprocess, sys, tempfile

from common import Node, Tap, arguments, require
from lib.folder import temporary

TIMEOUT_S = 60

class Adopt:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.lines = []         # of each partition of the source

    def dlog(self, node, *words, ok=True):
        done = subprocess.run([self.args.dlog, *words, "--broker", node.bootstrap], capture_output=True, text=True,
                              timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
        require((done.returncode == 0) == ok, f"dlog {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout if ok else done.stderr

    def put(self, node, topic, partition, lines):
        subprocess.run(["kcat", "-P", "-b", node.bootstrap, "-t", topic, "-p", str(partition), "-X", "enable.idempotence=true",
                        "-z", "lz4"], input="\n".join(lines).encode(), check=True, timeout=TIMEOUT_S)

    def get(self, node, topic, partition=0):
        done = subprocess.run(["kcat", "-C", "-b", node.bootstrap, "-t", topic, "-p", str(partition), "-e", "-q"],
                              check=True, capture_output=True, timeout=TIMEOUT_S)
        return done.stdout.decode().splitlines()

    def make_sources(self):
        """Two logs of several segments, of a broker that has stopped."""
        with Node(self.args.program, {"num.partitions": 2, "log.segment.bytes": 1048576}) as node:
            for partition in range(2):
                lines = [f"{partition} {i} " + os.urandom(400).hex() for i in range(4000)]
                self.put(node, "old", partition, lines[:2500])
                self.put(node, "old", partition, lines[2500:])
                self.lines.append(lines)
            node.stop()
            for partition in range(2):
                shutil.copytree(f"{node.data}/old-{partition}", self.source(partition))

    def source(self, partition=0):
        return f"{self.folder}/old-{partition}"

    def copy(self, name):
        """A copy of the first source that may be spoiled."""
        shutil.copytree(self.source(), f"{self.folder}/{name}")
        return f"{self.folder}/{name}"

def state(folder):
    """Names, sizes and times of everything below FOLDER."""
    return sorted((path, file, os.stat(os.path.join(path, file)).st_size, os.stat(os.path.join(path, file)).st_mtime_ns)
                  for path, _, files in os.walk(folder) for file in files)

def served(adopt):
    before = state(adopt.source())
    with Node(adopt.args.program) as node:
        out = adopt.dlog(node, "topic", "adopt", adopt.source(), "--topic", "events", "--partition", "0")
        require("events-0: offsets 0 to 4000" in out, out)
        require(adopt.get(node, "events") == adopt.lines[0], "other records")
        adopt.put(node, "events", 0, ["more"])
        node.kill()
        node.start()
        require(adopt.get(node, "events") == adopt.lines[0] + ["more"], "other records after kill -9")
        require(entries(node) == [".lock", "__cluster_metadata-0", "events-0", "meta.properties"],
                f"{os.listdir(node.data)}")
        require("dlog.adopting" not in os.listdir(f"{node.data}/events-0"), "the mark is still there")
        node.stop()
    require(state(adopt.source()) == before, "the source was changed")

def partitions(adopt):
    with Node(adopt.args.program) as node:
        adopt.dlog(node, "topic", "adopt", adopt.source(0), adopt.source(1), "--topic", "events", "--partition", "1",
                   "--partitions", "4")
        require(adopt.get(node, "events", 1) == adopt.lines[0], "other records in partition 1")
        require(adopt.get(node, "events", 2) == adopt.lines[1], "other records in partition 2")
        require(adopt.get(node, "events", 3) == [], "records in partition 3")
        require("retention.ms  -1" in adopt.dlog(node, "topic", "describe", "events"), "it would be deleted by age")
        node.stop()

def two_disks(adopt):
    """The log is found where it was put, also before the broker has started again."""
    folder = tempfile.mkdtemp(dir=adopt.folder)
    with Node(adopt.args.program, {"log.dirs": f"{folder}/a,{folder}/b"}) as node:
        for name in ("a", "b"):
            adopt.dlog(node, "topic", "adopt", adopt.source(), "--topic", name, "--log-dir", f"{folder}/{name}")
            require(os.path.isdir(f"{folder}/{name}/{name}-0"), "not where it was to be")
        for _ in range(2):
            for name in ("a", "b"):
                require(adopt.get(node, name) == adopt.lines[0], f"other records in {name}")
            node.stop()
            node.start()

def epochs_begin_anew(adopt):
    """A log that had leaders 5 and 9: one that begins at epoch 0 may append."""
    source = adopt.copy("epochs")
    os.remove(f"{source}/dlog.checkpoint")
    with open(f"{source}/leader-epoch-checkpoint", "w") as file:
        file.write("0\n2\n5 0\n9 2500\n")
    for name in sorted(os.listdir(source)):
        if not name.endswith(".log"):
            continue
        with open(f"{source}/{name}", "r+b") as file:
            data, pos = file.read(), 0
            while pos < len(data):
                base, size = struct.unpack_from(">qi", data, pos)
                file.seek(pos + 12)
                file.write(struct.pack(">i", 5 if base < 2500 else 9))
                pos += 12 + size
    with Node(adopt.args.program) as node:
        adopt.dlog(node, "topic", "adopt", source, "--topic", "events")
        adopt.put(node, "events", 0, ["more"])
        require(adopt.get(node, "events") == adopt.lines[0] + ["more"], "other records")
        node.stop()

def entries(node):
    """Of its data directory; the ballast comes when there is time."""
    return sorted(set(os.listdir(node.data)) - {"dlog.ballast"})

def refused(adopt, node, words, *wanted):
    before = entries(node)
    said = adopt.dlog(node, "topic", "adopt", *words, ok=False)
    for text in wanted:
        require(text in said, f"no '{text}' in: {said}")
    require(entries(node) == before, f"left over: {os.listdir(node.data)}")
    require("events" not in adopt.dlog(node, "topic", "list"), "a topic was created")

def what_cannot_be(adopt):
    bad, message, old = adopt.copy("bad"), adopt.copy("message"), adopt.copy("magic")
    with open(f"{bad}/00000000000000000000.log", "r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))
    with open(f"{message}/dlog.format", "w") as file:
        file.write("message\n")
    os.remove(f"{old}/dlog.checkpoint")
    with open(f"{old}/00000000000000000000.log", "r+b") as file:
        file.seek(16)
        file.write(b"\1")
    with Node(adopt.args.program) as node:
        refused(adopt, node, [bad, "--topic", "events"], "damaged", "dlog log verify")
        refused(adopt, node, [message, "--topic", "events"], "message format", "onvert")
        refused(adopt, node, [old, "--topic", "events"], "00000000000000000000.log")
        refused(adopt, node, [adopt.source(), bad, "--topic", "events"], "damaged")    # the first one goes, too
        refused(adopt, node, [adopt.folder, "--topic", "events"], "not a log")
        refused(adopt, node, [f"{adopt.folder}/none", "--topic", "events"], "no such directory")
        refused(adopt, node, [adopt.source(), "--topic", "../events"], "--topic")
        refused(adopt, node, [adopt.source()], "--topic")
        refused(adopt, node, [adopt.source(), "--topic", "events", "--log-dir", adopt.folder], "no broker has it open")
        refused(adopt, node, [adopt.source(), "--topic", "events", "--config", "retention.ms=x"], "retention.ms")
        adopt.put(node, "taken", 0, ["x"])
        refused(adopt, node, [adopt.source(), "--topic", "taken"], "exists already")
        refused(adopt, node, [f"{node.data}/taken-0", "--topic", "events"], "a process has it open")
        os.mkdir(f"{node.data}/events-0")
        refused(adopt, node, [adopt.source(), "--topic", "events"], "move it away")
        node.stop()

def cut_off(adopt):
    """What a stop half-way leaves, in the staging directory or in its place, is made anew."""
    with Node(adopt.args.program) as node:
        for folder in (f"{node.data}/.adopt/events-0", f"{node.data}/events-0"):
            os.makedirs(folder)
            for name in ("dlog.adopting", "00000000000000000007.log"):
                with open(f"{folder}/{name}", "w") as file:
                    file.write("half")
        node.stop()
        node.start()        # leaves them alone
        adopt.dlog(node, "topic", "adopt", adopt.source(), "--topic", "events")
        require(adopt.get(node, "events") == adopt.lines[0], "other records")
        require(".adopt" not in os.listdir(node.data), "the staging directory is still there")
        node.stop()

def main():
    args = arguments(__doc__, lambda parser: parser.add_argument("--dlog", required=True))
    args.dlog = os.path.abspath(args.dlog)
    tap = Tap()
    with temporary("adopt") as folder:
        adopt = Adopt(args, folder)
        tap.run("sources of two partitions", adopt.make_sources)
        for function in (served, partitions, two_disks, epochs_begin_anew, what_cannot_be, cut_off):
            tap.run(function.__name__.replace("_", " "), function, adopt)
    return tap.done()

if __name__ == "__main__":
    sys.exit(main())
