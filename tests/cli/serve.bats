#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The engine as a service, by hand: due runs, missed runs, stops, locks, replaced configuration, bad requests.
bats_require_minimum_version 1.5.0
load common

setup() {
    engine=$TBK_BUILD/bin/torrust-backup-engine
    cd "$BATS_TEST_TMPDIR" || return 1
    port=$(free_port)
    mkdir root
    echo A=1 >root/.env
    schedule='* * * * *' rate=0
    hourly="$(((10#$(date +%M) + 30) % 60)) * * * *" # and never while a test runs
}
teardown() {
    for process in ${serving-} ${started-}; do
        kill "$process" 2>/dev/null || true
        wait "$process" || true
    done
}

# make_database [ROWS] [JOURNAL-MODE]
make_database() {
    sqlite3 tracker.db "PRAGMA journal_mode=${2-wal}; CREATE TABLE torrents (id INTEGER PRIMARY KEY, info_hash TEXT);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT ${1-2000})
        INSERT INTO torrents SELECT i, hex(randomblob(20)) FROM n;" >/dev/null
}
write_config() { # [MODE]
    cat >engine.yml.new <<END
schema: 1
environment: demo
mode: ${1-sidecar}
$([ "${1-sidecar}" = window ] || echo "schedule: '$schedule'")
database: {driver: sqlite3, path: $PWD/tracker.db}
store: $PWD/store
method: auto
profile: full
keep_days: 7
compression_level: 1
rate_limit_mib: $rate
prove_restored_every_days: 0
config: {root: $PWD/root, paths: [.env]}
END
    mv engine.yml.new engine.yml
}
# Runs until a test ends it; another program may have taken the port meanwhile, then on the next one.
serve() {
    local attempt
    for attempt in 1 2 3; do
        port=$(free_port)
        "$engine" serve --config engine.yml --port "$port" >>log 2>&1 &
        serving=$!
        wait_until 60 answers_or_ended
        ! answers || return 0
    done
    return 1
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
answers_or_ended() { answers || ! kill -0 "$serving" 2>/dev/null; }
answers() { curl -s -o /dev/null "localhost:$port/health"; }
health() { curl -s "localhost:$port/health" | jq -r "$1"; }
state_is() { [ "$(health .state)" = "$1" ]; }
metric() { curl -s "localhost:$port/metrics" | sed -n "s/^torrust_backup_$1 //p"; }
has_sets() { [ "$(sets | wc -l)" -ge "$1" ]; }
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { cat log; return 1; }
        sleep 0.1
    done
}
# ends_with STATUS: serve, when it was told to stop.
ends_with() {
    local status=0
    wait "$serving" || status=$?
    serving=''
    cat log
    [ "$status" = "$1" ]
}
is_locked() { ! flock -n store/.state/lock true; }
# attempted_ago SECONDS: a record that says so.
attempted_ago() {
    "$engine" backup --config engine.yml --log json >/dev/null
    rm -rf store/2*
    sed -i -E "s/(\"last_full_attempt_s\": *)[0-9]+/\1$(($(date +%s) - $1))/" store/.state/last-run.json
}

@test "a due run is made, by a process of its own; health and metrics tell it" {
    make_database
    write_config
    serve
    wait_until 60 state_is waiting
    wait_until 200 has_sets 1
    wait_until 60 state_is waiting
    [ "$(health .health)" = ok ]
    [ "$(metric sets)" = 1 ]
    [ "$(metric 'runs_total{result="ok"}')" = 1 ]
    [ "$(metric tracker_held_seconds)" = 0 ]
    "$engine" health --port $port
    kill -TERM "$serving"
    ends_with 0
    run -1 "$engine" health --port $port
}

@test "a run that was missed is made up for at once; one whose time has not come is not" {
    make_database
    schedule=$hourly
    write_config
    attempted_ago 7200
    serve
    wait_until 60 has_sets 1
    grep -q 'made up for' log
    kill -TERM "$serving"
    ends_with 0
    serve
    sleep 2
    [ "$(sets | wc -l)" = 1 ]
}

