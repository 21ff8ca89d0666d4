# SPDX-License-Identifier: MIT
# What the tests with a database server share. TBK_SERVER says which one: mysql (the default) or mariadb.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by the tests; set by common.bash

kind=${TBK_SERVER:-mysql}
# shellcheck disable=SC2016 # as it is
password='S p#c%i@l/:?$(touch pwned)"&=;\é' root_password='3<3NOePkMtY(ts)RurM-wmNG{eJb@e^7'
# shellcheck disable=SC2016
encoded='S%20p%23c%25i%40l%2F%3A%3F$(touch%20pwned)"&=;\%C3%A9'
address=TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH

# sql ARGUMENT...: root's client in the server's container, SQL from the argument of -e or from the input.
# shellcheck disable=SC2016 # expanded in the container
sql() { on_vm docker exec -i mysql sh -c 'MYSQL_PWD=$MYSQL_ROOT_PASSWORD exec mysql -N -u root "$@"' sql "$@"; }

# The set's dump, whole by its sums, loaded by the server's own client into another schema; there every row must be what
# it was after the dump's last transaction. Prints that one's number.
check_restored_mysql() {
    local schema=by_hand
    sh_on_vm "cd $store/$1 && sha256sum --quiet -c SHA256SUMS"
    sql -e "DROP DATABASE IF EXISTS $schema; CREATE DATABASE $schema; CREATE USER IF NOT EXISTS checker IDENTIFIED BY 'checker'"
    sql -e "GRANT SELECT ON $schema.* TO checker"
    on_vm cat "$store/$1/database.sql.zst" | zstd -dc >"$BATS_TEST_TMPDIR/dump.sql"
    sql $schema <"$BATS_TEST_TMPDIR/dump.sql"
    on_vm docker run --rm --network torrust_database_network -e "$address=mysql://checker:checker@mysql:3306/$schema" \
        torrust/tracker:develop --check
    sql -e "DROP DATABASE $schema; DROP USER checker"
}

# What a run may not change: since when the tracker runs, and that it does.
tracker_life() { on_vm docker inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.StartedAt}}' tracker; }
server_answers() { sql -e 'SELECT 1' >/dev/null 2>&1; }
committed() { sql -e 'SELECT number FROM tracker.standin_counter'; }
tracker_commits() { local before; before=$(committed) && sleep 0.5 && [ "$(committed)" -gt "$before" ]; }

no_schema_of_ours_is_left() { [ -z "$(sql -e "SHOW DATABASES LIKE 'tracker\_%'")" ]; }
