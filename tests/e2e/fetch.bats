#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sets come to the operator's machine: from the VM's store, and from off-site by way of the VM.
bats_require_minimum_version 1.5.0
load ../skip
load common
load offsite

setup_file() {
    start_machine e2e-fetch --rows 3000
    get_restic
    serve_rest "$machine"
}

teardown_file() {
    stop_rest "$machine"
    stop_machine
    stop_other e2e-fetch-new
}

fetched=$BATS_FILE_TMPDIR/fetched
is_whole() { (cd "$1" && sha256sum --quiet -c SHA256SUMS); }
# is_the_one SET FOLDER: what is in the folder is what the store has.
is_the_one() {
    for file in $(sh_on_vm "ls $store/$1 | grep -v proof.json"); do
        on_vm cat "$store/$1/$file" | cmp - "$2/$file"
    done
}

@test "configure and two sets, and one is off-site" {
    write_options
    write_secrets
    tb configure
    tb run
    offsite init
    tb configure
    sleep 2
    tb run
    offsite sync
    [ "$(sets | wc -l)" = 2 ]
}

@test "which set and where to is never guessed, and an unknown one makes nothing" {
    run -2 tb fetch --to "$fetched"
    run -2 tb fetch --set latest
    run -10 tb fetch --set 20200101T000000Z --to "$fetched"
    [[ $output == *20200101T000000Z*"torrust-backup list"* ]]
    [ -z "$(ls -A "$fetched")" ]
    mkdir -m 0777 "$BATS_TEST_TMPDIR/open" && chmod 0777 "$BATS_TEST_TMPDIR/open"
    run -2 tb fetch --set latest --to "$BATS_TEST_TMPDIR/open"
    [[ $output == *"others can write"*"chmod go-w"* ]]
}

@test "the latest set comes whole, for its user alone, and once" {
    set=$(newest)
    run -0 tb fetch --set latest --to "$fetched"
    [[ $output == *"Folder:     $fetched/$set"* ]]
    is_whole "$fetched/$set"
    is_the_one "$set" "$fetched/$set"
    [ "$(find "$fetched" -mindepth 1 -printf '%m %y\n' | sort -u)" = $'600 f\n700 d' ]
    run -0 --separate-stderr tb fetch --set "$set" --to "$fetched" --output-format json
    [ "$(jq -c '[.set, .was_there, .fetched_bytes, .from]' <<<"$output")" = "[\"$set\",true,0,\"store\"]" ]
    [ "$(ls -A "$fetched")" = "$set" ]
}

@test "after a cut it goes on; what was joined wrongly is found, and fetched anew" {
    set=$(newest) to=$BATS_TEST_TMPDIR/to
    mkdir -p -m 0700 "$to" "$to/.$set.partial"
    cp "$fetched/$set/manifest.json" "$to/.$set.partial/"
    head -c 20000 "$fetched/$set/database.db.zst" >"$to/.$set.partial/database.db.zst"
    run -0 --separate-stderr tb fetch --set "$set" --to "$to" --output-format json
    [ "$(jq '.stored_bytes - .fetched_bytes' <<<"$output")" = 20000 ]
    is_the_one "$set" "$to/$set"
    mv "$to/$set" "$to/.$set.partial"
    printf wrong | dd of="$to/.$set.partial/database.db.zst" bs=1 seek=200 conv=notrunc status=none
    run -21 tb fetch --set "$set" --to "$to"
    [ -z "$(ls -A "$to")" ]
    run -0 tb fetch --set "$set" --to "$to"
    is_the_one "$set" "$to/$set"
}

@test "a backup is made while a set is fetched" {
    set=$(newest)
    tb fetch --set "$set" --to "$BATS_TEST_TMPDIR/to" &
    run -0 tb run
    wait $!
    is_whole "$BATS_TEST_TMPDIR/to/$set"
}

@test "the newest set off-site comes by way of the VM" {
    run -0 tb fetch --from offsite --set "$(basename "$fetched"/2*)" --to "$BATS_TEST_TMPDIR/to"
    diff -r "$fetched" "$BATS_TEST_TMPDIR/to"
    run -10 tb fetch --from offsite:nobody --set latest --to "$BATS_TEST_TMPDIR/to"
    run -2 tb fetch --from nowhere --set latest --to "$BATS_TEST_TMPDIR/to"
}

