# SPDX-License-Identifier: MIT
# Essential backups on a machine with the stand-in tracker under load: what rules keep, with either way of capturing, on
# two schedules, and a tracker that starts on what was kept.

bats_require_minimum_version 1.5.0
load common

setup_file() {
    start_machine e2e-essential --journal-mode wal --rows 20000 --rate 100
    # As in production, most torrents were never completed. The stand-in does not know them.
    in_stopped_database "CREATE TABLE swarm (id INTEGER PRIMARY KEY, info_hash TEXT UNIQUE, completed INTEGER);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 100000)
        INSERT INTO swarm SELECT i, hex(randomblob(20)), CASE WHEN i % 32 = 0 THEN i ELSE 0 END FROM n;"
}

in_stopped_database() {
    on_vm docker kill --signal INT tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    sqlite3 "$("$vm" path "$machine")/root$database" "$1"
    on_vm chown 1000:1000 "$database"
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
}
with_options() {
    cat >"$workspace/envs/standin.backup.yml"
    tb configure
}
# Waits for the tracker, which writes a hundred times a second with a rollback journal and has the database locked then.
in_live_database() { sqlite3 -cmd '.timeout 20000' "$("$vm" path "$machine")/root$database" "$1"; }
in_newest() {
    restored "$(newest)" "$BATS_TEST_TMPDIR/restored.db"
    sqlite3 "$BATS_TEST_TMPDIR/restored.db" "$1"
}

@test "configure installs a schedule for each profile, and status knows of both" {
    with_options <<'END'
profile: essential
schedule: "0 3 * * *"
full_schedule: "0 4 * * sun"
essential:
  swarm: completed > 0
END
    [ "$(on_vm grep -c 'torrust-backup-hook >>' /etc/cron.d/torrust-backup)" = 1 ]
    on_vm grep -q '^0 4 \* \* sun root .*torrust-backup-hook --profile full >>' /etc/cron.d/torrust-backup
    run tb status
    [[ $output == *"0 4 * * sun"* ]]
}

@test "rules that do not fit the database are refused by configure and plan, with what there is, and nothing changes" {
    before=$(on_vm cat /opt/torrust-backup/engine.yml)
    cp "$workspace/envs/standin.backup.yml" "$BATS_TEST_TMPDIR/good.yml"
    sed 's/completed > 0/complete > 0/' "$BATS_TEST_TMPDIR/good.yml" >"$workspace/envs/standin.backup.yml"
    run -2 tb plan
    [[ $output == *"no such column: complete (the table's columns: id, info_hash, completed)"* ]]
    run -2 tb configure
    [[ $output == *"no such column: complete (the table's columns: id, info_hash, completed)"* ]]
    sed 's/swarm:/swarms:/' "$BATS_TEST_TMPDIR/good.yml" >"$workspace/envs/standin.backup.yml"
    run -2 tb configure
    [[ $output == *"'swarms'"*"there is no such table (the tables are: "*"swarm"* ]]
    [ "$(on_vm cat /opt/torrust-backup/engine.yml)" = "$before" ]
    [ -z "$(sh_on_vm 'ls -d /tmp/tmp.* 2>/dev/null')" ]
    with_options <"$BATS_TEST_TMPDIR/good.yml"
}

@test "from the live database in WAL mode: proved, nothing held, what was left out is counted" {
    run --separate-stderr tb verify
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [ "$(last_run_field .method)" = hot ]
    [ "$(last_run_field .profile)" = essential ]
    [ "$(last_run_field .held_ms)" = 0 ]
    [ "$(in_newest 'PRAGMA integrity_check; SELECT count(*), min(completed) FROM swarm')" = "ok
3125|32" ]
    [ "$(in_newest 'SELECT count(*) >= 20000 FROM torrents')" = 1 ]
    [ "$(on_vm cat "$store/$(newest)/manifest.json" | jq -c '.selection[] | select(.table == "swarm") | [.rule, .saved_rows, .left_out_rows]')" = \
        '["completed > 0",3125,96875]' ]
    store_is_whole
}

@test "the tables without a rule are of one moment, under load" {
    for _ in 1 2 3 4 5; do
        sleep 1
        tb run >/dev/null
        restored "$(newest)" "$BATS_TEST_TMPDIR/restored.db"
        sqlite3 "$BATS_TEST_TMPDIR/restored.db" 'DROP TABLE swarm'
        "$("$source_dir/tests/standin/build")/standin-tracker" --check "$BATS_TEST_TMPDIR/restored.db"
    done
}

@test "a full backup when the command says so" {
    tb run --profile full
    [ "$(last_run_field .profile)" = full ]
    [ "$(in_newest 'SELECT count(*) FROM swarm')" = 100000 ]
    run tb list
    [[ $output == *essential*full* || $output == *full*essential* ]]
}

@test "rules that no longer fit the database hold nobody, and say what is wrong" {
    with_options <<'END'
profile: essential
method: pause
essential:
  swarm: completed > 0
END
    in_live_database 'ALTER TABLE swarm RENAME COLUMN completed TO finished'
    before=$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)
    run tb run
    in_live_database 'ALTER TABLE swarm RENAME COLUMN finished TO completed'
    [ "$status" = 2 ]
    [[ $output == *"swarm"*"no such column: completed"* ]]
    [ "$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)" = "$before" ]
    [ "$(on_vm grep -c '"the tracker is paused"' /var/log/torrust-backup/run.log || true)" = 0 ]
}

@test "schedules that are due in the same minute, and rules that are no condition, are refused before anything is done" {
    for options in 'full_schedule: "0 5 * * *"' 'profile: essential
schedule: "0 3 * * *"
full_schedule: "0 3 * * sun"' 'essential: {swarm: "1; DROP TABLE swarm"}'; do
        echo "$options" >"$workspace/envs/standin.backup.yml"
        run tb configure
        [ "$status" = 2 ]
        [[ $output == *"Fix:"* ]]
    done
}

@test "cron makes both kinds" {
    with_options <<'END'
profile: essential
schedule: "*/2 * * * *"
full_schedule: "1-59/2 * * * *"
essential: {swarm: completed > 0}
END
    before=$(sets | wc -l)
    more_than() { [ "$(sets | wc -l)" -ge "$1" ]; }
    wait_until 300 more_than $((before + 2))
    [ "$(for set in $(sets | tail -n 2); do on_vm cat "$store/$set/manifest.json" | jq -r .profile; done | sort | xargs)" = "essential full" ]
}

@test "with a rollback journal: from the copy that was made in the hold" {
    with_options <<'END'
profile: essential
essential: {swarm: completed > 0}
END
    tb run --profile full --journal-mode delete
    wait_until 120 tracker_runs
    sleep 1
    tb run
    [ "$(last_run_field .method)" = pause ]
    [ "$(last_run_field .profile)" = essential ]
    [ "$(in_newest 'SELECT count(*) FROM swarm')" = 3125 ]
    store_is_whole
}

@test "a tracker starts on what was kept" {
    restored "$(newest)" "$BATS_TEST_TMPDIR/restored.db"
    on_vm docker kill --signal INT tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    on_vm tee $database <"$BATS_TEST_TMPDIR/restored.db" >/dev/null
    sh_on_vm "rm -f $database-wal $database-shm $database-journal"
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
    healthy() { [ "$(on_vm docker inspect -f '{{.State.Health.Status}}' tracker)" = healthy ]; }
    wait_until 120 healthy
    sleep 2
    [ "$(in_live_database 'SELECT count(*) FROM swarm')" = 3125 ]
}
