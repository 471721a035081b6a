# SPDX-License-Identifier: MIT
"""Who is measured: how each program is built, called, and what it does in each work.

The kind of a contender in a work says what it gives for each task:
  promise  a result that can be awaited by itself
  counter  nothing of its own: a group counts its tasks down, and only the group is awaited
  at once  as counter, but tasks are run inside the submitting call when a short queue is full: not deferred
  channel  works about channels (or their like), not about tasks
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
PEERS = BENCH / "peers"
BUILD_LIMIT_S = 900


class Absent(Exception):
    """The contender cannot be built here; the text says why."""


def tool(*names):
    """The first of these programs that is installed."""
    for name in names:
        if shutil.which(name):
            return name
    raise Absent(f"{names[0]} is not installed")


def build_step(command, directory=None, environment=None):
    result = subprocess.run([str(word) for word in command], cwd=directory, text=True, errors="replace",
                            env={**os.environ, **(environment or {})}, timeout=BUILD_LIMIT_S,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        lines = [line.strip() for line in result.stdout.splitlines() if re.search(r"\berror\b", line, re.I)
                 and "Building" not in line]
        raise Absent("does not build here: " + (lines[0] if lines else f"{command[0]} failed")[:160])


def version_of(*command):
    try:
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        return next((line for line in done.stdout.splitlines() if line.strip()), "").strip()
    except OSError:
        return ""


def compiled(compilers, source, output, *flags):
    def build(directory):
        program = directory / output
        build_step([tool(*compilers), "-O3", "-DNDEBUG", f"-I{BENCH / 'common'}", PEERS / source, "-o", program, *flags])
        return [program]
    return build


def build_taskpool(directory):
    directory = directory / "taskpool"
    build_step([tool("cmake"), "-S", BENCH.parent, "-B", directory, "-DCMAKE_BUILD_TYPE=Release",
                "-DTASKPOOL_BENCH=ON", "-DTASKPOOL_TESTS=OFF"])
    build_step(["cmake", "--build", directory, "--target", "bench_taskpool", "-j", str(os.cpu_count() or 1)])
    return [directory / "bench" / "bench_taskpool"]


def build_go(directory):
    build_step([tool("go"), "build", "-o", directory / "go", "."], PEERS / "go")
    return [directory / "go"]


def build_rust(name):
    def build(directory):
        build_step([tool("cargo"), "build", "--release", "--bin", name], PEERS / "rust",
                   {"CARGO_TARGET_DIR": str(directory / "rust")})
        return [directory / "rust" / "release" / name]
    return build


def build_erlang(directory):
    build_step([tool("erlc"), "-o", directory, PEERS / "erlang" / "bench.erl"])
    return ["erl", "-noshell", "-pa", directory, "+P", "2000000", "-s", "bench", "main"]


@dataclass
class Contender:
    name: str
    label: str
    build: object  # directory -> the words of the command, or Absent
    version: tuple  # the command that prints it
    does: dict  # work -> (kind, what it does)
    environment: dict = field(default_factory=dict)
    extra: dict = field(default_factory=dict)  # work -> words that come before all others but the program


_omp = {
    "submit": ("counter", "taskwait"),
    "spawn": ("counter", "taskwait"),
    "fib": ("counter", "taskwait"),
    "skew": ("counter", "taskloop grainsize(1)"),
    "idle": ("counter", "main is one of two threads"),
}
_omp_at_once = {**_omp, "submit": ("at once", "taskwait"), "spawn": ("at once", "taskwait")}

CONTENDERS = [
    Contender("taskpool", "TaskPool", build_taskpool, ("cmake", "--version"), {
        "submit": ("promise", "tp_submit, tp_await"),
        "spawn": ("promise", "tp_submit, tp_await"),
        "fib": ("promise", "tp_submit, tp_await"),
        "pingpong1": ("channel", "channels of capacity 1"),
        "pingpong2": ("channel", "channels of capacity 1, pinned tasks"),
        "parked": ("promise", "tp_recv on one channel"),
        "skew": ("promise", "tp_map"),
        "pipeline": ("channel", "channels"),
        "idle": ("promise", "two workers beside main"),
    }),
    Contender("go", "Go", build_go, ("go", "version"), {
        "submit": ("promise", "a channel each"),
        "spawn": ("promise", "a channel each"),
        "fib": ("promise", "a channel each"),
        "pingpong1": ("channel", "unbuffered channels, one processor"),
        "pingpong2": ("channel", "unbuffered channels, locked OS threads"),
        "parked": ("promise", "receive on one channel"),
        "skew": ("promise", "a goroutine each"),
        "pipeline": ("channel", "channels"),
        "idle": ("promise", "two processors"),
    }),
    Contender("go-counter", "Go, no promise", build_go, ("go", "version"), {
        "submit": ("counter", "WaitGroup"),
        "spawn": ("counter", "WaitGroup"),
        "fib": ("counter", "WaitGroup"),
        "parked": ("counter", "receive on one channel, WaitGroup"),
    }, environment={"BENCH_COUNTER": "1"}),
    Contender("tokio", "Tokio", build_rust("tokio"), ("cargo", "--version"), {
        "submit": ("promise", "JoinHandle"),
        "spawn": ("promise", "JoinHandle"),
        "fib": ("promise", "JoinHandle"),
        "pingpong1": ("channel", "mpsc channels of capacity 1"),
        "pingpong2": ("channel", "mpsc channels of capacity 1, a runtime a thread"),
        "parked": ("promise", "stackless; a permit of one semaphore"),
        "skew": ("promise", "a task each"),
        "pipeline": ("channel", "mpsc channels"),
        "idle": ("promise", "two workers beside main"),
    }),
    Contender("tbb", "oneTBB", compiled(("g++", "clang++"), "tbb.cpp", "tbb", "-std=c++17", "-ltbb"),
              ("g++", "--version"), {
        "submit": ("counter", "task_group; main is one of the two"),
        "spawn": ("counter", "task_group"),
        "fib": ("counter", "task_group"),
        "skew": ("counter", "parallel_for, one element a task"),
        "idle": ("counter", "main is one of the two"),
    }),
    Contender("rayon", "Rayon", build_rust("rayon"), ("cargo", "--version"), {
        "submit": ("counter", "scope"),
        "spawn": ("counter", "scope"),
        "fib": ("counter", "join: a task lies on its caller's stack"),
        "skew": ("counter", "par_iter, one element a task"),
        "idle": ("counter", "two threads beside main"),
    }),
    Contender("libomp", "OpenMP libomp",
              compiled(("clang",), "openmp.c", "libomp", "-std=gnu17", "-fopenmp=libomp"), ("clang", "--version"),
              _omp_at_once),
    Contender("libomp-deferring", "OpenMP libomp, deferring",
              compiled(("clang",), "openmp.c", "libomp", "-std=gnu17", "-fopenmp=libomp"), ("clang", "--version"),
              {work: _omp[work] for work in ("submit", "spawn")},
              environment={"KMP_ENABLE_TASK_THROTTLING": "0"}),
    Contender("libgomp", "OpenMP libgomp",
              compiled(("gcc",), "openmp.c", "libgomp", "-std=gnu17", "-fopenmp"), ("gcc", "--version"),
              _omp_at_once),
    Contender("boost-fiber", "Boost.Fiber",
              compiled(("g++", "clang++"), "boost_fiber.cpp", "boost_fiber", "-std=c++17", "-lboost_fiber",
                       "-lboost_context", "-pthread"), ("g++", "--version"), {
        "pingpong1": ("channel", "buffered channels"),
        "pingpong2": ("channel", "buffered channels, a scheduler a thread"),
        "parked": ("promise", "pop on one channel, 16 KiB stacks"),
        "pipeline": ("channel", "buffered channels, two stages a thread"),
        "idle": ("promise", "two threads"),
    }),
    Contender("erlang", "Erlang", build_erlang, ("erl", "-noshell", "-eval",
              "io:format(\"OTP ~s~n\", [erlang:system_info(otp_release)]), halt()."), {
        "pingpong1": ("channel", "messages of processes, one scheduler"),
        "pingpong2": ("channel", "messages of processes, a scheduler each"),
        "parked": ("promise", "receive, each its own mailbox"),
        "idle": ("promise", "two schedulers"),
    }, extra={work: ["+S", "1:1" if work == "pingpong1" else "2:2"]
              for work in ("pingpong1", "pingpong2", "parked", "idle")}),
]
