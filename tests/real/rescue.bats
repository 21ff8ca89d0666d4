# SPDX-License-Identifier: MIT
# The day that the VM is gone, with the published deployer and tracker: a machine that served is destroyed, and another
# one is deployed from nothing under another name and with other passwords. From there on docs/disaster.md is followed
# word by word. SQLite comes back from restic, MySQL from a folder into which the set was fetched before.

bats_require_minimum_version 1.5.0
load ../e2e/common
load ../e2e/mysql
load ../e2e/offsite
load common

setup_file() {
    export workspace=$BATS_FILE_TMPDIR/workspace
    mkdir -p "$workspace/envs"
    make_home
    get_restic
}

teardown_file() {
    local machine
    for machine in rescue-{sqlite,mysql}-{old,new}; do
        stop_rest "$machine"
        stop_other "$machine"
    done
}

# What the next tests of this file need to know of this one is in $drill.
drill() { # DRIVER old|new
    driver=$1 drill=$BATS_FILE_TMPDIR/$1
    old=real-$driver new=real-$driver-new
    mkdir -p "$drill"
    machine=rescue-$driver-$2 environment=${!2}
}

# deploy OVERRIDE: the environment, from nothing to a tracker that runs.
deploy() {
    local template=$real/environment.json
    [ "$driver" != mysql ] || template="$real/environment-mysql.json"
    jq --arg name "$environment" '.environment.name = $name | .provider.profile_name = "torrust-profile-" + $name' \
        "$template" | jq "$1" >"$drill/$environment.json"
    "$real/deploy" "$machine" "$workspace" --env-file "$drill/$environment.json"
}

# --- what a tracker has ---

address() { cat "$("$vm" path "$machine")/ip"; }
database_file() { echo "$("$vm" path "$machine")/root$database"; }
api() { # METHOD PATH [JSON]
    curl -sSf -m 20 -X "$1" -H 'Content-Type: application/json' ${3+-d "$3"} \
        "http://$(address):1212/api/v1/$2?token=RealAdminToken"
}
# For good; on MySQL for a year: tracker 3.0.0 has no permanent keys there.
add_key() {
    local seconds=null
    [ "$driver" != mysql ] || seconds=31536000
    api POST keys "{\"key\": \"$1\", \"seconds_valid\": $seconds}"
}
query() {
    if [ "$driver" = mysql ]; then
        sql tracker -e "$1"
    else
        sqlite3 -readonly -tabs -nullvalue NULL -cmd '.timeout 20000' "$(database_file)" "$1"
    fi
}
keys() { query 'SELECT `key`, valid_until FROM `keys` ORDER BY `key`'; }
whitelist() { query 'SELECT info_hash FROM whitelist ORDER BY info_hash'; }

# Anything that a rehearsal could have changed.
state_of_the_database() {
    if [ "$driver" = mysql ]; then
        sql tracker -e 'CHECKSUM TABLE torrents, `keys`, whitelist; SHOW TABLES; SHOW DATABASES'
    else
        sha256sum "$(database_file)"*
    fi
}

# Every info-hash of which the old tracker confirmed a completion before the set's run began is there, with its count.
compare_with_promised() {
    local rows
    rows=$(database_file)
    if [ "$driver" = mysql ]; then
        rows=$BATS_TEST_TMPDIR/rows.tsv
        query 'SELECT info_hash, completed FROM torrents' >"$rows"
    fi
    "$real/compare" "$drill/record" "$rows" "$(cat "$drill/set")"
}

# announced KEY INFO-HASH: what the tracker answers to an announce over HTTP.
announced() {
    local peer='peer_id=-TB0001-000000000001&port=6881&uploaded=0&downloaded=0&left=0' info_hash
    info_hash=$(fold -w 2 <<<"$2" | sed 's/^/%/' | tr -d '\n')
    curl -sS -m 20 "http://$(address):7070/announce/$1?info_hash=$info_hash&$peer" | tr -d '\0'
}
serves() { [[ $(announced "$@") == *8:interval* ]]; }

# --- the story ---

old_key=ThisKeyIsOfAUserOfTheOldTracker0 new_key=ThisKeyWasMadeOnTheNewTrackerB40
listed=$(printf '5%.0s' {1..40})

# It serves, its users announce all the time, a backup goes off-site, and in the middle of the announces it is gone.
lose_the_old() {
    "$vm" start "$machine" --registry-mirror --disk 6G
    deploy .
    serve_rest "$machine"
    write_options
    write_secrets
    tb configure
    offsite init
    add_key "$old_key"
    api POST keys '{"key": null, "seconds_valid": 86400}'
    api POST "whitelist/$listed"
    api POST "whitelist/$(printf 'a%.0s' {1..40})"
    keys >"$drill/keys"
    whitelist >"$drill/whitelist"
    [ "$(cat "$drill/keys" "$drill/whitelist" | wc -l)" = 4 ]
    start_announcing
    tb verify
    newest >"$drill/set"
    [ "$driver" != mysql ] ||
        tb fetch --set latest --to "$workspace/fetched" --from "offsite:$environment"
    sleep 2
    "$vm" crash "$machine"
    stop_announcing
    cp "$BATS_TEST_TMPDIR/record" "$drill/record"
    stop_rest "$machine"
    "$vm" stop "$machine"
}

