# SPDX-License-Identifier: MIT
"""Two coordinators with one key at once: peers are led from one to the other, in the middle of a map."""
from contextlib import ExitStack

from cluster import Daemon
from proxy import Proxy
from scenario import Job, check, run, until


# Before their links are cut: nodes keep what was not acknowledged.
HEARD = "the nodes hear of the end"


def peers_move_from_one_to_the_other(setting):
    """One by one, the driver between the nodes; in between some are here and some are there."""
    with ExitStack() as exits:
        cluster = exits.enter_context(setting.cluster(nodes=0, spares=3))
        second = Daemon(cluster, "second", [cluster.program("taskpool-coordinator"), "--listen=tcp://127.0.0.1:*",
                                            "--name=second", f"--key={cluster.path('coordinator.key')}",
                                            f"--authorized-keys={cluster.authorized_keys}"]).start()
        exits.callback(second.stop)
        there = second.ready_line.split()[1]
        proxies = [exits.enter_context(Proxy(cluster.endpoint)) for _ in range(4)]
        nodes, driver = proxies[:3], proxies[3]
        for i in range(3):
            cluster.start_node(i, endpoint=nodes[i].endpoint)
        jobs = []
        for kind, count in [("map", setting.scale(50000, 3000)), ("once", setting.scale(5000, 500))]:
            command = [setting.job("cluster.survive"), kind, str(count), "3"]
            jobs.append(exits.enter_context(Job(cluster, command, driver.endpoint)))
        for job in jobs:
            job.expect("middle")
        for job in jobs:
            job.go_on()
        for proxy, name in [(nodes[0], "node=node0"), (driver, "driver=driver"), (nodes[1], "node=node1"),
                            (nodes[2], "node=node2")]:
            proxy.retarget(there)
            proxy.cut()
            until(lambda: f"welcome {name}" in second.log(), f"{name} comes to the second")
        for job in jobs:
            job.expect("done")
        for job in jobs:
            job.go_on()
            job.finish()
        until(lambda: all(node.log().count("session-ended") == 2 for node in cluster.nodes.values()), HEARD)
        check(second.log().count("role=node") == 3, "all nodes are there")


def nodes_are_split_between_two(setting):
    """A node that goes away to the other and comes back is the same node: nothing is lost or doubled."""
    with ExitStack() as exits:
        cluster = exits.enter_context(setting.cluster(nodes=2, spares=1))
        second = Daemon(cluster, "second", [cluster.program("taskpool-coordinator"), "--listen=tcp://127.0.0.1:*",
                                            "--name=second", f"--key={cluster.path('coordinator.key')}",
                                            f"--authorized-keys={cluster.authorized_keys}"]).start()
        exits.callback(second.stop)
        there = second.ready_line.split()[1]
        proxy = exits.enter_context(Proxy(cluster.endpoint))
        cluster.start_node(2, endpoint=proxy.endpoint)
        job = exits.enter_context(Job(cluster, [setting.job("cluster.survive"), "once",
                                                str(setting.scale(5000, 500)), "3"]))
        job.expect("middle")
        job.go_on()
        proxy.retarget(there)
        proxy.cut()
        until(lambda: "welcome node=node2" in second.log(), "the node comes to the second")
        proxy.retarget(cluster.endpoint)
        proxy.cut()
        until(lambda: cluster.coordinator.log().count("welcome node=node2") == 2, "it comes back")
        job.expect("done")
        job.go_on()
        job.finish()
        until(lambda: all("session-ended" in node.log() for node in cluster.nodes.values()), HEARD)


if __name__ == "__main__":
    run([peers_move_from_one_to_the_other, nodes_are_split_between_two])
