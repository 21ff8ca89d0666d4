# SPDX-License-Identifier: MIT
# What the tests share that follow a document to the letter.
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by common.bash and by the tests

# install_programs NAME...: the machine has no way to Debian's packages, so they come from here, with their shared objects.
install_programs() {
    local root program target
    root=$("$vm" path "$machine")/root
    target=$root/opt/programs
    mkdir -p "$target"
    for program; do
        cp "$(command -v "$program")" "$target/$program.program"
        ldd "$(command -v "$program")" | grep -o '/[^ ]*' | xargs -I '{}' cp -L '{}' "$target/"
        printf '#!/bin/sh\nexec /opt/programs/%s --library-path /opt/programs /opt/programs/%s.program "$@"\n' \
            "$(basename "$(ldd "$(command -v "$program")" | grep -o '/[^ ]*ld-linux[^ ]*')")" "$program" \
            >"$root/usr/local/bin/$program"
        chmod 0755 "$root/usr/local/bin/$program"
        on_vm "$program" --version >/dev/null
    done
}

# blocks PATTERN: the shell blocks of the sections of $document whose headings match.
blocks() {
    awk -v wanted="$1" '/^## / { in_section = $0 ~ wanted }
        /^```/ { inside = in_section && $0 == "```sh"; next }
        inside { print }' "$document"
}
