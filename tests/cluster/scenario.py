# SPDX-License-Identifier: MIT
"""What the scenario programs of this folder share: one command line, jobs that are stepped through, checks."""
import argparse
import os
import subprocess
import sys
import traceback

from cluster import PATIENCE, Cluster, until  # noqa: F401 (for the scenarios)


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def check_contains(text, part, what=""):
    check(part in text, f"{what}: no {part!r} in:\n{text[-4000:]}")


class Setting:
    """Where the programs are, and how long things may take here."""

    def __init__(self, arguments):
        self.programs, self.jobs, self.kind = arguments.programs, arguments.jobs, arguments.kind

    def job(self, name):
        return os.path.join(self.jobs, name)

    def cluster(self, **options):
        return Cluster(self.programs, **options)

    def scale(self, normal, slow):
        return normal if self.kind == "plain" else slow


class Job:
    """A job that says on standard output where it is, and at some places waits for a line on standard input."""

    def __init__(self, cluster, command, endpoint=None, key="driver", **more):
        self.process = cluster.start(command, endpoint, key, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                     **more)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def expect(self, word):
        """Reads up to a line that begins with the word; returns the rest of that line."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.split()[:1] == [word]:
                return line[len(word):].strip()
        raise Failure(f"the job ended with {self.process.wait()} and did not say '{word}':\n" + "\n".join(self.lines))

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        """All that it still says; it must end well."""
        self.lines += [line.rstrip("\n") for line in self.process.stdout]
        status = self.process.wait()
        check(status == 0, f"the job ended with {status}:\n" + "\n".join(self.lines))
        return self.lines


def run(scenarios):
    """Runs all scenarios, or those that are named. Each is a function of a Setting; its docstring states the rule."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, help="folder of taskpool, taskpool-coordinator, taskpool-node")
    parser.add_argument("--jobs", required=True, help="folder of the programs that the scenarios run")
    parser.add_argument("--kind", default="plain", help="plain, asan, tsan, coverage: what is scaled down")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    known = {scenario.__name__: scenario for scenario in scenarios}
    failed = 0
    for name in arguments.names or known:
        try:
            known[name](Setting(arguments))
            print("ok  ", name, flush=True)
        except Exception as problem:
            failed += 1
            if not isinstance(problem, Failure):
                traceback.print_exc()
            print("FAIL", name, problem, flush=True)
    sys.exit(1 if failed else 0)
