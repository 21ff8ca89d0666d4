# SPDX-License-Identifier: MIT
# What the end-to-end tests share: a machine with the stand-in tracker, and a workspace that leads to it.
# shellcheck shell=bash

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${TBK_BUILD:-$source_dir/build/release}
vm=$source_dir/tests/vm/vm
backup=$build/bin/torrust-backup
database=/opt/torrust/storage/tracker/lib/database/tracker.db
store=/opt/torrust/storage/backup/sets
state_dir=/var/lib/torrust-backup
hook=/usr/local/bin/torrust-backup-hook
environment=standin # the deployer's name of it

# start_machine NAME [DEPLOY-OPTION...]: for setup_file.
start_machine() {
    export machine=$1 workspace=$BATS_FILE_TMPDIR/workspace
    shift
    [ -x "$backup" ] || { echo "build first: $backup is missing" >&2; return 1; }
    mkdir -p "$workspace/envs"
    # A home of its own: what another test's machine left in ~/.ssh/known_hosts would count.
    export HOME=$BATS_FILE_TMPDIR/home
    mkdir -p -m 0700 "$HOME"
    "$vm" start "$machine"
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" "$@"
}

stop_machine() { "$vm" stop "$machine"; }
# stop_other NAME: a further machine, to which the test may not have come.
stop_other() { if "$vm" list | grep -q "^$1 "; then "$vm" stop "$1"; fi; }
# For all tests that have no other machine, and nothing else to end.
teardown_file() { stop_machine; }

# The command line in the workspace, on the environment.
tb() {
    local command=$1
    shift
    (cd "$workspace" && timeout "${limit:-600}" "$backup" "$command" "$environment" "$@")
}

on_vm() { timeout "${limit:-300}" "$vm" root "$machine" -- "$@"; }
sh_on_vm() { on_vm sh -c "$1"; }
tracker_state() { on_vm docker inspect -f '{{.State.Status}}' tracker; }
last_run() { on_vm cat "$store/.state/last-run.json"; }
last_run_field() { last_run | jq -r "$1"; }
sets() { sh_on_vm "ls $store 2>/dev/null | grep -E '^[0-9]{8}T[0-9]{6}Z\$' || true"; }
newest() { sets | tail -n 1; }
more_sets_than() { [ "$(sets | wc -l)" -gt "$1" ]; }

# What Docker was told to do with the tracker's container since the machine's second $1.
tracker_events() {
    on_vm docker events --since "$1" --until "$(on_vm date -d '1 second' +%s)" --filter container=tracker --filter type=container \
        --format '{{.Action}}' | grep -v '^exec_\|^health_status' || true
}

# keeps_schema NAME FILE...: each file keeps docs/schemas/NAME.schema.json.
keeps_schema() { "$source_dir/tests/keeps-schema" "$@"; }

# wait_until SECONDS COMMAND...: not 0 when the command did not succeed within the time. To ask costs several processes:
# what has not come soon, as what waits for the next minute, is asked less often.
wait_until() {
    local began=$SECONDS limit_s=$1
    shift
    until "$@"; do
        [ $((SECONDS - began)) -lt "$limit_s" ] || return 1
        if [ $((SECONDS - began)) -lt 5 ]; then sleep 0.2; else sleep 0.5; fi
    done
}
# hold_lock FILE: as a run does that goes on, until `free_lock`, however long a busy machine needs to look at it.
hold_lock() {
    sh_on_vm "setsid flock $1 sleep 1234 </dev/null >/dev/null 2>&1 &"
    wait_until 120 sh_on_vm "! flock -n $1 true"
}
free_lock() {
    on_vm pkill -fx 'sleep 1234'
    wait_until 120 sh_on_vm "flock -n $1 true"
}
tracker_runs() { [ "$(tracker_state)" = running ]; }

# restored SET TARGET: the database of a set, restored by hand with standard tools.
restored() {
    on_vm cat "$store/$1/database.db.zst" | zstd -dc >"$2"
}
check_restored() {
    restored "$1" "$BATS_TEST_TMPDIR/restored.db"
    [ "$(sqlite3 "$BATS_TEST_TMPDIR/restored.db" 'PRAGMA integrity_check')" = ok ]
    "$("$source_dir/tests/standin/build")/standin-tracker" --check "$BATS_TEST_TMPDIR/restored.db"
}

# Nothing half is visible: every listed set is whole by its own sums, and no dot directory is left but .state.
store_is_whole() {
    sh_on_vm "cd $store && for set in [0-9]*; do (cd \$set && sha256sum --quiet -c SHA256SUMS) || exit 1; done"
    [ "$(sh_on_vm "ls -A $store | grep '^\.' | grep -vx .state || true")" = "" ]
}
