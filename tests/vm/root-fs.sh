# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Builds the root file system that all virtual machines share, once per machine. Sourced by `vm`.
#
# A folder in the cache, named by a hash of the recipe below: a changed recipe builds anew, and a half built one never
# has its final name. It is never mounted writable; each machine puts its own disk above it.

ROOT_FS_SUITE=trixie
ROOT_FS_PACKAGES=(
    systemd-sysv dbus openssh-server cron sudo logrotate procps    # a server
    docker.io docker-cli docker-compose iptables iproute2          # what the deployer installs
    ca-certificates python3 unattended-upgrades                    # what its playbooks expect to find
)
ROOT_FS_MASKED=(
    apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
    systemd-timesyncd.service systemd-resolved.service systemd-udevd.service systemd-udev-trigger.service
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-binfmt.service
    getty.target console-getty.service e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
    sys-kernel-config.mount sys-kernel-debug.mount dev-hugepages.mount dev-mqueue.mount
    tmp.mount # files in /tmp count against the size of the disk
)

root_fs_path() {
    local recipe
    recipe=$(declare -p ROOT_FS_SUITE ROOT_FS_PACKAGES ROOT_FS_MASKED; declare -f root_fs_make root_fs_configure)
    printf '%s/root-fs-%s-%s\n' "$CACHE" "$ROOT_FS_SUITE" "$(sha256sum <<<"$recipe" | cut -c1-12)"
}

root_fs_build() {
    local path
    path=$(root_fs_path)
    [ ! -d "$path" ] || return 0
    build_once "$path" "the root file system of the virtual machines (Debian 13, about a minute)" \
        "$VM_HOME/vm" _make-root-fs
    root_fs_prune
}

root_fs_make() {
    local root=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(root_fs_mirror)
    [ -e "$keyring" ] || die "the keyring of Debian is missing: apt-get install debian-archive-keyring"
    timeout 900 debootstrap --variant=minbase --keyring="$keyring" "$ROOT_FS_SUITE" "$root" "$mirror"
    mount -t proc proc "$root/proc"

    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no daemon starts in the chroot
    chmod 0755 "$root/usr/sbin/policy-rc.d"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
    apt-config dump | grep -E '^Acquire::(http|https)::Proxy' >"$root/etc/apt/apt.conf.d/proxy" || true
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    local -a in_root=(timeout 900 chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C
        PATH=/usr/sbin:/usr/bin:/sbin:/bin)
    "${in_root[@]}" apt-get update
    "${in_root[@]}" apt-get install -y --no-install-recommends "${ROOT_FS_PACKAGES[@]}"
    "${in_root[@]}" apt-get clean

    # Without sources the deployer's playbooks do not wait for mirrors that the machine can't reach.
    rm -rf "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/* "$root/etc/apt/apt.conf.d/proxy" \
        "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root/etc/dpkg/dpkg.cfg.d/unsafe-io" \
        "$root"/etc/ssh/ssh_host_*
    : >"$root/etc/machine-id"
    : >"$root/etc/resolv.conf"
    root_fs_configure "$root"
    umount "$root/proc"
}

root_fs_configure() {
    local root=$1 unit
    for unit in "${ROOT_FS_MASKED[@]}"; do
        ln -sfn /dev/null "$root/etc/systemd/system/$unit"
    done
    chroot "$root" systemctl enable ssh.service cron.service docker.service
    ln -sfn multi-user.target "$root/etc/systemd/system/default.target"
    # Keys only, never root. Refused logins must not lock out the next test, which has the same address.
    cat >"$root/etc/ssh/sshd_config.d/test-machine.conf" <<'CONF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
PerSourcePenalties no
UseDNS no
CONF
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nReadKMsg=no\nAudit=no\n' \
        >"$root/etc/systemd/journald.conf.d/test-machine.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    mkdir -p "$root/etc/docker" "$root/var/lib/docker" "$root/.host"
}

# Trees of older recipes, and what a killed build left; not while a machine still stands on one.
root_fs_prune() {
    local path current
    current=$(root_fs_path)
    for path in "$CACHE/root-fs-"*; do
        if [ "$path" != "$current" ] && ! grep -qsF "$path" /proc/mounts; then
            rm -rf --one-file-system "$path"
        fi
    done
}
