# SPDX-License-Identifier: MIT
# What status, run, list and verify say of an installation, a tracker, or a past that is not well, each with its exit status.

bats_require_minimum_version 1.5.0
load common

setup_file() { start_machine e2e-status --rows 5000 --rate 10; }

# expect STATUS WORDS COMMAND [ARGUMENT...]: the exit status, and the words on standard output or error.
expect() {
    local wanted=$1 words=$2
    shift 2
    run tb "$@"
    echo "$* ended with $status:"
    echo "$output"
    [ "$status" = "$wanted" ]
    [[ $output == *"$words"* ]]
}

status_json() { tb status --output-format json 2>/dev/null; }
field() { status_json | python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

@test "before configure: each command says that the backup is not installed" {
    expect 1 "the backup is not installed; run 'torrust-backup configure'" status
    expect 2 "the backup is not installed" run
    expect 2 "the backup is not installed" list
    expect 21 "the backup is not installed" verify
}

@test "configured, without a run yet" {
    tb configure
    expect 1 "there was no run yet" status
    expect 10 "there is no store" list
}

@test "no tracker yet: nothing to back up, and that is said" {
    on_vm docker rename tracker elsewhere
    expect 23 "there is no tracker on the VM yet" status
    expect 23 "run the deployer's 'release' and 'run' first" run
    expect 23 "there is no tracker on the VM yet" verify
    on_vm docker rename elsewhere tracker
}

@test "after a good run all is well" {
    tb run
    expect 0 "Health:     ok" status
    [ "$(field '["problems"]')" = "[]" ]
}

# As an operator who "cleans up", or copies an older file over the new one.
replace_database() { sh_on_vm "cp -p $database $database.new && mv $database.new $database"; }

@test "a database that was replaced under the running tracker is told by each command, and saved by none" {
    replace_database
    expect 1 "the tracker does not work on '$database', which is backed up: it has '" status
    [[ $output == *"/tracker.db (deleted)' open"*"docker restart tracker"* ]]
    count=$(sets | wc -l)
    expect 2 "not on the database '$database'" run
    [ "$(sets | wc -l)" = "$count" ]
    expect 21 "database in use: the tracker does not work on" verify
    expect 0 "backups would fail: the tracker does not work on" configure
    expect 2 "the tracker does not work on" restore --set latest
    on_vm docker restart tracker
    wait_until 120 tracker_runs
    tb run
    expect 0 "Health:     ok" status
}

@test "a run that is under way is told, and another one gives way without showing an old record as its own" {
    hold_lock $state_dir/lock
    expect 0 "a backup is under way" status
    expect 11 "another run holds the lock" run
    [[ $output != *"Set:"* ]]
    free_lock $state_dir/lock
}

@test "the hook itself is seen, and while it holds the tracker status raises no alarm" {
    # Docker's client is made to wait, so that the hook stands in its hold until that has been looked at.
    sh_on_vm "mkdir -p /root/slow && printf '#!/bin/sh\nwhile [ \"\$1\" = unpause ] && [ ! -e /root/slow/go ]; do sleep 0.2; done\nexec /usr/bin/docker \"\$@\"\n' >/root/slow/docker &&
        chmod +x /root/slow/docker && PATH=/root/slow:\$PATH setsid $hook </dev/null >/dev/null 2>&1 &"
    wait_until 120 sh_on_vm "[ \"\$(docker inspect -f '{{.State.Status}}' tracker)\" = paused ]"
    expect 0 "paused" status
    [[ $output == *"(held by a backup)"*"a backup is under way"* ]]
    on_vm touch /root/slow/go
    wait_until 120 tracker_runs
    wait_until 120 sh_on_vm "flock -n $state_dir/lock true"
    expect 0 "Health:     ok" status
    [[ $output != *"under way"* ]]
}

@test "held by a run that goes on is well; held by one that died is not, until it is recovered" {
    # Cron must not recover in between. It is stopped, not ended: status would miss it.
    on_vm pkill -STOP -x cron
    sh_on_vm "echo \"pause \$(docker inspect -f '{{.Id}}' tracker) \$(date +%s) \$(cat /proc/sys/kernel/random/boot_id)\" >$state_dir/held
        docker pause tracker"
    hold_lock $state_dir/lock
    expect 0 "paused" status
    free_lock $state_dir/lock
    expect 20 "an interrupted backup left the tracker 'paused'" status
    [[ $output == *"torrust-backup-hold recover"* ]]
    on_vm $hook --recover
    on_vm pkill -CONT -x cron
    expect 0 "Health:     ok" status
}

@test "a tracker that was not held, and does not run: exit status 20" {
    on_vm docker kill -s INT tracker
    wait_until 120 sh_on_vm "[ \"\$(docker inspect -f '{{.State.Status}}' tracker)\" = exited ]"
    expect 20 "the tracker is 'exited', and no backup holds it" status
    on_vm docker rename tracker elsewhere
    expect 20 "the tracker's container is gone" status
    on_vm docker rename elsewhere tracker
    on_vm docker start tracker
    wait_until 120 tracker_runs
}

@test "overdue: the last good backup is older than the schedule allows" {
    sh_on_vm "cp -p $store/.state/last-run.json /root/kept
        sed -i 's/\"last_success_s\": *[0-9]*/\"last_success_s\": '\$((\$(date +%s) - 72 * 3600 - 60))'/' $store/.state/last-run.json"
    expect 1 "the last good backup is 72 hours old" status
    [ "$(field '["health"]')" = failing ]
    sh_on_vm "cp -p /root/kept $store/.state/last-run.json"
    expect 0 "Health:     ok" status
}

@test "a run that failed is shown with its own words, beside the last good set" {
    good=$(newest)
    sh_on_vm "cp -a $store /root/sets && mount -t tmpfs -o size=1m,mode=0750,uid=1000,gid=1000 tmpfs $store && cp -a /root/sets/.state $store"
    expect 22 "free" run
    expect 1 "free" status
    [[ $output == *"exit status 22"*"Last good:  $good"* ]]
    on_vm umount $store
    expect 0 "Health:     ok" status
}

@test "each profile by itself: a full backup that failed is seen beside a good essential one" {
    sh_on_vm "cp -p $store/.state/last-run.json /root/kept"
    printf 'profile: essential\nfull_schedule: "0 4 * * sun"\n' >"$workspace/envs/standin.backup.yml"
    tb configure
    tb run
    expect 0 "Health:     ok" status
    sh_on_vm "cp -a $store /root/sets2 && mount -t tmpfs -o size=1m,mode=0750,uid=1000,gid=1000 tmpfs $store && cp -a /root/sets2/.state $store"
    expect 22 "free" run --profile full
    sh_on_vm "cp -a $store/.state/. /root/sets2/.state; umount $store; cp -a /root/sets2/.state/. $store/.state; rm -rf /root/sets2"
    tb run
    [ "$(last_run | jq .exit_status)" = 0 ]
    expect 1 "full: the run on the VM failed" status
    tb run --profile full
    expect 0 "Health:     ok" status
    rm "$workspace/envs/standin.backup.yml"
    tb configure
    expect 0 "Health:     ok" status
}

@test "a last success in the future says that the clock went back" {
    sh_on_vm "cp -p $store/.state/last-run.json /root/kept
        sed -i 's/\"last_success_s\": *[0-9]*/\"last_success_s\": '\$((\$(date +%s) + 864000))'/' $store/.state/last-run.json"
    expect 1 "the clock went back" status
    sh_on_vm "cp -p /root/kept $store/.state/last-run.json"
    expect 0 "Health:     ok" status
}

@test "a database that lost its rows: nothing is pruned, and that is seen, until it is acknowledged" {
    # As a run that saw the drop has left it; the next one counts the rows again.
    printf '{"schema": 1, "brakes": [{"environment": "standin", "driver": "sqlite3", "location": "%s", "profile": "full", "since_s": 1771264603,
        "reason": "table torrents had its rows", "set": "20260216T175643Z", "bytes": 0, "rows": {"torrents": 100000000}}]}' "$database" |
        on_vm sh -c "cat >$store/.state/brake.json; chown --reference=$store $store/.state/brake.json"
    expect 3 "nothing is pruned: table torrents had its rows" run
    [[ $output == *"torrust-backup acknowledge"* ]]
    expect 1 "no older set is pruned since 2026-02-16T17:56:43Z: table torrents had its rows" status
    [[ $output != *"is overdue"* ]]
    sh_on_vm "grep -qx 'torrust_backup_retention_brake 1' $store/.state/torrust_backup.prom"
    expect 0 "From the next run on, older sets are pruned again." acknowledge
    expect 0 "Health:     ok" status
    expect 0 "There was nothing to acknowledge." acknowledge
    expect 0 "Set:" run
}

