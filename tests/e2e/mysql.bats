# SPDX-License-Identifier: MIT
# The main job with a real database server behind the stand-in tracker: MySQL, or MariaDB with TBK_SERVER=mariadb. Its
# passwords need quoting wherever they pass.

bats_require_minimum_version 1.5.0
load common
load mysql

setup_file() { start_machine "srv-e2e-$kind" --database "$kind" --rows 50000 --rate 100; }

options() { printf '%s\n' "$@" >"$workspace/envs/standin.backup.yml"; }

@test "$kind: the first backup is configured and proved, there and here, while the tracker is written to" {
    local life
    tb configure
    life=$(tracker_life)
    run --separate-stderr tb verify
    printf '%s\n' "$output" "$stderr" >&2
    [ "$status" = 0 ]
    [[ $output == *"Everything is proved."* ]]
    [ "$(last_run | jq -r .method)" = snapshot ]
    [ "$(tracker_life)" = "$life" ]
    no_schema_of_ours_is_left
    tb configure | grep -q 'Already in place'
}

@test "$kind: the set is restored by the server's own client and equals one point of the tracker's history" {
    local before after number set
    before=$(committed)
    on_vm $hook >/dev/null
    after=$(committed)
    set=$(newest)
    number=$(check_restored_mysql "$set")
    [ "$number" -ge "$before" ] && [ "$number" -le "$after" ]
    store_is_whole
}

@test "$kind: report, manifest and proof keep their schemas" {
    local set file
    set=$(newest)
    keeps_schema report "$workspace/build/standin/torrust-backup/last-verify.json"
    for file in manifest proof; do
        on_vm test -e "$store/$set/$file.json" || continue
        on_vm cat "$store/$set/$file.json" >"$BATS_TEST_TMPDIR/$file.json"
        keeps_schema $file "$BATS_TEST_TMPDIR/$file.json"
    done
}

@test "$kind: 20 dumps in a row under load are balanced, each equal to one point of the history" {
    local n set numbers=()
    for n in {1..20}; do
        on_vm $hook >"$BATS_TEST_TMPDIR/log" || { tail -n 5 "$BATS_TEST_TMPDIR/log"; return 1; }
        set=$(newest)
        numbers+=("$(check_restored_mysql "$set")") || { echo "$n: $set is torn"; return 1; }
        on_vm rm -r "${store:?}/$set"
    done
    [ "$(printf '%s\n' "${numbers[@]}" | sort -nu | wc -l)" = 20 ]
    tb run
}

context_of() {
    grep -raohF -B 3 -- "$1" "$BATS_TEST_TMPDIR" "$workspace/build" | tail -c 2000 || true
    on_vm grep -raoE -- ".{0,300}${1//[^A-Za-z0-9 ]/.}" /opt/torrust-backup /etc/cron.d /usr/local/bin /var/log \
        /var/lib/torrust-backup /tmp | tail -c 4000 || true
    on_vm journalctl --no-pager -o export | grep -aF -B 40 -- "$1" | tail -c 4000 || true
}

@test "$kind: no password is in a log, an argument list, a report, a file of ours, the container, or the image" {
    local secret image found
    sh_on_vm "$hook >/dev/null 2>&1 & hook=\$!; while kill -0 \$hook 2>/dev/null; do
            cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo
            docker inspect torrust-backup-run 2>/dev/null
            sleep 0.02
        done; wait" >"$BATS_TEST_TMPDIR/arguments"
    grep -q torrust-backup-engine "$BATS_TEST_TMPDIR/arguments"
    tb verify -vvv >"$BATS_TEST_TMPDIR/output" 2>&1
    on_vm cat /var/log/torrust-backup/run.log >"$BATS_TEST_TMPDIR/log"
    on_vm journalctl --no-pager >"$BATS_TEST_TMPDIR/journal"
    for image in $(on_vm docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine); do
        on_vm docker inspect "$image"
    done >"$BATS_TEST_TMPDIR/image"
    for secret in "$password" "$encoded" "$root_password" 'S p#c' 'S%20p%23c' '3<3NOePk'; do
        found=$(grep -rlF -- "$secret" "$BATS_TEST_TMPDIR" "$workspace/build" || true)
        found+=$(on_vm grep -rlF -- "$secret" /opt/torrust-backup /etc/cron.d /usr/local/bin /var/log /var/lib/torrust-backup /tmp || true)
        # With what stands around it, which says whose it is: a log of Docker's or of the system's has many writers.
        [ -z "$found" ] || { echo "'$secret' stands in $found"; context_of "$secret"; return 1; }
    done
    run on_vm setpriv --reuid 65534 --regid 65534 --clear-groups grep -rlsF -- "$password" /etc /home /opt /run /srv /tmp /usr/local /var
    [ -z "$output" ] || { echo "readable by others: $output"; return 1; }
    on_vm test ! -e /pwned
}

@test "$kind: plan foretells it without a hold, in its schema, and as text" {
    local life
    life=$(tracker_life)
    tb plan --output-format json 2>/dev/null >"$BATS_TEST_TMPDIR/plan.json"
    keeps_schema plan "$BATS_TEST_TMPDIR/plan.json"
    [ "$(jq -r '.forecast | [.method, .database.host, .database.schema, .needed_bytes > 0, (.expected_held_ms <= 300)] | join(" ")' \
        "$BATS_TEST_TMPDIR/plan.json")" = "snapshot mysql tracker true true" ]
    run --separate-stderr tb plan
    echo "$output"
    [[ $output == *"Database:"*" tables"*"Method:     snapshot (configured: auto)"*"Held:"*"Room:"* ]]
    [ "$(tracker_life)" = "$life" ]
}

