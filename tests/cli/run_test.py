# SPDX-License-Identifier: MIT
"""run: on a cluster, and on a throw-away one, of which nothing may be left."""
import os
import signal
import subprocess

from support import DONE, FAILED, JOB, PATIENCE, Case, ClusterCase, main, processes_with, program, tool, until


class RunOnCluster(ClusterCase):
    nodes = 1

    def test_it_sets_what_a_program_needs(self):
        env = self.plain_env()
        ended = tool("run", "-c", self.cluster.endpoint, "--key", self.cluster.path("driver.key"), "--authorized-keys",
                     self.cluster.authorized_keys, "env", env=env)
        got = dict(line.split("=", 1) for line in self.assert_ends(ended, DONE).stdout.splitlines())
        self.assertEqual(got["TASKPOOL"], self.cluster.endpoint)
        self.assertEqual(got["TASKPOOL_KEY"], self.cluster.path("driver.key"))
        self.assertEqual(got["TASKPOOL_AUTHORIZED_KEYS"], self.cluster.authorized_keys)

    def test_it_runs_a_program_there(self):
        self.assert_ends(self.tool("run", JOB, "3", key="driver"), DONE, "submitted")

    def test_the_program_gets_its_own_options_and_code(self):
        ended = self.tool("run", "sh", "-c", 'echo "$0 $1"; exit 7', "--help", "-x", key="driver")
        self.assert_ends(ended, 7, r"\A--help -x\n\Z")

    def test_a_program_that_cannot_be_run(self):
        self.assert_ends(self.tool("run", self.path("none"), key="driver"), 127, err="none")
        with open(self.path("text"), "w") as file:
            file.write("no program")
        self.assert_ends(self.tool("run", self.path("text"), key="driver"), 126, err="text")

    def test_bad_keys_are_said_before_the_program_runs(self):
        self.assert_ends(self.tool("run", "--key", self.path("none"), "echo", "ran"), FAILED, err="none")


class RunOnLoopback(Case):
    def assert_nothing_is_left(self):
        until(lambda: not processes_with(self.folder), "every process has ended")
        self.assertEqual(os.listdir(self.folder), [])

    def start(self, *arguments):
        started = subprocess.Popen([program("taskpool"), "run", *arguments], env=self.plain_env(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (started.kill(), started.communicate()))
        return started

    def test_a_program_runs_on_a_cluster_of_its_own(self):
        env = self.plain_env(TASKPOOL="tcp://nowhere:1", TASKPOOL_KEY="/nowhere")
        self.assert_ends(tool("run", "--loopback=2", "--workers=3", JOB, "9", env=env), DONE, r"\Asubmitted\n\Z")
        self.assert_nothing_is_left()

    def test_the_tool_works_on_it(self):
        ended = tool("run", "-l3", "-w2", program("taskpool"), "node", "list", env=self.plain_env())
        self.assert_ends(ended, DONE, r"(?s)node1 +up +2.*node2 +up +2.*node3 +up +2")
        self.assert_nothing_is_left()

    def test_the_code_is_the_programs(self):
        self.assert_ends(tool("run", "-l1", "sh", "-c", "exit 9", env=self.plain_env()), 9)
        self.assert_ends(tool("run", "-l1", "sh", "-c", "kill -9 $$", env=self.plain_env()), 128 + 9)
        self.assert_ends(tool("run", "-l1", self.path("none"), env=self.plain_env()), 127, err="none")
        self.assert_nothing_is_left()

    def test_a_signal_reaches_the_program_and_all_ends(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                run = self.start("--loopback=2", JOB, "2")
                self.assertEqual(run.stdout.readline(), "submitted\n")
                run.send_signal(number)
                run.wait(30 * PATIENCE)
                self.assertEqual(run.returncode, 128 + number)
                self.assert_nothing_is_left()

    def test_nothing_outlives_it_when_it_is_killed(self):
        run = self.start("--loopback=2", JOB, "2")
        self.assertEqual(run.stdout.readline(), "submitted\n")
        self.assertGreaterEqual(len(processes_with(self.folder)), 3)
        run.kill()
        run.wait()
        until(lambda: not processes_with(self.folder), "every process has ended")
        for name in os.listdir(self.folder):  # only files can be left
            subprocess.run(["rm", "-r", self.path(name)], check=True)

    def test_a_node_that_dies_is_named_and_the_program_goes_on(self):
        run = self.start("--loopback=2", JOB, "4")
        self.assertEqual(run.stdout.readline(), "submitted\n")
        node2 = f"--key={self.folder}/[^/]*/node2.key"
        [victim] = processes_with(node2)
        os.kill(victim, signal.SIGKILL)
        until(lambda: not processes_with(node2), "it has ended")
        out, err = run.communicate(timeout=60 * PATIENCE)  # closes standard input: the tasks go on
        self.assertEqual(run.returncode, DONE, err)
        self.assertRegex(err, r"node2 .* ended \(signal 9\)")
        self.assert_nothing_is_left()


if __name__ == "__main__":
    main()
