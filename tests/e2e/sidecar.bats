# SPDX-License-Identifier: MIT
# The sidecar: a container with its own schedule beside a tracker that writes in WAL mode; nothing on the host, nothing
# held, health and metrics on a network of its own; and the way from one mode to the other.

bats_require_minimum_version 1.5.0
load common
load ../skip

setup_file() {
    start_machine e2e-sidecar --journal-mode wal --rows 100000 --rate 200
    options
}
teardown_file() {
    stop_machine
    stop_other e2e-sidecar-2
}

# options [LINE...]: the options file with the sidecar in it.
options() {
    { printf '%s\n' 'mode: sidecar' "schedule: '* * * * *'" 'prove_restored_every_days: 0' "$@"; } \
        >"$workspace/envs/standin.backup.yml"
}
count() { sets | wc -l; }
sidecar() { on_vm docker ps -aq --filter label=com.docker.compose.service=sidecar; }
inspect() { on_vm docker inspect -f "$1" "$(sidecar)"; }
engine() { on_vm docker exec "$(sidecar)" /torrust-backup-engine "$@"; }
is_under_way() {
    sh_on_vm "pgrep -f 'torrust-backup-engine backup' >/dev/null && ls $store/.*/database.db.zst >/dev/null 2>&1"
}
window_files() {
    sh_on_vm "ls -d $hook /etc/cron.d/torrust-backup* /etc/logrotate.d/torrust-backup $state_dir /var/log/torrust-backup 2>/dev/null || true"
}
# in_quiet_time: the next minute is so far that nothing is due in between, also on a busy machine; and no run goes on.
in_quiet_time() {
    local second # of this machine: the other one has the same clock
    while second=$(date +%-S) && { [ "$second" -gt 30 ] || on_vm pgrep -f 'torrust-backup-engine backup' >/dev/null; }; do
        sleep $((second > 30 ? 60 - second : 1))
    done
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
        wait_until 180 more_sets_than "$before"
        [ "$(last_run_field .method)" = hot ]
        [ "$(last_run_field .held_ms)" = 0 ]
        check_restored "$(newest)"
    done
    [ -z "$(tracker_events "$since")" ]
    store_is_whole
}

@test "a restore installs the maintenance window for its time, and brings the sidecar back" {
    in_quiet_time
    before=$(newest)
    run tb restore --set "$before" --dry-run
    [ "$status" = 0 ]
    [ -z "$(window_files)" ]
    run tb restore --set "$before"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"the maintenance window is installed for the time"*"Tracker:    running, healthy"* ]]
    [ -z "$(window_files)" ]
    [ "$(inspect '{{.State.Status}}')" = running ]
    [ "$(jq -r .set "$workspace/build/standin/torrust-backup/last-restore.json")" = "$before" ]
    wait_until 180 more_sets_than "$(count)"
    [ "$(last_run_field .method)" = hot ]
    # One that fails brings it back, too.
    in_quiet_time
    run tb restore --set 20200101T000000Z
    [ "$status" = 10 ]
    [ -z "$(window_files)" ]
    [ "$(inspect '{{.State.Status}}')" = running ]
    tb restore --forget-kept >/dev/null
}

@test "status, list and run know it; cron and a change of the journal mode are refused" {
    run --separate-stderr tb status
    [ "$status" = 0 ]
    [[ $output == *"Health:     ok"*"Sidecar:    running"*"+00:00"* ]]
    run --separate-stderr tb list
    [[ $output == *"$(newest)"*hot* ]]
    in_quiet_time
    before=$(count)
    run --separate-stderr tb run
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $stderr == *"is complete"* ]]
    [ "$(count)" = $((before + 1)) ]
    run tb run --journal-mode delete
    [ "$status" = 2 ]
    run tb run --method pause
    [ "$status" = 2 ]
    [[ $output == *"holds the tracker"* ]]
    run tb verify --wait-for-cron
    [ "$status" = 2 ]
    [[ $output == *"cron starts nothing in mode sidecar"* ]]
    run tb status --mode window
    [ "$status" = 1 ]
    [[ $output == *"a sidecar is on the VM, but the mode is window"* ]]
}

@test "verify proves a backup of the sidecar, its health and its metrics; the report keeps its schema" {
    in_quiet_time
    run --separate-stderr tb verify
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"sidecar's health"*"sidecar's metrics"*"Everything is proved."* ]]
    keeps_schema report "$workspace/build/standin/torrust-backup/last-verify.json"
}

