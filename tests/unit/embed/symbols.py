#!/usr/bin/env python3
"""symbols: the libraries show the functions of the header, all of them and nothing else.

    tests/unit/embed/symbols.py HEADER LIBRARY...
"""
import re, subprocess, sys

def declared(header):
    text = re.sub(r"/\*.*?\*/", "", open(header, encoding="utf-8").read(), flags=re.S)
    text = re.sub(r"typedef[^;]*;", "", text)
    return set(re.findall(r"\b(dlog_[a-z_]+)\(", text))

def visible(library):
    args = ["nm", "-D" if ".so" in library else "-g", "--defined-only", library]
    out = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    return {parts[2].split("@")[0] for parts in map(str.split, out.splitlines())
            if len(parts) == 3 and parts[1] != "A"}

def main(header, libraries):
    failed = 0
    functions = declared(header)
    print(f"# {len(functions)} functions in {header}")
    for library in libraries:
        shown = visible(library)
        for name in sorted(functions ^ shown):
            print(f"{library}: {name} is {'shown, not declared' if name in shown else 'missing'}")
            failed = 1
    return failed or not functions

sys.exit(main(sys.argv[1], sys.argv[2:]))
