# SPDX-License-Identifier: MIT
"""authorized_keys is read again on SIGHUP: who is not in it any more goes, who is new is let in."""
import os
import signal
import subprocess

from scenario import Job, check, check_contains, run, until


def edit(cluster, change, daemons):
    """Replaces the list of lines by what `change` makes of it; the daemons read it again."""
    with open(cluster.authorized_keys) as file:
        lines = file.readlines()
    with open(cluster.authorized_keys, "w") as file:
        file.writelines(change(lines))
    for daemon in daemons:
        before = daemon.log().count("reloaded")
        daemon.signal(signal.SIGHUP)
        until(lambda: daemon.log().count("reloaded") > before, f"{daemon.name} reads the list again")
    return lines


def without(ending):
    return lambda lines: [line for line in lines if not line.rstrip("\n").endswith(" " + ending)]


class Parked:
    """A job whose tasks are parked on the cluster."""

    def __init__(self, setting, cluster, env=None, **more):
        self.job = Job(cluster, [setting.job("security.revoked")], env=env, **more)

    def __enter__(self):
        self.job.__enter__()
        self.job.expect("parked")
        return self

    def __exit__(self, *error):
        self.job.__exit__(*error)

    def tell(self, word):
        self.job.process.stdin.write(word + "\n")
        self.job.process.stdin.flush()

    def expect_size(self, size):
        self.tell(f"size {size}")
        check(int(self.job.expect("size")) == size, f"the size becomes {size}")

    def ends(self, word="end"):
        """How its tasks ended, and a new one."""
        self.tell(word)
        lines = self.job.finish()
        return [line[6:] for line in lines if line.startswith("ended ")], lines[-1]


def a_revoked_driver_loses_its_session(setting):
    with setting.cluster() as cluster, Parked(setting, cluster) as parked:
        edit(cluster, without("driver"), [cluster.coordinator, *cluster.nodes.values()])
        ended, then = parked.ends("wait")
        check(all(line.startswith(("TP_E_UNTRUSTED", "TP_E_SESSION_LOST")) for line in ended), f"{ended}")
        check_contains(ended[0], "authorized_keys", "the message")
        check("TP_OK" not in then, then)
        for node in cluster.nodes.values():
            until(lambda: "session-ended" in node.log() or "session-refused" in node.log(), "its sessions end")
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True, timeout=300)
        check(done.returncode == 3, f"nor is a new one opened: {done.stdout}")
        check_contains(done.stdout, "not-open", "the pool")


def a_node_that_trusts_a_driver_no_more_ends_its_session(setting):
    """The tasks that were there run elsewhere."""
    with setting.cluster() as cluster, Parked(setting, cluster) as parked:
        before = edit(cluster, without("driver"), [cluster.nodes[0]])
        parked.expect_size(4)
        edit(cluster, lambda lines: before, [])
        ended, then = parked.ends()
        check(all(line.startswith("TP_OK") for line in ended), f"{ended}")
        check_contains(then, "TP_OK", "a new task")
        check_contains(cluster.nodes[0].log(), "authorized", "log of the node")


def a_revoked_node_leaves_and_a_listed_one_comes(setting):
    with setting.cluster() as cluster, Parked(setting, cluster) as parked:
        before = edit(cluster, without("node2"), [cluster.coordinator])
        parked.expect_size(4)
        check_contains(cluster.coordinator.log(), "removed from authorized_keys", "log of the coordinator")
        edit(cluster, lambda lines: before, [cluster.coordinator])
        parked.expect_size(6)
        ended, _ = parked.ends()
        check(all(line.startswith("TP_OK") for line in ended), f"{ended}")


def a_key_is_replaced(setting):
    """Two lines with one name, then one: the old key ends, the new one works."""
    with setting.cluster() as cluster, Parked(setting, cluster) as parked:
        daemons = [cluster.coordinator, *cluster.nodes.values()]
        with open(cluster.authorized_keys) as file:
            old = [line for line in file if line.startswith("driver ")]
        os.rename(cluster.path("driver.key"), cluster.path("old.key"))
        cluster.make_key("driver", "driver")
        edit(cluster, lambda lines: lines, daemons)
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0, f"the new key works: {done.stdout}{done.stderr}")
        parked.expect_size(6)
        edit(cluster, lambda lines: [line for line in lines if line not in old], daemons)
        ended, _ = parked.ends("wait")
        check(not any(line.startswith("TP_OK") for line in ended), f"the old key's tasks fail: {ended}")
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0, f"the new key works: {done.stdout}{done.stderr}")


def a_list_that_cannot_be_read_changes_nothing(setting):
    with setting.cluster() as cluster, Parked(setting, cluster) as parked:
        with open(cluster.authorized_keys, "a") as file:
            file.write("driver this-is-no-key somebody\n")
        for daemon in [cluster.coordinator, *cluster.nodes.values()]:
            daemon.signal(signal.SIGHUP)
            until(lambda: "this-is-no-key" in daemon.log() or "not-reloaded" in daemon.log(), f"{daemon.name} says so")
        parked.expect_size(6)
        ended, _ = parked.ends()
        check(all(line.startswith("TP_OK") for line in ended), f"{ended}")


