# SPDX-License-Identifier: MIT
# A REST server for restic at this end of a machine's cable, which outlives the machine. For a test's setup_file:
# export TBK_REST_PASSWORD.
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by common.bash

rest_port=8765

host_ip() { cat "$("$vm" path "$1")/host_ip"; }
# All that is stored is in one folder, whichever machine it is served to.
serve_rest() { # MACHINE [OPTION...]
    mkdir -p "$BATS_FILE_TMPDIR/repository" "$BATS_FILE_TMPDIR/rest-$1"
    ln -sfn "$BATS_FILE_TMPDIR/repository" "$BATS_FILE_TMPDIR/rest-$1/data"
    TBK_OFFSITE_ADDRESS=$(host_ip "$1") "$source_dir/tests/offsite/server" start rest "$BATS_FILE_TMPDIR/rest-$1" $rest_port "${@:2}"
}
stop_rest() { "$source_dir/tests/offsite/server" stop "$BATS_FILE_TMPDIR/rest-$1"; }

# rest_options MACHINE: the section 'offsite' for it, to which lines may be added.
rest_options() { printf 'offsite:\n  repository: rest:http://%s:%s/torrust\n' "$(host_ip "$1")" $rest_port; }
# rest_secrets PASSWORD: of the repository, with those of the server.
rest_secrets() {
    printf "RESTIC_PASSWORD='%s'\nRESTIC_REST_USERNAME=operator\nRESTIC_REST_PASSWORD='%s'\n" "$1" "$TBK_REST_PASSWORD"
}
