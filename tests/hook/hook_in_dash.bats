#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The hook on a real machine with Docker, Compose and cron; the engine is a script, so that it can misbehave.
# hook_in_busybox.bats and hook_in_bash.bats are this same file: the scripts then run in busybox, with
# busybox's own tools, and in bash, which is /bin/sh on many systems.

# shellcheck disable=SC2016,SC2154 # the machine's shell expands what is quoted; common.bash sets the names
bats_require_minimum_version 1.5.0 # for `run !`
load common

setup_file() { start_machine "hook-${BATS_TEST_FILENAME##*_in_}"; }
teardown_file() { "$vm" stop "$machine"; }
teardown() { tidy; }

# --- requests and answers ---

@test "the engine's status is the hook's, its lines go to the log, its requests do not" {
    backup 7 'say one; echo "plain  words \n %s"; ask release; echo "@done 7"'
    log_has '{"message":"one"}'
    log_has 'plain  words \n %s'
    log_has 'release: released'
    run ! log_has '@'
}

@test "what the hook is called with goes to the engine, before its own word" {
    start_hook 'say "all: $2 $3 $4, $#"; echo "@done 0"' --method stop
    ends_with 0
    log_has 'all: --method stop --hook, 4'
}

@test "a pause holds the tracker until the release" {
    held_by pause 'nap 300; ask release; echo "@done 0"'
    wake_engine
    ends_with 0
    log_has 'release: released'
    everything_is_as_before
}

@test "a stop lets the tracker end by itself, on the signal that it honours" {
    local started
    started=$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)
    held_by stop 'nap 300; ask release; echo "@done 0"'
    [ "$(on_vm docker inspect -f '{{.State.ExitCode}}' tracker)" = 0 ]
    wake_engine
    ends_with 0
    everything_is_as_before
    [ "$(on_vm docker inspect -f '{{.State.StartedAt}}' tracker)" != "$started" ]
}

@test "several holds in one run" {
    backup 0 'for i in 1 2 3; do ask "hold pause"; ask release; done; echo "@done 0"'
    [ "$(on_vm grep -c 'hold pause: held' /tmp/log)" = 3 ]
    everything_is_as_before
}

@test "a stubborn tracker is killed, and started again" {
    sh_on_vm 'docker rm -f tracker && docker run -d --name tracker --restart unless-stopped stubborn-tracker:1' >/dev/null
    start_hook 'ask "hold stop"; nap 300; ask release; echo "@done 0"'
    wait_until 120 log_has 'hold stop: held'
    [ "$(on_vm docker inspect -f '{{.State.ExitCode}}' tracker)" = 137 ]
    wake_engine
    ends_with 0
    everything_is_as_before
}

@test "a tracker that is always restarted is held all the same" {
    sh_on_vm 'docker update --restart always tracker' >/dev/null
    held_by stop 'nap 300; ask release; echo "@done 0"'
    sleep 1
    tracker_is exited
    wake_engine
    ends_with 0
    everything_is_as_before
}

@test "the marker is on disk before the tracker is held" {
    local pid
    start_hook 'say started; nap 300; ask "hold pause"; ask release; echo "@done 0"'
    wait_until 60 log_has started
    pid=$(hook_pid_here)
    strace -f -qq -e trace=fsync,fdatasync,sync,rename,renameat,renameat2,execve -p "$pid" \
        -o "$BATS_TEST_TMPDIR/trace" 3>&- &
    wait_until 60 grep -q '^TracerPid:.*[1-9]' "/proc/$pid/status"
    wake_engine
    ends_with 0
    wait $!
    # Written, synced, renamed, the folder synced; only then does Docker hear of it.
    run sed -nE 's/^[0-9]+ +(f?sync|fdatasync)\(.*/sync/p; s/.* rename[a-z2]*\(.*held.*/rename/p
        s/.*"docker", "pause".*/pause/p' "$BATS_TEST_TMPDIR/trace"
    echo "$output" # for the report of a failure
    [ "$(uniq <<<"$output" | head -n 4 | xargs)" = 'sync rename sync pause' ]
}

@test "an unknown request is refused" {
    backup 0 'ask "trace 8 12 13"; ask "hold still"; echo "@done 0"'
    [ "$(on_vm grep -c ': failed ' /tmp/log)" = 2 ]
}

