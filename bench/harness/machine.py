# SPDX-License-Identifier: MIT
"""The machine: its name, and how much of it others take."""

import os
import resource
import time
from pathlib import Path

from harness.processes import processor_of_all_s


def processor_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


class Disturbance:
    """How much of the processors' time others take meanwhile: other processes, and other guests of the host."""

    def __init__(self, processors):
        self.names = [f"cpu{number}" for number in processors]
        self.start = self.now()

    def now(self):
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        ticks = [[int(word) for word in line[1:9]] for line in lines if line[0] in self.names]
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = sum(sum(row) - row[3] - row[4] for row in ticks) / os.sysconf("SC_CLK_TCK")
        return busy - ours.ru_utime - ours.ru_stime - processor_of_all_s(), time.monotonic()

    def percent(self):
        busy, clock = self.now()
        return max(0.0, 100 * (busy - self.start[0]) / (clock - self.start[1]) / len(self.names))
