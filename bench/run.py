#!/usr/bin/env python3
"""Measurements of dlogd, each as a ratio to what this machine can do.

    bench/run.py [--build build] [--pairs 5] [--mb 100] [--only NAME,...] [--json FILE]

Every throughput row runs dlogd (A) and the least that can do the same (B) on the same bytes,
alternating A B B A, and prints the median of the ratios A/B: absolute figures drift with the
machine, ratios of neighbours do not. docs/performance.md explains the rows and keeps the results.
"""
import argparse, glob, json, os, re, resource, shutil, signal, socket, statistics, struct
import subprocess, sys, tempfile, time

START_SECONDS_MAX = 20
RUN_SECONDS_MAX = 60
ROW_SECONDS = 20            # a row that takes longer makes do with fewer pairs
PAIRS_MIN = 3
IN_FLIGHT = 5               # of librdkafka: requests of a connection
CORES = sorted(os.sched_getaffinity(0))

# Against bench/speed_of_light.
# name: (kind of row, connections, depth, batch bytes, record bytes, partitions, durability)
ROWS = {
    "durable-16k": ("produce", 8, 5, 16 << 10, 100, 1, "always"),
    "durable-1k-records": ("produce", 8, 5, 64 << 10, 1024, 1, "always"),
    "durable-16-partitions": ("produce", 16, 5, 16 << 10, 100, 16, "always"),
    "durable-one-in-flight": ("produce", 1, 1, 170, 100, 1, "always"),
    "produce-16k": ("produce", 8, 5, 16 << 10, 100, 1, "os"),
    "produce-64k": ("produce", 8, 5, 64 << 10, 100, 1, "os"),
    "produce-1m": ("produce", 4, 2, 1000_000, 100, 1, "os"),
    "fetch-1m": ("fetch", 1, 1, 1 << 20, 100, 1, "os"),
    "fetch-64k": ("fetch", 4, 1, 64 << 10, 100, 1, "os"),
}

# Durable, through librdkafka, against bench/file_sync: (record bytes, partitions).
CLIENT_ROWS = {
    "client-100b-1": (100, 1),
    "client-100b-16": (100, 16),
    "client-1k-1": (1024, 1),
    "client-1k-16": (1024, 16),
}

