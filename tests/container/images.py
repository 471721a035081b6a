#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the images that the container tests use, with deploy/Dockerfile and deploy/compose.yaml, and checks the latter
with every version of compose that is here."""
import os
import subprocess
import sys

from containers import DEPLOY, TAG, compose_commands, require_engine

BASE = os.environ.get("TASKPOOL_BASE", "debian:bookworm-slim")


def run(*command):
    print(f"+ {' '.join(command)}", flush=True)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                   env={**os.environ, "TASKPOOL_TAG": TAG, "COMPOSE_PROJECT_NAME": "taskpool-test-images"})


def has_base():
    for command in ["image", "inspect"], ["pull", "--quiet"]:
        if subprocess.run(["docker", *command, BASE], capture_output=True).returncode == 0:
            return True
    return False


def main():
    require_engine()
    if not has_base():
        run(os.path.join(DEPLOY, "base-image"), BASE)
    for command in compose_commands():
        run(*command, "--file", os.path.join(DEPLOY, "compose.yaml"), "--profile", "job", "config", "--quiet")
    run(*compose_commands()[0], "--file", os.path.join(DEPLOY, "compose.yaml"), "--profile", "job", "build", "coordinator",
        "node", "job")


if __name__ == "__main__":
    sys.exit(main())