# A server that cannot be used for a proof is one whose root's password is not known.
@test "$kind: without root's password a server of its own proves the set, and goes with the run" {
    local life volumes secret
    life=$(tracker_life)
    volumes=$(on_vm docker volume ls -q)
    sh_on_vm "cp -p /opt/torrust/.env /root/env.before && sed -i '/^MYSQL_ROOT_PASSWORD=/d' /opt/torrust/.env && rm -r $store/2*"
    sh_on_vm "$hook >/root/run.log 2>&1 & pid=\$!
        while kill -0 \$pid 2>/dev/null; do
            cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >>/root/arguments
            docker inspect -f '{{.Config.Env}}' torrust-backup-server >>/root/environments 2>/dev/null
            sleep 0.1
        done
        wait \$pid" || { on_vm cat /root/run.log; on_vm cp -p /root/env.before /opt/torrust/.env; return 1; }
    on_vm cp -p /root/env.before /opt/torrust/.env
    on_vm cat /root/run.log
    [ "$(on_vm cat "$store/$(newest)/proof.json" | jq -r '.level, .ok' | xargs)" = "restored true" ]
    secret=$(sh_on_vm "sed -n 's/.*MYSQL_ROOT_PASSWORD=\\([0-9a-f]*\\).*/\\1/p' /root/environments | sort -u")
    [[ $secret =~ ^[0-9a-f]{32}$ ]]
    run ! on_vm grep -F -e "$secret" /root/run.log /root/arguments /var/log/torrust-backup/run.log
    [ -z "$(on_vm docker ps -aq --filter name=torrust-backup)" ]
    [ "$(on_vm docker volume ls -q)" = "$volumes" ]
    [ "$(tracker_life)" = "$life" ]
    no_schema_of_ours_is_left
}

@test "$kind: where no such server can be started either, the set is kept, and the run ends with 3" {
    sh_on_vm "sed -i '/^MYSQL_ROOT_PASSWORD=/d' /opt/torrust/.env && rm -r $store/2* && docker rename mysql another"
    run on_vm $hook
    sh_on_vm "docker rename another mysql && cp -p /root/env.before /opt/torrust/.env"
    echo "$output"
    [ "$status" = 3 ]
    [[ $output == *"could not be started: no live server"* ]]
    [ "$(on_vm cat "$store/$(newest)/proof.json" | jq -r '.level, .ok' | xargs)" = "checksums true" ]
    store_is_whole
    tb run
}

@test "$kind: a tracker that an operator had stopped is saved, and stays stopped" {
    local last
    on_vm docker kill -s INT tracker >/dev/null
    on_vm timeout 30 docker wait tracker >/dev/null
    last=$(committed)
    tb run
    [ "$(tracker_state)" = exited ]
    [ "$(check_restored_mysql "$(newest)")" = "$last" ]
    on_vm docker start tracker >/dev/null
    wait_until 120 tracker_commits
}

@test "$kind: method stop dumps a tracker that stands still, and it runs again" {
    options 'method: stop'
    tb configure
    tb run
    [ "$(last_run | jq -r .method)" = stop ]
    check_restored_mysql "$(newest)"
    wait_until 120 tracker_commits
}

@test "$kind: hold never, and somebody commits all the time: right, and nothing was held" {
    local life since
    options 'hold: never'
    tb configure
    life=$(tracker_life)
    since=$(on_vm date +%s)
    tb run
    [ "$(last_run | jq -r .method)" = snapshot ]
    check_restored_mysql "$(newest)"
    [ "$(tracker_life)" = "$life" ]
    on_vm docker events --since "$since" --until "$(on_vm date +%s)" --filter container=tracker --filter type=container \
        --format '{{.Action}}' >"$BATS_TEST_TMPDIR/events"
    run ! grep -v '^exec_\|^health_status' "$BATS_TEST_TMPDIR/events"
}

@test "$kind: a table without snapshots: auto stops the tracker, hold never refuses and says why" {
    sql -e "CREATE TABLE tracker.notes (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO tracker.notes VALUES (1)"
    run tb run
    [ "$status" = 2 ]
    [[ $output == *notes* && $output == *"Fix:"* ]]
    rm "$workspace/envs/standin.backup.yml"
    tb configure
    tb run
    [ "$(last_run | jq -r .method)" = stop ]
    check_restored_mysql "$(newest)"
    sql -e "DROP TABLE tracker.notes"
    wait_until 120 tracker_commits
}

@test "$kind: TLS required: the server offers it, and the backup is proved through it" {
    options 'database_tls: required'
    tb configure
    tb verify
    rm "$workspace/envs/standin.backup.yml"
    tb configure
}

@test "$kind: the password is changed in server and .env: the next run needs nothing else; in .env only: 2, by name" {
    local env=/opt/torrust/.env other=Plain-2
    on_vm cp -p $env /root/env.before
    sh_on_vm "sed -i \"s|^$address=.*|$address='mysql://tracker_user:$other@mysql:3306/tracker'|; s|^MYSQL_PASSWORD=.*|MYSQL_PASSWORD='$other'|\" $env"
    run tb run
    [ "$status" = 2 ]
    [[ $output == *.env* ]]
    [[ $output != *"$other"* && $output != *"$password"* ]]
    sql -e "ALTER USER tracker_user@'%' IDENTIFIED BY '$other'"
    tb verify
    printf '%s\n' "ALTER USER tracker_user@'%' IDENTIFIED BY '${password//\\/\\\\}';" | sql --default-character-set=utf8mb4
    on_vm cp -p /root/env.before $env
    tb verify
    wait_until 120 tracker_commits
}
