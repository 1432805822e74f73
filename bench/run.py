#!/usr/bin/env python3
"""Measurements of dlogd, each as a ratio to what this machine can do.

    bench/run.py [--build build] [--pairs 7] [--mb 400] [--only NAME,...] [--json FILE]

Every throughput row runs dlogd (A) and bench/speed_of_light (B) on the same bytes, alternating
A B B A, and prints the median of the ratios A/B: absolute figures drift with the machine, ratios
of neighbours do not. docs/performance.md explains the rows and keeps the results.
"""
import argparse, json, os, re, resource, shutil, signal, socket, statistics, struct
import subprocess, sys, tempfile, time

START_SECONDS_MAX = 20
RUN_SECONDS_MAX = 60

# name: (kind of row, connections, depth, batch bytes, record bytes, partitions, durability)
ROWS = {
    "produce-16k": ("produce", 8, 5, 16 << 10, 100, 1, "os"),
    "produce-64k": ("produce", 8, 5, 64 << 10, 100, 1, "os"),
    "produce-1m": ("produce", 4, 2, 1000_000, 100, 1, "os"),
    "durable-16k": ("produce", 8, 5, 16 << 10, 100, 1, "always"),
    "durable-1k-records": ("produce", 8, 5, 64 << 10, 1024, 1, "always"),
    "durable-16-partitions": ("produce", 16, 5, 16 << 10, 100, 16, "always"),
    "durable-one-in-flight": ("produce", 1, 1, 170, 100, 1, "always"),
    "fetch-1m": ("fetch", 1, 1, 1 << 20, 100, 1, "os"),
    "fetch-64k": ("fetch", 4, 1, 64 << 10, 100, 1, "os"),
}


