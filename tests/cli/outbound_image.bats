#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The image that takes backup sets off-site: what is in it, that it works, and where its restic comes from.
bats_require_minimum_version 1.5.0 # for `run -N`, `run !`
load ../skip

image=$TBK_BUILD/share/torrust-backup/torrust-backup-outbound
get_restic=$TBK_SOURCE/plugin/image/restic

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

needs_image() { [ -e "$image.json" ] || skip_because "this build makes no image that takes sets off-site"; }
layer() { tar xzOf "$image.tar.gz" --wildcards '*/layer.tar'; }
config() { tar xzOf "$image.tar.gz" "$(jq -r .id "$image.json").json"; }

# make_package FOLDER VERSION: as Debian's, with a script in the place of restic.
make_package() {
    local architecture
    architecture=$(dpkg --print-architecture)
    mkdir -p "$1" package/DEBIAN package/usr/bin
    printf 'Package: restic\nVersion: %s-1\nArchitecture: %s\nMaintainer: nobody\nDescription: a stand-in\n' \
        "$2" "$architecture" >package/DEBIAN/control
    make_program package/usr/bin/restic "$2"
    dpkg-deb --root-owner-group -b package "$1/restic_$2-1_$architecture.deb" >/dev/null
}

make_program() { # FILE VERSION
    printf '#!/bin/sh\necho "restic %s compiled with go1.24.4 on linux/amd64"\n' "$2" >"$1"
    chmod 0755 "$1"
}

@test "in the image are its three programs, their shared objects, certificates, a link, and nothing else" {
    needs_image
    layer | tar tvf - >list
    awk '$1 !~ /^[dl]/ {sub(/.*\//, "", $NF); print $NF}' list | sort >files
    {
        printf '%s\n' torrust-backup-engine restic ssh ca-certificates.crt
        for program in "$TBK_BUILD/bin/torrust-backup-engine" "$TBK_BUILD/outbound/restic" /usr/bin/ssh; do
            ldd "$program" | sed -nE 's#.*/([^/ ]+) \(0x.*#\1#p'
        done
    } | sort -u | diff - files
    # As programs none but these.
    awk '$1 ~ /^-..x/ {print $NF}' list | grep -v '/ld-linux' | sort |
        diff - <(printf '%s\n' torrust-backup-engine usr/bin/restic usr/bin/ssh)
    [ "$(awk '$1 ~ /^l/ {print $(NF - 2), $(NF - 1), $NF}' list)" = 'etc/passwd -> /run/passwd' ]
    run ! grep -v ' 0/0 .* 1970-01-01 00:00 ' list
}

@test "the image starts the engine, as root, and finds its programs" {
    needs_image
    [ "$(jq -r .tag "$image.json")" = "torrust-backup-outbound:$(jq -r '.id[0:12]' "$image.json")" ]
    config | jq -e '.config | .Entrypoint == ["/torrust-backup-engine"] and .Cmd == [] and .User == "0:0"
        and .Env == ["PATH=/usr/bin"]'
    engine_image=$TBK_BUILD/share/torrust-backup/torrust-backup-engine.json
    [ "$(config | jq -r '.config.Labels."org.opencontainers.image.version"')" = "$(jq -r .version "$engine_image")" ]
}

@test "restic, ssh and the engine run with nothing but the image" {
    needs_image
    [ "$(id -u)" = 0 ] || skip_because "needs root, for chroot"
    mkdir root && layer | tar xf - -C root
    mkdir root/dev root/run root/tmp
    install -m 0666 /dev/null root/dev/null # a file is enough for ssh, and chroot has no devices
    in_image() { env -i PATH=/usr/bin RESTIC_PASSWORD=secret "$chroot" --userspec=1234:1234 root "$@"; }
    chroot=$(command -v chroot)
    chmod 1777 root/tmp

    [[ $(in_image restic version) =~ ^restic\ 0\.(1[89]|[2-9][0-9])\. ]]
    in_image restic --no-cache -r /tmp/repository init
    run -0 in_image /torrust-backup-engine version

    # ssh asks for the name of its uid, which the service writes to where the link points.
    run ! in_image ssh -V
    [[ $output = *"No user exists for uid 1234"* ]]
    echo 'outbound:x:1234:1234::/:/none' >root/run/passwd
    run -0 in_image ssh -V
    [[ $output = OpenSSH_* ]]
    # restic finds it by PATH; nobody is at that port.
    run ! in_image restic --no-cache -r sftp:user@127.0.0.1:/repository -o sftp.args=-oPort=9 init
    echo "$output"
    # Its words are lost where restic ends before it has read them; that it ran and ended is said always.
    [[ $output = *"subprocess ssh:"* || $output = *"error receiving version packet from server"* ]]
}

