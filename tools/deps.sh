#!/bin/bash
# Installs the Debian packages that are missing, says which and why, and is silent when none is.
#
#   tools/deps.sh [build] [test] [lint] [compat] [bench]     default: build
#
# An entry is "package" or "command=package": the second form is content with the command from
# wherever it came. Meant for Debian 12 and what descends from it.
set -euo pipefail

declare -A packages why
packages[build]="gcc meson ninja-build pkg-config python3 libisal-dev zlib1g-dev liblz4-dev libzstd-dev
    libsnappy-dev librdkafka-dev libjansson-dev libcmocka-dev scdoc"
packages[test]="clang=clang clang-format=clang-format kcat=kcat python3-confluent-kafka python3-kafka
    python3-lz4 python3-snappy python3-zstandard promtool=prometheus"
packages[lint]="clang-tidy=clang-tidy cppcheck=cppcheck shellcheck=shellcheck pyflakes3=pyflakes3
    clang-format=clang-format clang=clang gcovr=gcovr"
packages[compat]="javac=default-jdk-headless mvn=maven npm=npm python3-venv kcat=kcat
    python3-confluent-kafka"
packages[bench]="librocksdb-dev liblmdb-dev libsqlite3-dev libhiredis-dev redis-server=redis-server"
why[bench]="the stores that make bench compares with"
why[build]="compiler, build system and libraries"
why[test]="a second compiler, the packaged Kafka clients that the tests run, and Prometheus"
why[lint]="the checkers of make lint and make cover"
why[compat]="what outside Kafka clients of other languages are built with"

missing=()
reasons=()
for group in "${@:-build}"; do
    entries=${packages[$group]-}
    [ -n "$entries" ] || { echo "deps.sh: no group named $group" >&2; exit 2; }
    before=${#missing[@]}
    for entry in $entries; do
        package=${entry#*=}
        if [ "$entry" != "$package" ]; then
            command -v "${entry%%=*}" >/dev/null && continue
        elif [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then
            continue
        fi
        missing+=("$package")
    done
    [ ${#missing[@]} -eq "$before" ] || reasons+=("${why[$group]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "deps.sh: this is not Debian; install what corresponds to: ${missing[*]}" >&2
    exit 1
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "deps.sh: as root, please: apt-get install ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
fi
printf 'Installing from Debian%s: %s\n' "${sudo:+ (with sudo)}" "${missing[*]}"
printf '  needed: %s\n' "${reasons[@]}"
apt() {
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Acquire::Retries=3 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists of a new machine are empty or old: fetch them once when the first try fails.
apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    { apt update >>"$log" 2>&1 && apt install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; } ||
    { cat "$log" >&2; exit 1; }
