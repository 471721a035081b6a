/* SPDX-License-Identifier: MIT */
#include "cluster/init.h"

#include "cluster/worker.h"
#include "runtime/init.h"

#include <stdlib.h>
#include <taskpool/init.h>

void tp_init(int argc, char **argv)
{
    (void)argc, (void)argv;
    tp__init_done();
    tp__remote_open = tp__cluster_opener();
    const char *worker = getenv(TP__WORKER_VARIABLE);
    if (worker)
        tp__worker_main(worker);
}