no_server() { [ -z "$(on_vm docker ps -aq --filter 'name=^/torrust-backup-server$')" ]; }
# A database's container, as far as the scripts look at it, and the compose file for MySQL.
begin_server() {
    sh_on_vm 'docker rm -f mysql >/dev/null 2>&1; docker run -d --name mysql stubborn-tracker:1 --one --two=2' >/dev/null
    sh_on_vm 'docker network create torrust_database_network' >/dev/null 2>&1 || true
    compose_of mysql
    start_hook "ask 'server 0123abcd'; $1"
    wait_until 60 log_has 'server 0123abcd: serving'
}

@test "a server for a proof has the database's image and arguments and the engine's network, and ends with the run" {
    local what='{{.Image}} {{.Config.Cmd}}'
    begin_server 'nap 300; echo "@done 0"'
    [ "$(on_vm docker inspect -f "$what {{.HostConfig.OomScoreAdj}} {{.HostConfig.NetworkMode}}" torrust-backup-server)" = \
        "$(on_vm docker inspect -f "$what" mysql) 1000 container:$(on_vm docker inspect -f '{{.Id}}' torrust-backup-run)" ]
    [[ $(on_vm docker inspect -f '{{.Config.Env}}' torrust-backup-server) == *MYSQL_ROOT_PASSWORD=0123abcd* ]]
    wake_engine
    ends_with 0
    no_server
    compose_of sqlite-minimal
    everything_is_as_before
}

@test "a server that a killed run has left is ended by the next one" {
    begin_server 'nap 300'
    signal_hook KILL
    run ! no_server
    backup 0 'echo "@done 0"'
    no_server
    compose_of sqlite-minimal
    on_vm docker rm -f mysql >/dev/null
}

@test "a server that cannot be started is refused" {
    backup 0 'ask "server 0123abcd"; echo "@done 0"'
    log_has 'server 0123abcd: failed '
    no_server
}

no_scratch_tracker() { [ -z "$(on_vm docker ps -aq --filter 'name=^/torrust-backup-tracker$')" ]; }
begin_scratch_tracker() {
    start_hook "ask 'tracker start 0123abcd /opt/scratch/some.db'; $1"
    wait_until 60 log_has ': started'
}

@test "a tracker for a proof is of the live one's image, without rights or network, ends when asked, and with the run" {
    local what='{{.Image}} {{.Config.Entrypoint}}'
    on_vm install -d -o 1000 -g 1000 /opt/scratch
    begin_scratch_tracker 'nap 300; ask "tracker state"; ask "tracker end"; ask "tracker state"; echo "@done 0"'
    [ "$(on_vm docker inspect -f "$what {{.Config.User}} {{.HostConfig.CapDrop}} {{.HostConfig.NetworkMode}}" torrust-backup-tracker)" = \
        "$(on_vm docker inspect -f "$what" tracker) 1000:1000 [ALL] container:$(on_vm docker inspect -f '{{.Id}}' torrust-backup-run)" ]
    [[ $(on_vm docker inspect -f '{{.Config.Env}}' torrust-backup-tracker) == *ADMIN=0123abcd* ]]
    wake_engine
    ends_with 0
    log_has 'tracker state: running'
    log_has 'tracker end: ended started'
    log_has 'tracker state: failed it is gone'
    begin_scratch_tracker 'nap 300'
    signal_hook KILL
    run ! no_scratch_tracker
    backup 0 'echo "@done 0"'
    no_scratch_tracker
    on_vm rm -r /opt/scratch
    everything_is_as_before
}

@test "a tracker for a proof that cannot be started is refused" {
    backup 0 "ask 'tracker start 0123abcd /nowhere/some.db'; echo '@done 0'"
    log_has ': failed '
    no_scratch_tracker
}

@test "the tracker's own compose file and .env may be broken" {
    sh_on_vm 'cd /opt/torrust && mv docker-compose.yml whole && echo "{" >docker-compose.yml && mv .env .env.whole'
    held_by stop 'ask release; echo "@done 0"' || true
    ends_with 0
    sh_on_vm 'cd /opt/torrust && mv whole docker-compose.yml && mv .env.whole .env'
    everything_is_as_before
}

