# SPDX-License-Identifier: MIT
"""Tables, targets and the plot of what tests/bench/capture measured."""
from figures import OURS, PLAIN, THEIRS, Spread, digits, table

SCENES = ("small", "large", "load", "memory", "paced", "clone", "engine")
WAYS = {
    "cp": "`cp`",
    "hot": "hot, raw, with SHA-256",
    "stored-10": "hot, compressed, level -10",
    "stored1": "hot, compressed, level 1",
    "stored6": "hot, compressed, level 6",
    "held": "held copy (`pause`)",
    "reflink": "reflink",
    "whole": "whole run by hand, hot, level 1",
    "backup": "sqlite3 `.backup`",
    "vacuum": "`VACUUM INTO`",
    "rsync": "`sqlite3_rsync`",
    "native": "native: `.backup`, `gzip`",
}
THEIR_WAYS = ("backup", "vacuum", "rsync", "native")
FULL_SPEED, PACED = 0, 2500


# --- what was measured ---


DISTURBED = 0.35  # of the processors, had by others: kernel threads, which write for us, among them


def is_quiet(row):
    return row.get("others", 0) <= DISTURBED


def done(rows, way, rate=None):
    """By round: the runs of a way that did not fail."""
    return {row["round"]: row for row in rows if row["what"] == "way" and row["way"] == way
            and row.get("rate") == rate and "failed" not in row["result"]}


def taken(rows, way, rate=None):
    """The same without the disturbed ones, if that leaves any."""
    found = done(rows, way, rate)
    return {number: row for number, row in found.items() if is_quiet(row)} or found


def failures(rows, way, rate=None):
    return [row for row in rows if row["what"] == "way" and row["way"] == way and row.get("rate") == rate
            and "failed" in row["result"]]


def ratio(rows, way, field="ms", rate=None, base="cp"):
    """To cp of the same round; None where there is none."""
    over, under = done(rows, way, rate), done(rows, base, rate)
    both = [number for number in sorted(over) if number in under]
    quiet = [number for number in both if is_quiet(over[number]) and is_quiet(under[number])]
    numbers = [over[number]["result"][field] / under[number]["result"][field] for number in quiet or both]
    return Spread(numbers) if numbers else None


def cell(spread, rows=(), way=None, rate=None):
    if spread:
        return str(spread)
    return "not finished" if way and failures(rows, way, rate) else ""


def of_writer(rows, way, rate, window, field, scale=1.0):
    values = [row["writer"][window][field] * scale for row in taken(rows, way, rate).values() if row["writer"][window]]
    return Spread(values) if values else None


def throughput(rows, way, rate):
    """During the copy, in per cent of before."""
    def pace(window):
        return window["transactions"] / window["seconds"]
    values = [100 * pace(row["writer"]["during"]) / pace(row["writer"]["before"])
              for row in taken(rows, way, rate).values() if row["writer"]["during"]]
    return Spread(values) if values else None


def disturbance(scenes):
    shares = [100 * row["others"] for rows in scenes.values() for row in rows if "others" in row]
    if not shares:
        return []
    least, middle, greatest = (f"{number:.0f} %" for number in (min(shares), Spread(shares).middle, max(shares)))
    disturbed = sum(share > 100 * DISTURBED for share in shares)
    rounds = ", ".join(f"{name} {len(done(rows, 'cp', rate))}" for name, rows in scenes.items()
                       for rate in [PACED if name == "load" else None] if done(rows, "cp", rate))
    return [f"Rounds: {rounds}.", "", f"Other programs, and the kernel's threads, had {middle} of the processors meanwhile ({least} to {greatest}); in {disturbed} "
            f"of {len(shares)} runs above {DISTURBED:.0%}, and these count only where there is no quieter one.", ""]


def fact(scenes, name):
    return next(row[name] for rows in scenes.values() for row in rows if row["what"] == "facts")


COMPUTING_HEAD = ("", "processor time, s a GB", "so two free processors give at most, MB/s", "processors that it got")


