#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The engine's forecast by hand and as configured: text, JSON, exit statuses; it works beside a backup, and leaves nothing.
bats_require_minimum_version 1.5.0
load ../skip

setup() {
    engine=$TBK_BUILD/bin/torrust-backup-engine
    cd "$BATS_TEST_TMPDIR" || return 1
    sqlite3 tracker.db "CREATE TABLE torrents (id INTEGER PRIMARY KEY, info_hash TEXT);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 400000)
        INSERT INTO torrents SELECT i, hex(randomblob(20)) FROM n;"
    mkdir store
    write_config pause
}

teardown() { [ -z "${started-}" ] || kill -9 "$started" 2>/dev/null || true; }

write_config() { # METHOD
    cat >engine.yml <<END
schema: 1
environment: demo
database: {driver: sqlite3, path: $PWD/tracker.db}
store: $PWD/store
method: $1
keep_days: 7
compression_level: 3
rate_limit_mib: 0
profile: full
prove_restored_every_days: 0
config: {root: /nowhere, paths: [.env]}
END
}

plan() { "$engine" plan --config engine.yml "$@"; }

# forecast FILTER: of the JSON, which keeps its schema.
forecast() {
    plan --output json >forecast.json
    "$TBK_SOURCE/tests/keeps-schema" plan/forecast forecast.json
    jq -r "$1" forecast.json
}

# Where the file system clones, nothing need be held there either.
needs_no_clones() {
    [ "$(forecast '.rungs[] | select(.method == "reflink").possible')" = false ] || skip_because "this file system clones"
}

@test "as configured: which method, how long it holds, what would be better" {
    needs_no_clones
    run -0 --separate-stderr plan
    echo "$output"
    [[ $output == "Database:   "*"rollback journal"*"Method:     pause (configured: pause)"*"Held:       about 0."*"Better:"* ]]
    [[ $output == *"torrust-backup run demo --journal-mode wal"* ]]
    [ "$(forecast '.expected_held_ms >= 350 and .expected_held_ms < 20000 and .copy_bytes_per_second > 0')" = true ]
    [ -z "$(ls -A store)" ]
}

@test "in WAL mode nothing is held, and a method that holds is advised against" {
    sqlite3 tracker.db 'PRAGMA journal_mode=wal' >/dev/null
    [ "$(forecast '.method, .measured.bytes > 0, .advice[0]' | tr '\n' ' ')" = \
        "pause true 'method: auto' would take 'hot', which holds nothing " ]
    write_config auto
    [ "$(forecast '.method, .expected_held_ms, .measured, (.advice | length)' | tr '\n' ' ')" = "hot 0 null 0 " ]
    run -0 plan
    [[ $output == *"write-ahead log"*"Held:       never"* ]]
}

@test "by hand: where the tracker cannot be held" {
    run -0 --separate-stderr "$engine" plan --sqlite tracker.db --store not/made/yet --output json
    [ "$(jq -c '[.rungs[].method], .expected_held_ms' <<<"$output" | tr '\n' ' ')" = '["hot","reflink","locked"] 0 ' ]
    [ ! -e not ]
}

@test "what is needed follows what earlier sets of the same database needed" {
    needs_no_clones
    by_hand() { "$engine" plan --sqlite tracker.db --store store --output json | jq ".needed_bytes $1 2 * .copy_bytes"; }
    [ "$(by_hand '>')" = true ]
    "$engine" backup --sqlite tracker.db --store store --quiet
    before=$(find store | sort)
    [ "$(by_hand '<')" = true ]
    [ "$(forecast '.needed_bytes > 2 * .copy_bytes')" = true ] # of an environment that has none yet
    [ "$(find store | sort)" = "$before" ]
}

@test "it works while a backup runs" {
    mkdir store/.state
    flock -F store/.state/lock sleep 300 3>&- &
    started=$!
    until ! flock -n store/.state/lock true; do sleep 0.05; done
    run -11 "$engine" backup --sqlite tracker.db --store store
    run -0 plan
}

@test "no database, no configuration, an empty database, MySQL: each by its own exit status" {
    : >tracker.db
    run -1 plan
    [[ $output == *"0 bytes"*"Fix: start the tracker"* ]]
    run -1 --separate-stderr plan --output json
    [ "$(jq -r '.error.name, .error.exit_status' <<<"$output" | tr '\n' ' ')" = "CORRUPT 1 " ]
    rm tracker.db
    run -10 plan
    run -10 "$engine" plan --sqlite tracker.db --store store
    sed -i "s|driver: sqlite3, path: [^}]*|driver: mysql, env_file: $PWD/.env|" engine.yml
    run -2 plan
    [[ $output == *MySQL* ]]
    run -2 "$engine" plan --config nowhere.yml
}

@test "nothing is left however it ends: all that is written has no name" {
    ASAN_OPTIONS=detect_leaks=0 strace -f -o calls -e trace=openat,open,creat "$engine" plan --config engine.yml
    grep -q 'O_TMPFILE' calls
    run ! grep 'O_CREAT' calls
}

@test "as root it becomes the owner of the store, or of the database where there is no store yet" {
    [ "$(id -u)" = 0 ] || skip_because "needs root"
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
    mkdir data
    mv tracker.db data/
    chmod 700 data
    chmod 600 data/tracker.db
    chown -R 1234:1235 data store
    sed -i "s|/tracker.db|/data/tracker.db|" engine.yml
    for store in store data/none; do
        sed -i "s|^store: .*|store: $PWD/$store|" engine.yml
        ASAN_OPTIONS=detect_leaks=0 strace -f -o calls -e trace=setresuid,openat "$engine" plan --config engine.yml
        grep -q 'setresuid(1234, 1234, 1234) *= 0' calls
        # Before that nothing of the tracker's was opened, but only looked at.
        [ "$(sed '/setresuid(1234/,$d' calls | grep -v O_PATH | grep -c 'tracker.db')" = 0 ]
    done
}
