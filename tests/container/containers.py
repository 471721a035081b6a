# SPDX-License-Identifier: MIT
"""A cluster of containers from deploy/compose.yaml, for tests, and jobs that run on it meanwhile.

Everything has a name that begins with taskpool-test-PID; what a test that was killed left behind, the next one removes.
"""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = "taskpool-test-"
TAG = "test"
SKIPPED = 77
REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEPLOY = os.path.join(REPOSITORY, "deploy")
PROGRAMS = os.environ.get("TASKPOOL_TEST_PROGRAMS", os.path.join(REPOSITORY, "build", "dev", "bin"))
JOB = os.environ.get("TASKPOOL_TEST_JOB", os.path.join(REPOSITORY, "build", "dev", "tests", "container.job"))


def output_of(*command, **more):
    """What a command prints; an error with all that it said if it fails."""
    ran = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True, **more)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def docker(*arguments):
    return output_of("docker", *arguments).strip()


def compose_commands():
    """Version 2, version 1, as far as they are here."""
    found = []
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            if subprocess.run([*command, "version"], capture_output=True).returncode == 0:
                found.append(command)
        except OSError:
            pass
    return found


def require_engine(compose=True):
    """Ends the test as skipped where there is no container engine."""
    try:
        reason = subprocess.run(["docker", "info"], capture_output=True, text=True)
        reason = None if reason.returncode == 0 else (reason.stderr or reason.stdout).strip().splitlines()[-1]
    except OSError as error:
        reason = str(error)
    if reason is None and compose and not compose_commands():
        reason = "neither 'docker compose' nor docker-compose is here"
    if reason is not None:
        print(f"SKIPPED: no container engine: {reason}")
        sys.exit(SKIPPED)
    remove_leftovers()


def remove_leftovers():
    """Of tests whose process is gone."""
    def is_left(name):
        pid = re.match(re.escape(PREFIX) + r"(\d+)", name)
        return pid and not os.path.exists(f"/proc/{pid[1]}")
    listed = [("container", ["ps", "-a", "--format", "{{.Names}}"], ["rm", "-f", "-v"]),
              ("network", ["network", "ls", "--format", "{{.Name}}"], ["network", "rm"]),
              ("volume", ["volume", "ls", "--format", "{{.Name}}"], ["volume", "rm"])]
    for kind, list_them, remove in listed:
        for name in docker(*list_them).split():
            if is_left(name):
                print(f"removing the {kind} {name}, which an earlier test left behind")
                subprocess.run(["docker", *remove, name], capture_output=True)


def volumes_of(containers):
    """The volumes that were made for these containers."""
    found = [docker("inspect", "--format", '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}', container)
             for container in containers]
    return {name for names in found for name in names.split()}


def remove_volumes(names):
    for name in names:
        subprocess.run(["docker", "volume", "rm", name], capture_output=True)


