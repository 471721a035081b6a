#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's first command as a newcomer runs it: in a bare Debian, in a clean clone."""
import os
import shutil
import subprocess
import sys
import tempfile

from containers import PREFIX, REPOSITORY, docker, output_of, require_engine

BASE = os.environ.get("TASKPOOL_BASE", "debian:bookworm-slim")
CONTAINER = f"{PREFIX}{os.getpid()}-quickstart"


def run(command):
    """Shows what it prints while it runs, and returns it."""
    said = []
    with subprocess.Popen(["docker", "exec", "--workdir", "/source", CONTAINER, *command], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            said.append(line)
            print(line, end="", flush=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return "".join(said)


def main():
    require_engine(compose=False)
    folder = tempfile.mkdtemp(prefix=PREFIX)
    try:
        clone = os.path.join(folder, "source")
        output_of("git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, clone)
        docker("run", "--detach", "--name", CONTAINER, "--init", BASE, "sleep", "3600")
        docker("cp", clone, f"{CONTAINER}:/source")
        said = run(["deploy/quickstart", "--small"])
        if "100%" not in said or " on 2 workers" not in said or "the  " not in said:
            sys.exit("it did not count words on a cluster, or showed no progress")
        if "nothing is missing" not in run(["deploy/quickstart", "--small"]):
            sys.exit("the second time it installed something again")
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", CONTAINER], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
