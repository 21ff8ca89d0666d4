#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Bad input in the workspace: exit status 2, an error with a place and a fix, nothing written, nothing crashed.

bats_require_minimum_version 1.5.0
load common

setup() {
    make_workspace
    state=$workspace/data/minimal/environment.json
}

# refused WORD... [-- ENVIRONMENT]: rendering ends with 2, says each word, and writes nothing.
refused() {
    words=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    run --separate-stderr timeout 120 "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render "${2-minimal}"
    # shellcheck disable=SC2154 # bats sets it
    printf '%s\n' "$stderr"
    [ "$status" = 2 ]
    [[ $stderr == *Error:* ]]
    for word in "${words[@]}"; do [[ $stderr == *"$word"* ]]; done
    [ ! -e "$workspace/build" ]
}

# change EXPRESSION: a Python expression on the state's inputs ('inputs') or the document ('document').
change() {
    python3 - "$state" "$1" <<'END'
import json, sys
path, statement = sys.argv[1:]
document = json.load(open(path))
[context] = [value["context"] for value in document.values()]
inputs = context["user_inputs"]
database = inputs["tracker"]["core"]["database"]
def rename(name):
    [old] = list(document)
    document[name] = document.pop(old)
exec(statement)
json.dump(document, open(path, "w"))
END
}

options() { printf '%s\n' "$1" >"$workspace/envs/minimal.backup.yml"; }

@test "the sample itself is fine" {
    "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal
    [ -e "$workspace/build/minimal/torrust-backup/engine.yml" ]
}

@test "state missing, empty, half-written, garbage" {
    good=$(cat "$state")
    rm "$state"
    refused "does not exist" Fix:
    : >"$state"
    refused environment.json
    printf %s "${good:0:400}" >"$state"
    refused environment.json
    head -c 4000 /dev/urandom >"$state"
    refused environment.json
    head -c 3000000 /dev/zero | tr '\0' '[' >"$state"
    refused environment.json
    head -c 5000 /dev/zero | tr '\0' '[' >"$state"
    refused environment.json
    printf '{"Running": {"context": null}, "Running": {}}' >"$state"
    refused environment.json
    rm "$state"
    mkdir "$state"
    refused environment.json
}

@test "states without a VM, and one nobody knows" {
    for name in Created Provisioning ProvisionFailed Destroying DestroyFailed Destroyed; do
        change "rename('$name')"
        refused "$name" Fix:
    done
    change "rename('Flying')"
    refused "'Flying' is unknown" Running Fix:
}

@test "wrong types, unknown driver" {
    change "inputs['ssh_port'] = '22'"
    refused "'user_inputs.ssh_port' must be a whole number"
    change "inputs['ssh_port'] = 22; database['driver'] = 'postgres'"
    refused "'postgres' is unknown" "sqlite3, mysql" Fix:
    change "database['driver'] = ['sqlite3']"
    refused "must be text"
}

@test "names that climb" {
    for name in ../../etc/shadow .. . '' a/b; do
        change "database['config']['database_name'] = '$name'"
        refused database_name
    done
    change "database['config']['database_name'] = 'a\\0b'"
    refused environment.json
    change "database['config']['database_name'] = 'a\\nb'"
    refused database_name
    for name in ../minimal . .. /etc a/b 'a b' Minimal; do
        refused "is not an environment's name" -- "$name"
    done
}

@test "an address that would be an option of ssh" {
    change "context['runtime_outputs']['instance_ip'] = '-oProxyCommand=touch /tmp/x'"
    refused "is not a host" Fix:
    change "context['runtime_outputs']['instance_ip'] = None"
    refused "'runtime_outputs.instance_ip' is missing"
    change "context['runtime_outputs']['instance_ip'] = '192.0.2.1'; inputs['ssh_credentials']['ssh_username'] = '-l root'"
    refused "is not a user name" Fix:
}

@test "what the deployer takes unchecked: schedule and retention" {
    change "inputs['backup'] = {'schedule': '99 99 99 99 99', 'retention_days': 7}"
    refused "user_inputs.backup.schedule of the deployer's state" "'99' is not possible as minute" "options file"
    change "inputs['backup'] = {'schedule': '  0 3 31 2 *  ', 'retention_days': 7}"
    refused "never due"
    change "inputs['backup'] = {'schedule': '0 3 * * *', 'retention_days': 4294967295}"
    refused "user_inputs.backup.retention_days of the deployer's state" "options file"
}

@test "options: unknown, out of range, of the wrong type" {
    options 'keepdays: 7'
    refused minimal.backup.yml:1: "unknown key 'keepdays'" keep_days Fix:
    options 'keep_days: 0'
    refused minimal.backup.yml:1: "'keep_days': 0" Fix:
    options $'method: pause\nschedule: "0 25 * * *"'
    refused minimal.backup.yml:2: "'25' is not possible as hour" Fix:
    options 'schedule: "0 0 30 2 *"'
    refused "never due" Fix:
    options 'keep_days: "seven"'
    refused "must be a whole number"
    options 'ssh: {key: ~/.ssh/id_ed25519}'
    refused "not an absolute path" Fix:
    options 'store: /opt/torrust/storage/tracker/backup'
    refused "not for backups" Fix:
    options '{'
    refused minimal.backup.yml
}

@test "methods: those of the database, and in the sidecar or with hold: never none that holds the tracker" {
    options 'mode: sidecar'
    "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal >/dev/null
    [ "$(cd "$workspace/build/minimal/torrust-backup" && echo *.yml torrust-backup-* crontab* logrotate*)" = \
        "compose.yml engine.yml torrust-backup-aid crontab* logrotate*" ]
    rm -r "$workspace/build"
    options "$(printf 'mode: sidecar\nmethod: pause')"
    refused "the method pause holds the tracker" "method: auto"
    options "$(printf 'hold: never\nmethod: stop')"
    refused "the method stop holds the tracker" "hold: when_needed"
    options 'method: snapshot'
    refused "the method snapshot is for MySQL; this environment has SQLite"
    options 'database_tls: required'
    refused "is for MySQL; this environment has SQLite"
    options 'mode: cron'
    refused "minimal.backup.yml:1" "the mode 'cron' is unknown; known are: window, sidecar"
    cp "$TBK_SOURCE/tests/golden/mysql/environment.json" "$state"
    change 'inputs["name"] = "minimal"'
    options "$(printf 'mode: sidecar\nmethod: snapshot\ndatabase_tls: required')"
    "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal >/dev/null
    rm -r "$workspace/build"
    options 'method: hot'
    refused "the method hot is for SQLite; this environment has MySQL" snapshot
    options "$(printf 'mode: sidecar\nmethod: stop')"
    refused "the method stop holds the tracker"
    options 'method: stop'
    run -2 "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal --mode sidecar
    rm "$workspace/envs/minimal.backup.yml"
    run -2 "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal --mode both
    [ ! -e "$workspace/build" ]
}