# --- the tracker as it was found ---

@test "a stopped tracker stays stopped" {
    on_vm docker kill -s INT tracker >/dev/null
    wait_until 60 tracker_is exited
    backup 0 'ask "hold stop"; ask "hold pause"; ask release; echo "@done 0"'
    log_has 'hold stop: held was-stopped'
    log_has 'hold pause: held was-stopped'
    tracker_is exited
}

@test "a tracker that an operator paused stays paused" {
    on_vm docker pause tracker >/dev/null
    backup 0 'ask "hold pause"; ask release; echo "@done 0"'
    log_has 'hold pause: held was-stopped'
    tracker_is paused
}

@test "without a tracker nothing is done, and nothing is said" {
    on_vm docker rm -f tracker >/dev/null
    start_hook 'echo "@done 0"'
    ends_with 23
    [ -z "$(on_vm cat /tmp/log)" ]
}

@test "a tracker that ran and does not run at the end is said, whatever the engine says" {
    start_hook 'say started; nap 300; echo "@done 0"'
    wait_until 60 log_has started
    on_vm docker kill -s INT tracker >/dev/null
    wait_until 60 tracker_is exited
    wake_engine
    ends_with 20
    log_has 'the tracker is not running'
}

# --- an engine that misbehaves ---

@test "an engine without a last line is a failure" {
    backup 24 'say hello; exit 0'
    log_has 'the container ended early'
    everything_is_as_before
}

@test "an engine that ends in a hold: the tracker is let go" {
    backup 24 'ask "hold stop"; exit 1'
    everything_is_as_before
    backup 0 'ask "hold pause"; echo "@done 0"'
    everything_is_as_before
}

@test "an engine that is killed in a hold: the tracker is let go" {
    held_by pause
    on_vm docker kill torrust-backup-run >/dev/null
    ends_with 24
    everything_is_as_before
}

@test "a missing image is a failure with Docker's own words" {
    on_vm sed -i 's/scripted-engine:1/scripted-engine:2/' /opt/torrust-backup/compose.yml
    backup 24 'echo "@done 0"'
    on_vm sed -i 's/scripted-engine:2/scripted-engine:1/' /opt/torrust-backup/compose.yml
    log_has 'scripted-engine:2'
    everything_is_as_before
}

# --- the window ---

# Here the time goes by. Elsewhere the window is over when a test says so: a busy machine has all the time that it needs.
@test "a hold that outlasts the window ends the container, and the tracker runs" {
    install_hook 's/window=300/window=20/'
    for kind in pause stop; do
        held_by "$kind" 'while :; do sleep 1; done'
        ends_with 24
        log_has 'window 20 s'
        everything_is_as_before
    done
    install_hook ''
}

# The guard's clock, as if its time had gone by: its timeout ends the command and itself by KILL.
end_window() {
    guard_lives
    on_vm pkill -KILL -f '(^| )flock 9$'
}
guard_is_gone() { ! guard_lives; }

@test "a container that released in time is not ended with the window" {
    start_hook 'ask "hold pause"; ask release; nap 300; echo "@done 0"'
    wait_until 60 log_has 'release: released'
    end_window
    wait_until 60 guard_is_gone
    wake_engine
    ends_with 0
}

@test "the watchdog of a killed run does not end the next one" {
    install_hook 's/window=300/window=15/'
    held_by pause
    signal_hook KILL
    backup 0 'nap 17; echo "@done 0"'
    everything_is_as_before
    install_hook ''
}

# freeze_shim NAME: Docker gets no answer about this container, and has no power over it, as when disks stall.
freeze_shim() {
    sh_on_vm 'pkill -STOP -f "containerd-shim.* -id $(docker inspect -f "{{.Id}}" "$0")"' "$1"
}
thaw_shims() { on_vm pkill -CONT -f containerd-shim; }

@test "a container that cannot be killed when the window is over: the tracker runs" {
    held_by pause 'while :; do sleep 1; done'
    freeze_shim torrust-backup-run
    end_window
    wait_until 60 tracker_is running
    ends_with 137
    no_marker
    thaw_shims
}

