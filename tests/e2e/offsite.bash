# SPDX-License-Identifier: MIT
# What the tests of off-site copies share: the REST server, and a workspace that names it.
# shellcheck shell=bash
# shellcheck disable=SC2154 # common.bash sets the rest

load "$source_dir/tests/e2e/rest"

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
    } >"$workspace/envs/$environment.backup.yml"
}
write_secrets() {
    (umask 077 && rest_secrets "${1:-$secret}" >"$workspace/envs/$environment.offsite.env")
}
# The action, on the environment.
offsite() { (cd "$workspace" && timeout 600 "$backup" offsite "$1" "$environment"); }

# The repository as restic sees it, without anything of ours.
by_restic() { RESTIC_PASSWORD=$secret "$restic" -r "$BATS_FILE_TMPDIR/repository/torrust" --no-cache "$@"; }

# commands_of_the_page SECTION OLD NEW: those in this section of docs/disaster.md, one a line, for these environments.
commands_of_the_page() {
    awk -v title="## $1." '/^## / { here = index($0, title) == 1 } /^```/ { code = here && $0 == "```sh"; next } code' \
        "$source_dir/docs/disaster.md" | sed "s/\<OLD\>/$2/g; s/\<NEW\>/$3/g"
}
# as_the_page_says COMMAND: where the page wants it to be given.
as_the_page_says() { (cd "$workspace" && PATH=${backup%/*}:$PATH timeout 600 bash -c "$1" </dev/null); }