def port_free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def api_versions(port, correlation=1):
    """One ApiVersions v0 request; raises OSError until the broker answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        s.sendall(struct.pack(">ihhih", 10, 18, 0, correlation, -1))
        head = s.recv(8, socket.MSG_WAITALL)
        if len(head) < 8 or struct.unpack(">ii", head)[1] != correlation:
            raise OSError("no answer")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid):
    """(resident, proportional) in MB."""
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) / 1024
                 for name in ("Rss", "Pss"))


class Server:
    """A process that serves a port, and its folder; gone at the end of the with block."""

    def __init__(self, folder):
        self.folder, self.process, self.port = folder, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Dlogd(Server):
    def __init__(self, build, folder, durability="os", wrapper=(), settings=()):
        super().__init__(folder)
        self.port = port_free()
        self.log = open(folder + ".log", "w")
        sets = [f"listeners=PLAINTEXT://127.0.0.1:{self.port}", f"log.dirs={folder}",
                "http.listeners=", f"log.durability={durability}", *settings]
        start = time.monotonic()
        self.process = subprocess.Popen(
            [*wrapper, f"{build}/dlogd"] + [a for s in sets for a in ("--set", s)],
            stdout=self.log, stderr=subprocess.STDOUT)
        while True:
            try:
                api_versions(self.port)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - start > START_SECONDS_MAX:
                    sys.exit(f"dlogd does not start, see {folder}.log")
                time.sleep(0.0005)
        self.start_ms = (time.monotonic() - start) * 1000


class Light(Server):
    def __init__(self, build, folder, *args):
        super().__init__(folder)
        os.makedirs(folder, exist_ok=True)
        self.process = subprocess.Popen([f"{build}/bench/speed_of_light", *args],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())


def load(build, port, kind, **options):
    args = [f"{build}/bench/load", "--port", str(port), "--kind", kind,
            "--seconds", str(RUN_SECONDS_MAX)]
    for name, value in options.items():
        args += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    result["mb_s"] = result["bytes"] / result["seconds"] / 1e6     # not rounded
    return result


def with_cpu(server, run):
    before = cpu_seconds(server.process.pid)
    result = run()
    result["cpu_s_per_gb"] = ((cpu_seconds(server.process.pid) - before)
                              / max(result["bytes"], 1) * 1e9)
    return result


class Bench:
    def __init__(self, args):
        self.args, self.build = args, args.build
        self.root = tempfile.mkdtemp(prefix="bench-", dir=args.dir)
        self.count = 0
        self.results = {}

    def folder(self):
        self.count += 1
        return f"{self.root}/{self.count}"

    def size(self, row):
        _, connections, depth, batch, _, _, durability = row
        if connections * depth == 1 and durability == "always":
            return dict(requests=2000)
        size = self.args.mb * 1_000_000
        return dict(requests=max(size // batch, 50))

    def shape(self, row):
        _, connections, depth, batch, record, partitions, _ = row
        return dict(connections=connections, depth=depth, batch=batch, record=record,
                    partitions=partitions)

    def produce(self, row, is_dlogd):
        durability = row[6]
        if is_dlogd:
            server = Dlogd(self.build, self.folder(), durability,
                           settings=[f"num.partitions={row[5]}"])
        else:
            folder = self.folder()
            server = Light(self.build, folder, "produce", folder + "/log",
                           *(["--sync"] if durability == "always" else []))
        with server:
            kind = "produce" if is_dlogd else "raw-produce"
            load(self.build, server.port, kind, **{**self.shape(row), "requests": 200})
            return with_cpu(server, lambda: load(self.build, server.port, kind,
                                                 **self.shape(row), **self.size(row)))

    def fetch_pairs(self, row):
        """Both serve the very same file: a segment that dlogd wrote."""
        with Dlogd(self.build, self.folder(), "os") as dlogd:
            load(self.build, dlogd.port, "produce", connections=4, depth=4, batch=64 << 10,
                 requests=self.args.mb * 1_000_000 // (64 << 10) // 2)
            segment = f"{dlogd.folder}/bench-0/{0:020d}.log"
            with Light(self.build, self.folder(), "fetch", segment) as light:
                options = {**self.shape(row), **self.size(row)}
                size = os.path.getsize(segment)

                def one(is_dlogd):
                    if is_dlogd:
                        return with_cpu(dlogd, lambda: load(self.build, dlogd.port, "fetch",
                                                            **options))
                    return with_cpu(light, lambda: load(self.build, light.port, "raw-fetch",
                                                        file_size=size, **options))
                yield one

    def pairs(self, name, one):
        """A B B A ...: at least `pairs` of each; the first pair only warms up."""
        ratios, ours, lights = [], [], []
        for i in range(self.args.pairs + 1):
            order = (True, False) if i % 2 == 0 else (False, True)
            got = {is_dlogd: one(is_dlogd) for is_dlogd in order}
            if i == 0:
                continue
            ours.append(got[True])
            lights.append(got[False])
            ratios.append(got[True]["mb_s"] / got[False]["mb_s"])

        def median(results, key):
            return statistics.median(r[key] for r in results)
        row = {"ratio": statistics.median(ratios), "ratio_low": min(ratios),
               "ratio_high": max(ratios)}
        for prefix, results in (("dlogd", ours), ("light", lights)):
            for key in ("mb_s", "records_s", "p50_us", "p99_us", "cpu_s_per_gb"):
                row[f"{prefix}_{key}"] = median(results, key)
        self.results[name] = row
        print(f"| {name} | {row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
              f" | {row['dlogd_mb_s']:.4g} / {row['light_mb_s']:.4g}"
              f" | {row['dlogd_records_s'] / 1e6:.2f}"
              f" | {row['dlogd_p50_us']:.0f} / {row['light_p50_us']:.0f}"
              f" | {row['dlogd_p99_us']:.0f} / {row['light_p99_us']:.0f}"
              f" | {row['dlogd_cpu_s_per_gb']:.2f} / {row['light_cpu_s_per_gb']:.2f} |", flush=True)

    def throughput(self, name):
        row = ROWS[name]
        if row[0] == "produce":
            self.pairs(name, lambda is_dlogd: self.produce(row, is_dlogd))
        else:
            for one in self.fetch_pairs(row):
                self.pairs(name, one)

    def note(self, name, text, **values):
        self.results[name] = values
        print(f"{name}: {text}", flush=True)

    def start(self):
        took = []
        for _ in range(11):
            with Dlogd(self.build, self.folder()) as d:
                took.append(d.start_ms)
        self.note("start", f"{statistics.median(took):.1f} ms to the first answer "
                  f"({min(took):.1f} to {max(took):.1f})", ms=statistics.median(took))

    def memory(self):
        with Dlogd(self.build, self.folder()) as d:
            time.sleep(0.2)
            idle = memory_mb(d.process.pid)
            load(self.build, d.port, "produce", connections=8, depth=5, batch=64 << 10,
                 requests=self.args.mb * 1_000_000 // (64 << 10))
            loaded = memory_mb(d.process.pid)
        self.note("memory", f"idle {idle[0]:.1f} MB (proportional {idle[1]:.1f}), "
                  f"after the load {loaded[0]:.1f} ({loaded[1]:.1f})",
                  idle_mb=idle[0], idle_pss_mb=idle[1], loaded_mb=loaded[0])

    def idle(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(10000, hard - 500)
        with Dlogd(self.build, self.folder()) as d:
            before = memory_mb(d.process.pid)[0]
            with subprocess.Popen([f"{self.build}/bench/load", "--port", str(d.port), "--kind",
                                   "api-versions", "--connections", str(count), "--idle"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
                p.stdout.readline()
                after = memory_mb(d.process.pid)[0]
                cpu = cpu_seconds(d.process.pid)
                time.sleep(2)
                cpu = cpu_seconds(d.process.pid) - cpu
                p.stdin.close()
                p.wait()
        self.note("idle", f"{count} connections: {after:.1f} MB, "
                  f"{(after - before) * 1024 / count:.2f} KB each, {cpu * 1000 / 2:.0f} ms CPU a second",
                  connections=count, mb=after, kb_each=(after - before) * 1024 / count)

    def instructions(self):
        """callgrind counts the same thing every time: n and 3n requests, and the difference."""
        def count(kind, n):
            out = self.folder() + ".callgrind"
            wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
            with Dlogd(self.build, self.folder(), wrapper=wrapper) as d:
                load(self.build, d.port, kind, batch=1000, requests=n)
            return int(re.search(r"^(?:summary|totals): (\d+)", open(out).read(), re.M).group(1))
        for kind in ("api-versions", "produce"):
            each = (count(kind, 1500) - count(kind, 500)) / 1000
            self.note(f"instructions-{kind}", f"{each:.0f} a request", instructions=each)

    def run(self):
        names = self.args.only.split(",") if self.args.only else None
        extra = {"start": self.start, "memory": self.memory, "idle": self.idle,
                 "instructions": self.instructions}
        for name in names or []:
            if name not in ROWS and name not in extra:
                sys.exit(f"no row {name}; there are {', '.join([*ROWS, *extra])}")
        print("| row | dlogd / speed of light (range) | MB/s | million records/s | p50 us | p99 us |"
              " CPU s/GB |\n|---|---|---|---|---|---|---|")
        for name in ROWS:
            if names is None or name in names:
                self.throughput(name)
        print()
        for name, function in extra.items():
            if names is None or name in names:
                function()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--mb", type=int, default=400, help="megabytes per throughput run")
    p.add_argument("--only", help="rows, separated by commas")
    p.add_argument("--dir", help="where the logs go (default: the system's temporary folder)")
    p.add_argument("--json", help="also write the results to this file")
    args = p.parse_args()
    for program in ("dlogd", "bench/load", "bench/speed_of_light"):
        if not os.path.exists(f"{args.build}/{program}"):
            sys.exit(f"{args.build}/{program} is missing: run make")
    bench = Bench(args)
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.root, ignore_errors=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(bench.results, f, indent=1)


main()
