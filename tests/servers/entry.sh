# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the official images do at their start: at the first one a database and users from the MYSQL_* variables, always
# the server as user mysql. KIND is in the image's environment.
set -eu
data=/var/lib/mysql
# Moved up when all is made, so a first start that dies begins anew. No hidden folder: MySQL does not find its files in one.
first=$data/first
# shellcheck source=tests/servers/users.sh
. /users.sh

serve_first() {
    /usr/sbin/mysqld --no-defaults --user=mysql --datadir=$first --init-file=$first.sql --skip-networking "$@" &
    server=$!
    until MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysqladmin --no-defaults --user=root ping >/dev/null 2>&1; do
        kill -0 "$server" || { echo "entry: the first start failed" >&2; exit 1; }
        sleep 0.1
    done
    kill -TERM "$server"
    wait "$server"
}

make_database() {
    [ -n "${MYSQL_ROOT_PASSWORD:-}" ] || { echo "entry: MYSQL_ROOT_PASSWORD is not set" >&2; exit 1; }
    rm -rf $first
    cp -a /template $first
    umask 077
    {
        sql_first "$KIND" "$MYSQL_ROOT_PASSWORD" "${MYSQL_DATABASE:-}"
        [ -z "${MYSQL_USER:-}" ] ||
            sql_user "$KIND" "${MYSQL_DATABASE:-}" "$MYSQL_USER" "${MYSQL_PASSWORD:-}" "${MYSQL_AUTH:-}"
    } >$first.sql
    chown -R mysql:mysql $data
    serve_first "$@"
    rm $first.sql
    for part in "$first"/*; do
        [ "$part" = $first/mysql ] || mv "$part" $data/
    done
    mv $first/mysql $data/ # the last one, by which a database is known
    rm -r $first
}

if [ $# -gt 0 ] && [ "${1#-}" = "$1" ] && [ "$1" != mysqld ]; then
    exec "$@" # a client, or a shell
fi
[ "${1:-}" != mysqld ] || shift
# The deployer's compose file asks for a plugin that neither MySQL 9 nor MariaDB knows by this option.
for option; do
    shift
    case $option in
    --mysql-native-password=*) ;;
    *) set -- "$@" "$option" ;;
    esac
done
set -- --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid --skip-name-resolve --secure-file-priv=/tmp "$@"
chmod 1777 /tmp
mkdir -p /run/mysqld
chown mysql:mysql /run/mysqld $data
[ -d $data/mysql ] || make_database "$@"
exec /usr/sbin/mysqld --no-defaults --user=mysql --datadir=$data "$@"