@test "a hold that Docker grants after its request has timed out is undone by recovery" {
    install_hook 's/${limit:-20}/10/'
    start_hook 'say started; nap 300; ask "hold pause"; echo "@done 1"'
    wait_until 60 log_has started
    freeze_shim tracker
    wake_engine
    ends_with 1
    log_has 'hold pause: failed to pause the tracker'
    marker_stands
    thaw_shims
    wait_until 60 tracker_is paused
    install_hook ''
    recover_ended_run
    everything_is_as_before
}

@test "a run whose pause was refused is not ended with the window of that hold" {
    install_hook 's/docker "$1" "$2" >/false >/'
    start_hook 'ask "hold pause"; ask release; nap 300; echo "@done 0"'
    wait_until 60 log_has 'release: '
    end_window
    wait_until 60 guard_is_gone
    wake_engine
    ends_with 0
    on_vm grep -q '^late ' "$state/held"
    install_hook ''
    recover_ended_run
    everything_is_as_before
}

@test "the guard goes with its hook, and keeps neither its lock nor its output open" {
    held_by pause 'nap 300; ask release; echo "@done 0"'
    guard_lives
    sh_on_vm 'for pid in $(pgrep -f "torrust-backup-hold guar[d]"); do readlink /proc/$pid/fd/[0-8]; done' \
        >"$BATS_TEST_TMPDIR/files"
    cat "$BATS_TEST_TMPDIR/files" # for the report of a failure
    grep -q /dev/null "$BATS_TEST_TMPDIR/files"
    run ! grep -E 'torrust-backup/|/tmp' "$BATS_TEST_TMPDIR/files"
    wake_engine
    ends_with 0
    wait_until 30 guard_is_gone
    wait_until 30 on_vm flock -n "$state/lock" true # the clock of busybox's timeout looks once a second
}

# blocked COMMAND...: with output that is full and has no reader.
start_blocked() {
    sh_on_vm 'rm -f /tmp/status; { { head -c 65536 /dev/zero; "$@" 2>&1 & echo $! >/tmp/pid; wait $!
        echo $? >/tmp/status; } | sleep 100; } </dev/null >/dev/null 2>&1 &' sh "$@"
}

@test "the window's end lets the tracker go when no process reads the log, and ends the hook" {
    for kind in pause stop; do
        start_blocked "$hook" "ask 'hold $kind'; nap 300"
        wait_until 60 marker_stands
        wait_until 60 tracker_is "$([ "$kind" = pause ] && echo paused || echo exited)"
        end_window
        wait_until 60 no_marker
        tracker_is running
        wait_until 120 hook_ended
        run_is_gone
    done
}

@test "TERM with a log that no process reads lets the tracker go before anything is said" {
    for kind in pause stop; do
        start_blocked "$hook" "echo '@hold $kind'; read -r answer; nap 300"
        wait_until 60 marker_stands
        wait_until 60 tracker_is "$([ "$kind" = pause ] && echo paused || echo exited)"
        sleep 1
        signal_hook TERM
        wait_until 60 hook_ended
        comes_back
    done
}

@test "the window's end lets the tracker go when the hook is stopped by a signal" {
    for kind in pause stop; do
        held_by "$kind"
        signal_hook STOP
        end_window
        wait_until 60 no_marker
        tracker_is running
        ends_with 137
        comes_back
    done
}

# hang VERB: Docker's client hangs when it is called so.
hang() {
    sh_on_vm 'mv /usr/bin/docker /usr/bin/docker.real && printf "#!/bin/sh\n[ \"\$1\" != $0 ] || exec sleep 1000\nexec docker.real \"\$@\"\n" >/usr/bin/docker &&
        chmod 0755 /usr/bin/docker' "$1"
}
unhang() { on_vm mv -f /usr/bin/docker.real /usr/bin/docker; }

@test "Docker's client that hangs when it is asked does not keep the tracker held" {
    for kind in pause stop; do
        held_by "$kind"
        hang ps
        end_window
        wait_until 60 tracker_is_really running
        unhang
        wait_until 180 hook_ended
        recover_ended_run
        comes_back
    done
}
tracker_is_really() { [ "$(on_vm docker.real inspect -f '{{.State.Status}}' tracker)" = "$1" ]; }

