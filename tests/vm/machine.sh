# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# One machine: its disk, network, cgroups and processes. Sourced by `vm`, which sets RUN, CACHE, NAME and DIR.
#
# What exists on the host for a machine: the folder DIR with two mounts (disk, root), an image file in the cache, a
# network namespace, one end of a veth pair, a folder in each cgroup hierarchy and one process tree. Each step that
# takes one of them away is harmless when it was never made, so `stop` works after a start that died anywhere.

CLAIMS=/run/torrust-backup-tests.networks # one link a network in use, shared by all values of RUN
BOOT_LIMIT_S=300
STOP_LIMIT_S=120

# --- disk ---

# In memory, where there is plenty: what Docker and a backup sync to a disk, dozens of times a run, need not wait for it.
MEMORY_FOR_DISKS_KIB=$((8 << 20))
machine_disks() {
    local available_kib
    available_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    if [ "$available_kib" -ge "$MEMORY_FOR_DISKS_KIB" ] && [ "$(stat -f -c %T /dev/shm)" = tmpfs ]; then
        echo /dev/shm/torrust-backup-tests
    else
        echo "$CACHE/disks"
    fi
}

machine_disk_make() {
    local size=$1 fs=$2
    local disks
    disks=$(machine_disks)
    mkdir -p "$disks" "$DIR/disk" "$DIR/root"
    echo "$disks/$NAME-$(printf %s "$DIR" | sha256sum | cut -c1-8).img" >"$DIR/disk_path"
    local image
    image=$(<"$DIR/disk_path")
    rm -f "$image"
    truncate -s "$size" "$image"
    case $fs in
    ext4) mkfs.ext4 -q -m 0 -O ^has_journal -E lazy_itable_init=1,nodiscard "$image" ;;
    xfs) mkfs.xfs -q -m reflink=1 "$image" || die "vm: no XFS could be made; is xfsprogs installed?" ;;
    *) die "vm: unknown file system '$fs'; known are ext4 and xfs" ;;
    esac
}

# Volatile: what is synced in the machine is not written to the disk at once, which costs as much as all the rest that the
# stand-in does. Nothing is lost by that: a crash here is of the machine's processes, and the kernel lives on.
machine_disk_mount() {
    mountpoint -q "$DIR/root" && return
    mountpoint -q "$DIR/disk" || mount -o loop "$(<"$DIR/disk_path")" "$DIR/disk"
    mountpoint -q "$DIR/disk" || die "vm: the disk of '$NAME' is not mounted on $DIR/disk"
    mkdir -p "$DIR/disk/upper" "$DIR/disk/work" "$DIR/disk/docker"
    mount -t overlay -o "lowerdir=$(<"$DIR/root_fs"),upperdir=$DIR/disk/upper,workdir=$DIR/disk/work,volatile" \
        "tbk-$NAME" "$DIR/root"
    mountpoint -q "$DIR/root" || die "vm: the root file system of '$NAME' is not mounted on $DIR/root"
}

machine_disk_unmount() {
    local mount
    for mount in root disk; do
        limited "$STOP_LIMIT_S" not_mounted_after_try "$DIR/$mount" ||
            die "vm: $DIR/$mount cannot be unmounted; see: fuser -vm $DIR/$mount"
    done
}

not_mounted_after_try() {
    mountpoint -q "$1" || return 0
    umount "$1" 2>/dev/null || true
    ! mountpoint -q "$1"
}

# --- network ---

# Takes the first free N of 10.77.N.0/30; the link in CLAIMS is ours as long as our folder exists.
machine_network_claim() {
    local n
    mkdir -p "$CLAIMS"
    exec 9>"$CLAIMS/.lock"
    flock -w 30 9 || die "vm: $CLAIMS/.lock is held for over 30 s"
    for n in {1..254}; do
        [ -L "$CLAIMS/$n" ] && [ ! -e "$CLAIMS/$n" ] && rm -f "$CLAIMS/$n"
        [ -e "$CLAIMS/$n" ] || [ -e "/sys/class/net/vh-$n" ] ||
            [ -n "$(ip -4 route show to match "10.77.$n.2" | grep -v '^default' || true)" ] && continue
        ln -s "$DIR" "$CLAIMS/$n"
        echo "$n" >"$DIR/index"
        echo "10.77.$n.1" >"$DIR/host_ip"
        echo "10.77.$n.2" >"$DIR/ip"
        exec 9>&-
        return
    done
    die "vm: no network 10.77.N.0/30 is free"
}

