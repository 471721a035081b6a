# SPDX-License-Identifier: MIT
"""status and top, on a cluster and without one."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from support import DONE, FAILED, PATIENCE, REFUSED, UNREACHABLE, ClusterCase, main, program, tool, until


class Status(ClusterCase):
    def test_it_shows_coordinator_and_nodes(self):
        shown = self.assert_ends(self.tool("status"), DONE).stdout
        self.assertRegex(shown, rf"\Acoordinator coordinator at {re.escape(self.cluster.endpoint)}, version \d+\.\d+\.\d+, ")
        for i in range(self.nodes):
            self.assertRegex(shown, rf"(?m)^node{i} +up +2 +0 +0 +\d+ ")
        self.assertLess(shown.index("node0"), shown.index("node1"))

    def test_it_shows_sessions_and_counts(self):
        before = sum(node["finished"] for node in self.json("node", "list"))
        job = self.start_job(6)
        until(lambda: sum(node["running"] for node in self.json("node", "list")) == 6, "six tasks run")
        status = self.json("status")
        self.assertEqual(set(status), {"coordinator", "nodes", "sessions"})
        self.assertEqual(set(status["coordinator"]),
                         {"name", "endpoint", "version", "uptime_ms", "queued", "placed_per_second", "refused_frames"})
        self.assertEqual(set(status["nodes"][0]), {"name", "condition", "workers", "running", "queued", "finished",
                                                   "finished_per_second", "sessions", "version"})
        self.assertEqual(status["coordinator"]["endpoint"], self.cluster.endpoint)
        self.assertEqual(status["coordinator"]["refused_frames"], 0)
        self.assertEqual([node["sessions"] for node in status["nodes"] if node["condition"] == "up"], [1] * self.nodes)
        [session] = status["sessions"]
        self.assertRegex(session.pop("session"), r"\A[0-9a-f]{32}\Z")
        self.assertEqual(session, {"driver": "driver", "program": os.path.basename(job.args[0]), "nodes": self.nodes,
                                   "placed": 7, "queued": 0, "queued_bytes": 0})
        self.assertRegex(self.tool("status").stdout, rf"(?m)^[0-9a-f]{{8}} +{os.path.basename(job.args[0])} +driver +2 +7 +0 +0 B$")
        self.assertEqual(self.end_job(job), 0)
        until(lambda: not self.json("status")["sessions"], "the session ends")
        until(lambda: sum(node["finished"] for node in self.json("node", "list")) == before + 7, "all are counted")

    def test_it_says_bye(self):
        self.assert_ends(self.tool("status"), DONE)
        until(lambda: "it has asked all that it wanted" in self.cluster.coordinator.log(), "the coordinator has heard it")

    def test_the_address_may_lack_its_scheme(self):
        host = self.cluster.endpoint.removeprefix("tcp://")
        self.assert_ends(self.tool("status", "--coordinator", host), DONE, "node0")

    def test_a_lost_node_is_shown_as_lost(self):
        self.cluster.make_key("node", "node7")
        self.cluster.coordinator.signal(signal.SIGHUP)
        node = self.cluster.start_node(7)
        self.until_nodes(lambda nodes: nodes["node7"]["condition"] == "up", "it is up")
        node.kill()
        self.until_nodes(lambda nodes: nodes["node7"]["condition"] == "lost", "it is lost")
        self.assertNotIn("node7", self.tool("node", "list", "--names").stdout)

    def test_a_program_needs_the_role_of_an_admin(self):
        self.assert_ends(self.tool("status", key="driver"), REFUSED, err="refuses: .*admin")

    def test_an_unlisted_key_is_told_so(self):
        self.cluster.make_key("admin", "stranger", authorize=False)
        self.assert_ends(self.tool("status", key="stranger"), REFUSED, err='does not know this key: .*`taskpool authorize admin .* stranger`')

    def test_another_coordinator_is_not_believed(self):
        other = self.path("other.key")
        key, name = tool("keygen", "--name=other", other, env=self.plain_env()).stdout.split()
        tool("authorize", "--file", self.path("list"), "coordinator", key, name, env=self.plain_env())
        self.assert_ends(self.tool("status", "--authorized-keys", self.path("list")), UNREACHABLE,
                         err="not the coordinator")

    def test_files_that_are_missing_are_named(self):
        self.assert_ends(self.tool("status", "--key", self.path("none")), FAILED, err="none")
        self.assert_ends(self.tool("status", "--authorized-keys", self.path("none")), FAILED, err="none")
        open(self.path("empty"), "w").close()
        self.assert_ends(self.tool("status", "--authorized-keys", self.path("empty")), FAILED, err="no coordinator")


class Unreachable(ClusterCase):
    nodes = 0

    def test_every_command_ends_with_69(self):
        for arguments in (["status"], ["status", "--json"], ["top"], ["why", "x"], ["why", "abc/1"], ["node", "list"],
                          ["node", "drain", "x"]):
            with self.subTest(arguments):
                self.assert_ends(self.tool(*arguments, "--coordinator=tcp://127.0.0.1:1"), UNREACHABLE,
                                 err="tcp://127.0.0.1:1: nobody listens")

    def test_a_coordinator_that_hangs_is_waited_for_as_told(self):
        self.cluster.coordinator.pause()
        self.addCleanup(self.cluster.coordinator.resume)
        self.assert_ends(self.tool("status", "--timeout=300ms"), UNREACHABLE, err="no coordinator answers")

    def test_a_cluster_without_nodes_says_so(self):
        self.assert_ends(self.tool("status"), DONE, "no node is here")


class Top(ClusterCase):
    nodes = 1

    def test_without_a_terminal_it_shows_the_status_once(self):
        self.assert_ends(self.tool("top"), DONE, r"\Acoordinator coordinator .*(?s:.)*node0")

    def read_until(self, terminal, text):
        got = b""
        deadline = time.monotonic() + 20 * PATIENCE
        while text not in got:
            self.assertLess(time.monotonic(), deadline, got)
            if select.select([terminal], [], [], 0.1)[0]:
                got += os.read(terminal, 65536)
        return got

    def test_on_a_terminal_it_draws_again_until_interrupted(self):
        terminal, side = pty.openpty()
        self.addCleanup(os.close, terminal)
        top = subprocess.Popen([program("taskpool"), "top", "--interval=100ms"], stdin=side, stdout=side, stderr=side,
                               env=self.cluster.driver_env("admin"))
        os.close(side)
        self.read_until(terminal, b"node0")
        self.read_until(terminal, b"node0")
        # a coordinator that is started again is found again
        self.cluster.coordinator.kill()
        self.read_until(terminal, b"tcp://127.0.0.1")
        self.cluster.start_coordinator()
        self.read_until(terminal, b"node0")
        top.send_signal(signal.SIGINT)
        self.read_until(terminal, b"\x1b[?1049l")
        self.assertEqual(top.wait(20 * PATIENCE), DONE)


if __name__ == "__main__":
    main()
