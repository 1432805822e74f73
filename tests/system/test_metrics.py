#!/usr/bin/python3
"""What /metrics, /healthz and /readyz say is what happened, and their form is Prometheus' own.

    test_metrics.py PROGRAM
"""
import os, re, shutil, subprocess, sys, threading, time

import confluent_kafka as ck

from common import Node, Skip, Tap, arguments, port_free, require, wire
from lib.metrics import Scrape, get

TIMEOUT_S = 60
SESSION = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200, "auto.offset.reset": "earliest"}
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "metrics.md")

class Watched(Node):
    def __init__(self, program, settings=None):
        self.http = port_free()
        super().__init__(program, settings={"http.listeners": f"127.0.0.1:{self.http}", "shards": 2,
                                            "num.partitions": 3, **(settings or {})})

    def scrape(self):
        return Scrape(self.http)

def wait_for(what, condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        require(time.monotonic() < end, f"{what}: not within {TIMEOUT_S} s")
        time.sleep(0.05)

def produce(node, topic, count, partitions=1):
    producer = ck.Producer({"bootstrap.servers": node.bootstrap})
    for i in range(count):
        producer.produce(topic, b"value %d" % i, partition=i % partitions)
    require(producer.flush(TIMEOUT_S) == 0, "produce")

def promtool(text):
    if shutil.which("promtool") is None:
        raise Skip("no promtool: make deps-test")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60)
    require(done.returncode == 0 and not done.stderr, done.stdout + done.stderr)

def form(node):
    promtool(node.scrape().text)

def documented(node):
    """The page has each metric there is, and there is each metric of the page."""
    with open(DOCS, encoding="utf-8") as page:
        listed = set(re.findall(r"^\| `([a-z_]+)", page.read(), re.M))
    require(node.scrape().names() == listed, f"{node.scrape().names() ^ listed}")

def requests(node):
    before = node.scrape()
    with wire.Connection(node.port) as connection:
        for _ in range(5):
            connection.api_versions()
        require(connection.metadata("no-such-topic")[0] == 3, "an unknown topic")
    after = node.scrape()
    require(after.one("dlog_requests_total", api="ApiVersions") -
            before.total("dlog_requests_total", api="ApiVersions") == 5, "ApiVersions")
    require(after.one("dlog_request_errors_total", api="Metadata", error="UNKNOWN_TOPIC_OR_PARTITION") >= 1, "error")
    name = "dlog_request_duration_seconds"
    buckets = after.find(name + "_bucket", api="ApiVersions")
    require(buckets == sorted(buckets) and buckets[-1] == after.one(name + "_count", api="ApiVersions"), "histogram")
    require(after.one(name + "_bucket", api="ApiVersions", le="+Inf") == buckets[-1], "the last bucket")

def topics(node):
    produce(node, "counted", 1000, 3)
    consumer = ck.Consumer({"bootstrap.servers": node.bootstrap, "group.id": "counting", "enable.auto.commit": False,
                            **SESSION})
    consumer.subscribe(["counted"])
    got, end = [], time.monotonic() + TIMEOUT_S
    while len(got) < 1000:
        got += consumer.consume(1000 - len(got), 1)
        require(time.monotonic() < end, f"{len(got)} of 1000 records")
    s = node.scrape()
    require(s.one("dlog_topic_produced_records_total", topic="counted") == 1000, "records")
    require(s.one("dlog_topic_produced_bytes_total", topic="counted") ==
            s.one("dlog_topic_log_size_bytes", topic="counted"), "bytes in the log")
    require(s.one("dlog_topic_fetched_bytes_total", topic="counted") >=
            s.one("dlog_topic_produced_bytes_total", topic="counted"), "bytes out")
    require(s.total("dlog_topic_produced_bytes_total") == s.one("dlog_produced_bytes_total"), "the sum")
    require(s.one("dlog_topic_partitions", topic="counted") == 3, "partitions")
    require(s.total("dlog_logs_opened_total") == s.one("dlog_partitions", state="open"), "logs opened")
    require(s.one("dlog_groups", state="stable") == 1, "the group is stable")
    consumer.commit(offsets=[ck.TopicPartition("counted", p, 100) for p in range(3)], asynchronous=False)
    consumer.close()
    s = node.scrape()
    require(s.one("dlog_group_lag_records", group="counting", topic="counted") == 700, "lag")
    require(s.one("dlog_group_lag_max_records", group="counting", topic="counted") == 334 - 100, "most lag")
    require(s.one("dlog_groups", state="empty") == 1, "the group is empty")

