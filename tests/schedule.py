#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the stages that it is told, of those in tests/stages, as many at the same time as is good.

Usage: tests/schedule.py STAGE...

A stage begins when those that it comes after have passed, when what it has to have alone is free, and when there is
room for one more of its kind. Of those that can begin, the one with the longest chain of stages after it is first.
Each is `tests/run` with its name in TBK_STAGE. When it is over, its name, result and time are said, and of one that
failed the end of its log; in the end comes the table of all. Ends with 1 when one failed or could not be run.

A few that failed are run once more in the end, each alone. That tells what is wrong from what is only too slow on a busy
machine, or wrong now and then. The latter is not hidden: the end names the stage, and its first log stays.
"""
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
LOGS = os.path.join(os.path.dirname(HERE), "build", "tests")
SKIPPED = re.compile(r"\*\*\* SKIPPED|ok .* # skip")  # a line that says that a test was left out
SHOWN_LINES = 60  # of the log of a stage that failed
CORES = os.cpu_count() or 1
WAITING_PER_CORE = 2  # stages that mostly wait; with their machines, each keeps a third of a core busy
WORK_NICE = 10  # of stages that may take their time: a tenth of a core beside one that does not
PATIENCE_S = 60  # for stages that are told to end
AGAIN_AT_MOST = 3  # more than that is no chance


@dataclass
class Stage:
    name: str
    seconds: int
    kind: str
    alone: set
    after: list
    chain_s: int = 0  # what it takes with the longest chain of those that come after it
    result: str = ""
    began: float = 0
    took: float = 0
    again: bool = False  # it failed beside others, and was run alone
    worked: float = 0  # seconds of a processor, without those of the machines
    process: object = field(default=None, repr=False)

    @property
    def log(self):
        return os.path.join(LOGS, self.name + ".log")

    @property
    def runs(self):
        return self.process is not None and not self.result


def listed(text):
    return [] if text == "-" else text.split(",")


def read_stages(names):
    """The stages of these names, in the table's order, each with what it comes after of these."""
    stages = {}
    with open(os.path.join(HERE, "stages"), encoding="utf-8") as table:
        for line in table:
            if not line.strip() or line.startswith("#"):
                continue
            name, _, seconds, kind, alone, after, _ = line.split(None, 6)
            if name in names:
                stages[name] = Stage(name, int(seconds), kind, set(listed(alone)), listed(after))
    for stage in stages.values():
        stage.after = [name for name in stage.after if name in stages]
    for stage in reversed(list(stages.values())):  # the table lists each after all that it depends on
        stage.chain_s += stage.seconds
        for name in stage.after:
            stages[name].chain_s = max(stages[name].chain_s, stage.chain_s)
    return stages


def has_room(stage, running):
    beside = sum((other.kind == "wait") == (stage.kind == "wait") for other in running)
    return beside < (WAITING_PER_CORE * CORES if stage.kind == "wait" else CORES)


