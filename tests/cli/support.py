# SPDX-License-Identifier: MIT
"""What the tests of `taskpool` share: the tool, a cluster per class, and jobs whose tasks wait."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from cluster import PATIENCE, Cluster, until  # noqa: E402

PROGRAMS = os.environ["TASKPOOL_PROGRAMS"]
JOB = os.environ["TASKPOOL_TEST_JOB"]
SOURCE = os.environ["TASKPOOL_SOURCE"]
DONE, FAILED, USAGE, UNREACHABLE, REFUSED = 0, 1, 64, 69, 77


def program(name):
    return os.path.join(PROGRAMS, name)


def tool(*arguments, env=None, **more):
    """taskpool ARGUMENTS; returns the ended process, with its output as text."""
    more.setdefault("timeout", 60 * PATIENCE)
    return subprocess.run([program("taskpool"), *arguments], env=env, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, **more)


def text_of(path):
    """What can be read of a file of /proc: a process may have ended, or be another user's."""
    try:
        with open(path, errors="replace") as text:
            return text.read()
    except OSError:
        return ""


def processes_with(pattern):
    """The ids of processes whose command line or environment has it."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in pids
            if re.search(pattern, text_of(f"/proc/{pid}/cmdline") + text_of(f"/proc/{pid}/environ"))]


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="taskpool-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def plain_env(self, **more):
        """An environment without anything of TaskPool."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("TASKPOOL")}
        env.update(HOME=self.folder, TMPDIR=self.folder, **more)
        return env

    def assert_ends(self, ended, code, out=None, err=None):
        """With that code, and what matches the regular expressions on standard output and error."""
        said = f"it ended with {ended.returncode}\n---- out\n{ended.stdout}\n---- err\n{ended.stderr}"
        self.assertEqual(ended.returncode, code, said)
        if out is not None:
            self.assertRegex(ended.stdout, out, said)
        if err is not None:
            self.assertRegex(ended.stderr, err, said)
        if code == DONE:
            self.assertEqual(ended.stderr, "" if err is None else ended.stderr, said)
        elif code != DONE and err is not None:
            self.assertEqual(ended.stdout, "" if out is None else ended.stdout, said)
        return ended


class ClusterCase(Case):
    nodes = 2

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(PROGRAMS, nodes=cls.nodes, workers=2)
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)

    def tool(self, *arguments, key="admin", **more):
        return tool(*arguments, env=self.cluster.driver_env(key), **more)

    def json(self, *arguments):
        return json.loads(self.assert_ends(self.tool(*arguments, "--json"), DONE).stdout)

    def start_job(self, count=4):
        """A program with so many tasks that wait; close its standard input to let them go."""
        job = self.cluster.start([JOB, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_job, job)
        self.assertEqual(job.stdout.readline(), "submitted\n")
        return job

    def end_job(self, job):
        if not job.stdin.closed:
            job.stdin.close()
        try:
            code = job.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            job.kill()
            code = job.wait()
        job.stdout.close()
        return code

    def until_nodes(self, condition, what):
        until(lambda: condition({node["name"]: node for node in self.json("node", "list")}), what)


def main():
    unittest.main(verbosity=2)
