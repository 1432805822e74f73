#!/usr/bin/python3
"""dlog as an operator uses it: groups, settings, the cluster at a glance, the canary, benchmarks, backups, completion.

    test_operate.py PROGRAM --dlog DLOG
"""
import hashlib, json, os, re, shutil, signal, subprocess, sys, tempfile, threading, time

import confluent_kafka as ck

from common import Node, Skip, Tap, arguments, require, wire

DONE, FAILED, USAGE, DAMAGED = 0, 1, 2, 3
TIMEOUT_S = 60

class Cli:
    """dlog with the address of one broker."""
    def __init__(self, program, bootstrap):
        self.program = os.path.abspath(program)
        self.environment = {**os.environ, "DLOG_BROKER": bootstrap, "LC_ALL": "C.UTF-8"}

    def run(self, *words, code=DONE, data=None):
        """Standard output; with a code other than 0, standard error and output."""
        ended = subprocess.run([self.program, *words], env=self.environment, input=data or b"", capture_output=True,
                               timeout=TIMEOUT_S)
        require(ended.returncode == code, f"dlog {' '.join(words)}: exit code {ended.returncode}, not {code}: "
                f"{ended.stdout[:500]!r} {ended.stderr.decode()[:500]}")
        return ended.stdout.decode() if code == DONE else ended.stderr.decode() + ended.stdout.decode()

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

def serves(node, key):
    with wire.Connection(node.port) as connection:
        return key in connection.api_versions()[1]

def partitions(cli, node):
    cli.run("topic", "create", "orders", "-p", "2")
    require(cli.run("topic", "add-partitions", "orders", "--dry-run") == "orders would have 3 partitions\n", "dry")
    require(cli.run("topic", "add-partitions", "orders", "-n", "2") == "orders has 4 partitions\n", "add")
    [topic] = cli.json("topic", "describe", "orders")
    require(len(topic["partitions"]) == 4, f"{topic}")
    require("topic no-such does not exist" in cli.run("topic", "add-partitions", "no-such", code=FAILED), "unknown")

def groups(cli, node):
    cli.run("topic", "create", "grouped", "-p", "3")
    for p in range(3):
        cli.run("produce", "grouped", "-p", str(p), data=b"".join(b"%d-%d\n" % (p, i) for i in range(100)))
    got = cli.run("consume", "grouped", "--group", "readers", "--from", "start").split()
    require(sorted(got) == sorted(f"{p}-{i}" for p in range(3) for i in range(100)), f"{len(got)} records")
    require(cli.run("consume", "grouped", "--group", "readers") == "", "read twice")
    cli.run("produce", "grouped", "-p", "1", data=b"more\n" * 7)
    require({g["group"]: g["state"] for g in cli.json("group", "list")}.get("readers") == "Empty", "list")
    parts = {p["partition"]: p for p in cli.json("group", "describe", "readers")}
    require([parts[p]["committed"] for p in range(3)] == [100] * 3, f"{parts}")
    require([parts[p]["lag"] for p in range(3)] == [0, 7, 0], f"{parts}")
    text = cli.run("group", "describe", "readers")
    require(text.startswith("readers: Empty, classic, 0 members, 7 behind\n") and "COMMITTED" in text, text)
    require(cli.run("consume", "grouped", "--group", "readers", "--json", "-n", "3").count("\n") == 3, "json")
    require("does not exist" in cli.run("group", "describe", "nobody", code=FAILED), "unknown group")

def group_members(cli, node):
    consumer = ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": "busy", "client.id": "worker-7",
                            "auto.offset.reset": "earliest", "session.timeout.ms": 6000})
    consumer.subscribe(["grouped"])
    end = time.monotonic() + TIMEOUT_S
    while len(consumer.assignment()) < 3:
        consumer.poll(0.1)
        require(time.monotonic() < end, "no assignment")
    parts = cli.json("group", "describe", "busy")
    require(len(parts) == 3 and {p["client"] for p in parts} == {"worker-7"}, f"{parts}")
    require("stop its consumers" in cli.run("group", "delete", "busy", code=FAILED), "deleted under its members")
    said = cli.run("group", "reset-offsets", "busy", "--to", "start", "--execute", code=FAILED)
    require("stop its consumers" in said, said)
    consumer.close()

