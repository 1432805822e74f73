#!/bin/bash
# What make lint runs. Every checker runs even when one before it complained.
#
#   tools/lint.sh PYTHON -- PYTHON_FILE... -- SHELL_FILE...
# The analyzers of gcc and cppcheck look at src/ only: tests do not check each malloc.
# Reads build-clang/compile_commands.json for clang-tidy and cppcheck; rebuilds build-lint.
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
    local log=build-lint/analyzer.log
    ninja -C build-lint >>"$log" 2>&1 || { tail -40 "$log"; return 1; }
    ! grep -A12 -E '^\.\./(src|include)/.* warning: .*\[-Wanalyzer' "$log" || { rm -f "$log"; ninja -C build-lint -t clean >/dev/null; return 1; }
}
tidy() {
    run-clang-tidy -quiet -p build-clang -j "$(nproc)" "^$PWD/(src|tests|bench)/" >build-clang/tidy.log 2>/dev/null
    local status=$?
    [ $status -eq 0 ] || grep -E '(warning|error): ' -A3 build-clang/tidy.log | head -200
    return $status
}
cpp() {
    cppcheck --quiet --project=build-clang/compile_commands.json --error-exitcode=1 --inline-suppr \
        --enable=warning,performance,portability --library=posix --std=c11 -j "$(nproc)" \
        --suppressions-list=tools/cppcheck.txt --file-filter='*/src/*' --cppcheck-build-dir=build-clang/cppcheck
}

mkdir -p build-clang/cppcheck
check "gcc -fanalyzer" analyzer
check clang-tidy tidy
check cppcheck cpp
check pyflakes "$python" -m pyflakes "${python_files[@]}"
check shellcheck shellcheck "$@"
[ ${#failed[@]} -eq 0 ] || { printf 'lint: failed: %s\n' "${failed[*]}"; exit 1; }