# from_the_page LINE: one of its commands for the new machine; where a set was fetched, with the change that it names.
from_the_page() {
    local command
    command=$(commands_of_the_page 2 "$old" "$new" | sed -n "$1p")
    [ "$driver" != mysql ] || command=${command/offsite:$old/./fetched}
    echo "$ $command"
    as_the_page_says "$command"
    cp "$workspace/build/$new/torrust-backup/last-${command:15:6}.json" "$drill/$1.json"
}
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Deployed, with a key of its own, so that it is seen which database it has; a rehearsal leaves it as it is.
rehearse_on_the_new() {
    local since before
    now_ms >"$drill/begin"
    "$vm" start "$machine" --registry-mirror --disk 6G
    deploy 'if .tracker.core.database.password then .tracker.core.database.password = "Other p@ss" else . end'
    now_ms >"$drill/deployed"
    [ "$(commands_of_the_page 2 OLD NEW | wc -l)" = 3 ]
    while read -r command; do as_the_page_says "$command"; done <<<"$(commands_of_the_page 1 "$old" "$new")"
    serve_rest "$machine"
    sed -i "s|//[0-9.]*:|//$(host_ip "$machine"):|" "$workspace/envs/$new.backup.yml" # each machine's cable has its own
    add_key "$new_key"
    before=$(state_of_the_database)
    since=$(on_vm date +%s)
    now_ms >"$drill/rehearsing"
    from_the_page 1
    now_ms >"$drill/rehearsed"
    [ "$(jq -c '[.complete, .rehearsal, .restore.set]' "$drill/1.json")" = "[true,true,\"$(cat "$drill/set")\"]" ]
    [ "$(state_of_the_database)" = "$before" ]
    [ -z "$(tracker_events "$since")" ]
    keys | grep -q "$new_key"
}

note_times() { # SERVING
    local times
    times=$(jq -nc --arg driver "$driver" --slurpfile rehearsal "$drill/1.json" --slurpfile rescue "$drill/2.json" \
        --argjson begin "$(cat "$drill/begin")" --argjson deployed "$(cat "$drill/deployed")" \
        --argjson rehearsing "$(cat "$drill/rehearsing")" --argjson rehearsed "$(cat "$drill/rehearsed")" \
        --argjson serving "$1" '
        def step($of; $name): $of[0].steps[] | select(.name == $name) | .duration_ms;
        def seconds: . / 100 | round / 10;
        {$driver,
         boot_to_serving_s: ($serving - $begin - ($rehearsing - $deployed) | seconds),
         without_rehearsal_s: ($serving - $begin - ($rehearsed - $deployed) | seconds),
         deploy_s: ($deployed - $begin | seconds),
         rehearsal: {configure_s: (step($rehearsal; "install") | seconds),
                     fetch_s: ($rehearsal[0].restore.fetch_ms | seconds),
                     prove_s: ($rehearsal[0].restore.prove_ms // 0 | seconds),
                     restore_s: ($rehearsal[0].restore.load_ms // 0 | seconds)},
         rescue: {configure_s: (step($rescue; "install") | seconds),
                  fetch_s: ($rescue[0].restore.fetch_ms | seconds),
                  prove_s: ($rescue[0].restore.prove_ms // 0 | seconds),
                  restore_s: (($rescue[0].restore.load_ms // 0) | seconds),
                  held_s: (($rescue[0].restore.held_ms // 0) | seconds),
                  healthy_s: ($rescue[0].restore.healthy_ms | seconds),
                  offsite_s: (step($rescue; "off-site") | seconds)}}')
    mkdir -p "$source_dir/build/tests"
    tee -a "$source_dir/build/tests/rescue.txt" <<<"$times" >&3
}

rescue_the_new() {
    from_the_page 2
    api GET stats | jq -e .completed
    note_times "$(now_ms)"
    [ "$(jq -c '[.complete, .rehearsal, .restore.set]' "$drill/2.json")" = "[true,false,\"$(cat "$drill/set")\"]" ]
    diff "$drill/keys" <(keys)
    diff "$drill/whitelist" <(whitelist)
    compare_with_promised
    announce_while sleep 3
    [ "$(jq '.confirmed > 100' "$BATS_TEST_TMPDIR/summary.json")" = true ]
    from_the_page 3
    [ "$(jq -c '[.proved, (.checks[] | select(.name == "off-site") | .state)]' "$drill/3.json")" = '[true,"ok"]' ]
    [ "$(by_restic snapshots --no-lock --json --host "$new" | jq -r '.[].paths[0] | split("/") | last')" = "$(newest)" ]
}

# The tracker reads both only where it is told to; the deployer's configuration never lists.
ask_as_users() {
    on_vm sed -i -E 's/^(private|listed) = false$/\1 = true/' /opt/torrust/storage/tracker/etc/tracker.toml
    on_vm docker restart -t 1 tracker >/dev/null
    wait_until 120 serves "$old_key" "$listed"
    run ! serves "$old_key" "$(printf 'b%.0s' {1..40})"
    run ! serves "$new_key" "$listed"
}

@test "SQLite: a tracker serves, its backup goes off-site, and its machine is gone" {
    drill sqlite old
    lose_the_old
}

@test "SQLite: another machine, by the page: a rehearsal from restic leaves the tracker and its database alone" {
    drill sqlite new
    rehearse_on_the_new
}

@test "SQLite: rescued, it serves the same keys, the same whitelist and every confirmed info-hash, and goes off-site" {
    drill sqlite new
    rescue_the_new
}

@test "SQLite: who had a key has one, and what was listed is listed" {
    drill sqlite new
    ask_as_users
    stop_rest "$machine"
    "$vm" stop "$machine"
}

@test "MySQL: a tracker serves, its backup goes off-site and is fetched, and its machine is gone" {
    drill mysql old
    lose_the_old
}

@test "MySQL: another machine, by the page: a rehearsal from what was fetched leaves tracker and database alone" {
    drill mysql new
    rehearse_on_the_new
}

@test "MySQL: rescued, it serves the same keys, the same whitelist and every confirmed info-hash, and goes off-site" {
    drill mysql new
    rescue_the_new
}

@test "MySQL: who had a key has one, and what was listed is listed" {
    drill mysql new
    ask_as_users
}
