# SPDX-License-Identifier: MIT
# The sidecar beside a real database server: it makes its backups by the tracker's own network, holds nothing, and is
# proved and compared as the window's are. MySQL, or MariaDB with TBK_SERVER=mariadb.

bats_require_minimum_version 1.5.0
load common
load mysql

setup_file() {
    start_machine "e2e-sidecar-$kind" --database "$kind" --rows 20000 --rate 50
    schedule '0 0 1 1 *'
}

schedule() { printf '%s\n' 'mode: sidecar' "schedule: '$1'" >"$workspace/envs/standin.backup.yml"; }

@test "$kind: it is installed and proved, the live database compared, nothing held" {
    local life
    life=$(tracker_life)
    tb configure
    run --separate-stderr tb verify
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"Everything is proved."* ]]
    [ "$(last_run | jq -r '.method, .held_ms' | xargs)" = "snapshot 0" ]
    [ "$(tracker_life)" = "$life" ]
    no_schema_of_ours_is_left
}

@test "$kind: its schedule makes sets that equal one point of the tracker's history" {
    local before number
    schedule '* * * * *'
    tb configure
    number=$(committed)
    before=$(sets | wc -l)
    wait_until 130 more_sets_than "$before"
    [ "$(check_restored_mysql "$(newest)")" -ge "$number" ]
    [ "$(last_run | jq -r .exit_status)" = 0 ]
    schedule '0 0 1 1 *'
    tb configure
}

@test "$kind: without root's password its sets are proved by their checksums, and it says so" {
    sh_on_vm "cp -p /opt/torrust/.env /root/env.before && sed -i '/^MYSQL_ROOT_PASSWORD=/d' /opt/torrust/.env && rm -r $store/2*"
    run --separate-stderr tb run
    on_vm cp -p /root/env.before /opt/torrust/.env
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $stderr == *"will not be proved by restoring it"* ]]
    [ "$(on_vm cat "$store/$(newest)/proof.json" | jq -r .level)" = checksums ]
}

@test "$kind: a dry run of a restore works beside it; the restore goes by way of the maintenance window" {
    run -0 tb restore --set latest --dry-run
    [[ $output == *"Dry run"* ]]
    run -0 tb restore --set latest
    [[ $output == *"the maintenance window is installed for the time"*"Tracker:    running, healthy"* ]]
    [[ $output == *"the sidecar comes back"* ]]
    run -0 tb restore --forget-kept
    wait_until 120 tracker_commits
    no_schema_of_ours_is_left
}
