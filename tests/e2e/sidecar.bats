# SPDX-License-Identifier: MIT
# The sidecar: a container with its own schedule beside a tracker that writes in WAL mode; nothing on the host, nothing
# held, health and metrics on a network of its own; and the way from one mode to the other.

bats_require_minimum_version 1.5.0
load common

setup_file() {
    start_machine e2e-sidecar --journal-mode wal --rows 100000 --rate 200
    options
}
teardown_file() {
    stop_machine
    if "$vm" list | grep -q "^e2e-sidecar-2 "; then "$vm" stop e2e-sidecar-2; fi
}

# options [LINE...]: the options file with the sidecar in it.
options() {
    { printf '%s\n' 'mode: sidecar' "schedule: '* * * * *'" 'prove_restored_every_days: 0' "$@"; } \
        >"$workspace/envs/standin.backup.yml"
}
field() { last_run | jq -r "$1"; }
newest() { sets | tail -n 1; }
count() { sets | wc -l; }
more_sets_than() { [ "$(count)" -gt "$1" ]; }
sidecar() { on_vm docker ps -aq --filter label=com.docker.compose.service=sidecar; }
inspect() { on_vm docker inspect -f "$1" "$(sidecar)"; }
engine() { on_vm docker exec "$(sidecar)" /torrust-backup-engine "$@"; }
tracker_events() {
    on_vm docker events --since "$1" --until "$(on_vm date -d '1 second' +%s)" --filter container=tracker --filter type=container \
        --format '{{.Action}}' | grep -v '^exec_\|^health_status' || true
}
is_under_way() {
    sh_on_vm "pgrep -f 'torrust-backup-engine backup' >/dev/null && ls $store/.*/database.db.zst >/dev/null 2>&1"
}
window_files() {
    sh_on_vm "ls -d $hook /etc/cron.d/torrust-backup* /etc/logrotate.d/torrust-backup $state_dir /var/log/torrust-backup 2>/dev/null || true"
}
# in_quiet_time: until the next minute is far enough that nothing is due in between.
in_quiet_time() {
    while [ "$(on_vm date +%-S)" -gt 35 ]; do sleep 1; done
}

@test "configure starts it, and it alone; a second one says so" {
    run --separate-stderr tb configure --dry-run
    [[ $output == *"would be started"*"Nothing was changed"* ]]
    run --separate-stderr tb configure
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"started"*"the sidecar's container"*"+00:00"* ]]
    [ "$(inspect '{{.State.Status}}')" = running ]
    [ -z "$(window_files)" ]
    [ "$(on_vm ls /opt/torrust-backup | xargs)" = "compose.yml engine.yml" ]
    id=$(sidecar)
    run --separate-stderr tb configure
    [[ $output == *"Already in place"* ]]
    [ "$(sidecar)" = "$id" ]
}

@test "three scheduled backups under load, nothing held, nothing done to the tracker, each restored" {
    since=$(on_vm date +%s)
    for _ in 1 2 3; do
        before=$(count)
        wait_until 100 more_sets_than "$before"
        [ "$(field .method)" = hot ]
        [ "$(field .held_ms)" = 0 ]
        check_restored "$(newest)"
    done
    [ -z "$(tracker_events "$since")" ]
    store_is_whole
}
