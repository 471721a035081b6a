#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the commands of docs/operations.md, in their order: on machines with systemd (containers named head, node1,
laptop), which get the packages and lose them again, and on a cluster of containers. Nothing may be left at the end.

    sh run as=MACHINE [upgrade]    run there by bash, as root, in its home; "all": on every machine; "source": here, in
                                   the source; "containers": here, in deploy/. `upgrade`: a newer package lies there.
    output                         what a public key stands for: from then on, and in every block, what the page shows
                                   is replaced by the key that was really made

`scp FROM TO` copies between the machines, without ssh. program.c is the job of the container tests, and
./program is made of it: on the laptop by the page's own commands, elsewhere by the build.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

from containers import (DEPLOY, JOB, PREFIX, PROGRAMS, REPOSITORY, TAG, compose_commands, docker, free_port, output_of,
                        remove_volumes, require_engine, until, volumes_of)

PAGE = os.path.join(REPOSITORY, "docs", "operations.md")
HERE = os.path.dirname(os.path.realpath(__file__))
BASE = os.environ.get("TASKPOOL_BASE", "debian:bookworm-slim")
MACHINES = ("head", "node1", "laptop")
KEY = re.compile(r"[A-Za-z0-9+/]{43}=")


class Machine:
    """A container in which systemd runs."""

    def __init__(self, name, project):
        self.name, self.container = name, f"{project}-{name}"
        docker("run", "--detach", "--name", self.container, "--hostname", name, "--network", project,
               "--network-alias", name, "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined",
               "--security-opt", "apparmor=unconfined", "--cgroupns", "host",
               "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "--tmpfs", "/run", "--tmpfs", "/run/lock",
               "--tmpfs", "/tmp:exec", "--volume", f"{os.path.join(HERE, 'job.c')}:/root/program.c:ro",
               f"taskpool-machine:{TAG}")

    def wait(self):
        """Until it has booted. False: systemd does not run in containers here."""
        def state():
            ran = subprocess.run(["docker", "exec", self.container, "systemctl", "is-system-running"],
                                 capture_output=True, text=True)
            return ran.stdout.strip() if ran.stdout.strip() in ("running", "degraded") else None
        try:
            return until(state, f"{self.name} has booted", 60)
        except RuntimeError:
            return None

    def run(self, commands):
        return subprocess.run(["docker", "exec", "--interactive", "--workdir", "/root", "--env", "HOME=/root", "--env",
                               "DEBIAN_FRONTEND=noninteractive", self.container, "bash", "-leuo", "pipefail"],
                              input=commands, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def copy_in(self, path, to):
        docker("cp", path, f"{self.container}:{to}")


class Page:
    def __init__(self, project, folder):
        self.project, self.folder = project, folder
        self.keys = {}
        self.machines = {}
        self.volumes = set()
        self.failures = 0
        self.are_units_checked = False
        self.port = free_port()
        self.env = {**os.environ, "TASKPOOL_TAG": TAG, "COMPOSE_PROJECT_NAME": project, "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                    "TASKPOOL_KEYS": os.path.join(folder, "keys"), "TASKPOOL_PORT": str(self.port)}

    # ---- the machines ----

    def boot(self):
        output_of("docker", "build", "--quiet", "--file", os.path.join(HERE, "machine.Dockerfile"), "--build-arg",
                  f"BASE={BASE}", "--tag", f"taskpool-machine:{TAG}", HERE)
        docker("network", "create", self.project)
        self.machines = {name: Machine(name, self.project) for name in MACHINES}
        return all(machine.wait() for machine in self.machines.values())

    def newer_package(self, machine):
        """The same under a higher version, in the place of the older."""
        machine.run("""
            dpkg-deb --raw-extract taskpool_*.deb newer
            sed -i 's/^Version: .*/&+next/' newer/DEBIAN/control
            rm taskpool_*.deb
            dpkg-deb --build --root-owner-group newer taskpool_next.deb
            rm -r newer""").check_returncode()

    def remove(self):
        for machine in self.machines.values():
            subprocess.run(["docker", "rm", "-f", "-v", machine.container], capture_output=True)
        subprocess.run(["docker", "network", "rm", self.project], capture_output=True)
        # What the page's last command on containers does, if it was not reached.
        subprocess.run([*compose_commands()[0], "--file", os.path.join(DEPLOY, "compose.yaml"), "down", "--volumes",
                        "--timeout", "2"], env=self.env, capture_output=True)
        remove_volumes(self.volumes)

    def note_volumes(self):
        listed = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        self.volumes |= volumes_of(listed.split())

    # ---- commands ----

    def with_keys(self, text):
        return KEY.sub(lambda key: self.keys.get(key[0], key[0]), text)

    def copy(self, machine, source, target):
        host, _, path = source.partition(":")
        between = os.path.join(self.folder, "copied")
        docker("cp", f"{self.machines[host].container}:{path}", between)
        machine.copy_in(between, target.replace("~", "/root"))
        return subprocess.CompletedProcess([], 0, "")

    def run_there(self, machine, commands, words):
        if "upgrade" in words:
            self.newer_package(machine)
        said = ""
        for part in re.split(r"^(scp .*\n)", commands, flags=re.M):
            if part.startswith("scp "):
                ran = self.copy(machine, *part.split()[1:])
            else:
                ran = machine.run(part)
            said += ran.stdout
            if ran.returncode != 0:
                return ran.returncode, said
        return 0, said

    def run_here(self, commands, where):
        compose = " ".join(compose_commands()[0])
        commands = commands.replace("127.0.0.1:7077", f"127.0.0.1:{self.port}").replace("./program", JOB)
        commands = commands.replace("keys/host", os.path.join(self.folder, "keys", "host"))
        # There is no terminal here, and docker-compose wants to be told so.
        commands = commands.replace("run --rm job", "run --rm -T job")
        commands = commands.replace("docker compose ", f"{compose} ").replace("taskpool-packages", f"taskpool-packages:{TAG}")
        commands = commands.replace("$PWD:/out", f"{self.folder}:/out")
        self.note_volumes()
        ran = subprocess.run(["bash", "-euo", "pipefail"], cwd=REPOSITORY if where == "source" else DEPLOY, env=self.env,
                             input=commands, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return ran.returncode, ran.stdout

    def run_block(self, words, commands, place):
        where = next((word[3:] for word in words if word.startswith("as=")), None)
        if where in ("source", "containers"):
            todo = [lambda: self.run_here(commands, where)]
        elif where == "all" or where in self.machines:
            names = MACHINES if where == "all" else [where]
            todo = [lambda name=name: self.run_there(self.machines[name], commands, words) for name in names]
        else:
            raise RuntimeError(f"{place}: nobody knows where to run this: {' '.join(words)}")
        with concurrent.futures.ThreadPoolExecutor() as threads:
            ended = list(threads.map(lambda do: do(), todo))
        for status, output in ended:
            if status != 0:
                self.failures += 1
                print(f"{place}: ended with {status}:\n{commands}----\n{output[-6000:]}", flush=True)
        return "".join(output for _, output in ended)

    def learn(self, shown, said, place):
        lines, real = shown.split("\n"), said.split("\n")
        for line in lines:
            key = KEY.match(line)
            name = line[44:]
            found = [KEY.match(other)[0] for other in real if KEY.match(other) and other[44:] == name] if key else []
            if len(found) == 1:
                self.keys[key[0]] = found[0]
            elif line:
                self.failures += 1
                print(f"{place}: was not printed: {line}\n{said}")

    def run(self):
        text = open(PAGE).read()
        said = ""
        blocks = 0
        for match in re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.M | re.S):
            place = f"operations.md:{text.count(chr(10), 0, match.start()) + 1}"
            words = match[1].split()
            if words[:2] == ["sh", "run"]:
                blocks += 1
                print(f"{place}: {' '.join(words[2:])}", flush=True)
                said = self.run_block(words[2:], self.with_keys(match[2]), place)
                self.after(words[2:])
            elif words == ["output"]:
                self.learn(match[2], said, place)
            elif words:
                raise RuntimeError(f"{place}: neither commands to run nor what they print: {match[1]}")
            if self.failures:
                return blocks
        return blocks

    def after(self, words):
        if words == ["as=source"]:
            for machine in self.machines.values():
                for name in sorted(os.listdir(self.folder)):
                    if name.endswith(".deb"):
                        machine.copy_in(os.path.join(self.folder, name), "/root/")
        if words == ["as=all"] and not self.are_units_checked:
            self.check_units()
        if "upgrade" in words:
            machine = self.machines[words[0][3:]]
            said = machine.run("dpkg-query --show taskpool; systemctl is-active 'taskpool-*'").stdout
            if "+next" not in said or "active" not in said.split():
                self.failures += 1
                print(f"{machine.name} is not upgraded, or its daemon does not run:\n{said}")

    def check_units(self):
        """On the head, as soon as the package is there: what systemd thinks of the units."""
        self.are_units_checked = True
        machine = self.machines["head"]
        ran = machine.run("systemd-analyze verify --man=no taskpool-coordinator.service taskpool-node.service")
        if ran.returncode != 0 or ran.stdout.strip():
            self.failures += 1
            print(f"systemd-analyze verify: {ran.stdout}")

    def check_nothing_is_left(self):
        for machine in self.machines.values():
            ran = machine.run("""
                find / -xdev -iname '*taskpool*' -not -path '/root/*' -not -path '/proc/*' -not -path '/var/log/*' \\
                    -not -path '/sys/*' -not -path '/etc/systemd/system/taskpool-node.service.d*'
                getent passwd | grep taskpool || true
                getent group | grep taskpool || true
                grep -l taskpool /proc/[0-9]*/comm 2>/dev/null || true
                systemctl list-units --all --no-legend 'taskpool*' | grep -v not-found || true""")
            if ran.returncode != 0 or ran.stdout.strip():
                self.failures += 1
                print(f"{machine.name}: left behind:\n{ran.stdout}")

    def show_journals(self):
        for machine in self.machines.values():
            print(f"---- {machine.name}\n{machine.run('journalctl --no-pager --lines 60').stdout}")


def main():
    require_engine()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    page = Page(f"{PREFIX}{os.getpid()}-page", folder)
    try:
        if not page.boot():
            print("SKIPPED: systemd does not run in containers here")
            return 77
        blocks = page.run()
        if not page.failures:
            page.check_nothing_is_left()
        elif page.machines:
            page.show_journals()
        print(f"{blocks} blocks, {page.failures} failures")
        return 1 if page.failures or not blocks else 0
    finally:
        page.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