def a_driver_believes_only_the_nodes_that_it_lists(setting):
    with setting.cluster() as cluster:
        own = cluster.path("own_keys")
        with open(cluster.authorized_keys) as lines, open(own, "w") as file:
            file.writelines(without("node1")(lines.readlines()))
        os.chmod(own, 0o644)
        env = dict(cluster.driver_env(), TASKPOOL_AUTHORIZED_KEYS=own)
        done = subprocess.run([setting.job("cluster.program")], env=env, capture_output=True, text=True)
        check(done.returncode == 0, done.stdout + done.stderr)
        check("size 4" in done.stdout, f"two of three: {done.stdout}")


def another_list(cluster, change):
    """A driver's own list: what `change` makes of the cluster's."""
    own = cluster.path("own_keys")
    with open(cluster.authorized_keys) as file:
        lines = change(file.readlines())
    with open(own + ".new", "w") as file:
        file.writelines(lines)
    os.chmod(own + ".new", 0o644)
    os.rename(own + ".new", own)
    return own


def a_driver_reads_its_list_again_when_it_changes(setting):
    """Nodes that are removed go, also in the middle of a task; nodes that are listed come."""
    with setting.cluster() as cluster:
        own = another_list(cluster, without("node1"))
        with Parked(setting, cluster, {"TASKPOOL_AUTHORIZED_KEYS": own}) as parked:
            parked.expect_size(4)
            another_list(cluster, without("node2"))
            until(lambda: "session-forgotten" in cluster.nodes[2].log(), "node2 is given up")
            until(lambda: "session-forgotten" in cluster.nodes[1].log(), "node1 is asked anew")
            parked.expect_size(4)
            another_list(cluster, without("nobody"))
            parked.expect_size(6)
            ended, _ = parked.ends()
            check(all(line.startswith("TP_OK") for line in ended), f"{ended}")


def a_driver_whose_coordinator_is_listed_no_more_ends_its_session(setting):
    with setting.cluster(nodes=1) as cluster:
        own = another_list(cluster, without("nobody"))
        with Parked(setting, cluster, {"TASKPOOL_AUTHORIZED_KEYS": own}) as parked:
            another_list(cluster, without("coordinator"))
            ended, then = parked.ends("wait")
            check(all(line.startswith("TP_E_UNTRUSTED") and "lists no coordinator" in line for line in ended), f"{ended}")
            check_contains(then, "TP_E_SESSION_LOST", "a new task")


def a_list_of_a_driver_that_cannot_be_read_changes_nothing(setting):
    with setting.cluster(nodes=1, spares=1) as cluster:
        own = another_list(cluster, without("nobody"))
        with Parked(setting, cluster, {"TASKPOOL_AUTHORIZED_KEYS": own}, stderr=subprocess.PIPE) as parked:
            another_list(cluster, lambda lines: lines + ["driver this-is-no-key somebody\n"])
            said = parked.job.process.stderr.readline()
            check_contains(said, "those who were listed before are believed on", "standard error")
            parked.expect_size(2)
            ended, _ = parked.ends()
            check(all(line.startswith("TP_OK") for line in ended), f"{ended}")


def a_coordinator_with_another_key_is_not_believed(setting):
    with setting.cluster(nodes=1) as cluster:
        other = subprocess.run([cluster.program("taskpool"), "keygen", "--name", "liar", cluster.path("liar.key")],
                               capture_output=True, text=True, check=True).stdout.strip()
        own = cluster.path("own_keys")
        with open(cluster.authorized_keys) as lines, open(own, "w") as file:
            file.writelines(without("coordinator")(lines.readlines()))
            file.write(f"coordinator {other}\n")
        os.chmod(own, 0o644)
        env = dict(cluster.driver_env(), TASKPOOL_AUTHORIZED_KEYS=own)
        done = subprocess.run([setting.job("cluster.program")], env=env, capture_output=True, text=True)
        check(done.returncode == 3, f"the pool is not opened: {done.stdout}{done.stderr}")
        check_contains(done.stdout, cluster.endpoint.removeprefix("tcp://"), "the reason")


if __name__ == "__main__":
    run([
        a_revoked_driver_loses_its_session,
        a_node_that_trusts_a_driver_no_more_ends_its_session,
        a_revoked_node_leaves_and_a_listed_one_comes,
        a_key_is_replaced,
        a_list_that_cannot_be_read_changes_nothing,
        a_driver_believes_only_the_nodes_that_it_lists,
        a_driver_reads_its_list_again_when_it_changes,
        a_driver_whose_coordinator_is_listed_no_more_ends_its_session,
        a_list_of_a_driver_that_cannot_be_read_changes_nothing,
        a_coordinator_with_another_key_is_not_believed,
    ])