@test "Docker's client that hangs when it is to let go is called again" {
    for kind in pause stop; do
        held_by "$kind"
        hang "$([ "$kind" = pause ] && echo unpause || echo start)"
        end_window
        wait_until 60 on_vm pgrep -fx 'sleep 1000' # it hangs, and
        sleep 2
        unhang # the next call, ten seconds later, does not
        wait_until 120 tracker_is running
        wait_until 120 hook_ended
        recover_ended_run
        comes_back
    done
}

# --- signals ---

@test "TERM, INT and HUP in a hold: the tracker runs, the container is gone, 130" {
    for kind in pause stop; do
        for signal in TERM INT HUP; do
            held_by "$kind"
            signal_hook "$signal"
            ends_with 130
            everything_is_as_before
        done
    done
}

@test "TERM, INT and HUP out of a hold" {
    for signal in TERM INT HUP; do
        start_hook 'say started; nap 300'
        wait_until 60 log_has started
        signal_hook "$signal"
        ends_with 130
        everything_is_as_before
    done
}

# Docker may make the container after the hook has gone; it is the next run that removes such an orphan.
@test "a signal while the container is being made leaves nothing that hinders the next run" {
    for delay in 0.1 0.3 0.5 0.8; do
        start_hook 'say started; nap 300'
        sleep "$delay"
        signal_hook TERM
        wait_until 60 hook_ended
        sleep 1
        tracker_is running
        no_marker
        backup 0 'echo "@done 0"'
        everything_is_as_before
    done
}

@test "KILL in a hold: the guard lets the tracker go at once" {
    for kind in pause stop; do
        held_by "$kind"
        signal_hook KILL
        ends_with 137
        wait_until 60 no_marker
        comes_back
    done
}

@test "hook and guard are killed in a hold: recovery lets the tracker go, by both its names" {
    for kind in pause stop; do
        for command in "$hook --recover" "$hold recover"; do
            die_in_a_hold "$kind"
            # shellcheck disable=SC2086 # a command and its argument
            run on_vm $command
            [ "$status" = 0 ]
            [[ $output == *'a run was interrupted'* ]]
            everything_is_as_before
        done
    done
}

@test "a person lets the tracker go by hand, also from a run that goes on" {
    held_by stop
    run on_vm "$hold" release
    [ "$status" = 0 ]
    [ "$output" = released ]
    tracker_is running
    no_marker
    signal_hook TERM
    ends_with 130
}

@test "recovery lets the tracker go whatever has become of the marker" {
    for kind in pause stop; do
        for damage in ': >held' 'echo "pau" >held' 'head -c 99 /dev/urandom >held' 'rm held; mkdir held' 'rm held'; do
            die_in_a_hold "$kind"
            sh_on_vm "cd $state && { $damage; }"
            [ "$damage" = 'rm held' ] || on_vm rm -f "$copy"
            on_vm "$hold" recover
            tracker_is running
            on_vm rm -rf "$state/held"
        done
    done
}

@test "recovery on a disk that has become read-only: released once, and a run then says why it fails" {
    for kind in pause stop; do
        die_in_a_hold "$kind"
        sh_on_vm "mount --bind $state $state && mount -o remount,ro,bind $state"
        on_vm "$hook" --recover
        tracker_is running
        run on_vm "$hook"
        [ "$status" = 1 ]
        [[ $output == *'cannot be written'* ]]
        # The marker could not be removed; what an operator stops now stays stopped all the same.
        on_vm docker kill -s INT tracker >/dev/null
        wait_until 60 tracker_is exited
        on_vm "$hook" --recover
        tracker_is exited
        wait_until 60 on_vm umount "$state" # busybox's timeout goes a second later
        on_vm "$hook" --recover
        tracker_is exited
        no_marker
        on_vm docker start tracker >/dev/null
    done
}

@test "recovery before the window's end leaves a hook alone, and not one that is stuck after it" {
    held_by pause
    on_vm "$hold" recover
    tracker_is paused
    on_vm touch -d '-7 minutes' "$state/held"
    on_vm "$hold" recover
    tracker_is running
    no_marker
    wait_until 60 hook_ended # its container was ended after that
}

