# SPDX-License-Identifier: MIT
"""Peers without a key, with one that is not listed, in a role that is not theirs, and listed ones that do not keep to the
protocol. Beside each an honest job runs, and ends well."""
import os
import re
import subprocess

from scenario import Job, check, check_contains, run, until


class Stage:
    """A cluster with an honest job that is in the middle of its work."""

    def __init__(self, setting):
        self.setting = setting

    def __enter__(self):
        self.cluster = self.setting.cluster().__enter__()
        try:
            self.job = Job(self.cluster, [self.setting.job("cluster.survive"), "map",
                                          str(self.setting.scale(20000, 2000)), "3"]).__enter__()
            self.job.expect("middle")
        except BaseException:
            self.cluster.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            if not error:
                self.job.go_on()
                self.job.expect("done")
                self.job.go_on()
                self.job.finish()
        except Exception:
            self.cluster.show_logs()
            raise
        finally:
            self.job.__exit__(kind, error, trace)
            self.cluster.__exit__(kind, error, trace)

    def memory(self):
        with open(f"/proc/{self.cluster.coordinator.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def coordinator_key(self):
        with open(self.cluster.authorized_keys) as lines:
            return next(line.split()[1] for line in lines if line.startswith("coordinator "))

    def peer(self, key, role, action):
        """Returns what the peer says that it was answered."""
        done = subprocess.run([self.setting.job("security.peer"), self.cluster.endpoint,
                               self.cluster.path(key + ".key"), self.coordinator_key(), role, action],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"the peer ended with {done.returncode}: {done.stderr}")
        return re.findall(r"^answer (.*)$", done.stdout, re.M)

    def log(self):
        return self.cluster.coordinator.log()


def a_key_that_is_not_listed_gets_no_answer(setting):
    with Stage(setting) as stage:
        stage.cluster.make_key("driver", "stranger", authorize=False)
        check(stage.peer("stranger", "driver", "hello") == ["nothing"], "no answer")
        check(stage.peer("stranger", "driver", "many") == ["nothing"], "no answer to many")
        until(lambda: "turned-away" in stage.log(), "it is named in the log")


def a_role_that_is_not_theirs_is_refused(setting):
    with Stage(setting) as stage:
        for key, roles in [("driver", ["node", "admin", "coordinator"]), ("node0", ["driver", "admin"]),
                           ("admin", ["driver", "node"])]:
            for role in roles:
                answers = stage.peer(key, role, "hello")
                check(answers[0].startswith("refusal"), f"{key} as {role}: {answers}")
        check(stage.log().count("link-refused") >= 7, "each is named in the log")
        check(stage.peer("admin", "admin", "hello") == ["welcome"], "in its own role it is welcome")


def listed_peers_that_break_rules_break_their_links(setting):
    with Stage(setting) as stage:
        for key, role in [("driver", "driver"), ("admin", "admin")]:
            check(stage.peer(key, role, "no-hello") == ["reset"], "a first frame that is no Hello is answered by a Reset")
            answers = stage.peer(key, role, "misnumbered")
            check(answers == ["reset"] * 4, f"what is misnumbered breaks the link: {answers}")
        check_contains(stage.log(), "link-ended", "log of the coordinator")


def listed_peers_that_send_anything_grow_nothing(setting):
    with Stage(setting) as stage:
        before = stage.memory()
        for action in ("random", "truncated", "oversized", "several-parts", "foreign", "many"):
            for key, role in [("driver", "driver"), ("admin", "admin")]:
                stage.peer(key, role, action)
                check(stage.cluster.coordinator.is_running(), f"the coordinator lives after {action}")
        stage.peer("node2", "node", "foreign")
        grown = stage.memory() - before
        check(setting.kind != "plain" or grown < 64 << 10, f"the coordinator has grown by {grown} KiB")
        check_contains(stage.log(), "malformed", "log of the coordinator")
        check_contains(stage.log(), " refused ", "log of the coordinator")


def a_key_file_that_others_can_read_is_refused_by_all(setting):
    with setting.cluster(nodes=1) as cluster:
        programs = {
            "taskpool-coordinator": ["--listen=tcp://127.0.0.1:*", f"--authorized-keys={cluster.authorized_keys}"],
            "taskpool-node": [f"--coordinator={cluster.endpoint}", f"--authorized-keys={cluster.authorized_keys}",
                              f"--cache={cluster.path('other-cache')}", "--same-user"],
        }
        loose = cluster.make_key("driver", "loose")
        os.chmod(loose, 0o644)
        for program, options in programs.items():
            done = subprocess.run([cluster.program(program), f"--key={loose}", *options], capture_output=True, text=True)
            check(done.returncode != 0, f"{program} refuses it")
            check_contains(done.stderr, loose, f"{program} says which")
        for command in ([cluster.program("taskpool"), "status"], [setting.job("cluster.program")]):
            done = subprocess.run(command, env=cluster.driver_env("loose"), capture_output=True, text=True)
            check(done.returncode != 0, f"{command[0]} refuses it")
            check_contains(done.stderr + done.stdout, loose, f"{command[0]} says which")
        os.chmod(cluster.authorized_keys, 0o666)
        for program, options in programs.items():
            done = subprocess.run([cluster.program(program), f"--key={cluster.path('node0.key')}", *options],
                                  capture_output=True, text=True)
            check(done.returncode != 0, f"{program} refuses a list that others can write")
            check_contains(done.stderr, "authorized_keys", f"{program} says which")
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode != 0, "so does a driver")
        os.chmod(cluster.authorized_keys, 0o644)


def a_driver_without_a_key_says_so(setting):
    with setting.cluster(nodes=1) as cluster:
        env = dict(cluster.driver_env(), TASKPOOL_KEY=cluster.path("nowhere.key"))
        done = subprocess.run([setting.job("cluster.program")], env=env, capture_output=True, text=True)
        check(done.returncode == 3, "the pool is not opened")
        check_contains(done.stdout, "nowhere.key", "the reason")


if __name__ == "__main__":
    run([
        a_key_that_is_not_listed_gets_no_answer,
        a_role_that_is_not_theirs_is_refused,
        listed_peers_that_break_rules_break_their_links,
        listed_peers_that_send_anything_grow_nothing,
        a_key_file_that_others_can_read_is_refused_by_all,
        a_driver_without_a_key_says_so,
    ])
