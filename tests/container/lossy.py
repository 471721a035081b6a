#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Delays and loses packets that a container sends to another one: lossy.py PID OTHER_PID [--delay-ms MS] [--loss PART]

PID and OTHER_PID: a process of each. Prints a line when it has begun, and one of what it did when SIGTERM ends
it. The kernel's netem does it where there is one. Elsewhere the packets take a way around: a route leads them to a TUN
device, from which this program reads them and sends them on through the container's own interface, late or not at all.
"""
import argparse
import collections
import ctypes
import fcntl
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
INTERFACE = "eth0"


def enter_network_of(pid):
    with open(f"/proc/{pid}/ns/net") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the network of process {pid}")


def address_of(pid):
    shown = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-4", "-o", "address", "show", INTERFACE], check=True,
                           capture_output=True, text=True).stdout
    return shown.split()[3].split("/")[0]


def run(*command):
    subprocess.run(command, check=True)


def by_kernel(delay_ms, loss):
    """False: this kernel cannot."""
    rule = ["tc", "qdisc", "add", "dev", INTERFACE, "root", "netem", "delay", f"{delay_ms}ms", "loss", f"{loss * 100}%"]
    if subprocess.run(rule, capture_output=True).returncode != 0:
        return False
    print("disturbing, by netem", flush=True)
    signal.sigwait([signal.SIGTERM])
    shown = subprocess.run(["tc", "-s", "qdisc", "show", "dev", INTERFACE], check=True, capture_output=True, text=True)
    sent, lost = re.search(r"(\d+) pkt \(dropped (\d+)", shown.stdout).groups()
    run("tc", "qdisc", "del", "dev", INTERFACE, "root")
    print(f"sent {sent} lost {lost}", flush=True)
    return True


def make_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def by_hand(own, other, delay_ms, loss, seed):
    name = f"lossy{os.getpid() % 100000}"
    device = make_device(name)
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
    # Answers come in where the route back does not lead out.
    for where in "all", INTERFACE:
        with open(f"/proc/sys/net/ipv4/conf/{where}/rp_filter", "w") as setting:
            setting.write("0")
    run("ip", "link", "set", name, "up")
    run("ip", "route", "add", f"{other}/32", "dev", name, "src", own)
    stopping = []
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    print(f"disturbing, by hand, seed {seed}", flush=True)
    chance = random.Random(seed)
    waiting = collections.deque()
    sent = lost = 0
    while not stopping:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            try:
                out.sendto(waiting.popleft()[1], (other, 0))
            except OSError:
                pass  # lost, as packets are
        timeout = min(0.5, waiting[0][0] - now) if waiting else 0.5
        if select.select([device], [], [], max(0, timeout))[0]:
            packet = os.read(device, 65536)
            if chance.random() < loss:
                lost += 1
            elif packet[0] >> 4 == 4:
                sent += 1
                waiting.append((time.monotonic() + delay_ms / 1000, packet))
    os.close(device)  # and with it go the device and its route
    print(f"sent {sent} lost {lost}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pid", type=int)
    parser.add_argument("other_pid", type=int)
    parser.add_argument("--delay-ms", type=float, default=40)
    parser.add_argument("--loss", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    own, other = address_of(arguments.pid), address_of(arguments.other_pid)
    enter_network_of(arguments.pid)
    if not by_kernel(arguments.delay_ms, arguments.loss):
        by_hand(own, other, arguments.delay_ms, arguments.loss, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
