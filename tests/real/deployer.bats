# SPDX-License-Identifier: MIT
# The published deployer, the published tracker, and our plugin: from an empty machine to a proved backup.

bats_require_minimum_version 1.5.0
load ../e2e/common
load common

shared=${TBK_SHARED_WORKSPACES:-$source_dir/../shared/workspaces}

setup_file() {
    export machine=real-first workspace=$BATS_FILE_TMPDIR/workspace
    mkdir -p "$workspace/envs"
    make_home
    "$vm" start "$machine" --registry-mirror
}

tb() {
    local command=$1
    shift
    (cd "$workspace" && timeout "${limit:-300}" "$backup" "$command" real "$@")
}

# Every info-hash that was confirmed before the set's run began is in it, with its count.
compare_set() {
    restored "$1" "$BATS_TEST_TMPDIR/restored.db"
    "$real/compare" "$BATS_TEST_TMPDIR/record" "$BATS_TEST_TMPDIR/restored.db" "$1"
}

# The longest silence that the client saw, next to the held time, in the report that CI keeps.
note_silence() {
    python3 - "$1" "$workspace/build/real/torrust-backup/last-verify.json" "$BATS_TEST_TMPDIR/summary.json" <<'END' |
import json, sys
report, summary = (json.load(open(path)) for path in sys.argv[2:])
held = [run["held_ms"] for run in report["runs"]]
print(f"{sys.argv[1]}: held {held} ms, longest silence the client saw {summary['longest_silence_ms']} ms, "
      f"{summary['confirmed']} info-hashes confirmed")
END
        tee -a "$source_dir/build/tests/silence.txt" >&3
}

@test "the deployer's own configure and our plugin in one process" {
    "$real/deploy" "$machine" "$workspace" --until provisioned
    "$real/deploy" "$machine" "$workspace" --until configured --plugin "$(plugin)" \
        >"$BATS_TEST_TMPDIR/configure.log" 2>&1
    [ "$(jq -r 'keys[0]' "$workspace/data/real/environment.json")" = Configured ]
    on_vm test -x $hook
    tb configure | grep -q 'Already in place'
}

@test "a plugin that fails leaves the environment configured" {
    # In a workspace of its own, with an option that the plugin refuses.
    cp -a "$workspace" "$BATS_TEST_TMPDIR/other"
    jq '{Provisioned: .Configured}' "$workspace/data/real/environment.json" >"$BATS_TEST_TMPDIR/other/data/real/environment.json"
    echo 'keep_days: 0' >"$BATS_TEST_TMPDIR/other/envs/real.backup.yml"
    run "$real/deploy" "$machine" "$BATS_TEST_TMPDIR/other" --until configured --plugin "$(plugin)"
    [ "$status" = 0 ]
    [ "$(jq -r 'keys[0]' "$BATS_TEST_TMPDIR/other/data/real/environment.json")" = Configured ]
    grep -q 'Warning: Torrust Backup: .*keep_days' "$BATS_TEST_TMPDIR/other/deploy.log"
}

@test "after the deployer's run, the same host verifies the first backup" {
    "$real/deploy" "$machine" "$workspace" --until released
    on_vm $hook && false
    "$real/deploy" "$machine" "$workspace" --until running --plugin "$(plugin)"
    [ "$(jq -r 'keys[0]' "$workspace/data/real/environment.json")" = Running ]
    [ "$(jq .proved "$workspace/build/real/torrust-backup/last-verify.json")" = true ]
}

@test "the published tracker came up on the restored set, where nobody can reach it" {
    run jq -r '.checks[] | select(.name == "tracker on the set") | "\(.state): \(.detail)"' \
        "$workspace/build/real/torrust-backup/last-verify.json"
    echo "$output"
    [[ $output == "ok: healthy after "*"its API "* ]]
    echo "published tracker, on the restored set: $output" >&3
}

@test "pause: every confirmed info-hash is in the set, while a client announces" {
    announce_while tb verify
    note_silence "published tracker, pause"
    compare_set "$(newest)"
}

@test "stop: every confirmed info-hash is in the set, while a client announces" {
    echo 'method: stop' >"$workspace/envs/real.backup.yml"
    tb configure
    announce_while tb verify
    note_silence "published tracker, stop"
    compare_set "$(newest)"
    rm "$workspace/envs/real.backup.yml"
    tb configure
}

@test "WAL: nothing is held, no announce waits a second, every confirmed info-hash is in the set" {
    on_vm $hook --journal-mode wal >/dev/null
    wait_until 120 tracker_runs
    announce_while tb verify
    note_silence "published tracker, hot"
    [ "$(last_run | jq -r .method)" = hot ]
    [ "$(jq '[.runs[].held_ms] | max' "$workspace/build/real/torrust-backup/last-verify.json")" = 0 ]
    [ "$(jq '.longest_silence_ms < 1000 and .confirmed > 100' "$BATS_TEST_TMPDIR/summary.json")" = true ]
    compare_set "$(newest)"
    on_vm $hook --journal-mode delete >/dev/null
    wait_until 120 tracker_runs
}