def reset(cli, node):
    def committed():
        return {p["partition"]: p["committed"] for p in cli.json("group", "describe", "readers")}
    before = committed()
    plan = cli.json("group", "reset-offsets", "readers", "--to", "start")
    require([p["new"] for p in plan] == [0, 0, 0] and committed() == before, f"a dry run changes: {plan}")
    cli.run("group", "reset-offsets", "readers", "--to", "-10", "--topic", "grouped:0,2", "--execute")
    require(committed() == {**before, 0: before[0] - 10, 2: before[2] - 10}, f"{committed()}")
    cli.run("group", "reset-offsets", "readers", "--to", "1000000", "--execute")
    require(committed() == {0: 100, 1: 107, 2: 100}, f"past the end: {committed()}")
    cli.run("group", "reset-offsets", "readers", "--to", "@2020-01-01", "--execute")
    require(committed() == {0: 0, 1: 0, 2: 0}, f"by time: {committed()}")
    cli.run("group", "reset-offsets", "fresh", "--to", "end", "--topic", "grouped", "--execute")
    require([p["committed"] for p in cli.json("group", "describe", "fresh")] == [100, 107, 100], "a new group")
    for words, said in ((["--to", "nowhere"], "--to nowhere"), ([], "--to PLACE is missing"),
                        (["--to", "end", "--topic", "grouped:9"], "partitions 0 to 2")):
        require(said in cli.run("group", "reset-offsets", "readers", *words, code=USAGE), said)
    cli.run("group", "delete", "readers", "fresh")
    require(not {"readers", "fresh"} & {g["group"] for g in cli.json("group", "list")}, "delete")
    require("GROUP" not in cli.run("group", "delete", "readers", code=FAILED), "deleted twice")

def settings(cli, node):
    shown = {s["name"]: s for s in cli.json("config", "describe", "broker", "1", "--all", "--doc")}
    require(shown["log.dirs"]["value"] == node.data and shown["log.dirs"]["source"] == "start", f"{shown['log.dirs']}")
    require(shown["num.partitions"]["source"] == "default" and shown["num.partitions"]["documentation"], "default")
    require("retention.ms" in cli.run("config", "describe", "topic", "orders", "--all"), "topic")
    for words, said in ((["describe", "planet", "x"], "has no settings"), (["describe", "topic"], "NAME is missing"),
                        (["alter", "topic", "orders"], "nothing to change"),
                        (["alter", "topic", "orders", "--set", "x"], "must be NAME=VALUE")):
        require(said in cli.run("config", *words, code=USAGE), said)
    if not serves(node, 44):
        raise Skip("IncrementalAlterConfigs is not served")
    require(cli.run("topic", "alter", "orders", "--set", "retention.ms=86400000") == "changed\n", "alter")
    require(cli.json("config", "describe", "topic", "orders") ==
            [{"name": "retention.ms", "value": "86400000", "source": "topic"}], "set")
    require("would be accepted" in cli.run("topic", "alter", "orders", "-u", "retention.ms", "--dry-run"), "dry")
    cli.run("config", "alter", "topic", "orders", "--unset", "retention.ms")
    require(cli.json("config", "describe", "topic", "orders") == [], "unset")
    require("no.such" in cli.run("topic", "alter", "orders", "--set", "no.such=1", code=FAILED), "unknown setting")
    cli.run("config", "alter", "broker", "1", "--set", "max.connections=1000")
    require({s["name"]: s["source"] for s in cli.json("config", "describe", "broker", "1")}["max.connections"] ==
            "broker", "of one broker")
    cli.run("config", "alter", "broker", "1", "--unset", "max.connections")

