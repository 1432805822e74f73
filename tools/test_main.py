#!/usr/bin/env python3
"""Write the main() of a unit-test binary: every table of its test_*.c files in one TAP stream.

    tools/test_main.py OUTPUT MODULE STEM...
"""
import sys

def main(args):
    output, module, stems = args[0], args[1], args[2:]
    tables = ", ".join(stems)
    lines = ['#include "unit.h"', ""]
    lines += [f"extern const struct CMUnitTest {stem}[];" for stem in stems]
    lines += [
        "",
        f"static const struct CMUnitTest *const tables[] = {{{tables}}};",
        "",
        "int main(void)",
        "{",
        f'    return unit_run("{module}", tables, {len(stems)});',
        "}",
    ]
    with open(output, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")

main(sys.argv[1:])
