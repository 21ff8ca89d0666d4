#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sets that are listed without a VM: those of a folder, also one that someone has tampered with; and all environments,
# of which one that cannot be reached costs its own line only.

bats_require_minimum_version 1.5.0
load common

setup() {
    make_workspace
    engine=$TBK_BUILD/bin/torrust-backup-engine
    fetched=$BATS_TEST_TMPDIR/fetched
    sqlite3 "$BATS_TEST_TMPDIR/t.db" 'CREATE TABLE torrents (info_hash TEXT); INSERT INTO torrents VALUES (1), (2);'
    "$engine" backup --sqlite "$BATS_TEST_TMPDIR/t.db" --store "$fetched" --quiet
    set=$(basename "$fetched"/2*)
}

@test "a folder of this machine is listed as a store is, and nothing is asked of a VM" {
    run -0 --separate-stderr tb list minimal --from "$fetched" --output-format json
    [ "$(jq -r '.sets[0].id, .from, .sets[0].proof' <<<"$output" | xargs)" = "$set $fetched restored" ]
    # But for where it is looked at from, as the engine says it.
    [ "$(jq -S 'del(.from)' <<<"$output")" = "$("$engine" list --store "$fetched" --output json | jq -S .)" ]
    cd "$BATS_TEST_TMPDIR"
    run -0 --separate-stderr "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" list minimal --from ./fetched
    [[ ${lines[0]} == "ENVIRONMENT "*"SET "*"PROOF" ]]
    [[ ${lines[1]} == "- "*"$set "*"full "*"restored" ]]
    mkdir empty
    run -0 tb list minimal --from "$BATS_TEST_TMPDIR/empty"
    [[ $output == *"There is no backup set yet."* ]]
    run -10 tb list minimal --from "$BATS_TEST_TMPDIR/nowhere"
    run -2 tb list minimal --from nowhere
    [[ $output == *"nowhere that a set could come from"* ]]
}

@test "a folder that someone has tampered with neither ends the list nor reaches the terminal" {
    local others=(20200101T000000Z 20200102T000000Z 20200103T000000Z 20200104T000000Z 20200105T000000Z 20200106T000000Z)
    for other in "${others[@]:0:4}"; do cp -a "$fetched/$set" "$fetched/$other"; done
    sed -i "s/$set/${others[0]}/; s|\"environment\": *[^,]*|\"environment\": \"x\\\\u001b[2J\\\\u202ey\"|" "$fetched/${others[0]}/manifest.json"
    rm "$fetched/${others[1]}/manifest.json"
    mkfifo "$fetched/${others[1]}/manifest.json"
    head -c 200000 /dev/zero | tr '\0' '[' >"$fetched/${others[2]}/manifest.json"
    truncate -s 1T "$fetched/${others[3]}/manifest.json"
    ln -s / "$fetched/${others[4]}"
    : >"$fetched/${others[5]}"
    mkdir "$fetched/"$'\e[2J'
    run -0 --separate-stderr tb list minimal --from "$fetched"
    printf '%q\n' "$output"
    [ "${#lines[@]}" = 8 ]
    [[ $output == *"$set "*"full "*"restored"* ]]
    [[ $output == *$'\nx\\x1b[2J\\u202ey '*"${others[0]}"* ]]
    [[ $output != *$'\e'* && $output != *$'\u202e'* ]]
    for other in "${others[@]:1}"; do grep -q "^- *$other  *- " <<<"$output"; done
}

@test "what does not go together is refused" {
    refused() {
        run -2 --separate-stderr tb list "${@:2}"
        # shellcheck disable=SC2154 # bats sets it
        [[ $stderr == Error:*"$1"*Fix:* ]]
        [ -z "$output" ]
    }
    refused "all environments are wanted, and 'minimal' is named" minimal --all-environments
    refused "listed anyway" minimal --all-environments --from "$fetched"
    refused "'offsite:old' names one environment" minimal --all-environments --from offsite:old
    refused "no environment is named" --all-environments --from offsite
    refused "no environment is named"
    refused "no option of a single one" --all-environments --ssh-host 192.0.2.1
    refused "no option of a single one" --all-environments --mode sidecar
    refused "there is no environment here" --all-environments --working-dir "$BATS_TEST_TMPDIR"
}

@test "each environment with a backup has its line, also one that cannot be reached" {
    run -0 tb list --all-environments
    [[ $output == "No environment here has a backup." ]]
    for name in one two; do
        mkdir "$workspace/data/$name"
        sed "s/\"minimal\"/\"$name\"/" "$workspace/data/minimal/environment.json" >"$workspace/data/$name/environment.json"
    done
    # Nobody listens at port 1.
    printf 'ssh: {host: 127.0.0.1, port: 1}\n' >"$workspace/envs/one.backup.yml"
    printf 'keep_days: never\n' >"$workspace/envs/two.backup.yml"
    printf 'keep_days: 7\n' >"$workspace/envs/gone.backup.yml" # the deployer knows no such environment
    run --separate-stderr tb list --all-environments
    echo "$status $output $stderr"
    [ "$status" != 0 ]
    [ "${#lines[@]}" = 3 ]
    [[ ${lines[1]} == "one "*"NOT LISTED: "* ]]
    [[ ${lines[2]} == "two "*"NOT LISTED: "*keep_days* ]]
    [[ $stderr == *"2 of 2 environments could not be listed; 'one': "*Fix:* ]]
    run --separate-stderr tb list --all-environments --output-format json
    [ "$(jq -r '.environments | map(.environment, .error.exit_status, (.sets | length)) | join(" ")' <<<"$output")" = \
        "one $status 0 two 2 0" ]
}
