#!/bin/bash
# SPDX-License-Identifier: MIT
# Turns the new namespaces into a machine and becomes its systemd. Started by `machine_boot`, never by hand.
#
# Usage: inside.sh ROOT DOCKER_DIR CAPABILITIES NAME CGROUPS
# Ends with status 1 before systemd starts if any mount fails: a machine with half its mounts would write to the host.
set -euo pipefail
root=$1 docker_dir=$2 capabilities=$3 name=$4 cgroups=$5 # v1 or v2; from here it can't be seen

make_dev() {
    local dev=$root/dev node
    mount -t tmpfs -o mode=0755,nosuid,size=1m dev "$dev"
    while read -r node major minor; do
        mknod -m 0666 "$dev/$node" c "$major" "$minor"
    done <<'NODES'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
NODES
    mkdir "$dev/pts" "$dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev,size=256m shm "$dev/shm"
    ln -s pts/ptmx "$dev/ptmx"
    ln -s /proc/self/fd "$dev/fd"
    ln -s fd/0 "$dev/stdin"
    ln -s fd/1 "$dev/stdout"
    ln -s fd/2 "$dev/stderr"
}

# Kernel settings belong to the host: only those of the network are the machine's own.
make_proc() {
    local proc=$root/proc
    mount -t proc -o nosuid,nodev,noexec proc "$proc"
    mount --bind "$proc/sys/net" "$proc/sys/net"
    mount --bind "$proc/sys" "$proc/sys"
    mount --bind "$proc/sys/net" "$proc/sys/net"
    mount -o remount,bind,ro "$proc/sys"
    if [ -e "$proc/sysrq-trigger" ]; then
        mount --bind /dev/null "$proc/sysrq-trigger"
    fi
    # A boot of this machine is not a boot of the host: give it an id of its own, as every boot has.
    cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
    mount --bind "$root/run/boot_id" "$proc/sys/kernel/random/boot_id"
}

make_cgroups() {
    local top=$root/sys/fs/cgroup controllers
    if [ "$cgroups" = v2 ]; then
        mount -t cgroup2 cgroup "$top"
        return
    fi
    mount -t tmpfs -o mode=0755,size=1m cgroup "$top"
    while IFS=: read -r _ controllers _; do
        case $controllers in
        '') mkdir "$top/unified" && mount -t cgroup2 cgroup "$top/unified" ;;
        name=*) mkdir "$top/${controllers#name=}" &&
            mount -t cgroup -o "none,$controllers" cgroup "$top/${controllers#name=}" ;;
        *) mkdir "$top/$controllers" && mount -t cgroup -o "$controllers" cgroup "$top/$controllers" ;;
        esac
    done </proc/self/cgroup
    if [ ! -d "$top/systemd" ]; then
        mkdir "$top/systemd"
        mount -t cgroup -o none,name=systemd cgroup "$top/systemd"
    fi
}

mount --make-rprivate /
mount --rbind "$root" "$root"
mount --bind "$docker_dir" "$root/var/lib/docker"
mount -t tmpfs -o mode=0755,nosuid,nodev,size=256m run "$root/run"
mkdir -p "$root/run/lock"
make_dev
make_proc
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
make_cgroups
hostname "$name"

cd "$root"
pivot_root . .host
umount -l /.host
cd /
# Without the bounding set, `date -s` and `reboot` in the machine would reach the host.
exec setpriv --bounding-set "$capabilities" --inh-caps -all \
    env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /usr/lib/systemd/systemd </dev/null
