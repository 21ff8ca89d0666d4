#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The engine as a program: by hand on any SQLite file, and with a script in the place of the hook.
# shellcheck disable=SC2030,SC2031 # each test is a process of its own
bats_require_minimum_version 1.5.0
load common
load ../skip

setup() {
    engine=$TBK_BUILD/bin/torrust-backup-engine
    cd "$BATS_TEST_TMPDIR" || return 1
    umask 022
    today=$(date -u +%F) # of the whole test: midnight may come meanwhile
}

teardown() {
    for process in ${started-}; do kill -9 "$process" 2>/dev/null || true; done
    [ -z "${mounted-}" ] || umount "$mounted"
}

# make_database FILE [ROWS] [JOURNAL-MODE]
make_database() {
    sqlite3 "$1" "PRAGMA journal_mode=${3-delete};
        CREATE TABLE torrents (id INTEGER PRIMARY KEY, info_hash TEXT UNIQUE, completed INTEGER);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT ${2-2000})
        INSERT INTO torrents SELECT i, hex(randomblob(20)), i % 5 FROM n;" >/dev/null
}

# A shell of SQLite's that reads its statements from descriptor 7 until that is closed: the first ones
# are carried out already.
open_session() { # FILE STATEMENTS
    mkfifo session
    sqlite3 "$1" <session >/dev/null &
    started=$!
    exec 7>session
    echo "$2; SELECT writefile('ready', '');" >&7
    until [ -e ready ]; do sleep 0.1; done
}

backup() { "$engine" backup --sqlite tracker.db --store store "$@"; }

# answers REQUEST=ANSWER...: what the hook answers; by default it grants all, and the tracker has the
# database open. Runs the engine with it.
with_hook() {
    python3 - "$engine" "$@" <<'END'
import os, subprocess, sys
answers = dict(word.split("=", 1) for word in sys.argv[2:] if word.startswith("@"))
found = os.stat("tracker.db" if os.path.exists("tracker.db") else "/dev/null")
grants = {"@files": f"files 1:2 {found.st_dev}:{found.st_ino}", "@hold pause": "held", "@hold stop": "held",
          "@release": "released"}
arguments = [word for word in sys.argv[2:] if not word.startswith("@")]
run = subprocess.Popen([sys.argv[1], "backup", "--hook", *arguments], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True, bufsize=1)
for line in run.stdout:
    print(line, end="")
    request = line.strip()
    answer = answers.get(request, grants.get(request))
    if answer == "EOF":
        run.stdin.close()
    elif answer:
        run.stdin.write(answer + "\n")
        run.stdin.flush()
sys.exit(run.wait())
END
}

write_config() {
    mkdir -p store root
    echo 'A=1' >root/.env
    cat >engine.yml <<END
schema: 1
environment: demo
database: {driver: sqlite3, path: $PWD/tracker.db}
store: $PWD/store
method: auto
keep_days: 7
compression_level: 3
rate_limit_mib: 0
profile: full
prove_restored_every_days: 7
prove_booted_every_days: 0
config: {root: $PWD/root, paths: [.env, missing.toml]}
END
}

@test "the image has what logs in to MySQL, where the library looks for it" {
    image=$TBK_BUILD/share/torrust-backup/torrust-backup-engine.json
    [ -e "$image" ] || skip_because "this build makes no image"
    for plugin in caching_sha2_password client_ed25519 sha256_password; do
        jq -e --arg path "$(mariadb_config --plugindir)/$plugin.so" 'any(.files[]; .path == $path)' "$image"
    done
}

@test "help shows examples; version names the libraries" {
    run -0 "$engine" help
    [[ $output == *"Examples:"*"--sqlite"* ]]
    run -0 "$engine" backup --help
    [[ $output == *"Usage:"* ]]
    run -0 "$engine" version
    [[ $output == "torrust-backup-engine "*"SQLite 3."*"zstd 1."* ]]
}

@test "wrong usage ends with 2 and says what to do" {
    for words in "" "bakcup" "backup --sqlite tracker.db" "backup --store store" "list --frob" "list --set x" \
        "backup --sqlite t --store s --keep-days 0" "backup --sqlite t --store s --level 99" "prove --level deep" \
        "plan --sqlite t" "plan --store s" "plan --method pause" "plan --sqlite t --store s --level 3" "plan --set latest" \
        "list --output xml" "list --store" "list --store a --config b" "list more" "backup --hook --method warm" \
        "backup --sqlite t --store s --method pause" "backup --sqlite t --store s --method stop" \
        "backup --sqlite t --store s --journal-mode wal" "backup --journal-mode wal" "backup --hook --journal-mode memory" \
        "backup --rate-limit-mib 5" "backup --rate-limit-mib 0" "backup --sqlite t --store s --rate-limit-mib -1" "list --rate-limit-mib 5" \
        "list --journal-mode wal" "backup --sqlite t --store s --level -11"; do
        # shellcheck disable=SC2086 # a list of words
        run -2 "$engine" $words
        [[ $output == *"Fix:"* || $output == *'"fix"'* ]]
    done
    [ ! -e store ]
}

