#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Wrong arguments and unusable SSH keys: exit status 2, what is wrong and how to fix it, nothing written, no host contacted.

bats_require_minimum_version 1.5.0
load common
load ../skip

setup() {
    make_workspace
    keys=$BATS_TEST_TMPDIR/keys
    mkdir "$keys"
    find "$workspace" | sort >"$BATS_TEST_TMPDIR/before"
}

# refused WORDS ARGUMENT...: ends with 2, says the words and a fix on standard error, nothing on standard output.
refused() {
    local words=$1
    shift
    run --separate-stderr tb "$@"
    # shellcheck disable=SC2154 # bats sets it
    printf '%s: %s\n%s\n' "$*" "$status" "$stderr"
    [ "$status" = 2 ]
    [ -z "$output" ]
    [[ $stderr == Error:*"$words"*Fix:* ]]
    find "$workspace" | sort | cmp - "$BATS_TEST_TMPDIR/before"
}

@test "no command, an unknown one, none or two environments" {
    refused "no command"
    refused "no command 'backup'" backup minimal
    refused "no environment" render
    refused "no environment" status --output-format json
    refused "also 'second'" render minimal second
    refused "'version' takes no environment" version minimal
    refused "no command 'nonsense'" help nonsense
}

@test "an unknown option, one without its argument, one with an empty argument" {
    refused "no option '--retain'" render minimal --retain 7
    refused "no option '-x'" render minimal -x
    refused "no option '--dry-run=5'" render minimal --dry-run=5
    refused "missing for '--ssh-port'" render minimal --ssh-port
    refused "empty for 'working-dir'" render minimal --working-dir ''
    refused "empty for 'ssh-key'" render minimal --ssh-key=
}

@test "fetch and extract need a set, and a folder" {
    refused "which set is to be fetched" fetch minimal --to fetched
    refused "where is the set to be put" fetch minimal --set latest
    refused "which set is to be extracted" extract minimal --from ./fetched --to plain
    refused "on this machine" extract minimal --set latest --to plain
    refused "on this machine" extract minimal --set latest --to plain --from offsite
    refused "where is the set to be put" extract minimal --set latest --from ./fetched
    refused "nowhere that a set could come from" fetch minimal --set latest --to fetched --from nowhere
}

@test "options that do not go with the command are not ignored silently" {
    refused "--dry-run goes with 'render', 'configure' and 'restore', not with 'status'" status minimal --dry-run
    refused "not with 'list'" list minimal --fetch-all
    refused "--keep goes with 'verify', not with 'fetch'" fetch minimal --keep ./fetched
    refused "not with 'configure'" configure minimal --wait-for-cron
    refused "not with 'plan'" plan minimal --dry-run
    refused "--method goes with 'run', not with 'verify'" verify minimal --method stop
    refused "--journal-mode goes with 'run', not with 'plan'" plan minimal --journal-mode wal
    refused "and 'rescue', not with 'render'" render minimal --ssh-host 192.0.2.1
    refused "not with 'version'" version --working-dir .
    refused "not with 'help'" help --mode window
}

# help_options PROGRAM [COMMAND]: the options that its help shows, one a line, each with its argument.
help_options() { "$TBK_BUILD/bin/$1" help ${2+"$2"} | sed -nE 's/^  --([a-z-]+) ([A-Z=]*) .*/\1 \2/p'; }

# own_options PROGRAM COMMAND: those of them that are not common to all commands.
own_options() { "$TBK_BUILD/bin/$1" help "$2" | sed -nE '/^Common options/q; s/^  --([a-z-]+) .*/\1/p' | sort | xargs; }

@test "help of a command shows that command's options" {
    local vm="host-key mode options ssh-host ssh-key ssh-port ssh-program ssh-user working-dir"
    while read -r command options; do
        echo "$command: $(own_options torrust-backup "$command")"
        # shellcheck disable=SC2086 # words
        [ "$(own_options torrust-backup "$command")" = "$(printf '%s\n' $options | sort | xargs)" ]
        [ "$(help_options torrust-backup "$command" | cut -d' ' -f1 | tail -n 6 | xargs)" = \
            "output-format plugin no-color verbose version help" ]
    done <<END
render dry-run mode options working-dir
plan $vm
configure $vm dry-run
verify $vm fetch-all keep offsite wait-for-cron
run $vm journal-mode method profile
restore $vm dry-run forget-kept from set
list $vm all-environments from
status $vm
acknowledge $vm
offsite $vm action
fetch $vm from set to
extract from mode options set to working-dir
rescue $vm from rehearse set
version
help
END
    while read -r command options; do
        echo "$command: $(own_options torrust-backup-engine "$command")"
        [ "$(own_options torrust-backup-engine "$command")" = "$options" ]
    done <<END
backup boot config hook journal-mode keep-days keep-last level log method profile rate-limit-mib rule sqlite store
list config store
check config set store
prove config level set store
restore config dry-run forget-kept from hook set
extract config set store to
plan config sqlite store
serve config port
health port show
acknowledge config store
offsite config log name set
outbound config
version
END
    run "$TBK_BUILD/bin/torrust-backup-engine" backup --help
    [ "$output" = "$("$TBK_BUILD/bin/torrust-backup-engine" help backup)" ]
    run -2 "$TBK_BUILD/bin/torrust-backup-engine" help bakcup
}

