# SPDX-License-Identifier: MIT
# docs/restore-by-hand.md, followed to the letter: its own shell blocks run on a machine with a tracker.

bats_require_minimum_version 1.5.0
load common
load by_hand

document=$source_dir/docs/restore-by-hand.md

setup_file() {
    start_machine e2e-restore --rows 50000 --rate 100
    install_programs sqlite3 zstd
    tb configure
    tb run # the set that is restored
    sleep 2
    tb run # a newer one, which is not
    mark_database "$database"
}

# What no set has: a row that tells the database of now from one that was restored.
mark_database() {
    sqlite3 -cmd '.timeout 20000' "$("$vm" path "$machine")/root$1" \
        "INSERT INTO whitelist (info_hash) VALUES ('not in any set')"
}
marks() {
    sqlite3 -cmd '.timeout 20000' "$("$vm" path "$machine")/root$1" "SELECT count(*) FROM whitelist"
}

# What was written down before a shell ended, for the next one.
# shellcheck disable=SC2016 # the machine's shell expands it
keep_variables='for name in STORE DATABASE NEW OLD SET; do eval "echo $name=\$$name"; done >/root/variables'

# last_transaction FILE: proves it, and prints its last transaction.
last_transaction() { "$("$source_dir/tests/standin/build")/standin-tracker" --check "$1"; }

copy_of_stopped() {
    on_vm docker kill --signal INT tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    cp "$("$vm" path "$machine")/root$database" "$1"
    on_vm docker start tracker >/dev/null
}

@test "the document has the blocks that are tested here" {
    [ "$(blocks '^## [1-6][.] ' | wc -l)" -ge 20 ]
    [ -n "$(blocks '^## Undo')" ]
    [ -n "$(blocks '^## Configuration files')" ]
}

@test "an older set is restored step by step, and the tracker goes on from it" {
    first=$(sets | head -n 1)
    [ "$first" != "$(newest)" ]
    restored "$first" "$BATS_TEST_TMPDIR/first.db"
    in_set=$(last_transaction "$BATS_TEST_TMPDIR/first.db")
    [ "$(marks $database)" = 1 ]

    {
        echo 'set -eu'
        blocks '^## [1-6][.] ' | sed "s/^SET=.*/SET=$first/"
        echo "$keep_variables"
    } >"$BATS_TEST_TMPDIR/script"
    on_vm bash -s <"$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/output" || { cat "$BATS_TEST_TMPDIR/output"; return 1; }
    grep -x 'database.db.zst: OK' "$BATS_TEST_TMPDIR/output"
    grep -x 'ok' "$BATS_TEST_TMPDIR/output"
    grep -x 'healthy' "$BATS_TEST_TMPDIR/output"

    [ "$(marks $database)" = 0 ]
    [ "$(on_vm stat -c %u:%g $database)" = 1000:1000 ]
    sleep 1
    copy_of_stopped "$BATS_TEST_TMPDIR/now.db"
    [ "$(last_transaction "$BATS_TEST_TMPDIR/now.db")" -gt "$in_set" ]
}

@test "the old database stands beside it, whole, with what came after the set" {
    old=$(on_vm sh -c "ls $database.before-restore-*Z")
    [ "$(marks "$old")" = 1 ]
    [ "$(on_vm stat -c %u:%g "$old")" = 1000:1000 ]
    cp "$("$vm" path "$machine")/root$old" "$BATS_TEST_TMPDIR/old.db"
    last_transaction "$BATS_TEST_TMPDIR/old.db"
}

@test "no backup can begin while an operator restores" {
    on_vm bash -c "$(blocks '^## 1[.] ')
$hook; echo \"the hook: \$?\"" >"$BATS_TEST_TMPDIR/output"
    grep -x 'the hook: 11' "$BATS_TEST_TMPDIR/output"
}

@test "undo puts the old database back" {
    {
        echo 'set -eu; . /root/variables'
        blocks '^## Undo'
    } | on_vm bash -s
    [ "$(marks $database)" = 1 ]
    [ "$(on_vm sh -c "ls $database.before-restore-* 2>/dev/null || true")" = "" ]
    on_vm test -e "$database.rejected"
    wait_until 120 tracker_runs
    copy_of_stopped "$BATS_TEST_TMPDIR/now.db"
    last_transaction "$BATS_TEST_TMPDIR/now.db"
}

@test "a damaged set is found before anything is touched" {
    set=$(newest)
    before=$(on_vm stat -c '%i' $database)
    on_vm cp "$store/$set/database.db.zst" /root/whole
    printf wrong | on_vm dd of="$store/$set/database.db.zst" bs=1 seek=5000 conv=notrunc status=none
    {
        echo 'set -eu'
        blocks '^## [1-6][.] '
    } >"$BATS_TEST_TMPDIR/script"
    run on_vm bash -s <"$BATS_TEST_TMPDIR/script"
    [ "$status" != 0 ]
    [[ $output == *"database.db.zst: FAILED"* ]]
    [ "$(on_vm stat -c '%i' $database)" = "$before" ]
    tracker_runs
    on_vm cp /root/whole "$store/$set/database.db.zst"
}

@test "a journal that a killed tracker left goes with its database, not with the new one" {
    on_vm docker kill --signal KILL tracker >/dev/null
    on_vm timeout 60 docker wait tracker >/dev/null
    sh_on_vm "echo left >$database-journal"
    {
        echo 'set -eu'
        blocks '^## [1-3][.] '
        blocks '^## [56][.] '
        echo "$keep_variables; echo \"the old one: \$OLD\""
    } | on_vm bash -s >"$BATS_TEST_TMPDIR/output"
    old=$(sed -n 's/^the old one: //p' "$BATS_TEST_TMPDIR/output")
    [ "$(on_vm cat "$old-journal")" = left ]
    copy_of_stopped "$BATS_TEST_TMPDIR/now.db"
    last_transaction "$BATS_TEST_TMPDIR/now.db"
}

@test "configuration files come out with their contents, owners and modes" {
    {
        echo 'set -eu; . /root/variables'
        blocks '^## Configuration files'
        echo 'echo "unpacked: $CONFIG"'
    } >"$BATS_TEST_TMPDIR/script"
    on_vm bash -s <"$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/output"
    config=$(sed -n 's/^unpacked: //p' "$BATS_TEST_TMPDIR/output")
    for file in .env docker-compose.yml storage/tracker/etc/tracker.toml; do
        on_vm cmp "$config/$file" "/opt/torrust/$file"
        [ "$(on_vm stat -c '%a %u:%g' "$config/$file")" = "$(on_vm stat -c '%a %u:%g' "/opt/torrust/$file")" ]
    done
}
