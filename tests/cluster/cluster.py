#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cluster of real processes on loopback, for tests: a coordinator and nodes, with keys of their own.

As a program: cluster.py --programs DIR [--nodes N] [--workers N] -- COMMAND ARGS...
starts one, runs the command on it (TASKPOOL_TEST_POOL and TASKPOOL name its address), ends it, and returns the command's
status; 1 if one of the cluster's own processes failed.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = float(os.environ.get("TASKPOOL_TEST_PATIENCE", "1"))
USERS = 256  # of worker processes, for each test program: what else runs on this machine may be of another version
FIRST_USER = 300000000 + os.getpid() * USERS


class Loopback:
    """Where a cluster is unless it has a network of its own (network.py)."""
    user_ranges = 1  # a node sees which users the others have taken

    def address(self, host):
        return "127.0.0.1"

    def inside(self, host, command):
        return command


class Daemon:
    """One process of the cluster. Its output goes to a file, which is shown when something fails."""

    def __init__(self, cluster, name, command, env=None):
        self.cluster, self.name, self.command = cluster, name, command
        self.env = dict(cluster.daemon_env, **(env or {}))
        self.log_path = os.path.join(cluster.folder, name + ".log")
        self.process = None
        self.ready_line = ""

    def start(self, wait=True):
        reader, writer = os.pipe()
        log = open(self.log_path, "ab")
        command = self.cluster.network.inside(self.name, self.command + [f"--ready-fd={writer}"])
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=[writer],
                                        env=self.env)
        log.close()
        os.close(writer)
        self.ready_reader = reader
        if wait:
            self.wait_ready()
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self):
        """A daemon says when it is ready; one that ends instead closes the pipe."""
        with os.fdopen(self.ready_reader) as lines:
            self.ready_line = lines.readline().strip()
        if not self.ready_line.startswith("ready"):
            raise RuntimeError(f"{self.name} did not become ready:\n{self.log()}")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        """SIGTERM, and its exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else self.process.returncode
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not end after SIGTERM:\n{self.log()}")

    def log(self):
        with open(self.log_path, errors="replace") as lines:
            return lines.read()


class Cluster:
    def __init__(self, programs, nodes=3, workers=2, node_options=(), coordinator_options=(), keep=False, spares=0,
                 coordinator_program=None, coordinator_env=None, network=None):
        """`spares`: nodes beyond those that are started at once; start_node starts them. `network`: its hosts are
        "coordinator", "node0" ... and "driver", where all programs run that are not daemons."""
        self.network = network or Loopback()
        self.coordinator_program = coordinator_program or os.path.join(programs, "taskpool-coordinator")
        self.coordinator_env = coordinator_env
        self.programs = programs
        self.node_options, self.coordinator_options, self.workers = list(node_options), list(coordinator_options), workers
        self.folder = tempfile.mkdtemp(prefix="taskpool-test-")
        self.keep = keep
        self.nodes = {}
        self.coordinator = None
        self.endpoint = None
        self.daemon_env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self.folder}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.daemon_env[name] = os.environ[name]
        for role, name in [("coordinator", "coordinator"), ("driver", "driver"), ("admin", "admin")]:
            self.make_key(role, name)
        for i in range(nodes + spares):
            self.make_key("node", f"node{i}")
        self.start_coordinator()
        for i in range(nodes):
            self.start_node(i, wait=False)
        for node in self.nodes.values():
            node.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        problems = []
        try:
            for daemon in list(self.nodes.values()) + [self.coordinator]:
                try:
                    status = daemon.stop()
                except RuntimeError as problem:
                    problems.append(str(problem))
                    continue
                if status not in (0, -signal.SIGKILL):
                    problems.append(f"{daemon.name} ended with {status}:\n{daemon.log()}")
        finally:
            if problems or error:
                self.show_logs()
            if not self.keep:
                shutil.rmtree(self.folder, ignore_errors=True)
        if problems and error is None:
            raise RuntimeError("\n".join(problems))

    def show_logs(self):
        for daemon in [self.coordinator] + list(self.nodes.values()):
            if daemon:
                print(f"---- {daemon.name}\n{daemon.log()[-6000:]}", file=sys.stderr)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def program(self, name):
        return os.path.join(self.programs, name)

    @property
    def authorized_keys(self):
        return self.path("authorized_keys")

    def make_key(self, role, name, authorize=True):
        key = self.path(name + ".key")
        line = subprocess.run([self.program("taskpool"), "keygen", "--name", name, key], check=True, text=True,
                              capture_output=True).stdout.strip()
        if authorize:
            with open(self.authorized_keys, "a") as lines:
                lines.write(f"{role} {line}\n")
            os.chmod(self.authorized_keys, 0o644)
        return key

    def start_coordinator(self):
        """Also again, after it was killed: at the same address."""
        listen = self.endpoint or f"tcp://{self.network.address('coordinator')}:*"
        self.coordinator = Daemon(self, "coordinator",
                                  [self.coordinator_program, f"--listen={listen}", "--name=coordinator",
                                   "--config=/dev/null", f"--key={self.path('coordinator.key')}",
                                   f"--authorized-keys={self.authorized_keys}"]
                                  + self.coordinator_options, self.coordinator_env).start()
        self.endpoint = self.coordinator.ready_line.split()[1]

    def start_node(self, index, wait=True, options=(), endpoint=None, prefix=()):
        """Also again, after it was killed. What its tasks find in $TEST_NODE is its name."""
        name = f"node{index}"
        users = USERS // self.network.user_ranges
        first_user = FIRST_USER + index % self.network.user_ranges * users
        self.nodes[index] = Daemon(self, name, list(prefix) +
                                   [self.program("taskpool-node"), f"--coordinator={endpoint or self.endpoint}",
                                    f"--name={name}", "--config=/dev/null", f"--key={self.path(name + '.key')}",
                                    f"--authorized-keys={self.authorized_keys}", f"--workers={self.workers}",
                                    f"--cache={self.path(name + '-cache')}",
                                    f"--worker-uid-base={first_user}", f"--worker-uid-count={users}",
                                    "--environment=TEST_NODE,ASAN_OPTIONS,UBSAN_OPTIONS,TSAN_OPTIONS,LSAN_OPTIONS"]
                                   + ([] if os.geteuid() == 0 else ["--same-user"]) + self.node_options
                                   + list(options), {"TEST_NODE": name}).start(wait)
        return self.nodes[index]

    def driver_env(self, key="driver", endpoint=None):
        env = dict(os.environ)
        env.update(TASKPOOL=endpoint or self.endpoint, TASKPOOL_TEST_POOL=endpoint or self.endpoint,
                   TASKPOOL_KEY=self.path(key + ".key"), TASKPOOL_AUTHORIZED_KEYS=self.authorized_keys)
        return env

    def run(self, command, endpoint=None, **more):
        return subprocess.run(self.network.inside("driver", command), env=self.driver_env(endpoint=endpoint), **more)

    def start(self, command, endpoint=None, key="driver", env=None, **more):
        return subprocess.Popen(self.network.inside("driver", command),
                                env=dict(self.driver_env(key, endpoint), **(env or {})), **more)

    def tool(self, *arguments):
        """taskpool ARGUMENTS as an operator; returns its standard output."""
        return subprocess.run(self.network.inside("driver", [self.program("taskpool"), *arguments]), check=True, text=True,
                              env=self.driver_env("admin"), capture_output=True).stdout


def until(condition, what, seconds=20.0):
    """Waits until the condition holds: it is looked at again and again, nothing is assumed about how long it takes."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"did not happen: {what}")
        time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of taskpool, taskpool-coordinator, taskpool-node")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="leave keys and logs behind")
    parser.add_argument("--node-option", action="append", default=[])
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    with Cluster(arguments.programs, arguments.nodes, arguments.workers, arguments.node_option,
                 keep=arguments.keep) as cluster:
        status = cluster.run(arguments.command).returncode
        if status:
            cluster.show_logs()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
