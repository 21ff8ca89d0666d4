# SPDX-License-Identifier: MIT
# The main job on a machine with the stand-in tracker under load: configure, verify, list, status.

bats_require_minimum_version 1.5.0
load common

setup_file() { start_machine e2e-first --phase provisioned; }

@test "render writes the files, none readable by others, and touches nothing else" {
    tb render
    for file in compose.yml engine.yml torrust-backup-{hold,scratch,aid,hook} logrotate crontab; do
        [ "$(stat -c %a "$workspace/build/standin/torrust-backup/$file")" = 600 ]
    done
    [ "$(stat -c %a "$workspace/build/standin/torrust-backup")" = 700 ]
    run on_vm ls /opt/torrust-backup
    [ "$status" != 0 ]
}

@test "a dry run tells what would be installed and changes nothing on the machine" {
    on_vm find /etc /usr/local /opt /var/lib/torrust-backup -newer /proc/1 >"$BATS_TEST_TMPDIR/before" 2>/dev/null || true
    run --separate-stderr tb configure --dry-run
    [ "$status" = 0 ]
    [[ $output == *"would be installed"* && $output == *"Nothing was changed"* ]]
    run on_vm ls /opt/torrust-backup /etc/cron.d/torrust-backup
    [ "$status" != 0 ]
}

@test "configure installs before the tracker exists" {
    run --separate-stderr tb configure
    [ "$status" = 0 ]
    [[ $output == *"The backup is configured"* && $output == *"Next runs:"* ]]
    [ "$(on_vm stat -c '%a %U:%G' $hook)" = "755 root:root" ]
    [ "$(on_vm stat -c '%a %U:%G' /etc/cron.d/torrust-backup)" = "644 root:root" ]
    [ "$(on_vm stat -c '%a %U:%G' /var/log/torrust-backup)" = "750 root:root" ]
    [ "$(on_vm stat -c '%a %U:%G' $state_dir)" = "750 root:root" ]
    on_vm test ! -e /opt/torrust
}

@test "a second configure changes nothing and says so" {
    before=$(on_vm stat -c '%n %i %Z' /opt/torrust-backup/compose.yml $hook /etc/cron.d/torrust-backup)
    run --separate-stderr tb configure
    [ "$status" = 0 ]
    [[ $output == *"Already in place"* ]]
    [ "$(on_vm stat -c '%n %i %Z' /opt/torrust-backup/compose.yml $hook /etc/cron.d/torrust-backup)" = "$before" ]
}

@test "the pinned host key stands in the workspace, and a changed one is refused until it is accepted" {
    pins=$workspace/data/standin/known_hosts
    [ "$(stat -c %a "$pins")" = 600 ]
    cp "$pins" "$BATS_TEST_TMPDIR/pins"
    ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/other"
    sed -i "s|ssh-ed25519 [^ ]*|$(cut -d ' ' -f 1-2 "$BATS_TEST_TMPDIR/other.pub")|" "$pins"
    if cmp -s "$pins" "$BATS_TEST_TMPDIR/pins"; then
        echo "the pin is not an Ed25519 key: $(cut -d ' ' -f 2 "$pins")" >&2
        return 1
    fi
    run tb configure
    [ "$status" = 1 ]
    [[ $output == *"--host-key"* ]]
    fingerprint=$(on_vm ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2)
    tb configure --host-key "$fingerprint"
    tb configure
}

@test "without a tracker the hook skips quietly, and verify says what to do first" {
    run on_vm $hook
    [ "$status" = 23 ]
    [ -z "$output" ]
    run tb verify
    [ "$status" = 23 ]
    [[ $output == *"run the deployer's 'release' and 'run' first"* ]]
}

@test "after release there is an empty database: that is never a successful backup" {
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --phase released
    sh_on_vm "cd /opt/torrust && docker compose create --pull never" >/dev/null 2>&1
    run tb run
    [ "$status" = 1 ]
    [[ $output == *"0 bytes"* ]]
    [ -z "$(sets)" ]
    on_vm docker rm -f tracker >/dev/null
}

@test "verify proves a backup there and here, while the tracker is written to" {
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --rows 50000 --rate 100
    tb configure
    run --separate-stderr tb verify
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"Everything is proved."* ]]
    check_restored "$(newest)"
}

proof_field() { on_vm cat "$store/$(newest)/proof.json" | jq -r "$1"; }
no_scratch_tracker() { [ -z "$(on_vm docker ps -aq --filter 'name=^/torrust-backup-tracker$')" ]; }

