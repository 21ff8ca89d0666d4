# SPDX-License-Identifier: MIT
# 'configure' over an installed older version: what that holds is let go or ends as it would have, and its sets stay
# what they are: listed, proved, restored.

bats_require_minimum_version 1.5.0
load common
load held_run

# What the version before the list of desired items had put on the VM, rendered; its engine is this one's image, under
# which the store and its sets have not changed.
older=$source_dir/tests/e2e/older-version

setup_file() {
    start_machine e2e-upgrade --rows 100000 --rate 50
    tb configure # the image and the folders
    install_older_version
    on_vm $hook >/dev/null
    export old_set
    old_set=$(sets)
    [ -n "$old_set" ]
}

put() { # FILE TARGET MODE
    sed "s|torrust-backup-engine:0123456789ab|$image|; s|\"minimal\"|\"standin\"|; s|'minimal'|'standin'|" "$older/$1" |
        on_vm sh -c "cat >$2~ && chmod $3 $2~ && mv $2~ $2"
}

install_older_version() {
    local image script
    image=$(jq -r .tag "$build/share/torrust-backup/torrust-backup-engine.json")
    put compose.yml /opt/torrust-backup/compose.yml 644
    put engine.yml /opt/torrust-backup/engine.yml 644
    for script in hold aid hook; do
        put torrust-backup-$script /usr/local/bin/torrust-backup-$script 755
    done
    put logrotate /etc/logrotate.d/torrust-backup 644
    put crontab /etc/cron.d/torrust-backup 644
    # Whatever has changed since: all of it is another version than what is rendered now.
    sh_on_vm "for file in /opt/torrust-backup/*.yml /usr/local/bin/torrust-backup-* /etc/cron.d/torrust-backup; do
        echo '# an older version' >>\$file; done"
}

# Its engine stops in the hold, until it is let go on.
begin_held_run() {
    begin_run
    freeze_in_hold
}
all_is_in_place() { [ "$(tb plan --output-format json | jq .changes)" = 0 ]; }

@test "the older version is seen as drift, and planned to be changed" {
    run tb status
    [ "$status" = 1 ]
    [[ $output == *"is not as rendered; run 'torrust-backup configure'"* ]]
    run tb plan --output-format json
    echo "$output"
    [ "$(jq -r '[.items[] | select(.state == "change")] | length' <<<"$output")" = 7 ]
    run tb configure --dry-run
    [ "$status" = 0 ]
    [[ $output == *"would be updated"* ]]
    run tb status
    [ "$status" = 1 ]
}

@test "a run of the older version that holds the tracker ends as it would have" {
    before=$(sets | wc -l)
    begin_held_run
    tb configure
    held
    on_vm $hook --recover # nothing is let go that a run still holds
    held
    on_vm pkill -CONT -f '^/torrust-backup-engine backup'
    wait_until 60 run_ended
    [ "$(cat "$status_file")" = 0 ]
    run -1 held
    wait_until 20 tracker_runs
    [ "$(sets | wc -l)" = $((before + 1)) ]
    all_is_in_place
}

@test "a hold that an interrupted run of the older version left is let go by the new one" {
    install_older_version
    begin_held_run
    # With its guard, which would let the tracker go at once.
    sh_on_vm "kill -KILL \$(pgrep -f 'torrust-backup-hold guar[d]') \$(pgrep -o -f '^/bin/sh $hook')"
    wait_until 60 run_ended
    held
    tb configure
    all_is_in_place
    sh_on_vm "${hook%hook}hold recover"
    run -1 held
    wait_until 20 tracker_runs
}

@test "its set is listed, proved there and here, and restored by hand" {
    tb configure
    tb list --output-format json | jq -e --arg set "$old_set" '.sets[] | select(.id == $set)'
    sh_on_vm "docker compose -f /opt/torrust-backup/compose.yml run --rm -T backup prove --level restored --set $old_set"
    store_is_whole
    check_restored "$old_set"
}

@test "its set is put back by the new version, and the next backup is proved" {
    run -0 tb restore --set "$old_set"
    wait_until 30 tracker_runs
    run -0 --separate-stderr tb verify
    [[ $output == *"Everything is proved."* ]]
    sets | grep -qx "$old_set"
    run -0 tb status
}
