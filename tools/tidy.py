#!/usr/bin/env python3
"""tidy: checks of the code's shape that a compiler does not make.

    tools/tidy.py [src]            read sources
    tools/tidy.py [src] --lib M=A  also check archive A, built from module M
    tools/tidy.py [src] --lib-only --lib M=A  only the archive

Prints file:line: message for each finding; exits 1 when there is one.
"""
import os, re, subprocess, sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000
COLUMNS_MAX = 100
PARAMETERS_MAX = 5
TAB = 8
BANNED = {                      # name: what to use
    "strcpy": "buf_append", "strcat": "buf_append", "sprintf": "snprintf",
    "strncpy": "memcpy", "strtok": "slice_split", "atoi": "parse_i64",
    "gets": "os_read", "alloca": "buf", "gmtime": "os_time",
    "localtime": "os_time", "rand": "rng_next", "exit": "return from main",
}
# What a pure module may need from outside itself and the pure modules below.
PURE_LIBC = set("""memcpy memmove memset memcmp memchr strlen strcmp strncmp strnlen strchr
    snprintf vsnprintf __assert_fail __stack_chk_fail abort _GLOBAL_OFFSET_TABLE_""".split())
ALLOC_LIBC = {"malloc", "calloc", "realloc", "free"}   # for the module flagged alloc

# Functions from before the rule, with their parameters: this table may only shrink.
PARAMETERS_OVER = {}

findings = []
parameters_seen = {}            # of the functions of PARAMETERS_OVER

def finding(path, line, text):
    findings.append(f"{path}:{line}: {text}")

def layers_read(path):
    modules = {}
    for number, line in enumerate(open(path), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, prefixes, flags, below = [f.strip() for f in line.split(":")]
        below = below.split()
        for other in below:     # order in the file is the order of the layers
            if other not in modules:
                finding(path, number, f"{name} names {other}, which is not above it in this file")
        modules[name] = {"prefixes": prefixes.split(), "pure": "pure" in flags.split(),
                         "alloc": "alloc" in flags.split(),
                         "extern": [e for f in flags.split() if f.startswith("extern=")
                                    for e in f[7:].split(",")], "below": below}
    return modules

def code_only(text):
    """The source with comments, strings and character constants blanked, line breaks kept."""
    token = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(token, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)

def check_includes(path, module, lines, modules):
    own, seen = path[:-2] + ".h", 0
    for number, line in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not m:
            continue
        seen += 1
        target = m.group(1)
        if target == "dlog.h":     # the one public header
            if module not in ("embed", "cli"):
                finding(path, number, "dlog.h is for embed, cli and the examples")
            continue
        if target.count("/") == 0 or target.startswith("."):
            finding(path, number, f'write includes from src/: "{target}"')
            continue
        to = target.split("/")[0]
        if to != module and to not in modules[module]["below"]:
            finding(path, number, f"{module} may not include {to}: {target}")
        if to != module and target.endswith("_priv.h"):
            finding(path, number, f"{target} is private to {to}")
        if seen == 1 and path.endswith(".c") and os.path.exists(own) and not own.endswith("/" + target):
            finding(path, number, f"include {os.path.basename(own)} first")

def check_lines(path, lines, code):
    if len(lines) > FILE_LINES_MAX:
        finding(path, 1, f"{len(lines)} lines, more than {FILE_LINES_MAX}")
    start = None
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(TAB)) > COLUMNS_MAX:
            finding(path, number, f"more than {COLUMNS_MAX} columns")
        if re.search(r"\b(FIXME|XXX)\b", line):
            finding(path, number, "FIXME left in")
        for name in re.findall(r"\b([a-z_]+)\s*\(", code[number - 1]):
            if name in BANNED:
                finding(path, number, f"{name} is banned, use {BANNED[name]}")
        if line == "{":
            start = number
        if line == "}" and start:
            if number - start - 1 > FUNCTION_LINES_MAX:
                finding(path, start, f"function of {number - start - 1} lines, more than {FUNCTION_LINES_MAX}")
            start = None

