#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A set as plain files, by both programs, without a VM; and sets that someone has tampered with.

bats_require_minimum_version 1.5.0
load common

setup() {
    make_workspace
    engine=$TBK_BUILD/bin/torrust-backup-engine
    fetched=$BATS_TEST_TMPDIR/fetched plain=$BATS_TEST_TMPDIR/plain
    sqlite3 "$BATS_TEST_TMPDIR/t.db" 'CREATE TABLE torrents (info_hash TEXT); INSERT INTO torrents VALUES (1), (2);'
    "$engine" backup --sqlite "$BATS_TEST_TMPDIR/t.db" --store "$fetched"
    set=$(basename "$fetched"/2*)
}

@test "the engine extracts a set of a store, whole and private" {
    run -0 --separate-stderr "$engine" extract --store "$fetched" --set latest --to "$plain" --output json
    [ "$(jq -r '[.set, .path, .files[0].name] | join(" ")' <<<"$output")" = "$set $plain/$set database.db" ]
    [ "$(jq -r '.files[0].sha256' <<<"$output")" = "$(sha256sum <"$plain/$set/database.db" | cut -d' ' -f1)" ]
    [ "$(sqlite3 "$plain/$set/database.db" 'PRAGMA integrity_check; SELECT count(*) FROM torrents')" = $'ok\n2' ]
    [ "$(find "$plain" -printf '%m %y\n' | sort -u)" = $'600 f\n700 d' ]
    # What is there is not replaced.
    run -2 "$engine" extract --store "$fetched" --set "$set" --to "$plain"
    [[ $output == *"is there already"*"--to"* ]]
    run -2 "$engine" extract --store "$fetched" --set "$set" --to "$fetched"
    run -2 "$engine" extract --store "$fetched" --set latest
    run -2 "$engine" extract --store "$fetched" --to "$plain"
    run -10 "$engine" extract --store "$fetched" --set 20200101T000000Z --to "$plain"
    [ "$(ls -A "$plain")" = "$set" ]
}

@test "the command line extracts what was fetched, as the engine does" {
    "$engine" extract --store "$fetched" --set "$set" --to "$BATS_TEST_TMPDIR/other"
    cd "$BATS_TEST_TMPDIR"
    run -0 "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" extract minimal --from ./fetched --set latest --to plain
    [[ $output == *"Set:        $set"*"database.db"* ]]
    diff -r other plain
    run -10 tb extract minimal --from "$BATS_TEST_TMPDIR/nowhere" --set latest --to "$plain"
}

# refused: it ends with 21, and leaves nothing.
refused() {
    run -21 "$engine" extract --store "$fetched" --set "$set" --to "$plain"
    [ -z "$(ls -A "$plain")" ]
}

@test "a damaged archive, one that unpacks to more, and a link are refused, and nothing is left" {
    cp -a "$fetched/$set" "$BATS_TEST_TMPDIR/keep"
    archive=$fetched/$set/database.db.zst
    printf wrong | dd of="$archive" bs=1 seek=100 conv=notrunc status=none
    refused
    # As long as the right one, and unpacks to something else, or to much more.
    size=$(stat -c %s "$BATS_TEST_TMPDIR/keep/database.db.zst")
    head -c 100000000 /dev/zero | zstd -q >"$BATS_TEST_TMPDIR/bomb"
    sed -i "s/\"stored_bytes\": $size/\"stored_bytes\": $(stat -c %s "$BATS_TEST_TMPDIR/bomb")/" "$fetched/$set/manifest.json"
    cp "$BATS_TEST_TMPDIR/bomb" "$archive"
    refused
    [[ $output == *"more than the "*" bytes that the manifest says"* ]]
    rm -r "${fetched:?}/$set" && cp -a "$BATS_TEST_TMPDIR/keep" "$fetched/$set"
    ln -sf /etc/passwd "$archive"
    run -1 "$engine" extract --store "$fetched" --set "$set" --to "$plain"
    [[ $output == *"is damaged"* ]]
    sed -i 's/database.db.zst/..\/..\/evil/' "$fetched/$set/manifest.json"
    run -1 "$engine" extract --store "$fetched" --set "$set" --to "$plain"
    [ -z "$(ls -A "$plain")" ]
}

@test "a folder that others can write in is refused" {
    mkdir "$plain" && chmod 0770 "$plain"
    run -2 "$engine" extract --store "$fetched" --set "$set" --to "$plain"
    [[ $output == *"others can write"*"chmod go-w"* ]]
}