@test "verify keeps the set that it proved, as fetch puts it, and refuses a folder that is open before it runs" {
    kept=$BATS_TEST_TMPDIR/kept
    before=$(sets)
    mkdir "$BATS_TEST_TMPDIR/open" && chmod 0777 "$BATS_TEST_TMPDIR/open"
    run -2 tb verify --keep "$BATS_TEST_TMPDIR/open"
    [[ $output == *"others can write"*"chmod go-w"* ]]
    [ "$(sets)" = "$before" ]
    # Whatever its size: nothing else is larger than this limit.
    sed -i '1i verify: {fetch_limit_mib: 0}' "$workspace/envs/standin.backup.yml"
    run -0 tb verify --keep "$kept"
    write_options
    set=$(newest)
    [[ $output == *"Kept here:  $kept/$set"* ]]
    report=$workspace/build/standin/torrust-backup/last-verify.json
    keeps_schema report "$report"
    [ "$(jq -r '.kept, .proof_here.level, .proof_here.ok' "$report" | xargs)" = "$kept/$set restored true" ]
    is_whole "$kept/$set"
    is_the_one "$set" "$kept/$set"
    [ "$(find "$kept" -mindepth 1 -printf '%m %y\n' | sort -u)" = $'600 f\n700 d' ]
    [ ! -e "$workspace/build/standin/torrust-backup/verify-scratch" ]
    run -0 --separate-stderr tb fetch --set "$set" --to "$kept" --output-format json
    [ "$(jq -r '.was_there' <<<"$output")" = true ]
    run -0 tb restore --from "$kept" --set latest --dry-run
    [[ $output == *"$set"*"Dry run: "* ]]
}

ids() { jq -r '.sets[].id' | sort; }

@test "sets are listed wherever they are, and of all environments, of which one cannot be reached" {
    run -0 --separate-stderr tb list --from offsite --output-format json
    [ "$(ids <<<"$output")" = "$(cd "$workspace" && "$backup" offsite list standin --output-format json 2>/dev/null | ids)" ]
    [ "$(ids <<<"$output" | wc -l)" -ge 2 ]
    [ "$(jq -r '.sets[].name' <<<"$output" | sort -u)" = standin ]
    run -0 tb list --from offsite:nobody
    [[ $output == *"Repository: rest:http"*"There is no set off-site yet."* ]]
    sed -i 's/^offsite:/&\n  name: another/' "$workspace/envs/standin.backup.yml"
    run -0 tb list --from offsite
    [[ $output == *"There is no set off-site yet."* ]]
    run -0 tb list --from offsite --all-environments
    [[ $output == *"$(basename "$fetched"/2*)"*" standin"* ]]
    write_options
    run -0 tb list --from "$fetched"
    [[ $output == *"standin "*"$(basename "$fetched"/2*)"* ]]
    run -0 --separate-stderr tb list --output-format json
    everything=$(ids <<<"$output")
    mkdir "$workspace/data/minimal"
    cp "$source_dir/tests/golden/sqlite-minimal/environment.json" "$workspace/data/minimal/"
    printf 'ssh: {host: 127.0.0.1, port: 1}\n' >"$workspace/envs/minimal.backup.yml" # where nobody listens
    cd "$workspace"
    run --separate-stderr "$backup" list --all-environments --output-format json
    rm -r "$workspace/data/minimal" "$workspace/envs/minimal.backup.yml"
    echo "$status $output"
    # shellcheck disable=SC2154 # bats sets it
    [[ $status != 0 && $stderr == *"1 of 2 environments could not be listed; 'minimal': "* ]]
    [ "$(jq -r '.environments[0] | .environment, .error.exit_status, (.sets | length)' <<<"$output" | xargs)" = "minimal $status 0" ]
    [ "$(jq '.environments[1]' <<<"$output" | ids)" = "$everything" ]
    run -0 "$backup" list --all-environments
    [[ $output == *"ENVIRONMENT "*"standin "*"$(basename "$fetched"/2*)"* ]]
}

