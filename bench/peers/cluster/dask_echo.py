# SPDX-License-Identifier: MIT
"""Dask.distributed: scheduler and two worker processes of one thread, all started here, in clear. A future each; tasks of a
worker that dies are run again, also those that have had an effect."""

import sys

from common import run
from distributed import Client, LocalCluster


def echo(value):
    return value


if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
            Client(cluster) as client:
        run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1, 5000,
            lambda cells: client.gather(client.map(echo, cells, pure=False)),
            lambda value: client.submit(echo, value, pure=False).result())
