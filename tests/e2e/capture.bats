# SPDX-License-Identifier: MIT
# The rungs that hold nothing, from inside the engine's container while the tracker writes in another one: hot in WAL
# mode, reflink on XFS; and the way from one journal mode to the other.

bats_require_minimum_version 1.5.0
load common

setup_file() {
    start_machine e2e-capture --journal-mode wal --rows 100000 --rate 200
    tb configure
}
teardown_file() {
    stop_machine
    stop_other e2e-clone
}

# slowly: the engine reads so slowly from now on that something can happen meanwhile.
slowly() { with_options 'rate_limit_mib: 2'; }
with_options() {
    if [ -n "$1" ]; then echo "$1" >"$workspace/envs/standin.backup.yml"; else rm -f "$workspace/envs/standin.backup.yml"; fi
    tb configure >/dev/null
}
# in_a_run: the hook in the background; returns while the engine is copying.
in_a_run() {
    sh_on_vm "rm -f /tmp/status; { $hook >/tmp/log 2>&1; echo \$? >/tmp/status; } </dev/null >/dev/null 2>&1 &"
    wait_until 120 sh_on_vm "pgrep -f 'torrust-backup-engine backup' >/dev/null && ls $store/.*/database.db.zst >/dev/null 2>&1"
}
ended_with() {
    wait_until 120 on_vm test -s /tmp/status
    on_vm cat /tmp/log
    [ "$(on_vm cat /tmp/status)" = "$1" ]
}

# verified_by METHOD [OPTION...]: proved, and nothing was held or done to the tracker.
verified_by() {
    local method=$1 since
    shift
    since=$(on_vm date +%s)
    run --separate-stderr tb verify "$@"
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [ "$(last_run_field .method)" = "$method" ]
    [ "$(last_run_field .held_ms)" = 0 ]
    [ -z "$(tracker_events "$since")" ]
    check_restored "$(newest)"
}

@test "WAL: a proved backup, nothing held, nothing done to the tracker" {
    verified_by hot
    store_is_whole
}

@test "the container got no right for it that it had not before" {
    grep -A2 'cap_drop' "$workspace/build/standin/torrust-backup/compose.yml" | grep -q 'cap_add: \[DAC_READ_SEARCH, SETUID, SETGID\]'
    grep -q 'network_mode: none' "$workspace/build/standin/torrust-backup/compose.yml"
    [ "$(on_vm stat -c %U:%a $database)" = "$(on_vm stat -c %U:%a $database-wal)" ]
}

@test "twenty in a row under load, each restored and checked row by row" {
    with_options 'prove_restored_every_days: 0'
    for _ in $(seq 20); do
        on_vm $hook >/dev/null
        [ "$(last_run_field .method)" = hot ]
        check_restored "$(newest)"
        sleep 1 # the name of a set has seconds
    done
    with_options ''
}

@test "a tracker that restarts in the middle of a copy" {
    slowly
    in_a_run
    on_vm docker restart --signal INT tracker >/dev/null
    ended_with 0
    [ "$(last_run_field .method)" = hot ]
    check_restored "$(newest)"
    tracker_runs
}

@test "a tracker that is stopped in the middle of a copy, and stays so" {
    in_a_run
    on_vm docker kill --signal INT tracker >/dev/null
    ended_with 20 # it ran before the backup, and somebody should know that it does not now
    [ "$(last_run_field .exit_status)" = 0 ]
    [ "$(last_run_field .method)" = hot ]
    check_restored "$(newest)"
    [ "$(tracker_state)" = exited ]
    on_vm $hook >/dev/null
    [ "$(last_run_field .method)" = hot ]
    check_restored "$(newest)"
    [ "$(tracker_state)" = exited ]
    on_vm docker start tracker >/dev/null
}

@test "an engine that is killed in the middle of a copy leaves tracker and store well, and the next run succeeds" {
    before=$(sets)
    in_a_run
    on_vm docker kill torrust-backup-run >/dev/null
    ended_with 24
    [ "$(sets)" = "$before" ]
    tracker_runs
    with_options ''
    on_vm $hook >/dev/null
    [ "$(last_run_field .method)" = hot ]
    check_restored "$(newest)"
    store_is_whole
}

@test "back to a rollback journal: inside a stop, with a backup before; then the tracker is paused as ever" {
    since=$(on_vm date +%s)
    on_vm $hook --journal-mode delete >/dev/null
    [ "$(last_run_field .method)" = stop ]
    [ "$(on_vm od -An -tu1 -j18 -N2 $database | tr -d ' ')" = 11 ]
    wait_until 120 tracker_runs
    [[ $(tracker_events "$since") == *start* ]]
    on_vm $hook >/dev/null
    [ "$(last_run_field .method)" = pause ]
    [[ $(last_run_field .method_reason) == *"hot: the database is not in WAL mode"*"reflink:"* ]]
    check_restored "$(newest)"
}

@test "and to WAL again: the next backup holds nothing" {
    on_vm $hook --journal-mode wal >/dev/null
    [ "$(last_run_field .method)" = stop ]
    [ "$(on_vm od -An -tu1 -j18 -N2 $database | tr -d ' ')" = 22 ]
    wait_until 120 tracker_runs
    on_vm $hook >/dev/null
    [ "$(last_run_field .method)" = hot ]
    [ "$(last_run_field .held_ms)" = 0 ]
    check_restored "$(newest)"
}

@test "a journal mode that is there already changes nothing and stops nobody" {
    since=$(on_vm date +%s)
    on_vm $hook --journal-mode wal >/dev/null
    [ "$(last_run_field .method)" = hot ]
    [ -z "$(tracker_events "$since")" ]
}

@test "XFS: a clone of a database with a rollback journal, nothing held" {
    machine=e2e-clone
    "$vm" start "$machine" --fs xfs
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --rows 100000 --rate 100
    tb configure --host-key accept
    verified_by reflink --host-key accept
    for _ in $(seq 10); do
        sleep 1
        on_vm $hook >/dev/null
        [ "$(last_run_field .method)" = reflink ]
        check_restored "$(newest)"
    done
}
