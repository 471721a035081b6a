# SPDX-License-Identifier: MIT
"""Round-robin with credits: who gets which tasks."""
from scenario import Job, check, run


def counts_of(job):
    return [int(number) for number in job.expect("counts").split()]


def start_nodes(cluster, workers):
    for i, count in enumerate(workers):
        cluster.start_node(i, options=[f"--workers={count}"])


def nodes_get_tasks_in_proportion_to_their_workers(setting):
    workers = [1, 2, 3]
    with setting.cluster(nodes=0, spares=3) as cluster:
        start_nodes(cluster, workers)
        with Job(cluster, [setting.job("cluster.placement"), "proportion"]) as job:
            counts = counts_of(job)
            job.finish()
    for count, share in zip(counts, workers):
        check(share * 60 <= count <= share * 140, f"a node of {share} of 6 workers got {count} of 600")


def a_slow_node_does_not_hold_up_the_others(setting):
    with setting.cluster() as cluster, Job(cluster, [setting.job("cluster.placement"), "slow"]) as job:
        counts = counts_of(job)
        job.finish()
    check(counts[0] <= 40, f"the slow one of three got {counts[0]} of 400")
    check(counts[1] >= 100 and counts[2] >= 100, f"the others: {counts}")


def a_node_that_joins_gets_work(setting):
    with setting.cluster(nodes=2, spares=1) as cluster, Job(cluster, [setting.job("cluster.placement"), "join"]) as job:
        job.expect("middle")
        cluster.start_node(2)
        job.go_on()
        counts = counts_of(job)
        job.finish()
    check(counts[2] >= 50, f"the one that joined got {counts[2]} of 1,500")


def unstarted_tasks_are_recalled_when_another_node_idles(setting):
    with setting.cluster() as cluster, Job(cluster, [setting.job("cluster.placement"), "recall"]) as job:
        counts = counts_of(job)
        job.finish()
    check(counts[0] == 2, f"node 0 kept those that it had started: {counts}")


def two_drivers_share_fairly(setting):
    """A job of 300 tasks ends long before one of 3,000 that was there first."""
    with setting.cluster() as cluster, Job(cluster, [setting.job("cluster.placement"), "long_job"]) as first:
        first.expect("under-way")
        with Job(cluster, [setting.job("cluster.placement"), "short_job"]) as second:
            counts_of(second)
            second.finish()
        first.go_on()
        left = int(first.expect("left"))
        first.finish()
    check(left >= 1500, f"{left} of 3,000 were left when the short job had ended")


def the_size_is_live(setting):
    with setting.cluster(nodes=2, spares=1) as cluster, Job(cluster, [setting.job("cluster.placement"), "size"]) as job:
        def expect_size(size):
            job.process.stdin.write(f"{size}\n")
            job.process.stdin.flush()
            check(int(job.expect("size")) == size, f"the size becomes {size}")
        expect_size(4)
        cluster.start_node(2)
        expect_size(6)
        cluster.nodes[0].stop()
        expect_size(4)
        cluster.nodes[1].kill()
        expect_size(2)
        cluster.start_node(0)
        expect_size(4)
        job.process.stdin.write("0\n")
        job.process.stdin.flush()
        job.finish()


if __name__ == "__main__":
    run([
        nodes_get_tasks_in_proportion_to_their_workers,
        a_slow_node_does_not_hold_up_the_others,
        a_node_that_joins_gets_work,
        unstarted_tasks_are_recalled_when_another_node_idles,
        two_drivers_share_fairly,
        the_size_is_live,
    ])
