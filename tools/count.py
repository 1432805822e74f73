#!/usr/bin/env python3
"""count: one line of totals over meson's test log and the results of tests/compat.

    tools/count.py [--status N] FILE...

A TAP test counts each of its points, any other test counts once. A test that ended badly although
all of its points passed (a crash at exit, a leak) adds one failure. A file that is missing, or a
status other than 0 without any failure counted, is a failure: nothing may pass by not running.
The last line is "P passed, F failed" and ", S skipped" if there were any; exits 1 on a failure.
"""
import argparse, json, os, re, sys

POINT = re.compile(r"^(not )?ok\b[^#\n]*(?:#\s*(\w+))?", re.M)
PASSED = {"OK", "EXPECTEDFAIL"}

def points_of(test):
    """(passed, failed, skipped) of one entry of meson's log."""
    passed = failed = skipped = 0
    result = test["result"]
    points = POINT.findall(test.get("stdout", ""))
    for wrong, directive in points:
        if directive.upper() == "SKIP":
            skipped += 1
        elif wrong:
            failed += 1
        else:
            passed += 1
    if not points:
        return int(result in PASSED), int(result not in PASSED | {"SKIP"}), int(result == "SKIP")
    if result not in PASSED | {"SKIP"} and not failed:
        failed += 1
    return passed, failed, skipped

def file_count(path):
    if not os.path.exists(path):
        print(f"{path}: not there, so something did not run")
        return 0, 1, 0
    total = [0, 0, 0]
    with open(path) as file:
        for line in file:
            if line.strip():
                test = json.loads(line)
                counts = points_of(test)
                total = [a + b for a, b in zip(total, counts)]
                if counts[1]:
                    print(f"failed: {test['name']}")
                elif counts[2]:
                    print(f"skipped: {test['name']}")
    return total

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    passed, failed, skipped = (sum(column) for column in zip(*map(file_count, args.files)))
    if args.status and not failed:
        failed = 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0

if __name__ == "__main__":
    sys.exit(main())
