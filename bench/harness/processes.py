# SPDX-License-Identifier: MIT
"""What the processes of a run use: processor time and memory, read from /proc."""

import os
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


def descendants(pid):
    """All living descendants of a process."""
    found, open_ = [], [pid]
    while open_:
        for children in Path(f"/proc/{open_.pop()}/task").glob("*/children"):
            try:
                below = [int(word) for word in children.read_text().split()]
            except OSError:
                continue
            found += below
            open_ += below
    return found


def processor_s(pid):
    """Its own, and of its children that have ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(word) for word in words[11:15]) * TICK_S


def resident_kib(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB
    except OSError:
        return 0.0


def processor_of_all_s():
    return sum(processor_s(pid) for pid in descendants(os.getpid()))
