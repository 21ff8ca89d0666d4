# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Says what this machine lacks to run virtual machines, one line each. Sourced by `vm`.

CHECK_FREE_BYTES=$((6 * 1024 * 1024 * 1024))

check_all() {
    local lacking=0
    if [ "$(id -u)" != 0 ]; then
        echo "root: namespaces, mounts and loop devices need it; run this as root"
        return 1
    fi
    check_tools || lacking=1
    check_kernel || lacking=1
    check_disk || lacking=1
    return "$lacking"
}

check_tools() {
    local tool lacking=0
    for tool in debootstrap ip iptables unshare nsenter setpriv setsid flock findmnt mountpoint mkfs.ext4 ssh scp \
        ssh-keygen pivot_root truncate python3 jq curl sqlite3; do
        command -v "$tool" >/dev/null && continue
        echo "$tool: the program is missing; run: tests/install-packages vm"
        lacking=1
    done
    return "$lacking"
}

check_kernel() {
    local lacking=0 probe=tbk-check-$$
    check_one "namespaces (mount, process, host name, IPC, cgroup, network)" unshare -m -p -u -i -C -n --fork true ||
        lacking=1
    check_one "overlay file system" unshare -m sh -c \
        'mount -t tmpfs t /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m &&
         mount -t overlay -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w,volatile o /mnt/m' || lacking=1
    check_one "loop devices" losetup -f || lacking=1
    check_one "virtual Ethernet pairs" unshare -n ip link add "${probe:0:12}" type veth peer name p || lacking=1
    check_one "bridges" unshare -n ip link add "${probe:0:12}" type bridge || lacking=1
    check_one "iptables with address translation" unshare -n iptables -t nat -L -n || lacking=1
    check_one "cgroups, writable" check_cgroups || lacking=1
    check_one "the systemd of Debian 13 needs capability sys_admin" setpriv --bounding-set \
        "$MACHINE_CAPABILITIES" unshare -m true || lacking=1
    return "$lacking"
}

check_one() {
    local what=$1 said
    shift
    said=$("$@" 2>&1) && return
    echo "$what: not usable here ($(echo "$said" | tail -n 1))"
    return 1
}

check_cgroups() {
    local top found=no
    for top in $(cgroup_roots); do
        found=yes
        mkdir "$top/tbk-check-$$" && rmdir "$top/tbk-check-$$" || return 1
    done
    [ "$found" = yes ] || { echo "no cgroup hierarchy is mounted"; return 1; }
}

check_disk() {
    local free
    mkdir -p "$CACHE"
    free=$(df --output=avail -B1 "$CACHE" | tail -n 1)
    [ "$free" -ge "$CHECK_FREE_BYTES" ] && return
    echo "disk: $CACHE has $((free / 1024 / 1024)) MiB free, $((CHECK_FREE_BYTES / 1024 / 1024)) are needed"
    return 1
}
