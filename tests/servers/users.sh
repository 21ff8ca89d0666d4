# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# The users and the database that a new server gets, in SQL: what the official images make of the MYSQL_* variables.
# Sourced by `server` (bash) and by the image's entry script (busybox).

sql_text() { printf "'%s'" "$(printf '%s' "$1" | sed -e 's/\\/&&/g' -e "s/'/''/g")"; }
# shellcheck disable=SC2016 # backticks are how SQL quotes names
sql_name() { printf '`%s`' "$(printf '%s' "$1" | sed -e 's/`/``/g')"; }
sql_pattern() { printf '%s' "$1" | sed -e 's/_/\\_/g'; } # as a pattern, _ would be any character

# sql_identified KIND PASSWORD PLUGIN: the servers have different words for it. Without a plugin, the server chooses.
sql_identified() {
    case $1:$3 in
    *:) echo "IDENTIFIED BY $(sql_text "$2")" ;;
    mysql:*) echo "IDENTIFIED WITH $3 BY $(sql_text "$2")" ;;
    mariadb:*) echo "IDENTIFIED VIA $3 USING PASSWORD($(sql_text "$2"))" ;;
    esac
}

# sql_user KIND DATABASE USER PASSWORD PLUGIN: all rights on the database, and no others.
sql_user() {
    echo "CREATE USER $(sql_text "$3")@'%' $(sql_identified "$1" "$4" "$5");"
    echo "GRANT ALL ON $(sql_name "$(sql_pattern "$2")").* TO $(sql_text "$3")@'%';"
}

# sql_first KIND ROOT_PASSWORD DATABASE
sql_first() {
    # MariaDB's data directory is born with more of root, who have no password.
    if [ "$1" = mariadb ]; then
        echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';"
        echo "FLUSH PRIVILEGES;"
    fi
    echo "ALTER USER root@localhost IDENTIFIED BY $(sql_text "$2");"
    echo "CREATE USER root@'%' IDENTIFIED BY $(sql_text "$2");"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    [ -z "$3" ] || echo "CREATE DATABASE $(sql_name "$3");"
}
