/* SPDX-License-Identifier: MIT */
#include "base/barrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

bool tp__barrier_is_asymmetric;

static void register_process(void)
{
    tp__barrier_is_asymmetric = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* Before main, so that no thread ever sees the answer change. A forked child registers again: it starts with one
 * thread. */
__attribute__((constructor)) static void register_at_start(void)
{
    register_process();
    (void)pthread_atfork(NULL, NULL, register_process);
}

void tp__barrier_heavy(void)
{
    tp__barrier_full();
    if (tp__barrier_is_asymmetric)
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
