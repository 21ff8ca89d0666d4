# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2016 # the test files use what is set here; the machine's shell expands what is quoted
# What the hook's tests share: a machine with the stand-in tracker, the rendered hook, and the scripted engine.

home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$home/../..
vm=$source_dir/tests/vm/vm
rendered=$source_dir/tests/golden/sqlite-minimal # what the renderer makes; its own test says so
hook=/usr/local/bin/torrust-backup-hook
hold=/usr/local/bin/torrust-backup-hold
copy=/run/-var-lib-torrust-backup-held
state=/var/lib/torrust-backup
store=/opt/torrust/storage/backup/sets
database=/opt/torrust/storage/tracker/lib/database/tracker.db

on_vm() { timeout "${limit:-180}" "$vm" root "$machine" -- "$@"; }
sh_on_vm() { on_vm sh -c "$@"; }

# wait_until SECONDS COMMAND...: not 0 when the command did not succeed within the time.
wait_until() {
    local began=$SECONDS limit_s=$1
    shift
    until "$@" >/dev/null; do
        [ $((SECONDS - began)) -lt "$limit_s" ] || return 1
        if [ $((SECONDS - began)) -lt 5 ]; then sleep 0.3; else sleep 0.7; fi
    done
}

# image_from SCRIPT NAME TARBALL: a script in a container of its own, with a static busybox.
image_from() {
    mkdir -p "$BATS_FILE_TMPDIR/bin"
    local applet
    for applet in sh sleep cat; do
        ln -sf busybox "$BATS_FILE_TMPDIR/bin/$applet"
    done
    cp "$1" "$BATS_FILE_TMPDIR/script"
    "$source_dir/plugin/image/build" --name "$2" --output "$3" --program /bin/busybox=/bin/busybox \
        --add "$BATS_FILE_TMPDIR/bin=/bin" --add "$BATS_FILE_TMPDIR/script=/script" \
        --env PATH=/bin --entrypoint /bin/sh --entrypoint /script
    on_vm docker load -q <"$3"
}

# compose_of GOLDEN: with the scripted engine.
compose_of() {
    sed 's|image: "torrust-backup-engine.*|image: scripted-engine:1|' "$source_dir/tests/golden/$1/compose.yml" |
        on_vm tee /opt/torrust-backup/compose.yml >/dev/null
}

start_machine() {
    export machine=${1%.bats}
    "$vm" start "$machine"
    # The scripted engine copies nothing: that the tracker writes now and then is enough.
    "$source_dir/tests/standin/deploy" "$machine" "$BATS_FILE_TMPDIR/workspace" --rate 10
    on_vm tee /usr/local/bin/busybox </bin/busybox >/dev/null
    on_vm chmod 0755 /usr/local/bin/busybox
    image_from "$home/scripted-engine" scripted-engine:1 "$BATS_FILE_TMPDIR/engine.tar.gz"
    image_from "$home/stubborn-tracker" stubborn-tracker:1 "$BATS_FILE_TMPDIR/stubborn.tar.gz"
    on_vm mkdir -p /opt/torrust-backup /var/log/torrust-backup
    compose_of sqlite-minimal
    on_vm tee /opt/torrust-backup/engine.yml <"$rendered/engine.yml" >/dev/null
    install_hook ''
}

# install_hook SED-SCRIPT: the rendered scripts, in the shell that the file's name says.
install_hook() {
    local interpreter='#!/bin/dash' script
    [[ $BATS_TEST_FILENAME != *busybox* ]] || interpreter='#!/usr/local/bin/busybox sh'
    [[ $BATS_TEST_FILENAME != *bash.bats ]] || interpreter='#!/bin/bash'
    for script in hold scratch aid hook; do
        sed -e "1s|.*|$interpreter|" -e "$1" "$rendered/torrust-backup-$script" | on_vm tee "$hook.new" >/dev/null
        sh_on_vm "chmod 0755 $hook.new && mv $hook.new ${hook%hook}$script"
    done
}

# The hook in the background: its log, its process and later its exit status stand in /tmp of the machine.
# SIGINT is made catchable again, which a background process of a script otherwise can't.
start_hook() {
    sh_on_vm 'rm -f /tmp/status /tmp/log; hook=$0; {
        env --default-signal=INT "$hook" "$@" >/tmp/log 2>&1 & echo $! >/tmp/pid; wait $!; echo $? >/tmp/status
    } </dev/null >/dev/null 2>&1 &' "$hook" "$@"
}
signal_hook() { sh_on_vm "kill -s $1 \$(cat /tmp/pid)"; }
hook_ended() { on_vm test -s /tmp/status; }