def computing(scenes):
    """Processor time of the ways of ours: what neither disk nor neighbours change."""
    lines = []
    for way in ("hot", "stored-10", "stored1", "stored6"):
        runs = [row for name in ("small", "large", "paced") for row in scenes[name] if row["what"] == "way"
                and row["way"] == way and "processor_ms" in row["result"]]
        if not runs:
            continue
        each_gb = Spread([row["result"]["processor_ms"] * 1e6 / row["bytes"] for row in runs])
        used = Spread([row["result"]["processor_ms"] / row["result"]["ms"] for row in runs])
        lines.append([WAYS[way], cell(each_gb), digits(2000 / each_gb.middle), cell(used)])
    return lines and table(COMPUTING_HEAD, lines)


def megabytes(rows):
    return f"{next(row['bytes'] for row in rows if row['what'] == 'way') / 1e6:,.0f} MB"


def speed(rows):
    """Of cp until it is on the disk, in MB/s: what the disk gives."""
    values = [row["bytes"] / row["result"]["synced_ms"] / 1e3 for row in taken(rows, "cp").values()]
    return Spread(values) if values else None


# --- tables ---


def idle_columns(scenes):
    heads = {
        "small": lambda rows: megabytes(rows),
        "large": lambda rows: megabytes(rows),
        "memory": lambda rows: f"{megabytes(rows)}, {fact(scenes, 'limit_bytes') >> 20} MiB of memory",
        "paced": lambda rows: f"{megabytes(rows)}, disk of {fact(scenes, 'pace_bytes') / 1e6:.0f} MB/s",
    }
    return [(heads[name](scenes[name]), scenes[name]) for name in heads if taken(scenes[name], "cp")]


def idle_table(scenes, field, ways):
    columns = idle_columns(scenes)
    lines = [[WAYS[way]] + [cell(ratio(rows, way, field), rows, way) for _, rows in columns] for way in ways]
    lines = [line for line in lines if any(line[1:])]
    return table([""] + [head for head, _ in columns], lines)


def idle_remarks(scenes):
    sizes = {}
    for way in WAYS:
        values = [row["result"]["stored_bytes"] / row["bytes"] for name in ("small", "large")
                  for row in taken(scenes[name], way).values()]
        if values and way not in ("cp", "hot", "held", "rsync"):
            sizes[WAYS[way]] = Spread(values).middle
    lines = ["- Size, of the database: " + ", ".join(f"{label} {digits(size)}" for label, size in sizes.items()) + "."]
    speeds = [f"{head}: {speed(rows)}" for head, rows in idle_columns(scenes)]
    lines.append("- `cp` until it is on the disk, in MB/s: " + "; ".join(speeds) + ".")
    if not fact(scenes, "has_rsync"):
        lines.append(f"- `sqlite3_rsync` is not packaged with sqlite3 {fact(scenes, 'sqlite')}: not measured.")
    return lines


RATES = ((PACED, "2,500 a second"), (FULL_SPEED, "full speed"))


def load_rows(rows, rate):
    lines = []
    for way in WAYS:
        if not taken(rows, way, rate):
            if failures(rows, way, rate):
                lines.append([WAYS[way], "not finished"] + [""] * 6)
            continue
        log = of_writer(rows, way, rate, "during", "log_bytes", 1e-6)
        lines.append([
            WAYS[way], cell(ratio(rows, way, "ms", rate)), cell(throughput(rows, way, rate)),
            " / ".join(digits(of_writer(rows, way, rate, window, "p50_us", 1e-3).middle) for window in WINDOWS),
            " / ".join(digits(of_writer(rows, way, rate, window, "p99_us", 1e-3).middle) for window in WINDOWS),
        ] + [cell(of_writer(rows, way, rate, window, "worst_us", 1e-3)) for window in ("during", "after")]
            + [cell(log)])
    return lines


WINDOWS = ("before", "during", "after")
LOAD_HEAD = ("", "time, `cp` = 1", "throughput, % of before", "p50, ms: before / during / after",
             "p99, ms: before / during / after", "worst during, ms", "worst after, ms", "log at most, MB")