def until(condition, what, seconds=90):
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > deadline:
            raise RuntimeError(f"did not happen within {seconds} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """Coordinator and nodes. Use it in a `with`."""

    def __init__(self, nodes=3, **settings):
        self.name = f"{PREFIX}{os.getpid()}"
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        self.keys = os.path.join(self.folder, "keys")
        self.port = free_port()
        self.extras = []
        self.volumes = set()
        self.compose_command = compose_commands()[0]
        self.env = {**os.environ, "TASKPOOL_TAG": TAG, "COMPOSE_PROJECT_NAME": self.name, "TASKPOOL_KEYS": self.keys,
                    "TASKPOOL_PORT": str(self.port), **settings}
        atexit.register(self.remove)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        output_of(os.path.join(DEPLOY, "make-keys"), self.keys, env=self.env)
        self.scale(nodes)
        self.wait_for_nodes(nodes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        if not os.path.isdir(self.folder):
            return
        self.note_volumes()
        for container in self.extras:
            subprocess.run(["docker", "rm", "-f", "-v", container], capture_output=True)
        try:
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "2")
        finally:
            remove_volumes(self.volumes)
            shutil.rmtree(self.folder, ignore_errors=True)

    def compose(self, *arguments):
        return output_of(*self.compose_command, "--file", os.path.join(DEPLOY, "compose.yaml"), *arguments, env=self.env)

    def note_volumes(self):
        """Compose leaves the nameless volumes of nodes that it removes."""
        self.volumes |= volumes_of(self.containers("node"))

    def scale(self, nodes):
        self.note_volumes()
        self.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"node={nodes}", "coordinator", "node")

    def containers(self, service):
        return self.compose("ps", "--quiet", service).split()

    @property
    def coordinator(self):
        return self.containers("coordinator")[0]

    def extra_node(self, name, *options):
        """One more, outside of compose, with less of something."""
        container = docker("run", "--detach", "--name", f"{self.name}-{name}", "--network", f"{self.name}_default",
                           "--hostname", name, "--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID",
                           "--cap-add", "KILL", "--volume", f"{self.keys}/public:/etc/taskpool:ro",
                           "--volume", f"{self.keys}/node.key:/run/secrets/node.key:ro", *options,
                           f"taskpool-node:{TAG}", "--coordinator=tcp://coordinator:7077", "--workers=2")
        self.extras.append(container)
        until(lambda: self.node(name).get("condition") == "up", f"{name} is up")
        return container

    # ---- as an operator ----

    def driver_env(self):
        return {**os.environ, "TASKPOOL": f"tcp://127.0.0.1:{self.port}",
                "TASKPOOL_HOME": os.path.join(self.keys, "host")}

    def tool(self, *arguments):
        return output_of(os.path.join(PROGRAMS, "taskpool"), *arguments, env=self.driver_env())

    def nodes(self):
        """Empty while the coordinator is away. Lost ones are listed for a minute, beside what they have become."""
        try:
            return json.loads(self.tool("node", "list", "--json"))
        except RuntimeError:
            return []

    def node(self, name):
        """The one of that name that is not lost, if there is one."""
        found = [node for node in self.nodes() if node["name"] == name]
        return min(found, key=lambda node: node["condition"] == "lost", default={})

    def up(self):
        return [node["name"] for node in self.nodes() if node["condition"] == "up"]

    def wait_for_nodes(self, count):
        until(lambda: len(self.up()) == count, f"{count} nodes are up; last: {self.nodes()}")

    def log(self, container):
        ran = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.stdout

    def show_logs(self):
        for container in self.containers("coordinator") + self.containers("node") + self.extras:
            print(f"---- {docker('inspect', '--format', '{{.Name}}', container)}\n{self.log(container)[-5000:]}")

    # ---- what can happen to a container ----

    @staticmethod
    def pid(container):
        return int(docker("inspect", "--format", "{{.State.Pid}}", container))

    def own_pid(self, container):
        """Its first process as this machine sees it; 0 if the engine is not on this machine."""
        pid = self.pid(container)
        try:
            with open(f"/proc/{pid}/cgroup") as groups:
                return pid if container in groups.read() else 0
        except OSError:
            return 0

    def kill(self, container):
        """SIGKILL from outside, as a crash: the restart policy has to bring it back."""
        restarts = self.restarts(container)
        pid = self.own_pid(container)
        if pid and os.geteuid() == 0:
            os.kill(pid, signal.SIGKILL)
            until(lambda: self.restarts(container) > restarts, "the restart policy started the container again")
        else:
            docker("kill", container)
            docker("start", container)

    @staticmethod
    def restarts(container):
        return int(docker("inspect", "--format", "{{.RestartCount}}", container))


class Job:
    """The test's program on the cluster: from this machine, or from a container."""

    def __init__(self, cluster, *arguments, in_container=False):
        arguments = ["--until-closed", *arguments]
        if in_container:
            command = [*cluster.compose_command, "--file", os.path.join(DEPLOY, "compose.yaml"), "run", "--rm", "-T",
                       "--volume", f"{JOB}:/job:ro", "job", "/job", *arguments]
            env = cluster.env
        else:
            command, env = [JOB, *arguments], cluster.driver_env()
        self.lines = []
        self.done = 0
        self.changed = threading.Condition()
        self.process = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, errors="replace")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                if line.startswith("done "):
                    self.done = int(line.split()[1])
                else:
                    self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.done = -1
            self.changed.notify_all()

    def said(self):
        return "".join(self.lines)

    def advance(self, tasks=400, seconds=90):
        """Waits until so many more tasks have ended. More than the job keeps under way, so some began after now."""
        with self.changed:
            target = self.done + tasks
            if not self.changed.wait_for(lambda: self.done < 0 or self.done >= target, seconds) or self.done < 0:
                raise RuntimeError(f"the job came to {self.done} of {target} tasks:\n{self.said()}")

    def finish(self, seconds=120):
        """Lets it end. Raises unless every result was right."""
        self.process.stdin.close()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the job does not end; it came to {self.done} tasks:\n{self.said()}") from None
        self.reader.join()
        if status != 0 or ", 0 wrong, " not in self.said():
            raise RuntimeError(f"the job ended with {status}:\n{self.said()}")
        return self.said()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
