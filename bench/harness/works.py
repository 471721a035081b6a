# SPDX-License-Identifier: MIT
"""The works that are measured: what each figure means, and the bar that ours has to reach."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    name: str
    work: str
    title: str
    unit: str
    more_is_better: bool
    bar: str  # what ours has to reach, in words
    at_most: float | None = None  # the bar as a number, where it is one
    peer: str | None = None  # the peer that is the bar; "best" for the best one that really defers

    def advantage(self, ours, peer):
        """How many times better ours is than the peer (below 1: worse); None where a ratio says nothing."""
        if self.unit == "%":  # of time over the ideal
            ours, peer = ours + 100, peer + 100
        if self.name == "idle" or ours <= 0 or peer <= 0:
            return None
        return ours / peer if self.more_is_better else peer / ours


FIGURES = [
    Figure("submit", "submit", "main submits 1,000,000 empty tasks and awaits them", "tasks/s", True,
           "no slower than any peer that really defers", peer="best"),
    Figure("spawn", "spawn", "a task spawns 1,000,000 children and awaits them", "tasks/s", True,
           "no slower than any peer that really defers", peer="best"),
    Figure("fib", "fib", "fork-join fib(32), a task for one half of each call", "s", False,
           "no slower than oneTBB's task_group", peer="tbb"),
    Figure("pingpong1", "pingpong1", "ping-pong of two green threads on one worker, a round trip", "ns", False,
           "at most 70 ns", at_most=70),
    Figure("pingpong2", "pingpong2", "ping-pong of two workers, a round trip", "ns", False,
           "at most 2.7 us", at_most=2700),
    Figure("parked", "parked", "1,000,000 tasks parked at once: made, parked, released, awaited", "s", False,
           "under 2 s", at_most=2),
    Figure("parked_memory", "parked", "1,000,000 tasks parked at once: resident memory of each", "KiB", False,
           "at most 4.6 KiB", at_most=4.6),
    Figure("skew", "skew", "map over fib(20..32), shuffled: time over the ideal", "%", False,
           "at most 3 %", at_most=3),
    Figure("pipeline", "pipeline", "pipeline of 4 stages through channels of capacity 64", "messages/s", True,
           "no slower than Go", peer="go"),
    Figure("idle", "idle", "processor time of an idle pool during 2 s after use", "ms", False,
           "0 (less than 1 ms)", at_most=1),
]

WORKS = list(dict.fromkeys(figure.work for figure in FIGURES))

_SCALES = {
    "tasks/s": ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
    "messages/s": ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
    "ns": ((1e6, "ms"), (1e3, "us"), (1, "ns")),
    "s": ((1, "s"), (1e-3, "ms")),
}


def human(value, unit):
    """A value with three digits and a unit that fits it: 7.72 M/s, 49.2 us."""
    for scale, name in _SCALES.get(unit, ((1, unit),)):
        if abs(value) >= scale:
            break
    else:
        scale, name = _SCALES.get(unit, ((1, unit),))[-1]
    number = value / scale
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 100 else 0
    return f"{number:.{digits}f} {name}"


def best_peer(figure, rows, kinds):
    """The name of the peer with the best median among those of these kinds, or None."""
    able = [name for name, row in rows.items()
            if name != "taskpool" and row["values"] and row["kind"] in kinds]
    choose = max if figure.more_is_better else min
    return choose(able, key=lambda name: median(rows[name]["values"]), default=None)