@test "one line makes a set that standard tools restore" {
    make_database tracker.db
    run -0 --separate-stderr backup
    [[ $output == "Set:"*"Proof:    restored"* ]]
    set=$(sets)
    (cd "store/$set" && sha256sum --quiet -c SHA256SUMS)
    zstd -qdc "store/$set/database.db.zst" >restored.db
    [ "$(sqlite3 restored.db 'PRAGMA integrity_check; SELECT count(*) FROM torrents')" = "ok
2000" ]
    cmp tracker.db restored.db
    [ -z "$(hidden)" ]
    # Nothing for others but the metrics, and the way to them.
    [ "$(find store -perm /007 -printf '%m %P\n' | sort | tr '\n' ' ')" = "644 .state/torrust_backup.prom 751  751 .state " ]
}

@test "WAL: hot by hand, while a writer goes on; the copy is one file" {
    make_database tracker.db 20000 wal
    open_session tracker.db "PRAGMA wal_autocheckpoint=0; UPDATE torrents SET completed = 7"
    run -0 --separate-stderr backup --output json
    [ "$(jq -r '.method, .method_reason, .held_ms' <<<"$output" | xargs)" = "hot 0" ]
    zstd -qdc store/*/database.db.zst >restored.db
    [ "$(sqlite3 restored.db 'PRAGMA integrity_check; SELECT count(*) FROM torrents WHERE completed = 7')" = "ok
20000" ]
    [ "$(jq -r .database.journal_mode store/*/manifest.json)" = wal ]
    [ -z "$(hidden)" ]
}

@test "a forced method that is not to be had says why, and what else there is" {
    make_database tracker.db
    run -2 --separate-stderr backup --method hot
    [[ $stderr == *"the database is not in WAL mode"*"Fix:"*"--journal-mode wal"* ]]
    make_database wal.db 100 wal
    run -2 --separate-stderr "$engine" backup --sqlite wal.db --store store --method reflink
    [[ $stderr == *"the database is in WAL mode"*"Fix: "*"hot"* ]]
    [ -z "$(sets)$(hidden)" ]
}

@test "levels from -10 to 9: each restores to the same, the last is the smallest" {
    make_database tracker.db 20000
    for level in -10 1 9; do
        "$engine" backup --sqlite tracker.db --store "store$level" --level "$level"
        zstd -qdc "store$level"/*/database.db.zst | cmp - tracker.db
        stat -c %s "store$level"/*/database.db.zst >>sizes
    done
    sort -rn sizes | cmp - sizes
}

@test "a rate limit of 0 is none" {
    make_database tracker.db 20000
    backup --rate-limit-mib 0
    [ -n "$(sets)" ]
}

@test "a rate limit is kept" {
    make_database tracker.db 60000
    size=$(stat -c %s tracker.db)
    [ "$size" -gt 5000000 ]
    started_ms=$(date +%s%3N)
    backup --rate-limit-mib 2
    [ $(($(date +%s%3N) - started_ms)) -ge $((size * 1000 / 2097152 - 500)) ]
}

@test "essential: a database of what was completed, with all else; the manifest says what was left out" {
    make_database tracker.db 20000
    sqlite3 tracker.db 'CREATE TABLE keys (key TEXT); INSERT INTO keys VALUES (1), (2)'
    run -0 --separate-stderr backup --profile essential
    [[ $output == *"Database: essential, "* ]]
    zstd -qdc store/*/database.db.zst >restored.db
    [ "$(sqlite3 restored.db 'PRAGMA integrity_check; SELECT count(*), min(completed) FROM torrents; SELECT count(*) FROM keys')" = "ok
16000|1
2" ]
    [ "$(jq -c '.selection[] | [.table, .rule, .saved_rows, .left_out_rows]' store/*/manifest.json)" = '["torrents","completed > 0",16000,4000]
["keys","all",2,0]' ]
    run -0 "$engine" list --store store
    [[ $output == *essential* ]]
    [ -z "$(hidden)" ]
}

@test "essential: rules by hand, checked before anything is done" {
    make_database tracker.db
    run -0 --separate-stderr backup --profile essential --rule 'torrents=completed = 4' --output json
    [ "$(jq -r .profile <<<"$output")" = essential ]
    for rule in 'torrents=completed > 0; DROP TABLE torrents' 'torrents=completed > (SELECT 1)' 'peers=none' 'torrents=' \
        'torrents=completed) OR (1' 'torrents'; do
        run -2 --separate-stderr backup --profile essential --rule "$rule"
        [[ $stderr == *"Fix:"* ]]
    done
    run -2 backup --rule 'torrents=none'
    run -2 backup --profile most
    run -2 "$engine" list --profile full
    [ "$(sqlite3 tracker.db 'SELECT count(*) FROM torrents')" = 2000 ]
}