@test "each command takes the options that its help shows, and refuses all others by name" {
    local commands="render plan configure verify run restore list status acknowledge offsite fetch extract rescue version" count=0
    cd "$BATS_TEST_TMPDIR"
    help_options torrust-backup | grep -v -e '^help ' -e '^version ' -e '^plugin ' >options
    for command in $commands; do
        environment=$([ "$command" = version ] || echo minimal)
        [ "$command" != offsite ] || environment="list minimal"
        help_options torrust-backup "$command" >taken
        while read -r option argument; do
            value=${argument:+22}
            [ "$option" != output-format ] || value=json
            [ "$option" != action ] || value=list
            # A plugin that is not there: what is taken ends with 1 before anything is done.
            # shellcheck disable=SC2086 # none or one
            run "$TBK_BUILD/bin/torrust-backup" "$command" $environment --plugin nowhere.so "--$option" $value
            echo "$command --$option: $output"
            if grep -q "^$option " taken; then
                [ "$status" = 1 ]
                [[ $output == *nowhere.so* ]]
            else
                [ "$status" = 2 ]
                [[ $output == "Error: --$option goes with '"*", not with '$command'"*"Fix:   see 'torrust-backup help $command'" ]]
            fi
            count=$((count + 1))
        done <options
    done
    [ $count = 378 ]
}

# possible COMMAND OPTION: a value that the engine takes.
possible() {
    case $1:$2 in
    prove:level) echo checksums ;;
    *:profile) echo full ;;
    *:method) echo auto ;;
    *:journal-mode) echo wal ;;
    *:rule) echo keys=none ;;
    *:show) echo metrics ;;
    *:log | *:output) echo json ;;
    *) echo 5 ;;
    esac
}

@test "each command of the engine takes the options that its help shows, and refuses all others by name" {
    local commands="backup list check prove restore extract plan serve health acknowledge offsite outbound version" count=0
    cd "$BATS_TEST_TMPDIR"
    help_options torrust-backup-engine | grep -v '^help ' | sort -u -k1,1 >options
    for command in $commands; do
        help_options torrust-backup-engine "$command" >taken
        while read -r option argument; do
            # An unknown option after it: what is taken ends with that.
            run -2 "$TBK_BUILD/bin/torrust-backup-engine" "$command" "--$option" \
                ${argument:+"$(possible "$command" "$option")"} --nonsense
            echo "$command --$option: $output"
            if grep -q "^$option " taken; then
                [[ $output == *"unknown option '--nonsense'"* ]]
            else
                [[ $output == *"--$option goes with '"*", not with '$command'"*"'torrust-backup-engine help $command'"* ]]
            fi
            count=$((count + 1))
        done <options
    done
    [ $count = 312 ]
}

@test "values out of range, unknown words" {
    for port in 0 65536 -1 22x '' 99999999999999999999; do
        refused "" plan minimal --ssh-port "$port"
    done
    refused "text or json" render minimal --output-format yaml
    refused "'telnet' is unknown" plan minimal --ssh-program telnet
    refused "is not a host" plan minimal --ssh-host '-oProxyCommand=x'
    refused "is not a user name" plan minimal --ssh-user 'a b'
    for method in warm PAUSE 'stop; id' "stop'" --hook; do
        refused "'$method' is unknown; known are: auto, hot, reflink, snapshot, pause, stop" run minimal --method "$method"
    done
    for mode in off WAL 'as it is' '$(id)'; do
        refused "'$mode' is unknown; known are: wal, delete" run minimal --journal-mode "$mode"
    done
    refused "UTF-8" plan minimal --ssh-host $'\xff'
}

@test "a working directory without workspace, options and plugin that are not there" {
    refused "does not exist" render minimal --working-dir /nonexistent
    refused "nowhere.yml" render minimal --options nowhere.yml
    run tb render minimal --plugin nowhere.so
    [ "$status" = 1 ]
    [[ $output == *nowhere.so*Fix:* ]]
}

