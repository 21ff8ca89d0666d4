# SPDX-License-Identifier: MIT
# What the tests share in which something happens to a run while it holds the tracker.
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by common.bash

# In the background, its exit status in $status_file.
begin_run() {
    status_file=$BATS_TEST_TMPDIR/status
    rm -f "$status_file"
    (set +e; on_vm sh -c "$hook >> /var/log/torrust-backup/run.log 2>&1" 3>&-; echo $? >"$status_file") 3>&- &
}
run_ended() { [ -s "$status_file" ]; }
held() { on_vm test -e $state_dir/held; }
# A hold may be over before anybody has looked twice: the engine is stopped in it, and the hold with it.
freeze_in_hold() {
    sh_on_vm "for i in \$(seq 6000); do
            ! [ -e $state_dir/held ] || ! pkill -STOP -f '^/torrust-backup-engine backup' || break
            sleep 0.005
        done
        [ -e $state_dir/held ] || { pkill -CONT -f '^/torrust-backup-engine backup'; exit 1; }"
}
