#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What real containers meet, each with a job in the middle, which must end right. One cluster for all of it.

cluster.py [NAME...]: all tests, or Containers.test_NAME.
"""
import os
import shutil
import subprocess
import sys
import time
import unittest

from containers import DEPLOY, TAG, Cluster, Job, docker, output_of, require_engine, until

HERE = os.path.dirname(os.path.realpath(__file__))
NODES = 3


class Containers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(NODES, TASKPOOL_NODE_MEMORY="512m", TASKPOOL_NODE_TMP="64m")

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()

    def setUp(self):
        self.jobs = []
        self.helpers = []
        self.started = time.monotonic()
        self.cluster.wait_for_nodes(NODES)

    def tearDown(self):
        for job in self.jobs:
            job.end()
        for helper in self.helpers:
            helper.terminate()
            helper.wait()
            helper.stdout.close()
        result = self._outcome.result
        if any(test is self for test, _ in result.failures + result.errors):
            self.cluster.show_logs()
        print(f"    {time.monotonic() - self.started:.1f} s", flush=True)

    def start(self, *arguments, in_container=False):
        job = Job(self.cluster, *arguments, in_container=in_container)
        self.jobs.append(job)
        job.advance(100)
        return job

    def a_node(self):
        """(container, name): a node's name is its host's, which is the beginning of the container's id."""
        container = self.cluster.containers("node")[0]
        return container, docker("inspect", "--format", "{{.Config.Hostname}}", container)

    def wait_until(self, name, condition):
        until(lambda: self.cluster.node(name).get("condition") == condition, f"{name} is {condition}")

    # ---- where jobs come from ----

    def test_a_job_from_this_machine_and_one_from_a_container_share_the_nodes(self):
        here, there = self.start(), self.start(in_container=True)
        here.advance()
        there.advance()
        here.finish()
        there.finish()

    def test_the_examples_run_in_the_job_image(self):
        counted = self.cluster.compose("run", "--rm", "-T", "job", "wordcount", "--all", "/usr/share/common-licenses")
        self.assertRegex(counted, r"(?m)^ *\d+ the$")
        drawn = self.cluster.compose("run", "--rm", "-T", "job", "sh", "-c",
                                     "render --size 320x180 -o cluster.png && TASKPOOL=local render --serial "
                                     "--size 320x180 -o serial.png && cmp cluster.png serial.png && echo same")
        self.assertIn("same", drawn)

    # ---- what happens to nodes ----

    def test_a_node_that_is_killed_comes_back(self):
        job = self.start()
        container, name = self.a_node()
        self.cluster.kill(container)
        job.advance()
        self.wait_until(name, "up")
        job.advance()
        job.finish()

    def test_a_node_that_was_paused_for_longer_than_it_takes_to_be_lost(self):
        job = self.start()
        container, name = self.a_node()
        docker("pause", container)
        try:
            self.wait_until(name, "lost")
            job.advance()
        finally:
            docker("unpause", container)
        self.wait_until(name, "up")
        job.advance()
        job.finish()

    def test_a_node_that_was_off_the_network(self):
        job = self.start()
        container, name = self.a_node()
        network = f"{self.cluster.name}_default"
        docker("network", "disconnect", network, container)
        try:
            self.wait_until(name, "lost")
            job.advance()
        finally:
            docker("network", "connect", network, container)
        self.wait_until(name, "up")
        job.advance()
        job.finish()

    def test_a_slow_network_that_loses_packets(self):
        container, _ = self.a_node()
        node, head = self.cluster.own_pid(container), self.cluster.own_pid(self.cluster.coordinator)
        if not node or not head or os.geteuid() != 0 or not all(map(shutil.which, ("ip", "tc", "nsenter"))):
            self.skipTest("to disturb a container's network takes root on the engine's machine, iproute2 and nsenter")
        job = self.start()
        self.helpers = [subprocess.Popen([sys.executable, os.path.join(HERE, "lossy.py"), str(here), str(there),
                                          "--delay-ms", "40", "--loss", "0.03"], stdout=subprocess.PIPE, text=True)
                        for here, there in ((node, head), (head, node))]
        for helper in self.helpers:
            self.assertRegex(helper.stdout.readline(), "^disturbing")
        job.advance(1000)
        job.finish()
        for helper in self.helpers:
            helper.terminate()
            self.assertRegex(helper.stdout.readline(), "^sent [1-9][0-9]* lost [1-9]", "the network was disturbed")

    def test_a_rolling_restart_of_every_node(self):
        job = self.start()
        for container in self.cluster.containers("node"):
            before = self.cluster.log(container).count(" drained")
            docker("restart", "--time", "45", container)
            self.cluster.wait_for_nodes(NODES)
            self.assertEqual(self.cluster.log(container).count(" drained"), before + 1, "it drained")
            job.advance(100)
        job.advance()
        job.finish()

    def test_more_nodes_and_fewer(self):
        job = self.start()
        self.cluster.scale(NODES + 2)
        self.cluster.wait_for_nodes(NODES + 2)
        job.advance()
        self.cluster.scale(NODES - 1)
        self.cluster.wait_for_nodes(NODES - 1)
        job.advance()
        self.cluster.scale(NODES)
        self.cluster.wait_for_nodes(NODES)
        job.advance()
        job.finish()

    # ---- what happens to the coordinator ----

    def test_a_coordinator_that_is_restarted(self):
        job = self.start()
        docker("restart", self.cluster.coordinator)
        job.advance()
        self.cluster.wait_for_nodes(NODES)
        job.finish()

    def test_a_coordinator_that_is_killed(self):
        job = self.start()
        self.cluster.kill(self.cluster.coordinator)
        job.advance()
        self.cluster.wait_for_nodes(NODES)
        job.finish()

    # ---- what a node can lack ----

    def test_a_node_whose_disk_has_no_room_for_the_program(self):
        container = self.cluster.extra_node("full", "--tmpfs", "/var/cache/taskpool:exec,uid=10001,gid=10001,size=8m")
        try:
            docker("exec", container, "sh", "-c", "cat /dev/zero >/var/cache/taskpool/other 2>/dev/null || true")
            job = self.start()
            job.advance()
            self.assertEqual(self.cluster.node("full")["finished"], 0)
            self.assertRegex(self.cluster.log(container), "session-refused .*No space left on device")
            job.finish()
            docker("exec", container, "rm", "/var/cache/taskpool/other")
            job = self.start()
            until(lambda: self.cluster.node("full").get("finished", 0) > 0, "the node works as soon as there is room")
            job.finish()
        finally:
            docker("stop", "--time", "45", container)

    def test_nodes_whose_disk_is_too_small_for_some_tasks(self):
        job = self.start("--scratch", "100")
        job.advance(800)
        self.assertRegex(job.finish(), "refused: TP_E_TASK: cannot write 100 MiB: No space left on device")

    def test_a_node_with_too_little_memory_for_some_tasks(self):
        # When a group has no memory left the kernel may end its agent as well, or keep it waiting until it counts as
        # lost: then it comes again, as the nodes of the compose file do.
        container = self.cluster.extra_node("small", "--memory", "96m", "--memory-swap", "96m",
                                            "--restart", "unless-stopped")
        try:
            job = self.start("--hungry", "120")
            job.advance(1500)
            job.finish()
            self.wait_until("small", "up")
            self.assertEqual(docker("inspect", "--format", "{{.State.Running}}", container), "true")
        finally:
            docker("stop", "--time", "45", container)

    # ---- what the images are ----

    def test_nothing_runs_as_root_and_no_compiler_is_there(self):
        for image in "coordinator", "node", "job":
            self.assertEqual(docker("inspect", "--format", "{{.Config.User}}", f"taskpool-{image}:{TAG}"), "10001:10001")
            found = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", f"taskpool-{image}:{TAG}", "-c",
                           "id -u; command -v cc gcc clang tcc as || echo none")
            self.assertEqual(found.split(), ["10001", "none"])

    def test_each_job_has_users_of_its_own(self):
        job = self.start()
        container, _ = self.a_node()
        listed = docker("exec", container, "sh", "-c",
                        "for process in /proc/[0-9]*; do sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p' $process/status; done")
        users = {int(user) for user in listed.split()}
        self.assertTrue(any(20000 <= user < 24096 for user in users), users)
        self.assertNotIn(0, users)
        job.finish()

    def test_a_container_without_the_capabilities_says_what_is_missing(self):
        ran = subprocess.run(["docker", "run", "--rm", "--cap-drop", "ALL", f"taskpool-node:{TAG}"], capture_output=True,
                             text=True)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("SETUID, SETGID and KILL", ran.stderr)

    def test_keys_are_made_once(self):
        before = self.cluster.tool("keygen", "--show", os.path.join(self.cluster.keys, "host", "key"))
        output_of(os.path.join(DEPLOY, "make-keys"), self.cluster.keys, env=self.cluster.env)
        self.assertEqual(self.cluster.tool("keygen", "--show", os.path.join(self.cluster.keys, "host", "key")), before)
        with open(os.path.join(self.cluster.keys, "public", "authorized_keys")) as lines:
            self.assertEqual(len(lines.readlines()), 6)


if __name__ == "__main__":
    require_engine()
    unittest.main(verbosity=2, argv=[sys.argv[0], *(f"Containers.test_{name}" for name in sys.argv[1:])])
