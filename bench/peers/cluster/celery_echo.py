# SPDX-License-Identifier: MIT
"""Celery with Redis as broker and store of results, in clear; two workers of one process. `celery -A celery_echo worker` serves,
`celery_echo.py WORK [DIVISOR]` submits; $BENCH_PORT says where Redis is."""

import os
import sys

from celery import Celery, group

URL = f"redis://127.0.0.1:{os.environ.get('BENCH_PORT', '6379')}/0"
app = Celery("celery_echo", broker=URL, backend=URL)
app.conf.update(task_serializer="pickle", result_serializer="pickle", accept_content=["pickle"])


@app.task(name="echo")
def echo(value):
    return value


if __name__ == "__main__":
    from common import run
    run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1, 5000,
        lambda cells: group(echo.s(cell) for cell in cells).apply_async().get(),
        lambda value: echo.delay(value).get())