machine_network_make() {
    local n
    n=$(<"$DIR/index")
    machine_network_remove
    ip netns add "tbk-$n"
    ip link add "vh-$n" type veth peer name eth0 netns "tbk-$n"
    ip address add "10.77.$n.1/30" dev "vh-$n"
    ip link set "vh-$n" up
    ip -n "tbk-$n" link set lo up
    ip -n "tbk-$n" address add "10.77.$n.2/30" dev eth0
    ip -n "tbk-$n" link set eth0 up
}

machine_network_remove() {
    local n
    [ -e "$DIR/index" ] || return 0
    n=$(<"$DIR/index")
    if [ -e "/sys/class/net/vh-$n" ]; then ip link delete "vh-$n"; fi # takes the other end with it
    if [ -e "/run/netns/tbk-$n" ]; then ip netns delete "tbk-$n"; fi
}

# --- cgroups ---

cgroup_kind() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo v2; else echo v1; fi
}

# Every hierarchy of cgroup v1 and the unified one, or the single one of a cgroup2 host.
cgroup_roots() {
    if [ "$(cgroup_kind)" = v2 ]; then
        echo /sys/fs/cgroup
    else
        findmnt -rn -o TARGET -t cgroup,cgroup2
    fi
}

machine_cgroups_make() {
    local top dir file controller
    for top in $(cgroup_roots); do
        dir=$top/tbk-$(<"$DIR/index")
        if [ "$(cgroup_kind)" = v2 ]; then
            for controller in $(<"$top/cgroup.controllers"); do # one by one: each may be refused
                echo "+$controller" 2>/dev/null >"$top/cgroup.subtree_control" || true
            done
        fi
        mkdir -p "$dir"
        for file in cpuset.cpus cpuset.mems; do
            [ -e "$dir/$file" ] && [ ! -e "$dir/cgroup.controllers" ] && cat "$top/$file" >"$dir/$file"
        done
        echo "$1" >"$dir/cgroup.procs"
    done
}

machine_cgroups_remove() {
    local top dir
    [ -e "$DIR/index" ] || return 0
    for top in $(cgroup_roots); do
        dir=$top/tbk-$(<"$DIR/index")
        [ ! -d "$dir" ] || find "$dir" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [ ! -d "$dir" ] || return 1
    done
}

# --- what makes it this machine ---

machine_seed() {
    local uid=$1 docker=$2 mirror=$3 root=$DIR/root n kind
    n=$(<"$DIR/index")
    ssh-keygen -q -t ed25519 -N '' -C "torrust-backup-tests $NAME" -f "$DIR/ssh_key"
    for kind in ed25519 ecdsa; do
        ssh-keygen -q -t "$kind" -N '' -C "root@$NAME" -f "$root/etc/ssh/ssh_host_${kind}_key"
    done
    sed "s/^/10.77.$n.2 /" "$root"/etc/ssh/ssh_host_*_key.pub >"$DIR/known_hosts"

    # On Ubuntu 24.04 uid 1000 is taken by its default user: then the deployer's user has another.
    [ "$uid" = 1000 ] || chroot "$root" useradd -m -u 1000 -s /bin/bash ubuntu
    chroot "$root" useradd -m -u "$uid" -s /bin/bash -G sudo,docker torrust
    echo 'torrust ALL=(ALL) NOPASSWD:ALL' >"$root/etc/sudoers.d/torrust"
    chmod 0440 "$root/etc/sudoers.d/torrust"
    install -d -m 0700 -o "$uid" -g "$uid" "$root/home/torrust/.ssh"
    install -m 0600 -o "$uid" -g "$uid" "$DIR/ssh_key.pub" "$root/home/torrust/.ssh/authorized_keys"
    echo "$NAME" >"$root/etc/hostname"
    echo "127.0.1.1 $NAME" >>"$root/etc/hosts"
    if [ "$mirror" = yes ]; then
        echo "{\"registry-mirrors\":[\"http://10.77.$n.1:5000\"]}" >"$root/etc/docker/daemon.json"
    fi
    if [ "$docker" = no ]; then
        rm -f "$root/usr/bin/docker"
        ln -sfn /dev/null "$root/etc/systemd/system/docker.service"
        ln -sfn /dev/null "$root/etc/systemd/system/docker.socket"
    fi
    machine_ssh_config
}

machine_ssh_config() {
    cat >"$DIR/ssh_config" <<CONF
Host vm $NAME $(<"$DIR/ip")
    HostName $(<"$DIR/ip")
    Port 22
    User torrust
    IdentityFile $DIR/ssh_key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile $DIR/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    PreferredAuthentications publickey
    BatchMode yes
    ConnectTimeout 5
    ServerAliveInterval 5
    ServerAliveCountMax 3
    LogLevel ERROR
CONF
}

# --- processes ---