# name: (kind of load, its options), for instructions and system calls.
REQUESTS = {
    "api-versions": ("api-versions", {}),
    "metadata": ("metadata", {}),
    "produce, 1 record": ("produce", {"batch": 170}),
    "produce, 16 KiB": ("produce", {"batch": 16 << 10}),
    "fetch, 64 KiB": ("fetch", {"batch": 64 << 10}),
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


def pin(core):
    """For subprocess: run on that core alone; None: anywhere."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def wakeups(pid):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                             open(f"/proc/{pid}/task/{task}/status").read(), re.M).group(1))
               for task in os.listdir(f"/proc/{pid}/task"))


class Server:
    """A process that serves a port, and its folder; gone at the end of the with block."""

    def __init__(self, folder, keep=False):
        self.folder, self.process, self.port, self.keep = folder, None, None, keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            # strace keeps signals from itself while it runs a program: tell that one.
            children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read()
            os.kill(int((children.split() or [self.process.pid])[0]), signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Dlogd(Server):
    def __init__(self, build, folder, durability="os", wrapper=(), settings=(), core=None,
                 keep=False, program="dlogd"):
        super().__init__(folder, keep)
        self.port = port_free()
        self.log = open(folder + ".log", "w")
        sets = [f"listeners=PLAINTEXT://127.0.0.1:{self.port}", f"log.dirs={folder}",
                "http.listeners=", f"log.durability={durability}", *settings]
        start = time.monotonic()
        self.process = subprocess.Popen(
            [*wrapper, f"{build}/{program}"] + [a for s in sets for a in ("--set", s)],
            stdout=self.log, stderr=subprocess.STDOUT, preexec_fn=pin(core))
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
    def __init__(self, build, folder, *args, core=None):
        super().__init__(folder)
        os.makedirs(folder, exist_ok=True)
        self.process = subprocess.Popen([f"{build}/bench/speed_of_light", *args],
                                        stdout=subprocess.PIPE, text=True, preexec_fn=pin(core))
        self.port = int(self.process.stdout.readline())


def run_json(args, core=None):
    """Run a program that prints one line of JSON."""
    done = subprocess.run(args, capture_output=True, text=True, check=False, preexec_fn=pin(core))
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def load(build, port, kind, core=None, **options):
    args = [f"{build}/bench/load", "--port", str(port), "--kind", kind,
            "--seconds", str(RUN_SECONDS_MAX)]
    for name, value in options.items():
        args += ["--" + name.replace("_", "-"), str(value)]
    result = run_json(args, core)
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
            return dict(requests=500)
        size = self.args.mb * 1_000_000
        return dict(requests=max(size // batch, 50))

    def shape(self, row):
        _, connections, depth, batch, record, partitions, _ = row
        return dict(connections=connections, depth=depth, batch=batch, record=record,
                    partitions=partitions)

    def rounds(self):
        """0, 1, ...: the first to warm up, then as many as asked or as time allows."""
        until = time.monotonic() + ROW_SECONDS
        for i in range(self.args.pairs + 1):
            if i <= PAIRS_MIN or time.monotonic() < until:
                yield i

    def cores(self, pair):
        """(server, client): each on its own, changing places; with one core anywhere."""
        if len(CORES) < 2:
            return None, None
        return (CORES[0], CORES[1]) if pair % 2 == 0 else (CORES[1], CORES[0])

    def produce(self, row, is_dlogd, pair):
        durability = row[6]
        # Several dirty logs are synced by a pool: that must not be locked into one core.
        server_core, core = (None, None) if row[5] > 1 else self.cores(pair)
        if is_dlogd:
            server = Dlogd(self.build, self.folder(), durability, core=server_core,
                           settings=[f"num.partitions={row[5]}"])
        else:
            folder = self.folder()
            server = Light(self.build, folder, "produce", folder + "/log",
                           *(["--sync"] if durability == "always" else []), core=server_core)
        with server:
            kind = "produce" if is_dlogd else "raw-produce"
            load(self.build, server.port, kind, core, **{**self.shape(row), "requests": 200})
            return with_cpu(server, lambda: load(self.build, server.port, kind, core,
                                                 **self.shape(row), **self.size(row)))

    def fetch_pairs(self, row):
        """Both serve the very same file, a segment that dlogd wrote, from the page cache."""
        with Dlogd(self.build, self.folder(), "os") as dlogd:
            load(self.build, dlogd.port, "produce", connections=4, depth=4, batch=64 << 10,
                 requests=self.args.mb * 1_000_000 // (64 << 10) // 2)
            segment = f"{dlogd.folder}/bench-0/{0:020d}.log"
            with Light(self.build, self.folder(), "fetch", segment) as light:
                options = {**self.shape(row), **self.size(row)}
                options["requests"] *= 4
                size = os.path.getsize(segment)

                def one(is_dlogd, pair):
                    server_core, core = self.cores(pair)
                    server = dlogd if is_dlogd else light
                    if server_core is not None:
                        for task in os.listdir(f"/proc/{server.process.pid}/task"):
                            os.sched_setaffinity(int(task), {server_core})
                    if is_dlogd:
                        return with_cpu(dlogd, lambda: load(self.build, dlogd.port, "fetch", core,
                                                            **options))
                    return with_cpu(light, lambda: load(self.build, light.port, "raw-fetch", core,
                                                        file_size=size, **options))
                yield one

    def pairs(self, name, one):
        """A B B A ...: at least `pairs` of each; the first pair only warms up."""
        ratios, ours, lights = [], [], []
        for i in self.rounds():
            order = (True, False) if i % 2 == 0 else (False, True)
            got = {is_dlogd: one(is_dlogd, i // 2) for is_dlogd in order}
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
            self.pairs(name, lambda is_dlogd, pair: self.produce(row, is_dlogd, pair))
        else:
            for one in self.fetch_pairs(row):
                self.pairs(name, one)

    def note(self, name, text, **values):
        self.results[name] = values
        print(f"{name}: {text}", flush=True)

    def client_once(self, record, partitions, is_first_file):
        """librdkafka into dlogd; what that wrote into plain files; librdkafka into nothing."""
        records = self.args.mb * 1_000_000 // (record + 7)
        client = [f"{self.build}/bench/rdkafka_produce", "--record", str(record),
                  "--records", str(records), "--partitions", str(partitions)]
        folder = self.folder()
        with Dlogd(self.build, folder, "always", keep=True,
                   settings=[f"num.partitions={partitions}"]) as dlogd:
            ours = run_json([*client, "--port", str(dlogd.port)])
        segments = sorted(glob.glob(f"{folder}/bench-*/*.log"))
        os.makedirs(folder + "/files")

        def files(batches):
            return run_json([f"{self.build}/bench/file_sync", folder + "/files", str(batches),
                             *segments])
        order = (1, IN_FLIGHT) if is_first_file else (IN_FLIGHT, 1)
        file = {batches: files(batches) for batches in order}
        mock = run_json([*client, "--mock"])
        shutil.rmtree(folder, ignore_errors=True)
        return {"each": file[1]["seconds"] / ours["seconds"],
                "group": file[IN_FLIGHT]["seconds"] / ours["seconds"],
                "mock": mock["seconds"] / ours["seconds"],
                "records_s": records / ours["seconds"],
                "mb_s": file[1]["bytes"] / ours["seconds"] / 1e6,
                "batch_kb": file[1]["bytes"] / file[1]["batches"] / 1000}

    def client(self, name):
        runs = [self.client_once(*CLIENT_ROWS[name], i % 2 == 0)
                for i in self.rounds()][1:]
        row = {key: statistics.median(r[key] for r in runs) for key in runs[0]}

        def spread(key):
            low, high = min(r[key] for r in runs), max(r[key] for r in runs)
            return f"{row[key]:.2f} ({low:.2f} to {high:.2f})"
        self.results[name] = row
        print(f"| {name} | {spread('each')} | {spread('group')} | {spread('mock')}"
              f" | {row['records_s'] / 1e6:.2f} | {row['mb_s']:.0f} | {row['batch_kb']:.0f} |",
              flush=True)

    def start(self):
        """Next to the start of a program that does nothing."""
        def once(folder):
            with Dlogd(self.build, folder, keep=True) as d:
                return d.start_ms

        def nothing():
            begin = time.monotonic()
            subprocess.run(["true"], check=True)
            return (time.monotonic() - begin) * 1000
        took = {"empty": [], "again": [], "true": []}
        again = self.folder()
        with Dlogd(self.build, again, keep=True) as d:
            load(self.build, d.port, "produce", requests=100)
        for _ in range(4 * self.args.pairs + 1):
            folder = self.folder()
            took["empty"].append(once(folder))
            took["again"].append(once(again))
            took["true"].append(nothing())
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(again, ignore_errors=True)

        def spread(key):
            t = took[key]
            return f"{statistics.median(t):.1f} ms ({min(t):.1f} to {max(t):.1f})"
        self.note("start", f"to the first answered ApiVersions {spread('again')}, with an empty "
                  f"folder {spread('empty')}; /bin/true alone {spread('true')}",
                  **{key + "_ms": statistics.median(t) for key, t in took.items()})

    def memory(self):
        with Dlogd(self.build, self.folder()) as d:
            time.sleep(0.2)
            idle = memory_mb(d.process.pid)
            before = wakeups(d.process.pid)
            time.sleep(2)
            woken = (wakeups(d.process.pid) - before) / 2
            load(self.build, d.port, "produce", connections=8, depth=5, batch=64 << 10,
                 requests=self.args.mb * 1_000_000 // (64 << 10))
            load(self.build, d.port, "fetch", connections=4, batch=64 << 10, requests=1000)
            loaded = memory_mb(d.process.pid)
        self.note("memory", f"idle {idle[0]:.1f} MB (proportional {idle[1]:.1f}), "
                  f"after the load {loaded[0]:.1f} ({loaded[1]:.1f}); "
                  f"{woken:.1f} wake-ups a second when idle",
                  idle_mb=idle[0], idle_pss_mb=idle[1], loaded_mb=loaded[0], wakeups=woken)

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

    def counted(self, wrapper, name, n, **dlogd):
        """Run dlogd under `wrapper` through n requests of a kind."""
        kind, options = REQUESTS[name]
        with Dlogd(self.build, self.folder(), wrapper=wrapper, **dlogd) as d:
            load(self.build, d.port, "produce", requests=100)
            load(self.build, d.port, kind, requests=n, **options)

    def instructions(self):
        """What n requests more cost: callgrind counts the same thing every time."""
        if shutil.which("valgrind") is None:
            print("instructions: no valgrind")
            return

        each = {name: self.instructions_each(name) for name in REQUESTS}
        self.note("instructions", ", ".join(f"{name} {n:.0f}" for name, n in each.items()), **each)

    def instructions_each(self, name, **dlogd):
        def count(n):
            out = self.folder() + ".callgrind"
            self.counted(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"], name, n, **dlogd)
            return int(re.search(r"^(?:summary|totals): (\d+)", open(out).read(), re.M).group(1))
        return (count(900) - count(100)) / 800

    def metering(self):
        """The same of a dlogd that counts nothing: what metrics cost a request."""
        if shutil.which("valgrind") is None:
            print("metering: no valgrind")
            return
        for name in REQUESTS:
            counts, without = (self.instructions_each(name, durability="always", program=program)
                               for program in ("dlogd", "bench/dlogd-unmetered"))
            self.note("metering", f"{name} {counts:.0f} instructions, {without:.0f} without metrics: "
                      f"{100 * (counts / without - 1):.2f} %", **{name: counts / without - 1})

    def syscalls(self):
        if shutil.which("strace") is None:
            print("syscalls: no strace")
            return

        def count(name, n):
            out = self.folder() + ".strace"
            self.counted(["strace", "-f", "-c", "-o", out], name, n)
            return int(re.search(r"(\d+)\s+(?:\d+\s+)?total", open(out).read()).group(1))
        each = {name: (count(name, 900) - count(name, 100)) / 800 for name in REQUESTS}
        self.note("syscalls", ", ".join(f"{name} {n:.1f}" for name, n in each.items()), **each)

    def table(self, head, rows, function, names):
        wanted = [name for name in rows if names is None or name in names]
        if wanted:
            print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for name in wanted:
            function(name)
        if wanted:
            print()

    def run(self):
        names = self.args.only.split(",") if self.args.only else None
        extra = {"start": self.start, "memory": self.memory, "idle": self.idle,
                 "instructions": self.instructions, "metering": self.metering, "syscalls": self.syscalls}
        for name in names or []:
            if name not in ROWS and name not in CLIENT_ROWS and name not in extra:
                sys.exit(f"no row {name}; there are {', '.join([*CLIENT_ROWS, *ROWS, *extra])}")
        print(f"{len(CORES)} cores, load {os.getloadavg()[0]:.1f} before we start, "
              f"{self.args.pairs} pairs, {self.args.mb} MB each\n")
        self.table(["row", "dlogd / file, a sync each batch", "/ file, a sync each 5 batches",
                    "/ librdkafka into nothing", "million records/s", "MB/s", "KB a batch"],
                   CLIENT_ROWS, self.client, names)
        self.table(["row", "dlogd / speed of light (range)", "MB/s", "million records/s", "p50 us",
                    "p99 us", "CPU s/GB"], ROWS, self.throughput, names)
        for name, function in extra.items():
            if names is None or name in names:
                function()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--mb", type=int, default=100, help="megabytes per throughput run")
    p.add_argument("--only", help="rows, separated by commas")
    p.add_argument("--dir", help="where the logs go (default: the system's temporary folder)")
    p.add_argument("--json", help="also write the results to this file")
    args = p.parse_args()
    for program in ("dlogd", "bench/load", "bench/speed_of_light", "bench/file_sync",
                    "bench/rdkafka_produce"):
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