def load_tables(scenes):
    lines = []
    for name, where in (("load", ""), ("memory", ", with {limit} MiB of memory for everything")):
        for rate, label in RATES:
            found = load_rows(scenes[name], rate)
            if found:
                where_text = where.format(limit=fact(scenes, "limit_bytes") >> 20)
                lines += [f"WAL, {label}{where_text}:", ""] + table(LOAD_HEAD, found) + [""]
    return lines


def clone_table(rows):
    lines = []
    for rate, label in ((None, "no writer"), (200, "200 transactions a second"), (FULL_SPEED, "full speed")):
        runs = taken(rows, "reflink", rate)
        if not runs:
            continue
        line = [label, cell(Spread([row["result"]["locked_ms"] for row in runs.values()]))]
        for window in WINDOWS:
            line.append(cell(of_writer(rows, "reflink", rate, window, "worst_us", 1e-3)) if rate is not None else "")
        lines.append(line)
    return table(["", "lock held, ms", "worst wait before, ms", "during", "after"], lines)


def memory_table(rows):
    return table(["database", "level", "allocated (anonymous), peak", "with mapped files, peak"], [[
        f"{row['bytes'] / 1e6:,.0f} MB", str(row["level"]), f"**{row['peak']['anonymous_kib'] / 1024:.1f} MiB**",
        f"{row['peak']['resident_kib'] / 1024:.1f} MiB"] for row in rows if row["what"] == "memory"])


# --- targets ---


def at_most(limit, spread, unit=""):
    return f"at most {limit:g}{unit}", spread, spread.middle <= limit, spread.greatest <= limit


def at_least(limit, spread, unit=""):
    return f"at least {limit:g}{unit}", spread, spread.middle >= limit, spread.least >= limit


def longer(scenes, way):
    return ratio(scenes["large"], "native", base=way)


def worst_wait(scenes, way):
    """From the copy's begin until four seconds after its end."""
    values = [max(row["writer"][window]["worst_us"] for window in ("during", "after") if row["writer"][window]) / 1e3
              for row in taken(scenes["load"], way, PACED).values()]
    return Spread(values) if values else None


def targets(scenes):
    """Label, how the number is judged, its limit, and the number (None: not measured)."""
    locks = [row["result"]["locked_ms"] for row in scenes["clone"] if row["what"] == "way"
             and row["way"] == "reflink" and "failed" not in row["result"]]
    memory = [row["peak"]["anonymous_kib"] / 1024 for row in scenes["engine"] if row["what"] == "memory"]
    found = [
        ("hot with SHA-256, `cp` = 1", at_most, 1.2, ratio(scenes["large"], "hot"), ""),
        ("hot, compressed, level -10, full-speed disk, `cp` = 1", at_most, 1.5, ratio(scenes["large"], "stored-10"), ""),
        ("the same, both until on the disk", at_most, 1.5, ratio(scenes["large"], "stored-10", "synced_ms"), ""),
        ("hot, compressed, level -10, 250 MB/s, `cp` = 1", at_most, 1.0, ratio(scenes["paced"], "stored-10"), ""),
        ("the same, both until on the disk", at_most, 1.0, ratio(scenes["paced"], "stored-10", "synced_ms"), ""),
        ("writer during the copy (hot, raw): throughput", at_least, 95, throughput(scenes["load"], "hot", PACED), " %"),
        ("writer during the copy (level 1): throughput", at_least, 95, throughput(scenes["load"], "stored1", PACED), " %"),
        ("worst wait of the writer (hot, raw)", at_most, 500, worst_wait(scenes, "hot"), " ms"),
        ("worst wait of the writer (level 1)", at_most, 500, worst_wait(scenes, "stored1"), " ms"),
        ("reflink: lock", at_most, 150, Spread(locks) if locks else None, " ms"),
        ("held copy, full-speed disk, `cp` = 1", at_most, 1.1, ratio(scenes["large"], "held"), ""),
        ("held copy, 250 MB/s, `cp` = 1", at_most, 1.1, ratio(scenes["paced"], "held"), ""),
        ("whole run by hand: shorter than the native way, times", at_least, 15, longer(scenes, "whole"), ""),
        ("held copy: shorter than the native way, times", at_least, 50, longer(scenes, "held"), ""),
        ("memory of the engine, anonymous", at_most, 64, Spread(memory) if memory else None, " MiB"),
    ]
    return [(label, judge(limit, spread, unit)) for label, judge, limit, spread, unit in found if spread]


