# SPDX-License-Identifier: MIT
"""demo: that all is as expected, and that nothing is left of it, however it ends."""
import os
import shutil
import signal
import subprocess

from support import DONE, FAILED, PATIENCE, Case, main, processes_with, program, tool, until


class Demo(Case):
    def assert_nothing_is_left(self):
        until(lambda: not processes_with(self.path("tmp")), "every process has ended")
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("tmp"))

    def env(self, **more):
        return {**self.plain_env(), "TMPDIR": self.path("tmp"), **more}

    def test_all_is_as_expected(self):
        shown = self.assert_ends(tool("demo", env=self.env(), timeout=120 * PATIENCE), DONE).stdout
        for text in (r"coordinator at tcp://127\.0\.0\.1:\d+", r"node3 with 2 workers", r"the pool has 6 workers",
                     r"1 4 9 16 25 36 49 64 81 100 121 144", r"TP_E_TASK: there is no file number 7",
                     r"in task open_file, on node\d", r"\[node\d[^]]*\] ping 3", r"\[node\d[^]]*\] pong 3",
                     r"'crash' was killed by SIGSEGV", r"in task crash, on node\d", r"8 of the 8 others ended well",
                     r"fib\(12\) = 144", r"All was as expected\. "):
            self.assertRegex(shown, text)
        self.assertNotIn("NOT AS EXPECTED", shown)
        self.assert_nothing_is_left()

    def test_a_small_one(self):
        self.assert_ends(tool("demo", "--nodes=2", "--workers=1", env=self.env(), timeout=120 * PATIENCE), DONE,
                         "the pool has 2 workers")
        self.assert_nothing_is_left()

    def interrupt_after(self, text):
        demo = subprocess.Popen([program("taskpool"), "demo"], env=self.env(), text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, start_new_session=True)
        for line in demo.stdout:
            if text in line:
                break
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        demo.communicate(timeout=60 * PATIENCE)
        self.assertEqual(demo.returncode, 128 + signal.SIGINT)
        self.assert_nothing_is_left()

    def test_interrupted_at_its_start(self):
        self.interrupt_after("with throw-away keys")

    def test_interrupted_in_the_middle(self):
        self.interrupt_after("Two tasks on different nodes")

    def test_without_the_other_programs(self):
        os.mkdir(self.path("bin"))
        shutil.copy(program("taskpool"), self.path("bin"))
        alone = subprocess.run([self.path("bin", "taskpool"), "demo"], env=self.env(PATH=self.path("bin")), text=True,
                               capture_output=True)
        self.assert_ends(alone, FAILED, err="there is no taskpool-coordinator")
        self.assert_nothing_is_left()

    def test_a_node_that_does_not_start(self):
        os.mkdir(self.path("bin"))
        for name in ("taskpool", "taskpool-coordinator", "taskpool-demo-job"):
            shutil.copy(program(name), self.path("bin"))
        with open(self.path("bin", "taskpool-node"), "w") as script:
            script.write("#!/bin/sh\necho this machine is tired >&2\nexit 3\n")
        os.chmod(self.path("bin", "taskpool-node"), 0o755)
        broken = subprocess.run([self.path("bin", "taskpool"), "demo"], env=self.env(), text=True, capture_output=True)
        self.assert_ends(broken, FAILED, out="coordinator at", err="(?s)this machine is tired.*node1 did not become ready")
        self.assert_nothing_is_left()

    def test_a_job_that_fails_fails_it(self):
        os.mkdir(self.path("bin"))
        for name in ("taskpool", "taskpool-coordinator", "taskpool-node"):
            shutil.copy(program(name), self.path("bin"))
        os.symlink("/bin/false", self.path("bin", "taskpool-demo-job"))
        failed = subprocess.run([self.path("bin", "taskpool"), "demo"], env=self.env(), text=True, capture_output=True)
        self.assert_ends(failed, FAILED, out="node3 with")
        self.assertNotIn("as expected", failed.stdout)
        self.assert_nothing_is_left()


if __name__ == "__main__":
    main()
