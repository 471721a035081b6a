# SPDX-License-Identifier: MIT
"""A cluster whose coordinator, nodes and drivers are hosts of a network: links that go down and come back in the middle of a
map, an address that somebody else gets, and hosts that see nothing but the coordinator."""
import time
from contextlib import contextmanager

from network import Network, leave_the_machines_network
from scenario import Job, check, run, until
from stage import Stage

NODES = [f"node{i}" for i in range(3)]
HOSTS = ["coordinator", "driver", *NODES]


def until_logged(stage, text, what, times=1):
    until(lambda: stage.cluster.coordinator.log().count(text) >= times, what)


@contextmanager
def outage(stage, host, seconds):
    """The link of a host is down for that long, and until what is done in it is done."""
    end = time.monotonic() + seconds
    stage.cluster.network.unplug(host)
    yield
    time.sleep(max(0, end - time.monotonic()))  # what is tested is its length
    stage.cluster.network.plug(host)


def a_nodes_link_is_down_for_five_seconds(setting):
    """It is declared lost, and comes back with a new life."""
    with Network(HOSTS) as network, Stage(setting, network=network) as stage:
        stage.middle()
        with outage(stage, "node0", 5):
            until_logged(stage, "node-lost node=node0", "the node is declared lost")
        until_logged(stage, "node node0 was declared lost; it must begin a new life", "its old life is over")
        until_logged(stage, "welcome node=node0", "it is back", times=2)
        stage.finish()


def the_coordinators_link_is_down_for_two_seconds(setting):
    """TCP repeats itself only a second after that, as it waits twice as long each time: nodes may be declared lost."""
    with Network(HOSTS) as network, Stage(setting, network=network, all_lost=True) as stage:
        stage.middle()
        with outage(stage, "coordinator", 2):
            until_logged(stage, "node-silent", "no node is heard", times=len(NODES))
        stage.finish()


def the_drivers_link_is_down_for_four_seconds(setting):
    """Less than their lease: their sessions go on, and no task is lost."""
    with Network(HOSTS) as network, Stage(setting, network=network) as stage:
        stage.middle()
        with outage(stage, "driver", 4):
            until_logged(stage, "session-silent", "no driver is heard", times=len(stage.jobs))
        stage.finish()
        for job in stage.jobs:
            check("lost 0" in job.lines, f"no task is lost: {job.lines}")


def a_nodes_address_is_given_to_a_stranger(setting):
    """The node is alive, and cut off for good: the job ends on the others, and the node when it is told to."""
    with Network(HOSTS) as network, Stage(setting, network=network, nodes_after=len(NODES) - 1,
                                          node_options=["--drain-timeout=1s"]) as stage:
        stage.middle()
        network.give_away("node0", "stranger")
        stage.finish()
        until_logged(stage, "node-lost node=node0", "the node is declared lost")
        check(stage.cluster.nodes[0].is_running(), "it runs on")


def only_the_coordinator_can_be_reached(setting):
    """Channels and tasks of tasks between nodes that do not see each other, nor the driver."""
    with Network(HOSTS) as network:
        for host in HOSTS[1:]:
            seen = [other for other in HOSTS if other != host and network.has_route(host, other)]
            check(seen == ["coordinator"], f"{host} sees the coordinator and nobody else: {seen}")
        with setting.cluster(network=network) as cluster:
            for job in ("exchange", "trees"):
                with Job(cluster, [setting.job(f"cluster.{job}")]) as running:
                    running.finish()


if __name__ == "__main__":
    leave_the_machines_network()
    run([
        a_nodes_link_is_down_for_five_seconds,
        the_coordinators_link_is_down_for_two_seconds,
        the_drivers_link_is_down_for_four_seconds,
        a_nodes_address_is_given_to_a_stranger,
        only_the_coordinator_can_be_reached,
    ])