def targets_table(scenes):
    lines = []
    for label, (limit, spread, by_median, always) in targets(scenes):
        several = len(spread.numbers) > 1
        verdict = "**no**" if not by_median else "yes, measured once" if not several else "yes, always" if always else "yes, by the median"
        lines.append([label, limit, str(spread), verdict])
    return table(["", "target", "measured", "met"], lines)


# --- all of it ---


def text_of(scenes):
    lines = ["Each cell: **median** (least to greatest) of the rounds. A ratio is to `cp` of the same file in the same round.", ""]
    lines += disturbance(scenes)
    lines += ["### Targets", ""] + targets_table(scenes) + [""]
    columns = idle_columns(scenes)
    if columns:
        ways = [way for way in WAYS if way not in ("cp", "reflink")]
        lines += ["### Without a writer", "", "Until the copy is there; of `cp` too, which leaves much of it in memory only:", ""]
        lines += idle_table(scenes, "ms", ways) + ["", "Until it is on the disk, as `cp` and `sync`:", ""]
        lines += idle_table(scenes, "synced_ms", ways) + [""] + idle_remarks(scenes) + [""]
    computed = computing(scenes)
    if computed:
        lines += ["What it computes, whatever disk and neighbours do:", ""]
        lines += computed + [""]
    loads = load_tables(scenes)
    if loads:
        lines += ["### A writer beside it", ""] + loads
    if taken(scenes["clone"], "reflink"):
        lines += ["### Reflink", "", "XFS, rollback journal, synchronous=FULL. `cp` and the held copy become clones there, too.", ""] + clone_table(scenes["clone"]) + [""]
    if any(row["what"] == "memory" for row in scenes["engine"]):
        lines += ["### Memory of the engine, hot", "", "A whole run by hand, with the restored proof.", ""]
        lines += memory_table(scenes["engine"]) + [""]
    return lines


# --- the plot ---


def colour_of(way):
    return PLAIN if way == "cp" else THEIRS if way in THEIR_WAYS else OURS


def plain(label):
    return label.replace("`", "")


def time_groups(scenes):
    groups = []
    for head, rows in idle_columns(scenes):
        found = [(plain(WAYS[way]), ratio(rows, way), colour_of(way)) for way in WAYS if way not in ("cp", "reflink")]
        groups.append((f"Without a writer: {head}", [row for row in found if row[1]]))
    for rate, label in RATES:
        found = [(plain(WAYS[way]), ratio(scenes["load"], way, "ms", rate), colour_of(way)) for way in WAYS if way != "cp"]
        groups.append((f"A writer beside it, {label}", [row for row in found if row[1]]))
    return [group for group in groups if group[1]]


def wait_groups(scenes):
    groups = []
    for rate, label in RATES:
        found = [(f"{plain(WAYS[way])}: {window}", of_writer(scenes["load"], way, rate, window, "worst_us", 1e-3), colour_of(way))
                 for way in WAYS for window in ("during", "after")]
        groups.append((f"WAL, {label}", [row for row in found if row[1]]))
    return [group for group in groups if group[1]]


def panels(scenes):
    found = [("Time until the copy is there, cp of the same round = 1 (logarithmic). Dot: median; line: least to greatest.",
              time_groups(scenes)),
             ("Worst wait of the writer, ms (logarithmic): during the copy, and in the four seconds after it.",
              wait_groups(scenes))]
    return [panel for panel in found if panel[1]]
