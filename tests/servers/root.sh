# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The root file systems of the database servers, from Debian packages, and in each a database directory that is
# initialised already. Sourced by `server`.
#
# A folder in the cache for each kind, named by a hash of the recipe. Servers run in it with chroot, as uid 999, on
# folders of their own below /srv.

SERVER_UID=999 # as in the official images
declare -A SUITE=([mariadb]=trixie [mysql]=sid)
declare -A PACKAGES=(
    [mariadb]='mariadb-server-core mariadb-client-core'
    [mysql]='mysql-server-core mysql-client-core'
)
# Only their files are taken: what they depend on is for administrators.
declare -A UNPACKED=([mariadb]='mariadb-server mariadb-client')
declare -A TITLE=([mariadb]='MariaDB (Debian 13)' [mysql]='MySQL (Debian unstable)')

server_root() {
    local recipe
    recipe=$(declare -p SERVER_UID SUITE PACKAGES UNPACKED
        declare -f server_root_make server_root_unpack server_root_trim server_template_make)
    printf '%s/server-%s-%s\n' "$CACHE" "$1" "$(sha256sum <<<"$1 $recipe" | cut -c1-12)"
}

server_root_build() {
    local path
    path=$(server_root "$1")
    build_once "$path" "${TITLE[$1]} (about a minute)" "$SERVER_HOME/server" _make-root "$1"
    prune_unused "$path" "$CACHE/server-$1-"*
}

server_root_make() {
    local kind=$1 root=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || die "the keyring of Debian is missing: apt-get install debian-archive-keyring"
    timeout 900 debootstrap --variant=minbase --keyring="$keyring" --include="${PACKAGES[$kind]// /,}" "${SUITE[$kind]}" \
        "$root" "$(root_fs_mirror)"
    [ -z "${UNPACKED[$kind]:-}" ] || server_root_unpack "$root" "${UNPACKED[$kind]}"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
    server_root_trim "$root"
    if ! chroot "$root" id mysql; then
        chroot "$root" groupadd -g "$SERVER_UID" mysql
        chroot "$root" useradd -M -u "$SERVER_UID" -g mysql -d /nonexistent -s /usr/sbin/nologin mysql
    fi
    mkdir -p "$root/srv"
    server_template_make "$kind" "$root"
}

server_root_unpack() {
    local root=$1 packages=$2
    apt-config dump | grep -E '^Acquire::(http|https)::Proxy' >"$root/etc/apt/apt.conf.d/proxy" || true
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    # shellcheck disable=SC2016,SC2086 # expanded in the root; a list of packages
    timeout 900 chroot "$root" sh -ec 'cd /tmp && apt-get update && apt-get download "$@"
        for package in *.deb; do dpkg-deb -x "$package" /tmp/unpacked; done' sh $packages
    cp -a "$root/tmp/unpacked/usr/." "$root/usr/"
    rm -rf "$root"/tmp/* "$root/etc/apt/apt.conf.d/proxy"
}

server_root_trim() {
    rm -rf "$1"/usr/share/{doc,man,locale,info,lintian} "$1"/etc/mysql
    # The names of either kind for either: tests and health checks say mysqladmin.
    local name
    for name in admin dump; do
        [ -e "$1/usr/bin/mysql$name" ] || ln -s "mariadb-$name" "$1/usr/bin/mysql$name"
    done
    [ -e "$1/usr/bin/mysql" ] || ln -s mariadb "$1/usr/bin/mysql"
    [ -e "$1/usr/sbin/mysqld" ] || ln -s mariadbd "$1/usr/sbin/mysqld"
}

# With root@localhost, who has no password; each server gives it one at its first start.
server_template_make() {
    local kind=$1 root=$2 template=/srv/.template/data
    install -d -o "$SERVER_UID" -g "$SERVER_UID" "$root/srv/.template"
    case $kind in
    mariadb) timeout 300 chroot --userspec="$SERVER_UID:$SERVER_UID" --groups= "$root" mariadb-install-db --no-defaults \
        --datadir="$template" --auth-root-authentication-method=normal --skip-test-db --force --innodb-log-file-size=16M ;;
    mysql) timeout 300 chroot --userspec="$SERVER_UID:$SERVER_UID" --groups= "$root" mysqld --no-defaults \
        --initialize-insecure --datadir="$template" --innodb-redo-log-capacity=16M ;;
    esac
    rm -f "$root$template/auto.cnf" # the server's identity
}

# Those of older recipes that no test used in two days (another checkout may have another recipe), and in which no
# server runs. The one to keep is marked as asked for.
prune_unused() {
    local keep=$1 path
    shift
    touch "$keep"
    for path; do
        if [ "$path" != "$keep" ] && [ -n "$(find "$path" -maxdepth 0 -mmin +2880 2>/dev/null)" ] &&
            ! server_root_is_used "$path"; then
            rm -rf --one-file-system "$path"
        fi
    done
}

server_root_is_used() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/root" 2>/dev/null)" != "$1" ] || return 0
    done
    return 1
}
