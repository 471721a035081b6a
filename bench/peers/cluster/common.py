# SPDX-License-Identifier: MIT
"""What the peers in Python share, as common/bench.h for those in C."""

import os
import random
import sys
import time

_bytes = random.Random(42)
CELLS = [_bytes.randbytes(64) for _ in range(1000)]


def mark(name):
    if os.environ.get("BENCH_MARKS"):
        print("mark", name, flush=True)
        sys.stdin.readline()


def expect(found, expected):
    if found != expected:
        sys.exit("bench: a wrong result")


def run(work, divisor, count, run_all, run_one):
    """`run_all` gives the results of a list of captures, `run_one` that of one."""
    if work == "map":
        cells = (CELLS * (count // divisor // 1000 + 1))[:count // divisor]
        run_all(cells[:len(cells) // 10])
        mark("begin")
        start = time.monotonic()
        expect(list(run_all(cells)), cells)
        print("map", len(cells) / (time.monotonic() - start), "tasks/s")
        print("map_tasks", len(cells), "tasks")
        mark("end")
    elif work == "latency":
        times = []
        for i in range(-50, 1000 // divisor):
            start = time.monotonic()
            expect(run_one(CELLS[i]), CELLS[i])
            if i >= 0:
                times.append((time.monotonic() - start) * 1e6)
        times.sort()
        print("latency_p50", times[len(times) // 2], "us")
        print("latency_p99", times[len(times) * 99 // 100], "us")
    elif work == "payload":
        large = random.Random(1).randbytes(1 << 20)
        expect(run_one(large), large)
        start = time.monotonic()
        for _ in range(40 // divisor):
            expect(run_one(large), large)
        print("payload", 40 // divisor * (1 << 20) / 1e6 / (time.monotonic() - start), "MB/s")
    elif work == "idle":
        run_one(CELLS[0])
        mark("begin")
        time.sleep(10 if divisor == 1 else 2)
        mark("end")
    else:
        sys.exit(3)
