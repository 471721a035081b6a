# SPDX-License-Identifier: MIT
"""Ray: one node with two processors and its object store, all started here, in clear. A reference to an object for each
result; tasks of a worker that dies are run again, three times by default."""

import logging
import sys

import ray
from common import run


@ray.remote
def echo(value):
    return value


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, configure_logging=False,
             object_store_memory=512 << 20)
    run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1, 5000,
        lambda cells: ray.get([echo.remote(cell) for cell in cells]),
        lambda value: ray.get(echo.remote(value)))
