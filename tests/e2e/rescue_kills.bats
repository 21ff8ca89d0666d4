#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The command line gets KILL at random moments of a rescue and of a fetch. At each of them the database is whole; what
# was begun on the VM ends by itself, the tracker runs, the same command again finishes, and nothing is left behind.
#
# TBK_KILLS=50 for more rounds; TBK_SEED for the same moments again.
bats_require_minimum_version 1.5.0
load common
load offsite

kills=${TBK_KILLS:-3}
incoming=/var/lib/torrust-backup-outbound/incoming

setup_file() {
    start_machine e2e-rescue-kills --rows 3000
    get_restic
    serve_rest "$machine"
    write_options
    write_secrets
    tb configure
    tb run
    offsite init
    offsite sync
}

setup() {
    set=$(newest)
    RANDOM=${TBK_SEED:=$((SRANDOM % 32768))}
    echo "TBK_SEED=$TBK_SEED"
}

teardown_file() {
    stop_rest "$machine"
    stop_machine
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
# time_it COMMAND...: how long it takes undisturbed, in $took_ms.
time_it() {
    local begin
    begin=$(now_ms)
    "$@"
    took_ms=$(($(now_ms) - begin))
}

# kill_within MILLISECONDS COMMAND ARGUMENT...: at a random moment of them; in $killed, whose processes these were.
kill_within() {
    local moment_ms=$(((RANDOM * 32768 + RANDOM) % $1)) command=$2
    shift 2
    (cd "$workspace" && exec setsid "$backup" "$command" standin "$@") >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    killed=$!
    sleep "$(printf '%d.%03d' $((moment_ms / 1000)) $((moment_ms % 1000)))"
    kill -KILL $killed 2>/dev/null || true
    wait $killed || true
    echo "KILL after $moment_ms ms, at: $(tail -n 1 "$BATS_TEST_TMPDIR/log")"
}

database_is_whole() {
    local live
    live=$("$vm" path "$machine")/root$database
    [ "$(sqlite3 -readonly -cmd '.timeout 20000' "$live" 'PRAGMA integrity_check')" = ok ]
}
# What runs on the VM for a command: the hook, or a container of its own.
vm_is_idle() {
    sh_on_vm "! pgrep -f '^/bin/sh $hook' >/dev/null" &&
        [ -z "$(on_vm docker ps -aq --filter name=torrust-backup-run --filter name=-once-)" ]
}
nothing_is_left() {
    local folder=${database%/*}
    run ! pgrep -s "$killed"
    vm_is_idle
    [ -z "$(sh_on_vm "ls -A $folder | grep -v -e '^tracker.db\$' -e '^tracker.db-' -e '^tracker.db.before-restore-'")" ]
    [ "$(on_vm ls -A $incoming)" = "$set" ]
    store_is_whole
}

@test "rescue is killed at random moments: the tracker has a whole database at each, and the next rescue finishes" {
    time_it tb rescue --from offsite --set "$set"
    for ((round = 0; round < kills; round++)); do
        sh_on_vm "rm -rf $incoming/*" # so that it has to be fetched
        kill_within "$took_ms" rescue --from offsite --set "$set"
        database_is_whole
        wait_until 120 vm_is_idle
        wait_until 120 tracker_runs
        database_is_whole
        tb rescue --from offsite --set "$set"
        database_is_whole
        tracker_runs
        nothing_is_left
    done
}

@test "fetch is killed at random moments: the next one finishes, and has the whole set and nothing else" {
    to=$BATS_TEST_TMPDIR/fetched
    time_it tb fetch --from offsite --set "$set" --to "$to"
    for ((round = 0; round < kills; round++)); do
        rm -r "$to"
        sh_on_vm "rm -rf $incoming/*"
        kill_within "$took_ms" fetch --from offsite --set "$set" --to "$to"
        wait_until 120 vm_is_idle
        tb fetch --from offsite --set "$set" --to "$to"
        [ "$(ls -A "$to")" = "$set" ]
        (cd "$to/$set" && sha256sum --quiet -c SHA256SUMS)
        tracker_runs
        nothing_is_left
    done
}