@test "a key that is missing, empty, too open, encrypted, cut off, public, no key at all" {
    ssh-keygen -q -t ed25519 -N '' -f "$keys/open"
    chmod 644 "$keys/open"
    ssh-keygen -q -t ed25519 -N secret -f "$keys/encrypted"
    ssh-keygen -q -t rsa -m PEM -N secret -f "$keys/encrypted-pem"
    (umask 077 && : >"$keys/empty" && head -c 150 "$keys/encrypted" >"$keys/cut" && echo hello >"$keys/text")
    unset SSH_AUTH_SOCK
    for command in plan configure verify run list status; do
        refused "'$keys/missing'" $command minimal --ssh-key "$keys/missing"
    done
    refused "is empty" configure minimal --ssh-key "$keys/empty"
    refused "can be read by others (mode 0644)" configure minimal --ssh-key "$keys/open"
    refused "is encrypted" configure minimal --ssh-key "$keys/encrypted"
    refused "is encrypted" configure minimal --ssh-key "$keys/encrypted-pem"
    refused "damaged or cut off" configure minimal --ssh-key "$keys/cut"
    refused "is a public key" configure minimal --ssh-key "$keys/open.pub"
    refused "not a private key" configure minimal --ssh-key "$keys/text"
    refused "not a regular file" configure minimal --ssh-key "$keys"
}

@test "a key that its user may not read" {
    [ "$(id -u)" = 0 ] || skip_because "needs root, to become another user"
    ssh-keygen -q -t ed25519 -N '' -f "$keys/roots"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/* "$BATS_TEST_TMPDIR" "$keys"
    # A copy, for the other user may not reach the folder where it was built.
    mkdir "$BATS_TEST_TMPDIR/copy"
    cp -r "$TBK_BUILD"/bin "$TBK_BUILD"/lib*/ "$TBK_BUILD"/share "$BATS_TEST_TMPDIR/copy/"
    run setpriv --reuid 65534 --regid 65534 --clear-groups \
        sh -c "cd '$workspace' && '$BATS_TEST_TMPDIR/copy/bin/torrust-backup' status minimal --ssh-key '$keys/roots'"
    echo "$output"
    [[ $output == *"Permission denied"* ]]
    [ "$status" = 2 ]
    [[ $output == *"$keys/roots"*Fix:* ]]
}

@test "a relative key is one of the working directory" {
    ssh-keygen -q -t ed25519 -N secret -f "$keys/encrypted"
    cd "$keys"
    run "$TBK_BUILD/bin/torrust-backup" status minimal --working-dir "$workspace" --ssh-key encrypted
    [ "$status" = 2 ]
    [[ $output == *"'$keys/encrypted' is encrypted"* ]]
}

@test "help and version need no workspace, and go to standard output" {
    cd /
    for arguments in help "help verify" "verify --help" -h version --version; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr "$TBK_BUILD/bin/torrust-backup" $arguments
        [ "$status" = 0 ]
        [[ $output == *torrust-backup* ]]
        [ -z "$stderr" ]
    done
}

@test "help tells of plan and of run's options" {
    run -0 "$TBK_BUILD/bin/torrust-backup" help
    [[ $output == *"  plan "*"changes nothing"*"--method METHOD"*"--journal-mode MODE"*"torrust-backup plan my-env"* ]]
    run -0 "$TBK_BUILD/bin/torrust-backup" help plan
    [[ $output == *"Usage: torrust-backup plan ENVIRONMENT"*"another address of the VM (example: "* ]]
}

@test "no line of a command's help has more than 100 columns" {
    for command in render plan configure verify run restore list status acknowledge version help; do
        "$TBK_BUILD/bin/torrust-backup" help "$command"
    done >"$BATS_TEST_TMPDIR/help"
    for command in backup list check prove restore plan serve health acknowledge version; do
        "$TBK_BUILD/bin/torrust-backup-engine" help "$command"
    done >>"$BATS_TEST_TMPDIR/help"
    grep -q '(example: ' "$BATS_TEST_TMPDIR/help"
    run ! grep -E '^.{101}' "$BATS_TEST_TMPDIR/help"
}

@test "a dry run of render says so, and writes nothing" {
    run --separate-stderr tb render minimal --dry-run
    [ "$status" = 0 ]
    [[ $output == *"Nothing was written"*crontab* ]]
    tb render minimal --dry-run --output-format json | python3 -c 'import json, sys; assert json.load(sys.stdin)["dry_run"]'
    find "$workspace" | sort | cmp - "$BATS_TEST_TMPDIR/before"
}

@test "a result that cannot be written is an error" {
    run sh -c "cd '$workspace' && '$TBK_BUILD/bin/torrust-backup' render minimal --dry-run >/dev/full"
    [ "$status" = 1 ]
    [[ $output == *"standard output"* ]]
}
