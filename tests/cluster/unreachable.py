# SPDX-License-Identifier: MIT
"""Why there is no coordinator: each reason has words of its own, for drivers, nodes and tools alike."""
import os
import signal
import socket
import subprocess

from scenario import Job, check, check_contains, run, until


def opens(setting, cluster, endpoint=None, env=None):
    """What a driver says whose pool does not open."""
    done = subprocess.run([setting.job("cluster.program")], env=env or cluster.driver_env(endpoint=endpoint),
                          capture_output=True, text=True)
    check(done.returncode == 3, f"the pool is not opened: {done.stdout}{done.stderr}")
    return done.stdout


def public_key(cluster, name):
    return subprocess.run([cluster.program("taskpool"), "keygen", "--show", cluster.path(name + ".key")],
                          capture_output=True, text=True, check=True).stdout.strip()


def another_list(cluster, change):
    """A list of keys of one's own."""
    path = cluster.path("own_keys")
    with open(cluster.authorized_keys) as lines, open(path, "w") as file:
        file.writelines(change(lines.readlines()))
    os.chmod(path, 0o644)
    return path


def another_coordinator(cluster):
    other = subprocess.run([cluster.program("taskpool"), "keygen", "--name", "other", cluster.path("other.key")],
                           capture_output=True, text=True, check=True).stdout.strip()
    return another_list(cluster, lambda lines: [line for line in lines if not line.startswith("coordinator ")]
                        + [f"coordinator {other}\n"])


def says(node, text):
    until(lambda: text in node.log(), f"the node says '{text}'")


def a_key_that_is_not_listed(setting):
    with setting.cluster(nodes=0, spares=1) as cluster:
        cluster.make_key("driver", "stranger", authorize=False)
        text = opens(setting, cluster, env=cluster.driver_env("stranger"))
        check_contains(text, "TP_E_UNTRUSTED")
        check_contains(text, f"does not know this key: list it there and have it reload: `taskpool authorize driver "
                             f"{public_key(cluster, 'stranger')}`")
        cluster.make_key("node", "node7", authorize=False)
        node = cluster.start_node(7, wait=False)
        says(node, "`taskpool authorize node ")


def a_key_that_is_listed_meanwhile_gets_in(setting):
    """The coordinator is reloaded a moment too late."""
    with setting.cluster(nodes=1) as cluster:
        cluster.make_key("driver", "late", authorize=False)
        with Job(cluster, [setting.job("cluster.program")], key="late") as job:
            until(lambda: "turned-away" in cluster.coordinator.log(), "it is turned away")
            with open(cluster.authorized_keys, "a") as lines:
                lines.write(f"driver {public_key(cluster, 'late')}\n")
            cluster.coordinator.signal(signal.SIGHUP)
            cluster.nodes[0].signal(signal.SIGHUP)
            job.finish()


def a_coordinator_with_another_key(setting):
    with setting.cluster(nodes=0, spares=1) as cluster:
        own = another_coordinator(cluster)
        text = opens(setting, cluster, env=dict(cluster.driver_env(), TASKPOOL_AUTHORIZED_KEYS=own))
        check_contains(text, "TP_E_UNTRUSTED")
        check_contains(text, "not the coordinator whose key is in authorized_keys")
        node = cluster.start_node(0, wait=False, options=[f"--authorized-keys={own}"])
        says(node, "not the coordinator whose key is in authorized_keys")


def nobody_listens(setting):
    with setting.cluster(nodes=0, spares=1) as cluster:
        text = opens(setting, cluster, "tcp://127.0.0.1:1")
        check_contains(text, "TP_E_SYSTEM: tcp://127.0.0.1:1: nobody listens there")
        says(cluster.start_node(0, wait=False, endpoint="tcp://127.0.0.1:1"), "tcp://127.0.0.1:1: nobody listens there")


def a_name_that_does_not_resolve(setting):
    with setting.cluster(nodes=0, spares=1) as cluster:
        where = "tcp://no-such-host.invalid:7077"
        text = opens(setting, cluster, where)
        check_contains(text, f"TP_E_ADDRESS: {where}: the host is not found")
        says(cluster.start_node(0, wait=False, endpoint=where), f"{where}: the host is not found")
        done = subprocess.run([cluster.program("taskpool"), "status", "--coordinator", where],
                              env=cluster.driver_env("admin"), capture_output=True, text=True)
        check(done.returncode == 69, f"{done.returncode}")
        check_contains(done.stderr, f"{where}: the host is not found")


def something_that_says_nothing(setting):
    with setting.cluster(nodes=0) as cluster, socket.create_server(("127.0.0.1", 0)) as listener:
        text = opens(setting, cluster, f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        check_contains(text, "no coordinator answers there")


if __name__ == "__main__":
    run([
        a_key_that_is_not_listed,
        a_key_that_is_listed_meanwhile_gets_in,
        a_coordinator_with_another_key,
        nobody_listens,
        a_name_that_does_not_resolve,
        something_that_says_nothing,
    ])