@test "a full disk: nothing is held, and the tracker runs" {
    sh_on_vm "mkdir -p $state; mount -t tmpfs -o size=64k,mode=0750 tmpfs $state; head -c 1M /dev/zero >$state/full" || true
    start_hook 'ask "hold pause"; ask "hold stop"; echo "@done 1"'
    ends_with 1
    on_vm grep -q 'hold pause: failed to write' /tmp/log
    wait_until 60 on_vm umount "$state"
    everything_is_as_before
}

@test "a hold that an older version left is let go by the new one, also after an upgrade in between" {
    local old=$BATS_TEST_TMPDIR/old
    sed '1s|.*|#!/bin/dash|' "$home/hook-of-an-older-version" >"$old"
    for kind in pause stop; do
        on_vm tee "$hook" <"$old" >/dev/null
        held_by "$kind"
        # The old watchdog ends with the container, and lets nothing go.
        signal_hook KILL
        ends_with 137
        tracker_is "$([ "$kind" = pause ] && echo paused || echo exited)"
        install_hook ''
        run on_vm "$hook" --recover
        [ "$status" = 0 ]
        everything_is_as_before
    done
}

@test "an upgrade while an older version holds: its run ends as it would have" {
    on_vm tee "$hook" <"$home/hook-of-an-older-version" >/dev/null
    held_by pause 'nap 300; ask release; echo "@done 0"'
    install_hook ''
    on_vm "$hook" --recover
    tracker_is paused
    wake_engine
    ends_with 0
    everything_is_as_before
}

@test "KILL in a hold: the next run lets the tracker go first" {
    held_by stop
    signal_hook KILL
    backup 0 'ask "hold pause"; ask release; echo "@done 0"'
    log_has 'hold pause: held'
    everything_is_as_before
}

@test "KILL in a hold: the engine learns that the tracker is no longer held" {
    held_by pause 'read -r line || exit 130; nap 300'
    signal_hook KILL
    wait_until 60 run_is_gone
}

@test "KILL out of a hold: the orphan does not hinder the next run" {
    start_hook 'say started; nap 300'
    wait_until 60 log_has started
    signal_hook KILL
    ends_with 137
    backup 0 'echo "@done 0"'
    everything_is_as_before
}

@test "the caller's output may vanish" {
    run sh_on_vm 'rm -f /tmp/status; { "$0" "$1"; echo $? >/tmp/status; } 2>&1 | head -n 1
        for i in $(seq 600); do [ ! -s /tmp/status ] || break; sleep 0.1; done; cat /tmp/status' "$hook" \
        'say one; nap 1; say two; ask "hold pause"; nap 1; say three; ask release; say four; echo "@done 0"'
    [ "${lines[1]}" = 0 ]
    everything_is_as_before
}

# --- one run at a time; recovery ---

@test "a second run is refused, and recovery leaves a running one alone" {
    install_hook 's/timeout 15 flock/timeout 3 flock/' # for a moment, which is waited for below
    held_by pause
    run on_vm "$hook"
    [ "$status" = 11 ]
    [[ $output == *'another backup is under way'* ]]
    run on_vm "$hook" --recover
    [ "$status" = 0 ]
    [ -z "$output" ]
    tracker_is paused
    signal_hook TERM
    ends_with 130
    install_hook ''
}

@test "recovery with nothing to recover is quiet, and starts no tracker that an operator stopped" {
    on_vm docker kill -s INT tracker >/dev/null
    wait_until 60 tracker_is exited
    run on_vm "$hook" --recover
    [ "$status" = 0 ]
    [ -z "$output" ]
    tracker_is exited
}

@test "recovery with nothing to recover is not in the way of a backup that cron starts in the same second" {
    sh_on_vm "setsid sh -c 'for i in \$(seq 40); do $hook --recover; done' </dev/null >/dev/null 2>&1 &"
    for _ in 1 2 3; do backup 0 'say one; echo "@done 0"'; done
}

@test "a backup waits a moment for the process that has the lock" {
    sh_on_vm "setsid flock $state/lock sleep 8 </dev/null >/dev/null 2>&1 &"
    wait_until 30 sh_on_vm "! flock -n $state/lock true"
    backup 0 'say one; echo "@done 0"'
}

