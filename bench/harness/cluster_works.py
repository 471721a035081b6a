# SPDX-License-Identifier: MIT
"""The figures of the cluster, what ours has to reach, and how each work is run and looked at from outside."""

import json
import os
import signal
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness.processes import descendants, processor_of_all_s, resident_kib

RUN_LIMIT_S = 170
MAP_TASKS = 1000000
PARKED_TASKS = 100000
CAPTURE_BYTES = 64
POISON_INDEX = 0xFFFFFFFF


@dataclass(frozen=True)
class Figure:
    name: str
    work: str
    title: str
    unit: str
    more_is_better: bool
    bar: str  # what ours has to reach, in words
    reached: object = None  # (our median, {contender: median}) -> bool, or None where something was not measured

    def advantage(self, ours, other):
        """How many times better ours is; None where a ratio says nothing."""
        if ours <= 0 or other <= 0:
            return None
        return ours / other if self.more_is_better else other / ours


def at_most(limit):
    return lambda ours, others: ours <= limit


def _throughput(ours, others):
    if "reference" not in others:
        return None
    return ours >= max(400000, others["reference"] / 2, 10 * others.get("gearman", 0), others.get("erlang", 0))


def _within(factor):
    return lambda ours, others: ours <= factor * others["reference"] if "reference" in others else None


FIGURES = [
    Figure("map", "map", "1,000,000 tasks that return their 64-byte capture", "tasks/s", True,
           "400,000 a second, half of the reference, 10 times Gearman, more than Erlang", _throughput),
    Figure("map_processor", "map", "processor time of such a task, all processes", "us", False, "at most 5 us", at_most(5)),
    Figure("await", "await", "the same, submitted and awaited one by one", "tasks/s", True, "none"),
    Figure("latency_p50", "latency", "one at a time: median", "us", False, "at most 1.3 times the reference", _within(1.3)),
    Figure("latency_p99", "latency", "one at a time: 99th percentile", "us", False, "at most 1.5 times the reference",
           _within(1.5)),
    Figure("payload", "payload", "1 MiB captures and results", "MB/s", True, "at least 120 MB/s",
           lambda ours, others: ours >= 120),
    Figure("queued_memory", "queued", "memory of the coordinator for a queued task, beside its capture", "B", False,
           "at most 200 bytes", at_most(200)),
    Figure("worker_lost", "worker-killed", "tasks lost when a worker process is killed among 20,000", "tasks", False, "0",
           at_most(0)),
    Figure("worker_twice", "worker-killed", "tasks that started twice then", "tasks", False,
           "those that ran or were on their way", at_most(64)),
    Figure("worker_noticed", "worker-killed", "until a new process has its place", "ms", False, "at once", at_most(1000)),
    Figure("silent_noticed", "node-silent", "until a node that is stopped gets no more tasks", "ms", False,
           "at most 1 s (and a look)", at_most(1250)),
    Figure("silent_lost", "node-silent", "tasks lost then", "tasks", False, "0", at_most(0)),
    Figure("coordinator_lost", "coordinator-killed", "tasks lost when the coordinator is killed and started again", "tasks",
           False, "0", at_most(0)),
    Figure("coordinator_twice", "coordinator-killed", "tasks that started twice then", "tasks", False, "none"),
    Figure("coordinator_stall", "coordinator-killed", "longest time without a start after it is back", "ms", False,
           "at most 1 s", at_most(1000)),
    Figure("poison_error", "poison", "until a poison task has its error", "ms", False, "at most 1 s", at_most(1000)),
    Figure("poison_lost", "poison", "innocent tasks lost then, of 2,000", "tasks", False, "0", at_most(0)),
    Figure("parked_memory", "parked", "memory of the workers for each of 100,000 parked tasks", "KiB", False,
           "as in the local pool: at most 4.6 KiB", at_most(4.6)),
    Figure("dispatch", "dispatch", "the coordinator's state machine: tasks to 1,000 nodes, results relayed", "tasks/s", True,
           "at least 400,000 a second on one core", lambda ours, others: ours >= 400000),
    Figure("dispatch_nodes", "dispatch", "its cost for a task with 1,000 nodes, to that with 10", "times", False,
           "does not grow", at_most(1.5)),
    Figure("dispatch_queued", "dispatch", "its cost for a task with 1,000,000 queued, to that with 10,000", "times", False,
           "does not grow", at_most(1.5)),
    Figure("dispatch_memory", "dispatch", "its memory for a queued task by its own count, beside the capture", "B", False,
           "at most 200 bytes", at_most(200)),
    Figure("idle", "idle", "the whole idle cluster, of one core", "%", False, "under 1 %", lambda ours, others: ours < 1),
]

WORKS = list(dict.fromkeys(figure.work for figure in FIGURES))