def syncs(node):
    before = node.scrape()
    with wire.Connection(node.port) as connection:
        for _ in range(20):
            require(connection.produce("counted", wire.batch([b"x"]))[0] == 0, "produce")
    after = node.scrape()
    name = "dlog_sync_duration_seconds_count"
    require(after.one(name) - before.one(name) == 20, "a sync each")
    require(after.one("dlog_synced_appends_total") - before.one("dlog_synced_appends_total") == 20, "an append each")

def refused_batches(node):
    with wire.Connection(node.port) as connection:
        require(connection.produce("counted", wire.batch([b"x"], crc_delta=1))[0] == 2, "a wrong CRC")
    s = node.scrape()
    require(s.one("dlog_crc_errors_total") == 1, "CRC errors")
    require(s.one("dlog_topic_produce_failures_total", topic="counted") == 1, "failures of the topic")
    require(s.one("dlog_request_errors_total", api="Produce", error="CORRUPT_MESSAGE") == 1, "errors")

def dropped(node):
    before = node.scrape().one("dlog_connections_dropped_total")
    with wire.Connection(node.port) as connection:
        connection.send(wire.frame(wire.header(wire.PRODUCE, 99)))
        require(connection.is_closed_within(10), "still open")
    require(node.scrape().one("dlog_connections_dropped_total") == before + 1, "not counted")

def connections(node):
    opened = [wire.Connection(node.port) for _ in range(5)]
    for connection in opened:
        connection.api_versions()
    require(node.scrape().one("dlog_connections") >= 5, "connections")
    opened[0].send(wire.frame(wire.header(wire.FETCH, 4) + wire.struct.pack(
        ">iiiibi", -1, 60_000, 1, 1 << 20, 0, 1) + wire.string("counted") + wire.struct.pack(">iiqi", 1, 2, 333, 1 << 20)))
    wait_for("a long poll under way", lambda: node.scrape().one("dlog_requests_under_way") >= 1)
    require(node.scrape().one("dlog_memory_bytes", owner="request") > 0, "memory of requests")
    opened[1].send(wire.struct.pack(">i", 1 << 20) + b"\0" * 1000)
    wait_for("a half frame is held", lambda: node.scrape().one("dlog_memory_bytes", owner="receive") >= 1000)
    for connection in opened:
        connection.close()
    wait_for("they are gone", lambda: node.scrape().one("dlog_connections") == 0)

def process(node):
    s = node.scrape()
    require(abs(s.one("process_start_time_seconds") - os.stat(f"/proc/{node.pid}").st_mtime) < 60, "start time")
    require(0.5 < s.one("process_resident_memory_bytes") / node.rss_bytes() < 2, "resident memory")
    require(s.one("process_open_fds") > 5 and s.one("process_cpu_seconds_total") > 0, "descriptors, CPU")
    before = s.total("dlog_loop_busy_seconds_total")
    produce(node, "counted", 1000)
    require(node.scrape().total("dlog_loop_busy_seconds_total") > before, "the loops did nothing")
    require({l["loop"] for n, l, _ in s.samples if n == "dlog_loop_busy_seconds_total"} ==
            {"controller", "shard-0", "shard-1"}, "loops")

def recovery(node):
    """After a kill the logs are scanned; with a torn tail that is told."""
    node.kill()
    torn = os.path.join(node.data, "counted-0", "0" * 20 + ".log")
    with open(torn, "ab") as log:
        log.write(wire.batch([b"never acknowledged"])[:-5])
    node.start()
    s = node.scrape()
    require(s.one("dlog_logs_opened_total", outcome="torn") == 1, "torn")
    require(s.one("dlog_logs_opened_total", outcome="scanned") >= 1, "scanned")
    require(s.one("dlog_recovery_torn_bytes_total") > 0 and s.one("dlog_recovery_scanned_bytes_total") > 0, "bytes")
    require(s.one("dlog_start_seconds") >= 0, "time")
    node.stop()
    node.start()
    s = node.scrape()
    require(s.one("dlog_logs_opened_total", outcome="clean") == s.total("dlog_logs_opened_total"), "clean")

