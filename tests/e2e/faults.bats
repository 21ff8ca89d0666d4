# SPDX-License-Identifier: MIT
# Whatever dies at whatever moment: the tracker runs again, no half set shows, the last good set is
# there, the next run succeeds, and the exit status is the right one.

bats_require_minimum_version 1.5.0
load common
load held_run

setup_file() {
    start_machine e2e-faults --rows 400000 --rate 50
    tb configure
    on_vm $hook >/dev/null
}

setup() { good_before=$(newest); }

container_runs() { [ -n "$(on_vm docker ps -q -f name=torrust-backup-run)" ]; }
hook_pid() { on_vm sh -c "pgrep -o -f '^/bin/sh $hook'"; }

recovered() { tracker_runs && ! held; }

# everything_is_well [SECONDS]: within the time that recovery may take.
everything_is_well() {
    wait_until "${1:-30}" recovered
    [ -z "$good_before" ] || sets | grep -qx "$good_before"
    store_is_visible_whole
    on_vm $hook >"$BATS_TEST_TMPDIR/next.log" || { tail "$BATS_TEST_TMPDIR/next.log"; return 1; }
    store_is_whole
    check_restored "$(newest)"
    tracker_runs
}
store_is_visible_whole() {
    sh_on_vm "cd $store && for set in [0-9]*; do (cd \$set && sha256sum --quiet -c SHA256SUMS) || exit 1; done"
}

@test "the hook gets TERM in a hold: released, 130" {
    begin_run
    freeze_in_hold
    on_vm kill -TERM "$(hook_pid)"
    wait_until 120 run_ended
    [ "$(cat "$status_file")" = 130 ]
    everything_is_well
}

@test "the hook gets TERM at other moments" {
    for delay in 0 0.2 0.5 1 1.5; do
        begin_run
        sleep "$delay"
        on_vm pkill -TERM -o -f "^/bin/sh $hook" || true
        wait_until 120 run_ended
        # 143: before it had done anything that would have to be undone.
        [[ $(cat "$status_file") =~ ^(0|130|143)$ ]] || { echo "after $delay s: $(cat "$status_file")"; return 1; }
    done
    everything_is_well
}

@test "the hook gets KILL in a hold: recovery puts the tracker back" {
    begin_run
    freeze_in_hold
    on_vm kill -KILL "$(hook_pid)"
    wait_until 120 run_ended
    on_vm $hook --recover
    everything_is_well 5
}

@test "configure over an older version: what that left held is let go, and its lines in a crontab still work" {
    sh_on_vm "rm -f ${hook%hook}hold ${hook%hook}scratch ${hook%hook}aid"
    on_vm tee $hook <"$source_dir/tests/hook/hook-of-an-older-version" >/dev/null
    begin_run
    freeze_in_hold
    on_vm kill -KILL "$(hook_pid)"
    wait_until 120 run_ended
    held
    tb configure
    on_vm $hook --recover
    everything_is_well 5
}

@test "the hook gets KILL at other moments, and cron's recovery needs no operator" {
    for delay in 0 0.2 0.5 1; do
        begin_run
        sleep "$delay"
        on_vm pkill -KILL -o -f "^/bin/sh $hook" || true
        wait_until 120 run_ended
    done
    everything_is_well 400 # the */5 line of the crontab
}

@test "the engine's container gets KILL in a hold: 24, the tracker runs" {
    begin_run
    freeze_in_hold
    on_vm docker kill torrust-backup-run >/dev/null
    wait_until 120 run_ended
    [ "$(cat "$status_file")" = 24 ]
    everything_is_well
}

@test "the engine's container gets KILL at other moments" {
    for delay in 0.4 0.8 1.2 2; do
        begin_run
        sleep "$delay"
        on_vm docker kill torrust-backup-run >/dev/null 2>&1 || true
        wait_until 120 run_ended
        [[ $(cat "$status_file") =~ ^(0|24)$ ]]
    done
    everything_is_well
}

@test "the engine gets TERM in the middle: 130, nothing half" {
    begin_run
    wait_until 120 container_runs
    sleep 0.3
    on_vm docker kill -s TERM torrust-backup-run >/dev/null 2>&1 || true
    wait_until 120 run_ended
    [[ $(cat "$status_file") =~ ^(0|130)$ ]]
    everything_is_well
}

@test "crash of the machine in a hold: after the boot the tracker runs" {
    begin_run
    freeze_in_hold
    "$vm" crash "$machine"
    wait "$!" 2>/dev/null || true
    "$vm" boot "$machine"
    everything_is_well 60
}

