# SPDX-License-Identifier: MIT
"""Tables, targets and the plot of what tests/bench/mysql measured."""
import json

from capture_figures import cell, disturbance, failures, of_writer, plain, ratio, taken, throughput
from figures import OURS, THEIRS, Spread, digits, seconds, table

KINDS = {"mariadb": "MariaDB", "mysql": "MySQL"}
RATES = (50, 1000)
DUMPS = {
    "ours1": "ours, level 1",
    "ours-10": "ours, level -10",
    "essential": "ours, essential (`completed > 0`)",
    "native": "native: `mariadb-dump`, `gzip`",
    "oracle": "Oracle's `mysqldump`, `gzip`",
    "zstd": "`mariadb-dump`, `zstd -1 -T2`",
    "mydumper": "`mydumper --compress`, 2 threads",
}
RESTORES = {
    "load": "ours",
    "proof": "the proof after it",
    "client": "native: `gzip -d`, `mariadb`",
    "ours_client": "`zstd -d` of our dump, `mariadb`",
    "myloader": "`myloader`, 2 threads",
}
LOADS = {"backup": "ours: the engine's whole backup", "native": "native: `mariadb-dump`, `gzip`"}
OUR_WAYS = ("ours1", "ours-10", "essential", "load", "proof", "backup")
WINDOWS = ("before", "during", "after")


