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
