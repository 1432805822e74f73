#!/usr/bin/env python3
"""cover: line coverage of a build folder against tools/cover.min.

    tools/cover.py BUILD

Writes BUILD/coverage.html beside the summary. Fails if a prefix is below its number, or if
tools/cover.min has a lower number than the last commit has.
"""
import json, os, subprocess, sys

MINIMA = "tools/cover.min"

def minima_parse(text):
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {prefix: float(percent) for prefix, percent in rows}

def main():
    build = sys.argv[1]
    report = os.path.join(build, "coverage.json")
    page = os.path.join(build, "coverage.html")
    subprocess.run(["gcovr", "--root", ".", "--filter", "src/", "--object-directory", build,
                    "--json-summary", report, "--html-details", page, build],
                   check=True, stdout=subprocess.DEVNULL)
    with open(report) as file:
        files = json.load(file)["files"]
    with open(MINIMA) as file:
        minima = minima_parse(file.read())
    old = subprocess.run(["git", "show", f"HEAD:{MINIMA}"], capture_output=True, text=True)
    failed = False
    if old.returncode == 0:
        for prefix, percent in minima_parse(old.stdout).items():
            if minima.get(prefix, 0) < percent:
                print(f"{MINIMA}: {prefix} may not fall below {percent:g}")
                failed = True
    for prefix, percent in minima.items():
        inside = [f for f in files if f["filename"].startswith(prefix)]
        total = sum(f["line_total"] for f in inside)
        if not total:
            continue
        covered = 100.0 * sum(f["line_covered"] for f in inside) / total
        low = covered < percent
        failed |= low
        print(f"{'BELOW' if low else 'ok':5} {covered:5.1f} % of {total:6} lines in {prefix:14} "
              f"(least {percent:g} %)")
    print(f"details: {page}")
    return 1 if failed else 0

if __name__ == "__main__":
    sys.exit(main())
