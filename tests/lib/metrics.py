"""metrics: what a node says at /metrics and its neighbours."""
import http.client, re

LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}

def get(port, path):
    """(status, text) of GET PATH."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()

class Scrape:
    """One reading of /metrics."""
    def __init__(self, port):
        status, self.text = get(port, "/metrics")
        assert status == 200, f"/metrics: {status} {self.text[:200]}"
        self.samples = []       # (name, {label: text}, value)
        for line in self.text.splitlines():
            if line.startswith("#"):
                continue
            match = LINE.match(line)
            assert match, f"not a sample: {line!r}"
            labels = {name: re.sub(r"\\(.)", lambda m: ESCAPES[m.group(1)], text)
                      for name, text in LABEL.findall(match.group(2) or "")}
            self.samples.append((match.group(1), labels, float(match.group(3))))

    def find(self, name, **labels):
        return [value for n, l, value in self.samples
                if n == name and all(l.get(k) == v for k, v in labels.items())]

    def one(self, name, **labels):
        found = self.find(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {len(found)} samples"
        return found[0]

    def total(self, name, **labels):
        return sum(self.find(name, **labels))

    def names(self):
        return {line.split()[2] for line in self.text.splitlines() if line.startswith("# TYPE ")}
