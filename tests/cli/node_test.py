# SPDX-License-Identifier: MIT
"""node list and node drain."""
import subprocess

from support import DONE, FAILED, PATIENCE, ClusterCase, main, program


class NodeList(ClusterCase):
    def test_it_lists_names_for_scripts(self):
        self.assertEqual(self.assert_ends(self.tool("node", "list", "--names"), DONE).stdout, "node0\nnode1\n")

    def test_it_lists_for_people_and_as_json(self):
        self.assert_ends(self.tool("node", "list"), DONE, r"\ANODE +STATE .*\nnode0 +up .*\nnode1 +up .*\n\Z")
        self.assertEqual([node["name"] for node in self.json("node", "list")], ["node0", "node1"])


class NodeDrain(ClusterCase):
    """Each test drains its own node."""
    nodes = 4

    def start_drain(self, *arguments):
        return subprocess.Popen([program("taskpool"), "node", "drain", *arguments],
                                env=self.cluster.driver_env("admin"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def test_an_idle_node_is_drained_at_once(self):
        self.assert_ends(self.tool("node", "drain", "node0"), DONE, r"\A\Z")
        self.until_nodes(lambda nodes: nodes["node0"]["condition"] == "drained", "it is said")
        self.assert_ends(self.tool("node", "drain", "node0"), DONE, r"\A\Z")

    def test_it_waits_for_tasks_that_have_started(self):
        job = self.start_job(16)
        self.until_nodes(lambda nodes: nodes["node1"]["running"] > 0, "tasks run there")
        drain = self.start_drain("node1")
        self.until_nodes(lambda nodes: nodes["node1"]["condition"] == "draining", "it drains")
        self.assert_ends(self.tool("node", "drain", "--wait=1ms", "node1"), FAILED, err=r"still has \d+ tasks")
        self.assertIsNone(drain.poll())
        self.assertEqual(self.end_job(job), 0)
        out, err = drain.communicate(timeout=30 * PATIENCE)
        self.assertEqual((drain.returncode, out, err), (DONE, "", ""))

    def test_it_need_not_wait(self):
        job = self.start_job(16)
        self.until_nodes(lambda nodes: nodes["node2"]["running"] > 0, "tasks run there")
        self.assert_ends(self.tool("node", "drain", "--no-wait", "node2"), DONE, r"\A\Z")
        self.until_nodes(lambda nodes: nodes["node2"]["condition"] == "draining", "it drains")
        self.assertEqual(self.end_job(job), 0)
        self.until_nodes(lambda nodes: nodes["node2"]["condition"] == "drained", "it is drained")

    def test_a_node_that_leaves_meanwhile_is_not_drained(self):
        job = self.start_job(16)
        self.until_nodes(lambda nodes: nodes["node3"]["running"] > 0, "tasks run there")
        drain = self.start_drain("node3")
        self.until_nodes(lambda nodes: nodes["node3"]["condition"] == "draining", "it drains")
        self.cluster.nodes[3].kill()
        _, err = drain.communicate(timeout=30 * PATIENCE)
        self.assertEqual(drain.returncode, FAILED)
        self.assertRegex(err, "node3 left before it was drained")
        self.assertEqual(self.end_job(job), 0)

    def test_an_unknown_node(self):
        self.assert_ends(self.tool("node", "drain", "nobody"), FAILED, err="no node is called 'nobody'")


if __name__ == "__main__":
    main()
