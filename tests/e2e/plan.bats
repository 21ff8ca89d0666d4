# SPDX-License-Identifier: MIT
# What plan says before and after configure, and which method it forecasts on ext4, on XFS, and in WAL mode; that it
# changes nothing; and that a run does what was forecast, or what it was told.

bats_require_minimum_version 1.5.0
load common

setup_file() { start_machine e2e-plan --rows 50000 --rate 20; }
teardown_file() {
    stop_machine
    machine=e2e-plan-xfs stop_machine
}

# plan FILTER: of its JSON, which keeps its schema.
plan() {
    tb plan --output-format json 2>"$BATS_TEST_TMPDIR/log" >"$BATS_TEST_TMPDIR/plan.json" || {
        cat "$BATS_TEST_TMPDIR/log"
        return 1
    }
    cmp "$BATS_TEST_TMPDIR/plan.json" "$workspace/build/standin/torrust-backup/last-plan.json"
    keeps_schema plan "$BATS_TEST_TMPDIR/plan.json"
    jq -r "$1" "$BATS_TEST_TMPDIR/plan.json"
}
all_of() { plan "$1" | tr '\n' ' '; }
options() { printf '%b' "$1" >"$workspace/envs/standin.backup.yml"; }
no_options() { rm -f "$workspace/envs/standin.backup.yml"; }

# All that a backup might touch, with times and sizes; but not what the tracker writes, and sudo at its first use.
listing() {
    sh_on_vm "{ find /etc /usr/local /opt /var/lib/torrust-backup /var/log/torrust-backup /root \
        -path '*/tracker/lib*' -prune -o -printf '%p %m %u %s %C@\n' 2>/dev/null; docker image ls -q; docker ps -aq; } | sort"
}

@test "before configure: all is new, nothing is changed, and there is no forecast yet" {
    listing >"$BATS_TEST_TMPDIR/before"
    run -0 --separate-stderr tb plan
    echo "$output"
    [[ $output == *"new "*"/opt/torrust-backup/compose.yml"*"lines"* ]]
    [[ $output == *"13 to change: torrust-backup configure standin"*"No forecast of a backup: the backup is not installed yet"* ]]
    [ "$(plan '[.items[] | select(.state != "new")] | length')" = 0 ]
    [[ $(plan '.items[] | select(.target == "/etc/cron.d/torrust-backup").diff') == \
        $'--- /dev/null\n+++ /etc/cron.d/torrust-backup\n@@ -0,0 +1,13 @@\n+'* ]]
    listing | diff "$BATS_TEST_TMPDIR/before" -
    [ "$(tracker_state)" = running ]
}

@test "without a tracker, or with an empty database, the forecast is left out with a sentence" {
    tb configure
    on_vm docker rename tracker elsewhere
    [ "$(plan .no_forecast)" = "there is no tracker on the VM yet" ]
    on_vm docker rename elsewhere tracker
    on_vm docker stop -t 1 tracker
    sh_on_vm "mv $database /root/kept.db && install -m 0644 -o 1000 -g 1000 /dev/null $database"
    [[ $(plan .no_forecast) == *"0 bytes"* ]]
    sh_on_vm "mv /root/kept.db $database && docker start tracker"
    wait_until 120 tracker_runs
}

@test "after configure: nothing to change; a pause of a sensible time, forecast before there is a store" {
    on_vm test ! -e $store
    listing >"$BATS_TEST_TMPDIR/before"
    run -0 --separate-stderr tb plan
    echo "$output"
    [[ $output == *"Nothing to change."*"Forecast of a backup:"*"Method:     pause (configured: auto)"*"Held:       about "* ]]
    [ "$(all_of '.changes, .forecast.expected_held_ms >= 350, .forecast.expected_held_ms < 30000')" = "0 true true " ]
    listing | diff "$BATS_TEST_TMPDIR/before" -
    [ "$(tracker_state)" = running ]
}

@test "a run does what was forecast, for about as long" {
    expected=$(plan .forecast.expected_held_ms)
    tb run
    [ "$(last_run | jq -r .method)" = pause ]
    held=$(last_run | jq .held_ms)
    echo "expected $expected ms, held $held ms"
    [ "$held" -lt $((expected * 10 + 5000)) ]
}