def begin(stage):
    with open(stage.log, "wb") as log:
        stage.process = subprocess.Popen([os.path.join(HERE, "run")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env={**os.environ, "TBK_STAGE": stage.name}, start_new_session=True)
    if stage.kind == "work":
        give_way(stage.process.pid)
    stage.began = time.monotonic()


def give_way(pid):
    """Linux shares a processor out between sessions before it looks at the priorities inside of each."""
    os.setpriority(os.PRIO_PROCESS, pid, WORK_NICE)
    try:
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as session:
            session.write(str(WORK_NICE))
    except OSError:
        pass  # a kernel without such groups goes by the priority


def begin_all_that_can(stages):
    for stage in sorted(stages.values(), key=lambda stage: -stage.chain_s):
        running = [other for other in stages.values() if other.runs]
        if stage.process or stage.result:
            continue
        if any(stages[name].result in ("FAILED", "not run") for name in stage.after):
            stage.result = "not run"
            say(stage)
        elif (all(stages[name].result == "ok" for name in stage.after) and has_room(stage, running)
              and not any(stage.alone & other.alone for other in running)):
            begin(stage)


def wait_for_one(stages):
    """Until one is over; a stage that was not run may let others know."""
    pid, status, usage = os.wait4(-1, 0)
    for stage in stages.values():
        if stage.runs and stage.process.pid == pid:
            stage.process.returncode = os.waitstatus_to_exitcode(status)
            stage.took = time.monotonic() - stage.began
            stage.worked = usage.ru_utime + usage.ru_stime
            stage.result = "FAILED" if stage.process.returncode else "ok"
            say(stage)


def say(stage):
    print(f"{stage.name:<19} {stage.result:<7} {stage.took:5.0f} s", flush=True)
    if stage.result == "not run":
        return
    with open(stage.log, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    if stage.result == "ok":
        lines = [line for line in lines if SKIPPED.match(line)]
    else:
        print(f"    ... {os.path.relpath(stage.log)}:")
        lines = lines[-SHOWN_LINES:]
    for line in lines:
        print("    " + line, flush=True)


def end_all(stages):
    """Bats takes its machines away when it is told to end by the signal of Ctrl-C; what does not hear that is killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough
    running = [stage for stage in stages.values() if stage.runs]
    for number, patience_s in ((signal.SIGINT, PATIENCE_S), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        for stage in running:
            try:
                os.killpg(stage.process.pid, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience_s
        while running and time.monotonic() < end:
            running = [stage for stage in running if stage.process.poll() is None]
            time.sleep(0.1)


def processor_times():
    """How long all cores have worked, and how long there was time, since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(word) for word in file.readline().split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


def say_all(stages, began, times):
    took = time.monotonic() - began
    busy, there = (now - before for now, before in zip(processor_times(), times))
    ran = [stage for stage in stages.values() if stage.process]
    print(f"\n{'stage':<19} {'result':<7} {'began':>7} {'took':>7} {'worked':>8}")
    for stage in sorted(ran, key=lambda stage: -stage.took):
        print(f"{stage.name:<19} {stage.result:<7} {stage.began - began:5.0f} s {stage.took:5.0f} s {stage.worked:6.0f} s")
    chain = longest_chain(stages)
    print(f"\nThe longest chain: {' > '.join(stage.name for stage in chain)}, {sum(stage.took for stage in chain):.0f} s")
    print(f"All of it took {took:.0f} s; {CORES} cores were busy for {100 * busy / max(there, 1):.0f} % of that.")
    not_run = [stage.name for stage in stages.values() if stage.result == "not run"]
    if not_run:
        print(f"Not run, because what they come after failed: {' '.join(not_run)}")
        if "vm-packages" in stages and stages["vm-packages"].result == "FAILED":
            print("tests/run --unit runs what needs no virtual machine.")
    print()


def longest_chain(stages):
    """The stages that no scheduling could have put beside each other."""
    chains = {}
    for stage in stages.values():
        before = max((chains[name] for name in stage.after), key=lambda chain: sum(one.took for one in chain), default=[])
        chains[stage.name] = before + [stage]
    return max(chains.values(), key=lambda chain: sum(stage.took for stage in chain))


def run_all(stages):
    begin_all_that_can(stages)
    while any(stage.runs for stage in stages.values()):
        wait_for_one(stages)
        begin_all_that_can(stages)


def run_failed_alone(stages):
    failed = [stage for stage in stages.values() if stage.result == "FAILED"]
    if len(failed) > AGAIN_AT_MOST:
        return
    for stage in failed:
        os.replace(stage.log, first_log(stage))
        stage.result, stage.again = "", True
        begin(stage)
        while stage.runs:
            wait_for_one(stages)
    for stage in stages.values():
        if stage.result == "not run":
            stage.result = ""
    run_all(stages)


def first_log(stage):
    return stage.log.replace(".log", ".first.log")


def say_what_passed_alone(stages):
    for stage in stages.values():
        if stage.again and stage.result == "ok":
            print(f"{stage.name} failed beside others and passed alone: {os.path.relpath(first_log(stage))} says why. "
                  "Fix the test's time limit, or the fault.")


def interrupted(number, _):
    raise KeyboardInterrupt(number)


def main():
    stages = read_stages(set(sys.argv[1:]))
    os.makedirs(LOGS, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    began, times = time.monotonic(), processor_times()
    try:
        run_all(stages)
        run_failed_alone(stages)
    except KeyboardInterrupt:
        print("Interrupted: all stages are told to end", flush=True)
        end_all(stages)
        return 130
    say_all(stages, began, times)
    say_what_passed_alone(stages)
    passed = sum(stage.result == "ok" for stage in stages.values())
    failed = sum(stage.result == "FAILED" for stage in stages.values())
    print(f"{passed} passed, {failed} failed")
    return 0 if passed == len(stages) else 1


if __name__ == "__main__":
    sys.exit(main())