@test "before any run was recorded, what counts is when the schedule was written" {
    make_database
    schedule=$hourly
    write_config
    touch -d '2 hours ago' engine.yml
    serve
    wait_until 60 has_sets 1
    grep -q 'made up for' log
}

@test "SIGTERM in the middle of a run: it is abandoned cleanly, and made again after the next start" {
    make_database 200000
    schedule=$hourly rate=1
    write_config
    attempted_ago 7200
    serve
    wait_until 60 state_is running
    wait_until 60 compgen -G 'store/.2*/database.db.zst'
    kill -TERM "$serving"
    ends_with 0
    grep -q abandoned log
    [ -z "$(sets)$(hidden)" ]
    rate=0
    write_config
    serve
    wait_until 60 has_sets 1
    [ "$(jq .exit_status store/.state/last-run.json)" = 0 ]
}

@test "while another run has the lock it waits, and tries again in a minute" {
    make_database
    schedule=$hourly
    write_config
    attempted_ago 7200
    flock store/.state/lock sleep 600 &
    started=$!
    wait_until 60 is_locked
    now=$(date +%s)
    serve
    wait_until 60 grep -q 'exit status 11' log
    next=$(date -d "$(health .next_run)" +%s)
    [ "$next" -gt "$now" ]
    [ "$next" -le $(($(date +%s) + 60)) ]
    pkill -P $started
    wait $started || true
    wait_until 200 has_sets 1
}

@test "a database that is gone after there were backups is a failure at once, and runs go on to fail" {
    make_database
    schedule=$hourly
    write_config
    "$engine" backup --config engine.yml --log json >/dev/null
    serve
    [ "$(health .health)" = ok ]
    kill -TERM "$serving"
    ends_with 0
    mv tracker.db away.db
    serve
    [ "$(health '.health + ": " + .state')" = "failing: the database is gone" ]
    [[ $(health .problem) == "there were backups of the database, and it is gone"* ]]
    [ "$(metric database_present)" = 0 ]
    run -1 "$engine" health --port $port
    kill -TERM "$serving"
    ends_with 0
    sed -i -E "s/(\"last_full_attempt_s\": *)[0-9]+/\1$(($(date +%s) - 7200))/" store/.state/last-run.json
    serve # what was missed is made up for, and leaves its failure in the record
    wait_until 60 grep -q 'the run ended with exit status' log
    [ "$(jq .profiles.full.exit_status store/.state/last-run.json)" != 0 ]
    mv away.db tracker.db
    kill -TERM "$serving"
    ends_with 0
}

@test "each profile has its own health: a full backup that fails is seen beside a good essential one" {
    make_database 20000
    schedule='@daily'
    write_config
    sed -i "s/^profile: full/profile: essential\nessential: {torrents: id <= 10}\nfull_schedule: '0 4 * * sun'/" engine.yml
    "$engine" backup --config engine.yml --log json --profile essential >/dev/null
    serve
    [ "$(health '.health, .profiles.full.last_run, .profiles.essential.health' | xargs)" = "ok null ok" ]
    run -1 bash -c "ulimit -f 64; '$engine' backup --config engine.yml --log json --profile full"
    "$engine" backup --config engine.yml --log json --profile essential >/dev/null
    [ "$(jq .exit_status store/.state/last-run.json)" = 0 ]
    kill -TERM "$serving"
    ends_with 0
    serve
    [ "$(health '.health, .profiles.full.health, .profiles.essential.health' | xargs)" = "failing failing ok" ]
    [[ $(health .problem) == "the last run (full) ended with 1"* ]]
    [ "$(metric 'profile_last_exit_status{profile="full"}')" = 1 ]
    [ "$(metric 'profile_last_exit_status{profile="essential"}')" = 0 ]
    [ "$(metric 'profile_last_success_timestamp_seconds{profile="full"}')" = 0 ]
}

