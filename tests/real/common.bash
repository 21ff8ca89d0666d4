# SPDX-License-Identifier: MIT
# What the tests with the published deployer and tracker share, beside ../e2e/common.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by the tests; set by ../e2e/common.bash

real=$source_dir/tests/real
cache=${TBK_TEST_CACHE:-/var/cache/torrust-backup-tests}

plugin() { find "$build" -name torrust_backup.so; }

# make_home: a home of the test's own, from which cargo's own folder is still found.
make_home() {
    export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} HOME=$BATS_FILE_TMPDIR/home
    mkdir -p -m 0700 "$HOME"
}

# start_announcing, stop_announcing: a client announces over UDP meanwhile; $BATS_TEST_TMPDIR/record gets what was confirmed.
start_announcing() {
    "$real/announce" "$(cat "$("$vm" path "$machine")/ip")" "$BATS_TEST_TMPDIR/record" --rate 50 --seconds 600 \
        >"$BATS_TEST_TMPDIR/summary.json" 3>&- &
    client=$!
    sleep 5
}
stop_announcing() {
    kill -INT "$client"
    wait "$client" || true
}

# announce_while COMMAND...: before, during and after the command.
announce_while() {
    local status=0
    start_announcing
    "$@" || status=$?
    sleep 2
    stop_announcing
    return "$status"
}