# The process to kill: `unshare --kill-child`, which takes the whole machine with it.
machine_pid() {
    local pid started
    read -r pid started 2>/dev/null <"$DIR/pid" || return 1
    [ "$(process_start_time "$pid")" = "$started" ] && echo "$pid"
}

machine_init_pid() {
    local pid
    pid=$(machine_pid) || die "vm: '$NAME' is not running"
    read -r pid _ <"/proc/$pid/task/$pid/children"
    echo "$pid"
}

machine_boot() {
    local dir=$DIR launched
    machine_pid >/dev/null && die "vm: '$NAME' is running already"
    machine_reap
    machine_disk_mount
    machine_network_make
    setsid "$VM_HOME/vm" _launch "$NAME" </dev/null >"$dir/console" 2>&1 &
    launched=$!
    if ! limited "$BOOT_LIMIT_S" machine_answers_or_died || ! kill -0 "$launched" 2>/dev/null; then
        tail -n 20 "$dir/console" >&2
        die "vm: '$NAME' died or did not answer on SSH within $BOOT_LIMIT_S s"
    fi
    disown "$launched"
    [ ! -e "$dir/docker" ] || limited "$BOOT_LIMIT_S" machine_docker_answers ||
        die "vm: Docker in '$NAME' did not answer within $BOOT_LIMIT_S s"
}

# Becomes the machine; its process number is known before anything is started that would have to be killed.
machine_launch() {
    local n
    n=$(<"$DIR/index")
    echo "$$ $(process_start_time $$)" >"$DIR/pid"
    close_inherited
    machine_cgroups_make $$
    exec ip netns exec "tbk-$n" unshare -m -p -u -i -C --fork --kill-child=KILL \
        "$VM_HOME/inside.sh" "$DIR/root" "$DIR/disk/docker" "$MACHINE_CAPABILITIES" "$NAME" "$(cgroup_kind)"
}

machine_answers_or_died() {
    ! kill -0 "$launched" 2>/dev/null || timeout 20 ssh -F "$DIR/ssh_config" vm true 2>/dev/null
}

machine_docker_answers() {
    timeout 20 ssh -F "$DIR/ssh_config" vm docker version >/dev/null 2>&1
}

machine_kill() {
    local pid
    pid=$(machine_pid) && kill -9 "$pid"
    machine_reap
}

# Whatever still runs in the network namespace or the cgroups belonged to the machine.
machine_reap() {
    limited "$STOP_LIMIT_S" machine_is_gone || die "vm: processes of '$NAME' do not end: $(machine_processes | xargs)"
    limited "$STOP_LIMIT_S" machine_cgroups_remove || die "vm: a cgroup tbk-$(<"$DIR/index") cannot be removed"
    rm -f "$DIR/pid"
}

machine_processes() {
    local n top
    [ -e "$DIR/index" ] || return 0
    n=$(<"$DIR/index")
    [ ! -e "/run/netns/tbk-$n" ] || ip netns pids "tbk-$n"
    for top in $(cgroup_roots); do
        [ ! -d "$top/tbk-$n" ] || find "$top/tbk-$n" -name cgroup.procs -exec cat {} +
    done
}

machine_is_gone() {
    local pids
    pids=$(machine_processes | sort -u)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086 # a list of numbers
    kill -9 $pids 2>/dev/null || true
    machine_thaw
    return 1
}

# A container that was paused when the machine died: its processes notice the signal only when they go on.
machine_thaw() {
    local top file
    for top in $(cgroup_roots); do
        while IFS= read -r file; do
            case $file in
            *.state) echo THAWED >"$file" ;;
            *.freeze) echo 0 >"$file" ;;
            esac
        done < <(find "$top/tbk-$(<"$DIR/index")" -name freezer.state -o -name cgroup.freeze 2>/dev/null)
    done 2>/dev/null || true
}

# Starts a process on the host that ends with the machine. Prints its number.
machine_helper_start() {
    setsid "$VM_HOME/vm" _helper "$NAME" "$@" </dev/null >>"$DIR/helpers.log" 2>&1 &
    echo "$! $(process_start_time $!)" >>"$DIR/helpers"
    echo "$!"
}

machine_helpers_end() {
    local pid started
    [ -e "$DIR/helpers" ] || return 0
    while read -r pid started; do
        if [ "$(process_start_time "$pid")" = "$started" ]; then
            kill "$pid" 2>/dev/null || true
        fi
    done <"$DIR/helpers"
}

machine_remove() {
    machine_kill
    machine_helpers_end
    machine_network_remove
    machine_disk_unmount
    [ ! -e "$DIR/disk_path" ] || rm -f "$(<"$DIR/disk_path")"
    [ ! -e "$DIR/index" ] || rm -f "$CLAIMS/$(<"$DIR/index")"
    rm -rf --one-file-system "$DIR"
}
