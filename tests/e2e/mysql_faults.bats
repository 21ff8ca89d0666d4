# SPDX-License-Identifier: MIT
# Whatever happens to the database server during a dump: a clear error and its exit status, the tracker as it was, nothing
# half in the store, and the next run succeeds. MySQL, or MariaDB with TBK_SERVER=mariadb.

bats_require_minimum_version 1.5.0
load common
load mysql

setup_file() {
    start_machine "srv-faults-$kind" --database "$kind" --rows 300000 --rate 50
    # So that a dump takes some seconds, in which something can happen to it.
    echo 'rate_limit_mib: 4' >"$workspace/envs/standin.backup.yml"
    tb configure
    on_vm $hook >/dev/null
}

setup() {
    good_before=$(newest)
    count_before=$(sets | wc -l)
    life_before=$(tracker_life)
}

engine='^/torrust-backup-engine backup'

# In the background, what it says in $run_log, its exit status in $status_file.
begin_run() {
    status_file=$BATS_TEST_TMPDIR/status run_log=$BATS_TEST_TMPDIR/run.log
    rm -f "$status_file"
    (set +e; limit=400 on_vm $hook >"$run_log" 2>&1 3>&-; echo $? >"$status_file") 3>&- &
}
run_ended() { [ -s "$status_file" ]; }
# The engine is stopped when it has written some of the dump; what a test then does happens in the middle of it.
begin_and_freeze() {
    begin_run
    sh_on_vm "for i in \$(seq 6000); do
            [ -z \"\$(find $store -path '*/.*/database.sql.zst' -size +0 2>/dev/null)\" ] || ! pkill -STOP -f '$engine' || exit 0
            sleep 0.005
        done
        exit 1"
}
go_on() {
    on_vm pkill -CONT -f "$engine"
    wait_until "${1:-120}" run_ended
    cat "$run_log" >&2
}

failed_with() { [ "$(cat "$status_file")" = "$1" ] || { echo "exit status $(cat "$status_file"), not $1"; return 1; }; }
nothing_came_of_it() {
    [ "$(sets | wc -l)" = "$count_before" ]
    [ "$(tracker_life)" = "$life_before" ]
    on_vm test ! -e $state_dir/held
    run ! grep -F -e "$password" -e "$root_password" "$run_log"
}
everything_is_well() {
    wait_until 120 server_answers
    sets | grep -qx "$good_before"
    wait_until 90 tracker_commits
    on_vm $hook >"$BATS_TEST_TMPDIR/next.log" || { tail "$BATS_TEST_TMPDIR/next.log"; return 1; }
    store_is_whole
    check_restored_mysql "$(newest)"
    no_schema_of_ours_is_left
}

@test "$kind: the server is restarted during the dump: 1" {
    begin_and_freeze
    on_vm docker restart mysql >/dev/null
    go_on
    failed_with 1
    nothing_came_of_it
    everything_is_well
}

@test "$kind: the server is killed during the dump: 1" {
    begin_and_freeze
    on_vm docker kill mysql >/dev/null
    go_on
    failed_with 1
    nothing_came_of_it
    on_vm docker start mysql >/dev/null
    everything_is_well
}

@test "$kind: the server is killed before the run: 1, and soon" {
    on_vm docker kill mysql >/dev/null
    begin_run
    wait_until 90 run_ended
    failed_with 1
    nothing_came_of_it
    on_vm docker start mysql >/dev/null
    everything_is_well
}

@test "$kind: the dump's connections are killed: 1" {
    local tracker_ip
    tracker_ip=$(on_vm docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' tracker)
    begin_and_freeze
    sql -e "SELECT concat('KILL ', id, ';') FROM information_schema.processlist
        WHERE user = 'tracker_user' AND host NOT LIKE '$tracker_ip%'" >"$BATS_TEST_TMPDIR/kills"
    grep -q KILL "$BATS_TEST_TMPDIR/kills"
    sql <"$BATS_TEST_TMPDIR/kills"
    go_on
    failed_with 1
    nothing_came_of_it
    everything_is_well
}

# Somebody who keeps the table for himself for so many seconds.
lock_table_for() {
    (sql tracker -e "LOCK TABLES torrents WRITE; SELECT sleep($1)" >/dev/null 2>&1 3>&-) 3>&- &
    sleep 1
}

@test "$kind: somebody locks a table for a while: the run waits, then is right" {
    lock_table_for 8
    on_vm $hook >"$BATS_TEST_TMPDIR/run.log"
    [ "$(tracker_life)" = "$life_before" ]
    everything_is_well
}

@test "$kind: somebody locks a table and does not let go: 1 within the limit of a statement" {
    lock_table_for 150
    begin_run
    wait_until 120 run_ended
    cat "$run_log" >&2
    failed_with 1
    nothing_came_of_it
    sql -e "SELECT concat('KILL ', id, ';') FROM information_schema.processlist WHERE info LIKE '%sleep(150)%' AND id <> connection_id()" | sql
    everything_is_well
}

@test "$kind: the schema changes during the dump: made again, whole, with the new column" {
    begin_and_freeze
    (sql tracker -e "ALTER TABLE torrents ADD COLUMN remark INT DEFAULT 7, ALGORITHM=COPY" 3>&-) 3>&- &
    altering=$!
    sleep 1
    go_on 200
    wait "$altering"
    [[ $(cat "$status_file") =~ ^[01]$ ]]
    [ "$(tracker_life)" = "$life_before" ]
    store_is_whole
    if [ "$(cat "$status_file")" = 0 ]; then
        check_restored_mysql "$(newest)"
    fi
    everything_is_well
    on_vm cat "$store/$(newest)/database.sql.zst" | zstd -dc | grep -q remark
    sql tracker -e "ALTER TABLE torrents DROP COLUMN remark"
}

@test "$kind: the store's disk is full before the run, and during it: 22" {
    local free
    free=$(sh_on_vm "df -PB1 /opt | awk 'NR == 2 {print \$4}'")
    on_vm fallocate -l $((free - 4000000)) /opt/ballast
    begin_run
    wait_until 120 run_ended
    on_vm rm /opt/ballast
    failed_with 22
    nothing_came_of_it
    begin_and_freeze
    free=$(sh_on_vm "df -PB1 /opt | awk 'NR == 2 {print \$4}'")
    on_vm fallocate -l $((free - 300000)) /opt/ballast
    go_on
    on_vm rm /opt/ballast
    failed_with 22
    nothing_came_of_it
    everything_is_well
}

@test "$kind: the user may not read any more: 2, and what is missing" {
    sql -e "REVOKE SELECT ON tracker.* FROM tracker_user@'%'" 2>/dev/null || sql -e "REVOKE SELECT ON \`tracker\`.* FROM tracker_user@'%'"
    begin_run
    wait_until 120 run_ended
    sql -e "GRANT ALL ON tracker.* TO tracker_user@'%'"
    cat "$run_log" >&2
    failed_with 2
    nothing_came_of_it
    everything_is_well
}

@test "$kind: a wrong password in .env: 2, the file is named, the password is not" {
    on_vm cp -p /opt/torrust/.env /root/env.before
    on_vm sed -i "s|tracker_user:[^/]*@mysql|tracker_user:wrong-one@mysql|" /opt/torrust/.env
    begin_run
    wait_until 120 run_ended
    on_vm cp -p /root/env.before /opt/torrust/.env
    failed_with 2
    grep -q '\.env' "$run_log"
    run ! grep wrong-one "$run_log"
    nothing_came_of_it
    everything_is_well
}

@test "$kind: the server does not answer (paused): 1 within the limit, before and during the dump" {
    on_vm docker pause mysql >/dev/null
    begin_run
    wait_until 120 run_ended
    on_vm docker unpause mysql >/dev/null
    cat "$run_log" >&2
    failed_with 1
    nothing_came_of_it
    begin_and_freeze
    on_vm docker pause mysql >/dev/null
    go_on 200
    on_vm docker unpause mysql >/dev/null
    failed_with 1
    nothing_came_of_it
    everything_is_well
}

@test "$kind: the engine is killed during the dump: 24, nothing half" {
    begin_and_freeze
    on_vm docker kill torrust-backup-run >/dev/null
    wait_until 120 run_ended
    failed_with 24
    [ "$(tracker_life)" = "$life_before" ]
    everything_is_well
}

@test "$kind: the machine crashes during the dump: after the boot server and tracker run, and the next run is right" {
    begin_and_freeze
    "$vm" crash "$machine"
    wait "$!" 2>/dev/null || true
    "$vm" boot "$machine"
    everything_is_well
}