@test "essential: as configured, and full when the command says so" {
    make_database tracker.db
    write_config
    sed -i 's/^profile: full/profile: essential\nessential: {torrents: completed = 1}/' engine.yml
    run -0 with_hook --config engine.yml
    [ "$(jq -r '.selection[0].saved_rows' store/*/manifest.json)" = 400 ]
    sleep 1
    run -0 with_hook --config engine.yml --profile full
    [ "$(jq -r .profile store/*/manifest.json | sort | xargs)" = "essential full" ]
}

@test "the journal mode is changed inside a stop, after the copy" {
    make_database tracker.db
    write_config
    run -0 with_hook --config engine.yml --journal-mode wal
    [[ $output == *"@hold stop"*"changed to wal"*"@release"* ]]
    [ "$(sqlite3 tracker.db 'PRAGMA journal_mode')" = wal ]
    [ "$(jq -r .capture.method store/*/manifest.json)" = stop ]
    sleep 1
    run -0 with_hook --config engine.yml --journal-mode wal
    [[ $output != *"@hold"* && $output == *"is wal already"* ]]
    sleep 1
    run -0 with_hook --config engine.yml --journal-mode delete
    [ "$(sqlite3 tracker.db 'PRAGMA journal_mode')" = delete ]
    [ "$(sets | wc -l)" = 3 ]
}

@test "a journal mode that cannot be changed leaves the set, and says so" {
    make_database tracker.db
    write_config
    open_session tracker.db "BEGIN; SELECT count(*) FROM torrents"
    run -1 with_hook --config engine.yml --journal-mode wal
    [[ $output == *"@release"*"set "*" is whole"*"journal mode"* ]]
    [ "$(sets | wc -l)" = 1 ]
    [ "$(sqlite3 tracker.db 'PRAGMA journal_mode')" = delete ]
}