@test "what is changed on either side is shown as a difference; the forecast is of what is installed" {
    options 'schedule: "15 4 * * *"\nmethod: stop\n'
    sh_on_vm "echo '# by hand' >>/opt/torrust-backup/compose.yml; chmod 600 /etc/logrotate.d/torrust-backup; chmod 700 /opt/torrust-backup"
    run -0 --separate-stderr tb plan
    echo "$output"
    [[ $output == *$'\n-# by hand\n'* ]]
    [[ $output == *$'\n-method: "auto"\n+method: "stop"\n'* ]]
    [[ $output == *$'\n-0 3 * * * root '*$'\n+15 4 * * * root '* ]]
    [[ $output == *"mode 755, now 700"*"mode 644 of root, now 600"* ]]
    [[ $output == *"Forecast of a backup, from what is installed now:"*"Method:     pause (configured: auto)"* ]]
    [ "$(plan .changes)" = 5 ]
    # What the difference makes of the installed text is what configure then puts there.
    on_vm cat /opt/torrust-backup/engine.yml >"$BATS_TEST_TMPDIR/engine.yml"
    jq -r '.items[] | select(.target == "/opt/torrust-backup/engine.yml").diff' "$BATS_TEST_TMPDIR/plan.json" |
        sed '/^$/d' | patch -s "$BATS_TEST_TMPDIR/engine.yml"
    tb configure
    on_vm cat /opt/torrust-backup/engine.yml | cmp - "$BATS_TEST_TMPDIR/engine.yml"
    [ "$(all_of '.changes, .forecast.method')" = "0 stop " ]
    no_options
    tb configure
}

@test "an installed engine that knows no forecast is called older" {
    # One that does not know the word: here because it takes it for an argument of another command.
    path=$(sh_on_vm "docker image inspect -f '{{index .Config.Entrypoint 0}}' \$(docker image ls -q torrust-backup-engine)")
    sh_on_vm "sed -i '0,/^    pull_policy: never/s||&\n    entrypoint: [$path, list]|' /opt/torrust-backup/compose.yml"
    [[ $(plan .no_forecast) == "the installed engine is older and gives none; run 'torrust-backup configure' first" ]]
    tb configure
    [ "$(plan .no_forecast)" = "" ]
}

@test "a window that is too short for the hold, and a disk that is too small, are said" {
    # The header of the database on a file that is as large as no disk here: its room is a hole.
    sh_on_vm "docker stop -t 1 tracker && mv $database /root/kept.db && head -c 100 /root/kept.db >$database &&
        truncate -s 8T $database && chown 1000:1000 $database"
    options 'window_max_seconds: 30\n'
    run tb plan
    echo "$output"
    no_options
    sh_on_vm "mv /root/kept.db $database && docker start tracker"
    wait_until 120 tracker_runs
    [ "$status" = 0 ]
    [[ $output == *"runs would be ended: window_max_seconds is 30"* ]]
    [[ $output == *"make room"* ]]
}

@test "run takes a method for this once, and hands it to the hook as cron would run it" {
    tb run --method stop
    [ "$(last_run | jq -r .method)" = stop ]
    run tb run --method hot
    [ "$status" = 2 ]
    [[ $output == *"not in WAL mode"* ]]
    on_vm tail -n 1 /var/log/torrust-backup/run.log | grep -q '"phase":"end"' # the redirection still holds
    [ "$(plan .forecast.configured_method)" = auto ]
}

@test "a crontab of one's own that hides the hook takes no options, and says so" {
    sh_on_vm "cp -p /etc/cron.d/torrust-backup /root/kept-crontab
        sed -i 's|; /usr/local/bin/torrust-backup-hook >>|; sh -c /usr/local/bin/torrust-backup-hook; true >>|' /etc/cron.d/torrust-backup"
    before=$(sets)
    run tb run --method stop
    echo "$output"
    sh_on_vm "mv /root/kept-crontab /etc/cron.d/torrust-backup"
    [ "$status" = 2 ]
    [[ $output == *"takes no further options"*Fix:* ]]
    [ "$(sets)" = "$before" ]
}

@test "after the change to WAL nothing is held any more" {
    tb run --journal-mode wal
    wait_until 120 tracker_runs
    [ "$(all_of '.forecast | .database.journal_mode, .method, .expected_held_ms, (.advice | length)')" = "wal hot 0 0 " ]
    tb run
    [ "$(last_run | jq -r .method)" = hot ]
}

@test "it answers while a backup runs" {
    hold_lock $store/.state/lock
    [ "$(plan .forecast.method)" = hot ]
    sh_on_vm "! flock -n $store/.state/lock true"
    free_lock $store/.state/lock
}

@test "Docker that does not answer: configure would be refused, and that is said" {
    on_vm systemctl stop docker.socket docker
    run tb plan
    echo "$output"
    on_vm systemctl start docker.socket docker
    on_vm docker start tracker
    [ "$status" = 1 ]
    [[ $output == *"No forecast of a backup: Docker does not answer"*"'configure' would be refused"* ]]
}

@test "on XFS a clone is forecast, and taken" {
    machine=e2e-plan-xfs
    "$vm" start "$machine" --fs xfs
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --rows 50000 --rate 20
    tb configure --host-key accept
    [ "$(all_of '.forecast | .method, .expected_held_ms')" = "reflink 0 " ]
    tb run
    [ "$(last_run | jq -r .method)" = reflink ]
    [ "$(plan .forecast.method)" = reflink ]
}