def cluster(cli, node):
    [broker] = cli.json("cluster", "brokers")
    require((broker["id"], broker["port"], broker["state"], broker["role"]) == (1, node.port, "active", "controller"),
            f"{broker}")
    status = cli.json("cluster", "status")
    require(status["well"] and status["brokers"] == 1 and status["partitions_without_leader"] == 0, f"{status}")
    require("All is well." in cli.run("cluster", "status"), "text")
    for key, words in ((55, ["quorum"]), (43, ["elect"]), (46, ["reassign"])):
        if serves(node, key):
            cli.run("cluster", *words)
        else:
            require("does not serve" in cli.run("cluster", *words, code=FAILED), f"{words}")
    require("must run" not in cli.run("cluster", "elect", "--unclean", code=USAGE), "")

def wrong_address(args):
    """An advertised address that leads nowhere is told, with what to do."""
    node = Node(args.program)
    node.settings["advertised.listeners"] = "PLAINTEXT://127.0.0.1:1"
    with node:
        cli = Cli(args.dlog, node.bootstrap)
        said = cli.run("cluster", "status", code=FAILED)
        require("cannot be reached" in said and "advertised.listeners" in said, said)
        require(json.loads(cli.run("cluster", "status", "--json", code=FAILED).splitlines()[-1])["well"] is False, "json")

def probe(cli, node):
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        path = os.path.join(folder, "probe.prom")
        result = cli.json("probe", "-n", "20", "-i", "0", "-m", path)
        require((result["acknowledged"], result["failed"], result["late"], result["lost"]) == (20, 0, 0, 0), f"{result}")
        require(0 < result["ack_p50_us"] <= result["ack_max_us"] and result["ack_p50_us"] <= result["read_p50_us"], "times")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        require("\ndlog_probe_records_total 20\n" in text and "\ndlog_probe_lost_total 0\n" in text, text)
        if shutil.which("promtool"):
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            require(checked.returncode == 0 and not checked.stderr, checked.stderr)
    require("20 acknowledged, 0 failed" in cli.run("probe", "-n", "20", "-i", "0"), "text")

