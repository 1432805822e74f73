#!/usr/bin/python3
"""Wrong settings: exit code 2, one clear message, nothing touched; and which source wins.

    test_settings.py PROGRAM
"""
import os, subprocess, sys

from common import Node, Tap, arguments, port_free, require, wire
from lib.folder import temporary

EXIT_USAGE = 2
END_WITHIN_S = 5

# setting: what the message has to contain
BAD = {
    "log.retention.mss=5": ["log.retention.mss", "log.retention.ms"],
    "retention.ms=5": ["retention.ms"],     # of a topic, not of a broker
    "frobnicate=1": ["frobnicate"],
    "shards=0": ["shards", "0"],
    "shards=-1": ["shards"],
    "shards=65": ["shards", "64"],
    "shards=abc": ["shards", "abc"],
    "shards=": ["shards"],
    "shards=1.5": ["shards", "1.5"],
    "shards=99999999999999999999": ["shards"],
    "num.partitions=0": ["num.partitions"],
    "message.max.bytes=-1": ["message.max.bytes"],
    "log.durability=sometimes": ["log.durability", "sometimes", "always"],
    "auto.create.topics.enable=perhaps": ["auto.create.topics.enable", "perhaps"],
    "disk.warn.percent=101": ["disk.warn.percent", "100"],
    "disk.throttle.percent=50": ["disk.throttle.percent", "disk.warn.percent"],
    "listeners=PLAINTEXT://127.0.0.1:99999": ["listeners"],
    "listeners=PLAINTEXT://127.0.0.1": ["listeners"],
    "listeners=127.0.0.1:nine": ["listeners"],
    "advertised.listeners=SECRET://localhost:9092": ["advertised.listeners", "SECRET"],
    "http.listeners=[::1:9644": ["http.listeners"],
    "shards": ["name=value"],
}

def run(args, folder, command, env=None):
    """(exit code, everything it said); the current folder is FOLDER."""
    try:
        done = subprocess.run([os.path.abspath(args.program), *command], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=END_WITHIN_S, env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        raise AssertionError(f"still running after {END_WITHIN_S} s") from None
    return done.returncode, done.stdout + done.stderr

def refused(args, command, words, env=None, files=None):
    with temporary("settings") as folder:
        for name, text in (files or {}).items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        before = sorted(os.listdir(folder))
        port = port_free()
        quiet = ["--set", f"log.dirs={folder}/data", "--set", "http.listeners=", "--set", "grpc.listeners="]
        if not any(part.startswith("listeners=") for part in command):
            quiet += ["--set", f"listeners=PLAINTEXT://127.0.0.1:{port}"]
        # What is tried comes last, so that it wins within --set.
        code, said = run(args, folder, [*quiet, *command], env)
        require(code == EXIT_USAGE, f"exit code {code}: {said}")
        for word in words:
            require(word in said, f"does not say {word!r}: {said}")
        require(len(said.strip().splitlines()) <= 4, f"too many lines for one mistake: {said}")
        require(sorted(os.listdir(folder)) == before, f"touched: {os.listdir(folder)}")

def unused_name(args):
    """A name that only Kafka knows is one warning."""
    with Node(args.program, settings={"zookeeper.connect": "nowhere:2181"}) as node:
        said = node.output()
        require(said.count("zookeeper.connect") == 1, f"not one warning: {said}")
        node.stop()

def partitions_with(node, topic):
    with wire.Connection(node.port) as connection:
        return connection.topic_ready(topic)

class NodeOfFile(Node):
    """Its settings are in a file, but for what is passed as ARGUMENTS."""
    def __init__(self, program, text, more):
        super().__init__(program)
        self.more = more
        self.path = os.path.join(self.directory, "node.properties")
        with open(self.path, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.settings.items())
            file.write(text)

    def command(self):
        return [self.program, self.path, *self.more]

def order_of_sources(args):
    text = "# a comment\nnum.partitions = 2\n"
    for env, more, want in ((None, [], 2), ("3", [], 3), ("3", ["--set", "num.partitions=4"], 4)):
        if env:
            os.environ["DLOG_NUM_PARTITIONS"] = env
        try:
            with NodeOfFile(args.program, text, more) as node:
                got = partitions_with(node, "order")
                require(got == want, f"{got} partitions instead of {want}")
                node.stop()
        finally:
            os.environ.pop("DLOG_NUM_PARTITIONS", None)

def help_and_version(args):
    for option, words in (("--help", ["--set"]), ("--version", ["0."])):
        code, said = run(args, "/", [option])
        require(code == 0, f"{option}: exit code {code}: {said}")
        require(all(word in said for word in words), f"{option}: {said}")

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__)
    points = Tap()
    for setting, words in BAD.items():
        points.run(f"--set {setting}", refused, args, ["--set", setting], words)
    points.run("a file that is not there", refused, args, ["nowhere.properties"], ["nowhere.properties"])
    points.run("two files", refused, args, ["a.properties", "b.properties"], [], None, {"a.properties": "", "b.properties": ""})
    points.run("a wrong line in a file", refused, args, ["x.properties"], ["x.properties", "2", "frobnicate"], None,
               {"x.properties": "num.partitions=2\nfrobnicate=1\n"})
    points.run("an unknown option", refused, args, ["--frobnicate"], ["frobnicate"])
    points.run("--set without anything", refused, args, ["--set"], [])
    points.run("a wrong value in the environment", refused, args, [], ["num.partitions", "DLOG_NUM_PARTITIONS"],
               {"DLOG_NUM_PARTITIONS": "many"})
    points.run("an unknown name in the environment", refused, args, [], ["DLOG_FROBNICATE"], {"DLOG_FROBNICATE": "1"})
    points.run("a name that only Kafka knows", unused_name, args)
    points.run("file, environment, --set: the last wins", order_of_sources, args)
    points.run("--help and --version", help_and_version, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
