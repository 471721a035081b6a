# SPDX-License-Identifier: MIT
"""A network of our own: hosts that are network namespaces, each plugged into a switch (a bridge) with a cable (a pair of
veth). Nothing of it is the machine's: before anything is made, the test itself moves to a network and a view of /run/netns
that only it has, so that neither names nor addresses can collide, and the kernel removes all of it with the last process.

The hub has a route to everybody. All others have one to the hub, and none to each other.

            hub 10.77.0.1                    10.77.0.2 host
                      eth0 ---- switch ---- eth0
                                   |
                                 eth0 10.77.0.3 host
"""
import os
import shutil
import subprocess
import sys

from scenario import Failure

SKIPPED = 77
THEIRS = "TASKPOOL_TEST_MACHINES_NETWORK"  # tells the program that has left it which one it was
NAMES = "/run/netns"  # where ip keeps the names of namespaces
OWN = ["unshare", "--net", "--mount", "--"]
# All that a network needs of the kernel, once.
PROBE = f"""mkdir -p {NAMES} && mount -t tmpfs none {NAMES} && ip netns add probe && ip link add switch type bridge &&
    ip link add probe type veth peer name eth0 netns probe && ip link set probe master switch up &&
    nsenter --net={NAMES}/probe true"""


def skip(why):
    print("skipped:", why, flush=True)
    sys.exit(SKIPPED)


def leave_the_machines_network():
    """Begins this program anew where the machine's interfaces are not; skips the test where that is not allowed."""
    here = os.readlink("/proc/self/ns/net")
    if os.environ.pop(THEIRS, here) != here:
        subprocess.run(["mount", "-t", "tmpfs", "none", NAMES], check=True)
        return
    if os.geteuid() != 0:
        skip("to make network namespaces takes root")
    missing = [tool for tool in ("ip", "unshare", "nsenter", "mount") if not shutil.which(tool)]
    if missing:
        skip(f"not installed: {', '.join(missing)} (Debian's packages iproute2, util-linux and mount)")
    probe = subprocess.run(OWN + ["sh", "-c", PROBE], text=True, capture_output=True)
    if probe.returncode != 0:
        skip(f"this system does not let root make network namespaces, bridges and veth: {probe.stderr.strip()}")
    os.environ[THEIRS] = here
    os.execvp(OWN[0], OWN + [sys.executable] + sys.argv)


def ip(*arguments, host=None):
    command = ["ip"] + (["-n", host] if host else []) + list(arguments)
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """The first of the hosts is the hub. A host's port of the switch has its name."""
    user_ranges = 8  # nodes lock their users by names that reach as far as a network: each gets its own users

    def __init__(self, hosts):
        self.hosts = list(hosts)
        self.namespaces = list(hosts)

    def __enter__(self):
        ip("link", "add", "switch", "type", "bridge")
        ip("link", "set", "switch", "up")
        for host in self.hosts:
            ip("netns", "add", host)
            ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("link", "set", host, "master", "switch", "up")
            self.configure(host, self.address(host))
        return self

    def __exit__(self, kind, error, trace):
        for host in self.hosts:
            ip("link", "delete", host)
        for namespace in self.namespaces:
            ip("netns", "delete", namespace)
        ip("link", "delete", "switch")

    def address(self, host):
        return f"10.77.0.{1 + self.hosts.index(host)}"

    def configure(self, host, address):
        """No address of IPv6, through which neighbours would see each other without a route."""
        is_hub = host == self.hosts[0]
        ip("link", "set", "eth0", "addrgenmode", "none", "up", host=host)
        ip("address", "add", address + ("/24" if is_hub else "/32"), "dev", "eth0", host=host)
        if not is_hub:
            ip("route", "add", self.address(self.hosts[0]), "dev", "eth0", "src", address, host=host)

    def inside(self, host, command):
        """The command, so that it runs there. It stays one process."""
        return ["nsenter", f"--net={NAMES}/{host}", "--"] + list(command)

    def has_route(self, host, to):
        """Whether a packet to that host would find a way out."""
        return subprocess.run(["ip", "-n", host, "route", "get", self.address(to)], capture_output=True).returncode == 0

    def unplug(self, host):
        """Its cable is pulled at the switch: what either side sends vanishes, and no connection ends."""
        ip("link", "set", host, "down")

    def plug(self, host):
        ip("link", "set", host, "up")

    def give_away(self, host, to):
        """The interface of a host and its address are those of a new one, which knows nothing of its connections."""
        ip("netns", "add", to)
        self.namespaces.append(to)
        ip("link", "set", "eth0", "netns", to, host=host)
        self.configure(to, self.address(host))
