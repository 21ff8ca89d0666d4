# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# What tests/bench/run and tests/bench/capture share; they set home, cache, scratch and results.

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
begin_part() { part=$results/$1.partial && : >"$part"; }
end_part() { mv "$part" "${part%.partial}.jsonl"; }
record() { jq -nc "$@" '$ARGS.named | .load = $load' --argjson load "$(cut -d ' ' -f 1 /proc/loadavg)" >>"$part"; }

# quietly COMMAND...: its output only when it fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2; echo "tests/bench/run: '$*' failed" >&2; exit 1; }
}

# A filled database of the stand-in, made once.
filled() {
    local file=$cache/bench-$1.db
    if [ ! -e "$file" ]; then
        say "filling a database with $1 torrents (once)"
        rm -f "$file.part"*
        "$("$home/../standin/build")/standin-tracker" --fill "$file.part" "$1"
        mv "$file.part" "$file"
    fi
    echo "$file"
}

# Nothing of the machine's disk is in memory, nothing waits to be written.
cold() {
    sync
    sleep 1
    echo 3 >/proc/sys/vm/drop_caches
}