uploaded=/var/lib/torrust-backup-uploaded
other_database_is_kept() { [ "$(sh_on_vm "ls -d $database.before-restore-* | wc -l")" = "$1" ]; }

@test "a fetched set is extracted, without the VM" {
    set=$(basename "$fetched"/2*)
    (cd "$workspace" && "$backup" extract standin --from "$fetched" --set "$set" --to "$BATS_TEST_TMPDIR/plain")
    [ "$(sqlite3 "$BATS_TEST_TMPDIR/plain/$set/database.db" 'PRAGMA integrity_check')" = ok ]
}

@test "a dry run from this machine leaves the set on the VM for root and the store's group, and the restore ends it" {
    set=$(basename "$fetched"/2*)
    sh_on_vm "mkdir -p $uploaded/20200101T000000Z && touch $uploaded/20200101T000000Z/stale"
    run -0 tb restore --from "$fetched" --set "$set" --dry-run
    [[ $output == *"Dry run"* ]]
    [ "$(on_vm ls $uploaded)" = "$set" ]
    [ "$(on_vm stat -c '%a %u' $uploaded $uploaded/"$set")" = $'755 0\n750 0' ]
    [ "$(on_vm stat -c %g $uploaded/"$set")" = "$(on_vm stat -c %g $store)" ]
    inode=$(on_vm stat -c %i "$uploaded/$set/database.db.zst")
    run -0 tb restore --from "$fetched" --set latest --dry-run
    [ "$(on_vm stat -c %i "$uploaded/$set/database.db.zst")" = "$inode" ] # it was not sent again
    run -0 tb restore --from "$fetched" --set latest
    [[ $output == *"Set:        $set"*"Tracker:    running, healthy"* ]]
    [ -z "$(on_vm ls -A $uploaded)" ]
    other_database_is_kept 1
}

@test "a set that is damaged on this machine is refused before anything is sent" {
    cp -r "$fetched" "$BATS_TEST_TMPDIR/damaged"
    printf wrong | dd of="$(echo "$BATS_TEST_TMPDIR"/damaged/2*/database.db.zst)" bs=1 seek=200 conv=notrunc status=none
    run -21 tb restore --from "$BATS_TEST_TMPDIR/damaged" --set latest
    run -10 tb restore --from "$fetched" --set 20200101T000000Z
    run -2 tb restore --from nowhere --set latest
    [[ $output == *"./fetched"* ]]
    [ -z "$(on_vm ls -A $uploaded)" ]
    other_database_is_kept 1
}

@test "the VM is gone: another one serves what was fetched, and needs nothing off-site" {
    set=$(basename "$fetched"/2*)
    zstd -dqc "$fetched/$set/database.db.zst" >"$BATS_TEST_TMPDIR/saved.db"
    stop_rest "$machine"
    "$vm" stop "$machine"
    machine=e2e-fetch-new workspace=$BATS_FILE_TMPDIR/new-workspace
    mkdir -p "$workspace/envs"
    "$vm" start "$machine" --uid 1001
    "$source_dir/tests/standin/deploy" "$machine" "$workspace" --rows 10
    run -0 tb rescue --from "$fetched" --rehearse
    [ "$(jq -c '[.rehearsal, .complete]' "$workspace/build/standin/torrust-backup/last-rescue.json")" = '[true,true]' ]
    run -0 tb rescue --from "$fetched"
    [[ $output == *"Step:       install, "*"Step:       restore, "*"running, healthy"*"serves the restored database"* ]]
    on_vm docker kill --signal INT tracker >/dev/null && on_vm timeout 60 docker wait tracker >/dev/null
    on_vm cat "$database" >"$BATS_TEST_TMPDIR/now.db"
    sqlite3 "$BATS_TEST_TMPDIR/now.db" "ATTACH '$BATS_TEST_TMPDIR/saved.db' AS saved" \
        'SELECT count(*) FROM saved.torrents WHERE info_hash NOT IN (SELECT info_hash FROM main.torrents)' | grep -qx 0
    stop_other e2e-fetch-new
}
