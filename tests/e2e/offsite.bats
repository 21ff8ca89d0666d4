#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Off-site with restic: sets leave the VM by themselves, come back, and bring a tracker back on another VM. The
# repository is a REST server at this end of the machine's cable, which outlives the machine.
bats_require_minimum_version 1.5.0
load ../skip
load common
load offsite

outbound=torrust-backup-outbound-1
outbound_dir=/var/lib/torrust-backup-outbound
secrets_dir=/etc/torrust-backup-outbound

setup_file() {
    start_machine e2e-offsite --rows 3000
    get_restic
    serve_rest "$machine"
}

teardown_file() {
    stop_rest "$machine"
    stop_machine
    stop_other e2e-offsite-new
}

sets_there() { by_restic snapshots --no-lock --json | jq -r '.[].paths[0] | split("/") | last' | sort; }
is_there() { sets_there | grep -qx "$1"; }
state_of() { on_vm cat $outbound_dir/state.json | jq -r "$1"; }
# plan FILTER: what plan says of off-site, which keeps its schema and changes nothing.
plan() {
    tb plan --output-format json 2>"$BATS_TEST_TMPDIR/log" >"$BATS_TEST_TMPDIR/plan.json" || cat "$BATS_TEST_TMPDIR/log"
    keeps_schema plan "$BATS_TEST_TMPDIR/plan.json"
    jq -r ".offsite | $1" "$BATS_TEST_TMPDIR/plan.json"
}
all_of() { plan "$1" | tr '\n' ' '; }
is_idle() { ! on_vm pgrep -x restic >/dev/null && is_state .waiting 0; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }

@test "secrets that are missing, open to others or of no use are refused before anything is changed" {
    write_options
    run -2 tb configure
    [[ $output == *"standin.offsite.env"* ]]
    write_secrets
    chmod 644 "$workspace/envs/standin.offsite.env"
    run -2 tb configure
    [[ $output == *"others can read"* ]]
    (umask 077 && rm "$workspace/envs/standin.offsite.env" && echo "PATH=$secret" >"$workspace/envs/standin.offsite.env")
    run -2 tb configure
    [[ $output == *"'PATH' is not for this file"* ]]
    [[ $output != *"$secret"* ]]
    on_vm test ! -e /opt/torrust-backup
    on_vm test ! -e $secrets_dir
}

@test "configure installs it, and says what keeps it from working" {
    write_secrets
    # What cannot be asked yet is not said to be wrong; what is not measured yet is unknown.
    [[ $(all_of '.answers, .why, .sets') == "null the image of the service is not on the VM yet"*" null " ]]
    [ "$(all_of '.full.basis, .full.sets_a_year, .next.is_first, .day_bytes')" = "unknown 365 true null " ]
    on_vm test ! -e $outbound_dir
    run -0 tb configure
    [[ $output == *"waits for a first backup"* ]]
    [ "$(on_vm stat -c '%a %u:%g' $secrets_dir $secrets_dir/secrets)" = $'700 0:0\n600 0:0' ]
    tb run
    run -0 tb configure
    [[ $output == *"offsite init"* ]]
    run ! grep -r "$secret" "$workspace/build"
    [[ $(all_of '.answers, .why') == "false "*"offsite init"* ]]
    run -0 tb plan
    [[ $output == *"Answers:    NO: "*"offsite init"*"First:      1 set, "*"; time unknown"*"Traffic:    a day "* ]]
    [[ $output != *"$secret"* ]]
}

# The state and the detail of a check of the last verify.
check_of() {
    jq -r --arg name "$1" '.checks[] | select(.name == $name) | "\(.state): \(.detail)"' \
        "$workspace/build/standin/torrust-backup/last-verify.json"
}

@test "nothing is made unless it is asked for; then a first backup is followed off-site, and proved there" {
    run -10 offsite list
    run -0 offsite init
    run -0 tb verify --offsite
    [[ $(check_of off-site) == "ok: set $(newest) is in 'rest:"* ]]
    [[ $(check_of "off-site proof") == "ok: set $(newest) is offsite-restored, at 20"* ]]
    on_vm test ! -e $outbound_dir/drill
    is_there "$(newest)"
    [ "$(sets_there)" = "$(sets)" ]
}