@test "a last success that is in the future is none: the clock went back" {
    make_database
    schedule='@daily'
    write_config
    "$engine" backup --config engine.yml --log json >/dev/null
    sed -i -E "s/(\"last_success_s\": *)[0-9]+/\1$(($(date +%s) + 864000))/" store/.state/last-run.json
    serve
    [ "$(health .health)" = failing ]
    [[ $(health .problem) == *"the clock went back"* ]]
}

@test "no database yet: well and idle; then it begins by itself, and makes the store" {
    write_config
    serve
    [ "$(health '.health + " " + .state')" = "ok no database yet" ]
    [ "$(metric database_present)" = 0 ]
    : >tracker.db
    "$engine" health --port $port | grep -q 'no database yet'
    make_database
    wait_until 200 has_sets 1
}

@test "a configuration that is replaced is heeded; a broken one is told and mended" {
    make_database
    schedule='@yearly'
    write_config
    serve
    [ "$(health .next_run)" = "$(($(date -u +%Y) + 1))-01-01T00:00:00Z" ]
    echo 'schema: 1' >engine.yml
    kill -HUP "$serving"
    wait_until 60 state_is 'no configuration'
    run -1 "$engine" health --port $port
    [ "$(curl -s -o /dev/null -w '%{http_code}' "localhost:$port/health")" = 503 ]
    [ "$(metric config_valid)" = 0 ]
    schedule=$hourly
    write_config
    kill -HUP "$serving"
    wait_until 60 state_is waiting
    [ $(($(date -d "$(health .next_run)" +%s) - $(date +%s))) -le 3600 ]
    sleep 1
    [ -z "$(sets)" ] # a new schedule has missed nothing
}

@test "what would hold is refused with the way out; what waits for a passing reason is not called so" {
    make_database 2000 delete
    schedule=$hourly
    write_config
    run -2 "$engine" backup --config engine.yml
    [[ $output == *"the database allows no backup without a hold: hot: "*"; reflink: "*"Fix: "*"--mode window"*"--journal-mode wal"* ]]
    run -2 "$engine" backup --config engine.yml --method pause
    [[ $output == *"holds the tracker"* ]]
    run -2 "$engine" backup --config engine.yml --hook </dev/null
    [[ $output == *"hook and sidecar at once are refused"*"@done 2" ]]
    [ -z "$(sets)" ]
}

@test "serve begins only with a configuration of its own, and only on a port that is free" {
    make_database
    run -2 "$engine" serve --config engine.yml --port $port
    write_config window
    run -2 "$engine" serve --config engine.yml --port $port
    [[ $output == *"not for the sidecar"* ]]
    write_config
    serve
    run -2 "$engine" serve --config engine.yml --port $port
    [[ $output == *"cannot listen on port"* ]]
    for words in "serve --port 0" "serve --port 70000" "serve --store s" "health --store s" "health --show all" "serve --show health" \
        "list --port 5" "list --log json" "backup --log xml" "serve more"; do
        # shellcheck disable=SC2086 # a list of words
        run -2 "$engine" $words
    done
}

@test "bad requests and a responder that is killed leave the service well" {
    make_database
    write_config
    serve
    python3 - $port <<'END'
import os, socket, sys
def ask(request):
    with socket.create_connection(("localhost", int(sys.argv[1])), timeout=60) as client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while block := client.recv(65536):
                answer += block
        except ConnectionError:
            return b""
        return answer
for request, status in ((b"GET\r\n\r\n", b"400"), (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"GET /metrics HTTP/9\r\n\r\n", b"400"),
                        (b"GET /" + b"a" * 6000 + b" HTTP/1.1\r\n\r\n", b"413"), (b"GET /metrics HTTP/1.1\r\n\r\n", b"200")):
    answer = ask(request)
    assert answer.startswith(b"HTTP/1.1 " + status), (request[:40], answer[:100])
for _ in range(20):
    ask(os.urandom(100000))
END
    [ "$(curl -s -X PUT -o /dev/null -w '%{http_code}' "localhost:$port/health")" = 405 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "localhost:$port/etc/passwd")" = 404 ]
    answers
    pkill -9 -P "$serving" -f 'engine serve'
    wait_until 60 answers
}
