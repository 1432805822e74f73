#!/usr/bin/env python3
"""oracle: an Apache Kafka broker from its Maven jars, to compare answers with.

    tests/compat/oracle.py [--port N] [--set name=value]...    run one until interrupted

    with Oracle(settings={"num.partitions": 3}) as oracle:
        ... oracle.bootstrap ...

One process is broker and controller (KRaft), on 127.0.0.1:port and port+1, with its data in a
fresh folder that is removed at the end. The jars come once into the cache folder.
"""
import argparse, os, shutil, signal, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from compat import cache      # noqa: E402
from lib import folder, node, wire    # noqa: E402

VERSION = os.environ.get("DLOG_TEST_ORACLE_VERSION", "4.2.0")   # the version whose field tables we serve
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
START_TIMEOUT_S = 90

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>distributedlog</groupId><artifactId>oracle</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{version}</version></dependency></dependencies></project>
"""

def jars():
    """The folder with the broker's jars; cache.Unavailable when they cannot be had."""
    return cache.maven(f"kafka-broker-{VERSION}", POM.format(version=VERSION))

class Oracle:
    def __init__(self, port=None, settings=None):
        self.port = port or node.port_free(2)
        self.directory = folder.make("kafka-oracle")
        self.settings = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.port + 1}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": os.path.join(self.directory, "data"),
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1, "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1, "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0, **(settings or {})}
        self.process = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def data(self):
        return self.settings["log.dirs"]

    @property
    def pid(self):
        return self.process.pid

    def java(self, name, *args, heap="512m"):
        return ["java", f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                f"-Dlog4j2.configurationFile={os.path.join(self.directory, 'log4j2.properties')}",
                "-cp", os.path.join(jars(), "*"), name, *args]

    def configure(self):
        with open(os.path.join(self.directory, "log4j2.properties"), "w") as file:
            file.write("rootLogger.level=WARN\nrootLogger.appenderRefs=c\n"
                       "rootLogger.appenderRef.c.ref=C\nappender.c.type=Console\nappender.c.name=C\n"
                       "appender.c.layout.type=PatternLayout\nappender.c.layout.pattern=%d %p %m%n\n")
        path = os.path.join(self.directory, "server.properties")
        with open(path, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.settings.items())
        return path

    def start(self):
        began = time.monotonic()
        path = self.configure()
        with open(os.path.join(self.directory, "output"), "ab") as output:
            if not os.path.exists(os.path.join(self.data, "meta.properties")):
                subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", path),
                               check=True, stdout=output, stderr=output, timeout=60)
            self.process = subprocess.Popen(self.java("kafka.Kafka", path), stdout=output, stderr=output,
                                            cwd=self.directory, stdin=subprocess.DEVNULL)
        while True:
            try:
                with wire.Connection(self.port) as connection:
                    if connection.api_versions()[0] == 0:
                        return time.monotonic() - began
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - began > START_TIMEOUT_S:
                raise node.NodeError("Apache Kafka does not start\n" + self.output())
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def rss_bytes(self):
        return node.rss_bytes(self.pid)

    def output(self):
        with open(os.path.join(self.directory, "output"), errors="replace") as file:
            return file.read()[-4000:]

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.alive():
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    with Oracle(args.port, dict(item.split("=", 1) for item in args.set)) as oracle:
        print(f"Apache Kafka {VERSION} on {oracle.bootstrap}, data in {oracle.data}, pid {oracle.pid}", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        oracle.process.wait()

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
