# SPDX-License-Identifier: MIT
"""A worker process reaches neither keys nor the agent nor another session's processes. Needs root: each is another user."""
import os
import sys

from scenario import Job, check, run


def a_task_reaches_nothing_of_others(setting):
    """It looks at everything: keys, caches, its agent, the coordinator, and the processes of another driver's session."""
    with setting.cluster() as cluster:
        os.chmod(cluster.folder, 0o755)
        victim = Job(cluster, [setting.job("cluster.survive"), "map", "1000", "3"])
        with victim:
            victim.expect("middle")
            processes = [line.split()[1] for line in victim.lines if line.startswith("process ")]
            check(len(processes) == 3, f"processes of the victim: {processes}")
            daemons = [str(daemon.process.pid) for daemon in [cluster.coordinator, *cluster.nodes.values()]]
            done = cluster.run([setting.job("security.intruder"), cluster.folder, *processes, *daemons],
                               capture_output=True, text=True)
            check(done.returncode == 0, f"it could:\n{done.stderr}")
            victim.go_on()
            victim.expect("done")
            victim.go_on()
            victim.finish()


def a_node_that_cannot_change_user_does_not_start(setting):
    """Unless it is told that tasks may do what it can."""
    with setting.cluster(nodes=1, spares=1) as cluster:
        for name in ("authorized_keys", "node1.key"):
            os.chown(cluster.path(name), 65534, 65534)
        os.chmod(cluster.folder, 0o777)
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        try:
            cluster.start_node(1, prefix=drop)
            check(False, "it does not start")
        except RuntimeError as problem:
            check("--same-user" in str(problem), f"the reason: {problem}")
        os.chown(cluster.authorized_keys, 0, 0)
        os.chmod(cluster.authorized_keys, 0o644)
        cluster.start_node(1, prefix=drop, options=["--same-user"])
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0 and "size 4" in done.stdout, done.stdout + done.stderr)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(77)
    run([a_task_reaches_nothing_of_others, a_node_that_cannot_change_user_does_not_start])
