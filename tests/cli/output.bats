#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A result that cannot be written, and text of others that is printed: both programs, as a user sees them.

bats_require_minimum_version 1.5.0
load common
load ../skip

setup() {
    engine=$TBK_BUILD/bin/torrust-backup-engine
    cd "$BATS_TEST_TMPDIR" || return 1
    sqlite3 tracker.db 'CREATE TABLE torrents (id INTEGER PRIMARY KEY, completed INTEGER); INSERT INTO torrents VALUES (1, 1)'
    "$engine" backup --sqlite tracker.db --store store >/dev/null
    make_workspace
}

is_harmless() { [ -z "$(printf %s "$1" | LC_ALL=C tr -d '\012\040-\176')" ]; }

# unwritten COMMAND...: ends with 1 and says why, on a full disk and on a pipe that nobody reads.
unwritten() {
    local said
    run bash -c '"$@" 2>&1 >/dev/full' - "$@"
    echo "$*: $status, $output"
    [ "$status" = 1 ]
    [[ $output == *"could not be written to standard output"* ]]
    # The reader has ended before the first byte is written.
    said=$(bash -c 'exec 4> >(true); wait $!; "$@" 2>&1 >&4; echo $? >status' - "$@")
    echo "$*: $(cat status), $said"
    [ "$(cat status)" = 1 ]
    [[ $said == *"could not be written to standard output"* ]]
}

@test "every command of the engine fails when its result cannot be written" {
    for format in text json; do
        unwritten "$engine" list --store store --output $format
        unwritten "$engine" check --store store --output $format
        unwritten "$engine" prove --store store --output $format
        unwritten "$engine" backup --sqlite tracker.db --store store --output $format
        unwritten "$engine" plan --sqlite tracker.db --store store --output $format
    done
    unwritten "$engine" version
    unwritten "$engine" help
    [ "$("$engine" check --store store | grep -c ok)" = 5 ]
}

@test "so does the command line" {
    unwritten "$TBK_BUILD/bin/torrust-backup" help
    unwritten "$TBK_BUILD/bin/torrust-backup" help restore
    unwritten "$TBK_BUILD/bin/torrust-backup" version
    unwritten "$TBK_BUILD/bin/torrust-backup" version --output-format json
}

@test "what a stored manifest says is shown, and does nothing" {
    set=$(find store -mindepth 1 -maxdepth 1 -name '2*')
    jq '.capture.method = "\u001b]0;x\u0007\u009b31m\u202e"' "$set/manifest.json" >changed
    mv changed "$set/manifest.json"
    run --separate-stderr "$engine" list --store store
    [ "$status" = 0 ]
    [[ $output == *'\x1b]0;x\x07\u009b31m\u202e'* ]]
    run --separate-stderr "$engine" list --store store --output json
    [[ $output == *'"\u001b]0;x\u0007\u009b31m\u202e"'* ]]
    is_harmless "$output"
}

@test "what the operator's own files say is shown, and does nothing" {
    jq '.[].context.user_inputs.name = "\u001b[2J\u009b"' "$workspace/data/minimal/environment.json" >changed
    mv changed "$workspace/data/minimal/environment.json"
    run tb render minimal
    [ "$status" = 2 ]
    is_harmless "$output"
}
