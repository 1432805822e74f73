#!/usr/bin/env python3
"""events: docs/logs.md lists every event that the source traces, and no other.

    tools/events.py [src] [docs/logs.md]

An event is a name in trace_event() or trace_limit_pass(), or in a struct that carries one: a string
right after a level (TRACE_WARN, "name") or a component (TRACE_NET, "name"). Prints what differs;
exits 1 when something does.
"""
import os, re, sys

LEVELS = {"DEBUG", "INFO", "WARN", "ERROR"}

def source_events(root):
    """{event: components or an empty set}."""
    found = {}
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if not name.endswith(".c") or folder.endswith("/trace"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
            for m in re.finditer(r'TRACE_([A-Z]+),\s*"([a-z][a-z0-9_]+)"', text):
                components = found.setdefault(m.group(2), set())
                if m.group(1) not in LEVELS:
                    components.add(m.group(1).lower())
    return found

def listed_events(path):
    with open(path, encoding="utf-8") as file:
        rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \|", file.read(), re.M)
    return dict(rows), [event for event, _ in rows]

def main(args):
    root, page = (args + ["src", "docs/logs.md"][len(args):])[:2]
    source = source_events(root)
    listed, in_order = listed_events(page)
    findings = [f"{page}: lacks event {event}: add a row for it" for event in sorted(source.keys() - listed.keys())]
    findings += [f"{page}: has event {event}, which nothing traces" for event in sorted(listed.keys() - source.keys())]
    findings += [f"{page}: event {event} is of component {'/'.join(sorted(source[event]))}, not {listed[event]}"
                 for event in sorted(source.keys() & listed.keys())
                 if source[event] and listed[event] not in source[event]]
    findings += [f"{page}: event {event} stands twice" for event in sorted(set(in_order)) if in_order.count(event) > 1]
    for text in findings:
        print(text)
    return 1 if findings else 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