@test "node_exporter may read the metrics, and no other user may list the sets" {
    on_vm setpriv --reuid 65534 --regid 65534 --clear-groups grep -q '^torrust_backup_sets' $store/.state/torrust_backup.prom
    run ! on_vm setpriv --reuid 65534 --regid 65534 --clear-groups ls $store
    run ! on_vm setpriv --reuid 65534 --regid 65534 --clear-groups cat $store/.state/last-run.json
}

@test "a changed file, a missing image, no cron" {
    on_vm chmod 600 /etc/cron.d/torrust-backup
    expect 1 "'/etc/cron.d/torrust-backup' is not as rendered" status
    expect 21 "'/etc/cron.d/torrust-backup' is not as rendered" verify
    on_vm rm /opt/torrust-backup/engine.yml
    expect 1 "'/opt/torrust-backup/engine.yml' is missing" status
    sh_on_vm "docker image rm -f \$(docker image ls -q torrust-backup-engine) >/dev/null"
    tb configure
    expect 0 "Health:     ok" status
    on_vm systemctl stop cron
    expect 1 "no cron daemon runs on the VM" status
    on_vm systemctl start cron
}

@test "verify that is interrupted while it waits for cron removes its schedule" {
    (cd "$workspace" && timeout --preserve-status -s INT 400 "$backup" verify standin --wait-for-cron >"$BATS_TEST_TMPDIR/out" 2>&1) &
    wait_until 300 on_vm test -e /etc/cron.d/torrust-backup-verify
    pkill -INT -P $! torrust-backup || pkill -INT -P $! timeout
    wait $! && return 1
    cat "$BATS_TEST_TMPDIR/out"
    grep -q "cron is to start a run at" "$BATS_TEST_TMPDIR/out"
    on_vm test ! -e /etc/cron.d/torrust-backup-verify
}

@test "configure that is interrupted says that it is not finished; the next one completes and leaves no tarball" {
    sh_on_vm "docker image rm -f \$(docker image ls -q torrust-backup-engine) >/dev/null; rm /opt/torrust-backup/compose.yml"
    for after in 0.2 0.5 0.9; do
        run timeout --preserve-status -s INT $after "$backup" configure standin --working-dir "$workspace"
        echo "$output"
        [ "$status" = 130 ] || [ "$status" = 0 ]
        [ "$status" = 0 ] || [[ $output != *"Already in place"* && $output != *"is configured"* ]]
    done
    tb configure
    expect 0 "Already in place" configure
    on_vm test ! -e $state_dir/engine-image.tar.gz
}

@test "Docker that does not answer is called by its name" {
    on_vm systemctl stop docker.socket docker
    expect 1 "Docker does not answer on the VM" status
    expect 1 "Docker does not answer" configure
    [[ $output != *"Already in place"* ]]
    expect 24 "Docker does not answer" run
    expect 24 "Docker daemon" list
    expect 24 "Docker does not answer" verify
    on_vm systemctl start docker.socket docker
    on_vm docker start tracker
    wait_until 120 tracker_runs
}
