#!/bin/sh
# Starts a real SSH server on the loopback for tests, with keys and configuration of its own.
#
# Usage: sshd.sh start DIR PORT [EXTRA_CONFIG_LINE ...]
#        sshd.sh stop DIR
#
# DIR then holds: client keys (ed25519, rsa, ecdsa, other, locked), host keys (host_*), config, pid,
# log. The user is the one who runs this; `other` is not among the authorized keys, `locked` has the
# passphrase "secret". Nothing outside DIR is changed (but the empty /run/sshd, which sshd wants).
set -eu

make_key() {
    [ -f "$2" ] || ssh-keygen -q -t "$1" -N "${3-}" -C "$(basename "$2")" -f "$2"
}

make_keys() {
    make_key ed25519 "$dir/ed25519"
    make_key ecdsa "$dir/ecdsa"
    make_key ed25519 "$dir/other"
    make_key ed25519 "$dir/locked" secret
    make_key ed25519 "$dir/host_ed25519"
    make_key ecdsa "$dir/host_ecdsa"
    [ -f "$dir/rsa" ] || ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$dir/rsa"
    [ -f "$dir/host_rsa" ] || ssh-keygen -q -t rsa -b 2048 -N '' -C host -f "$dir/host_rsa"
    cat "$dir/ed25519.pub" "$dir/ecdsa.pub" "$dir/rsa.pub" "$dir/locked.pub" >"$dir/authorized_keys"
}

# SHLVL: else bash reads the user's own ~/.bashrc, which may be slow or talkative.
write_config() {
    cat >"$dir/config" <<END
ListenAddress 127.0.0.1:$port
AuthorizedKeysFile $dir/authorized_keys
PidFile $dir/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
SetEnv SHLVL=2
END
    # Since 9.8 a server refuses clients that failed a few times, as tests do on purpose.
    if "$sshd" -t -f "$dir/config" -h "$dir/host_ed25519" -o PerSourcePenalties=no 2>/dev/null; then
        echo "PerSourcePenalties no" >>"$dir/config"
    fi
    hosts="host_ed25519 host_ecdsa host_rsa"
    for line in "$@"; do
        case $line in
        HostKeys=*) hosts=${line#HostKeys=} ;;
        *) printf '%s\n' "$line" >>"$dir/config" ;;
        esac
    done
    for key in $hosts; do
        echo "HostKey $dir/$key" >>"$dir/config"
    done
}

start() {
    make_keys
    write_config "$@"
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    rm -f "$dir/pid"
    "$sshd" -f "$dir/config" -E "$dir/log" || { cat "$dir/log" >&2; exit 1; }
    tries=0
    while [ ! -s "$dir/pid" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 900 ] || { cat "$dir/log" >&2; exit 1; }
        sleep 0.05
    done
}

stop() {
    [ -s "$dir/pid" ] || exit 0
    pid=$(cat "$dir/pid")
    kill "$pid" 2>/dev/null || true
    # When it ends it removes the file, which may be another server's by then.
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 900 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    rm -f "$dir/pid"
}

sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) || { echo "openssh-server is missing" >&2; exit 1; }
action=$1
dir=$2
case $action in
start)
    port=$3
    shift 3
    start "$@"
    ;;
stop) stop ;;
*) echo "sshd.sh: unknown action '$action'" >&2; exit 2 ;;
esac