@test "a set goes by itself, and what is off-site is told" {
    first=$(newest)
    tb run
    wait_until 120 is_there "$(newest)"
    wait_until 60 is_state .newest "$(newest)"
    keeps_schema offsite-state <(on_vm cat $outbound_dir/state.json)
    run -0 offsite list
    [[ $output == *"$(newest)"*"standin"*"offsite since "*"$first"*"standin"*"offsite-restored since "* ]]
    run -0 tb status
    [[ $output == *"Off-site:   $(newest) (offsite since "*"), checked "*", read back "*", restored "* ]]
    run -0 tb list
    [[ $output == *"$(newest)"*", offsite"*"$first"*", offsite-restored"* ]]
    sh_on_vm "grep -q '^torrust_backup_offsite_last_restored_timestamp_seconds 1' $outbound_dir/torrust_backup_offsite.prom"
    sh_on_vm "grep -q '^torrust_backup_offsite_waiting_sets 0$' $outbound_dir/torrust_backup_offsite.prom"
}

@test "plan says that it answers, what is there, and what it costs from what was measured" {
    wait_until 120 is_idle
    set_bytes=$(tb list --output-format json 2>/dev/null | jq '.sets[0].stored_bytes')
    [ "$(all_of '.answers, .why, .sets, .next.waiting, .next.is_first')" = "true  $(sets | wc -l) 0 false " ]
    [ "$(all_of '.full.basis, .full.set_bytes, .next.upload_bytes, .day_bytes')" = \
        "measured $set_bytes $set_bytes $set_bytes " ]
    [ "$(all_of '.kept_bytes == .full.kept * .full.set_bytes, (.full.kept | . > 15 and . < 24)')" = "true true " ]
    # Sets of some kilobytes say nothing of the rate; a limit does.
    [ "$(all_of '.rate_basis, .next.duration_s')" = "unknown null " ]
    write_options 'limit_upload_kib: 1' 'access: append_only'
    [ "$(all_of '.answers, .rate_basis, .bytes_per_second, .kept_bytes')" = "true limit 1024 null " ]
    run -0 tb plan
    echo "$output"
    [[ $output == *"Off-site, as 'standin': rest:http"*"Answers:    yes; sets of that name there: $(sets | wc -l)"* ]]
    [[ $output == *", at least "*"(limit_upload_kib)"*"Repository: grows by each upload"* ]]
    # Another place was not asked: what is installed knows nothing of it.
    write_options
    sed -i 's|^  repository: .*|  repository: /mnt/elsewhere|' "$workspace/envs/standin.backup.yml"
    [[ $(all_of '.answers, .why') == "null what is installed on the VM goes to another place"* ]]
    write_options
}

@test "it has the store to read, a network of its own, no Docker, and works as a user that can do nothing" {
    [ "$(on_vm docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' $outbound)" = 'torrust-backup_outbound ' ]
    [ "$(on_vm docker inspect -f '{{range .Mounts}}{{.Destination}}:{{.RW}}{{println}}{{end}}' $outbound | sort | xargs)" = \
        "/etc/torrust-backup-outbound:false /etc/torrust-backup:false $store:false $outbound_dir:true" ]
    [ "$(on_vm docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}}' $outbound)" = \
        'true [ALL] [DAC_READ_SEARCH SETUID SETGID]' ] ||
        [ "$(on_vm docker inspect -f '{{.HostConfig.CapAdd}}' $outbound)" = '[CAP_DAC_READ_SEARCH CAP_SETGID CAP_SETUID]' ]
    # A slow upload, to be looked at in its middle.
    write_options 'limit_upload_kib: 20'
    tb configure >/dev/null
    tb run >/dev/null
    wait_until 60 is_state .sending "$(newest)" # and no longer one that only asks
    wait_until 60 on_vm pgrep -x restic >/dev/null
    pid=$(on_vm pgrep -xo restic)
    [ "$(sh_on_vm "awk '/^Uid|^CapEff|^NoNewPrivs/ {print \$2}' /proc/$pid/status" | xargs)" = '65042 0000000000000000 1' ]
    # What is planted is in no argument, log or description; only root and that user could read the process's own memory.
    sh_on_vm 'cat /proc/[0-9]*/cmdline' | tr '\0' '\n' >"$BATS_TEST_TMPDIR/arguments"
    grep -q restic "$BATS_TEST_TMPDIR/arguments"
    run ! grep -e "$secret" -e "$user_secret" "$BATS_TEST_TMPDIR/arguments"
    run ! grep -e "$secret" -e "$user_secret" <(on_vm docker inspect $outbound; on_vm docker logs $outbound 2>&1; on_vm cat $outbound_dir/state.json)
}