def probe_survives(args):
    """A kill and a start under it: what was refused is told, nothing acknowledged is lost."""
    with Node(args.program) as node:
        cli = Cli(args.dlog, node.bootstrap)
        process = subprocess.Popen([cli.program, "probe", "-n", "0", "-i", "5", "--json"], env=cli.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        node.kill()
        time.sleep(0.5)
        node.start()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
        result = json.loads(out)
        require(process.returncode == FAILED and result["failed"] > 0, f"{process.returncode} {out} {err[:300]}")
        require(result["lost"] == 0 and result["acknowledged"] > 20, f"{result} {err[:300]}")

def probe_finds_loss(args):
    """The canary of the canary: a broker that comes back without its data has lost what it acknowledged."""
    with Node(args.program) as node:
        cli = Cli(args.dlog, node.bootstrap)
        process = subprocess.Popen([cli.program, "probe", "-n", "0", "-i", "5", "--json"], env=cli.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        node.kill()
        shutil.rmtree(node.data)
        node.start()
        cli.run("topic", "create", "dlog-probe")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
        require(process.returncode == DAMAGED and json.loads(out)["lost"] > 0, f"{process.returncode} {out} {err[:300]}")
        require(b"LOST: dlog-probe/0" in err, f"{err[:300]}")

def bench(cli, node):
    cli.run("topic", "create", "load", "-p", "2")
    result = cli.json("bench", "produce", "load", "-n", "20000", "-s", "50")
    require(result["records"] == 20000 and result["bytes"] == 1_000_000 and result["failed"] == 0, f"{result}")
    require(result["p50_us"] <= result["p99_us"] <= result["max_us"] and result["records_per_second"] > 0, f"{result}")
    require(cli.json("bench", "consume", "load")["records"] == 20000, "consume")
    require(cli.json("bench", "consume", "load", "-n", "1000")["records"] >= 1000, "consume some")
    result = cli.json("bench", "latency", "load", "-r", "200", "--seconds", "1")
    require(result["records"] == 200 and result["failed"] == 0 and result["p50_us"] > 0, f"{result}")
    began = time.monotonic()
    require("produced 100 records" in cli.run("bench", "produce", "load", "-n", "100", "-r", "100"), "text")
    require(time.monotonic() - began > 0.9, "the rate is not kept")

# ---- backups ----

def contents(node, ends):
    """A hash of each partition's records below the offsets ENDS."""
    hashes = {}
    for (topic, partition), end in ends.items():
        digest, offset = hashlib.sha256(), 0
        with wire.Connection(node.port) as connection:
            while offset < end:
                error, _, data = connection.fetch(topic, offset, partition)
                require(error == 0 and data, f"{topic}/{partition} at {offset}: error {error}")
                position = 0
                while position + 61 <= len(data):
                    base, size = wire.struct.unpack_from(">qi", data, position)
                    if position + 12 + size > len(data):
                        break
                    last = base + wire.struct.unpack_from(">i", data, position + 23)[0]
                    if base >= offset and last < end:
                        digest.update(data[position + 17:position + 12 + size])
                    position, offset = position + 12 + size, last + 1
        hashes[topic, partition] = digest.hexdigest()
    return hashes

def write_for_ever(node, stop):
    producer = ck.Producer({"bootstrap.servers": node.bootstrap, "linger.ms": 1})
    i = 0
    while not stop.is_set():
        producer.produce("saved", b"while it is saved %d" % i, partition=i % 2)
        producer.produce("compacted", b"value %d" % i, key=b"%d" % (i % 50), partition=0)
        producer.poll(0)
        i += 1
        if i % 100 == 0:
            producer.flush(TIMEOUT_S)
            time.sleep(0.01)
    producer.flush(TIMEOUT_S)

def backup(args):
    settings = {"shards": 2, "log.segment.bytes": 1 << 20, "log.cleaner.backoff.ms": 100}
    with Node(args.program, settings) as node:
        cli = Cli(args.dlog, node.bootstrap)
        second = os.path.join(node.directory, "data2")
        node.stop()
        node.settings["log.dirs"] = f"{node.data},{second}"
        node.start()
        dirs = node.settings["log.dirs"].split(",")
        cli.run("topic", "create", "saved", "-p", "2", "--config", "retention.ms=123456789000")
        cli.run("topic", "create", "compacted", "-p", "1", "--config", "cleanup.policy=compact", "--config",
                "min.cleanable.dirty.ratio=0.01", "--config", "segment.bytes=1048576")
        for p in range(2):
            cli.run("produce", "saved", "-p", str(p), data=b"".join(b"before %d %d\n" % (p, i) * 20 for i in range(5000)))
        cli.run("consume", "saved", "--group", "keeper", "-n", "777")
        ends = {("saved", p["partition"]): p["end_offset"] for p in cli.json("topic", "describe", "saved")[0]["partitions"]}
        committed = {p["partition"]: p["committed"] for p in cli.json("group", "describe", "keeper")}
        known = contents(node, ends)
        stop = threading.Event()
        writer = threading.Thread(target=write_for_ever, args=(node, stop))
        writer.start()
        saved = os.path.join(node.directory, "backup")
        data = [word for folder in dirs for word in ("--data", folder)]
        try:
            result = cli.json("backup", "create", saved, *data)
        finally:
            stop.set()
            writer.join(TIMEOUT_S)
        require(result["files"] > 10 and result["bytes"] > 1 << 20, f"{result}")
        require("is not empty" in cli.run("backup", "create", saved, *data, code=FAILED), "over another backup")
        require("verified" in cli.run("backup", "verify", saved), "verify")
        node.stop()

        restored = [os.path.join(node.directory, f"restored{i}") for i in range(2)]
        into = [word for folder in restored for word in ("--data", folder)]
        require("more data directories" in cli.run("backup", "restore", saved, "--data",
                                                   os.path.join(node.directory, "one"), code=USAGE), "one of two")
        cli.run("backup", "restore", saved, *into)
        require("is not empty" in cli.run("backup", "restore", saved, *into, code=FAILED), "over data")
        node.settings["log.dirs"] = ",".join(restored)
        node.start()
        require(contents(node, ends) == known, "other records than were saved")
        now = {p["partition"]: p["committed"] for p in cli.json("group", "describe", "keeper")}
        require(now == committed, f"{now}, committed were {committed}")
        require(cli.json("topic", "describe", "saved")[0]["settings"]["retention.ms"] == "123456789000", "settings")
        cli.run("produce", "saved", data=b"goes on\n")
        keys = cli.run("consume", "compacted", "--format", "%k\\n").split()
        require({str(i) for i in range(50)} >= set(keys), "keys that were not there")
        node.stop()

        log = os.path.join(saved, "0", "saved-0" if os.path.exists(os.path.join(saved, "0", "saved-0")) else "saved-1",
                           "0" * 20 + ".log")
        with open(log, "r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        require("has another checksum" in cli.run("backup", "verify", saved, code=DAMAGED), "damage is not found")
        os.remove(log)
        require("is missing" in cli.run("backup", "verify", saved, code=DAMAGED), "a missing file")
        with open(os.path.join(saved, "manifest"), "r+b") as file:
            file.write(b"X")
        cli.run("backup", "verify", saved, code=DAMAGED)
        os.remove(os.path.join(saved, "manifest"))
        require("is no backup" in cli.run("backup", "verify", saved, code=FAILED), "no manifest")

def completion(args):
    cli = Cli(args.dlog, "localhost:1")
    with tempfile.TemporaryDirectory(prefix="completion-") as folder:
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            path = os.path.join(folder, shell)
            with open(path, "w", encoding="utf-8") as file:
                file.write(cli.run("completion", shell))
            if shutil.which(shell):
                done = subprocess.run([*check, path], capture_output=True, text=True, timeout=TIMEOUT_S)
                require(done.returncode == 0, f"{shell}: {done.stderr}")

        def complete(*words):
            script = (f"source {folder}/bash; COMP_WORDS=({' '.join(repr(w) for w in words)}); "
                      f"COMP_CWORD={len(words) - 1}; _dlog; echo \"${{COMPREPLY[@]}}\"")
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=folder).stdout.split()
        require({"topic", "group", "produce", "backup"} <= set(complete("dlog", "")), f"{complete('dlog', '')}")
        require(complete("dlog", "gro") == ["group"], "a prefix")
        require(set(complete("dlog", "group", "")) == {"list", "describe", "reset-offsets", "delete"}, "verbs")
        require("--execute" in complete("dlog", "group", "reset-offsets", "x", "--"), "options")
        require("--partition" in complete("dlog", "produce", "x", "--"), "options of one word")
    require("none of bash" in cli.run("completion", "tcsh", code=USAGE), "an unknown shell")

def manual(args):
    """Each command and each option is in the page."""
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "man", "dlog.1.scd")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    cli = Cli(args.dlog, "localhost:1")
    missing = []
    for line in cli.run("--help").splitlines():
        command = re.match(r"  ((?:[a-z-]+ )?[a-z-]+)(?: |$)", line)
        if not command or line.startswith("  -"):
            continue
        words = command.group(1).split()
        ended = subprocess.run([cli.program, *words, "--help"], capture_output=True, text=True)
        if ended.returncode != 0 or "usage: dlog " + " ".join(words) not in ended.stdout:
            words = words[:1]
            ended = subprocess.run([cli.program, *words, "--help"], capture_output=True, text=True)
        if f"*{' '.join(words)}*" not in text and f"dlog {' '.join(words)}" not in text:
            missing.append(" ".join(words))
        missing += [option for option in re.findall(r"--([a-z-]+)", ended.stdout) if f"--{option}" not in text]
    require(not missing, f"not in dlog.1.scd: {sorted(set(missing))}")

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__, lambda parser: parser.add_argument("--dlog", required=True))
    points = Tap()
    with Node(args.program) as node:
        cli = Cli(args.dlog, node.bootstrap)
        for name, test in (("add partitions", partitions), ("groups, their offsets and lag", groups),
                           ("a group with members", group_members), ("reset offsets, dry run first", reset),
                           ("settings", settings), ("the cluster", cluster), ("the canary", probe),
                           ("benchmarks", bench)):
            points.run(name, test, cli, node)
    points.run("a wrong advertised address", wrong_address, args)
    points.run("the canary through a kill", probe_survives, args)
    points.run("the canary finds a loss", probe_finds_loss, args)
    points.run("backup while it runs, restore, compare", backup, args)
    points.run("completion of shells", completion, args)
    points.run("the manual has every command and option", manual, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