@test "a marker of a container that was made anew meanwhile is void" {
    die_in_a_hold stop
    sh_on_vm 'docker rm -f tracker torrust-backup-run; cd /opt/torrust && docker compose create --pull never' >/dev/null 2>&1
    on_vm "$hook" --recover
    no_marker
    tracker_is created
}

@test "a tracker that cannot be started again is said, and tried again later" {
    die_in_a_hold stop
    on_vm mv /usr/bin/docker /usr/bin/docker.away
    run on_vm "$hook" --recover
    on_vm mv /usr/bin/docker.away /usr/bin/docker
    [ "$status" = 20 ]
    [[ $output == *'the tracker is down'* ]]
    marker_stands
    on_vm "$hook" --recover
    everything_is_as_before
}

@test "Docker is down: 24 and a word" {
    on_vm systemctl stop docker.socket docker
    run on_vm "$hook"
    [ "$status" = 24 ]
    [[ $output == *'Docker does not answer'* ]]
}

@test "Docker goes down in a hold: 20, and recovery once it is back" {
    for kind in pause stop; do
        held_by "$kind"
        on_vm systemctl stop docker.socket docker
        ends_with 20
        marker_stands
        on_vm systemctl start docker.socket docker
        wait_until 120 sh_on_vm "flock -n $state/lock true" # the guard tried, too
        recover_ended_run
        comes_back
    done
}

@test "a crash in a hold: cron lets the tracker go after the boot" {
    on_vm tee /etc/cron.d/torrust-backup <"$rendered/crontab" >/dev/null
    for kind in pause stop; do
        held_by "$kind"
        "$vm" crash "$machine"
        "$vm" boot "$machine"
        wait_until 120 tracker_is running
        wait_until 120 run_is_gone
        no_marker
        backup 0 'ask "hold pause"; ask release; echo "@done 0"'
    done
    on_vm rm /etc/cron.d/torrust-backup
}

# --- what the engine asks for besides ---

@test "the files that the tracker has open are told by device and inode, also when their names are gone" {
    local before
    before=$(on_vm stat -c %d:%i "$database")
    backup 0 'ask files; echo "@done 0"'
    on_vm grep -qE "files: files( [0-9]+:[0-9]+)* $before( |\")" /tmp/log
    sh_on_vm "cp $database $database.copy && mv $database.copy $database && chown \$(stat -c %u:%g \$(dirname $database)) $database"
    backup 0 'ask files; echo "@done 0"'
    on_vm grep -qE "files: files( [0-9]+:[0-9]+)* $before( |\")" /tmp/log
    run ! on_vm grep -qE " $(on_vm stat -c %d:%i "$database")( |\")" /tmp/log
    on_vm docker kill -s INT tracker >/dev/null
    wait_until 60 tracker_is exited
    backup 0 'ask files; echo "@done 0"'
    log_has '"files: files"'
}

# --- around the run ---

@test "a store that is a link is refused: root would give away what it leads to" {
    sh_on_vm "rm -rf $store && mkdir -p ${store%/*} /srv/victim && touch /srv/victim/mine && ln -s /srv/victim $store"
    backup 2 'echo "@done 0"'
    [ "$(on_vm stat -c %u /srv/victim/mine)" = 0 ]
    on_vm rm "$store"
}

@test "the store is made for the database's owner" {
    on_vm rm -rf "$store" "$(dirname "$store")"
    backup 0 'echo "@done 0"'
    [ "$(on_vm stat -c '%a %u:%g' "$store")" = "750 $(on_vm stat -c %u:%g "$database")" ]
    [ "$(on_vm stat -c '%a %u' "$(dirname "$store")")" = '755 0' ]
}

@test "a store of another user is refused, and keeps its owner" {
    backup 0 'echo "@done 0"'
    sh_on_vm "touch $store/mine && chown -Rh 4321:1234 $store"
    backup 2 'echo "@done 0"'
    log_has 'chown -Rh'
    [ "$(on_vm stat -c %u "$store/mine")" = 4321 ]
    sh_on_vm "chown -Rh \$(stat -c %u:%g $database) $store && rm $store/mine"
    backup 0 'echo "@done 0"'
}

