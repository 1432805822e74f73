#!/bin/bash
# What make lint runs. Every checker runs even when one before it complained.
#
#   tools/lint.sh PYTHON -- PYTHON_FILE... -- SHELL_FILE...
# The analyzers of gcc and cppcheck look at src/ only: tests do not check each malloc.
# Needs build-clang and build-lint configured, not built.
set -uo pipefail
python=$1
shift 2
python_files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    python_files+=("$1")
    shift
done
shift
failed=()
check() {
    local name=$1
    shift
    echo "lint: $name"
    "$@" || failed+=("$name")
}

analyzer() {
    # Only what changed is compiled again, so the warnings of what did not must be kept.
    local log=build-lint/analyzer.log archives
    mapfile -t archives < <(ninja -C build-lint -t targets all | sed -n 's/^\(lib[a-z_]*\.a\):.*/\1/p')
    ninja -C build-lint "${archives[@]}" >>"$log" 2>&1 || { tail -40 "$log"; return 1; }
    ! grep -A12 -E '^\.\./(src|include)/.* warning: .*\[-Wanalyzer' "$log" || { rm -f "$log"; ninja -C build-lint -t clean >/dev/null; return 1; }
}
tidy() {
    local log=build-clang/lint/tidy.log
    run-clang-tidy -quiet -p build-clang/lint -j "$(nproc)" "^$PWD/(src|tests|bench|examples)/" \
        >"$log" 2>"$log.errors" && return
    grep -E '(warning|error): ' -A3 "$log" | head -200
    grep -qE '(warning|error): ' "$log" || tail "$log.errors"
    return 1
}
cpp() {
    mkdir -p build-clang/lint/cppcheck
    cppcheck --quiet --project=build-clang/lint/compile_commands.json --error-exitcode=1 --inline-suppr \
        --enable=warning,performance,portability --library=posix --std=c11 -j "$(nproc)" \
        --suppressions-list=tools/cppcheck.txt --file-filter='*/src/*' --cppcheck-build-dir=build-clang/lint/cppcheck
}

"$python" tools/compile_commands.py build-clang build-clang/lint || exit 1
check "gcc -fanalyzer" analyzer
check clang-tidy tidy
check cppcheck cpp
check pyflakes "$python" -m pyflakes "${python_files[@]}"
check shellcheck shellcheck "$@"
[ ${#failed[@]} -eq 0 ] || { printf 'lint: failed: %s\n' "${failed[*]}"; exit 1; }
