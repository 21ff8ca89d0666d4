# SPDX-License-Identifier: MIT
# What the tests of off-site copies share: the REST server, and a workspace that names it.
# shellcheck shell=bash
# shellcheck disable=SC2154 # common.bash sets the rest

load rest

secret=planted-repository-password
user_secret=planted-server-password

get_restic() {
    export TBK_REST_PASSWORD=$user_secret
    tools=$("$source_dir/tests/offsite/tools")
    export restic=$tools/bin/restic
}

# write_options [LINE...]: more of the section 'offsite'.
write_options() {
    {
        rest_options "$machine"
        [ $# = 0 ] || printf '  %s\n' "$@"
    } >"$workspace/envs/standin.backup.yml"
}
write_secrets() {
    (umask 077 && rest_secrets "${1:-$secret}" >"$workspace/envs/standin.offsite.env")
}
# The action, on the environment.
offsite() { (cd "$workspace" && timeout 600 "$backup" offsite "$1" standin); }
