# SPDX-License-Identifier: MIT
"""A coordinator that lies. Nothing of it is run, crashes anything or grows memory; each lie is named in a log."""

from scenario import check, check_contains, run


def memory_of(daemon):
    """Its resident memory in KiB."""
    with open(f"/proc/{daemon.process.pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def under(setting, lie, expectation, count, says="", says_on_driver=""):
    """A job on a cluster whose coordinator tells that lie; returns the logs of the nodes."""
    with setting.cluster(coordinator_program=setting.job("security.liar"), coordinator_env={"LIE": lie}) as cluster:
        command = [setting.job("security.lied_to"), expectation, str(setting.scale(count, count // 10))]
        warm = {i: memory_of(node) for i, node in cluster.nodes.items()}
        done = cluster.run(command, capture_output=True, text=True)
        logs = "".join(node.log() for node in cluster.nodes.values())
        if done.returncode:
            cluster.show_logs()
        check(done.returncode == 0, f"{lie}: the job ended with {done.returncode}: {done.stdout}{done.stderr[-3000:]}")
        check_contains(cluster.coordinator.log(), "lied 1", "it has lied")
        check_contains(logs, says, f"{lie}: logs of the nodes")
        check_contains(done.stderr, says_on_driver, f"{lie}: the driver's standard error")
        check("process-ended" not in logs, "no worker process crashed")
        for i, node in cluster.nodes.items():
            check(node.is_running(), f"node{i} lives")
            grown = memory_of(node) - warm[i]
            check(setting.kind != "plain" or grown < 40 << 10, f"{lie}: node{i} has grown by {grown} KiB")
        return done


def altered_tasks_do_not_run(setting):
    under(setting, "altered-captures", "untrusted", 300, "tasks-refused")


def a_few_altered_tasks_are_sent_again(setting):
    for lie in ("few-altered-captures", "altered-signature", "altered-batch-number"):
        under(setting, lie, "ordinary", 3000, "tasks-refused")


def altered_flags_do_not_run(setting):
    """Ordinary tasks cannot be made of those that run at most once."""
    under(setting, "altered-flags", "once", 2000, "tasks-refused")


def replayed_tasks_run_once(setting):
    for expectation in ("ordinary", "once"):
        under(setting, "replayed-tasks", expectation, 3000, "task-refused")


def the_same_tasks_on_two_nodes(setting):
    """An ordinary task may run once more; one that runs at most once does not, and results stay right."""
    for expectation in ("ordinary", "once"):
        under(setting, "tasks-on-two-nodes", expectation, 3000)


def forged_streams_have_no_effect(setting):
    under(setting, "forged-streams", "ordinary", 3000, "stream-refused")
    under(setting, "replayed-streams", "once", 3000)


def forged_accepts_and_offers_have_no_effect(setting):
    under(setting, "forged-offers", "ordinary", 1000, "offer-refused")
    under(setting, "forged-accepts", "ordinary", 1000)


def a_few_altered_chunks_are_sent_again(setting):
    under(setting, "few-altered-chunks", "ordinary", 1000, "program-refused")


def an_altered_program_does_not_run(setting):
    """No node accepts it; tasks fail when none has for 30 s."""
    under(setting, "altered-program", "refused", 300, "program-refused")


def nonsense_grows_nothing(setting):
    under(setting, "nonsense", "ordinary", 20000, "frame-ignored")
    under(setting, "nonsense-to-drivers", "ordinary", 20000)


if __name__ == "__main__":
    run([
        altered_tasks_do_not_run,
        a_few_altered_tasks_are_sent_again,
        altered_flags_do_not_run,
        replayed_tasks_run_once,
        the_same_tasks_on_two_nodes,
        forged_streams_have_no_effect,
        forged_accepts_and_offers_have_no_effect,
        a_few_altered_chunks_are_sent_again,
        an_altered_program_does_not_run,
        nonsense_grows_nothing,
    ])