@test "a tracker came up on the restored set, counted its torrents, and is gone" {
    local report=$workspace/build/standin/torrust-backup/last-verify.json
    restored "$(newest)" "$BATS_TEST_TMPDIR/set.db"
    jq -e '.checks[] | select(.name == "tracker on the set") | .state == "ok"' "$report"
    [[ $(proof_field .booted.detail) == *"its API counts $(sqlite3 "$BATS_TEST_TMPDIR/set.db" 'SELECT count(*) FROM torrents') torrents" ]]
    [ "$(proof_field .booted.state) $(last_run_field .booted.state) $(last_run_field .last_booted_set)" = "passed passed $(newest)" ]
    [ "$(on_vm sed -n 's/^torrust_backup_last_booted_proof_timestamp_seconds //p' $store/.state/torrust_backup.prom)" -gt 1700000000 ]
    no_scratch_tracker
    store_is_whole
}

@test "without being asked, a run starts no tracker before its days are over" {
    on_vm $hook >/dev/null
    [ "$(last_run_field .booted)" = null ]
}

@test "a tracker that does not come up is said with its last words; the set is good, the live tracker as it was" {
    local toml=/opt/torrust/storage/tracker/etc/tracker.toml since
    since=$(on_vm date +%s)
    sh_on_vm "cp -p $toml $toml.whole && echo 'broken = true' >>$toml"
    run tb verify
    echo "$output"
    sh_on_vm "mv $toml.whole $toml"
    [ "$status" = 21 ]
    [[ $output == *"no tracker came up on the restored database"*"ended by itself; its last words: "*"tracker.toml: it is broken"* ]]
    [ "$(proof_field .booted.state) $(last_run_field .exit_status) $(proof_field .ok)" = "failed 3 true" ]
    no_scratch_tracker
    [ -z "$(tracker_events "$since" | grep -v '^p\?a\?u\?n\?pause$' || true)" ]
}

@test "where no tracker can be started, that is said, and costs nothing" {
    sh_on_vm 'mv /opt/torrust/storage/tracker/etc /opt/torrust/storage/tracker/etc.away'
    run on_vm $hook --boot
    sh_on_vm 'mv /opt/torrust/storage/tracker/etc.away /opt/torrust/storage/tracker/etc'
    echo "$output"
    [ "$(proof_field .booted.state): $(proof_field .booted.detail)" = 'skipped: a tracker for the proof could not be started: Docker refused it' ]
    no_scratch_tracker
    on_vm $hook >/dev/null # the next tests look at a set that has everything
}

@test "the report and the set's files keep their schemas" {
    report=$workspace/build/standin/torrust-backup/last-verify.json
    [ "$(stat -c %a "$report")" = 600 ]
    set=$(newest)
    keeps_schema report "$report"
    for name in manifest proof; do
        on_vm cat "$store/$set/$name.json" >"$BATS_TEST_TMPDIR/$name.json"
        keeps_schema $name "$BATS_TEST_TMPDIR/$name.json"
    done
}

@test "a set is readable by its owner and group only, the metrics by all, and they belong to the database's owner" {
    set=$(newest)
    owner=$(on_vm stat -c %u $database)
    [ "$(on_vm find $store -perm /006)" = "$store/.state/torrust_backup.prom" ]
    [ "$(on_vm find $store -perm /001 | sort | xargs)" = "$store $store/.state" ]
    [ "$(on_vm find "$store/$set" "$store/.state" ! -uid "$owner")" = "" ]
}

@test "the configuration is in the set: .env, compose file, tracker's configuration" {
    set=$(newest)
    on_vm cat "$store/$set/config.tar.zst" | zstd -dc | tar -tf - >"$BATS_TEST_TMPDIR/names"
    grep -x '.*\.env' "$BATS_TEST_TMPDIR/names"
    grep 'docker-compose.yml' "$BATS_TEST_TMPDIR/names"
    grep 'tracker.toml' "$BATS_TEST_TMPDIR/names"
}

@test "list and status tell it, as text and as JSON" {
    run --separate-stderr tb list
    [ "$status" = 0 ]
    [[ $output == *restored* ]]
    tb list --output-format json | python3 -c 'import json, sys; assert json.load(sys.stdin)["sets"]'
    run --separate-stderr tb status
    [ "$status" = 0 ]
    [[ $output == *"Health:     ok"* ]]
}

@test "cron itself starts a run, and verify waits for it" {
    run --separate-stderr tb verify --wait-for-cron
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"run fired by cron"* ]]
    on_vm test ! -e /etc/cron.d/torrust-backup-verify
}

