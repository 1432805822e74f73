"""tap: test points on standard output, as meson and tools/count.py read them.

    tap = Tap()
    tap.run("a frame of 2 GiB", function, arguments...)     # passes unless it raises
    sys.exit(tap.done())
"""
import sys, time, traceback

class Skip(Exception):
    """Raised by a point that cannot be tried here; the text says why."""

class Tap:
    def __init__(self, file=None):
        self.file = file or sys.stdout
        self.lines = []
        self.count = self.failed = self.skipped = 0

    def say(self, line):
        self.lines.append(line)
        print(line, file=self.file, flush=True)

    def note(self, text):
        for line in str(text).rstrip().splitlines():
            self.say(f"# {line}")

    def point(self, ok, name, why=""):
        self.count += 1
        self.failed += not ok
        self.say(f"{'ok' if ok else 'not ok'} {self.count} - {name.replace('#', '')}")
        if why:
            self.note(why)

    def skip(self, name, why):
        self.count += 1
        self.skipped += 1
        self.say(f"ok {self.count} - {name} # SKIP {' '.join(str(why).split())}")

    def run(self, name, function, *args):
        """Returns what FUNCTION returns, None if it raised."""
        began = time.monotonic()
        try:
            value = function(*args)
        except Skip as reason:
            self.skip(name, reason)
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.point(False, name, f"{error or where.line}\nat {where.filename}:{where.lineno}")
        except Exception:
            self.point(False, name, traceback.format_exc(limit=-3))
        else:
            self.point(True, f"{name} ({time.monotonic() - began:.1f} s)")
            return value
        return None

    def done(self):
        self.say(f"1..{self.count}")
        return 1 if self.failed else 0
