# SPDX-License-Identifier: MIT
# The published deployer and the published tracker on MySQL, with a password that needs quoting wherever it passes.

bats_require_minimum_version 1.5.0
load ../e2e/common
load ../e2e/mysql
load common

setup_file() {
    export machine=srv-real-mysql workspace=$BATS_FILE_TMPDIR/workspace
    mkdir -p "$workspace/envs"
    make_home
    "$vm" start "$machine" --registry-mirror --disk 6G
}

tb() {
    local command=$1
    shift
    (cd "$workspace" && timeout "${limit:-300}" "$backup" "$command" real-mysql "$@")
}

deploy() { "$real/deploy" "$machine" "$workspace" --env-file "$real/environment-mysql.json" "$@"; }

# Every info-hash that was confirmed before the set's run began is in it, with its count; read after the server's own
# client loaded it into another schema.
compare_set() {
    on_vm cat "$store/$1/database.sql.zst" | zstd -dc >"$BATS_TEST_TMPDIR/dump.sql"
    sql -e "DROP DATABASE IF EXISTS by_hand; CREATE DATABASE by_hand"
    sql by_hand <"$BATS_TEST_TMPDIR/dump.sql"
    sql by_hand -e "SELECT info_hash, completed FROM torrents" >"$BATS_TEST_TMPDIR/restored.tsv"
    sql -e "DROP DATABASE by_hand"
    "$real/compare" "$BATS_TEST_TMPDIR/record" "$BATS_TEST_TMPDIR/restored.tsv" "$1"
}

@test "the deployer's own configure and our plugin in one process; after its run the first backup is proved" {
    deploy --until provisioned
    deploy --until configured --plugin "$(plugin)"
    deploy --until released
    deploy --until running --plugin "$(plugin)"
    [ "$(jq -r 'keys[0]' "$workspace/data/real-mysql/environment.json")" = Running ]
    [ "$(jq .proved "$workspace/build/real-mysql/torrust-backup/last-verify.json")" = true ]
    tb configure | grep -q 'Already in place'
}

@test "every confirmed info-hash is in the set, while a client announces, and the tracker was not stopped" {
    local life
    life=$(tracker_life)
    announce_while tb verify
    compare_set "$(newest)"
    [ "$(tracker_life)" = "$life" ]
    [ "$(jq '.longest_silence_ms < 1000 and .confirmed > 100' "$BATS_TEST_TMPDIR/summary.json")" = true ]
    no_schema_of_ours_is_left
}

@test "a run that cron fires is proved too" {
    announce_while tb verify --wait-for-cron
    compare_set "$(newest)"
}

@test "the same after the password was changed in .env and in the server" {
    local other='Other p#c%i@l/:?"&=\;' other_encoded='Other%20p%23c%25i%40l%2F%3A%3F"&=\;'
    # shellcheck disable=SC2016 # expanded in the machine
    on_vm env OTHER="$other" ENCODED="$other_encoded" python3 -c '
import os, re
path = "/opt/torrust/.env"
text = open(path, encoding="utf-8").read()
text = re.sub("(?m)^(TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH=.mysql://tracker_user:).*(@mysql:)",
              lambda m: m[1] + os.environ["ENCODED"] + m[2], text)
text = re.sub("(?m)^MYSQL_PASSWORD=.*", lambda m: "MYSQL_PASSWORD=" + chr(39) + os.environ["OTHER"] + chr(39), text)
open(path, "w", encoding="utf-8").write(text)'
    printf '%s\n' "ALTER USER tracker_user@'%' IDENTIFIED BY '${other//\\/\\\\}';" | sql
    on_vm sh -c 'cd /opt/torrust && docker compose up -d --no-deps tracker' >/dev/null 2>&1
    wait_until 120 sh_on_vm '[ "$(docker inspect -f "{{.State.Health.Status}}" tracker)" = healthy ]'
    announce_while tb verify
    compare_set "$(newest)"
    for secret in "$password" "$encoded" "$other" "$other_encoded"; do
        run ! grep -rF -- "$secret" "$workspace/build/real-mysql/torrust-backup"
        run ! on_vm grep -rlF -- "$secret" /opt/torrust-backup /etc/cron.d /usr/local/bin /var/log /var/lib/torrust-backup /tmp
    done
}

@test "the deployer's own test still passes" {
    (cd "$workspace" && "$cache/deployer/bin/torrust-tracker-deployer" --log-dir data/logs test real-mysql)
}