def retention(node):
    producer = ck.Producer({"bootstrap.servers": node.bootstrap})
    for _ in range(5):
        producer.produce("short", b"x" * 700_000, partition=0)
        producer.flush(TIMEOUT_S)
    wait_for("retention", lambda: node.scrape().one("dlog_retention_deleted_bytes_total") >= 700_000)

def bounded(node):
    """No more names than metrics.names.max, whoever makes topics."""
    with wire.Connection(node.port) as connection:
        for i in range(8):
            connection.topic_ready(f"many-{i}")
    s = node.scrape()
    require(len(s.find("dlog_topic_partitions")) == 5, f"{s.find('dlog_topic_partitions')}")
    require(s.one("dlog_metrics_names_left_out") == 3 and s.one("dlog_cluster_topics") == 8, "left out")

def many_scrapes(node):
    """At once, also while the node stops: each ends."""
    seen = []

    def scrape():
        try:
            seen.append(get(node.http, "/metrics")[0])
        except OSError:
            seen.append(None)       # it has stopped
    threads = [threading.Thread(target=scrape) for _ in range(40)]
    for thread in threads[:20]:
        thread.start()
    for thread in threads[:20]:
        thread.join(TIMEOUT_S)
    require(set(seen) <= {200, 503} and 200 in seen, f"{seen}")
    for thread in threads[20:]:
        thread.start()
    node.stop()
    for thread in threads[20:]:
        thread.join(TIMEOUT_S)
    require(len(seen) == 40, "a scrape hangs")
    node.start()

def health(node):
    require(get(node.http, "/healthz") == (200, "ok\n"), "/healthz")
    require(get(node.http, "/readyz") == (200, "ready\n"), "/readyz")
    require(node.scrape().one("dlog_ready") == 1, "dlog_ready")

def unready(args):
    """While logs are recovered, and once nothing can be written any more."""
    with Watched(args.program) as node:
        with wire.Connection(node.port) as connection:
            connection.topic_ready("t")
        shutil.rmtree(os.path.join(node.data, "t-0"))
        os.chmod(node.data, 0o500)
        # A new segment cannot be made where the directory is gone: the root fails.
        with wire.Connection(node.port) as connection:
            connection.produce("t", wire.batch([b"x" * 1000]))
            connection.produce("t", wire.batch([b"x" * 1000]))
        os.chmod(node.data, 0o700)
        failed = node.scrape().total("dlog_disk_failed")
        status, text = get(node.http, "/readyz")
        require((status, text) == ((503, "no data directory can be written\n") if failed else (200, "ready\n")),
                f"{failed} {status} {text}")
        require(get(node.http, "/healthz")[0] == 200, "it lives")

def main():
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments(__doc__)
    points = Tap()
    with Watched(args.program) as node:
        for name, test in (("requests, errors, durations", requests), ("topics and the lag of groups", topics),
                           ("group commit", syncs), ("batches refused", refused_batches), ("connections dropped", dropped),
                           ("connections and memory", connections), ("the process", process),
                           ("recovery", recovery), ("/healthz and /readyz", health),
                           ("promtool check metrics", form), ("the page lists them all", documented),
                           ("many scrapes at once, and a stop", many_scrapes)):
            points.run(name, test, node)
    with Watched(args.program, {"log.segment.bytes": 1 << 20, "log.retention.bytes": 1 << 20,
                                "log.retention.check.interval.ms": 100}) as node:
        points.run("retention", retention, node)
    with Watched(args.program, {"metrics.names.max": 5}) as node:
        points.run("names are bounded", bounded, node)
    points.run("ready means that it can serve", unready, args)
    return points.done()

if __name__ == "__main__":
    sys.exit(main())