@test "crash of the machine in a stop: after the boot the tracker runs" {
    printf 'method: stop\n' >"$workspace/envs/standin.backup.yml"
    tb configure
    begin_run
    freeze_in_hold
    "$vm" crash "$machine"
    wait "$!" 2>/dev/null || true
    "$vm" boot "$machine"
    rm "$workspace/envs/standin.backup.yml"
    everything_is_well 60
    tb configure
}

@test "two runs at once: the second waits for a moment and ends with 11, the first is well" {
    begin_run
    freeze_in_hold
    run on_vm $hook
    on_vm pkill -CONT -f '^/torrust-backup-engine backup'
    [ "$status" = 11 ]
    wait_until 120 run_ended
    [ "$(cat "$status_file")" = 0 ]
    everything_is_well
}

@test "the disk is too full: 22 before anything is held, and the log says by how much" {
    free=$(sh_on_vm "df -PB1 /opt | awk 'NR == 2 {print \$4}'")
    on_vm fallocate -l $((free - 20000000)) /opt/ballast
    run on_vm $hook
    on_vm rm /opt/ballast
    [ "$status" = 22 ]
    [[ $output != *'@hold'* ]]
    everything_is_well
}

@test "the image is gone: 24, Docker's words in the log, and configure repairs it" {
    tag=$(on_vm docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine)
    on_vm docker image rm "$tag" >/dev/null
    run on_vm $hook
    [ "$status" = 24 ]
    tb configure
    everything_is_well
}

@test "Docker is down: 24, and later all is well" {
    on_vm systemctl stop docker.socket docker
    run on_vm $hook
    [ "$status" = 24 ]
    on_vm systemctl start docker
    on_vm docker start tracker >/dev/null
    everything_is_well 60
}

@test "the network is cut during an upload: the next configure completes it, the target was never half" {
    tag=$(on_vm docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine)
    for delay in 0.15 0.3 0.6; do
        on_vm docker image rm "$tag" >/dev/null 2>&1 || true
        on_vm rm -f $hook /etc/cron.d/torrust-backup
        (set +e; limit=300 tb configure >"$BATS_TEST_TMPDIR/configure.log" 2>&1 3>&-; echo $? >"$BATS_TEST_TMPDIR/configure.status") 3>&- &
        sleep "$delay"
        # The session's process dies: to the command that receives the file it looks like its end. On a busy machine it
        # is still at the key, which is no refusal of it.
        on_vm sh -c "pkill -KILL -f 'sshd.*torrust'" || true
        wait "$!"
        cat "$BATS_TEST_TMPDIR/configure.log" "$BATS_TEST_TMPDIR/configure.status"
        [[ $(cat "$BATS_TEST_TMPDIR/configure.status") =~ ^(0|1)$ ]]
        if on_vm test -e $hook; then on_vm sh -n $hook; fi
        tb configure
        tb configure | grep -q 'Already in place'
    done
    everything_is_well
}

@test "the machine cannot be reached: a clear error within the limit, exit 1" {
    "$vm" down "$machine"
    start=$SECONDS
    run tb status
    "$vm" up "$machine"
    [ "$status" = 1 ]
    [ $((SECONDS - start)) -lt 40 ]
    [[ $output == *"Fix:"* ]]
    everything_is_well
}

@test "the publishing order is write, sync, rename, sync of the directory" {
    # A power cut is not a crash of the machine (the page cache survives that), so the calls are read.
    copy=$BATS_TEST_TMPDIR/small.db
    sqlite3 "$copy" 'CREATE TABLE t(a); INSERT INTO t VALUES (1)'
    strace -f -y -e trace=fsync,fdatasync,rename,renameat,renameat2,syncfs -o "$BATS_TEST_TMPDIR/calls" \
        "$build/bin/torrust-backup-engine" backup --sqlite "$copy" --store "$BATS_TEST_TMPDIR/store" >/dev/null
    python3 - "$BATS_TEST_TMPDIR/calls" <<'END'
import re, sys
calls = [line.split(None, 1)[1] for line in open(sys.argv[1]) if "(" in line]
publish = next(i for i, call in enumerate(calls) if call.startswith("rename") and re.search(r'"\d{8}T\d{6}Z"', call))
synced = " ".join(call for call in calls[:publish] if call.startswith(("fsync", "fdatasync")))
for name in ("database.db.zst", "manifest.json", "SHA256SUMS"):
    assert name in synced, f"{name} was not synced before the rename"
assert re.search(r"fsync\(\d+<[^>]*/\.[^/>]*>\)", synced), "the set's directory was not synced before the rename"
after = " ".join(calls[publish + 1:])
assert re.search(r"fsync\(\d+<[^>]*/store>\)", after), "the store was not synced after the rename"
END
}
