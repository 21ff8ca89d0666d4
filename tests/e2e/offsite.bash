# SPDX-License-Identifier: MIT
# What the tests of off-site copies share: a REST server at this end of a machine's cable, and a workspace that names it.
# shellcheck shell=bash
# shellcheck disable=SC2154 # common.bash sets the rest

port=8765
secret=planted-repository-password
user_secret=planted-server-password

get_restic() {
    export TBK_REST_PASSWORD=$user_secret
    tools=$("$source_dir/tests/offsite/tools")
    export restic=$tools/bin/restic
}

host_ip() { cat "$("$vm" path "$1")/host_ip"; }
# All that is stored is in one folder, whichever machine it is served to.
serve_rest() {
    mkdir -p "$BATS_FILE_TMPDIR/repository" "$BATS_FILE_TMPDIR/rest-$1"
    ln -sfn "$BATS_FILE_TMPDIR/repository" "$BATS_FILE_TMPDIR/rest-$1/data"
    TBK_OFFSITE_ADDRESS=$(host_ip "$1") "$source_dir/tests/offsite/server" start rest "$BATS_FILE_TMPDIR/rest-$1" $port "${@:2}"
}
stop_rest() { "$source_dir/tests/offsite/server" stop "$BATS_FILE_TMPDIR/rest-$1"; }

# write_options [LINE...]: more of the section 'offsite'.
write_options() {
    {
        printf 'offsite:\n  repository: rest:http://%s:%s/torrust\n' "$(host_ip "$machine")" $port
        [ $# = 0 ] || printf '  %s\n' "$@"
    } >"$workspace/envs/standin.backup.yml"
}
write_secrets() {
    (umask 077 && printf "RESTIC_PASSWORD='%s'\nRESTIC_REST_USERNAME=operator\nRESTIC_REST_PASSWORD='%s'\n" "${1:-$secret}" \
        "$user_secret" >"$workspace/envs/standin.offsite.env")
}
# The action, on the environment.
offsite() { (cd "$workspace" && timeout 600 "$backup" offsite "$1" standin); }
