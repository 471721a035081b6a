# SPDX-License-Identifier: MIT
"""A program that ends without closing its pool says goodbye: nothing of it stays on the nodes until its lease ends."""
import signal

from scenario import Job, check, run, until


def is_over(cluster):
    return cluster.coordinator.log().count("session-ended")


def leaves(setting, how):
    with setting.cluster(nodes=1, coordinator_options=["--lease=10min"]) as cluster, \
            Job(cluster, [setting.job("cluster.leave"), how]) as job:
        job.finish()
        until(lambda: is_over(cluster), "the session ends at once")


def by_exit(setting):
    leaves(setting, "exit")


def by_return_from_main(setting):
    leaves(setting, "return")


def by_exit_in_a_handler_of_the_thread_that_serves(setting):
    """It will not go on with what it did for the session."""
    leaves(setting, "handler")


def a_thread_that_is_cancelled_leaves_the_pool_as_it_was(setting):
    leaves(setting, "cancelled")


def waits_in_write(process):
    with open(f"/proc/{process.pid}/wchan", encoding="ascii") as file:
        return "pipe_write" in file.read()


def a_program_whose_output_nobody_reads_ends_all_the_same(setting):
    """The thread that serves prints what tasks print, and gets the signals that the program is sent."""
    with setting.cluster(nodes=1, coordinator_options=["--lease=1s"]) as cluster, \
            Job(cluster, [setting.job("cluster.leave"), "flood"]) as job:
        until(lambda: waits_in_write(job.process), "the pipe is full")
        job.process.terminate()
        check(job.process.wait(20) == -signal.SIGTERM, "the signal ends it")
        until(lambda: is_over(cluster), "its lease ends the session")


def a_forked_child_ends_nothing(setting):
    with setting.cluster(nodes=1, coordinator_options=["--lease=10min"]) as cluster, \
            Job(cluster, [setting.job("cluster.leave"), "forked"]) as job:
        job.expect("forked")
        check("placed" in cluster.tool("why", "park"), "the parent's task is still there")
        job.go_on()
        job.finish()
        until(lambda: is_over(cluster), "the session ends with the parent")


if __name__ == "__main__":
    run([by_exit, by_return_from_main, by_exit_in_a_handler_of_the_thread_that_serves,
         a_thread_that_is_cancelled_leaves_the_pool_as_it_was, a_program_whose_output_nobody_reads_ends_all_the_same,
         a_forked_child_ends_nothing])
