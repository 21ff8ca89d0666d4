#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The host's scripts as text: short, readable, and for every shell that may be /bin/sh.

source_dir=$(cd "$(dirname "$BATS_TEST_FILENAME")/../.." && pwd)
scripts=("$source_dir"/tests/golden/sqlite-minimal/torrust-backup-{hook,hold,aid,scratch})

@test "each rendered script has at most 50 lines of code" {
    for script in "${scripts[@]}"; do
        [ "$(grep -cvE '^[[:space:]]*(#|$)' "$script")" -le 50 ]
    done
}

@test "no line of them, and none of their templates, is longer than 100 characters" {
    for file in "${scripts[@]}" "$source_dir"/templates/{hook,hold,aid,scratch}.tera; do
        run awk 'length > 100' "$file"
        [ -z "$output" ]
    done
}

@test "every line of code has one statement, as shfmt lays it out" {
    command -v shfmt >/dev/null || skip "shfmt is not installed"
    for script in "${scripts[@]}"; do
        shfmt -d -i 4 -ln posix "$script"
    done
}

@test "every rendering is clean for shellcheck, dash, busybox and bash" {
    for file in "$source_dir"/tests/golden/*/torrust-backup-{hook,hold,aid,scratch}; do
        [ -e "$file" ] || continue # a sidecar has no hook
        shellcheck --shell=sh --exclude=SC2016,SC2089,SC2090 "$file" # an operator's path may hold quotes and $
        dash -n "$file"
        busybox sh -n "$file"
        bash --posix -n "$file"
    done
}
