"""Folders of tests: all below one place, with the number of their process in the name. A test that
fails leaves its own; those that are a day old and whose process is gone are removed."""
import os
import shutil
import tempfile
import time

DAY_S = 24 * 3600

def is_left(path):
    try:
        os.kill(int(path.rsplit("-", 2)[1]), 0)
    except ProcessLookupError:
        return os.stat(path).st_mtime < time.time() - DAY_S
    except (IndexError, ValueError, OSError):
        pass
    return False

def place():
    path = os.path.join(tempfile.gettempdir(), f"dlog-tests-{os.getuid()}")
    os.makedirs(path, exist_ok=True)
    for entry in os.listdir(path):
        if is_left(os.path.join(path, entry)):
            shutil.rmtree(os.path.join(path, entry), ignore_errors=True)
    return path

def make(name):
    """A folder that stays until somebody removes it."""
    return tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=place())

def temporary(name):
    """A folder for the time of a with statement."""
    return tempfile.TemporaryDirectory(prefix=f"{name}-{os.getpid()}-", dir=place())
