# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The container image of a server: its programs out of the root file system with the shared objects that they need, a
# database directory that is initialised, and an entry script of ours. Sourced by `server`.

IMAGE_PROGRAMS=(/usr/sbin/mysqld /usr/bin/mysql /usr/bin/mysqladmin /usr/bin/mysqldump)
IMAGE_APPLETS=(sh cat chmod chown cp id kill ls mkdir mv ps rm sed sleep)
declare -A IMAGE_FILES=(
    [mariadb]='/usr/share/mariadb/english /usr/share/mariadb/charsets /usr/lib/mysql/plugin/auth_ed25519.so'
    [mysql]='/usr/share/mysql/english /usr/share/mysql/charsets /usr/lib/mysql/plugin/component_reference_cache.so'
)
# Other names of the same programs, as the packages of either have them.
declare -A IMAGE_LINKS=([mariadb]='mariadb-admin:mysqladmin mariadb-dump:mysqldump mariadb:mysql' [mysql]='')

# server_image KIND FILE [--name NAME]: made once for each state of the sources, then copied.
server_image() {
    local kind=${1:-} output=${2:-} name=mysql:8.4 root cached builder=$SERVER_HOME/../../plugin/image/build
    check_kind "$kind"
    [[ $output = *.tar.gz ]] || die "server: image KIND FILE.tar.gz [--name NAME]"
    shift 2
    if [ $# -gt 0 ]; then
        { [ "$1" = --name ] && [ $# = 2 ]; } || die "server: unknown option '$1' of image"
        name=$2
    fi
    server_root_build "$kind"
    root=$(server_root "$kind")
    cached=$CACHE/server-image-$kind-$({ echo "$root $name" && cat "$SERVER_HOME"/{image,users,entry}.sh "$builder"; } |
        sha256sum | cut -c1-12)
    if [ ! -e "$cached/image.tar.gz" ]; then
        echo "Building the image $name of ${TITLE[$kind]} (half a minute): $cached" >&2
        (
            set -e
            work=$(mktemp -d "$CACHE/server-image.XXXXXX")
            trap 'rm -rf --one-file-system "$work"' EXIT
            server_image_stage "$kind" "$root" "$work/stage"
            "$builder" --name "$name" --output "$work/image.tar.gz" --add "$work/stage=/" \
                --program /bin/busybox=/bin/busybox --entrypoint /bin/busybox --entrypoint sh --entrypoint /entry.sh \
                --command mysqld --env PATH=/usr/sbin:/usr/bin:/bin --env KIND="$kind"
            rm -rf --one-file-system "$work/stage"
            chmod 0755 "$work"
            mv -T "$work" "$cached" 2>/dev/null || [ -d "$cached" ] # another one may have been faster
        )
    fi
    prune_unused "$cached" "$CACHE/server-image-$kind-"*
    mkdir -p "$(dirname "$output")"
    cp --reflink=auto "$cached/image.tar.gz" "$output"
}

server_image_stage() {
    local kind=$1 root=$2 stage=$3 file applet link
    mkdir -p "$stage"/{bin,etc,run,tmp,var/lib/mysql,usr/bin,usr/sbin}
    for file in "${IMAGE_PROGRAMS[@]}"; do
        cp -L "$root$file" "$stage$file"
        server_image_add_libraries "$root" "$stage" "$file"
    done
    for file in ${IMAGE_FILES[$kind]}; do
        mkdir -p "$stage${file%/*}"
        cp -rL "$root$file" "$stage$file"
    done
    # What the clients load only when a server asks for it.
    [ "$kind" != mariadb ] || server_image_add_client_plugins "$root" "$stage"
    for applet in "${IMAGE_APPLETS[@]}"; do
        ln -s busybox "$stage/bin/$applet"
    done
    for link in ${IMAGE_LINKS[$kind]}; do
        ln -s "${link#*:}" "$stage/usr/bin/${link%:*}"
    done
    cp -a "$root/srv/.template/data" "$stage/template"
    ln -s ../run "$stage/var/run"
    printf 'root:x:0:0:root:/:/bin/sh\nmysql:x:%d:%d::/:/bin/sh\n' "$SERVER_UID" "$SERVER_UID" >"$stage/etc/passwd"
    ln -s ../run "$stage/var/run"
    printf 'root:x:0:\nmysql:x:%d:\n' "$SERVER_UID" >"$stage/etc/group"
    cp "$SERVER_HOME"/{entry,users}.sh "$stage/"
    chmod 1777 "$stage/tmp"
}

server_image_add_libraries() {
    local root=$1 stage=$2 file=$3 library
    for library in $(chroot "$root" ldd "$file" | sed -nE 's#^[^/]*(/[^ ]+) \(0x[0-9a-f]+\)$#\1#p'); do
        mkdir -p "$stage${library%/*}"
        cp -Lu "$root$library" "$stage$library"
    done
}

server_image_add_client_plugins() {
    local root=$1 stage=$2 plugin
    for plugin in $(chroot "$root" find /usr/lib -path '*/libmariadb3/plugin/*.so'); do
        mkdir -p "$stage${plugin%/*}"
        cp -L "$root$plugin" "$stage$plugin"
        server_image_add_libraries "$root" "$stage" "$plugin"
    done
}