def read_all(folder):
    """A list of rows for each pair of server and size, in order."""
    found = {}
    for path in sorted(folder.glob("mysql-*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found.setdefault((row["kind"], row["rows"]), []).append(row)
    return {key: found[key] for key in sorted(found)}


def heads(cases):
    return [f"{KINDS[kind]}, {rows / 1e6:g} M" for kind, rows in cases]


def results(rows, way, field, scale=1.0, rate=None):
    values = [row["result"][field] * scale for row in taken(rows, way, rate).values() if row["result"].get(field) is not None]
    return Spread(values) if values else None


# --- targets ---


def verdict(spread, limit):
    if spread is None:
        return ""
    return f"{spread} {'yes' if spread.greatest <= limit else 'by the median' if spread.middle <= limit else '**no**'}"


def held(rows):
    values = [row["result"]["held_ms"] for rate in RATES for row in taken(rows, "backup", rate).values()]
    return Spread(values) if values else None


def memory(rows):
    values = [row["result"]["memory_kib"] / 1024 for way in ("ours1", "ours-10", "load") for row in taken(rows, way).values()]
    return Spread(values) if values else None


def targets_table(cases):
    found = [
        ("dump, level 1; native = 1", "at most 0.15", 0.15, lambda rows: ratio(rows, "ours1", base="native")),
        ("dump, level -10; native = 1", "at most 0.15", 0.15, lambda rows: ratio(rows, "ours-10", base="native")),
        ("restore; native = 1", "at most 0.45", 0.45, lambda rows: ratio(rows, "load", base="client")),
        ("tracker held, under both loads, ms", "below 500", 500, held),
        ("memory, mapped files included, MiB", "at most 64", 64, memory),
    ]
    lines = [[label, limit_text] + [verdict(measure(rows), limit) for rows in cases.values()]
             for label, limit_text, limit, measure in found]
    return table(["", "target"] + heads(cases), lines)


# --- tables ---


def way_table(cases, ways, measure):
    lines = [[label] + [measure(rows, way) for rows in cases.values()] for way, label in ways.items()]
    return table([""] + heads(cases), [line for line in lines if any(line[1:])])


def ratio_to(base):
    return lambda rows, way: cell(ratio(rows, way, base=base), rows, way)


def median_of(field, scale):
    def measure(rows, way):
        spread = results(rows, way, field, scale)
        return digits(spread.middle) if spread else ""
    return measure


def size(rows, way):
    stored, native = results(rows, way, "stored_bytes"), results(rows, "native", "stored_bytes")
    return digits(stored.middle / native.middle) if stored and native else ""


def processor(rows, way):
    """Of the programs, and of the server: seconds for each million rows."""
    runs = taken(rows, way).values()
    if not runs:
        return ""
    own = Spread([row["result"]["processor_ms"] * 1e3 / row["rows"] for row in runs]).middle
    server = Spread([row["server_ms"] * 1e3 / row["rows"] for row in runs]).middle
    return f"{digits(own)} + {digits(server)}"


def native_times(cases, way):
    return "; ".join(f"{head} {seconds(row['result']['ms'] for row in taken(rows, way).values())}"
                     for head, rows in zip(heads(cases), cases.values()) if taken(rows, way))


def sections(cases, ways, base, is_dump):
    lines = ["Time:", ""] + way_table(cases, ways, ratio_to(base)) + [""]
    lines += [f"The native way took (median): {native_times(cases, base)}.", ""]
    if is_dump:
        lines += ["Size:", ""] + way_table(cases, {way: label for way, label in ways.items()}, size) + [""]
    lines += ["Processor time, seconds for each million rows: programs + server:", ""] + way_table(cases, ways, processor) + [""]
    lines += ["Memory, MiB, of the program (of the largest one in a pipeline), mapped files included:", ""]
    lines += way_table(cases, ways, median_of("memory_kib", 1 / 1024)) + [""]
    return lines


def moment(rows, rate):
    runs = list(taken(rows, "backup", rate).values())
    free = sum(row["result"]["held_ms"] == 0 and row["result"]["sessions"] > 1 for row in runs)
    alone = sum(row["result"]["sessions"] == 1 for row in runs)
    held_count = len(runs) - free - alone
    words = [f"{free} without a hold" if free else "", f"{held_count} held" if held_count else "", f"{alone} with one session" if alone else ""]
    return ", ".join(word for word in words if word)


def load_line(head, rows, way, rate):
    is_ours = way == "backup"
    return [
        head, LOADS[way], cell(results(rows, way, "ms", 1e-3, rate)),
        cell(results(rows, way, "held_ms", 1, rate)) if is_ours else "0",
        moment(rows, rate) if is_ours else "",
        cell(throughput(rows, way, rate)),
    ] + [" / ".join(digits(of_writer(rows, way, rate, window, field, 1e-3).middle) for window in WINDOWS)
         for field in ("p50_us", "p99_us", "worst_us")] + [cell(of_writer(rows, way, rate, "during", "worst_us", 1e-3))]


LOAD_HEAD = ("", "", "time, s", "held, ms", "common moment", "throughput, % of before", "p50, ms: before / during / after",
             "p99, ms", "worst, ms", "worst during, ms")


def load_tables(cases):
    lines = []
    for rate in RATES:
        found = [load_line(head, rows, way, rate) for head, rows in zip(heads(cases), cases.values())
                 for way in LOADS if taken(rows, way, rate)]
        if found:
            lines += [f"{rate:,} transactions a second:", ""] + table(LOAD_HEAD, found) + [""]
    return lines


# --- all of it ---


def facts_text(cases):
    facts = {}
    for (kind, _), rows in cases.items():
        for row in rows:
            if row["what"] == "facts":
                facts[kind] = row
    servers = ", ".join(f"{KINDS[kind]} {row['version'].split('-')[0]}" for kind, row in facts.items())
    one = next(iter(facts.values()))
    rounds = ", ".join(f"{head} {max(len(taken_rounds(rows)), 1)}" for head, rows in zip(heads(cases), cases.values()))
    sizes = ", ".join(f"{head} {rows[0]['bytes'] / 1e6:,.0f} MB" for head, rows in zip(heads(cases), cases.values()))
    return [f"{servers}; `mariadb-dump` and `mariadb` {one['client']}, mydumper {one['mydumper']}. Data and indexes, as the server counts them: "
            f"{sizes}. Rounds: {rounds}.", ""]


def taken_rounds(rows):
    return {row["round"] for row in rows if row["what"] == "way"}


def text_of(cases):
    lines = facts_text(cases) + ["Each cell: **median** (least to greatest) of the rounds; a ratio is to the native way of the same round.", ""]
    lines += [line for line in disturbance({str(key): rows for key, rows in cases.items()}) if not line.startswith("Rounds: ")]
    lines += ["### Targets of dump and restore", ""] + targets_table(cases) + [""]
    lines += ["### Dump", "", "No client writes. The native way = 1.", ""] + sections(cases, DUMPS, "native", True)
    lines += ["### Restore", "", "Into an empty database of the same server; a proof compares rows and checksums after it. The native way = 1.", ""] + sections(cases, RESTORES, "client", False)
    loads = load_tables(cases)
    if loads:
        lines += ["### The tracker beside a backup", ""] + loads
    missing = [f"{DUMPS.get(way) or RESTORES[way]} on {head}" for head, rows in zip(heads(cases), cases.values())
               for way in {**DUMPS, **RESTORES} if failures(rows, way) and not taken(rows, way)]
    return lines + ([f"Failed: {', '.join(missing)}.", ""] if missing else [])


# --- the plot ---


def groups(cases, ways, base):
    found = []
    for head, rows in zip(heads(cases), cases.values()):
        lines = [(plain(label), ratio(rows, way, base=base), OURS if way in OUR_WAYS else THEIRS)
                 for way, label in ways.items() if way != base]
        found.append((head, [line for line in lines if line[1]]))
    return [group for group in found if group[1]]


def wait_groups(cases):
    found = []
    for rate in RATES:
        for head, rows in zip(heads(cases), cases.values()):
            lines = [(f"{'ours' if way in OUR_WAYS else 'native'}: {window}", of_writer(rows, way, rate, window, "p99_us", 1e-3),
                      OURS if way in OUR_WAYS else THEIRS) for way in LOADS for window in ("before", "during")]
            found.append((f"{head}, {rate:,} a second", [line for line in lines if line[1]]))
    return [group for group in found if group[1]]


def panels(cases):
    found = [
        ("Dump: time, native (mariadb-dump, gzip) = 1 (logarithmic). Dot: median; line: least to greatest.", groups(cases, DUMPS, "native")),
        ("Restore: time, native (gzip -d, mariadb) = 1 (logarithmic).", groups(cases, RESTORES, "client")),
        ("The writer beside a backup: 99th percentile of its waits, ms (logarithmic).", wait_groups(cases)),
    ]
    return [panel for panel in found if panel[1]]