class Run:
    """One call of a measuring program. `at` maps a mark to what is done while the program waits there."""

    def __init__(self, command, environment, work, divisor, at):
        words = [str(word) for word in [*command, work]] + ([str(divisor)] if divisor > 1 else [])
        self.figures, self.divisor = {}, divisor
        with tempfile.TemporaryFile("w+") as errors, \
                subprocess.Popen(words, env={**os.environ, **environment, "BENCH_MARKS": "1"}, text=True, bufsize=1,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process:
            self.process = process
            end = time.monotonic() + RUN_LIMIT_S
            watchdog = _Watchdog(process, RUN_LIMIT_S)
            for line in process.stdout:
                name, *rest = line.split()
                if name == "mark":
                    at.get(rest[0], lambda run: None)(self)
                    process.stdin.write("\n")
                    process.stdin.flush()
                else:
                    self.figures[name] = float(rest[0])
            process.wait()
            watchdog.cancel()
            if process.returncode != 0:
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no message"])[-1]
                late = time.monotonic() > end
                raise RuntimeError(f"took longer than {RUN_LIMIT_S} s" if late else
                                   f"exit status {process.returncode}: {last[:160]}")


def _Watchdog(process, seconds):
    import threading
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    return watchdog


class StartLog:
    """The file to which every task of a soak writes that it has started: (index, process, time in ns)."""

    LINE = struct.Struct("=IIQ")

    def __enter__(self):
        descriptor, self.path = tempfile.mkstemp(prefix="taskpool-bench-")
        os.close(descriptor)
        os.chmod(self.path, 0o666)  # workers run as another user
        return self

    def __exit__(self, *error):
        if os.path.exists(self.path):
            os.unlink(self.path)

    def lines(self):
        data = Path(self.path).read_bytes()
        return sorted(self.LINE.iter_unpack(data[:len(data) // self.LINE.size * self.LINE.size]), key=lambda line: line[2])

    def wait_for(self, count):
        while os.path.getsize(self.path) < count * self.LINE.size:
            time.sleep(0.001)

    def twice(self):
        indexes = [line[0] for line in self.lines()]
        return len(indexes) - len(set(indexes))


def _worker_of(cluster, index):
    return descendants(cluster.nodes[index].process.pid)[0]


def run_map(command, environment, cluster, work, divisor):
    seen = {}
    run = Run(command, environment, work, divisor, {"begin": lambda run: seen.update(begin=processor_of_all_s()),
                                                    "end": lambda run: seen.update(end=processor_of_all_s())})
    tasks = run.figures.get("map_tasks", MAP_TASKS / divisor)
    return {**run.figures, "map_processor": (seen["end"] - seen["begin"]) / tasks * 1e6}


def run_plain(command, environment, cluster, work, divisor):
    return Run(command, environment, work, divisor, {}).figures


def run_idle(command, environment, cluster, work, divisor):
    seen = {}
    look = lambda name: lambda run: seen.update({name: (processor_of_all_s(), time.monotonic())})
    Run(command, environment, work, divisor, {"begin": look("begin"), "end": look("end")})
    (used, start), (used_then, end) = seen["begin"], seen["end"]
    return {"idle": 100 * (used_then - used) / (end - start)}


def run_parked(command, environment, cluster, work, divisor):
    seen = {}
    workers = lambda: sum(resident_kib(pid) for node in cluster.nodes.values() for pid in descendants(node.process.pid))
    Run(command, environment, work, divisor, {"begin": lambda run: seen.update(before=workers()),
                                              "parked": lambda run: seen.update(after=workers())})
    return {"parked_memory": (seen["after"] - seen["before"]) / (PARKED_TASKS / divisor)}


def run_queued(command, environment, cluster, work, divisor):
    seen = {}
    coordinator = cluster.coordinator.process.pid

    def count(run):
        queued, before = 0, -1
        while queued != before:  # until no more come
            before = queued
            time.sleep(0.5)
            queued = json.loads(cluster.tool("status", "--json"))["coordinator"]["queued"]
        seen.update(queued=queued, after=resident_kib(coordinator))
        os.unlink(log.path)

    with StartLog() as log:
        Run(command, {**environment, "BENCH_LOG": log.path}, work, divisor,
            {"begin": lambda run: seen.update(before=resident_kib(coordinator)), "queued": count})
    return {"queued_memory": (seen["after"] - seen["before"]) * 1024 / seen["queued"] - CAPTURE_BYTES}


def _soak(command, environment, divisor, meanwhile, work="soak"):
    """(run, log lines, tasks that started twice); `meanwhile` is called by a thread when a tenth has started."""
    import threading
    with StartLog() as log:
        failures = []

        def disturb():
            try:
                log.wait_for(2000 // divisor)
                meanwhile()
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)

        thread = threading.Thread(target=disturb, daemon=True)
        run = Run(command, {**environment, "BENCH_LOG": log.path}, work, divisor, {"begin": lambda run: thread.start()})
        thread.join(RUN_LIMIT_S)
        if failures:
            raise RuntimeError(str(failures[0]))
        return run, log.lines(), log.twice()


def run_worker_killed(command, environment, cluster, work, divisor):
    seen = {}

    def kill():
        seen["at"] = time.monotonic_ns()
        os.kill(_worker_of(cluster, 0), signal.SIGKILL)

    run, lines, twice = _soak(command, environment, divisor, kill)
    known = {line[1] for line in lines if line[2] < seen["at"]}
    anew = [line[2] for line in lines if line[2] > seen["at"] and line[1] not in known]
    return {"worker_lost": run.figures["failed"], "worker_twice": twice,
            "worker_noticed": (min(anew) - seen["at"]) / 1e6 if anew else RUN_LIMIT_S * 1e3}


def run_node_silent(command, environment, cluster, work, divisor):
    seen = {}

    def stop():
        pids = [cluster.nodes[0].process.pid, *descendants(cluster.nodes[0].process.pid)]
        start = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        while "node-silent" not in cluster.coordinator.log() and time.monotonic() < start + 10:
            time.sleep(0.005)
        seen["noticed"] = (time.monotonic() - start) * 1e3
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    run, _, _ = _soak(command, environment, divisor, stop)
    return {"silent_noticed": seen["noticed"], "silent_lost": run.figures["failed"]}


def run_coordinator_killed(command, environment, cluster, work, divisor):
    seen = {}

    def restart():
        cluster.coordinator.kill()
        time.sleep(0.2)
        cluster.start_coordinator()
        seen["back"] = time.monotonic_ns()

    run, lines, twice = _soak(command, environment, divisor, restart)
    starts = [seen["back"], *(line[2] for line in lines if line[2] > seen["back"])]
    stall = max((after - before for before, after in zip(starts, starts[1:])), default=0)
    return {"coordinator_lost": run.figures["failed"], "coordinator_twice": twice, "coordinator_stall": stall / 1e6}


def run_dispatch(command, environment, cluster, work, divisor):
    return Run([Path(command[0]).with_name("bench_coordinator")], {}, work, divisor, {}).figures


def run_poison(command, environment, cluster, work, divisor):
    with StartLog() as log:
        run = Run(command, {**environment, "BENCH_LOG": log.path}, work, divisor, {})
        first = min(line[2] for line in log.lines() if line[0] == POISON_INDEX)
    return {"poison_error": run.figures["poison_resolved_ms"] - first / 1e6, "poison_lost": run.figures["failed"]}


RUNNERS = {
    "map": run_map, "await": run_plain, "latency": run_plain, "payload": run_plain, "idle": run_idle,
    "parked": run_parked, "queued": run_queued, "worker-killed": run_worker_killed, "node-silent": run_node_silent,
    "coordinator-killed": run_coordinator_killed, "poison": run_poison, "dispatch": run_dispatch,
}

_SCALES = {
    "tasks/s": ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
    "us": ((1e3, "ms"), (1, "us")),
    "ms": ((1e3, "s"), (1, "ms")),
}


def human(value, unit):
    """A value with three digits and a unit that fits it."""
    if unit == "tasks":
        return f"{value:.0f}"
    for scale, name in _SCALES.get(unit, ((1, unit),)):
        if abs(value) >= scale:
            break
    else:
        scale, name = _SCALES.get(unit, ((1, unit),))[-1]
    number = value / scale
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 100 else 0
    return f"{number:.{digits}f} {name}"


def table(results):
    """The whole table as text."""
    quiet = results["others_median_percent"] <= 5 and not results["quick"]
    lines = []
    for figure in FIGURES:
        rows = results["figures"].get(figure.name)
        if not rows:
            continue
        medians = {name: median(row["values"]) for name, row in rows.items() if row["values"]}
        ours = medians.get("taskpool")
        more = "more" if figure.more_is_better else "less"
        lines += [f"{figure.name}: {figure.title} ({figure.unit}, {more} is better)"]
        lines += [f"    {'':16}{'median':>13}{'min':>13}{'max':>13}{'ours/it':>9}"]
        for name in sorted(medians, key=medians.get, reverse=figure.more_is_better):
            row = rows[name]
            columns = "".join(f"{human(value, figure.unit):>13}"
                              for value in (medians[name], min(row["values"]), max(row["values"])))
            ratio = figure.advantage(ours, medians[name]) if ours is not None and name != "taskpool" else None
            failed = f" ({row['failures']} runs failed: {row['error']})" if row["failures"] else ""
            lines += [f"  {'>' if name == 'taskpool' else ' '} {row['label']:16}{columns}"
                      f"{f'{ratio:.2f}' if ratio else '':>9}  {row['does']}{failed}"]
        lines += [f"    {row['label']:16}  failed: {row['error']}" for row in rows.values() if not row["values"]]
        if ours is not None:
            judged = figure.reached(ours, medians) if figure.reached and quiet else None
            verdict = "not judged" if judged is None else "reached" if judged else "NOT reached"
            lines += [f"    bar: {figure.bar}: {verdict}"]
        lines += [""]
    lines += [f"absent: {name}: {reason}" for name, reason in results["absent"].items()]
    lines += [f"{results['runs']} runs each, in turn, on {results['processors']} processors ({results['processor']}); "
              f"others took {results['others_median_percent']:.0f} % of their time in the median run, "
              f"{results['others_max_percent']:.0f} % in the worst"]
    if results["others_median_percent"] > 5:
        lines += ["The machine was not quiet: nothing here can be judged; only ratios of what ran in turn say something."]
    return "\n".join(lines)
