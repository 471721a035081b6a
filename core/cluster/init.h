/* SPDX-License-Identifier: MIT */
/** @file
 * What tp_init brings together: it knows that there is a cluster, the runtime does not.
 */
#ifndef TP_CLUSTER_INIT_H
#define TP_CLUSTER_INIT_H

#include "runtime/remote.h"

/** How a pool at "tcp://host:port" is opened: cluster/driver.c. */
tp__remote_opener *tp__cluster_opener(void);

#endif
