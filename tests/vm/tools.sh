# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts that start machines and servers share. Sourced; expects CACHE.

die() {
    echo "$*" >&2
    exit 1
}

# Repeats a command until it succeeds or the time is over.
limited() {
    local limit_s=$1 end
    shift
    end=$((${EPOCHREALTIME/[.,]/} + limit_s * 1000000))
    until "$@"; do
        [ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# Locks and pipes of the caller (bats waits for its own to be closed) are not for a process that stays.
close_inherited() {
    local fd
    for fd in "/proc/$$/fd"/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
}

# Tells a process from a later one with the same number.
process_start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -r -a stat <<<"${stat##*) }"
    echo "${stat[19]}"
}

# The mirror that this machine's own apt uses, if it is one of Debian; else Debian's own.
root_fs_mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -nE 's#^(deb( \[[^]]*\])?|URIs:) +(https?://[^ ]*/debian)/?( .*)?$#\3#p' | head -n 1)
    printf '%s\n' "${TBK_TEST_MIRROR:-${found:-http://deb.debian.org/debian}}"
}

# build_once PATH WHAT COMMAND...: makes a folder of the cache unless it is there. The command gets the folder to make,
# is a process of its own, so that `set -e` holds in it, and has its own mounts, so that none stays.
build_once() {
    local path=$1 what=$2 log lock=$CACHE/.root-fs.lock
    shift 2
    [ ! -d "$path" ] || return 0
    mkdir -p "$CACHE"
    exec 8>"$lock"
    flock -w 900 8 || die "another build of a root file system holds $lock for over 15 minutes"
    if [ ! -d "$path" ]; then
        log=${path%-*}.log
        rm -rf --one-file-system "$path.partial"
        echo "Building $what: $path" >&2
        if ! unshare -m "$@" "$path.partial" >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -rf --one-file-system "$path.partial"
            die "$what could not be built; the whole log: $log"
        fi
        mv "$path.partial" "$path"
    fi
    exec 8>&-
}
