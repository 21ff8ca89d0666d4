# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# One server: its folder, its process and its users. Sourced by `server`, which sets RUN, CACHE, NAME and DIR.
#
# What exists for a server: the folder DIR with one small file for each fact, the folder srv/ID in the root file system
# of its kind, with the database, and one process. `stop` takes away what there is of them, after any death.

PORTS=(23300 23999) # below those that the kernel gives to clients
START_LIMIT_S=60
STOP_LIMIT_S=60
DEFAULT_OPTIONS=(
    --innodb-buffer-pool-size=64M
    --innodb-flush-log-at-trx-commit=2 # survives the death of the process, which is all that a test can do to it
    --max-connections=200
)
declare -A KIND_OPTIONS=(
    [mariadb]='--plugin-load-add=auth_ed25519 --feedback=OFF'
    [mysql]='--mysqlx=OFF --sync-binlog=0 --secure-file-priv=NULL'
)

fact() { cat "$DIR/$1"; }
put_fact() { printf '%s\n' "$2" >"$DIR/$1"; }
instance_folder() { echo "/srv/$(fact id)"; } # in the root file system
instance_files() { echo "$(fact root)$(instance_folder)"; } # on this machine

instance_pid() {
    local pid started
    read -r pid started 2>/dev/null <"$DIR/process" || return 1
    [ "$(process_start_time "$pid")" = "$started" ] && echo "$pid"
}

# --- making one ---

instance_make() {
    local kind=$1 id files
    server_root_build "$kind"
    put_fact kind "$kind"
    put_fact root "$(server_root "$kind")"
    id=$NAME-$(printf %s "$DIR" | sha256sum | cut -c1-8)
    put_fact id "$id"
    put_fact host 127.0.0.1
    files=$(instance_files)
    rm -rf --one-file-system "$files" # of a server whose state was lost with a reboot
    cp -a --reflink=auto --sparse=always "$(fact root)/srv/.template" "$files"
    install -d -o "$SERVER_UID" -g "$SERVER_UID" "$files/tmp"
    put_fact socket "$files/socket"
    put_fact log "$files/log"
    put_fact data "$files/data"
}

instance_users_sql() {
    local kind
    kind=$(fact kind)
    sql_first "$kind" "$(fact root_password)" "$(fact database)"
    sql_user "$kind" "$(fact database)" "$(fact user)" "$(fact password)" "$(fact auth)"
}

# --- its process ---

# A port that no other server of ours has and on which no program answers.
instance_claim_port() {
    local port
    exec 9>"$CACHE/.server-ports.lock"
    flock -w 30 9 || die "server: $CACHE/.server-ports.lock is held for over 30 s"
    for ((port = PORTS[0]; port <= PORTS[1]; port++)); do
        grep -qsx "$port" "$CACHE"/server-*/srv/*/port && continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        echo "$port" >"$(instance_files)/port"
        put_fact port "$port"
        exec 9>&-
        return
    done
    die "server: no port from ${PORTS[0]} to ${PORTS[1]} is free"
}

# instance_boot [OPTION...]: options for this start only.
instance_boot() {
    local launched
    ! instance_pid >/dev/null || die "server: '$NAME' is running already"
    setsid "$SERVER_HOME/server" _launch "$NAME" "$@" </dev/null >>"$(fact log)" 2>&1 &
    launched=$!
    if ! limited "$START_LIMIT_S" instance_answers_or_died || ! kill -0 "$launched" 2>/dev/null; then
        tail -n 20 "$(fact log)" >&2
        kill -9 "$launched" 2>/dev/null || true
        die "server: '$NAME' died or did not answer within $START_LIMIT_S s"
    fi
    disown "$launched"
}

# Becomes the server.
instance_launch() {
    local options folder
    echo "$$ $(process_start_time $$)" >"$DIR/process"
    close_inherited
    folder=$(instance_folder)
    mapfile -t options <"$DIR/options"
    # shellcheck disable=SC2086 # a list of options
    exec chroot --userspec="$SERVER_UID:$SERVER_UID" --groups= "$(fact root)" /usr/sbin/mysqld --no-defaults \
        --datadir="$folder/data" --tmpdir="$folder/tmp" --socket="$folder/socket" --pid-file="$folder/pid" \
        --bind-address="$(fact host)" --port="$(fact port)" \
        "${DEFAULT_OPTIONS[@]}" ${KIND_OPTIONS[$(fact kind)]} "${options[@]}" "$@"
}

instance_answers_or_died() {
    ! kill -0 "$launched" 2>/dev/null || instance_client mysqladmin ping >/dev/null 2>&1
}

# instance_client PROGRAM ARGUMENT...: a program of the server's own package, as root, through the socket. MariaDB's want
# TLS even there, which a server may be told not to have.
instance_client() {
    local program=$1 plain=()
    shift
    [ "$(fact kind)" != mariadb ] || plain=(--skip-ssl)
    MYSQL_PWD=$(fact root_password) timeout "${TBK_CLIENT_LIMIT_S:-600}" chroot "$(fact root)" "/usr/bin/$program" --no-defaults \
        --socket="$(instance_folder)/socket" --user=root --default-character-set=utf8mb4 "${plain[@]}" "$@"
}

instance_kill() {
    local pid
    pid=$(instance_pid) || return 0
    kill "-$1" "$pid"
    [ "$1" = KILL ] || kill -CONT "$pid"
    limited "$STOP_LIMIT_S" instance_is_gone && return
    kill -KILL "$pid"
    limited "$STOP_LIMIT_S" instance_is_gone || die "server: process $pid of '$NAME' does not end"
}

instance_is_gone() { ! instance_pid >/dev/null; }

instance_remove() {
    instance_kill KILL
    [ ! -s "$DIR/id" ] || [ ! -s "$DIR/root" ] || rm -rf --one-file-system "$(instance_files)"
    rm -rf --one-file-system "$DIR"
}