def check_parameters(path, code):
    """No function takes more than PARAMETERS_MAX; one that is listed, no more than it did."""
    definition = r"^(?![ #}])[^;{}()#]*?\b(\w+)\(((?:[^(){};]|\([^()]*\))*)\)\s*^\{"
    for m in re.finditer(definition, code, re.M):
        name, line = m.group(1), code.count("\n", 0, m.start(1)) + 1
        given = re.sub(r"\([^()]*\)", "", m.group(2)).split(",")
        count = sum(1 for p in given if p.strip() not in ("", "..."))
        allowed = PARAMETERS_OVER.get(name, PARAMETERS_MAX)
        if count > allowed:
            finding(path, line, f"{name} takes {count} parameters, more than {allowed}: "
                    "give it a struct")
        if name in PARAMETERS_OVER:
            parameters_seen[name] = max(count, parameters_seen.get(name, 0))

def check_ratchet():
    for name, allowed in PARAMETERS_OVER.items():
        if parameters_seen.get(name, 0) < allowed:
            finding(__file__, 0, f"{name} takes fewer than {allowed} parameters now, or has gone: "
                    "correct PARAMETERS_OVER")

def check_header(path, text):
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S).strip()
    if not bare.startswith("#pragma once"):
        finding(path, 1, "#pragma once must come first")

def check_globals(module, archive):
    """No writable data: state lives in handles, so that many nodes fit in one process."""
    out = subprocess.run(["nm", "--format=sysv", archive], capture_output=True, text=True,
                         check=True).stdout
    for line in out.splitlines():
        parts = [p.strip() for p in line.split("|")]    # name, value, class, type, size, line, section
        if len(parts) != 7 or parts[2] not in "bBdDC" or re.match(r"(\.LC|__)", parts[0]):
            continue
        if parts[6].startswith(".data.rel.ro"):         # constant tables of pointers
            continue
        if not re.match(r"\.?data\.rel\.ro|(__)?(asan|ubsan|gcov|llvm|prof)", parts[0]):
            finding(archive, 0, f"{module} has a writable global: {parts[0]}")

def check_library(module, archive, modules):
    check_globals(module, archive)
    out = subprocess.run(["nm", "-g", archive], capture_output=True, text=True, check=True).stdout
    defined, needed = set(), set()
    for line in out.splitlines():
        parts = line.split()
        if len(parts) == 3:
            defined.add(parts[2])
        elif len(parts) == 2 and parts[0] == "U":
            needed.add(parts[1])
    for name in sorted(defined):
        if not any(name.startswith(p) for p in modules[module]["prefixes"]):
            finding(archive, 0, f"{name} does not start with {' or '.join(modules[module]['prefixes'])}")
    if modules[module]["pure"]:
        below = [p for m in modules[module]["below"] + [module] for p in modules[m]["prefixes"]]
        allowed = PURE_LIBC | (ALLOC_LIBC if modules[module]["alloc"] else set())
        for name in sorted(needed - defined - allowed):
            plain = re.fullmatch(r"__(\w+)_chk", name)     # a fortified build
            if plain and plain.group(1) in allowed:
                continue
            if not any(name.startswith(p) for p in below + modules[module]["extern"]):
                finding(archive, 0, f"pure module {module} calls {name}")

def main(args):
    root = args[0] if args and not args[0].startswith("--") else "src"
    modules = layers_read(os.path.join(root, "LAYERS"))
    included, headers = set(), {}
    for folder, _, names in [] if "--lib-only" in args else sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not path.endswith((".c", ".h")):
                continue
            module = os.path.relpath(path, root).split("/")[0]
            if module not in modules:
                finding(path, 1, f"module {module} is not in LAYERS")
                continue
            text = open(path).read()
            lines = text.split("\n")
            check_includes(path, module, lines, modules)
            code = code_only(text)
            check_lines(path, lines, code.split("\n"))
            check_parameters(path, code)
            included.update(re.findall(r'#\s*include\s+"([^"]+)"', text))
            if path.endswith(".h"):
                headers[os.path.relpath(path, root)] = path
                check_header(path, text)
    for folder in [] if "--lib-only" in args else ["include", "examples"]:
        folder = os.path.join(os.path.dirname(os.path.abspath(root)), folder)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith((".c", ".h")):
                path = os.path.join(folder, name)
                text = open(path).read()
                check_lines(path, text.split("\n"), code_only(text).split("\n"))
                if name.endswith(".h"):
                    check_header(path, text)
    for target, path in headers.items():
        if target not in included:
            finding(path, 1, "no source includes this header")
    if "--lib-only" not in args:
        check_ratchet()
    for i, arg in enumerate(args):
        if arg == "--lib":
            check_library(*args[i + 1].split("="), modules)
    for text in findings:
        print(text)
    return 1 if findings else 0

sys.exit(main(sys.argv[1:]))