@test "plan has nothing to change, and forecasts no hold" {
    run --separate-stderr tb plan --output-format json
    [ "$status" = 0 ]
    [ "$(jq -r '.changes, .forecast.method, .forecast.expected_held_ms' <<<"$output" | xargs)" = "0 hot 0" ]
    keeps_schema plan "$workspace/build/standin/torrust-backup/last-plan.json"
}

@test "an older engine is replaced: the container is made anew, and the older image goes" {
    sh_on_vm "docker tag \$(docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine) torrust-backup-engine:older
        sed -i 's|\"torrust-backup-engine:.*\"|\"torrust-backup-engine:older\"|' /opt/torrust-backup/compose.yml
        docker compose -f /opt/torrust-backup/compose.yml up -d sidecar" 2>/dev/null
    id=$(sidecar)
    [ "$(inspect '{{.Config.Image}}')" = torrust-backup-engine:older ]
    run tb status
    [ "$status" = 1 ]
    tb configure >/dev/null
    [ "$(sidecar)" != "$id" ]
    [ "$(inspect '{{.State.Status}} {{.Config.Image}}')" = "running $(on_vm docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine)" ]
    tb configure | grep -q 'Already in place'
}

@test "privileges: three capabilities to decide, none to answer, none to copy; no Docker socket, no way out" {
    in_quiet_time
    options 'rate_limit_mib: 1'
    tb configure >/dev/null
    engine backup --log json >/dev/null &
    wait_until 120 is_under_way
    sh_on_vm "for pid in \$(pgrep -f torrust-backup-engine); do
            echo \$(tr '\\0' ' ' </proc/\$pid/cmdline | cut -d ' ' -f 2) \$(sed -n 's/^\\(Uid\\|CapEff\\|CapBnd\\|NoNewPrivs\\):\\t*//p' /proc/\$pid/status)
        done" >"$BATS_TEST_TMPDIR/processes"
    wait
    cat "$BATS_TEST_TMPDIR/processes"
    owner=$(on_vm stat -c %u $database)
    grep -qx 'serve 0 0 0 0 00000000000000c4 00000000000000c4 1' "$BATS_TEST_TMPDIR/processes"
    grep -qx 'serve 65534 65534 65534 65534 0000000000000000 00000000000000c4 1' "$BATS_TEST_TMPDIR/processes"
    grep -qx "backup $owner $owner $owner $owner 0000000000000000 00000000000000c4 1" "$BATS_TEST_TMPDIR/processes"
    [ "$(inspect '{{range .Mounts}}{{.Destination}}:{{.RW}} {{end}}' | tr ' ' '\n' | sort | xargs)" = \
        "/etc/torrust-backup:false /opt/torrust/storage:true /opt/torrust:false" ]
    [ "$(inspect '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' | xargs)" = torrust-backup-metrics ]
    [ "$(on_vm docker network inspect -f '{{.Internal}} {{len .Containers}}' torrust-backup-metrics)" = "true 1" ]
}

@test "docker stop in the middle of a run: it ends with 0, nothing half is visible, and the next run is fine" {
    wait_until 180 is_under_way
    before=$(sets)
    id=$(sidecar)
    started=$(on_vm date +%s)
    on_vm docker stop "$id" >/dev/null
    [ $(($(on_vm date +%s) - started)) -lt 35 ]
    [ "$(on_vm docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' "$id")" = "0 false" ]
    [ "$(sets)" = "$before" ]
    store_is_whole
    [ "$(last_run_field .exit_status)" = 130 ]
    options
    tb configure >/dev/null
    wait_until 120 more_sets_than "$(wc -w <<<"$before")"
    [ "$(last_run_field '.exit_status, .method' | xargs)" = "0 hot" ]
    check_restored "$(newest)"
    store_is_whole
}

@test "a machine that crashes in the middle of a run: after its boot the run is made again, and nothing half is visible" {
    options 'rate_limit_mib: 1'
    tb configure >/dev/null
    wait_until 180 is_under_way
    before=$(count)
    "$vm" crash "$machine"
    "$vm" boot "$machine"
    wait_until 150 more_sets_than "$before"
    options
    tb configure >/dev/null
    in_quiet_time
    wait_until 120 store_is_whole
    check_restored "$(newest)"
}

@test "a run that was missed is made up for at once, and once" {
    on_vm docker stop "$(sidecar)" >/dev/null
    before=$(count)
    sleep 125
    in_quiet_time
    [ "$(count)" = "$before" ]
    on_vm docker start "$(sidecar)" >/dev/null
    wait_until 40 more_sets_than "$before"
    [ "$(count)" = $((before + 1)) ]
    on_vm docker logs "$(sidecar)" 2>&1 | grep -q "a run that was missed is made up for"
    check_restored "$(newest)"
}

