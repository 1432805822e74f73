#!/usr/bin/env python3
"""Compile commands for checkers that read a build folder's compile_commands.json.

    tools/compile_commands.py BUILD OUT [TREE]

Makes the sources that BUILD generates and writes OUT/compile_commands.json. A source that goes into
several programs is listed once: clang-tidy would check it once per command in one process, and
version 14 takes the va_lists of the second round for uninitialized. With TREE, another copy of the
sources, files and include folders are those of TREE; what is generated stays that of BUILD.
"""
import json, os, re, shlex, subprocess, sys


def generated_files(build):
    rules = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], check=True,
                           capture_output=True, text=True).stdout
    return re.findall(r"^(\S+\.[ch]): CUSTOM_COMMAND", rules, re.M)


def main(build, out, tree=None):
    build = os.path.realpath(build)
    root = os.path.dirname(build)

    def moved(path):
        path = os.path.normpath(os.path.join(build, path))
        is_source = path == root or path.startswith(root + "/") and not path.startswith(build + "/")
        return tree + path[len(root):] if tree and is_source and path != build else path

    generated = generated_files(build)
    if generated:
        made = subprocess.run(["ninja", "-C", build, *generated], capture_output=True, text=True)
        if made.returncode != 0:
            sys.exit(made.stdout + made.stderr)
    entries = {}
    with open(os.path.join(build, "compile_commands.json")) as f:
        for entry in json.load(f):
            args = ["-I" + moved(a[2:]) if a.startswith("-I") else a
                    for a in shlex.split(entry["command"])]
            path = moved(entry["file"])
            args[-1] = path     # meson ends a command with its source
            entries.setdefault(path, {"directory": build, "file": path, "command": shlex.join(args)})
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "compile_commands.json"), "w") as f:
        json.dump(list(entries.values()), f, indent=1)


if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
main(*sys.argv[1:])
