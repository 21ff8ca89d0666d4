# SPDX-License-Identifier: MIT
# Restores of MySQL and MariaDB: by the command, and by hand as docs/restore-by-hand-mysql.md says, whose own shell blocks
# are run. TBK_SERVER says which server.

bats_require_minimum_version 1.5.0
load ../skip
load common
load mysql
load by_hand

document=$source_dir/docs/restore-by-hand-mysql.md

setup_file() {
    start_machine "e2e-restore-$kind" --database "$kind" --rows 3000
    install_programs zstd
    tb configure
    tb run # the set that is restored
    sql tracker -e "INSERT INTO whitelist (info_hash) VALUES ('not in any set')"
}

marks() { sql tracker -e "SELECT count(*) FROM whitelist WHERE info_hash = 'not in any set'"; }
mark() { sql tracker -e "INSERT IGNORE INTO whitelist (info_hash) VALUES ('not in any set')"; }
unmark() { sql tracker -e "DELETE FROM whitelist WHERE info_hash = 'not in any set'"; }
schemas() { sql -e "SHOW DATABASES LIKE 'tracker\_%'"; }
in_set() { on_vm cat "$store/$1/manifest.json" | jq -r '.database.tables[] | select(.table == "torrents").rows'; }

# The stand-in's own proof: every row follows from the number of the last transaction.
tracker_is_whole() {
    on_vm docker kill --signal INT tracker >/dev/null && on_vm timeout 60 docker wait tracker >/dev/null
    sql -e "CREATE USER IF NOT EXISTS checker IDENTIFIED BY 'checker'; GRANT SELECT ON tracker.* TO checker"
    on_vm docker run --rm --network torrust_database_network -e "$address=mysql://checker:checker@mysql:3306/tracker" \
        torrust/tracker:develop --check
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_commits
}

@test "$kind: a dry run loads it beside the real database, compares, and leaves nothing" {
    before=$(tracker_life)
    run -0 tb restore --set latest --dry-run
    [[ $output == *"Dry run"* ]]
    [[ $output == *"torrents: $(in_set "$(newest)")"* ]]
    [ "$(tracker_life)" = "$before" ]
    [ "$(marks)" = 1 ]
    no_schema_of_ours_is_left
}

@test "$kind: the set goes back, the tracker goes on from it, the tables of before are kept" {
    run -0 tb restore --set latest
    [[ $output == *"Tracker:    running, healthy"* ]]
    [ "$(marks)" = 0 ]
    [[ $(schemas) == tracker_torrust_before_* ]]
    [ "$(sql "$(schemas)" -e "SELECT count(*) FROM whitelist WHERE info_hash = 'not in any set'")" = 1 ]
    wait_until 120 tracker_commits
    tracker_is_whole
    tb verify
}

@test "$kind: the application's user has the rights that it had, and no more" {
    [ "$(sql -e "SHOW GRANTS FOR 'tracker_user'@'%'" | grep -vc 'GRANT USAGE\|`tracker`')" = 0 ]
}

@test "$kind: what was kept goes when told so" {
    run -0 tb restore --forget-kept
    [[ $output == *Removed:*tracker_torrust_before_* ]]
    no_schema_of_ours_is_left
}

@test "$kind: a wrong root password is said before anything is held, and how to mend it" {
    before=$(tracker_life)
    sh_on_vm "cp -p /opt/torrust/.env /root/env && sed -i \"s/^MYSQL_ROOT_PASSWORD=.*/MYSQL_ROOT_PASSWORD='no'/\" /opt/torrust/.env"
    run tb restore --set latest
    on_vm cp -p /root/env /opt/torrust/.env
    [ "$status" = 2 ]
    [[ $output == *root* ]]
    [ "$(tracker_life)" = "$before" ]
    no_schema_of_ours_is_left
}

@test "$kind: a restore that is killed at any moment leaves a tracker that runs on the old database or the new one" {
    mark
    for moment in 0.4 0.8 1.2 1.6 2.0 2.4; do
        sh_on_vm "$hook restore --set latest >/dev/null 2>&1 & pid=\$!; sleep $moment; kill -9 \$pid; docker kill torrust-backup-run; wait \$pid" >/dev/null 2>&1 || true
        on_vm $hook --recover
        sleep 2
        on_vm $hook --recover
        wait_until 120 tracker_runs
        wait_until 120 tracker_commits
        tracker_is_whole
    done
    unmark # where no restore came to its swap, the old database goes on
    tb run
    tb restore --set latest
    tb restore --forget-kept
    no_schema_of_ours_is_left
    tracker_is_whole
}

@test "$kind: the document has the blocks that are tested here" {
    [ "$(blocks '^## [1-6][.] ' | wc -l)" -ge 20 ]
    [ -n "$(blocks '^## Undo')" ]
}

@test "$kind: by hand, step by step, and undone" {
    mark
    {
        echo 'set -eu'
        blocks '^## [1-6][.] '
        # shellcheck disable=SC2016 # the machine's shell expands it
        echo 'for name in DATABASE NEW OLD; do eval "echo $name=\$$name"; done >/root/variables; declare -f sql ask renames >>/root/variables'
    } >"$BATS_TEST_TMPDIR/script"
    on_vm bash -s <"$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/output" || { cat "$BATS_TEST_TMPDIR/output"; return 1; }
    grep -x 'database.sql.zst: OK' "$BATS_TEST_TMPDIR/output"
    grep -x -e '-- torrust-backup: end' "$BATS_TEST_TMPDIR/output"
    grep -x 'healthy' "$BATS_TEST_TMPDIR/output"
    [ "$(marks)" = 0 ]
    wait_until 120 tracker_commits
    tracker_is_whole
    { echo 'set -eu; . /root/variables' && blocks '^## Undo'; } | on_vm bash -s
    wait_until 120 tracker_commits
    [ "$(marks)" = 1 ]
    tracker_is_whole
}
