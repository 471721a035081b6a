# SPDX-License-Identifier: MIT
"""The pipeline while whole nodes die: every process of a node is killed at once, and the node does not come back. The
stages that ran there are started elsewhere, and every request comes out once and in order."""
import json
import os
import re
import signal
import subprocess

from cluster import until
from scenario import check, run

PAGES = "120"


def descendants(process):
    """The process and all below it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                parents[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass  # it has ended
    found = [process]
    for parent in found:
        found += [child for child in parents if parents[child] == parent]
    return found


def kill_node(node):
    """All of it, the agent first: nobody is left to say what happened."""
    processes = descendants(node.process.pid)
    check(len(processes) > 1, f"no process of a program on {node.name}")
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it saw the agent end
    node.process.wait()


def stages_on(cluster):
    """How many stages each node that is alive has."""
    return {node["name"]: node["running"] for node in json.loads(cluster.tool("status", "--json"))["nodes"]
            if cluster.nodes[int(node["name"].removeprefix("node"))].is_running()}


def lose_nodes(setting, deaths):
    """Kills that many nodes. What the driver writes is read here: as long as nobody reads, it cannot go on, so a node
    dies in the middle however fast the machine is."""
    pipeline = setting.job("pipeline")
    with setting.cluster(nodes=3) as cluster:
        table = cluster.path("serial.csv")
        cluster.run([pipeline, "--serial", "--pages", PAGES, "-o", table], check=True, stdout=subprocess.DEVNULL)
        with open(table, "rb") as rows:
            wanted = rows.read()
        lost, said_path = {}, cluster.path("said")
        with open(said_path, "wb") as said:
            driver = cluster.start([pipeline, "--pages", PAGES, "-o", "/dev/stdout"], stdout=subprocess.PIPE,
                                   stderr=said)
        try:
            got = b""
            for death in range(deaths):
                got += driver.stdout.read(len(wanted) // (deaths + 1))
                until(lambda: any(stages_on(cluster).values()), "a node says that it runs stages")
                stages = stages_on(cluster)
                name = max(stages, key=stages.get)
                check(stages[name] > 0, f"no stage on any node: {stages}")
                lost[name] = stages[name]
                kill_node(cluster.nodes[int(name.removeprefix("node"))])
            got += driver.stdout.read()
            status = driver.wait()
        finally:
            driver.kill()
            driver.wait()
            driver.stdout.close()
        with open(said_path) as lines:
            said = lines.read()
        check(status == 0, f"the driver ended with {status}:\n{said}")
        check(got[:len(wanted)] == wanted, f"{len(got)} bytes are not what one process makes; the driver said:\n{said}")
        for name, stages in lost.items():
            told = len(re.findall(rf"was lost on {name} \(TP_E_NODE_LOST: ", said))
            check(told >= stages, f"{stages} stages were on {name}, {told} are said to be lost there:\n{said}")


def a_node_dies_for_good(setting):
    lose_nodes(setting, 1)


def all_nodes_but_one_die(setting):
    lose_nodes(setting, 2)


run([a_node_dies_for_good, all_nodes_but_one_die])
