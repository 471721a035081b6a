# SPDX-License-Identifier: MIT
"""Named channels between tasks on all nodes, bounded: no message is lost, doubled or out of order when something happens in
the middle and nobody dies."""
from proxy import Proxy
from scenario import Job, check, run, until


def job_of(setting, cluster, endpoint=None):
    return Job(cluster, [setting.job("cluster.exchange"), "through_a_break"], endpoint)


def through_a_coordinator_restart(setting):
    with setting.cluster() as cluster, job_of(setting, cluster) as job:
        job.expect("middle")
        cluster.coordinator.kill()
        cluster.start_coordinator()
        job.go_on()
        job.finish()


def through_cut_connections(setting):
    with setting.cluster(nodes=0, spares=3) as cluster, Proxy(cluster.endpoint) as nodes, \
            Proxy(cluster.endpoint) as driver:
        for i in range(3):
            cluster.start_node(i, endpoint=nodes.endpoint)
        with job_of(setting, cluster, driver.endpoint) as job:
            job.expect("middle")
            nodes.cut_in_mid_stream(5000)
            driver.cut_in_mid_stream(9000)
            job.go_on()
            until(lambda: nodes.cuts and driver.cuts, "both are cut")
            nodes.cut()
            job.finish()


def through_a_partition(setting):
    """Of two seconds: nobody is declared lost."""
    with setting.cluster(nodes=0, spares=3) as cluster, Proxy(cluster.endpoint) as nodes:
        for i in range(3):
            cluster.start_node(i, endpoint=nodes.endpoint)
        with job_of(setting, cluster) as job:
            job.expect("middle")
            nodes.hold()
            job.go_on()
            until(lambda: cluster.coordinator.log().count("node-silent") == 3, "the nodes are silent")
            nodes.release()
            job.finish()
        check("node-lost" not in cluster.coordinator.log(), "nobody is declared lost")


if __name__ == "__main__":
    run([through_a_coordinator_restart, through_cut_connections, through_a_partition])