@test "a .env that is replaced is in the next set" {
    sh_on_vm "cd /opt/torrust && { cat .env; echo MARK=replaced; } >.env.new && chown --reference=.env .env.new &&
        chmod --reference=.env .env.new && mv .env.new .env"
    wait_until 180 more_sets_than "$(count)"
    wait_until 180 more_sets_than "$(count)"
    on_vm cat "$store/$(newest)/config.tar.zst" | zstd -dc | tar -xOf - --wildcards '*.env' | grep -qx MARK=replaced
}

@test "two schedules: essential and full sets, each when its own is due" {
    options 'profile: essential'
    sed -i "s|^schedule:.*|schedule: '*/2 * * * *'\nfull_schedule: '1-59/2 * * * *'|" "$workspace/envs/standin.backup.yml"
    tb configure >/dev/null
    since=$(newest)
    both() {
        profiles=$(sh_on_vm "cd $store && for set in [0-9]*; do
            ! expr \$set \> $since >/dev/null || cat \$set/manifest.json; done" | jq -r .profile | sort -u | xargs)
        [ "$profiles" = "essential full" ]
    }
    wait_until 300 both
    options
    tb configure >/dev/null
}

@test "a run beside a run gives way with 11" {
    in_quiet_time
    hold_lock $store/.state/lock
    run tb run
    echo "$output"
    free_lock $store/.state/lock
    [ "$status" = 11 ]
}

@test "a Prometheus on its network scrapes it; promtool has nothing to say of the metrics" {
    cache=${TBK_TEST_CACHE:-/var/cache/torrust-backup-tests}/prometheus
    if [ ! -x "$cache/usr/bin/prometheus" ]; then
        mkdir -p "$cache"
        (cd "$cache" && apt-get download -qq -o APT::Sandbox::User=root prometheus && dpkg-deb -x prometheus_*.deb . &&
            rm prometheus_*.deb) || skip_because "the package prometheus cannot be downloaded"
    fi
    wait_until 180 more_sets_than 0
    engine health --show metrics >"$BATS_TEST_TMPDIR/metrics"
    run "$cache/usr/bin/promtool" check metrics <"$BATS_TEST_TMPDIR/metrics"
    echo "$output"
    [ "$status" = 0 ]
    [ -z "$output" ]
    root=$("$vm" path "$machine")/root
    cp "$cache/usr/bin/prometheus" "$root/usr/local/bin/prometheus"
    address=$(inspect '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')
    printf '%s\n' 'global: {scrape_interval: 1s}' 'scrape_configs:' '  - job_name: backup' '    static_configs:' \
        "      - targets: ['$address:9742']" >"$root/etc/prometheus.yml"
    sh_on_vm "setsid prometheus --config.file=/etc/prometheus.yml --storage.tsdb.path=/tmp/prometheus \
        --web.listen-address=:9090 </dev/null >/tmp/prometheus.log 2>&1 & echo \$! >/tmp/prometheus.pid"
    query() { curl -sG --max-time 5 "$(cat "$("$vm" path "$machine")/ip"):9090/api/v1/query" --data-urlencode "query=$1" | jq -r '.data.result[0].value[1]'; }
    scraped() { [ "$(query 'up{job="backup"}')" = 1 ]; }
    wait_until 120 scraped
    [ "$(query torrust_backup_sets)" -ge 1 ]
    [ "$(query torrust_backup_tracker_held_seconds)" = 0 ]
    [ "$(query 'time() - torrust_backup_last_success_timestamp_seconds < bool 120')" = 1 ]
    sh_on_vm 'kill $(cat /tmp/prometheus.pid); rm -rf /tmp/prometheus*'
}

@test "to the maintenance window: the sidecar and its network are gone, and nothing else was touched" {
    since=$(on_vm date +%s)
    before=$(count)
    run --separate-stderr tb configure --mode window
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"removed"*"the sidecar's container"*"the mode was given for this command only"* ]]
    [ -z "$(sidecar)" ]
    [ -z "$(on_vm docker network ls -q --filter name=torrust-backup)" ]
    [ "$(count)" -ge "$before" ]
    tb configure --mode window | grep -q 'Already in place'
    tb status --mode window | grep -q 'Health:     ok'
    [ -z "$(tracker_events "$since")" ]
}

