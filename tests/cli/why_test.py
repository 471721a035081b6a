# SPDX-License-Identifier: MIT
"""why: what is said about tasks that run, wait, have ended, or are not known."""
import signal

from support import DONE, FAILED, ClusterCase, main, until


class Why(ClusterCase):
    def session(self):
        [session] = self.json("status")["sessions"]
        return session["session"]

    def test_a_task_by_its_number(self):
        self.start_job(3)
        session = self.session()
        until(lambda: self.json("why", f"{session}/2")["tasks"][0]["reason"].startswith("it waits at channels"),
              "it waits at its channel")
        [task] = self.json("why", f"{session}/2")["tasks"]
        self.assertIn(task.pop("node"), ("node0", "node1"))
        self.assertEqual(task, {"task": f"{session}/2", "name": "wait_for_go", "state": "placed", "dispatch": 1,
                                "reason": "it waits at channels: 1 operations"})
        self.assertEqual(self.json("why", f"{session[:6]}/2"), self.json("why", f"{session}/2"))
        shown = self.assert_ends(self.tool("why", f"{session[:8]}/2"), DONE).stdout
        self.assertRegex(shown, rf"(?m)^{session[:8]}/2 +wait_for_go +placed +node\d +1 +it waits at channels")

    def test_a_task_that_has_ended(self):
        self.start_job(1)
        [task] = self.json("why", f"{self.session()}/1")["tasks"]
        self.assertEqual(task["state"], "resolved")

    def test_tasks_by_their_name_over_all_programs(self):
        self.start_job(3)
        self.start_job(2)
        until(lambda: len(self.json("why", "wait_for_go")["tasks"]) == 5, "all are found")
        tasks = self.json("why", "wait_for_go")["tasks"]
        self.assertEqual(len({task["task"] for task in tasks}), 5)
        self.assertEqual({task["name"] for task in tasks}, {"wait_for_go"})

    def test_what_is_not_known(self):
        self.start_job(1)
        session = self.session()
        other = ("0" if session[0] != "0" else "1") + session[1:]
        self.assert_ends(self.tool("why", f"{session}/99"), FAILED, err="no unresolved task")
        self.assert_ends(self.tool("why", f"{other}/1"), FAILED, err="no session begins with")
        self.assert_ends(self.tool("why", "nothing"), FAILED, err="no unresolved task")
        self.assert_ends(self.tool("why", "x" * 300), FAILED, err="too long")
        self.assert_ends(self.tool("why", "nothing", "--json"), FAILED, err="no unresolved task")

    def test_a_beginning_that_two_sessions_share_is_refused(self):
        for _ in range(17):
            self.start_job(1) if len(self.sessions()) < 16 else None
        beginnings = [session[0] for session in self.sessions()]
        shared = next((digit for digit in beginnings if beginnings.count(digit) > 1), None)
        if shared is None:
            self.skipTest("sixteen sessions with sixteen beginnings")
        self.assert_ends(self.tool("why", f"{shared}/1"), FAILED, err="more than one session")

    def sessions(self):
        return [session["session"] for session in self.json("status")["sessions"]]


class WhyWithoutNodes(ClusterCase):
    nodes = 0

    def test_without_a_program(self):
        self.assert_ends(self.tool("why", "anything"), FAILED, err="no driver is connected")

    def test_a_task_that_waits_for_a_node(self):
        self.cluster.make_key("node", "node0")
        self.cluster.coordinator.signal(signal.SIGHUP)
        job = self.start_job(2)
        tasks = self.json("why", "wait_for_go")["tasks"]
        self.assertEqual([task["node"] for task in tasks], ["", ""])
        for task in tasks:
            self.assertIn(task["state"], ("waits", "queued"))
            self.assertRegex(task["reason"], "node")
        self.cluster.start_node(0)
        until(lambda: self.json("why", "wait_for_go")["tasks"][0]["node"] == "node0", "it is placed")
        self.assertEqual(self.end_job(job), 0)


if __name__ == "__main__":
    main()