@test "the container has the privileges that it needs, drops them, and writes only to the store" {
    # Sampled from the running process, in a run that is slowed down by a stopped reader of its log.
    sh_on_vm "$hook >/dev/null 2>&1 & hook=\$!
        while kill -0 \$hook 2>/dev/null; do
            pid=\$(pgrep -x -f '/torrust-backup-engine backup --hook' | head -n 1)
            [ -z \"\$pid\" ] || cat /proc/\$pid/status 2>/dev/null | grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):'
            [ -z \"\$pid\" ] || sed -n 's/^[^ ]* \\([^ ]*\\) [^ ]* \\(r[ow]\\),.*/mount \\1 \\2/p' /proc/\$pid/mounts 2>/dev/null
            sleep 0.01
        done; wait" >"$BATS_TEST_TMPDIR/status"
    owner=$(on_vm stat -c %u $database)
    sort -u "$BATS_TEST_TMPDIR/status"
    grep -qE "^Uid:[[:space:]]+$owner[[:space:]]+$owner[[:space:]]+$owner[[:space:]]+$owner" "$BATS_TEST_TMPDIR/status"
    grep -qE '^CapEff:[[:space:]]+0000000000000000' "$BATS_TEST_TMPDIR/status"
    grep -qE '^NoNewPrivs:[[:space:]]+1' "$BATS_TEST_TMPDIR/status"
    # DAC_READ_SEARCH (2), SETGID (6), SETUID (7) and nothing else, ever.
    [ "$(grep '^CapBnd' "$BATS_TEST_TMPDIR/status" | sort -u | awk '{print $2}')" = 00000000000000c4 ]
    grep -qx 'mount / ro' "$BATS_TEST_TMPDIR/status"
    grep -qx 'mount /opt/torrust ro' "$BATS_TEST_TMPDIR/status"
    grep -qx 'mount /opt/torrust/storage rw' "$BATS_TEST_TMPDIR/status"
}

# A few: the trials (tests/trials) make hundreds, without a machine.
@test "eight backups in a row with each method are all right" {
    for method in pause stop; do
        printf 'method: %s\nkeep_days: 1\n' $method >"$workspace/envs/standin.backup.yml"
        tb configure 2>/dev/null
        for n in {1..8}; do
            on_vm $hook >"$BATS_TEST_TMPDIR/log" || { tail -n 5 "$BATS_TEST_TMPDIR/log"; return 1; }
            set=$(newest)
            check_restored "$set" || { echo "$method $n: $set is torn"; return 1; }
            on_vm rm -r "${store:?}/$set"
        done
    done
    rm "$workspace/envs/standin.backup.yml"
    tb configure 2>/dev/null
    tracker_runs
}

@test "a database in WAL mode is saved whole too" {
    on_vm docker stop -t 0 tracker >/dev/null
    sqlite3 "$("$vm" path "$machine")/root$database" 'PRAGMA journal_mode=wal' >/dev/null
    on_vm chown -R 1000:1000 "$(dirname $database)"
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
    sleep 2 # it writes
    for n in {1..5}; do
        on_vm $hook >/dev/null
        check_restored "$(newest)"
    done
}

@test "a tracker that an operator had stopped is saved, and stays stopped" {
    on_vm docker kill -s INT tracker >/dev/null
    wait_until 120 sh_on_vm "[ \"\$(docker inspect -f '{{.State.Status}}' tracker)\" = exited ]"
    run tb run
    [ "$status" = 0 ]
    [ "$(tracker_state)" = exited ]
    check_restored "$(newest)"
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
}

@test "no secret is in a log, an argument list, a report, the image, or a file readable by others" {
    # The stand-in's .env carries this token, as the deployer's does; its state file carries it too.
    token=$(on_vm sed -n "s/^TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__ACCESS_TOKENS__ADMIN='\(.*\)'/\1/p" /opt/torrust/.env)
    [ -n "$token" ]
    sh_on_vm "$hook >/dev/null 2>&1 & hook=\$!; while kill -0 \$hook 2>/dev/null; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; sleep 0.02; done; wait" >"$BATS_TEST_TMPDIR/arguments"
    (tb verify -vvv; for _ in {1..50}; do :; done) >"$BATS_TEST_TMPDIR/output" 2>&1
    on_vm cat /var/log/torrust-backup/run.log >"$BATS_TEST_TMPDIR/log"
    key_line=$(sed -n 2p "$("$vm" path "$machine")/ssh_key")
    for secret in "$token" "$key_line"; do
        run -1 grep -rF -- "$secret" "$BATS_TEST_TMPDIR" "$workspace/build/standin/torrust-backup"
        run -1 on_vm grep -rlsF -- "$secret" /opt/torrust-backup /etc/cron.d /usr/local/bin /var/log /var/lib/torrust-backup /tmp
        [ "$(zcat "$build/share/torrust-backup/torrust-backup-engine.tar.gz" | grep -cF -- "$secret")" = 0 ]
    done
    # As another user: what the modes of a file and of all folders above it allow to read.
    run on_vm setpriv --reuid 65534 --regid 65534 --clear-groups grep -rlsF -- "$token" /etc /home /opt /run /srv /tmp /usr/local /var
    [ -z "$output" ] || { echo "readable by others: $output"; return 1; }
}