@test "with the sidecar's configuration a hook that is still there is refused" {
    sh_on_vm "mkdir /root/scripts && cp -p $hook ${hook%hook}hold ${hook%hook}aid /root/scripts"
    tb configure >/dev/null
    run on_vm /root/scripts/torrust-backup-hook
    echo "$output"
    [ "$status" = 2 ]
    [[ $output == *"hook and sidecar at once are refused"* ]]
    on_vm rm -rf $state_dir /root/scripts
    tb configure | grep -q 'Already in place'
}

@test "a mode is not changed under a backup that goes on" {
    tb configure --mode window >/dev/null
    hold_lock $state_dir/lock
    run tb configure
    echo "$output"
    free_lock $state_dir/lock
    [ "$status" = 11 ]
    on_vm test -e /etc/cron.d/torrust-backup
    [ -z "$(sidecar)" ]
}

@test "a tracker that an interrupted window left held is let go before the window is taken away" {
    on_vm pkill -STOP -x cron
    sh_on_vm "echo \"pause \$(docker inspect -f '{{.Id}}' tracker) \$(date +%s) \$(cat /proc/sys/kernel/random/boot_id)\" >$state_dir/held
        docker pause tracker"
    run tb configure
    echo "$output"
    on_vm pkill -CONT -x cron
    [ "$status" = 0 ]
    tracker_runs
    [ -z "$(window_files)" ]
    [ "$(inspect '{{.State.Status}}')" = running ]
}

@test "a change of the mode that is interrupted is finished by the next configure, both ways" {
    for mode in window sidecar; do
        for after in 0.3 0.7 1.2; do
            run timeout --preserve-status -s INT $after "$backup" configure standin --mode $mode --working-dir "$workspace"
            [ "$status" = 130 ] || [ "$status" = 0 ]
        done
        tb configure --mode $mode
        if [ $mode = window ]; then
            [ -z "$(sidecar)" ]
        else
            [ -z "$(window_files)" ]
            [ "$(inspect '{{.State.Status}}')" = running ]
        fi
        tb configure --mode $mode | grep -q 'Already in place'
    done
}

@test "a database with a rollback journal is refused with the way out, and the way out works" {
    tb configure --mode window >/dev/null
    tb run --mode window --journal-mode delete >/dev/null
    wait_until 120 tracker_runs
    run tb plan
    echo "$output"
    [ "$status" = 2 ]
    [[ $output == *"'configure' would be refused: the database allows no backup without a hold: hot: "* ]]
    run tb configure
    echo "$output"
    [ "$status" = 2 ]
    [[ $output == *"the database allows no backup without a hold: hot: the database is not in WAL mode; reflink: "* ]]
    [[ $output == *"configure standin --mode window, then run standin --journal-mode wal, then configure standin --mode sidecar"* ]]
    [ -z "$(sidecar)" ]
    tb configure --mode window | grep -q 'Already in place'
    tb run --mode window --journal-mode wal >/dev/null
    wait_until 120 tracker_runs
    tb configure --mode sidecar >/dev/null
    [ "$(inspect '{{.State.Status}}')" = running ]
}

@test "a database that leaves WAL under the sidecar: its runs end with 2 and the reason, and it is unhealthy" {
    sh_on_vm "docker kill -s INT tracker >/dev/null && timeout 30 docker wait tracker >/dev/null"
    sqlite3 "$("$vm" path "$machine")/root$database" 'PRAGMA journal_mode=delete' >/dev/null
    on_vm chown 1000:1000 $database
    on_vm docker start tracker >/dev/null
    in_quiet_time
    run tb run
    echo "$output"
    [ "$status" = 2 ]
    [[ $output == *"the database allows no backup without a hold: hot: "*"reflink: "*"--journal-mode wal"* ]]
    run tb plan
    [ "$status" = 2 ]
    unhealthy() { ! engine health; }
    wait_until 180 unhealthy
    run tb status
    [ "$status" = 1 ]
    store_is_whole
}

@test "before there is a tracker it waits; with an empty database it idles, healthy, and then begins by itself" {
    machine=e2e-sidecar-2
    "$vm" start "$machine"
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --phase provisioned
    run --separate-stderr tb configure --host-key accept
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"waits for a tracker"*"the sidecar is not started yet"* ]]
    run tb status
    [ "$status" = 23 ]
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --phase released
    tb configure >/dev/null
    [ "$(inspect '{{.State.Status}}')" = running ]
    engine health | grep -q 'no database yet'
    [ -z "$(sets)" ]
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --journal-mode wal --rows 1000 --rate 20
    wait_until 240 more_sets_than 0
    check_restored "$(newest)"
    [ "$(on_vm stat -c %u:%a $store)" = "$(on_vm stat -c %u $database):751" ]
}