@test "killed in an upload, and the machine with it: the next try finishes, and no lock is left" {
    wait_until 60 on_vm pgrep -x restic >/dev/null
    on_vm install -d -o 65042 $outbound_dir/drill $outbound_dir/drill/of-before # as a drill that was killed leaves it
    on_vm docker kill $outbound >/dev/null
    "$vm" crash "$machine"
    "$vm" boot "$machine"
    wait_until 120 tracker_runs
    write_options
    tb configure >/dev/null
    wait_until 180 is_there "$(newest)"
    wait_until 60 is_state .exit_status 0
    wait_until 120 is_idle
    [ -z "$(by_restic list locks --no-lock)" ]
    on_vm test ! -e $outbound_dir/drill
    by_restic check --read-data --retry-lock 2m # the service may be at it again
}

@test "a repository that does not answer delays no backup, is told, and is caught up with" {
    wait_until 120 is_idle
    stop_rest "$machine"
    run -0 tb run
    wait_until 180 is_state .exit_status 1
    run -0 tb status
    [[ $output == *"off-site: "* ]]
    [[ $(all_of '.answers, .next.waiting, .why') == "false 1 "?* ]]
    serve_rest "$machine"
    offsite sync
    is_there "$(newest)"
    run -0 tb status
}

@test "a wrong password and a repository that is gone are alarms, and nothing is begun anew" {
    write_secrets another-password
    run -0 tb configure
    [[ $output == *"nothing can go off-site"* ]]
    run -12 offsite sync
    run -1 tb status
    write_secrets
    tb configure >/dev/null
    mv "$BATS_FILE_TMPDIR/repository/torrust" "$BATS_FILE_TMPDIR/hidden"
    run -10 offsite sync
    [[ $output == *"it was there before"* ]]
    run -1 tb status
    rm -rf "$BATS_FILE_TMPDIR/repository/torrust"
    mv "$BATS_FILE_TMPDIR/hidden" "$BATS_FILE_TMPDIR/repository/torrust"
    offsite sync
    run -0 tb status
}

@test "a set that damage made unreadable there is found by the drill, and sent again" {
    # All of the data at once: which pack is in which part is chance.
    write_options 'check_parts: 1'
    tb configure >/dev/null
    run -0 offsite drill
    [[ $output == *"Proved:     $(newest), offsite-restored"* ]]
    pack=$(find "$BATS_FILE_TMPDIR/repository/torrust/data" -type f -size +100k | head -n 1)
    cp "$pack" "$BATS_FILE_TMPDIR/pack"
    chmod u+w "$pack"
    printf 'damage' | dd of="$pack" bs=1 seek=1000 conv=notrunc status=none
    run -21 offsite check
    run -1 tb status
    run -21 tb verify --offsite
    check_of off-site
    [[ $(check_of off-site) == failed:* ]]
    [[ $(check_of off-site) != *"could not be carried out"* ]]
    cp "$BATS_FILE_TMPDIR/pack" "$pack"
    run -21 offsite sync # once found, it is only believed to be mended when it was looked at again
    run -0 offsite check
    run -0 offsite sync
    run -0 tb status
}

@test "a set comes back from there after the store is lost" {
    set=$(newest)
    sh_on_vm "rm -rf $store/2*"
    run -10 tb restore --set "$set"
    run -0 tb restore --from offsite --set "$set" --dry-run
    run -0 tb restore --from offsite --set latest
    [[ $output == *"Set:        $set"* ]]
    [[ $output == *"running, healthy"* ]]
    run -10 tb restore --from offsite --set 20200101T000000Z
    run -2 tb restore --from nowhere --set "$set"
}

fetches() { [ -n "$(on_vm docker ps -q --filter name=outbound-once)" ]; }
fetches_no_more() { [ -z "$(on_vm docker ps -aq --filter name=outbound-once)" ]; }

