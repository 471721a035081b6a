# SPDX-License-Identifier: MIT
"""Programs ship themselves: once, verified, cached; and those that cannot run on a node are refused with the reason."""
import os
import shutil
import stat
from contextlib import ExitStack

from proxy import Proxy
from scenario import Job, check, check_contains, run, until


def cached(cluster, node=0):
    """Names and identities of the files in a node's cache."""
    folder = cluster.path(f"node{node}-cache")
    return {entry.name: entry.inode() for entry in os.scandir(folder) if len(entry.name) == 64}


def shipping(setting, exits, **options):
    """A cluster of one node behind a proxy that counts what passes."""
    cluster = exits.enter_context(setting.cluster(nodes=0, spares=1, **options))
    proxy = exits.enter_context(Proxy(cluster.endpoint))
    cluster.start_node(0, endpoint=proxy.endpoint)
    return cluster, proxy


def run_program(setting, cluster, proxy, name):
    """Returns how many bytes passed between the node and the coordinator."""
    before = proxy.forwarded_bytes
    done = cluster.run([setting.job(name)], capture_output=True, text=True)
    check(done.returncode == 0, f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return proxy.forwarded_bytes - before


def a_program_is_shipped_once(setting):
    """Also when the node is restarted in between; a changed one is another program."""
    size = os.path.getsize(setting.job("cluster.program"))
    with ExitStack() as exits:
        cluster, proxy = shipping(setting, exits)
        first = run_program(setting, cluster, proxy, "cluster.program")
        check(first > size, f"it is shipped: {first} bytes passed")
        files = cached(cluster)
        check(len(files) == 1, f"one file is cached: {files}")
        second = run_program(setting, cluster, proxy, "cluster.program")
        check(second < 200000, f"it is not shipped again: {second} bytes passed")
        cluster.nodes[0].stop()
        cluster.start_node(0, endpoint=proxy.endpoint)
        third = run_program(setting, cluster, proxy, "cluster.program")
        check(third < 200000, f"nor after a restart: {third} bytes passed")
        check(cached(cluster) == files, "it is the same file")
        changed = run_program(setting, cluster, proxy, "cluster.program_changed")
        check(changed > size, f"a changed one is shipped: {changed} bytes passed")
        check(len(cached(cluster)) == 2, "both are cached")


def a_damaged_program_is_shipped_again(setting):
    size = os.path.getsize(setting.job("cluster.program"))
    with ExitStack() as exits:
        cluster, proxy = shipping(setting, exits)
        run_program(setting, cluster, proxy, "cluster.program")
        cluster.nodes[0].stop()
        path = cluster.path("node0-cache", *cached(cluster))
        os.chmod(path, 0o755)
        with open(path, "r+b") as file:
            file.seek(size // 2)
            byte = file.read(1)
            file.seek(size // 2)
            file.write(bytes([byte[0] ^ 1]))
        cluster.start_node(0, endpoint=proxy.endpoint)
        again = run_program(setting, cluster, proxy, "cluster.program")
        check(again > size, f"it is shipped again: {again} bytes passed")


def two_versions_run_side_by_side(setting):
    with setting.cluster() as cluster, Job(cluster, [setting.job("cluster.program"), "steps"]) as one, \
            Job(cluster, [setting.job("cluster.program_changed"), "steps"]) as other:
        for word in ("open", "ran"):
            for job in (one, other):
                job.expect(word)
                job.go_on()
        one.finish()
        other.finish()


def the_limit_of_the_cache_evicts(setting):
    size = os.path.getsize(setting.job("cluster.program"))
    with ExitStack() as exits:
        cluster, proxy = shipping(setting, exits, node_options=[f"--cache-limit={size * 3 // 2}"])
        for ended, name in enumerate(("cluster.program", "cluster.program_changed", "cluster.program")):
            passed = run_program(setting, cluster, proxy, name)
            check(passed > size, f"{name} is shipped: {passed} bytes passed")
            check(len(cached(cluster)) == 1, f"one fits: {cached(cluster)}")
            until(lambda: cluster.nodes[0].log().count("session-ended") > ended,
                  "the session ends: it holds its program no more")


def installed_programs_alone_run(setting):
    """--programs DIR; the refusal says so."""
    with setting.cluster(nodes=0, spares=2) as cluster:
        folder = cluster.path("installed")
        os.mkdir(folder, 0o755)
        shutil.copy(setting.job("cluster.program"), folder)
        cluster.start_node(0, options=[f"--programs={folder}"])
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0, f"the installed one runs: {done.stdout}{done.stderr}")
        cluster.start_node(1)
        with Job(cluster, [setting.job("cluster.program_changed"), "steps"]) as job:
            check(job.expect("size") == "2", "the other one runs on the node where all programs run")
            job.expect("open")
            job.go_on()
            job.expect("ran")
            job.go_on()
            job.finish()
        check_contains(cluster.nodes[0].log(), "not installed", "log of the node")
        check(not cached(cluster, 1) == {} and not os.path.exists(cluster.path("node0-cache")), "nothing is shipped there")


def a_program_that_cannot_run_is_refused_with_the_reason(setting):
    """For want of a library, for another machine; and where nothing is installed: not after 30 s, as every node has said so."""
    os.environ["LD_LIBRARY_PATH"] = setting.jobs
    with ExitStack() as exits:
        cluster = exits.enter_context(setting.cluster(nodes=2))
        closed = exits.enter_context(setting.cluster(nodes=0, spares=1))
        os.mkdir(closed.path("installed"), 0o755)
        closed.start_node(0, options=["--programs=" + closed.path("installed")])
        needy = exits.enter_context(Job(cluster, [setting.job("cluster.program_in_need"), "refused"]))
        foreign = exits.enter_context(Job(cluster, ["setarch", "i686", setting.job("cluster.program"), "refused"]))
        missing = exits.enter_context(Job(closed, [setting.job("cluster.program"), "refused"]))
        for job, parts in [(needy, ["libcluster.needed.so", "node0", "node1", "does not start"]),
                           (foreign, ["x86_64", "i686", "node0", "node1"]), (missing, ["not installed", "node0"])]:
            said = job.expect("not-run")
            check_contains(said, "every node has refused this program", "the message")
            for part in parts:
                check_contains(said, part, "the message")
            check(said.startswith("TP_E_UNSUPPORTED"), said)
            job.finish()


def a_node_of_another_machine_is_left_out(setting):
    with setting.cluster(nodes=2, spares=1) as cluster:
        cluster.start_node(2, prefix=["setarch", "i686"])
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0, f"it runs on the others: {done.stdout}{done.stderr}")
        check("size 4" in done.stdout, done.stdout)
        check_contains(cluster.nodes[2].log(), "machine of type i686", "log of the node")


def the_cache_is_the_agents_alone(setting):
    """Others can neither enter nor write it, and a folder that they can write is refused."""
    with setting.cluster(nodes=1, spares=1) as cluster:
        done = cluster.run([setting.job("cluster.program")], capture_output=True, text=True)
        check(done.returncode == 0, done.stdout + done.stderr)
        mode = stat.S_IMODE(os.stat(cluster.path("node0-cache")).st_mode)
        check(mode & 0o077 == 0, f"mode of the cache: {mode:o}")
        os.mkdir(cluster.path("node1-cache"))
        os.chmod(cluster.path("node1-cache"), 0o777)
        try:
            cluster.start_node(1)
            check(False, "a cache that everybody can write is refused")
        except RuntimeError as problem:
            check_contains(str(problem), "node1-cache", "the reason")


if __name__ == "__main__":
    run([
        a_program_is_shipped_once,
        a_damaged_program_is_shipped_again,
        two_versions_run_side_by_side,
        the_limit_of_the_cache_evicts,
        installed_programs_alone_run,
        a_node_of_another_machine_is_left_out,
        the_cache_is_the_agents_alone,
        a_program_that_cannot_run_is_refused_with_the_reason,
    ])
