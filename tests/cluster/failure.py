# SPDX-License-Identifier: MIT
"""Things that happen in the middle of a map: every task resolves once, with the right result, and no at-most-once task
runs twice."""
import os
import signal
import subprocess
import time

from scenario import Job, check, check_contains, run, until
from stage import Stage


def is_alive(process):
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def a_node_is_killed_and_started_again(setting):
    with Stage(setting) as stage:
        stage.middle()
        stage.cluster.nodes[0].kill()
        stage.cluster.start_node(0)
        stage.finish()


def a_node_is_stopped_for_five_seconds(setting):
    """It is declared lost after 3 s, and comes back with another life."""
    with Stage(setting) as stage:
        stage.middle()
        stage.cluster.nodes[0].pause()
        until(lambda: "node-lost node=node0" in stage.cluster.coordinator.log(), "the node is declared lost")
        for job in stage.jobs:
            job.expect("done")
        time.sleep(2)  # what is tested is its sleep, not ours
        stage.cluster.nodes[0].resume()
        for job in stage.jobs:
            job.go_on()
        for job in stage.jobs:
            job.finish()


def the_coordinator_is_killed_and_started_again(setting):
    with Stage(setting) as stage:
        stage.middle()
        stage.cluster.coordinator.kill()
        stage.cluster.start_coordinator()
        stage.finish()


def the_coordinator_is_killed_twice(setting):
    with Stage(setting) as stage:
        stage.middle()
        for times in (1, 2):
            stage.cluster.coordinator.kill()
            stage.cluster.start_coordinator()
            until(lambda: stage.cluster.coordinator.log().count("role=node") >= 3 + 3 * times, "the nodes are back")
        stage.finish()


def a_program_says_that_it_waits_for_its_coordinator(setting):
    """Once, when it has been away for 5 s; and that it is back."""
    with setting.cluster(nodes=1) as cluster:
        with Job(cluster, [setting.job("cluster.away")], stderr=subprocess.PIPE) as job, job.process.stderr as said:
            job.expect("open")
            cluster.coordinator.kill()
            job.go_on()
            line = said.readline()
            check_contains(line, f"taskpool: {cluster.endpoint}: nobody listens there")
            check_contains(line, "(1 task waits for it)")
            cluster.start_coordinator()
            check_contains(said.readline(), f"taskpool: {cluster.endpoint}: the coordinator is back after ")
            job.finish()
            check(said.read() == "", "nothing else is said")


def coordinator_and_node_are_killed_together(setting):
    with Stage(setting) as stage:
        stage.middle()
        stage.cluster.coordinator.kill()
        stage.cluster.nodes[1].kill()
        stage.cluster.start_coordinator()
        stage.cluster.start_node(1)
        stage.finish()


def all_nodes_are_killed_and_started_again(setting):
    with Stage(setting, all_lost=True) as stage:
        stage.middle()
        for i in range(3):
            stage.cluster.nodes[i].kill()
        for i in range(3):
            stage.cluster.start_node(i, wait=False)
        for i in range(3):
            stage.cluster.nodes[i].wait_ready()
        stage.finish()


def a_worker_process_is_killed(setting):
    with Stage(setting) as stage:
        stage.middle()
        for job in stage.jobs:
            os.kill(stage.processes(job)[0], signal.SIGKILL)
        stage.finish()


def a_driver_is_killed(setting):
    """Its worker processes end, its tasks are cancelled; the other driver notices nothing."""
    with Stage(setting, coordinator_options=["--lease=3s"]) as stage:
        stage.middle()
        killed = stage.jobs.pop(0)
        killed.process.kill()
        processes = stage.processes(killed)
        check(len(processes) == 3, f"three worker processes: {processes}")
        until(lambda: not any(is_alive(process) for process in processes), "the processes of the dead driver end")
        check_contains(stage.cluster.coordinator.log(), "session-ended", "log of the coordinator")
        stage.finish()


def a_connection_is_cut_in_mid_stream(setting):
    """Nobody dies; what was under way is lost, and found out to be."""
    with Stage(setting, through_proxies=True) as stage:
        stage.middle()
        for proxy in stage.proxies[:2] + [stage.driver_proxy]:
            proxy.cut_in_mid_stream(setting.scale(20000, 2000))
        stage.finish()
        cuts = [proxy.cuts for proxy in stage.proxies[:2] + [stage.driver_proxy]]
        check(all(cut > 0 for cut in cuts), f"each was cut: {cuts}")


def connections_are_cut_again_and_again(setting):
    with Stage(setting, through_proxies=True) as stage:
        stage.middle()
        for i in range(6):
            proxy = (stage.proxies + [stage.driver_proxy])[i % 4]
            before = proxy.forwarded_bytes
            proxy.cut()
            until(lambda: proxy.forwarded_bytes > before + 500, "it connects again")
        stage.finish()


def a_node_is_cut_off_for_four_seconds(setting):
    """A partition: it is declared lost while it works on, and comes back."""
    with Stage(setting, through_proxies=True) as stage:
        stage.middle()
        stage.proxies[0].hold()
        until(lambda: "node-lost node=node0" in stage.cluster.coordinator.log(), "the node is declared lost")
        stage.proxies[0].release()
        stage.finish()


def the_drivers_are_cut_off_for_four_seconds(setting):
    with Stage(setting, through_proxies=True) as stage:
        stage.middle()
        stage.driver_proxy.hold()
        time.sleep(4)  # the length of the partition
        stage.driver_proxy.release()
        stage.finish()


def a_slow_network_changes_nothing(setting):
    with Stage(setting, through_proxies=True) as stage:
        for proxy in stage.proxies:
            proxy.delay_seconds = 0.005
        stage.middle()
        stage.finish()


def a_node_is_stopped_for_less_than_a_second(setting):
    with Stage(setting) as stage:
        stage.middle()
        stage.cluster.nodes[2].pause()
        time.sleep(0.7)  # the length of its sleep
        stage.cluster.nodes[2].resume()
        stage.finish()
        check("node-lost" not in stage.cluster.coordinator.log(), "it is not declared lost")


if __name__ == "__main__":
    run([
        a_node_is_killed_and_started_again,
        a_node_is_stopped_for_five_seconds,
        a_node_is_stopped_for_less_than_a_second,
        the_coordinator_is_killed_and_started_again,
        the_coordinator_is_killed_twice,
        a_program_says_that_it_waits_for_its_coordinator,
        coordinator_and_node_are_killed_together,
        all_nodes_are_killed_and_started_again,
        a_worker_process_is_killed,
        a_driver_is_killed,
        a_connection_is_cut_in_mid_stream,
        connections_are_cut_again_and_again,
        a_node_is_cut_off_for_four_seconds,
        the_drivers_are_cut_off_for_four_seconds,
        a_slow_network_changes_nothing,
    ])
