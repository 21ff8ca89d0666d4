#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Restores of a SQLite tracker through command line, hook and engine: a set goes back, the database of before is kept,
# and whatever goes wrong the tracker runs on one of the two.
bats_require_minimum_version 1.5.0
load ../skip
load common

setup_file() { start_machine e2e-putback --rows 5000; }

rows_of() { on_vm cat "$1" >"$BATS_TEST_TMPDIR/db" && sqlite3 "$BATS_TEST_TMPDIR/db" 'SELECT count(*) FROM torrents'; }
kept() { sh_on_vm "ls -d $database.before-restore-* 2>/dev/null || true"; }
recovered() { on_vm $hook --recover && tracker_runs; }
quiet_tracker() { on_vm docker kill --signal INT tracker >/dev/null && on_vm timeout 60 docker wait tracker >/dev/null; }

@test "configure and two sets, between which the tracker writes" {
    tb configure
    tb run
    wait_until 120 tracker_runs
    sleep 2
    tb run
    [ "$(sets | wc -l)" = 2 ]
}

@test "which set is never guessed, and an unknown one changes nothing" {
    run -2 tb restore
    [[ $output == *"--set latest"* ]]
    run -10 tb restore --set 20200101T000000Z
    [[ $output == *20200101T000000Z* ]]
    run -2 tb run --set latest
    [ -z "$(kept)" ]
    tracker_runs
}

# The tracker's own journal comes and goes.
beside_the_database() { sh_on_vm "ls -A $(dirname $database) | grep -v -e -journal"; }

@test "a dry run restores beside the real database, and leaves nothing" {
    before=$(beside_the_database)
    run -0 tb restore --set latest --dry-run
    [[ $output == *"Dry run"* ]]
    [[ $output == *"torrents: "* ]]
    [ "$(beside_the_database)" = "$before" ]
    tracker_runs
}

@test "a set goes back while the tracker writes: its rows are there, the database of before is kept" {
    first=$(sets | head -n 1)
    run -0 tb restore --set "$first"
    [[ $output == *"Tracker:    running, healthy"* ]]
    [ "$(kept | wc -l)" = 1 ]
    [ "$(on_vm stat -c '%u:%g' "$database")" = "$(on_vm stat -c '%u:%g' "$(kept)")" ]
    [[ "$(on_vm stat -c %a "$database")" = *"$(on_vm stat -c %a "$(kept)" | tail -c 4)" ]]
    [ "$(jq -r .set "$workspace/build/standin/torrust-backup/last-restore.json")" = "$first" ]
    on_vm test ! -e "$state_dir/held"
    # What the tracker wrote since is on top of the set; the stand-in can tell that nothing else is.
    quiet_tracker
    on_vm cat "$database" >"$BATS_TEST_TMPDIR/now.db"
    "$("$source_dir/tests/standin/build")/standin-tracker" --check "$BATS_TEST_TMPDIR/now.db"
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
}

@test "a damaged set is refused before the tracker is stopped" {
    started=$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)
    set=$(newest)
    sh_on_vm "cp -a $store/$set/database.db.zst /root/keep && printf wrong | dd of=$store/$set/database.db.zst bs=1 seek=200 conv=notrunc 2>/dev/null"
    run -21 tb restore --set "$set"
    [ "$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)" = "$started" ]
    sh_on_vm "cat /root/keep >$store/$set/database.db.zst && rm /root/keep"
    [ "$(kept | wc -l)" = 1 ]
}

@test "a tracker that does not start on the restored database gets its old one back" {
    on_vm mv /opt/torrust/storage/tracker/etc /opt/torrust/storage/tracker/etc.away
    started=$(on_vm docker inspect -f '{{.State.Status}}' tracker)
    [ "$started" = running ]
    # The mounted folder is gone: Docker cannot start the container any more, whatever is in the database.
    on_vm touch /opt/torrust/storage/tracker/etc
    run tb restore --set latest
    [ "$status" -ne 0 ]
    sh_on_vm "rm -f /opt/torrust/storage/tracker/etc; mv /opt/torrust/storage/tracker/etc.away /opt/torrust/storage/tracker/etc"
    [ "$(kept | wc -l)" = 1 ]
    on_vm test ! -e "$database.restoring"
    on_vm $hook --recover
    wait_until 120 tracker_runs
}

@test "a tracker that an operator had stopped is left stopped" {
    quiet_tracker
    run -0 tb restore --set latest
    [ "$(tracker_state)" = exited ]
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
}

@test "what was kept is listed by status, and goes when told so" {
    run tb status
    [[ $output == *"databases of before a restore are kept ("*"$(kept | head -n 1)"*"restore standin --forget-kept"* ]]
    run -0 tb restore --forget-kept
    [[ $output == *"Removed:"*before-restore* ]]
    [ -z "$(kept)" ]
    run -0 tb restore --forget-kept
    [[ $output == *"nothing to remove"* ]]
    tb run
    run -0 tb status
    [[ $output != *"are kept"* ]]
}

@test "a restore that is killed leaves a tracker that runs, on a whole database" {
    for moment in 0.3 0.6 0.9 1.2; do
        sh_on_vm "$hook restore --set latest >/dev/null 2>&1 & pid=\$!; sleep $moment; kill -9 \$pid; wait \$pid" || true
        on_vm $hook --recover
        sleep 5 # a SIGINT that was under way does its work, and then
        wait_until 120 recovered # as by cron, again and again
        on_vm test -s "$database"
    done
    tb run
    check_restored "$(newest)"
}
