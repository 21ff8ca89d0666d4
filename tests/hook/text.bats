#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The hook as text: short, readable, and a shell script for every shell that may be /bin/sh.

source_dir=$(cd "$(dirname "$BATS_TEST_FILENAME")/../.." && pwd)
rendered=$source_dir/tests/golden/sqlite-minimal/torrust-backup-hook

@test "the rendered hook has at most 50 lines of code" {
    [ "$(grep -cvE '^[[:space:]]*(#|$)' "$rendered")" -le 50 ]
}

@test "no line of it, and none of its template, is longer than 120 characters" {
    for file in "$rendered" "$source_dir/templates/hook.tera"; do
        run awk 'length > 120' "$file"
        [ -z "$output" ]
    done
}

@test "every rendering is clean for shellcheck, dash and busybox" {
    for file in "$source_dir"/tests/golden/*/torrust-backup-hook; do
        shellcheck --shell=sh --exclude=SC2016 "$file" # SC2016: an operator's path may hold a $
        dash -n "$file"
        busybox sh -n "$file"
    done
}
