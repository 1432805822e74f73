"""node: a dlogd of one's own, for one test.

    with Node(program, settings={"shards": 4}) as node:
        ... node.bootstrap, node.port, node.rss_bytes() ...
        node.kill(); node.start()        # same data, same port

Every node has a fresh folder and a free loopback port; leaving the block stops the process and
removes the folder, or keeps it and says where when the block raised. Nothing else is touched.
"""
import os, random, shutil, signal, socket, subprocess, time

from . import folder, wire

PORT_FIRST, PORT_END = 20000, 21000     # below what the kernel hands out by itself
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20

class NodeError(AssertionError):
    """The process did not do what a node has to do."""

def port_free(count=1):
    """COUNT consecutive ports that nobody has bound on either loopback address."""
    for _ in range(1000):
        first = random.SystemRandom().randrange(PORT_FIRST, PORT_END - count)
        if all(port_is_free(port) for port in range(first, first + count)):
            return first
    raise NodeError("no free port between 20000 and 20999")

def port_is_free(port):
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno == 98:       # EADDRINUSE; no IPv6 at all is fine
                    return False
    return True

def rss_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise NodeError("process has ended")

class Node:
    def __init__(self, program, settings=None, directory=None, port=None):
        self.program = os.path.abspath(program)
        self.owns_directory = directory is None
        self.directory = directory or folder.make("dlogd")
        self.port = port or port_free()
        self.settings = {"listeners": f"PLAINTEXT://127.0.0.1:{self.port},PLAINTEXT://[::1]:{self.port}",
                         "http.listeners": "", "grpc.listeners": "",
                         "log.dirs": os.path.join(self.directory, "data"), **(settings or {})}
        self.process = None
        self.started_s = None
        self.output_path = os.path.join(self.directory, "output")

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def data(self):
        return self.settings["log.dirs"]

    @property
    def pid(self):
        return self.process.pid

    def command(self):
        command = [self.program]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        return command

    def spawn(self):
        """Starts the process and waits for nothing."""
        with open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(self.command(), cwd=self.directory, stdout=output,
                                            stderr=output, stdin=subprocess.DEVNULL)

    def start(self):
        """Returns the seconds until the first answered ApiVersions."""
        began = time.monotonic()
        self.spawn()
        while True:
            if self.process.poll() is not None:
                raise NodeError(f"dlogd ended with {self.process.returncode} instead of starting\n"
                                + self.output())
            try:
                with wire.Connection(self.port, timeout_s=5) as connection:
                    connection.api_versions()
                self.started_s = time.monotonic() - began
                return self.started_s
            except OSError:
                pass
            if time.monotonic() - began > START_TIMEOUT_S:
                raise NodeError(f"no answer within {START_TIMEOUT_S} s of starting\n" + self.output())
            time.sleep(0.005)

    def stop(self):
        """SIGTERM, which must end in exit code 0. Returns the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NodeError(f"still running {STOP_TIMEOUT_S} s after SIGTERM\n" + self.output()) from None
        if code != 0:
            raise NodeError(f"exit code {code} after SIGTERM\n" + self.output())
        return time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def rss_bytes(self):
        return rss_bytes(self.pid)

    def output(self, size_max=4000):
        with open(self.output_path, "rb") as file:
            text = file.read()[-size_max:].decode(errors="replace")
        return f"--- its output ---\n{text}------------------"

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, kind, *rest):
        if self.alive():
            self.kill()
        if kind:
            print(f"# node kept for inspection in {self.directory}", flush=True)
        elif self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
