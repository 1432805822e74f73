"""common: what the system tests share beside tests/lib."""
import argparse, os, sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from compat.oracle import Oracle                # noqa: E402
from lib.node import Node, NodeError, port_free # noqa: E402
from lib.tap import Skip, Tap                   # noqa: E402
from lib import wire                            # noqa: E402

__all__ = ["Node", "NodeError", "Oracle", "Skip", "Tap", "arguments", "broker", "port_free", "require", "wire"]

def arguments(description, add=None):
    """PROGRAM is dlogd; the word "oracle" instead runs the test against Apache Kafka."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("program")
    if add:
        add(parser)
    args = parser.parse_args()
    args.oracle = args.program == "oracle"
    return args

def broker(args, settings=None):
    """A broker to start with a with statement."""
    if args.oracle:
        settings = {name: value for name, value in (settings or {}).items() if name != "shards"}
        return Oracle(settings=settings)
    return Node(args.program, settings=settings)

def require(condition, what):
    if not condition:
        raise AssertionError(what)