@test "list, check and prove say the same as text and as JSON" {
    make_database tracker.db
    backup
    set=$(sets)
    run -0 "$engine" list --store store
    [[ $output == *"$set"*"restored"* ]]
    run -0 --separate-stderr "$engine" list --store store --output json
    [ "$(jq -r '.sets[0].id + " " + .sets[0].proof' <<<"$output")" = "$set restored" ]
    run -0 --separate-stderr "$engine" check --store store --output json
    [ "$(jq -r '.ok, .sets[0].proof.level' <<<"$output")" = "true
checksums" ]
    rm "store/$set/proof.json"
    run -0 --separate-stderr "$engine" prove --level restored --set latest --store store --output json
    [ "$(jq -c '.proof.rows' <<<"$output")" = '{"torrents":2000}' ]
    # A weaker proof does not take the place of a stronger one.
    "$engine" prove --level checksums --set "$set" --store store
    [ "$(jq -r .level "store/$set/proof.json")" = restored ]
}

@test "a harmed set is found, and its proof says so from then on" {
    make_database tracker.db
    backup
    set=$(sets)
    printf wrong | dd of="store/$set/database.db.zst" bs=1 seek=5000 conv=notrunc status=none
    run -21 "$engine" check --store store
    [[ $output == *"$set"*"database.db.zst"* ]]
    run -21 "$engine" prove --store store
    [[ $output == *FAILED* ]]
    [ "$(jq .ok "store/$set/proof.json")" = false ]
    echo '{' >"store/$set/manifest.json"
    run -21 "$engine" check --store store
    run -0 "$engine" list --store store
    [[ $output == *"$set"* ]]
}

@test "what is no database is refused with a clear word" {
    : >tracker.db
    run -1 backup
    [[ $output == *"0 bytes"*"Fix: start the tracker"* ]]
    printf '%200s' "text, long enough for a header" >tracker.db
    run -1 backup
    [[ $output == *"not a SQLite 3 database"* ]]
    rm tracker.db
    run -10 backup
    [[ $output == *"there is no database"* ]]
    [ -z "$(sets)" ]
}

@test "no such store, no such set: 10" {
    run -10 "$engine" list --store nowhere
    make_database tracker.db
    backup
    run -10 "$engine" prove --store store --set 20200101T000000Z
    run -10 "$engine" check --store store --set 20200101T000000Z
}

@test "a database in WAL mode is copied while it is written" {
    make_database tracker.db 20000 wal
    python3 - <<'END' &
import sqlite3
database = sqlite3.connect("tracker.db", isolation_level=None, timeout=30)
database.execute("PRAGMA synchronous=OFF")
open("writing", "w").close()
while True:
    database.execute("UPDATE torrents SET completed = completed + 1 WHERE id <= 50")
END
    started=$!
    until [ -e writing ]; do sleep 0.05; done
    run -0 --separate-stderr backup
    zstd -qdc "store/$(sets)/database.db.zst" >restored.db
    [ "$(sqlite3 restored.db 'PRAGMA integrity_check')" = ok ]
    # One transaction sets all of them: a copy that mixes two shows it.
    [ "$(sqlite3 restored.db 'SELECT count(DISTINCT completed - id % 5) FROM torrents WHERE id <= 50')" = 1 ]
    [ "$(jq -r .database.journal_mode "store/$(sets)/manifest.json")" = wal ]
}

@test "a writer in the middle of a transaction is not disturbed, and not copied" {
    make_database tracker.db
    open_session tracker.db "BEGIN IMMEDIATE; UPDATE torrents SET completed = 77"
    run -0 --separate-stderr backup
    echo 'COMMIT;' >&7
    exec 7>&-
    wait "$started"
    zstd -qdc "store/$(sets)/database.db.zst" >restored.db
    [ "$(sqlite3 restored.db 'SELECT count(*) FROM torrents WHERE completed = 77')" = 0 ]
    [ "$(sqlite3 tracker.db 'SELECT count(*) FROM torrents WHERE completed = 77')" = 2000 ]
}

@test "a database that is locked for writing is left alone: 1" {
    make_database tracker.db
    python3 -c 'import sqlite3, time
database = sqlite3.connect("tracker.db", isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
open("ready", "w").close()
time.sleep(600)' &
    started=$!
    until [ -e ready ]; do sleep 0.05; done
    run -1 backup
    [[ $output == *"locked"*"Fix: try again when no process writes"* ]]
    [ -z "$(sets)$(hidden)" ]
}

@test "killed at any moment, no half set is visible, and the next run succeeds" {
    make_database tracker.db 100000
    for delay in 0.02 0.05 0.1 0.2 0.35; do
        "$engine" backup --sqlite tracker.db --store store --quiet >/dev/null 2>&1 &
        process=$!
        sleep "$delay"
        kill -9 "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
        if [ -d store ]; then "$engine" check --store store >/dev/null; fi
    done
    backup --quiet
    [ -z "$(hidden)" ]
    "$engine" check --store store
}

@test "SIGTERM ends a run with 130 and leaves nothing" {
    make_database tracker.db 200000
    "$engine" backup --sqlite tracker.db --store store --quiet --rate-limit-mib 1 >out 2>&1 &
    process=$!
    until [ -e store/.state/lock ]; do sleep 0.01; done
    kill -TERM "$process"
    wait "$process" && status=0 || status=$?
    [ "$status" = 130 ]
    [ -z "$(sets)$(hidden)" ]
    [ "$(jq .exit_status store/.state/last-run.json)" = 130 ]
}

# write_trap JOURNAL FILE: a journal that names the file, which SQLite would delete.
write_trap() {
    python3 - "$1" "$2" <<'END'
import os, struct, sys
name = sys.argv[2].encode()
magic = bytes([0xd9, 0xd5, 5, 0xf9, 0x20, 0xa1, 0x63, 0xd7])
with open(sys.argv[1], "wb") as journal:
    journal.write(b"A" * 8 + b"\0" * 504 + name + struct.pack(">II", len(name), sum(name)) + magic)
END
}

@test "a journal that names another file deletes nothing: not in a backup, nor by changing the mode" {
    make_database tracker.db
    write_config
    with_hook --config engine.yml
    manifest=$PWD/store/$(sets)/manifest.json
    write_trap tracker.db-journal "$manifest"
    run -1 with_hook --config engine.yml
    [[ $output == *@release* ]]
    run -1 with_hook --config engine.yml --journal-mode wal
    run -1 backup
    [ -e "$manifest" ]
    [ -e tracker.db-journal ]
    rm tracker.db-journal
    with_hook --config engine.yml
}

@test "a pipe in the journal's or the log's place is told at once, and the tracker is let go" {
    make_database tracker.db
    write_config
    for suffix in journal wal; do
        mkfifo tracker.db-$suffix
        run -2 timeout 120 "$BASH" -c "$(declare -f with_hook); engine=$engine; with_hook --config engine.yml"
        [[ $output == *'is not a regular file'* && $output == *@release* ]]
        rm tracker.db-$suffix
    done
    [ -z "$(hidden)" ]
}

@test "essential: what else stands in the schema is not carried out" {
    make_database tracker.db
    sqlite3 tracker.db "CREATE TABLE extra (a)"
    sqlite3 -cmd '.dbconfig defensive off' tracker.db "PRAGMA writable_schema=ON;
        UPDATE sqlite_schema SET sql = sql || '; COMMIT; VACUUM INTO ''$PWD/planted''; BEGIN' WHERE name = 'extra'"
    run -2 backup --profile essential
    [[ $output == *'does more than to make it'* ]]
    [ ! -e planted ]
    backup # in full it is saved as it is
}

@test "two runs exclude each other: 11" {
    make_database tracker.db 200000
    "$engine" backup --sqlite tracker.db --store store --quiet --rate-limit-mib 2 &
    process=$!
    until [ -s store/.state/lock ]; do sleep 0.01; done
    kill -STOP "$process"
    run -11 backup
    kill -CONT "$process"
    wait "$process"
}

@test "a full file system is seen before anything is copied: 22" {
    [ "$(id -u)" = 0 ] || skip_because "needs root, to mount a tmpfs"
    make_database tracker.db 100000
    mkdir small
    mount -t tmpfs -o size=8m tmpfs small
    mounted=small
    run -22 "$engine" backup --sqlite tracker.db --store small/store
    [[ $output == *"needs"*"MiB free"*"Fix: make room"* ]]
    [ -z "$(find small/store -mindepth 1 -maxdepth 1 ! -name .state)" ]
}

@test "a file system that fills up during the hold: 22, released, nothing left" {
    [ "$(id -u)" = 0 ] || skip_because "needs root, to mount a tmpfs"
    make_database tracker.db 100000
    write_config
    mkdir small
    mount -t tmpfs -o size=64m tmpfs small
    mounted=small
    mkdir small/store
    sed -i "s|^store: .*|store: $PWD/small/store|" engine.yml
    run -22 python3 - "$engine" <<'END'
import subprocess, sys
run = subprocess.Popen([sys.argv[1], "backup", "--hook", "--config", "engine.yml"], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True, bufsize=1)
for line in run.stdout:
    print(line, end="")
    if line.startswith("@hold"):
        try:
            with open("small/filler", "wb", buffering=0) as filler:
                while filler.write(bytes(1 << 20)) == 1 << 20:
                    pass
        except OSError:
            pass
        run.stdin.write("held\n")
    elif line.startswith("@release"):
        run.stdin.write("released\n")
    elif line.startswith("@files"):
        run.stdin.write("files\n")
    run.stdin.flush()
sys.exit(run.wait())
END
    [ "$(grep '^@' <<<"$output" | tr '\n' ' ')" = "@files @hold pause @release @done 22 " ]
    [ -z "$(find small/store -mindepth 1 -maxdepth 1 ! -name .state)" ]
    rm small/filler
    run -0 with_hook --config engine.yml # and onto another file system
    "$engine" check --store small/store
}

# As if it had been made then: NEW-ID [OLD-ID, the newest]. days_ago N: such an id.
redate() {
    local old=${2-$(sets | tail -n 1)} sum
    mv "store/$old" "store/$1"
    sed -i "s/\"id\": \"$old\"/\"id\": \"$1\"/" "store/$1/manifest.json"
    sum=$(sha256sum <"store/$1/manifest.json" | cut -c 1-64)
    sed -i "s/^[0-9a-f]*  manifest.json\$/$sum  manifest.json/" "store/$1/SHA256SUMS"
}
days_ago() { date -u -d "$today -$1 days" +%Y%m%dT030000Z; }
make_history() { # OPTIONS of backup... -- DAYS...: sets of so many days ago, the oldest first
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    for day; do
        backup "${options[@]}" >/dev/null
        redate "$(days_ago "$day")"
    done
}

@test "sets older than keep-days are removed after a good backup, not after a failed one" {
    make_database tracker.db
    make_history --keep-days 99 -- 5 4 3 2 1
    old=$(days_ago 4)
    mv tracker.db away.db
    : >tracker.db
    run -1 backup --keep-days 2 --keep-last 1
    [ -e "store/$old" ]
    mv away.db tracker.db
    run -0 backup --keep-days 2 --keep-last 1
    [[ $output == *"1 older sets were removed"* ]]
    [ ! -e "store/$old" ]
    [ -e "store/$(days_ago 5)" ] # the newest that was proved by restoring it
    [ "$(sets | wc -l)" = 5 ]
}

@test "of the newest good sets so many stay, however old they are" {
    make_database tracker.db
    make_history --keep-days 99 -- 50 40 30 20
    run -0 backup --keep-days 1 --keep-last 4
    [ "$(sets | head -n 1)" = "$(days_ago 40)" ]
    [ "$(sets | wc -l)" = 4 ]
}

@test "a pause longer than keep-days, and a clock that is wrong once, cost no history" {
    make_database tracker.db
    make_history -- 14 13 12 11 10 9
    run -0 backup
    [ "$(sets | wc -l)" = 7 ]
    TZ=UTC FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        faketime -f "@$(date -u -d '+3650 days' '+%F %T')" "$engine" backup --sqlite tracker.db --store store
    [ "$(sets | wc -l)" = 8 ]
    run -0 backup
    [ "$(sets | wc -l)" = 9 ]
    run -0 "$engine" list --store store
    [[ $output == *"from the future: the clock went back"* ]]
}

@test "what has no manifest of ours, or is of another database, is left alone" {
    make_database tracker.db
    make_database other.db
    make_history -- 20 19 18
    "$engine" backup --sqlite other.db --store store
    redate "$(days_ago 30)"
    mkdir "store/$(days_ago 40)"
    echo mine >"store/$(days_ago 40)/mine"
    run -0 backup --keep-days 1 --keep-last 1
    [[ $output == *"is left alone, it is no set of ours"* ]]
    [ -e "store/$(days_ago 30)" ]
    [ -e "store/$(days_ago 40)/mine" ]
    [ ! -e "store/$(days_ago 20)" ]
}

@test "a set without its files is damaged: listed so, never the latest, counted as no good one" {
    make_database tracker.db
    make_history --keep-days 99 -- 30 20
    backup >/dev/null
    hollow=$(sets | tail -n 1)
    rm "store/$hollow/database.db.zst"
    run -0 "$engine" list --store store --output json
    [[ $(jq -r '.sets[0].damage' <<<"$output") == "cannot read 'database.db.zst'"* ]]
    run -0 --separate-stderr "$engine" prove --level checksums --store store --output json
    [ "$(jq -r .set <<<"$output")" = "$(days_ago 20)" ]
    run -1 "$engine" prove --level checksums --set "$hollow" --store store
    sleep 1
    run -0 backup --keep-days 1 --keep-last 2
    [ -e "store/$(days_ago 20)" ]
}

@test "the latest is of the database that is configured, and not from the future" {
    make_database tracker.db
    make_database other.db
    write_config
    sed 's/tracker.db/other.db/' engine.yml >other.yml
    "$engine" backup --config engine.yml
    mine=$(sets)
    "$engine" backup --config engine.yml
    redate 20910101T030000Z
    sleep 1
    "$engine" backup --config other.yml
    run -0 "$engine" restore --dry-run --set latest --config engine.yml
    [[ $output == *"$mine"* ]]
    run -0 --separate-stderr "$engine" check --set latest --config engine.yml --output json
    [ "$(jq -r '.sets[].id' <<<"$output")" = "$mine" ]
    run -0 "$engine" list --config engine.yml
    [ "$(grep -c "the database '$PWD/other.db' of 'demo'" <<<"$output")" = 1 ]
    run -2 "$engine" prove --store store # of which of the two?
    [[ $output == *"of several databases"*"--set ID"* ]]
}

@test "a database that lost its rows: nothing is pruned, exit status 3, until it is acknowledged" {
    make_database tracker.db
    make_history --keep-days 99 -- 12 11 10
    sqlite3 tracker.db 'DELETE FROM torrents'
    run -3 backup --keep-days 1 --keep-last 1
    [[ $output == *"nothing is pruned: table 'torrents' had "*" rows in set "*"acknowledge"* ]]
    [ "$(sets | wc -l)" = 4 ]
    [ "$(jq -r '.error.name + " " + .retention_brakes[0].set' store/.state/last-run.json)" = "BRAKE $(days_ago 10)" ]
    grep -qx 'torrust_backup_retention_brake 1' store/.state/torrust_backup.prom
    sleep 1
    run -3 backup --keep-days 1 --keep-last 1
    run -0 "$engine" acknowledge --store store
    [[ $output == *"Acknowledged: table 'torrents' had"* ]]
    [ "$(jq -r .exit_status store/.state/last-run.json)" = 0 ]
    grep -qx 'torrust_backup_retention_brake 0' store/.state/torrust_backup.prom
    run -0 "$engine" acknowledge --store store
    [[ $output == *"nothing to acknowledge"* ]]
    sleep 1
    run -0 backup --keep-days 1 --keep-last 1
    [[ $output == *"removed"* ]]
}

@test "expired sets make room for the next one; what may not go does not" {
    [ "$(id -u)" = 0 ] || skip_because "only root can mount a file system"
    mkdir store && mount -t tmpfs -o size=48m tmpfs store || skip_because "a file system cannot be mounted here"
    mounted=store
    sqlite3 tracker.db 'CREATE TABLE torrents (id INTEGER PRIMARY KEY, x BLOB);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 1200) INSERT INTO torrents SELECT i, randomblob(4000) FROM n'
    make_history --keep-days 99 -- 9 8 7 6 5
    run -0 dd if=/dev/zero of=store/filler bs=1M count=16 status=none
    run -22 backup --keep-days 99
    [[ $output == *"keep_days and keep_last let go are gone already"* ]]
    [ "$(sets | wc -l)" = 5 ]
    run -0 backup --keep-days 1 --keep-last 1
    [[ $output == *"removing $(days_ago 9)"* ]]
    [ -e "store/$(days_ago 6)" ] # the newest that was proved by restoring it
}

@test "a store that cannot sync folders is used, and that is said; one that cannot sync files is not" {
    cat >shim.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
int fsync(int fd)
{
    struct stat status;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (fstat(fd, &status) == 0 && (S_ISDIR(status.st_mode) || getenv("NO_SYNC") != NULL)) {
        errno = EINVAL;
        return -1;
    }
    return real(fd);
}
END
    cc -shared -fPIC -o shim.so shim.c -ldl || skip_because "there is no compiler"
    make_database tracker.db
    export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
    run -0 env LD_PRELOAD="$PWD/shim.so" "$engine" backup --sqlite tracker.db --store store
    [[ $output == *"cannot sync folders"* ]]
    "$engine" check --store store
    write_config
    run -1 env NO_SYNC=1 LD_PRELOAD="$PWD/shim.so" "$engine" backup --config engine.yml
    [[ $output == *"trying to sync a file failed"*"local disk"* ]]
    [[ $output != *"capture"* ]]
}

@test "who watches may read the metrics, and nothing else" {
    [ "$(id -u)" = 0 ] || skip_because "only root can become another user"
    make_database tracker.db
    backup
    chmod 755 . "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR"
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    as_nobody grep -q '^torrust_backup_sets 1$' store/.state/torrust_backup.prom
    run ! as_nobody ls store
    run ! as_nobody ls store/.state
    run ! as_nobody cat store/.state/last-run.json
    run ! as_nobody cat "store/$(sets)/manifest.json"
}

@test "a set is synced before it is renamed, and the store after" {
    make_database tracker.db
    ASAN_OPTIONS=detect_leaks=0 strace -f -y -e trace=fsync,rename,renameat,renameat2 -o calls \
        "$engine" backup --sqlite tracker.db --store store
    set=$(sets)
    renamed=$(grep -n "rename.*\.$set\.new.*\"$set\"" calls | cut -d: -f1)
    for name in database.db.zst manifest.json SHA256SUMS proof.json; do
        [ "$(grep -n "fsync.*$name" calls | head -n 1 | cut -d: -f1)" -lt "$renamed" ]
    done
    [ "$(grep -n "fsync.*$set\.new>" calls | tail -n 1 | cut -d: -f1)" -lt "$renamed" ]
    tail -n +"$renamed" calls | grep -q 'fsync.*/store>'
}

@test "the hook's protocol: pause, copy, release, done" {
    make_database tracker.db
    write_config
    run -0 with_hook --config engine.yml
    [ "$(grep '^@' <<<"$output")" = "@files
@hold pause
@release
@done 0" ]
    grep -v '^@' <<<"$output" | jq -e 'has("time") and has("run") and has("phase") and has("level")' >/dev/null
    set=$(sets)
    [ "$(jq -r .capture.method "store/$set/manifest.json")" = pause ]
    [ "$(zstd -qdc "store/$set/config.tar.zst" | tar -xO .env)" = A=1 ]
    [ "$(jq -c .config_missing "store/$set/manifest.json")" = '["missing.toml"]' ]
    [ "$(jq -r .run_id "store/$set/manifest.json")" = "$(jq -r .run store/.state/last-run.json)" ]
    grep -q '^torrust_backup_last_exit_status 0$' store/.state/torrust_backup.prom
}

@test "a database that the tracker does not have open is not saved: it is another one" {
    make_database tracker.db
    write_config
    run -2 with_hook --config engine.yml "@files=files 1:2 3:4"
    [ "$(grep '^@' <<<"$output" | sort -u | tr '\n' ' ')" = "@done 2 @files " ]
    [[ $output == *"not on the database '$PWD/tracker.db'"*"has 2 other files open"*"restart it"* ]]
    [ -z "$(sets)" ]
}

@test "where the tracker's open files cannot be seen, that is said, and the backup is made" {
    make_database tracker.db
    write_config
    run -0 with_hook --config engine.yml "@files=failed unknown request"
    [[ $output == *'"warning"'*"could not look"*"unknown request"* ]]
    run -0 with_hook --config engine.yml "@files=files" # it does not run
    [[ $output != *"could not look"* ]]
}

@test "odd files among the configuration cost themselves, not the backup" {
    make_database tracker.db
    write_config
    sed -i 's/paths: .*/paths: [.env, etc, link.env]}/' engine.yml
    mkdir root/etc other
    echo SECRET >other/app.env
    ln -s ../other/app.env root/link.env
    mkfifo root/etc/pipe
    mkfifo "$(printf 'root/etc/a\n\033[2Jb')"
    run -0 with_hook --config engine.yml
    [[ $output == *'"warning"'*"link.env: the link alone is saved: it leads out"* ]]
    [ "$(jq -r '.config_missing[]' "store/$(sets)/manifest.json" | grep -c .)" = 3 ]
    [[ $output != *$'\033'* ]]
    [ "$(zstd -qdc "store/$(sets)/config.tar.zst" | grep -ac SECRET)" = 0 ]
    rm -r store/2*
    truncate -s 8T root/etc/core
    run -3 with_hook --config engine.yml
    [[ $output == *"has the database, but not all configuration files"*"etc/core: not saved"* ]]
    "$engine" check --store store
    [ "$(zstd -qdc "store/$(sets)/config.tar.zst" | tar -xO .env)" = A=1 ]
}

@test "the hook's protocol: refusals, forced methods, a stopped tracker, one that does not come back" {
    make_database tracker.db
    write_config
    run -0 with_hook --config engine.yml "@hold pause=failed no freezer"
    [ "$(grep '^@' <<<"$output" | tr '\n' ' ')" = "@files @hold pause @hold stop @release @done 0 " ]
    run -1 with_hook --config engine.yml --method pause "@hold pause=failed no freezer"
    [ "$(grep '^@' <<<"$output" | tr '\n' ' ')" = "@files @hold pause @done 1 " ]
    run -0 with_hook --config engine.yml --method stop
    [ "$(grep '^@' <<<"$output" | tr '\n' ' ')" = "@files @hold stop @release @done 0 " ]
    run -0 with_hook --config engine.yml "@hold pause=held was-stopped"
    [[ $output == *"was not running before, and was left so"* ]]
    run -20 with_hook --config engine.yml "@release=failed it exited"
    [[ $output == *"@done 20" ]]
    [ "$(jq .exit_status store/.state/last-run.json)" = 20 ]
    [ "$(sets | wc -l)" = 4 ] # that one is good, and kept
}

@test "hold: never: the hook is asked for nothing, and what would need it is refused" {
    make_database tracker.db 200 wal
    write_config
    sed -i 's/^method: .*/&\nhold: never/' engine.yml
    run -0 with_hook --config engine.yml
    [[ $output == *"@done 0"* && $output != *@hold* ]]
    [ "$(jq -r .capture.method "store/$(sets)/manifest.json")" = hot ]
    for words in "--method stop" "--journal-mode delete"; do
        # shellcheck disable=SC2086 # a list of words
        run -2 with_hook --config engine.yml $words
        [[ $output == *"'hold: never' rules out"* && $output != *@hold* ]]
    done
    sqlite3 tracker.db 'PRAGMA journal_mode=delete' >/dev/null
    run -2 with_hook --config engine.yml
    [[ $output == *"the database allows no backup without a hold: hot: "*'"fix":'*"without 'hold: never'"* ]]
    [[ $output != *@hold* ]]
    [ "$(sets | wc -l)" = 1 ]
}

@test "the hook's protocol: a dead hook ends the run at once" {
    make_database tracker.db
    write_config
    run -130 with_hook --config engine.yml "@hold pause=EOF"
    run -130 with_hook --config engine.yml "@release=EOF"
    [ -z "$(sets)$(hidden)" ]
}

@test "with the hook every end is told: usage, configuration, an empty database" {
    run -2 with_hook --config nowhere.yml
    [[ $output == *'"name":"CONFIG"'*"@done 2" ]]
    run -2 with_hook --frob
    [[ $output == *"@done 2" ]]
    make_database tracker.db
    write_config
    : >tracker.db
    run -1 with_hook --config engine.yml
    [[ $output != *"@hold"* ]]
    [[ $output == *"0 bytes"*"@done 1" ]]
    sed -i "s|driver: sqlite3, path: [^}]*|driver: mysql, env_file: $PWD/root/.env|" engine.yml
    run -2 with_hook --config engine.yml
    [[ $output == *root/.env*"@done 2" ]]
}

@test "confined as in the container it works as no root and no system user, and a link does not choose for it" {
    [ "$(id -u)" = 0 ] || skip_because "needs root"
    make_database tracker.db
    write_config
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
    cp "$engine" ./engine
    confined() {
        setpriv --bounding-set -all,+dac_read_search,+setuid,+setgid --inh-caps -all ./engine "$@" </dev/null
    }
    for owner in 0 999 65534; do
        chown -R "$owner" store
        run -2 confined backup --hook --config engine.yml
        [[ $output != *@hold* ]]
        [[ $output == *"belongs to"*"($owner)"*"chown -Rh"* ]]
        run -2 confined list --store store
    done
    chown -R 1234 store
    run -0 confined list --store store
    # Who may write in a folder above the store may not lead it to the store of another.
    mkdir -p others/real
    mv store others/real/store
    ln -s real others/led
    chown -h 1234 others others/led
    sed -i "s|^store: .*|store: $PWD/others/led/store|" engine.yml
    run -2 confined backup --hook --config engine.yml
    [[ $output == *"over a link"* ]]
}

@test "as root with three capabilities it reads all, becomes the store's owner, and keeps no privilege" {
    [ "$(id -u)" = 0 ] || skip_because "needs root"
    make_database tracker.db
    write_config
    echo SECRET=1 >root/.env
    chmod 600 root/.env
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    chmod 755 "$BATS_RUN_TMPDIR"/*
    mkdir data
    mv tracker.db data/
    sed -i "s|/tracker.db|/data/tracker.db|" engine.yml
    chown -R 1234:1235 data store
    cp "$engine" ./engine
    run -0 python3 - "$PWD/engine" <<'END'
import re, subprocess, sys
run = subprocess.Popen(["setpriv", "--bounding-set", "-all,+dac_read_search,+setuid,+setgid", "--inh-caps", "-all",
                        sys.argv[1], "backup", "--hook", "--config", "engine.yml"],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for line in run.stdout:
    if line.startswith("@hold"):
        wanted = "Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs"
        lines = re.findall(rf"(?:{wanted}):[^\n]*", open(f"/proc/{run.pid}/status").read())
        print(re.sub(r"\s+", " ", " ".join(lines)))
        run.stdin.write("held\n")
    elif line.startswith("@release"):
        run.stdin.write("released\n")
    elif line.startswith("@files"):
        run.stdin.write("files\n")
    elif not line.startswith("@done 0"):
        continue
    run.stdin.flush()
sys.exit(run.wait())
END
    none=0000000000000000
    [[ $output == *"Uid: 1234 1234 1234 1234 Gid: 1235 1235 1235 1235 Groups: CapInh: $none"* ]]
    [[ $output == *"CapPrm: $none CapEff: $none CapAmb: $none NoNewPrivs: 1"* ]]
    [ -z "$(find store ! -user 1234)" ]
    [ "$(zstd -qdc "store/$(sets)/config.tar.zst" | tar -xO .env)" = SECRET=1 ]
}