# ends_with STATUS
ends_with() {
    wait_until 120 hook_ended
    on_vm cat /tmp/log # for the report of a failure
    [ "$(on_vm cat /tmp/status)" = "$1" ]
}
log_has() { on_vm grep -qF -- "$1" /tmp/log; }

# backup STATUS ENGINE-SCRIPT: a whole run in the foreground.
backup() {
    start_hook "$2"
    ends_with "$1"
}

tracker_state() { on_vm docker inspect -f '{{.State.Status}}' tracker; }
tracker_is() { [ "$(tracker_state)" = "$1" ]; }
run_is_gone() { [ -z "$(on_vm docker ps -aq --filter 'name=^/torrust-backup-run$')" ]; }
marker_stands() { on_vm test -e "$state/held"; }
no_marker() { sh_on_vm "! ls $state/held $copy 2>/dev/null"; }
guard_lives() { on_vm pgrep -f 'torrust-backup-hold guar[d]'; }

# die_in_a_hold pause|stop: hook and guard are gone with the tracker held; only recovery is left.
die_in_a_hold() {
    held_by "$1"
    sh_on_vm 'kill -KILL $(pgrep -f "torrust-backup-hold guar[d]") $(cat /tmp/pid)'
    ends_with 137
    wait_until 60 sh_on_vm "flock -n $state/lock true"
}

# held_by pause|stop [SCRIPT]: a run in the background that holds the tracker, and does so until it is told otherwise.
held_by() {
    start_hook "ask 'hold $1'; ${2:-nap 300}"
    wait_until 60 log_has "hold $1: held"
    tracker_is "$([ "$1" = pause ] && echo paused || echo exited)"
    marker_stands
}

# The scripted engine's nap is over: it naps for as long as a test needs to look, however busy the machine is.
wake_engine() { on_vm docker kill -s USR1 torrust-backup-run >/dev/null; }

# Recovery leaves alone the process that has the lock; busybox's timeout keeps it for up to a second after its command.
recover_ended_run() {
    wait_until 60 on_vm flock -n "$state/lock" true
    on_vm "$hook" --recover
}

# Everything as it is after a good run; what a test left is put in order for the next one.
tidy() {
    [ -d "$("$vm" path "$machine")" ] || return 0
    sh_on_vm '[ ! -e /usr/bin/docker.real ] || mv -f /usr/bin/docker.real /usr/bin/docker'
    sh_on_vm 'pkill -CONT -f containerd-shim; systemctl start docker.socket docker' || true
    sh_on_vm 'kill -9 $(cat /tmp/pid) 2>/dev/null; docker rm -f torrust-backup-run; rm -f /tmp/status' >/dev/null 2>&1 || true
    sh_on_vm "umount $state 2>/dev/null; rm -rf $state/held $copy"
    # A tracker that is not the deployer's, as some tests make it, hinders Compose.
    local found
    found=$(on_vm docker inspect -f '{{.Config.Image}} {{.HostConfig.RestartPolicy.Name}} {{.State.Status}}' tracker 2>&1) || true
    case $found in
    'torrust/tracker:develop unless-stopped running') return 0 ;;
    'torrust/tracker:develop unless-stopped paused') on_vm docker unpause tracker >/dev/null 2>&1 || true ;;
    'torrust/tracker:develop unless-stopped '*) ;;
    *) on_vm docker rm -f tracker >/dev/null 2>&1 || true ;;
    esac
    sh_on_vm 'cd /opt/torrust && docker compose up -d --pull never' >/dev/null 2>&1
}
comes_back() { wait_until 120 everything_is_as_before; }
everything_is_as_before() {
    tracker_is running
    no_marker
    run_is_gone
}

# The hook's process number outside the machine.
hook_pid_here() {
    local unshare init
    read -r unshare _ <"$("$vm" path "$machine")/pid"
    read -r init _ <"/proc/$unshare/task/$unshare/children"
    # shellcheck disable=SC2013 # names without blanks
    for process in $(grep -lE "^NSpid:.*[[:space:]]$(on_vm cat /tmp/pid)\$" /proc/[0-9]*/status 2>/dev/null); do
        [ "$(readlink "${process%/status}/ns/pid")" != "$(readlink "/proc/$init/ns/pid")" ] || basename "${process%/status}"
    done
}