@test "the same input makes the same image" {
    needs_image
    ln -s /run/passwd passwd
    "$TBK_SOURCE/plugin/image/build" --name torrust-backup-outbound --version "$(jq -r .version "$image.json")" \
        --program "$TBK_BUILD/bin/torrust-backup-engine=/torrust-backup-engine" \
        --program "$TBK_BUILD/outbound/restic=/usr/bin/restic" --program /usr/bin/ssh=/usr/bin/ssh \
        --add /etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt --add "$PWD/passwd=/etc/passwd" \
        --env PATH=/usr/bin --output again.tar.gz
    cmp again.tar.gz "$image.tar.gz"
    cmp again.json "$image.json"
}

@test "a package that is there is taken without a network" {
    make_package cache 0.18.3
    "$get_restic" --output out/restic --cache cache --mirror http://127.0.0.1:9/debian
    [[ $(out/restic version) = 'restic 0.18.3 '* ]]
    [ out/restic -nt cache ] # not as old as the package's content is
    "$get_restic" --output cache/restic --mirror http://127.0.0.1:9/debian # it lies beside the output
    cmp out/restic cache/restic

    echo damaged >"$(echo cache/*.deb)"
    run ! "$get_restic" --output none --cache cache
    [[ $output = *"the package is damaged; remove it"* ]]
    [ ! -e none ]
}

@test "without a network it says what else there is" {
    run ! "$get_restic" --output none --mirror http://127.0.0.1:9/debian
    [[ $output = *"could not be fetched from 'http://127.0.0.1:9/debian', in three tries"* ]]
    [[ $output = *"--restic PATH, or cmake -DTBK_RESTIC=PATH"*"-DTBK_OUTBOUND_IMAGE=OFF"* ]]
    [ -z "$(ls)" ]
}

@test "a package that Debian has not signed is refused" {
    sum() { sha256sum <"$1" | cut -c 1-64; }
    packages=dists/trixie/main/binary-$(dpkg --print-architecture)/Packages
    make_package mirror/pool 0.18.3
    (
        cd mirror
        package=$(echo pool/*.deb)
        mkdir -p "$(dirname "$packages")"
        { dpkg-deb -f "$package" && printf 'Filename: %s\nSize: %s\nSHA256: %s\n' "$package" \
            "$(stat -c %s "$package")" "$(sum "$package")"; } >"$packages"
        printf 'Suite: trixie\nCodename: trixie\nDate: %s\nArchitectures: %s\nComponents: main\nSHA256:\n %s %s %s\n' \
            "$(date -uR)" "$(dpkg --print-architecture)" "$(sum "$packages")" "$(stat -c %s "$packages")" \
            "${packages#dists/trixie/}" >dists/trixie/Release
    )
    run ! "$get_restic" --output none --mirror "file:$PWD/mirror"
    [[ $output = *"is not signed"*"could not be fetched"* ]]
    [ ! -e none ]
}

@test "a restic that is too old, or none at all, is refused" {
    make_program old 0.17.3
    run ! "$get_restic" --output none --restic old
    [[ $output = *"'old' is too old: restic 0.18 or newer is needed, not 0.17.3"* ]]
    make_package cache 0.14.0
    run ! "$get_restic" --output none --cache cache
    [[ $output = *"is too old"*0.14.0* ]]
    run ! "$get_restic" --output none --restic absent
    [[ $output = *"there is no program 'absent'"* ]]
    run ! "$get_restic" --output none --restic /bin/true
    [[ $output = *"does not say which version"* ]]
    run ! "$get_restic" --output none --restic /bin/false
    [[ $output = *"does not run on this machine"* ]]
    run ! "$get_restic" --output none --architecture mips
    [[ $output = *"amd64 or arm64"* ]]
    [ ! -e none ]

    make_program newer 1.2.0
    "$get_restic" --output taken --restic newer
    cmp newer taken
}
