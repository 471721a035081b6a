# SPDX-License-Identifier: MIT
"""Two drivers that are in the middle of a map at the same time: one of ordinary tasks, one of at-most-once tasks. They
check that every task resolves once, with the right result, and that no at-most-once task runs twice."""
from contextlib import ExitStack

from proxy import Proxy
from scenario import Job


class Stage:
    """A cluster and the two jobs. `through_proxies`: its peers speak to the coordinator through one each. `nodes_after`: how
    many nodes the jobs find at their end, if not all. `all_lost`: all nodes may be declared lost, and with them every
    at-most-once task that is unresolved in the middle. `options` are the cluster's."""

    def __init__(self, setting, through_proxies=False, nodes=3, nodes_after=None, all_lost=False, **options):
        self.setting, self.exits = setting, ExitStack()
        self.node_count, self.nodes_after = nodes, nodes if nodes_after is None else nodes_after
        self.through_proxies = through_proxies
        self.all_lost = all_lost
        self.options = options

    def __enter__(self):
        nodes, setting = self.node_count, self.setting
        self.cluster = self.exits.enter_context(
            setting.cluster(nodes=0 if self.through_proxies else nodes, spares=nodes if self.through_proxies else 0,
                            **self.options))
        self.proxies = []
        self.driver_proxy = None
        if self.through_proxies:
            self.driver_proxy = self.exits.enter_context(Proxy(self.cluster.endpoint))
            for i in range(nodes):
                self.proxies.append(self.exits.enter_context(Proxy(self.cluster.endpoint)))
                self.cluster.start_node(i, endpoint=self.proxies[i].endpoint)
        self.jobs = []
        for kind, count in [("map", setting.scale(100000, 5000)), ("once", setting.scale(10000, 1000))]:
            command = [setting.job("cluster.survive"), kind, str(count), str(self.nodes_after)]
            if self.all_lost:
                command.append(str(count - count // 10))
            endpoint = self.driver_proxy.endpoint if self.driver_proxy else None
            self.jobs.append(self.exits.enter_context(Job(self.cluster, command, endpoint)))
        return self

    def __exit__(self, kind, error, trace):
        if error:
            self.cluster.show_logs()
        return self.exits.__exit__(kind, error, trace)

    def middle(self):
        """Both are in the middle; each goes on as soon as this returns."""
        for job in self.jobs:
            job.expect("middle")
        for job in self.jobs:
            job.go_on()

    def finish(self, after=lambda: None):
        """Both end well; `after` happens when they are done, before they look at the pool again."""
        for job in self.jobs:
            job.expect("done")
        after()
        for job in self.jobs:
            job.go_on()
        for job in self.jobs:
            job.finish()

    def processes(self, job):
        return [int(line.split()[1]) for line in job.lines if line.startswith("process ")]