# The server answers no more, so that only the interruption ends it.
@test "a restore from there that is interrupted leaves nothing running on the VM" {
    server=$(cat "$BATS_FILE_TMPDIR/rest-$machine/pid")
    kill -STOP "$server"
    (cd "$workspace" && timeout --preserve-status -s INT 400 "$backup" restore standin --from offsite --set latest --dry-run \
        >"$BATS_TEST_TMPDIR/out" 2>&1) 3>&- &
    wait_until 60 fetches
    pkill -INT -P $! torrust-backup || pkill -INT -P $! timeout
    status=0
    wait $! || status=$?
    left=0
    wait_until 10 fetches_no_more || left=1
    kill -CONT "$server"
    cat "$BATS_TEST_TMPDIR/out"
    [ "$status" = 130 ]
    [ "$left" = 0 ]
}

@test "without anything of ours: restic, sha256sum, zstd" {
    set=$(sets_there | tail -n 1)
    snapshot=$(by_restic snapshots --no-lock --json | jq -r --arg set "/$set" '.[] | select(.paths[0] | endswith($set)) | .id')
    by_restic restore "$snapshot:/$set" --no-lock --target "$BATS_TEST_TMPDIR/$set"
    (cd "$BATS_TEST_TMPDIR/$set" && sha256sum --quiet -c SHA256SUMS)
    zstd -dq "$BATS_TEST_TMPDIR/$set/database.db.zst" -o "$BATS_TEST_TMPDIR/tracker.db"
    [ "$(sqlite3 "$BATS_TEST_TMPDIR/tracker.db" 'PRAGMA integrity_check')" = ok ]
}

# by_the_page OLD NEW: what docs/disaster.md says, word by word.
by_the_page() {
    local command
    commands_of_the_page 2 "$1" "$2" >"$BATS_TEST_TMPDIR/page"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/page")" = 3 ]
    while read -r command; do as_the_page_says "$command"; done <"$BATS_TEST_TMPDIR/page"
}

@test "the VM is gone: by the page for that day, another one of another uid serves what the first one had saved" {
    set=$(sets_there | tail -n 1)
    snapshot=$(by_restic snapshots --no-lock --json | jq -r --arg set "/$set" '.[] | select(.paths[0] | endswith($set)) | .id')
    by_restic dump --no-lock "$snapshot" "/$set/database.db.zst" | zstd -dc >"$BATS_TEST_TMPDIR/saved.db"
    saved=$(sqlite3 "$BATS_TEST_TMPDIR/saved.db" 'SELECT count(*) FROM torrents')
    "$vm" stop "$machine"
    machine=e2e-offsite-new workspace=$BATS_FILE_TMPDIR/new-workspace
    mkdir -p "$workspace/envs"
    "$vm" start "$machine" --uid 1001
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --rows 10
    serve_rest "$machine"
    write_options 'name: standin-new'
    write_secrets
    run -0 by_the_page standin standin
    echo "$output"
    [[ $output == *"Step:       install, "*"Step:       restore, "*"running, healthy"*"serves the restored database"* ]]
    [ "$(jq -r .restore.set "$workspace/build/standin/torrust-backup/last-rescue.json")" = "$set" ]
    run -0 offsite list
    [[ $output == *"$set"*" standin"* ]]
    on_vm docker kill --signal INT tracker >/dev/null && on_vm timeout 60 docker wait tracker >/dev/null
    on_vm cat "$database" >"$BATS_TEST_TMPDIR/now.db"
    [ "$(sqlite3 "$BATS_TEST_TMPDIR/now.db" 'SELECT count(*) FROM torrents')" -ge "$saved" ]
    sqlite3 "$BATS_TEST_TMPDIR/now.db" "ATTACH '$BATS_TEST_TMPDIR/saved.db' AS saved" \
        'SELECT count(*) FROM saved.torrents WHERE info_hash NOT IN (SELECT info_hash FROM main.torrents)' | grep -qx 0
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_runs
    # Its own sets go to a history of their own.
    [ "$(by_restic snapshots --no-lock --json --host standin-new | jq length)" = 1 ]
    stop_rest "$machine"
    stop_other e2e-offsite-new
}
