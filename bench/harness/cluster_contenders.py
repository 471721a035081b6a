# SPDX-License-Identifier: MIT
"""Who is measured on a cluster: how each is built, and which processes it needs while it is.

`start(built, port)` is a context: it gives (the words of the command, its environment); the command is then called with a
work, and the processes that the context has started are there. What each does for a task is said in README.md."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.contenders import BENCH, Absent, build_step, tool

PEERS = BENCH / "peers" / "cluster"
START_LIMIT_S = 30
WORKERS = 2

sys.path.insert(0, str(BENCH.parent / "tests" / "cluster"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen")


@contextlib.contextmanager
def processes():
    """Starts processes, and ends all of them at the end."""
    started = []

    def start(*command, environment=None, directory=None):
        started.append(subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory,
                                        env={**os.environ, **(environment or {})}, start_new_session=True))
        return started[-1]

    try:
        yield start
    finally:
        for process in reversed(started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


# ---- ours ----

def build_ours(directory):
    directory = directory / "taskpool"
    build_step([tool("cmake"), "-S", BENCH.parent, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DTASKPOOL_BENCH=ON",
                "-DTASKPOOL_TESTS=OFF", "-DTASKPOOL_EXAMPLES=OFF"])
    build_step(["cmake", "--build", directory, "-j", str(os.cpu_count() or 1)])
    return directory


@contextlib.contextmanager
def start_ours(built):
    from cluster import Cluster
    with Cluster(str(built / "bin"), nodes=WORKERS, workers=1) as cluster:
        yield [built / "bench" / "bench_cluster"], cluster.driver_env(), cluster


@contextlib.contextmanager
def start_reference(built):
    yield [built / "bench" / "bench_zmq_reference"], {}, None


# ---- peers ----

def compiled(source, *flags, compiler=("gcc", "clang"), needs=()):
    def build(directory):
        for name in needs:
            tool(name)
        program = directory / ("cluster_" + source.split(".")[0])
        build_step([tool(*compiler), "-std=gnu17", "-O2", "-DNDEBUG", f"-I{BENCH / 'common'}", PEERS / source, "-o",
                    program, *flags])
        return program
    return build


@contextlib.contextmanager
def start_gearman(program):
    port = free_port()
    with processes() as start:
        wait_for_port(port, start("gearmand", "--listen=127.0.0.1", f"--port={port}", "--log-file=none"))
        for _ in range(WORKERS):
            start(program, "worker", port)
        yield [program], {"BENCH_PORT": str(port)}, None


@contextlib.contextmanager
def start_nats(program):
    port = free_port()
    with processes() as start:
        wait_for_port(port, start("nats-server", "--addr", "127.0.0.1", "--port", port))
        for _ in range(WORKERS):
            start(program, "worker", port)
        time.sleep(0.5)  # it has no way to tell that a subscription is there
        yield [program], {"BENCH_PORT": str(port)}, None


def build_erlang(directory):
    build_step([tool("erlc"), "-o", directory, PEERS / "cluster_echo.erl"])
    tool("epmd")
    return directory


@contextlib.contextmanager
def start_erlang(directory):
    names = [f"bench_{os.getpid()}_{i}" for i in range(WORKERS)]
    host = socket.gethostname().split(".")[0]
    common = ["-noshell", "-noinput", "-pa", directory, "-setcookie", "bench"]
    with processes() as start:
        start("epmd", "-relaxed_command_check")
        for name in names:
            start("erl", *common, "-sname", name, "+S", "1:1")
        time.sleep(2)  # a node that is asked before it is up makes the message vanish
        nodes = ",".join(f"{name}@{host}" for name in names)
        yield (["erl", "-noshell", "-pa", directory, "-setcookie", "bench", "-sname", f"bench_{os.getpid()}_driver",
                "+S", "1:1", "-s", "cluster_echo", "main", "-extra"], {"BENCH_NODES": nodes}, None)


@contextlib.contextmanager
def start_mpi(program):
    yield ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(WORKERS + 1), program], {}, None


def python_with(module):
    """A Python that has the module: $BENCH_PYTHON, or the one of the system."""
    def build(directory):
        del directory
        for python in (os.environ.get("BENCH_PYTHON"), "python3"):
            if python and shutil.which(python) and subprocess.run([python, "-c", f"import {module}"],
                                                                  stderr=subprocess.DEVNULL).returncode == 0:
                return python
        raise Absent(f"no Python with {module} (say which with $BENCH_PYTHON)")
    return build


@contextlib.contextmanager
def start_dask(python):
    yield [python, PEERS / "dask_echo.py"], {}, None


@contextlib.contextmanager
def start_ray(python):
    yield [python, PEERS / "ray_echo.py"], {"RAY_USAGE_STATS_ENABLED": "0"}, None


def build_celery(directory):
    tool("redis-server")
    return python_with("celery, redis")(directory)


@contextlib.contextmanager
def start_celery(python):
    port = free_port()
    environment = {"BENCH_PORT": str(port), "C_FORCE_ROOT": "1"}
    with processes() as start:
        wait_for_port(port, start("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", directory="/tmp"))
        for i in range(WORKERS):
            start(python, "-m", "celery", "-A", "celery_echo", "worker", "-c", 1, "-n", f"worker{i}",
                  environment=environment, directory=PEERS)
        yield [python, PEERS / "celery_echo.py"], environment, None


@dataclass
class ClusterContender:
    name: str
    label: str
    build: object
    start: object
    does: str
    works: tuple = field(default=("map", "latency", "payload", "idle"))


OURS_ONLY = ("await", "queued", "worker-killed", "node-silent", "coordinator-killed", "poison", "parked", "dispatch")

CONTENDERS = [
    ClusterContender("taskpool", "TaskPool", build_ours, start_ours, "signed, encrypted; a promise; run again when lost",
                     ("map", "latency", "payload", "idle", *OURS_ONLY)),
    ClusterContender("reference", "bare ZeroMQ", build_ours, start_reference, "signed, encrypted; no runtime",
                     ("map", "latency", "payload")),
    ClusterContender("gearman", "Gearman", compiled("gearman.c", "-lgearman", needs=("gearmand",)), start_gearman,
                     "in clear; a job each; run again when lost"),
    ClusterContender("nats", "NATS", compiled("nats.c", "-lnats", "-pthread", needs=("nats-server",)), start_nats,
                     "in clear; messages; lost with their worker"),
    ClusterContender("erlang", "Erlang", build_erlang, start_erlang, "in clear; messages; lost with their node"),
    ClusterContender("dask", "Dask", python_with("distributed"), start_dask, "in clear; a future; run again when lost"),
    ClusterContender("celery", "Celery, Redis", build_celery, start_celery, "in clear; a result each"),
    ClusterContender("ray", "Ray", python_with("ray"), start_ray, "in clear; a reference each; run again when lost"),
    ClusterContender("mpi", "MPI", compiled("mpi.c", compiler=("mpicc",), needs=("mpirun",)), start_mpi,
                     "in clear; messages; one death ends all"),
]