@test "a link in the place of the database is refused: it would choose whom the store is for" {
    sh_on_vm "mv $database $database.away && touch /srv/other && chown 4321 /srv/other && ln -s /srv/other $database"
    run on_vm "$hook"
    sh_on_vm "rm $database && mv $database.away $database"
    [ "$status" = 2 ]
    [ "$(on_vm stat -c %u "$store")" = "$(on_vm stat -c %u "$database")" ]
    everything_is_as_before
}

@test "a link on the way to the store is refused where others may have put it, and else is the operator's choice" {
    local folder=${store%/*}
    sh_on_vm "mv $folder /srv/elsewhere && ln -s /srv/elsewhere $folder"
    backup 2 'echo "@done 0"'
    sh_on_vm "rm $folder && mv /srv/elsewhere $folder"
    sh_on_vm 'mkdir -p /srv/real/sets && chown -R $(stat -c %u:%g $0) /srv/real/sets && ln -s /srv/real /srv/link' "$database"
    install_hook 's|^store=.*|store=/srv/link/sets|'
    backup 0 'echo "@done 0"'
    install_hook ''
    on_vm rm -r /srv/link /srv/real
}

@test "a database of root makes no store of root" {
    on_vm rm -rf "$store"
    sh_on_vm "chown 0:0 $database"
    backup 2 'echo "@done 0"'
    sh_on_vm "chown \$(stat -c %u:%g \$(dirname $database)) $database"
    on_vm test ! -e "$store"
}

@test "a store of the right owner is left as it is" {
    backup 0 'echo "@done 0"'
    sh_on_vm "mkdir -p $store/other && chown 4321 $store/other && chmod 0700 $store"
    backup 0 'echo "@done 0"'
    [ "$(on_vm stat -c %u "$store/other")" = 4321 ]
    [ "$(on_vm stat -c %a "$store")" = 700 ]
    on_vm rm -rf "$store"
}

@test "the native backup is waited for, within limits" {
    printf '#!/bin/bash\nsleep 4\n' | on_vm tee /usr/local/bin/maintenance-backup.sh >/dev/null
    sh_on_vm 'chmod +x /usr/local/bin/maintenance-backup.sh; setsid /usr/local/bin/maintenance-backup.sh >/dev/null 2>&1 </dev/null &'
    local start=$SECONDS
    backup 0 'echo "@done 0"'
    [ $((SECONDS - start)) -ge 3 ]
    # Who only speaks of it is not it: an editor, a container's process.
    install_hook 's/timeout 1800/timeout 2/'
    sh_on_vm 'setsid sh -c "sleep 60; : vi /usr/local/bin/maintenance-backup.sh" >/dev/null 2>&1 </dev/null &
        setsid tail -f /usr/local/bin/maintenance-backup.sh >/dev/null 2>&1 </dev/null &
        docker run -d --rm --name speaker --entrypoint /bin/sh stubborn-tracker:1 -c "sleep 60; : /usr/local/bin/maintenance-backup.sh"' >/dev/null
    backup 0 'echo "@done 0"'
    sh_on_vm 'docker rm -f speaker; kill $(pgrep -x tail)' >/dev/null
    printf '#!/bin/bash\nsleep 60\n' | on_vm tee /usr/local/bin/maintenance-backup.sh >/dev/null
    sh_on_vm 'setsid /usr/local/bin/maintenance-backup.sh >/dev/null 2>&1 </dev/null &'
    wait_until 30 on_vm pgrep -f '^/bin/bash /usr/local/bin/maintenance-backup.sh'
    backup 11 'echo "@done 0"'
    install_hook ''
    on_vm pkill -f '^/bin/bash /usr/local/bin/maintenance-backup.sh'
    on_vm rm /usr/local/bin/maintenance-backup.sh
}

@test "what the hook keeps is root's alone" {
    backup 0 'echo "@done 0"'
    held_by pause
    [ "$(on_vm stat -c '%a %u' "$state")" = '750 0' ]
    [ "$(sh_on_vm "find $state -mindepth 1 -perm /077 -o ! -user root")" = "" ]
    signal_hook TERM
    ends_with 130
}
