#!/usr/bin/python3
"""Starting and stopping: quickly, cleanly, and not where another one is at work.

    test_start.py PROGRAM

The bounds are generous, for a loaded machine under a sanitizer; bench/ has the real numbers.
"""
import http.client, os, signal, socket, subprocess, sys, time

from common import Node, NodeError, Tap, arguments, port_free, require, wire
from lib.folder import temporary

START_S_MAX = 5
STOP_S_MAX = 5
RSS_IDLE_MAX = 64 << 20
EXIT_FAILED = 1

def start_and_stop(args, points):
    with Node(args.program) as node:
        output = node.output()
        points.note(f"first answer after {1000 * node.started_s:.0f} ms, resident {node.rss_bytes() / (1 << 20):.1f} MiB")
        require(node.started_s < START_S_MAX, f"{node.started_s:.1f} s to start")
        require(node.rss_bytes() < RSS_IDLE_MAX, f"{node.rss_bytes()} bytes resident")
        require(str(node.port) in output, f"does not say on which port: {output}")
        stopped_s = node.stop()
        require(stopped_s < STOP_S_MAX, f"{stopped_s:.1f} s to stop")

def interrupted(args):
    with Node(args.program) as node:
        node.process.send_signal(signal.SIGINT)
        require(node.process.wait(STOP_S_MAX) == 0, f"exit code {node.process.returncode}")

def stop_with_clients(args):
    """Idle, long-polling and half-heard clients do not keep it from stopping."""
    with Node(args.program) as node:
        connections = [wire.Connection(node.port) for _ in range(50)]
        connections[0].topic_ready("waits")
        connections[1].send(b"\0\0\1\0half")
        for connection in connections[2:10]:
            body = wire.struct.pack(">iiiib", -1, 60_000, 1, 1 << 20, 0) + wire.struct.pack(">i", 1)
            body += wire.string("waits") + wire.struct.pack(">iiqi", 1, 0, 0, 1 << 20)
            connection.send(wire.frame(wire.header(wire.FETCH, 4) + body))
        time.sleep(0.2)
        require(node.stop() < STOP_S_MAX, "slow to stop")

def stop_finishes_what_is_acknowledged(args):
    with Node(args.program) as node:
        with wire.Connection(node.port) as connection:
            connection.topic_ready("kept")
            for i in range(200):
                require(connection.produce("kept", wire.batch([b"%d" % i])) == (0, i), f"produce {i}")
        for end in (node.stop, node.kill, node.stop):
            end()
            node.start()
            with wire.Connection(node.port) as connection:
                require(connection.end_offset("kept") == (0, 200), f"end offset {connection.end_offset('kept')}")
        node.stop()

def refused(node, words):
    """NODE must end by itself with exit code 1 and say why."""
    try:
        node.spawn()
        try:
            code = node.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            node.kill()
            raise AssertionError(f"it runs\n{node.output()}") from None
        require(code == EXIT_FAILED, f"exit code {code}\n{node.output()}")
        for word in words:
            require(word in node.output(), f"does not say {word!r}\n{node.output()}")
    finally:
        node.__exit__(None)

def second_on_same_data(args):
    with Node(args.program) as node:
        with wire.Connection(node.port) as connection:
            connection.topic_ready("first")
        refused(Node(args.program, settings={"log.dirs": node.data}), [node.data])
        with wire.Connection(node.port) as connection:
            require(connection.produce("first", wire.batch([b"x"])) == (0, 0), "the first one suffers")
        node.kill()             # what it held does not outlive it
        node.start()
        node.stop()

def configured_port_busy(args):
    with Node(args.program) as node:
        refused(Node(args.program, port=node.port), [str(node.port)])
        node.stop()

def default_port_busy(args):
    """Of a door that nobody asked for: a warning."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 9644))
            holder.listen()
        except OSError:
            pass                # someone else holds it, as good
        node = Node(args.program)
        del node.settings["http.listeners"]
        with node:
            require("9644" in node.output(), f"does not warn: {node.output()}")
            node.stop()

def health(args):
    port = port_free()
    with Node(args.program, settings={"http.listeners": f"127.0.0.1:{port}"}) as node:
        for path, status, word in (("/healthz", 200, b""), ("/metrics", 200, b"# TYPE"), ("/nowhere", 404, b"")):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            require(answer.status == status and word in body, f"{path}: {answer.status} {body[:200]}")
            connection.close()
        node.stop()

def unwritable(args):
    """A data folder that cannot be made."""
    node = Node(args.program)
    path = os.path.join(node.directory, "a-file")
    with open(path, "w"):
        pass
    node.settings["log.dirs"] = os.path.join(path, "data")
    refused(node, [path])

def both_families(args):
    with Node(args.program) as node:
        for host in ("127.0.0.1", "::1"):
            with wire.Connection(node.port, host) as connection:
                require(connection.api_versions()[0] == 0, host)
        node.stop()

def many_starts(args):
    with Node(args.program) as node:
        for i in range(5):
            with wire.Connection(node.port) as connection:
                connection.topic_ready(f"topic-{i}")
            node.kill() if i % 2 else node.stop()
            node.start()
        with wire.Connection(node.port) as connection:
            for i in range(5):
                error, partitions = connection.metadata(f"topic-{i}")
                require(error == 0 and partitions, f"topic-{i}: error {error}")
        node.stop()

def broken_start_says_so():
    """The tests' own net: a program that is no broker makes Node raise."""
    with temporary("start") as folder:
        try:
            with Node("/bin/false", directory=folder):
                pass
        except NodeError:
            return
    raise AssertionError("a program that ended counts as a node")

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__)
    points = Tap()
    points.run("start, first answer, stop", start_and_stop, args, points)
    points.run("SIGINT", interrupted, args)
    points.run("stop while clients wait", stop_with_clients, args)
    points.run("what was acknowledged is there after a stop, a kill and a stop", stop_finishes_what_is_acknowledged, args)
    points.run("a second one on the same data", second_on_same_data, args)
    points.run("a configured port that is busy", configured_port_busy, args)
    points.run("a default port that is busy", default_port_busy, args)
    points.run("a data folder that cannot be", unwritable, args)
    points.run("IPv4 and IPv6", both_families, args)
    points.run("five lives with a topic each", many_starts, args)
    points.run("/healthz and /metrics", health, args)
    points.run("a program that is no broker", broken_start_says_so)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