@test "essential: what was never completed is left out, and the published tracker starts on the rest and serves" {
    local live
    live=$("$vm" path "$machine")/root$database
    on_vm docker kill --signal INT tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    sqlite3 "$live" "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 50000)
        INSERT INTO torrents (info_hash, completed) SELECT lower(hex(randomblob(20))), 0 FROM n"
    on_vm chown 1000:1000 $database
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
    on_vm $hook --journal-mode wal >/dev/null
    wait_until 120 tracker_runs
    echo 'profile: essential' >"$workspace/envs/real.backup.yml"
    tb configure
    announce_while tb verify
    [ "$(last_run | jq -r '.profile + " " + .method')" = "essential hot" ]
    compare_set "$(newest)"
    [ "$(sqlite3 "$BATS_TEST_TMPDIR/restored.db" 'SELECT count(*) FROM torrents WHERE completed = 0')" = 0 ]
    on_vm docker kill --signal INT tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    on_vm tee $database <"$BATS_TEST_TMPDIR/restored.db" >/dev/null
    on_vm rm -f $database-wal $database-shm
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
    (cd "$workspace" && "$cache/deployer/bin/torrust-tracker-deployer" --log-dir data/logs test real)
    announce_while sleep 3
    rm "$workspace/envs/real.backup.yml"
    tb configure
    on_vm $hook --journal-mode delete >/dev/null
    wait_until 120 tracker_runs
}

@test "sidecar: three scheduled backups under announces, nothing held, every confirmed info-hash is in each" {
    local before since
    on_vm $hook --journal-mode wal >/dev/null
    wait_until 120 tracker_runs
    printf '%s\n' 'mode: sidecar' "schedule: '* * * * *'" >"$workspace/envs/real.backup.yml"
    tb configure
    on_vm test ! -e $hook
    since=$(on_vm date +%s)
    three_more() { [ "$(sets | wc -l)" -ge $((before + 4)) ]; } # the first may begin before the client
    before=$(sets | wc -l)
    announce_while wait_until 400 three_more
    for set in $(sets | tail -n 3); do
        [ "$(on_vm cat "$store/$set/manifest.json" | jq -r '.capture | "\(.method) \(.held_ms)"')" = "hot 0" ]
        compare_set "$set"
    done
    [ "$(jq '.longest_silence_ms < 1000 and .confirmed > 100' "$BATS_TEST_TMPDIR/summary.json")" = true ]
    on_vm docker events --since "$since" --until "$(on_vm date +%s)" --filter container=tracker --filter type=container \
        --format '{{.Action}}' >"$BATS_TEST_TMPDIR/events"
    run ! grep -v '^exec_\|^health_status' "$BATS_TEST_TMPDIR/events"
    tb verify
    rm "$workspace/envs/real.backup.yml"
    tb configure
    on_vm $hook --journal-mode delete >/dev/null
    wait_until 120 tracker_runs
}

@test "a run that cron fires is proved too" {
    announce_while tb verify --wait-for-cron
    compare_set "$(newest)"
}

@test "the deployer's own test still passes" {
    (cd "$workspace" && "$cache/deployer/bin/torrust-tracker-deployer" --log-dir data/logs test real)
}

@test "all workspaces that the deployer wrote are rendered and configured; what is for MySQL finds none here, and says so" {
    [ -d "$shared" ] || skip "no workspaces beside the project (TBK_SHARED_WORKSPACES)"
    ip=$(cat "$("$vm" path "$machine")/ip")
    key=$("$vm" path "$machine")/ssh_key
    on_vm docker network create torrust_database_network >/dev/null
    for input in "$shared"/*/input.json; do
        environment=$(basename "$(dirname "$input")")
        for phase in "$(dirname "$input")"/[2-5]*; do
            mine=$BATS_TEST_TMPDIR/$environment-$(basename "$phase")
            cp -a "$phase" "$mine"
            chmod -R u+w "$mine"
            (cd "$mine" && "$backup" render "$environment" >/dev/null)
        done
        for command in configure configure; do
            (cd "$mine" && "$backup" $command "$environment" --ssh-host "$ip" --ssh-port 22 --ssh-key "$key" --host-key accept)
        done | grep -q 'Already in place'
        if grep -q '"driver": "mysql"' "$mine/data/$environment/environment.json"; then
            status=0
            (cd "$mine" && "$backup" run "$environment" --ssh-host "$ip" --ssh-port 22 --ssh-key "$key") >"$BATS_TEST_TMPDIR/mysql.log" 2>&1 || status=$?
            [ "$status" = 2 ]
            grep -q '/opt/torrust/.env' "$BATS_TEST_TMPDIR/mysql.log"
        fi
    done
    tb configure
    tb run
}
