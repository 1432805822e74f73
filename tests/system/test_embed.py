#!/usr/bin/env python3
"""libdlog as a stranger meets it: installed, found by pkg-config, compiled as C and as C++.

    tests/system/test_embed.py BUILD SOURCE
"""
import os, re, shutil, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import folder as folders  # noqa: E402
from lib.tap import Tap  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]

def run(args, **more):
    done = subprocess.run(args, capture_output=True, text=True, timeout=300, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout

def quick_start(header):
    """The program in the comment of dlog.h."""
    text = open(header, encoding="utf-8").read()
    text = text[text.index(" * QUICK START"):text.index(" * WORDS")]
    return "\n".join(re.sub(r"^ \*( {5})?", "", line) for line in text.split("\n")[1:]) + "\n"

class Installed:
    def __init__(self, build, folder):
        self.folder = folder
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", folder])
        pc = run(["find", folder, "-name", "dlog.pc"]).split()
        assert len(pc) == 1, pc
        self.lib = os.path.dirname(os.path.dirname(pc[0]))
        self.env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(pc[0]),
                        PKG_CONFIG_SYSROOT_DIR=folder, LD_LIBRARY_PATH=self.lib)

    def flags(self, *args):
        return run(["pkg-config", *args, "dlog"], env=self.env).split()

    def compile(self, compiler, source, is_static=False):
        program = os.path.join(self.folder, "program")
        language = ["-x", "c++", "-std=c++11"] if "++" in compiler else ["-std=c99"]
        if is_static:   # the archive, and what pkg-config says that it needs
            libs = self.flags("--libs", "--static")
            libs[libs.index("-ldlog")] = os.path.join(self.lib, "libdlog.a")
        else:
            libs = self.flags("--libs")
        run([compiler, *WARNINGS, "-D_POSIX_C_SOURCE=200809L", *self.flags("--cflags"), "-pthread",
             *language, source, "-x", "none", "-o", program, *libs])
        return program

    def start(self, program, *args, stdin=""):
        folder = tempfile.mkdtemp(dir=self.folder)
        return run([program, *args], env=self.env, cwd=folder, input=stdin), folder

def check_hello(installed, program):
    out, folder = installed.start(program)
    assert out == "0 alice=tea\n1 alice=coffee\n2 alice=water\n", out
    again = run([program], env=installed.env, cwd=folder)
    assert again.startswith(out) and again.count("\n") == 6, again

def check_tail(installed, program):
    out, _ = installed.start(program, "log", "3", stdin="a\nb b\n\n")
    assert out == "0 a\n1 b b\n2 \n", out

def check_group_commit(installed, program):
    out, _ = installed.start(program)
    assert out == "4000 durable\n", out

def check_quick_start(installed, program):
    out, _ = installed.start(program)
    assert out == "0 hello\n", out

def main(build, source):
    folder = folders.make("embed")
    tap = Tap()
    try:
        installed = Installed(build, folder)
        start = os.path.join(folder, "quick_start.c")
        with open(start, "w", encoding="utf-8") as out:
            out.write(quick_start(os.path.join(source, "include/dlog.h")))
        examples = {"quick start": (start, check_quick_start)}
        for name, check in (("hello", check_hello), ("tail", check_tail),
                            ("group_commit", check_group_commit)):
            examples[name] = (os.path.join(source, "examples", name + ".c"), check)
        for name, (path, check) in examples.items():
            for title, compiler, is_static in (("C", "cc", False), ("C++", "c++", False),
                                               ("C, static", "cc", True)):
                tap.run(f"{name} in {title}", lambda c=check, p=path, x=compiler, i=is_static:
                        c(installed, installed.compile(x, p, i)))
    finally:
        shutil.rmtree(folder)
    return tap.done()

sys.exit(main(sys.argv[1], sys.argv[2]))
